//! Messages at every place of a ring.

use crate::common::{Memory, fill, in_every_pairing, pattern, receive};
use hqq_core::ring::{Consumer, Producer};
use hqq_core::{Receiver, Role, Sender, TryRecvError};

/// Bytes in a buffer and in a message.
const LENGTHS: [(usize, usize); 7] = [
    (8, 0),
    (8, 3),
    (8, 8),
    (64, 8),
    (64, 16),
    (64, 40),
    (64, 41),
];

/// Wherever a ring has come to: there are ways of their own for most messages, and for most looks in vain.
#[test]
fn messages_and_looks_in_vain_are_counted_at_every_place() {
    fn count<P: Producer, C: Consumer>(
        sender: &mut Sender<P>,
        receiver: &mut Receiver<C>,
        len: usize,
    ) {
        let (mut looks, mut bytes) = (0, 0);
        for sent in 1..=4 * sender.capacity() as u64 {
            assert_eq!(sender.try_send(&vec![7; len]), Ok(()));
            // One that does not fit stays, and was no look in vain.
            if len > 0 && sent % 3 == 0 {
                let error = TryRecvError::BufferTooSmall {
                    needed: len,
                    capacity: len - 1,
                };
                assert_eq!(receiver.try_recv(&mut vec![0; len - 1]), Err(error));
            }
            assert_eq!(receive(receiver), Ok(vec![7; len]));
            bytes += len as u64;
            for _ in 0..sent % 5 * 4 {
                assert_eq!(receive(receiver), Err(TryRecvError::Empty));
                looks += 1;
            }
            let counted = sender.counters();
            assert_eq!((counted.messages, counted.bytes), (sent, bytes));
            let counted = receiver.counters();
            let counts = (counted.messages, counted.bytes, counted.blocked);
            assert_eq!(counts, (sent, bytes, looks));
            assert_eq!((counted.errors, counted.tombstones), (0, 0));
        }
    }
    for (size, len) in LENGTHS {
        in_every_pairing!(Memory::new(32, size, 0), count, len);
    }
}

/// One that did not fit is neither lost nor doubled where its receiver leaves, nor counted by it.
#[test]
fn what_did_not_fit_comes_to_the_next_receiver_at_every_place() {
    const COUNT: u64 = 16;
    for (size, len) in LENGTHS.into_iter().filter(|(_, len)| *len > 0) {
        for before in 0..=2 * COUNT {
            let memory = Memory::new(16, size, 0);
            let (mut near, mut far) = memory.pair();
            let mut sent = 0;
            let mut send = || {
                assert_eq!(near.try_send(&pattern(sent, len)), Ok(()));
                sent += 1;
            };
            for number in 0..before {
                send();
                assert_eq!(receive(far.receiver()), Ok(pattern(number, len)));
            }
            send();
            send();
            let error = TryRecvError::BufferTooSmall {
                needed: len,
                capacity: len - 1,
            };
            assert_eq!(far.try_recv(&mut vec![0; len - 1]), Err(error));
            let counted = far.receiver().counters();
            let bytes = before * len as u64;
            assert_eq!((counted.messages, counted.bytes), (before, bytes));
            drop(far);
            // A sender that has not seen yet that it left may write over no more than what was received.
            assert_eq!(u64::from(memory.released()), before);
            let mut far = memory.exclusive(Role::Secondary);
            for number in before..before + 2 {
                assert_eq!(receive(far.receiver()), Ok(pattern(number, len)));
            }
            assert_eq!(receive(far.receiver()), Err(TryRecvError::Empty));
            assert_eq!(far.receiver().counters().messages, 2);
            assert_eq!(fill(near.sender(), &vec![1; len]), 16);
        }
    }
}
