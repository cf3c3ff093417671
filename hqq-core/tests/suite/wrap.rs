//! Positions that pass 2^16, 2^30, 2^32 and 2^48, in every pairing of modes.

use crate::common::{Memory, in_every_pairing, pattern, receive};
use hqq_core::ring::{Consumer, Producer};
use hqq_core::{Receiver, Sender, TryRecvError, TrySendError};

const COUNT: usize = 4;
// At least a line: shorter buffers have no quick way.
const SIZE: usize = 64;

/// Where something wraps: half a stamp's sequence, a step of `released`, all of it, a position.
const WRAPS: [u64; 5] = [1 << 16, 1 << 30, 1 << 31, 1 << 32, 1 << 48];

/// Positions so far before each wrap that it falls into each place of a ring of so many buffers; emulated machines
/// take every third.
fn starts(count: usize) -> impl Iterator<Item = u64> {
    let step = if cfg!(target_endian = "big") { 3 } else { 1 };
    WRAPS
        .into_iter()
        .flat_map(move |wrap| (0..=2 * count as u64 + 1).map(move |before| wrap - before))
        .step_by(step)
}

/// Several rings' worth of messages at every fill level, in the packet and in the buffer.
fn laps<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>, start: u64) {
    let (count, size) = (sender.capacity(), sender.max_message_size());
    let message = |number: u64| pattern(number, if number.is_multiple_of(3) { size } else { 5 });
    let (mut sent, mut received) = (0, 0);
    let mut keep = 0;
    for round in 0..5 * count as u64 {
        // A receiver that was not drained may release less than half a ring late.
        let room = if keep == 0 {
            count
        } else {
            count - count / 2 + 1
        } as u64;
        let fill = (round % count as u64 + 1).min(room);
        while sent - received < fill {
            assert_eq!(sender.try_send(&message(sent)), Ok(()), "from {start}");
            sent += 1;
        }
        if fill == count as u64 {
            assert_eq!(
                sender.try_send(b"more"),
                Err(TrySendError::Full),
                "from {start}"
            );
            assert!(!sender.is_writable());
        } else if fill < room {
            assert!(sender.is_writable());
        }
        assert_eq!(sender.unread(), (sent - received) as usize, "from {start}");
        keep = round % 3;
        while sent - received > keep {
            assert!(receiver.is_readable());
            assert_eq!(receive(receiver), Ok(message(received)), "from {start}");
            received += 1;
        }
        if keep == 0 {
            assert_eq!(receive(receiver), Err(TryRecvError::Empty), "from {start}");
            assert!(!receiver.is_readable());
            assert_eq!(sender.unread(), 0, "from {start}");
        }
    }
    assert!(sent > 4 * count as u64);
}

#[test]
fn messages_pass_every_wrap() {
    for start in starts(COUNT) {
        in_every_pairing!(Memory::new(COUNT, SIZE, start), laps, start);
    }
}

/// Buffers that are shorter than a line, and so long a ring that several are taken in few steps one after the other.
#[test]
fn messages_in_packets_pass_every_wrap() {
    for start in starts(16) {
        in_every_pairing!(Memory::new(16, 8, start), laps, start);
    }
}

#[test]
fn the_smallest_ring_passes_every_wrap() {
    fn one_by_one<P: Producer, C: Consumer>(
        sender: &mut Sender<P>,
        receiver: &mut Receiver<C>,
        start: u64,
    ) {
        for number in 0..12 {
            assert_eq!(sender.try_send(&pattern(number, 8)), Ok(()), "from {start}");
            assert_eq!(receive(receiver), Ok(pattern(number, 8)), "from {start}");
        }
    }
    for start in starts(2) {
        in_every_pairing!(Memory::new(2, 8, start), one_by_one, start);
    }
}

#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
mod released {
    //! `released` has 32 bits, a shared consumer does not need it: nor may it, left behind, come
    //! round to a position that it was not meant for.

