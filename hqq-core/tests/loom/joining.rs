//! Endpoints that come while the other end is at work.

use std::ops::RangeInclusive;

use hqq_core::ring::{Consumer, Producer};
use hqq_core::{
    AttachError, AttachOptions, FormatError, InitOptions, Link, Mode, Receiver, Region, Role,
    Sender, initialise,
};
use loom::sync::{Arc, Mutex};
use loom::thread;

use crate::support::{
    Geometry, INLINE, assert_delivered, check, exclusive, layout, receive, receive_some, receiver,
    region, send, sender, shared, tag,
};

/// One end initialises the region; the other finds it ready, and with it all that was written.
#[test]
fn ready_region() {
    check(1, || {
        let region = Region::model(&layout(INLINE));
        let peer = region.clone();
        let creator = thread::spawn(move || {
            initialise(&peer, &layout(INLINE), &InitOptions::new()).unwrap();
        });
        let mut link = loop {
            match Link::<Geometry<INLINE>>::attach(
                region.clone(),
                &AttachOptions::new(Role::Primary),
            ) {
                Ok(link) => break link,
                Err(error) => {
                    assert!(
                        matches!(
                            error,
                            AttachError::Format(
                                FormatError::Empty | FormatError::Initialising { .. }
                            )
                        ),
                        "a region that is not ready says so: {error}"
                    );
                    thread::yield_now();
                }
            }
        };
        send(link.sender(), tag(1, 1));
        creator.join().unwrap();
    });
}

/// Attaches, receives `count` messages, leaves.
fn visit(region: &Region, mode: Mode, count: usize) -> Vec<u8> {
    fn some<C: Consumer>(mut receiver: Receiver<C>, count: usize) -> Vec<u8> {
        (0..count).filter_map(|_| receive(&mut receiver)).collect()
    }
    match mode {
        Mode::Exclusive => {
            let (_back, from) = exclusive::<INLINE>(region, Role::Secondary);
            some(from, count)
        }
        Mode::Shared => {
            let (_back, far) = shared::<INLINE>(region, Role::Secondary);
            some(receiver(&far), count)
        }
    }
}

/// Attaches, sends messages `indices`, leaves.
fn send_some(region: &Region, mode: Mode, indices: RangeInclusive<u8>) {
    fn some<P: Producer>(mut sender: Sender<P>, indices: RangeInclusive<u8>) {
        for index in indices {
            send(&mut sender, tag(1, index));
        }
    }
    match mode {
        Mode::Exclusive => {
            let (to, _back) = exclusive::<INLINE>(region, Role::Primary);
            some(to, indices);
        }
        Mode::Shared => {
            let (near, _back) = shared::<INLINE>(region, Role::Primary);
            some(sender(&near), indices);
        }
    }
}

/// A receiver comes late, leaves after one message, and `successor` goes on, while a sender is at
/// work all the time. What both got.
fn receivers_in_turn(
    sending: Mode,
    first: Mode,
    successor: impl FnOnce(&Region) -> Vec<u8>,
) -> Vec<u8> {
    fn three<P: Producer>(to: &mut Sender<P>) {
        for index in 1..=3 {
            while to.try_send(&[tag(1, index); INLINE]).is_err() {
                thread::yield_now();
            }
        }
    }
    let region = region(INLINE);
    let in_turn = |region: &Region| [visit(region, first, 1), successor(region)].concat();
    // The sender leaves below: leaving and attaching do not happen at the same time.
    match sending {
        Mode::Exclusive => {
            let (mut to, _back) = exclusive::<INLINE>(&region, Role::Primary);
            let producer = thread::spawn(move || {
                three(&mut to);
                to
            });
            let received = in_turn(&region);
            drop(producer.join().unwrap());
            received
        }
        Mode::Shared => {
            let (near, _back) = shared::<INLINE>(&region, Role::Primary);
            let mut to = sender(&near);
            let producer = thread::spawn(move || {
                three(&mut to);
                to
            });
            let received = in_turn(&region);
            drop(producer.join().unwrap());
            received
        }
    }
}

/// The same with senders, while a receiver is at work all the time.
fn senders_in_turn(modes: [Mode; 2], receiving: Mode) {
    fn three<C: Consumer>(from: &mut Receiver<C>) -> Vec<u8> {
        let mut received = Vec::new();
        while received.len() < 3 {
            match receive(from) {
                Some(tag) => received.push(tag),
                // One sender has left and the next is yet to come.
                None => thread::yield_now(),
            }
        }
        received
    }
    let region = region(INLINE);
    let [first, second] = modes;
    let in_turn = |region: &Region| {
        send_some(region, first, 1..=1);
        send_some(region, second, 2..=3);
    };
    // The receiver leaves below, as above.
    let received = match receiving {
        Mode::Exclusive => {
            let (_forth, mut from) = exclusive::<INLINE>(&region, Role::Secondary);
            let consumer = thread::spawn(move || (three(&mut from), from));
            in_turn(&region);
            consumer.join().unwrap().0
        }
        Mode::Shared => {
            let (_forth, far) = shared::<INLINE>(&region, Role::Secondary);
            let mut from = receiver(&far);
            let consumer = thread::spawn(move || (three(&mut from), from));
            in_turn(&region);
            consumer.join().unwrap().0
        }
    };
    assert_delivered(&[3], &[received]);
}

