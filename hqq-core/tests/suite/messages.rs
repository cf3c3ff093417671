//! Messages as they are sent and received: of every size, whole, in pieces, in batches, as values
//! and as a stream.

use crate::common::{Memory, drain, fill, in_every_pairing, pattern, receive};
use hqq_core::packet::PacketError;
use hqq_core::ring::{Consumer, Producer};
use hqq_core::{Counters, Receiver, Sender, TryRecvError, TrySendError};

const COUNT: usize = 4;
const SIZE: usize = 64;

/// All lengths of small messages; of large ones those where something changes, such as the way
/// they are copied at 512 bytes.
fn lengths_up_to(size: usize) -> impl Iterator<Item = usize> {
    (0..=size).filter(move |len| *len <= 72 || (505..=520).contains(len) || len + 9 > size)
}

fn counted(counters: Counters) -> [u64; 5] {
    let Counters {
        messages,
        bytes,
        tombstones,
        blocked,
        errors,
        ..
    } = counters;
    [messages, bytes, tombstones, blocked, errors]
}

#[test]
fn every_length_arrives_as_it_was_sent() {
    fn lengths<P: Producer, C: Consumer>(
        sender: &mut Sender<P>,
        receiver: &mut Receiver<C>,
        size: usize,
    ) {
        assert_eq!(sender.max_message_size(), size);
        assert_eq!(receiver.max_message_size(), size);
        for len in lengths_up_to(size) {
            let message = pattern(len as u64, len);
            assert_eq!(sender.try_send(&message), Ok(()));
            // One byte more than the message has stays as it was.
            let mut buffer = vec![0xee; len + 1];
            assert_eq!(receiver.try_recv(&mut buffer), Ok(len));
            assert_eq!(buffer[..len], message);
            assert_eq!(buffer[len], 0xee);
        }
        for len in [size + 1, 2 * size, 10_000] {
            let error = TrySendError::TooLong { len, max: size };
            assert_eq!(sender.try_send(&vec![0; len]), Err(error));
            assert!(sender.is_large_message(len));
            let text = error.to_string();
            assert!(text.contains(&len.to_string()) && text.contains(&size.to_string()));
        }
        assert!(!sender.is_large_message(size));
        assert_eq!(receive(receiver), Err(TryRecvError::Empty));
    }
    for size in [8, 16, 40, 48, SIZE, 520, 1024] {
        in_every_pairing!(Memory::new(COUNT, size, 0), lengths, size);
        in_every_pairing!(Memory::new(8 * COUNT, size, 0), lengths, size);
    }
}

#[test]
fn a_message_touches_no_buffer_but_its_own() {
    for size in [8, 48, 72, 600] {
        let memory = Memory::new(COUNT, size, 0);
        let direction = hqq_core::Direction::ToSecondary;
        let start = memory.layout.buffers(direction);
        let (mut near, mut far) = memory.pair();
        for (turn, len) in lengths_up_to(size).enumerate() {
            for offset in (start..start + COUNT * size).step_by(8) {
                memory.set64(offset, u64::from_le_bytes([0xee; 8]));
            }
            near.try_send(&vec![0x11; len]).unwrap();
            let image = memory.image();
            let own = start + turn % COUNT * size;
            for (at, byte) in image.iter().enumerate().skip(start).take(COUNT * size) {
                let written = *byte != 0xee;
                assert!(
                    !written || (own..own + len).contains(&at),
                    "{len} bytes wrote {at}"
                );
            }
            assert_eq!(far.try_recv(&mut vec![0; size]), Ok(len));
            memory.assert_canaries();
        }
    }
}

#[test]
fn pieces_arrive_as_one_message() {
    fn pieces<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
        for total in 0..=SIZE {
            let message = pattern(total as u64, total);
            let (third, two_thirds) = (total / 3, total - total / 4);
            let pieces = [
                &message[..third],
                &[],
                &message[third..two_thirds],
                &message[two_thirds..],
            ];
            assert_eq!(sender.try_send_vectored(&pieces), Ok(()));
            assert_eq!(receive(receiver), Ok(message));
        }
        assert_eq!(sender.try_send_vectored::<&[u8]>(&[]), Ok(()));
        assert_eq!(receive(receiver), Ok(vec![]));
        let too_long = TrySendError::TooLong {
            len: SIZE + 1,
            max: SIZE,
        };
        let pieces: [&[u8]; 2] = [&[0; SIZE], &[0]];
        assert_eq!(sender.try_send_vectored(&pieces), Err(too_long));
    }
    in_every_pairing!(Memory::new(COUNT, SIZE, 0), pieces);
}