    use super::*;
    use hqq_core::{Direction, Role};

    const STEP: u64 = 1 << 30;

    #[test]
    fn a_shared_consumer_moves_it_on_at_every_step() {
        for step in [STEP, 2 * STEP, 3 * STEP, 4 * STEP, 9 * STEP, 1 << 48] {
            let memory = Memory::new(COUNT, SIZE, step - 2);
            let before = memory.released();
            let near = memory.shared(Role::Primary);
            let far = memory.shared(Role::Secondary);
            let (mut sender, mut receiver) = (near.sender(), far.receiver());
            for position in step - 2..step + 3 {
                let passed = position > step;
                let expected = if passed {
                    step.wrapping_sub(STEP) as u32
                } else {
                    before
                };
                assert_eq!(memory.released(), expected, "before position {position}");
                sender.try_send(b"on").unwrap();
                receive(&mut receiver).unwrap();
            }
        }
    }

    /// The state a shared consumer would be in, 2^32 messages after an exclusive one left, had
    /// `released` stood still: it is about to come round to a position of the next ring.
    fn nearly_round(near_shared: bool) {
        for step in [STEP, 1 << 32, 1 << 48] {
            for ahead in 0..2 * COUNT as u64 {
                let memory = Memory::new(COUNT, SIZE, step - 1);
                let released = memory.layout.released(Direction::ToSecondary).unwrap();
                memory.set32(released, (step + 1 + ahead) as u32);
                let far = memory.shared(Role::Secondary);
                let mut receiver = far.receiver();
                let mut check = |send: &mut dyn FnMut(u64) -> Result<(), TrySendError>| {
                    // The first two messages pass the step, and the rule puts it right.
                    for number in 0..2 {
                        assert_eq!(send(number), Ok(()));
                        assert_eq!(receive(&mut receiver), Ok(pattern(number, 9)));
                    }
                    let mut sent = 2;
                    while send(sent).is_ok() {
                        sent += 1;
                        assert!(sent < 100, "an unread message was written over");
                    }
                    assert_eq!(sent, 2 + COUNT as u64, "{ahead} ahead of {step}");
                    for number in 2..sent {
                        assert_eq!(receive(&mut receiver), Ok(pattern(number, 9)));
                    }
                };
                if near_shared {
                    let near = memory.shared(Role::Primary);
                    check(&mut |number| near.sender().try_send(&pattern(number, 9)));
                } else {
                    let mut near = memory.exclusive(Role::Primary);
                    check(&mut |number| near.try_send(&pattern(number, 9)));
                }
            }
        }
    }

    #[test]
    fn an_exclusive_producer_writes_over_nothing_after_a_full_turn() {
        nearly_round(false);
    }

    #[test]
    fn a_shared_producer_writes_over_nothing_after_a_full_turn() {
        nearly_round(true);
    }

    #[test]
    fn an_exclusive_consumer_first_and_shared_ones_after_it_pass_the_wrap() {
        for before in 1..=2 * COUNT as u64 {
            let start = (1 << 32) - before;
            let memory = Memory::new(COUNT, SIZE, start);
            let mut near = memory.exclusive(Role::Primary);
            let mut far = memory.exclusive(Role::Secondary);
            for number in 0..3 {
                near.try_send(&pattern(number, 9)).unwrap();
            }
            assert_eq!(far.try_recv(&mut [0; SIZE]), Ok(9));
            drop(far);
            let far = memory.shared(Role::Secondary);
            let mut receiver = far.receiver();
            let (mut sent, mut received) = (3, 1);
            for _ in 0..3 {
                while sent - received < COUNT as u64 {
                    assert_eq!(near.try_send(&pattern(sent, 9)), Ok(()));
                    sent += 1;
                }
                assert_eq!(near.try_send(b"more"), Err(TrySendError::Full));
                while received < sent {
                    assert_eq!(receive(&mut receiver), Ok(pattern(received, 9)));
                    received += 1;
                }
            }
        }
    }
}
