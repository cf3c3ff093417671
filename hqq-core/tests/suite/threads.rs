//! Many messages between threads: each arrives once, in its sender's order, with its own bytes.

use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::Memory;
use hqq_core::ring::{Consumer, Producer};
use hqq_core::{Receiver, RecvError, Sender, Waiting};

// At least a line: shorter buffers have no quick way.
const SIZE: usize = 64;
/// Messages in all; fewer where the machine is emulated.
const MESSAGES: u32 = if cfg!(target_endian = "big") {
    2_000
} else {
    100_000
};

/// Yields, for a minute at most: then the test has failed, with `TimedOut`.
fn patience() -> impl FnMut(&Waiting) -> ControlFlow<()> {
    let end = Instant::now() + Duration::from_secs(60);
    move |_| {
        thread::yield_now();
        if Instant::now() < end {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }
}

/// Sender and number, alone or followed by bytes that only fit a buffer.
fn message(sender: u32, number: u32) -> Vec<u8> {
    let head = [sender.to_le_bytes(), number.to_le_bytes()].concat();
    let fill = (sender ^ number) as u8;
    match number % 3 {
        0 => head,
        1 => [head, vec![fill; SIZE - 8]].concat(),
        _ => [head, vec![fill; 9]].concat(),
    }
}

fn send_all<P: Producer>(mut sender: Sender<P>, id: u32, count: u32) {
    for number in 0..count {
        sender.send(&message(id, number), &mut patience()).unwrap();
    }
}

/// Receives until the senders have left: senders and numbers, in the order they came.
fn receive_all<C: Consumer>(mut receiver: Receiver<C>) -> Vec<(u32, u32)> {
    let mut seen = Vec::new();
    let mut buffer = [0; SIZE];
    loop {
        match receiver.recv(&mut buffer, &mut patience()) {
            Ok(len) => {
                let word = |at| u32::from_le_bytes(*buffer[at..].first_chunk().unwrap());
                let (sender, number) = (word(0), word(4));
                assert_eq!(buffer[..len], message(sender, number));
                seen.push((sender, number));
            }
            Err(RecvError::Disconnected) => return seen,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Each message once, and to each receiver in its sender's order.
fn check(received: &[Vec<(u32, u32)>], senders: u32, each: u32) {
    for seen in received {
        let mut next = vec![0; senders as usize];
        for (sender, number) in seen {
            let next = &mut next[*sender as usize];
            assert!(number >= next, "{number} of sender {sender} after {next}");
            *next = number + 1;
        }
    }
    let mut all: Vec<_> = received.concat();
    all.sort_unstable();
    let expected: Vec<_> = (0..senders)
        .flat_map(|sender| (0..each).map(move |number| (sender, number)))
        .collect();
    assert!(all == expected, "{} of {} came", all.len(), expected.len());
}

#[test]
fn one_thread_to_another() {
    // Passes 2^32 half-way.
    for (count, start) in [(2, 0), (64, (1 << 32) - u64::from(MESSAGES) / 4)] {
        let memory = Memory::new(count, SIZE, start);
        let (near, far) = memory.pair();
        let ((sender, _back), (_answers, receiver)) = (near.split(), far.split());
        let seen = thread::scope(|scope| {
            scope.spawn(move || send_all(sender, 0, MESSAGES / 2));
            scope.spawn(|| receive_all(receiver)).join().unwrap()
        });
        check(&[seen], 1, MESSAGES / 2);
        memory.assert_canaries();
    }
}

#[test]
fn there_and_back() {
    let memory = Memory::new(4, SIZE, (1 << 16) - 100);
    let (mut near, mut far) = memory.pair();
    let rounds = MESSAGES / 10;
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut buffer = [0; SIZE];
            for _ in 0..rounds {
                let len = far.recv(&mut buffer, &mut patience()).unwrap();
                far.send(&buffer[..len], &mut patience()).unwrap();
            }
        });
        let mut buffer = [0; SIZE];
        for number in 0..rounds {
            let message = message(1, number);
            near.send(&message, &mut patience()).unwrap();
            let len = near.recv(&mut buffer, &mut patience()).unwrap();
            assert_eq!(buffer[..len], message);
        }
    });
}