#[test]
fn a_batch_sends_what_there_is_room_for() {
    fn batch<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
        // Of sizes that differ, so that none share a buffer.
        let messages: Vec<_> = [9, 10, 11, 12, 13, 14]
            .map(|len| pattern(len as u64, len))
            .to_vec();
        assert_eq!(sender.try_send_batch::<&[u8]>(&[]), Ok(0));
        assert_eq!(sender.try_send_batch(&messages), Ok(COUNT));
        assert_eq!(
            sender.try_send_batch(&messages[COUNT..]),
            Err(TrySendError::Full)
        );
        let mut seen = Vec::new();
        let mut see = |receiver: &mut Receiver<C>, limit| {
            receiver.try_recv_batch(limit, |message| {
                let mut buffer = vec![0; message.len()];
                assert_eq!(message.copy_to(0, &mut buffer), buffer.len());
                seen.push(buffer);
            })
        };
        assert_eq!(see(receiver, 0), Ok(0));
        assert_eq!(see(receiver, 3), Ok(3));
        assert_eq!(see(receiver, 3), Ok(1));
        assert_eq!(see(receiver, 3), Err(TryRecvError::Empty));
        assert_eq!(seen, messages[..COUNT]);
        // One that is too long ends a batch; alone it is an error.
        let long = [vec![1], vec![0; SIZE + 1], vec![2]];
        assert_eq!(sender.try_send_batch(&long), Ok(1));
        let too_long = TrySendError::TooLong {
            len: SIZE + 1,
            max: SIZE,
        };
        assert_eq!(sender.try_send_batch(&long[1..]), Err(too_long));
        assert_eq!(receive(receiver), Ok(vec![1]));
        assert_eq!(receive(receiver), Err(TryRecvError::Empty));
    }
    in_every_pairing!(Memory::new(COUNT, SIZE, 0), batch);
}

#[test]
fn values_travel_as_their_bytes() {
    fn values<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
        let value = [0x0102_0304_u32, 5, 6];
        assert_eq!(sender.try_send_as(&value), Ok(()));
        // Another size: stays the next one.
        assert_eq!(
            receiver.try_recv_as::<[u32; 2]>(),
            Err(TryRecvError::BufferTooSmall {
                needed: 12,
                capacity: 8
            })
        );
        assert_eq!(
            receiver.try_recv_as::<[u32; 4]>(),
            Err(TryRecvError::Malformed(PacketError::Size {
                size: 12,
                minimum: 16,
                maximum: 16
            }))
        );
        assert_eq!(receiver.try_recv_as::<[u32; 3]>(), Ok(value));
        assert_eq!(receiver.try_recv_as::<u8>(), Err(TryRecvError::Empty));
        let large = [7_u64; SIZE / 8];
        assert_eq!(sender.try_send_as(&large), Ok(()));
        assert_eq!(receiver.try_recv_as::<[u64; SIZE / 8]>(), Ok(large));
        let too_large = sender.try_send_as(&[0_u64; SIZE / 8 + 1]);
        assert!(matches!(too_large, Err(TrySendError::TooLong { .. })));
    }
    in_every_pairing!(Memory::new(COUNT, SIZE, 0), values);
}

#[test]
fn a_message_that_does_not_fit_stays_the_next_one() {
    fn too_small<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
        for len in [9, SIZE, 9, 40, 8] {
            let message = pattern(3, len);
            sender.try_send(&message).unwrap();
            sender.try_send(b"after").unwrap();
            for capacity in [0, 1, len - 1] {
                let mut buffer = vec![0xee; capacity];
                let error = TryRecvError::BufferTooSmall {
                    needed: len,
                    capacity,
                };
                assert_eq!(receiver.try_recv(&mut buffer), Err(error));
                assert_eq!(buffer, vec![0xee; capacity]);
                assert!(receiver.is_readable());
            }
            assert_eq!(receive(receiver), Ok(message));
            assert_eq!(receive(receiver), Ok(b"after".to_vec()));
        }
    }
    in_every_pairing!(Memory::new(COUNT, SIZE, 0), too_small);
}

