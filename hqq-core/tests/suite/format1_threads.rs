//! Format 1 between threads, and waiting in both formats: each message arrives once, in its
//! sender's order; a wait that nothing limits ends when the ring is damaged.

use std::ops::ControlFlow;

use crate::common::{Memory, fill, in_every_pairing};
use hqq_core::ring::{Consumer, Corruption, Producer};
use hqq_core::{Position, Receiver, RecvError, SendError, Sender, Waiting};

const SIZE: usize = 48;

/// Waits without an end, but for that of the test.
fn endless(waiting: &Waiting) -> ControlFlow<()> {
    assert!(
        waiting.round < 10_000,
        "the call would have waited for ever"
    );
    ControlFlow::Continue(())
}

/// Rounds after which a call looks for damage.
const SUSPICION: u32 = 256;
/// The stamp of a slot that is free for position 0.
const FREE: u64 = 0x00e0;
/// A stamp, or a sequence, that neither format explains near position 0.
const DAMAGE: u64 = 0x00e1;

#[test]
fn a_wait_without_end_ends_where_a_ring_of_format_2_is_damaged() {
    fn damaged<P: Producer, C: Consumer>(
        sender: &mut Sender<P>,
        receiver: &mut Receiver<C>,
        memory: Memory,
    ) {
        memory.set_stamp(0, DAMAGE);
        let at = |position| Corruption {
            position: Position::new(position),
            stamp: DAMAGE,
        };
        let corrupt = RecvError::Corrupt(at(0));
        let mut buffer = [0; SIZE];
        assert_eq!(receiver.recv(&mut buffer, &mut endless), Err(corrupt));
        assert_eq!(receiver.read(&mut buffer, &mut endless), Err(corrupt));
        assert_eq!(receiver.next(&mut endless).err(), Some(corrupt));
        // Damage that is there each other time that the call looks for it is none.
        let mut flickers = |waiting: &Waiting| {
            let damaged = (waiting.round + 1) / SUSPICION % 2 == 1;
            memory.set_stamp(0, if damaged { DAMAGE } else { FREE });
            if waiting.round < 20 * SUSPICION {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        };
        let waited = receiver.recv(&mut buffer, &mut flickers);
        assert_eq!(waited, Err(RecvError::TimedOut));

        assert_eq!(fill(sender, b"full"), 2);
        memory.set_stamp(0, DAMAGE);
        let corrupt = SendError::Corrupt(at(2));
        assert_eq!(sender.send(b"x", &mut endless), Err(corrupt));
        assert_eq!(sender.reserve(&mut endless).err(), Some(corrupt));
    }
    let memory = std::cell::Cell::new(None);
    let fresh = || {
        memory.set(Some(Memory::new(2, SIZE, 0)));
        memory.get().unwrap()
    };
    in_every_pairing!(fresh(), damaged, memory.get().unwrap());
}

#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
mod format_1 {
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::common::receive;
    use hqq_core::{Role, SpinFor, TryRecvError, TrySendError};

    /// Threads on each side.
    const THREADS: u32 = 4;
    /// Messages of each sender; fewer where the machine is emulated.
    const EACH: u32 = if cfg!(target_endian = "big") {
        250
    } else {
        20_000
    };

    #[test]
    fn a_wait_without_end_ends_where_the_ring_is_damaged() {
        let memory = Memory::format_1(2, SIZE);
        let near = memory.format_1_link(Role::Primary);
        let far = memory.format_1_link(Role::Secondary);
        let at = |position| Corruption {
            position: Position::new(position),
            stamp: DAMAGE,
        };
        // Found when it is there already, and when it comes meanwhile.
        for round in [1, 2, 255, 256, 1_000] {
            let mut damaged = |waiting: &Waiting| {
                if waiting.round == round {
                    memory.set_sequence(0, DAMAGE);
                }
                endless(waiting)
            };
            let waited = far.receiver().recv(&mut [0; SIZE], &mut damaged);
            assert_eq!(waited, Err(RecvError::Corrupt(at(0))));
            let waited = far.receiver().read(&mut [0; SIZE], &mut endless);
            assert_eq!(waited, Err(RecvError::Corrupt(at(0))));
            memory.set_sequence(0, 0);
        }
        assert_eq!(fill(&mut near.sender(), b"full"), 2);
        for round in [1, 300] {
            let mut damaged = |waiting: &Waiting| {
                if waiting.round == round {
                    memory.set_sequence(0, DAMAGE);
                }
                endless(waiting)
            };
            let waited = near.sender().send(b"x", &mut damaged);
            assert_eq!(waited, Err(SendError::Corrupt(at(2))));
            memory.set_sequence(0, 1);
        }
        // It goes on where it was.
        let mut receiver = far.receiver();
        assert_eq!(receive(&mut receiver), Ok(b"full".to_vec()));
        assert_eq!(near.sender().send(b"more", &mut endless), Ok(()));
    }

    #[test]
    fn a_wait_that_gives_up_times_the_call_out() {
        let memory = Memory::format_1(2, SIZE);
        let near = memory.format_1_link(Role::Primary);
        let far = memory.format_1_link(Role::Secondary);
        for rounds in [0, 3, 600] {
            let waited = far.receiver().recv(&mut [0; SIZE], &mut SpinFor(rounds));
            assert_eq!(waited, Err(RecvError::TimedOut));
        }
        assert_eq!(fill(&mut near.sender(), b"full"), 2);
        for rounds in [0, 3, 600] {
            let waited = near.sender().send(b"x", &mut SpinFor(rounds));
            assert_eq!(waited, Err(SendError::TimedOut));
        }
    }

    /// Sender and number, and as many bytes more as differ from message to message.
    fn message(sender: u32, number: u32) -> Vec<u8> {
        let head = [sender.to_le_bytes(), number.to_le_bytes()].concat();
        let fill = vec![(sender ^ number) as u8; number as usize % (SIZE - 8)];
        [head, fill].concat()
    }

    /// Yields until `attempt` succeeds, or the test has failed.
    fn until<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(value) = attempt() {
                return value;
            }
            assert!(Instant::now() < end, "nothing moves any more");
            thread::yield_now();
        }
    }

    fn send_all<P: Producer>(mut sender: Sender<P>, id: u32) {
        for number in 0..EACH {
            let message = message(id, number);
            until(|| match sender.try_send(&message) {
                Ok(()) => Some(()),
                Err(TrySendError::Full | TrySendError::Busy) => None,
                Err(error) => panic!("{error}"),
            });
        }
        // The sign to stop, for one receiver.
        until(|| sender.try_send(b"end").ok());
    }

    /// Senders and numbers, in the order they came, until the sign to stop.
    fn receive_all<C: Consumer>(mut receiver: Receiver<C>) -> Vec<(u32, u32)> {
        let mut seen = Vec::new();
        loop {
            let bytes = until(|| match receive(&mut receiver) {
                Ok(bytes) => Some(bytes),
                Err(TryRecvError::Empty | TryRecvError::Busy) => None,
                Err(error) => panic!("{error}"),
            });
            if bytes == b"end" {
                return seen;
            }
            let word = |at: usize| u32::from_le_bytes(*bytes[at..].first_chunk().unwrap());
            let (sender, number) = (word(0), word(4));
            assert_eq!(bytes, message(sender, number));
            seen.push((sender, number));
        }
    }

    /// Each message once, and to each receiver in its sender's order. Half of the threads are of
    /// one endpoint on their side, half of another, as of two processes.
    #[test]
    fn four_threads_to_four() {
        for count in [2, 8] {
            let memory = Memory::format_1(count, SIZE);
            let near = [(); 2].map(|()| memory.format_1_link(Role::Primary));
            let far = [(); 2].map(|()| memory.format_1_link(Role::Secondary));
            let received: Vec<_> = thread::scope(|scope| {
                let receivers: Vec<_> = (0..THREADS)
                    .map(|id| far[id as usize % 2].receiver())
                    .map(|receiver| scope.spawn(|| receive_all(receiver)))
                    .collect();
                for id in 0..THREADS {
                    let sender = near[id as usize % 2].sender();
                    scope.spawn(move || send_all(sender, id));
                }
                receivers
                    .into_iter()
                    .map(|receiver| receiver.join().unwrap())
                    .collect()
            });
            for seen in &received {
                let mut next = [0; THREADS as usize];
                for (sender, number) in seen {
                    let next = &mut next[*sender as usize];
                    assert!(number >= next, "{number} of sender {sender} after {next}");
                    *next = number + 1;
                }
            }
            let mut all = received.concat();
            all.sort_unstable();
            let expected: Vec<_> = (0..THREADS)
                .flat_map(|sender| (0..EACH).map(move |number| (sender, number)))
                .collect();
            assert!(all == expected, "{} of {} came", all.len(), expected.len());
            let (sent, got) = (
                near.map(|link| link.sender().counters()),
                far.map(|link| link.receiver().counters()),
            );
            let sum =
                |of: [hqq_core::Counters; 2]| of.iter().map(|side| side.messages).sum::<u64>();
            assert_eq!(sum(sent), u64::from(THREADS * (EACH + 1)));
            assert_eq!(sum(got), u64::from(THREADS * (EACH + 1)));
            memory.assert_canaries();
        }
    }
}