#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
mod shared {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    use hqq_core::{
        AttachOptions, Delivery, InitOptions, Layout, Member, Position, Role, SharedLink, SpinFor,
    };

    #[test]
    fn four_threads_to_four() {
        for (count, start) in [(4, (1 << 32) - 1000), (64, (1 << 16) - 1000)] {
            let memory = Memory::new(count, SIZE, start);
            let near = memory.shared(Role::Primary);
            let far = memory.shared(Role::Secondary);
            let each = MESSAGES / 8;
            let received: Vec<_> = thread::scope(|scope| {
                let receivers: Vec<_> = (0..4)
                    .map(|_| scope.spawn(|| receive_all(far.receiver())))
                    .collect();
                thread::scope(|scope| {
                    for id in 0..4 {
                        let sender = near.sender();
                        scope.spawn(move || send_all(sender, id, each));
                    }
                });
                drop(near);
                receivers
                    .into_iter()
                    .map(|receiver| receiver.join().unwrap())
                    .collect()
            });
            check(&received, 4, each);
            memory.assert_canaries();
        }
    }

    #[test]
    fn two_threads_to_one_that_is_alone() {
        let memory = Memory::new(4, SIZE, (1 << 48) - 1000);
        let near = memory.shared(Role::Primary);
        let (_answers, receiver) = memory.exclusive(Role::Secondary).split();
        let each = MESSAGES / 8;
        let seen = thread::scope(|scope| {
            let receiving = scope.spawn(|| receive_all(receiver));
            thread::scope(|scope| {
                for id in 0..2 {
                    let sender = near.sender();
                    scope.spawn(move || send_all(sender, id, each));
                }
            });
            drop(near);
            receiving.join().unwrap()
        });
        check(&[seen], 2, each);
    }

    #[test]
    fn one_that_is_alone_to_two_threads() {
        let memory = Memory::new(4, SIZE, (1 << 32) - 1000);
        let (sender, _back) = memory.exclusive(Role::Primary).split();
        let far = memory.shared(Role::Secondary);
        let each = MESSAGES / 4;
        let received = thread::scope(|scope| {
            scope.spawn(move || send_all(sender, 0, each));
            let receivers = [(); 2].map(|()| scope.spawn(|| receive_all(far.receiver())));
            receivers.map(|receiver| receiver.join().unwrap())
        });
        check(&received, 1, each);
    }

    /// Others get on while a call gives up waiting, or a member joins: that is no damage.
    #[test]
    fn a_ring_at_work_is_not_taken_for_a_damaged_one() {
        for delivery in [Delivery::AtMostOnce, Delivery::AtLeastOnce] {
            let layout = Layout::new(2, SIZE, 64, 4).unwrap();
            let options = InitOptions::new()
                .delivery(delivery)
                .start(Position::new((1 << 32) - 1000));
            let memory = Memory::with(layout, &options);
            let near = memory.shared(Role::Primary);
            let far = memory.shared(Role::Secondary);
            let done = AtomicBool::new(false);
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        let mut sender = near.sender();
                        while !done.load(Ordering::Relaxed) {
                            let sent = sender.send(b"x", &mut SpinFor(0));
                            assert!(matches!(sent, Ok(()) | Err(hqq_core::SendError::TimedOut)));
                        }
                    });
                    scope.spawn(|| {
                        let mut receiver = far.receiver();
                        while !done.load(Ordering::Relaxed) {
                            let got = receiver.recv(&mut [0; SIZE], &mut SpinFor(0));
                            assert!(matches!(got, Ok(1) | Err(RecvError::TimedOut)), "{got:?}");
                        }
                    });
                }
                for _ in 0..MESSAGES / 20 {
                    let second = Member::new(2).unwrap();
                    for role in Role::BOTH {
                        let options = AttachOptions::new(role).member(second);
                        let link =
                            SharedLink::<hqq_core::Dynamic>::attach(memory.region(), &options);
                        if let Err(error) = link {
                            done.store(true, Ordering::Relaxed);
                            panic!("{error}");
                        }
                    }
                }
                done.store(true, Ordering::Relaxed);
            });
            memory.assert_canaries();
        }
    }
}
