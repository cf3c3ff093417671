//! Leaving: end-of-file comes after everything that was sent, and is noticed.

use hqq_core::{Role, TrySendError};
use loom::sync::{Arc, Mutex};
use loom::thread;

use crate::support::{
    INLINE, assert_delivered, check, exclusive, member, receive, receive_all, receive_some,
    receiver, region, send, send_all, sender, shared, tag,
};

/// The sender leaves right after its only message.
#[test]
fn end_of_file_exclusive() {
    check(4, || {
        let region = region(INLINE);
        let (to, _back) = exclusive::<INLINE>(&region, Role::Primary);
        let (_forth, from) = exclusive::<INLINE>(&region, Role::Secondary);
        let producer = thread::spawn(move || send_all(to, 1, 1));
        let received = receive_all(from);
        producer.join().unwrap();
        assert_delivered(&[1], &[received]);
    });
}

#[test]
fn end_of_file_shared() {
    check(4, || {
        let region = region(INLINE);
        let (near, _back) = shared::<INLINE>(&region, Role::Primary);
        let (_forth, far) = shared::<INLINE>(&region, Role::Secondary);
        let (to, from) = (sender(&near), receiver(&far));
        drop((near, far));
        let producer = thread::spawn(move || send_all(to, 1, 1));
        let received = receive_all(from);
        producer.join().unwrap();
        assert_delivered(&[1], &[received]);
    });
}

/// One message, two receivers: whoever gets it, the one that stays learns that there is no other.
#[test]
fn end_of_file_for_two() {
    check(2, || {
        let region = region(INLINE);
        let (to, _back) = exclusive::<INLINE>(&region, Role::Primary);
        let (_forth, far) = shared::<INLINE>(&region, Role::Secondary);
        let (first, second) = (receiver(&far), receiver(&far));
        drop(far);
        let producer = thread::spawn(move || send_all(to, 1, 1));
        let first = thread::spawn(move || receive_some(first, 1));
        let second = receive_all(second);
        producer.join().unwrap();
        assert_delivered(&[1], &[first.join().unwrap(), second]);
    });
}

/// Two members of a shared side send and leave, one at a time as the attach lock has it: the side
/// closes with the second, and what both sent comes first.
#[test]
fn last_member_closes() {
    check(2, || {
        let region = region(INLINE);
        let attach_lock = Arc::new(Mutex::new(()));
        let (_forth, from) = exclusive::<INLINE>(&region, Role::Secondary);
        let members = [1, 2].map(|id| {
            let (near, back) = member::<INLINE>(&region, Role::Primary, id);
            let attach_lock = Arc::clone(&attach_lock);
            let thread = thread::spawn(move || {
                let mut to = sender(&near);
                send(&mut to, tag(id, 1));
                drop(to);
                let _serialised = attach_lock.lock().unwrap();
                drop(near);
            });
            (thread, back)
        });
        let received = receive_all(from);
        for (thread, _back) in members {
            thread.join().unwrap();
        }
        assert_delivered(&[1, 1], &[received]);
    });
}

/// The receiver leaves after one message: the sender learns it, be the ring full or not.
#[test]
fn receiver_leaves() {
    check(3, || {
        let region = region(INLINE);
        let (mut to, _back) = exclusive::<INLINE>(&region, Role::Primary);
        let (_forth, mut from) = exclusive::<INLINE>(&region, Role::Secondary);
        let producer = thread::spawn(move || {
            loop {
                match to.try_send(&[1; INLINE]) {
                    Ok(()) => {}
                    Err(TrySendError::Full) => thread::yield_now(),
                    Err(error) => {
                        assert_eq!(error, TrySendError::Disconnected);
                        return;
                    }
                }
            }
        });
        assert_eq!(receive(&mut from), Some(1));
        drop(from);
        producer.join().unwrap();
    });
}
