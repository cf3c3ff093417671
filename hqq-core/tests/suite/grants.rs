//! Buffers that are filled and read in place: committed, let go of, leaked.

use std::mem::forget;

use crate::common::{Memory, drain, in_every_pairing, pattern, receive};
use hqq_core::ring::{Consumer, Producer};
use hqq_core::{Direction, GrantError, Receiver, Sender, TryRecvError, TrySendError};

const COUNT: usize = 4;
// At least a line: shorter buffers have no quick way.
const SIZE: usize = 64;
const EMPTY: Result<Vec<u8>, TryRecvError> = Err(TryRecvError::Empty);
/// Reasons of tombstones (PROTOCOL.md, Standard link).
const DROPPED: u64 = 6;
const TOO_LONG: u64 = 7;

#[test]
fn a_commit_sends_the_first_bytes() {
    fn commit<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
        for len in 0..=SIZE {
            let message = pattern(len as u64, SIZE);
            let mut grant = sender.try_reserve().unwrap();
            assert_eq!(grant.capacity(), SIZE);
            grant.copy_from(0, &message).unwrap();
            grant.commit(len).unwrap();
            assert_eq!(receive(receiver), Ok(message[..len].to_vec()));
        }
    }
    in_every_pairing!(Memory::new(COUNT, SIZE, 0), commit);
}

#[test]
fn a_buffer_is_filled_from_any_byte_on_and_no_other_is_touched() {
    for size in [8, 16, 24] {
        let memory = Memory::new(2, size, 0);
        let (mut near, mut far) = memory.pair();
        let start = memory.layout.buffers(Direction::ToSecondary);
        let mut turn = 0;
        for at in 0..=size {
            for len in 0..=size - at {
                for offset in (start..start + 2 * size).step_by(8) {
                    memory.set64(offset, u64::MAX);
                }
                let bytes = pattern(at as u64 + 3, len);
                let mut expected = vec![0xff; size];
                expected[at..at + len].copy_from_slice(&bytes);
                let mut grant = near.sender().try_reserve().unwrap();
                grant.copy_from(at, &bytes).unwrap();
                grant.commit(size).unwrap();
                let image = memory.image();
                let buffer = |index: usize| start + index * size..start + (index + 1) * size;
                assert_eq!(image[buffer(turn % 2)], expected, "{len} bytes at {at}");
                assert_eq!(image[buffer((turn + 1) % 2)], vec![0xff; size]);
                turn += 1;

                let grant = far.receiver().try_next().unwrap();
                for from in [0, at] {
                    let mut copy = vec![0xee; len + 1];
                    let copied = grant.copy_to(from, &mut copy[..len]);
                    assert_eq!(copied, len.min(size - from));
                    assert_eq!(copy[..copied], expected[from..from + copied]);
                    assert_eq!(copy[len], 0xee);
                }
            }
        }
        memory.assert_canaries();
    }
}

#[test]
fn copying_past_the_end_copies_nothing() {
    fn past<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
        let mut grant = sender.try_reserve().unwrap();
        grant.copy_from(0, &[7; SIZE]).unwrap();
        let too_long = |len| Err(GrantError::TooLong { len, max: SIZE });
        assert_eq!(grant.copy_from(SIZE, &[]), Ok(()));
        assert_eq!(grant.copy_from(SIZE, &[1]), too_long(SIZE + 1));
        assert_eq!(grant.copy_from(SIZE - 1, &[1, 2]), too_long(SIZE + 1));
        assert_eq!(grant.copy_from(usize::MAX, &[1, 2]), too_long(usize::MAX));
        grant.commit(SIZE).unwrap();
        let grant = receiver.try_next().unwrap();
        assert_eq!(grant.len(), SIZE);
        assert!(!grant.is_empty());
        let mut copy = [0; SIZE + 8];
        assert_eq!(grant.copy_to(SIZE, &mut copy), 0);
        assert_eq!(grant.copy_to(usize::MAX, &mut copy), 0);
        assert_eq!(grant.copy_to(SIZE - 1, &mut copy), 1);
        assert_eq!(grant.copy_to(0, &mut copy), SIZE);
        assert_eq!(copy[..SIZE], [7; SIZE]);
        assert_eq!(copy[SIZE..], [0; 8]);
    }
    in_every_pairing!(Memory::new(COUNT, SIZE, 0), past);
}

