//! Messages at every place of a ring.

use crate::common::{Memory, in_every_pairing, receive};
use hqq_core::ring::{Consumer, Producer};
use hqq_core::{Receiver, Sender, TryRecvError};

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
    for (size, len) in [
        (8, 0),
        (8, 3),
        (8, 8),
        (64, 8),
        (64, 16),
        (64, 40),
        (64, 41),
    ] {
        in_every_pairing!(Memory::new(32, size, 0), count, len);
    }
}