/// Attaches, uses the endpoint, leaves, each under the attach lock that all ends share.
fn under_lock<T>(lock: &Mutex<()>, attach: impl FnOnce() -> T, using: impl FnOnce(&mut T)) {
    let mut end = {
        let _serialised = lock.lock().unwrap();
        attach()
    };
    using(&mut end);
    let _serialised = lock.lock().unwrap();
    drop(end);
}

/// Both sides change their mode at the same time: the successors of both find what the others left,
/// and learn from the status alone who comes and goes.
fn both_in_turn(sending: [Mode; 2], receiving: [Mode; 2]) {
    let region = region(INLINE);
    let lock = Arc::new(Mutex::new(()));
    let producer = thread::spawn({
        let (region, lock) = (region.clone(), Arc::clone(&lock));
        move || {
            for (mode, indices) in sending.into_iter().zip([1..=1_u8, 2..=2]) {
                let each = |send_one: &mut dyn FnMut(u8)| indices.for_each(send_one);
                match mode {
                    Mode::Exclusive => under_lock(
                        &lock,
                        || exclusive::<INLINE>(&region, Role::Primary),
                        |(to, _)| each(&mut |index| send(to, tag(1, index))),
                    ),
                    Mode::Shared => under_lock(
                        &lock,
                        || shared::<INLINE>(&region, Role::Primary),
                        |(near, _)| {
                            let mut to = sender(near);
                            each(&mut |index| send(&mut to, tag(1, index)));
                        },
                    ),
                }
            }
        }
    });
    fn one<C: Consumer>(from: &mut Receiver<C>) -> u8 {
        loop {
            match receive(from) {
                Some(tag) => return tag,
                None => thread::yield_now(),
            }
        }
    }
    let mut received = Vec::new();
    for mode in receiving {
        match mode {
            Mode::Exclusive => under_lock(
                &lock,
                || exclusive::<INLINE>(&region, Role::Secondary),
                |(_, from)| received.push(one(from)),
            ),
            Mode::Shared => under_lock(
                &lock,
                || shared::<INLINE>(&region, Role::Secondary),
                |(_, far)| received.push(one(&mut receiver(far))),
            ),
        }
    }
    producer.join().unwrap();
    assert_delivered(&[2], &[received]);
}

#[test]
fn receivers_in_turn_shared_then_exclusive() {
    check(1, || {
        let received = receivers_in_turn(Mode::Exclusive, Mode::Shared, |region| {
            visit(region, Mode::Exclusive, 2)
        });
        assert_delivered(&[3], &[received]);
    });
}

/// The successor's repair exchanges a stamp that the sender may overwrite without looking (T3x).
/// loom keeps no order between the two and may show the older one for ever, so the successor tries
/// a few times only, and what it got is the beginning of what was sent.
#[test]
fn receivers_in_turn_exclusive_then_shared() {
    check(1, || {
        let received = receivers_in_turn(Mode::Exclusive, Mode::Exclusive, |region| {
            let (_back, far) = shared::<INLINE>(region, Role::Secondary);
            receive_some(receiver(&far), 4)
        });
        let count = u8::try_from(received.len()).unwrap();
        assert_delivered(&[count], &[received]);
    });
}

/// Beside a shared sender both orders show everything: it exchanges what the successor repairs.
#[test]
fn receivers_in_turn_beside_a_shared_sender() {
    check(1, || {
        let received = receivers_in_turn(Mode::Shared, Mode::Exclusive, |region| {
            visit(region, Mode::Shared, 2)
        });
        assert_delivered(&[3], &[received]);
    });
}

#[test]
fn receivers_in_turn_back_beside_a_shared_sender() {
    check(1, || {
        let received = receivers_in_turn(Mode::Shared, Mode::Shared, |region| {
            visit(region, Mode::Exclusive, 2)
        });
        assert_delivered(&[3], &[received]);
    });
}

#[test]
fn senders_in_turn_exclusive_then_shared() {
    check(2, || {
        senders_in_turn([Mode::Exclusive, Mode::Shared], Mode::Exclusive)
    });
}

#[test]
fn senders_in_turn_shared_then_exclusive() {
    check(2, || {
        senders_in_turn([Mode::Shared, Mode::Exclusive], Mode::Exclusive)
    });
}

#[test]
fn senders_in_turn_beside_a_shared_receiver() {
    check(1, || {
        senders_in_turn([Mode::Exclusive, Mode::Shared], Mode::Shared)
    });
}

#[test]
fn senders_in_turn_back_beside_a_shared_receiver() {
    check(1, || {
        senders_in_turn([Mode::Shared, Mode::Exclusive], Mode::Shared)
    });
}

#[test]
fn both_in_turn_exclusive_then_shared() {
    check(3, || {
        both_in_turn(
            [Mode::Exclusive, Mode::Shared],
            [Mode::Exclusive, Mode::Shared],
        )
    });
}

#[test]
fn both_in_turn_shared_then_exclusive() {
    check(3, || {
        both_in_turn(
            [Mode::Shared, Mode::Exclusive],
            [Mode::Shared, Mode::Exclusive],
        )
    });
}
