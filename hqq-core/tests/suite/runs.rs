//! Runs: messages of one size that share a slot's buffer, as batches send them.

use crate::common::{Memory, pattern, receive};
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
use hqq_core::TrySendError;
use hqq_core::{Delivery, DynamicLink, InitOptions, Layout, Role, TryRecvError};

pub(super) const COUNT: usize = 4;
pub(super) const SIZE: usize = 64;
/// Messages of eight bytes in a buffer.
const FIT: usize = SIZE / 8;

/// The opcode of a run, and where `taken` lies in a ring (PROTOCOL.md).
const RUN: u64 = 0xfc;
pub(super) const TAKEN: usize = 136;

pub(super) fn numbered(count: usize, len: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|number| pattern(number as u64, len))
        .collect()
}

fn opcode(memory: &Memory, position: u64) -> u64 {
    memory.stamp(position) & 0xff
}

#[test]
fn a_batch_of_one_size_shares_a_buffer_and_is_received_one_by_one() {
    let memory = Memory::new(COUNT, SIZE, 0);
    let (mut near, mut far) = memory.pair();
    let messages = numbered(FIT + 3, 8);
    assert_eq!(near.sender().try_send_batch(&messages), Ok(FIT + 3));
    assert_eq!(near.sender().unread(), 2);
    assert_eq!((opcode(&memory, 0), opcode(&memory, 1)), (RUN, RUN));
    assert_eq!(memory.get64(memory.slot_word(0, 1)), 7 << 32 | 8);
    assert_eq!(memory.get64(memory.slot_word(1, 1)), 2 << 32 | 8);
    for message in &messages {
        assert!(far.receiver().is_readable());
        assert_eq!(receive(far.receiver()), Ok(message.clone()));
    }
    assert_eq!(receive(far.receiver()), Err(TryRecvError::Empty));
    assert!(!far.receiver().is_readable());
    for counters in [near.sender().counters(), far.receiver().counters()] {
        assert_eq!((counters.messages, counters.bytes), (11, 88));
    }
    assert_eq!(near.sender().unread(), 0);
    memory.assert_canaries();
}

#[test]
fn sizes_that_change_end_a_run_and_all_ways_to_receive_know_runs() {
    let memory = Memory::new(16, SIZE, 0);
    let (mut near, mut far) = memory.pair();
    for len in [1, 2, 7, 8, 20, 31, 32, 33, 64] {
        let mut messages = numbered(3, len);
        messages.push(pattern(9, len / 2));
        messages.push(vec![]);
        messages.push(vec![]);
        assert_eq!(near.sender().try_send_batch(&messages), Ok(6), "{len}");
        let receiver = far.receiver();
        // Too small at first, in pieces, lent, several at once.
        let mut buffer = vec![0; len];
        let small = receiver.try_recv(&mut buffer[1..]);
        let (needed, capacity) = (len, len - 1);
        let error = TryRecvError::BufferTooSmall { needed, capacity };
        assert_eq!(small, Err(error), "{len}");
        assert_eq!(receiver.try_recv(&mut buffer), Ok(len));
        assert_eq!(buffer, messages[0]);
        for byte in &messages[1] {
            let mut one = [0];
            assert_eq!(receiver.try_read(&mut one), Ok(1));
            assert_eq!(one, [*byte]);
        }
        let mut seen = Vec::new();
        let received = receiver.try_recv_batch(9, |message| {
            let mut bytes = vec![0; message.len()];
            assert_eq!(message.copy_to(0, &mut bytes), bytes.len());
            seen.push(bytes);
        });
        assert_eq!(received, Ok(4));
        assert_eq!(seen, messages[2..], "{len}");
    }
    memory.assert_canaries();
}

#[test]
fn a_receiver_that_leaves_in_the_middle_of_a_run_leaves_the_rest_to_the_next() {
    for taken in 0..=FIT {
        for begun in [false, true] {
            let memory = Memory::new(COUNT, SIZE, 0xffff);
            let (mut near, mut far) = memory.pair();
            let messages = numbered(FIT, 8);
            assert_eq!(near.sender().try_send_batch(&messages), Ok(FIT));
            near.try_send(b"after").unwrap();
            for message in &messages[..taken] {
                assert_eq!(receive(far.receiver()), Ok(message.clone()));
            }
            let gone = taken + usize::from(begun && taken < FIT);
            if gone > taken {
                assert_eq!(far.receiver().try_read(&mut [0; 3]), Ok(3));
            }
            drop(far);
            if gone > 0 && gone < FIT {
                let word =
                    memory.get32(memory.layout.ring(hqq_core::Direction::ToSecondary) + TAKEN);
                assert_eq!(word as usize, 0xffff << 16 | gone);
            }
            // A shared receiver and an exclusive one alike, the second after the first.
            #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
            {
                let shared = memory.shared(Role::Secondary);
                if gone < FIT {
                    let next = receive(&mut shared.receiver());
                    let rest = FIT - gone;
                    assert_eq!(next, Ok(messages[gone].clone()), "{rest} left");
                } else {
                    assert_eq!(receive(&mut shared.receiver()), Ok(b"after".to_vec()));
                }
                let word =
                    memory.get32(memory.layout.ring(hqq_core::Direction::ToSecondary) + TAKEN);
                assert_eq!(word, 0, "says nothing once its packet was claimed");
                drop(shared);
            }
            memory.assert_canaries();
        }
    }
}

