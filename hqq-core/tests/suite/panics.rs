//! Bytes of a message whose `as_ref` panics, at each of the times at which it is asked, and what is called with a
//! message and panics: nothing of the ring stays claimed.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::common::{Memory, drain, fill, in_every_pairing};
use hqq_core::link::Missed;
use hqq_core::packet::Whole;
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

/// What `take` panics over is gone, as it had it; no other message is, and none comes twice.
#[test]
fn a_panic_over_a_whole_loses_that_one_alone_at_every_place() {
    for panics_at in 0..3 * COUNT as u64 {
        let memory = Memory::new(COUNT, SIZE, 0);
        let (mut near, mut far) = memory.pair();
        let (sender, receiver) = (near.sender(), far.receiver());
        let (mut received, mut quick, mut panicked) = (Vec::new(), 0, false);
        let sent = 6 * COUNT as u64;
        for number in 0..sent {
            // One at a time: there is room, however late the receiver gives it back.
            let whole = Whole::request(number, 7, 4);
            assert_eq!(sender.try_send_whole(&whole, b"body"), Ok(()));
            let taken = catch_unwind(AssertUnwindSafe(|| {
                receiver.take_whole(|whole, body| {
                    assert!(number != panics_at, "the test says so");
                    assert_eq!(body.copy_to(&mut [0; 4]), 4);
                    Some(*whole)
                })
            }));
            match taken {
                Ok(Ok(whole)) => {
                    quick += u64::from(number > panics_at);
                    received.push(whole);
                }
                Ok(Err(Missed::Something)) => match receiver.next_whole() {
                    Ok(grant) => {
                        received.push(*grant.whole());
                        grant.release();
                    }
                    Err(missed) => {
                        if cfg!(target_pointer_width = "64") {
                            panic!("{number}, {panics_at}: {missed:?}");
                        }
                        drop(receiver.try_next_packet().unwrap());
                        received.push(whole);
                    }
                },
                Ok(Err(missed)) => panic!("{missed:?}"),
                Err(_) => panicked = true,
            }
        }
        let expected: Vec<_> = (0..sent)
            .filter(|number| !panicked || *number != panics_at)
            .map(|number| Whole::request(number, 7, 4))
            .collect();
        assert_eq!(received, expected, "{panics_at}");
        assert_eq!(receiver.counters().messages, sent);
        assert!(matches!(receiver.next_whole(), Err(Missed::Nothing)));
        if cfg!(target_pointer_width = "64") {
            // Few steps do again, at the latest once the producers were told of what was taken before.
            assert!(quick > COUNT as u64, "{quick} after {panics_at}");
        }
        assert_eq!(drain(receiver), 0);
        assert_eq!(fill(sender, b"room"), COUNT);
        assert_eq!(drain(receiver), COUNT);
    }
}

/// The same of what is called for each message of a batch, at every place of a ring.
#[test]
fn a_panic_over_a_message_of_a_batch_loses_that_one_alone() {
    fn batches<P: Producer, C: Consumer>(
        sender: &mut Sender<P>,
        receiver: &mut Receiver<C>,
        panics_at: u64,
    ) {
        let mut received = Vec::new();
        for number in 0..3 * COUNT as u64 {
            assert_eq!(sender.try_send(&number.to_le_bytes()), Ok(()));
            let result = catch_unwind(AssertUnwindSafe(|| {
                receiver.try_recv_batch(2, |message| {
                    assert!(number != panics_at, "the test says so");
                    let mut bytes = [0; 8];
                    assert_eq!(message.copy_to(0, &mut bytes), 8);
                    received.push(u64::from_le_bytes(bytes));
                })
            }));
            assert_eq!(result.is_err(), number == panics_at);
        }
        let all = 0..3 * COUNT as u64;
        let expected: Vec<_> = all.filter(|number| *number != panics_at).collect();
        assert_eq!(received, expected);
        assert_eq!(receiver.counters().messages, 3 * COUNT as u64);
        assert_eq!(drain(receiver), 0);
        assert_eq!(fill(sender, b"room"), COUNT);
    }
    for panics_at in 0..2 * COUNT as u64 {
        in_every_pairing!(Memory::new(COUNT, SIZE, 0), batches, panics_at);
    }
}