#[test]
fn an_iterator_ends_with_the_messages_or_after_an_error() {
    fn iterate<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
        assert!(receiver.try_iter::<8>().next().is_none());
        for message in [&b"a"[..], b"", b"12345678", b"123456789"] {
            sender.try_send(message).unwrap();
        }
        let mut messages = receiver.try_iter::<8>();
        for expected in [&b"a"[..], b"", b"12345678"] {
            assert_eq!(messages.next().unwrap().unwrap(), expected);
        }
        let too_small = TryRecvError::BufferTooSmall {
            needed: 9,
            capacity: 8,
        };
        assert_eq!(messages.next(), Some(Err(too_small)));
        assert_eq!(messages.next(), None);
        let mut messages = receiver.try_iter::<9>();
        assert_eq!(messages.next().unwrap().unwrap(), b"123456789");
        assert_eq!(messages.next(), None);
        // It goes on where more came.
        sender.try_send(b"more").unwrap();
        assert_eq!(receiver.try_iter::<9>().count(), 1);
    }
    in_every_pairing!(Memory::new(COUNT, SIZE, 0), iterate);
}

#[test]
fn reading_a_stream_passes_over_empty_messages_and_keeps_the_rest() {
    fn stream<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
        let long = pattern(1, SIZE);
        for message in [&b""[..], &long, b"", b"tail"] {
            sender.try_send(message).unwrap();
        }
        assert_eq!(receiver.try_read(&mut []), Ok(0));
        let mut buffer = [0; 50];
        assert_eq!(receiver.try_read(&mut buffer), Ok(50));
        assert_eq!(buffer, long[..50]);
        // The rest counts as the message, for every other call.
        let too_small = TryRecvError::BufferTooSmall {
            needed: SIZE - 50,
            capacity: 1,
        };
        assert_eq!(receiver.try_recv(&mut [0]), Err(too_small));
        assert_eq!(receiver.try_next().unwrap().len(), SIZE - 50);
        // Looking at the rest through a grant finished with it.
        assert_eq!(receiver.try_read(&mut buffer), Ok(4));
        assert_eq!(&buffer[..4], b"tail");
        assert_eq!(receiver.try_read(&mut buffer), Err(TryRecvError::Empty));
        assert_eq!(sender.unread(), 0);

        for split in 1..SIZE {
            sender.try_send(&long).unwrap();
            let mut whole = vec![0; SIZE];
            let (front, back) = whole.split_at_mut(split);
            assert_eq!(receiver.try_read(front), Ok(split));
            assert_eq!(receiver.try_read(back), Ok(SIZE - split));
            assert_eq!(whole, long);
        }
        sender.try_send(b"inline").unwrap();
        let mut byte = [0];
        for expected in b"inline" {
            assert_eq!(receiver.try_read(&mut byte), Ok(1));
            assert_eq!(byte, [*expected]);
        }
        assert_eq!(receiver.try_read(&mut byte), Err(TryRecvError::Empty));
    }
    in_every_pairing!(Memory::new(COUNT, SIZE, 0), stream);
}

#[test]
fn empty_messages_alone_keep_no_read_busy() {
    fn empties<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
        assert_eq!(fill(sender, b""), COUNT);
        assert_eq!(receiver.try_read(&mut [0; 8]), Err(TryRecvError::Empty));
        assert_eq!(sender.try_send(b"x"), Ok(()));
        assert_eq!(receiver.try_read(&mut [0; 8]), Ok(1));
    }
    in_every_pairing!(Memory::new(COUNT, SIZE, 0), empties);
}

#[test]
fn both_directions_are_apart() {
    let memory = Memory::new(2, SIZE, 0);
    let (mut near, mut far) = memory.pair();
    near.try_send(b"to far").unwrap();
    assert_eq!(near.try_recv(&mut [0; SIZE]), Err(TryRecvError::Empty));
    far.try_send(b"to near, longer than the other, and in a buffer")
        .unwrap();
    assert_eq!(near.try_recv(&mut [0; SIZE]), Ok(47));
    assert_eq!(far.try_recv(&mut [0; SIZE]), Ok(6));
}

/// Where several messages in a row came before, a sender of a shared side looks once more after a rest.
#[test]
fn a_ring_that_was_filled_in_a_row_is_full_once_for_each_call() {
    fn fill_and_drain<P: Producer, C: Consumer>(
        sender: &mut Sender<P>,
        receiver: &mut Receiver<C>,
    ) {
        let message = [7; SIZE];
        for round in 0..3 {
            assert_eq!(fill(sender, &message), 4 * COUNT);
            assert_eq!(sender.counters().blocked, 2 * round + 1);
            assert_eq!(sender.try_send(&message), Err(TrySendError::Full));
            assert_eq!(sender.counters().blocked, 2 * round + 2);
            assert_eq!(drain(receiver), 4 * COUNT);
        }
    }
    in_every_pairing!(Memory::new(4 * COUNT, SIZE, 0), fill_and_drain);
}

