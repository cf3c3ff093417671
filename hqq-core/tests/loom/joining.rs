//! Endpoints that come while the other end is at work.

use std::ops::RangeInclusive;

use hqq_core::ring::{Consumer, Producer};
use hqq_core::{
    AttachError, AttachOptions, FormatError, InitOptions, Link, Mode, Receiver, Region, Role,
    Sender, initialise,
};
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
fn receivers_in_turn(first: Mode, successor: impl FnOnce(&Region) -> Vec<u8>) -> Vec<u8> {
    let region = region(INLINE);
    let (mut to, _back) = exclusive::<INLINE>(&region, Role::Primary);
    let producer = thread::spawn(move || {
        for index in 1..=3 {
            while to.try_send(&[tag(1, index); INLINE]).is_err() {
                thread::yield_now();
            }
        }
        // Left below: leaving and attaching do not happen at the same time.
        to
    });
    let received = [visit(&region, first, 1), successor(&region)].concat();
    drop(producer.join().unwrap());
    received
}

/// The same with senders, while a receiver is at work all the time.
fn senders_in_turn(modes: [Mode; 2]) {
    let region = region(INLINE);
    let (_forth, mut from) = exclusive::<INLINE>(&region, Role::Secondary);
    let consumer = thread::spawn(move || {
        let mut received = Vec::new();
        while received.len() < 3 {
            match receive(&mut from) {
                Some(tag) => received.push(tag),
                // One sender has left and the next is yet to come.
                None => thread::yield_now(),
            }
        }
        // As above.
        (received, from)
    });
    let [first, second] = modes;
    send_some(&region, first, 1..=1);
    send_some(&region, second, 2..=3);
    let (received, from) = consumer.join().unwrap();
    drop(from);
    assert_delivered(&[3], &[received]);
}

#[test]
fn receivers_in_turn_shared_then_exclusive() {
    check(1, || {
        let received = receivers_in_turn(Mode::Shared, |region| visit(region, Mode::Exclusive, 2));
        assert_delivered(&[3], &[received]);
    });
}

/// The successor's repair exchanges a stamp that the sender may overwrite without looking (T3x).
/// loom keeps no order between the two and may show the older one for ever, so the successor tries
/// a few times only, and what it got is the beginning of what was sent.
#[test]
fn receivers_in_turn_exclusive_then_shared() {
    check(1, || {
        let received = receivers_in_turn(Mode::Exclusive, |region| {
            let (_back, far) = shared::<INLINE>(region, Role::Secondary);
            receive_some(receiver(&far), 4)
        });
        let count = u8::try_from(received.len()).unwrap();
        assert_delivered(&[count], &[received]);
    });
}

#[test]
fn senders_in_turn_exclusive_then_shared() {
    check(2, || senders_in_turn([Mode::Exclusive, Mode::Shared]));
}

#[test]
fn senders_in_turn_shared_then_exclusive() {
    check(2, || senders_in_turn([Mode::Shared, Mode::Exclusive]));
}
