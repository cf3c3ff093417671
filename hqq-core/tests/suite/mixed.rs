//! Messages of all lengths, sent and received in all ways in turn, round and round a small ring: each way has to
//! leave the others where the ring is.
#![allow(unsafe_code, reason = "vouches for both ends")]

use std::collections::VecDeque;
use std::mem::forget;

use crate::common::{Memory, in_every_pairing, pattern};
use hqq_core::ring::{Consumer, Producer};
use hqq_core::{Receiver, Sender, TryRecvError, TrySendError};

const COUNT: usize = 8;
const SIZE: usize = 128;
const LONG: usize = 4096;
const STEPS: u64 = 4000;
const LENGTHS: [usize; 8] = [64, 8, 41, 0, 128, 40, 64, 65];
/// After some of these it is looked whether the next one is there.
const LONGER: [usize; 8] = [64, 2048, 8, 4096, 41, 2047, 3000, 2048];

#[test]
fn every_way_goes_on_where_the_others_have_come_to() {
    fn mixed<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
        let lengths = match sender.max_message_size() {
            SIZE => LENGTHS,
            _ => LONGER,
        };
        let mut sent = VecDeque::new();
        let (mut messages, mut received, mut bytes) = (0, 0, 0);
        let mut random = 1_u64;
        for step in 0..STEPS {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let choice = (random >> 40) as usize;
            if choice.is_multiple_of(2) {
                let message = pattern(step, lengths[choice / 2 % lengths.len()]);
                let full = sent.len() == COUNT;
                let result = match choice / 16 % 8 {
                    0 | 1 => sender.try_reserve().map(|mut grant| {
                        grant.copy_from(0, &message).unwrap();
                        grant.commit(message.len()).unwrap();
                    }),
                    2 => {
                        // SAFETY: both ends are this test's, which keeps to the protocol.
                        let mut sender = unsafe { sender.trusted() };
                        sender.try_reserve().map(|mut grant| {
                            grant[..message.len()].copy_from_slice(&message);
                            grant.commit(message.len()).unwrap();
                        })
                    }
                    3 => {
                        // SAFETY: as above.
                        let mut sender = unsafe { sender.trusted() };
                        sender.try_send_with(message.len(), |to| to.copy_from_slice(&message))
                    }
                    _ => sender.try_send(&message),
                };
                match result {
                    Ok(()) => {
                        assert!(!full);
                        messages += 1;
                        bytes += message.len() as u64;
                        sent.push_back(message);
                    }
                    // Fewer than all may be free, as receivers tell of half a ring at once.
                    Err(error) => {
                        assert_eq!(error, TrySendError::Full);
                        assert!(sent.len() >= COUNT / 2);
                    }
                }
            } else {
                let mut buffer = [0; LONG];
                let Some(expected) = sent.pop_front() else {
                    assert_eq!(receiver.try_recv(&mut buffer), Err(TryRecvError::Empty));
                    continue;
                };
                match choice / 2 % 8 {
                    0 => {
                        let grant = receiver.try_next().unwrap();
                        assert_eq!(grant.len(), expected.len());
                        assert_eq!(grant.copy_to(0, &mut buffer), expected.len());
                    }
                    1 => {
                        forget(receiver.try_next().unwrap());
                        assert_eq!(receiver.try_recv(&mut buffer), Ok(expected.len()));
                    }
                    2 => {
                        // SAFETY: as above.
                        let mut receiver = unsafe { receiver.trusted() };
                        let read = |from: &[u8]| buffer[..from.len()].copy_from_slice(from);
                        receiver.try_recv_with(read).unwrap();
                    }
                    3 if !expected.is_empty() => {
                        let capacity = expected.len() - 1;
                        assert_eq!(
                            receiver.try_recv(&mut buffer[..capacity]),
                            Err(TryRecvError::BufferTooSmall {
                                needed: expected.len(),
                                capacity
                            })
                        );
                        assert_eq!(receiver.try_recv(&mut buffer), Ok(expected.len()));
                    }
                    _ => assert_eq!(receiver.try_recv(&mut buffer), Ok(expected.len())),
                }
                assert_eq!(buffer[..expected.len()], expected);
                received += 1;
            }
            assert_eq!(sender.counters().messages, messages);
            assert_eq!(sender.counters().bytes, bytes);
            assert_eq!(receiver.counters().messages, received);
            assert_eq!(receiver.counters().errors, 0);
        }
        assert!(received > 10 * COUNT as u64, "went round {received}");
    }
    in_every_pairing!(Memory::new(COUNT, SIZE, 0), mixed);
    in_every_pairing!(Memory::new(COUNT, LONG, 0), mixed);
}