#[test]
fn committing_too_much_leaves_a_tombstone() {
    let memory = Memory::new(COUNT, SIZE, 0);
    let (mut near, mut far) = memory.pair();
    let error = near.sender().try_reserve().unwrap().commit(SIZE + 1);
    let too_long = GrantError::TooLong {
        len: SIZE + 1,
        max: SIZE,
    };
    assert_eq!(error, Err(too_long));
    assert_eq!(memory.tombstone_reason(0), Some(TOO_LONG));
    let counters = near.sender().counters();
    assert_eq!((counters.tombstones, counters.errors), (1, 1));
    near.try_send(b"next").unwrap();
    assert_eq!(receive(far.receiver()), Ok(b"next".to_vec()));
    assert_eq!(far.receiver().counters().tombstones, 1);
}

#[test]
fn an_abort_leaves_a_tombstone_with_its_reason() {
    for (reason, found) in [(1, 1), (0, DROPPED), (u64::MAX, u64::MAX)] {
        let memory = Memory::new(COUNT, SIZE, 0);
        let (mut near, mut far) = memory.pair();
        near.sender().try_reserve().unwrap().abort(reason);
        assert_eq!(memory.tombstone_reason(0), Some(found));
        assert_eq!(receive(far.receiver()), EMPTY);
        assert_eq!(far.receiver().counters().tombstones, 1);
    }
}

#[test]
fn an_exclusive_grant_that_is_dropped_was_never_there() {
    let memory = Memory::new(COUNT, SIZE, 0);
    let (mut near, mut far) = memory.pair();
    let before = memory.image();
    drop(near.sender().try_reserve().unwrap());
    forget(near.sender().try_reserve().unwrap());
    assert!(memory.image() == before);
    assert_eq!(near.sender().counters().tombstones, 0);
    near.try_send(b"first").unwrap();
    assert_eq!(receive(far.receiver()), Ok(b"first".to_vec()));
    assert_eq!(far.receiver().counters().tombstones, 0);
}

#[test]
fn a_panic_lets_go_of_a_grant() {
    fn unwind<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _grant = sender.try_reserve().unwrap();
            std::panic::resume_unwind(Box::new(()));
        }));
        assert!(result.is_err());
        for number in 0..2 * COUNT as u64 {
            sender.try_send(&pattern(number, 9)).unwrap();
            assert_eq!(receive(receiver), Ok(pattern(number, 9)));
        }
    }
    in_every_pairing!(Memory::new(COUNT, SIZE, 0), unwind);
}

#[test]
fn a_full_ring_has_no_buffer_to_reserve() {
    fn full<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
        for _ in 0..COUNT {
            sender.try_reserve().unwrap().commit(1).unwrap();
        }
        assert_eq!(sender.try_reserve().err(), Some(TrySendError::Full));
        drain(receiver);
        assert!(sender.try_reserve().is_ok());
    }
    in_every_pairing!(Memory::new(COUNT, SIZE, 0), full);
}

#[test]
fn a_read_grant_that_is_leaked_leaves_its_message_the_next_one() {
    fn leak<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
        for message in [&pattern(1, 9), &pattern(2, SIZE), &vec![]] {
            sender.try_send(message).unwrap();
            for _ in 0..3 {
                forget(receiver.try_next().unwrap());
            }
            assert_eq!(receive(receiver).as_ref(), Ok(message));
        }
        assert_eq!(receive(receiver), EMPTY);
    }
    in_every_pairing!(Memory::new(COUNT, SIZE, 0), leak);
}

#[test]
fn a_read_grant_that_is_dropped_finishes_its_message() {
    fn finish<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
        for _ in 0..3 * COUNT {
            sender.try_send(b"once").unwrap();
            drop(receiver.try_next().unwrap());
            assert_eq!(receive(receiver), EMPTY);
        }
        assert_eq!(receiver.counters().messages, 3 * COUNT as u64);
    }
    in_every_pairing!(Memory::new(COUNT, SIZE, 0), finish);
}

#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
mod shared {
    use super::*;
    use hqq_core::Role;

