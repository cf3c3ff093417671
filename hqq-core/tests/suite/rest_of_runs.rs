//! What is left of a run: as the next packet, and where a receiver leaves in the middle.

use super::runs::{COUNT, SIZE, numbered};
use crate::common::{Memory, heir, pattern, receive};
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
use hqq_core::packet::StandardCopy;
use hqq_core::packet::{Opcode, Packet, StandardRun};
use hqq_core::ring::Consumer;
use hqq_core::{Delivery, InitOptions, Layout, Receiver, Role, TryRecvError};

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
fn a_packet_that_is_never_given_back_gives_its_message_to_other_calls() {
    // In the packet, and in the buffer.
    for length in [0, 5, 50] {
        for waited in [false, true] {
            for as_packet in [false, true] {
                let memory = Memory::new(COUNT, SIZE, 0);
                let (mut near, mut far) = memory.pair();
                let message = vec![7; length];
                near.try_send(&message).unwrap();
                near.try_send(b"the next").unwrap();
                if waited {
                    std::mem::forget(far.receiver().try_next().unwrap());
                }
                std::mem::forget(far.receiver().try_next_packet().unwrap());
                if as_packet {
                    let (_, bytes) = packet(far.receiver()).unwrap();
                    assert_eq!(bytes, b"the next", "it came already");
                } else {
                    assert_eq!(receive(far.receiver()), Ok(message), "{waited}");
                    assert_eq!(receive(far.receiver()), Ok(b"the next".to_vec()));
                }
                assert_eq!(receive(far.receiver()), Err(TryRecvError::Empty));
                assert_eq!(near.sender().unread(), 0);
            }
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