#[test]
fn totals_are_exact() {
    fn count<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
        assert_eq!(counted(sender.counters()), [0; 5]);
        let _ = receive(receiver);
        assert_eq!(counted(receiver.counters()), [0, 0, 0, 1, 0]);
        sender.try_send(b"12345").unwrap();
        sender.try_send(&[0; SIZE]).unwrap();
        sender.try_reserve().unwrap().abort(9);
        assert_eq!(counted(sender.counters()), [2, 69, 1, 0, 0]);
        sender.try_reserve().unwrap().commit(3).unwrap();
        assert!(sender.try_send(b"full").is_err());
        assert!(sender.try_reserve().is_err());
        assert!(sender.try_send(&[0; SIZE + 1]).is_err());
        assert_eq!(counted(sender.counters()), [3, 72, 1, 2, 1]);
        let waited = sender.send(b"full", &mut hqq_core::SpinFor(5));
        assert_eq!(waited, Err(hqq_core::SendError::TimedOut));
        assert_eq!(counted(sender.counters()), [3, 72, 1, 3, 1]);
        // Refused and kept: counts when it is received.
        assert!(receiver.try_recv(&mut []).is_err());
        assert_eq!(counted(receiver.counters()), [0, 0, 0, 1, 0]);
        drain(receiver);
        assert_eq!(counted(receiver.counters()), [3, 72, 1, 2, 0]);
    }
    in_every_pairing!(Memory::new(COUNT, SIZE, 0), count);
}

/// Handles of shared sides add to the side's totals some messages at a time, more of them where messages stream.
#[test]
fn totals_are_exact_also_of_long_rows() {
    fn count<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
        let mut received = 0;
        // One by one, then with others always on their way, then after a look in vain.
        for (ahead, until) in [(0, 150), (2, 350), (0, 420)] {
            while received < until {
                while sender.counters().messages <= received + ahead {
                    sender.try_send(&[0; SIZE]).unwrap();
                }
                assert_eq!(sender.counters().messages, received + ahead + 1);
                assert_eq!(receiver.try_recv(&mut [0; SIZE]), Ok(SIZE));
                received += 1;
                let counters = receiver.counters();
                let bytes = received * SIZE as u64;
                assert_eq!((counters.messages, counters.bytes), (received, bytes));
            }
            while receiver.try_recv(&mut [0; SIZE]).is_ok() {
                received += 1;
            }
            assert_eq!(receiver.counters().messages, received);
        }
    }
    in_every_pairing!(Memory::new(COUNT, SIZE, 0), count);
}

/// One call passes over some tombstones only; one that waits does not sleep on the others.
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
#[test]
fn nobody_waits_behind_tombstones() {
    use core::ops::ControlFlow;
    use hqq_core::{Role, Waiting};
    const COUNT: usize = 4096;
    let memory = Memory::new(COUNT, 64, 0);
    let near = memory.shared(Role::Primary);
    let mut far = memory.exclusive(Role::Secondary);
    for _ in 0..COUNT - 1 {
        drop(near.sender().try_reserve().unwrap());
    }
    near.sender().try_send(b"behind").unwrap();
    let mut never = |waiting: &Waiting| -> ControlFlow<()> { panic!("{waiting:?}") };
    let mut buffer = [0; 64];
    assert_eq!(far.receiver().recv(&mut buffer, &mut never), Ok(6));
    assert_eq!(far.receiver().counters().tombstones, COUNT as u64 - 1);
}

/// The same of empty messages, of which a stream takes no notice.
#[test]
fn nobody_who_reads_a_stream_waits_behind_empty_messages() {
    use core::ops::ControlFlow;
    use hqq_core::Waiting;
    const COUNT: usize = 1024;
    let memory = Memory::new(COUNT, 64, 0);
    let (mut near, mut far) = memory.pair();
    for _ in 0..COUNT - 1 {
        near.try_send(b"").unwrap();
    }
    near.try_send(b"behind").unwrap();
    let mut never = |waiting: &Waiting| -> ControlFlow<()> { panic!("{waiting:?}") };
    let mut buffer = [0; 64];
    assert_eq!(far.receiver().read(&mut buffer, &mut never), Ok(6));
}