    #[test]
    fn the_totals_of_a_side_have_what_a_handle_did_once_it_waits_or_is_gone() {
        let memory = Memory::new(COUNT, SIZE, 0);
        let near = memory.shared(Role::Primary);
        let far = memory.shared(Role::Secondary);
        let (mut sender, mut receiver) = (near.sender(), far.receiver());
        sender.try_send(b"one").unwrap();
        sender.try_send(b"two").unwrap();
        assert_eq!(sender.counters().messages, 2);
        drop(sender);
        let counters = near.sender().counters();
        assert_eq!((counters.messages, counters.bytes), (2, 6));

        assert_eq!(receive(&mut receiver), Ok(b"one".to_vec()));
        assert_eq!(receive(&mut receiver), Ok(b"two".to_vec()));
        assert_eq!(receiver.counters().messages, 2);
        assert_eq!(receive(&mut receiver), EMPTY);
        let counters = far.receiver().counters();
        assert_eq!((counters.messages, counters.blocked), (2, 1));

        // Some at a time, however long it goes on.
        let mut sender = near.sender();
        for _ in 0..1000 {
            sender.try_send(b"more").unwrap();
            receive(&mut receiver).unwrap();
        }
        let [sent, received] = [near.sender().counters(), far.receiver().counters()];
        assert!(sent.messages > 900 && received.messages > 900);
    }

    #[test]
    fn a_grant_that_is_dropped_leaves_a_tombstone_to_skip() {
        let memory = Memory::new(COUNT, SIZE, 0);
        let near = memory.shared(Role::Primary);
        let far = memory.shared(Role::Secondary);
        let mut sender = near.sender();
        drop(sender.try_reserve().unwrap());
        assert_eq!(memory.tombstone_reason(0), Some(DROPPED));
        assert_eq!(sender.counters().tombstones, 1);
        sender.try_send(b"next").unwrap();
        let mut receiver = far.receiver();
        assert_eq!(receive(&mut receiver), Ok(b"next".to_vec()));
        assert_eq!(receiver.counters().tombstones, 1);
        drop(sender);
        drop(near);
        assert_eq!(receive(&mut receiver), Err(TryRecvError::Disconnected));
    }

    #[test]
    fn committing_too_much_leaves_a_tombstone() {
        let memory = Memory::new(COUNT, SIZE, 0);
        let near = memory.shared(Role::Primary);
        let grant_error = near.sender().try_reserve().unwrap().commit(usize::MAX);
        assert!(matches!(grant_error, Err(GrantError::TooLong { .. })));
        assert_eq!(memory.tombstone_reason(0), Some(TOO_LONG));
    }

    #[test]
    fn a_leaked_grant_blocks_and_does_no_harm() {
        let memory = Memory::new(2, SIZE, 0);
        let near = memory.shared(Role::Primary);
        let far = memory.shared(Role::Secondary);
        forget(near.sender().try_reserve().unwrap());
        near.sender().try_send(b"behind").unwrap();
        assert_eq!(near.sender().try_send(b"x"), Err(TrySendError::Full));
        assert_eq!(receive(&mut far.receiver()), EMPTY);
        memory.assert_canaries();
    }

    #[test]
    fn grants_commit_in_any_order_and_arrive_in_the_order_of_claims() {
        let memory = Memory::new(COUNT, SIZE, 0);
        let near = memory.shared(Role::Primary);
        let mut far = memory.exclusive(Role::Secondary);
        let (mut one, mut two) = (near.sender(), near.sender());
        let mut first = one.try_reserve().unwrap();
        let mut second = two.try_reserve().unwrap();
        second.copy_from(0, b"second").unwrap();
        second.commit(6).unwrap();
        assert_eq!(receive(far.receiver()), EMPTY);
        first.copy_from(0, b"first").unwrap();
        first.commit(5).unwrap();
        assert_eq!(receive(far.receiver()), Ok(b"first".to_vec()));
        assert_eq!(receive(far.receiver()), Ok(b"second".to_vec()));
    }

    #[test]
    fn a_receiver_that_is_dropped_releases_what_it_had() {
        let memory = Memory::new(2, SIZE, 0);
        let near = memory.shared(Role::Primary);
        let far = memory.shared(Role::Secondary);
        for _ in 0..5 {
            near.sender().try_send(b"seen").unwrap();
            let mut receiver = far.receiver();
            assert!(receiver.try_recv(&mut []).is_err());
        }
        assert_eq!(receive(&mut far.receiver()), EMPTY);
        assert_eq!(near.sender().unread(), 0);
    }
}