#[test]
fn the_next_exclusive_receiver_gets_exactly_the_rest() {
    for taken in 1..FIT {
        let memory = Memory::new(COUNT, SIZE, 5);
        let (mut near, mut far) = memory.pair();
        let messages = numbered(FIT, 8);
        assert_eq!(near.sender().try_send_batch(&messages), Ok(FIT));
        for message in &messages[..taken] {
            assert_eq!(receive(far.receiver()), Ok(message.clone()));
        }
        drop(far);
        // Nor does one that looks and leaves change that.
        drop(memory.exclusive(Role::Secondary));
        let mut far = memory.exclusive(Role::Secondary);
        for message in &messages[taken..] {
            assert_eq!(receive(far.receiver()), Ok(message.clone()));
        }
        assert_eq!(receive(far.receiver()), Err(TryRecvError::Empty));
        assert_eq!(near.sender().try_send_batch(&messages), Ok(FIT));
        for message in &messages {
            assert_eq!(receive(far.receiver()), Ok(message.clone()));
        }
    }
}

#[test]
fn a_liars_count_of_what_was_taken_does_no_harm() {
    for word in [5 << 16 | 8, 5 << 16 | 0xffff, 6 << 16 | 3, 3, u32::MAX] {
        let memory = Memory::new(COUNT, SIZE, 5);
        let (mut near, far) = memory.pair();
        drop(far);
        let ring = memory.layout.ring(hqq_core::Direction::ToSecondary);
        memory.set32(ring + TAKEN, word);
        let mut far = memory.exclusive(Role::Secondary);
        let messages = numbered(FIT, 8);
        assert_eq!(near.sender().try_send_batch(&messages), Ok(FIT));
        for message in &messages {
            assert_eq!(receive(far.receiver()), Ok(message.clone()), "{word:#x}");
        }
        assert_eq!(receive(far.receiver()), Err(TryRecvError::Empty));
        memory.assert_canaries();
    }
}

#[test]
fn what_a_dead_receiver_had_claimed_is_in_doubt_as_a_whole() {
    let options = InitOptions::new().delivery(Delivery::AtLeastOnce);
    let memory = Memory::with(Layout::compact(COUNT, SIZE).unwrap(), &options);
    let (mut near, mut far) = memory.pair();
    let messages = numbered(FIT, 8);
    assert_eq!(near.sender().try_send_batch(&messages), Ok(FIT));
    assert_eq!(receive(far.receiver()), Ok(messages[0].clone()));
    // Dies: nothing of it is dropped, the next one is told that nobody else lives.
    std::mem::forget(far);
    let alone = hqq_core::Presence::Alone;
    let options = hqq_core::AttachOptions::new(Role::Secondary).presence(alone, alone);
    let mut far: DynamicLink = memory.exclusive_as(&options);
    for message in &messages {
        let grant = far.receiver().try_next().unwrap();
        assert!(grant.is_in_doubt());
        let mut bytes = [0; 8];
        assert_eq!(grant.copy_to(0, &mut bytes), 8);
        assert_eq!(bytes, message[..]);
    }
    assert_eq!(receive(far.receiver()), Err(TryRecvError::Empty));
}

#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
#[test]
fn nothing_shares_a_buffer_where_receivers_are_shared_or_absent() {
    let memory = Memory::new(COUNT, SIZE, 0);
    let mut near = memory.exclusive(Role::Primary);
    let messages = numbered(3, 8);
    assert_eq!(near.sender().try_send_batch(&messages), Ok(3));
    assert_eq!(near.sender().unread(), 3);
    let far = memory.shared(Role::Secondary);
    assert_eq!(near.sender().try_send_batch(&messages), Ok(1));
    assert_eq!(
        near.sender().try_send_batch(&messages),
        Err(TrySendError::Full)
    );
    for message in messages.iter().chain(&messages[..1]) {
        assert_eq!(receive(&mut far.receiver()), Ok(message.clone()));
    }
}
