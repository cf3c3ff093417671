//! Slices over shared bytes, where every party keeps to the rules: here, all of them are this test.

use crate::common::{Memory, drain, in_every_pairing, pattern, receive};
use hqq_core::ring::{Consumer, Producer};
use hqq_core::{GrantError, Receiver, Sender, SpinFor, TryRecvError, TrySendError};

const COUNT: usize = 4;
const SIZE: usize = 64;

#[test]
fn messages_are_written_and_read_in_place() {
    fn in_place<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
        // SAFETY: only this test has the region, through this crate.
        let mut sender = unsafe { sender.trusted() };
        // SAFETY: as above.
        let mut receiver = unsafe { receiver.trusted() };
        for len in 0..=SIZE {
            let message = pattern(len as u64, len);
            let written = sender.try_send_with(len, |bytes| {
                bytes.copy_from_slice(&message);
                len
            });
            assert_eq!(written, Ok(len));
            let same = receiver.try_recv_with(|bytes| bytes == message);
            assert_eq!(same, Ok(true), "{len} bytes");

            let mut grant = sender.reserve(&mut SpinFor(0)).unwrap();
            assert_eq!(grant.len(), SIZE);
            grant[..len].copy_from_slice(&message);
            assert_eq!(grant[..len], message);
            grant.commit(len).unwrap();
            let grant = receiver.next(&mut SpinFor(0)).unwrap();
            assert_eq!(*grant, *message);
            assert!(!grant.is_in_doubt());
        }
        let read = receiver.recv_with(&mut SpinFor(2), |_| ());
        assert_eq!(read, Err(hqq_core::RecvError::TimedOut));
        assert_eq!(receiver.try_next().err(), Some(TryRecvError::Empty));
    }
    in_every_pairing!(Memory::new(COUNT, SIZE, 0), in_place);
}

#[test]
fn a_message_takes_one_slot() {
    fn one_slot<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
        // SAFETY: only this test has the region, through this crate.
        let mut trusted = unsafe { sender.trusted() };
        for len in [0, 5, 40, SIZE, 8, SIZE, 1, 40] {
            if trusted.unread() == COUNT {
                let full = trusted.try_send_with(len, |_| panic!("there is no room"));
                assert_eq!(full, Err::<(), _>(TrySendError::Full));
                drain(receiver);
            }
            assert_eq!(trusted.try_send_with(len, |bytes| bytes.fill(1)), Ok(()));
        }
        assert_eq!(trusted.unread(), COUNT);
        let counters = trusted.counters();
        assert_eq!((counters.messages, counters.tombstones), (8, 0));
    }
    in_every_pairing!(Memory::new(COUNT, SIZE, 0), one_slot);
}

#[test]
fn the_rest_of_a_message_is_a_slice_too() {
    fn rest<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
        for len in [9, SIZE] {
            let message = pattern(5, len);
            sender.try_send(&message).unwrap();
            assert_eq!(receiver.try_read(&mut [0; 4]), Ok(4));
            // SAFETY: only this test has the region, through this crate.
            let mut trusted = unsafe { receiver.trusted() };
            assert_eq!(*trusted.try_next().unwrap(), message[4..]);
        }
    }
    in_every_pairing!(Memory::new(COUNT, SIZE, 0), rest);
}

#[test]
fn too_long_is_refused_and_an_abort_is_skipped() {
    fn refuse<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
        // SAFETY: only this test has the region, through this crate.
        let mut trusted = unsafe { sender.trusted() };
        let (len, max) = (SIZE + 1, SIZE);
        let refused = trusted.try_send_with(len, |_| panic!("it does not fit"));
        assert_eq!(refused, Err::<(), _>(TrySendError::TooLong { len, max }));
        let committed = trusted.try_reserve().unwrap().commit(len);
        assert_eq!(committed, Err(GrantError::TooLong { len, max }));
        trusted.try_reserve().unwrap().abort(3);
        sender.try_send(b"next").unwrap();
        assert_eq!(receive(receiver), Ok(b"next".to_vec()));
        assert_eq!(receiver.counters().tombstones, 2);
    }
    in_every_pairing!(Memory::new(COUNT, SIZE, 0), refuse);
}
