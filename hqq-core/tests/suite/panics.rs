//! Bytes of a message whose `as_ref` panics, at each of the times at which it is asked: nothing of the ring stays
//! claimed.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::common::{Memory, drain, fill, in_every_pairing};
use hqq_core::ring::{Consumer, Producer};
use hqq_core::{Receiver, Sender, TrySendError};

const COUNT: usize = 8;
const SIZE: usize = 256;

/// Bytes that are given so often, together with others.
struct Bytes<'a>(&'a [u8], &'a Cell<u32>);

impl AsRef<[u8]> for Bytes<'_> {
    fn as_ref(&self) -> &[u8] {
        let left = self.1.get().checked_sub(1).expect("the test says so");
        self.1.set(left);
        self.0
    }
}

/// Calls `send` with three pieces that panic ever later, until it comes back; until then at most `most` messages come.
fn survives<P: Producer, C: Consumer>(
    sender: &mut Sender<P>,
    receiver: &mut Receiver<C>,
    (len, most): (usize, usize),
    send: impl Fn(&mut Sender<P>, &[Bytes<'_>]) -> Result<(), TrySendError>,
) {
    let message = vec![7; len];
    for times in 0..64 {
        let left = Cell::new(times);
        let pieces = [(); 3].map(|()| Bytes(&message, &left));
        let sent = catch_unwind(AssertUnwindSafe(|| send(sender, &pieces)));
        let received = drain(receiver);
        assert!(if sent.is_ok() {
            received > 0
        } else {
            received <= most
        });
        // Whatever was claimed is to be read, and read.
        assert_eq!(fill(sender, b"room"), COUNT, "{len} bytes, {times} times");
        assert_eq!(drain(receiver), COUNT);
        if let Ok(sent) = sent {
            assert_eq!((sent, times > 2), (Ok(()), true));
            return;
        }
    }
    panic!("it asks so often");
}

fn pieces<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
    // In the packet, about a line, and more than that.
    for len in [5, 20, 50] {
        survives(sender, receiver, (len, 0), |sender, pieces| {
            sender.try_send_vectored(pieces)
        });
    }
}

fn batch<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
    for len in [5, 50] {
        survives(sender, receiver, (len, 2), |sender, messages| {
            sender.try_send_batch(messages).map(|_| ())
        });
    }
}

#[test]
fn pieces_that_panic_leave_nothing_claimed() {
    in_every_pairing!(Memory::new(COUNT, SIZE, 0), pieces);
}

#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
#[test]
fn pieces_that_panic_leave_nothing_claimed_in_format_1() {
    use hqq_core::Role;
    let memory = Memory::format_1(COUNT, SIZE);
    let [near, far] = [Role::Primary, Role::Secondary].map(|role| memory.format_1_link(role));
    pieces(&mut near.sender(), &mut far.receiver());
}

/// A run of them, where one consumer receives alone.
#[test]
fn messages_of_a_batch_that_panic_leave_nothing_claimed() {
    in_every_pairing!(Memory::new(COUNT, SIZE, 0), batch);
}
