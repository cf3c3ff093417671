//! Runs: messages of one size that share a slot's buffer, as batches send them.

use crate::common::{Memory, heir, pattern, receive};
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
use hqq_core::TrySendError;
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
use hqq_core::packet::StandardCopy;
use hqq_core::packet::{Opcode, Packet, StandardRun};
use hqq_core::ring::Consumer;
use hqq_core::{Delivery, DynamicLink, InitOptions, Layout, Receiver, Role, TryRecvError};

const COUNT: usize = 4;
const SIZE: usize = 64;
/// Messages of eight bytes in a buffer.
const FIT: usize = SIZE / 8;

/// The opcode of a run, and where `taken` lies in a ring (PROTOCOL.md).
const RUN: u64 = 0xfc;
const TAKEN: usize = 136;

fn numbered(count: usize, len: usize) -> Vec<Vec<u8>> {
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

/// The next packet: its kind, and the bytes in its buffer; those of a message inside it instead.
fn packet<C: Consumer>(receiver: &mut Receiver<C>) -> Result<(Packet, Vec<u8>), TryRecvError> {
    let grant = receiver.try_next_packet()?;
    let mut bytes = vec![0; grant.len()];
    assert_eq!(grant.copy_to(0, &mut bytes), bytes.len());
    // From further on, and no more than fits.
    let mut half = vec![0; bytes.len().div_ceil(2)];
    let from = bytes.len() / 2;
    assert_eq!(grant.copy_to(from, &mut half), half.len());
    assert_eq!(half, bytes[from..]);
    assert_eq!(grant.copy_to(bytes.len() + 1, &mut [0]), 0);
    if let Packet::StandardInline(message) = grant.packet() {
        assert!(bytes.is_empty());
        bytes.extend(message.payload());
    }
    Ok((*grant.packet(), bytes))
}

fn run(size: usize, count: usize) -> Packet {
    let (size, more) = (size.try_into().unwrap(), (count - 1).try_into().unwrap());
    StandardRun::new(size, more).unwrap().into()
}

#[test]
fn the_next_packet_in_the_middle_of_a_run_is_the_rest_of_it() {
    for taken in 0..=3 {
        for begun in [false, true] {
            for after in [
                None,
                Some(Opcode::StandardTombstone),
                Some(Opcode::StandardRun),
            ] {
                let memory = Memory::new(COUNT, SIZE, 0);
                let (mut near, mut far) = memory.pair();
                let messages = numbered(3, 8);
                assert_eq!(near.sender().try_send_batch(&messages), Ok(3));
                match after {
                    None => {}
                    Some(Opcode::StandardTombstone) => {
                        near.sender().try_reserve().unwrap().abort(9)
                    }
                    Some(_) => near.try_send(&[9; 50]).unwrap(),
                }
                let receiver = far.receiver();
                for message in &messages[..taken] {
                    assert_eq!(receive(receiver), Ok(message.clone()));
                }
                let gone = taken + usize::from(begun && taken < 3);
                if gone > taken {
                    assert_eq!(receiver.try_read(&mut [0; 3]), Ok(3));
                }
                let rest = &messages[gone..];
                if !rest.is_empty() {
                    let expected = (run(8, rest.len()), rest.concat());
                    assert_eq!(packet(receiver), Ok(expected), "{taken} {begun} {after:?}");
                }
                if after == Some(Opcode::StandardRun) {
                    assert_eq!(packet(receiver), Ok((run(50, 1), vec![9; 50])));
                }
                assert_eq!(packet(receiver), Err(TryRecvError::Empty));
                assert_eq!(receive(receiver), Err(TryRecvError::Empty));
                assert_eq!(near.sender().unread(), 0);
                // All buffers were given back, and what is sent from now on comes.
                for number in 0..3 * COUNT as u64 {
                    near.try_send(&pattern(number, 60)).unwrap();
                    assert_eq!(receive(far.receiver()), Ok(pattern(number, 60)));
                }
                memory.assert_canaries();
            }
        }
    }
}

#[test]
fn the_next_packet_is_the_message_that_was_not_received_yet() {
    let check = |memory: Memory, kinds: [(usize, Opcode); 3]| {
        let layout = memory.layout;
        for (len, opcode) in kinds {
            let (near, far) = memory.pair();
            let ((mut sender, _from), (_to, mut receiver)) = (near.split(), far.split());
            let message = pattern(7, len);
            sender.try_send(&message).unwrap();
            sender.try_send(&[9; 3]).unwrap();
            // Too long for this buffer, or only waited for.
            if let Some(less) = len.checked_sub(1) {
                let error = receiver.try_recv(&mut vec![0; less]).unwrap_err();
                assert!(
                    matches!(error, TryRecvError::BufferTooSmall { .. }),
                    "{error:?}"
                );
            } else {
                std::mem::forget(receiver.try_next().unwrap());
            }
            let (packet, bytes) = packet(&mut receiver).unwrap();
            assert_eq!((packet.opcode(), bytes), (opcode, message), "{layout:?}");
            assert_eq!(receive(&mut receiver), Ok(vec![9; 3]));
            assert_eq!(receive(&mut receiver), Err(TryRecvError::Empty));
        }
        memory.assert_canaries();
    };
    let (inline, run) = (Opcode::StandardInline, Opcode::StandardRun);
    check(
        Memory::new(COUNT, SIZE, 0),
        [(0, inline), (13, inline), (60, run)],
    );
}

#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
#[test]
fn the_next_packet_is_the_message_that_was_not_received_yet_in_format_1() {
    let memory = Memory::format_1(COUNT, SIZE);
    let near = memory.format_1_link(Role::Primary);
    let far = memory.format_1_link(Role::Secondary);
    for number in 1..=10 {
        near.sender().try_send(&pattern(number, 13)).unwrap();
        let mut receiver = far.receiver();
        let small = receiver.try_recv(&mut [0; 12]);
        assert!(matches!(small, Err(TryRecvError::BufferTooSmall { .. })));
        let copy = StandardCopy {
            copy_id: number,
            slot_index: (number - 1) % COUNT as u64,
            data_size: 13,
        };
        let expected = (copy.into(), pattern(number, 13));
        assert_eq!(packet(&mut receiver), Ok(expected));
        assert_eq!(receive(&mut receiver), Err(TryRecvError::Empty));
    }
    memory.assert_canaries();
}

#[test]
fn a_packet_that_is_never_given_back_is_received_once_also_by_the_next() {
    for taken in 0..3 {
        for leaves in [false, true] {
            let memory = Memory::new(COUNT, SIZE, 0);
            let (mut near, mut far) = memory.pair();
            let messages = numbered(3, 8);
            assert_eq!(near.sender().try_send_batch(&messages), Ok(3));
            near.try_send(&[9; 50]).unwrap();
            for message in &messages[..taken] {
                assert_eq!(receive(far.receiver()), Ok(message.clone()));
            }
            let rest = far.receiver().try_next_packet().unwrap();
            assert_eq!(rest.packet(), &run(8, 3 - taken));
            std::mem::forget(rest);
            if leaves {
                drop(far);
                far = memory.exclusive(Role::Secondary);
            }
            assert_eq!(packet(far.receiver()), Ok((run(50, 1), vec![9; 50])));
            assert_eq!(packet(far.receiver()), Err(TryRecvError::Empty));
            assert_eq!(near.sender().unread(), 0);
        }
    }
}

#[test]
fn what_was_received_of_a_run_before_its_receiver_left_comes_in_no_packet() {
    for delivery in [Delivery::AtMostOnce, Delivery::AtLeastOnce] {
        for taken in 1..3 {
            for whole in [false, true] {
                let options = InitOptions::new().delivery(delivery);
                let memory = Memory::with(Layout::compact(COUNT, SIZE).unwrap(), &options);
                let (mut near, mut far) = memory.pair();
                let messages = numbered(3, 8);
                assert_eq!(near.sender().try_send_batch(&messages), Ok(3));
                for message in &messages[..taken] {
                    assert_eq!(receive(far.receiver()), Ok(message.clone()));
                }
                drop(far);
                let mut far = memory.exclusive(Role::Secondary);
                let rest = &messages[taken..];
                if whole {
                    let expected = (run(8, rest.len()), rest.concat());
                    assert_eq!(packet(far.receiver()), Ok(expected), "{delivery:?}");
                } else {
                    for message in rest {
                        let grant = far.receiver().try_next().unwrap();
                        let mut bytes = [0; 8];
                        assert_eq!(grant.copy_to(0, &mut bytes), 8);
                        assert_eq!(bytes, message[..]);
                        assert!(!grant.is_in_doubt());
                    }
                }
                assert_eq!(receive(far.receiver()), Err(TryRecvError::Empty));
                assert_eq!(near.sender().unread(), 0);
                // Nor in the next run there.
                for _ in 0..COUNT {
                    assert_eq!(near.sender().try_send_batch(&messages), Ok(3));
                    assert_eq!(packet(far.receiver()), Ok((run(8, 3), messages.concat())));
                }
            }
        }
    }
}

#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
#[test]
fn a_shared_receiver_that_leaves_in_the_middle_of_a_run_takes_the_rest_along() {
    for delivery in [Delivery::AtMostOnce, Delivery::AtLeastOnce] {
        let options = InitOptions::new().delivery(delivery);
        let memory = Memory::with(Layout::compact(COUNT, SIZE).unwrap(), &options);
        let (mut near, mut far) = memory.pair();
        let messages = numbered(4, 8);
        assert_eq!(near.sender().try_send_batch(&messages), Ok(4));
        near.try_send(&[9; 50]).unwrap();
        assert_eq!(receive(far.receiver()), Ok(messages[0].clone()));
        drop(far);
        let far = memory.shared(Role::Secondary);
        assert_eq!(receive(&mut far.receiver()), Ok(messages[1].clone()));
        // That receiver is gone. Nothing comes twice, and nothing else is lost.
        assert_eq!(packet(&mut far.receiver()), Ok((run(50, 1), vec![9; 50])));
        for number in 0..3 * COUNT as u64 {
            near.try_send(&pattern(number, 60)).unwrap();
            assert_eq!(receive(&mut far.receiver()), Ok(pattern(number, 60)));
        }
        assert_eq!(receive(&mut far.receiver()), Err(TryRecvError::Empty));
        // Nor is it where no receiver leaves.
        drop(far);
        let mut far = memory.exclusive(Role::Secondary);
        assert_eq!(near.sender().try_send_batch(&messages), Ok(4));
        assert_eq!(receive(far.receiver()), Ok(messages[0].clone()));
        drop(far);
        let far = memory.shared(Role::Secondary);
        let expected = (run(8, 3), messages[1..].concat());
        assert_eq!(packet(&mut far.receiver()), Ok(expected));
        assert_eq!(receive(&mut far.receiver()), Err(TryRecvError::Empty));
        assert_eq!(near.sender().unread(), 0);
    }
}

#[test]
fn a_run_in_doubt_that_is_left_in_the_middle_comes_again_as_a_whole_in_doubt() {
    let options = InitOptions::new().delivery(Delivery::AtLeastOnce);
    let memory = Memory::with(Layout::compact(COUNT, SIZE).unwrap(), &options);
    let (mut near, mut far) = memory.pair();
    let messages = numbered(3, 8);
    assert_eq!(near.sender().try_send_batch(&messages), Ok(3));
    near.try_send(&[9; 50]).unwrap();
    assert_eq!(receive(far.receiver()), Ok(messages[0].clone()));
    std::mem::forget(far);
    // The first dies, the next leaves; neither lets a message get lost.
    for taken in 0..=2 {
        let mut far = memory.exclusive_as(&heir(Role::Secondary));
        for message in &messages[..taken] {
            let grant = far.receiver().try_next().unwrap();
            assert!(grant.is_in_doubt());
            let mut bytes = [0; 8];
            assert_eq!(grant.copy_to(0, &mut bytes), 8);
            assert_eq!(bytes, message[..]);
        }
    }
    let mut far = memory.exclusive(Role::Secondary);
    assert_eq!(packet(far.receiver()), Ok((run(8, 3), messages.concat())));
    assert_eq!(receive(far.receiver()), Ok(vec![9; 50]));
    assert_eq!(receive(far.receiver()), Err(TryRecvError::Empty));
}

#[test]
fn what_is_passed_over_in_the_middle_of_a_run_takes_nothing_with_it() {
    let memory = Memory::new(8, 128, 0);
    let (mut near, mut far) = memory.pair();
    let batch = [[1; 8], [2; 8], [3; 8]];
    assert_eq!(near.sender().try_send_batch(&batch), Ok(3));
    near.sender().try_reserve().unwrap().abort(9);
    assert_eq!(receive(far.receiver()), Ok(vec![1; 8]));
    // Whatever that gives, what is sent from now on comes.
    drop(far.receiver().try_next_packet());
    near.try_send(&[9; 100]).unwrap();
    let came: Vec<_> = (0..3).map(|_| receive(far.receiver())).collect();
    assert!(came.contains(&Ok(vec![9; 100])), "{came:?}");
    assert_eq!(came.last(), Some(&Err(TryRecvError::Empty)));
}
