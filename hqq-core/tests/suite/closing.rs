//! Leaving a side, seeing that the other one was left, and coming back (C1).

use std::mem::forget;

use crate::common::{Memory, fill, receive};
use hqq_core::{Role, Spin, TryRecvError, TrySendError};

const SIZE: usize = 48;

#[test]
fn a_receiver_reads_what_was_sent_before_the_sender_left() {
    let memory = Memory::new(4, SIZE, 0);
    let ((mut sender, _back), (mut answers, mut receiver)) = memory.one_way();
    sender.try_send(b"one").unwrap();
    sender.try_send(&[2; SIZE]).unwrap();
    assert!(receiver.is_peer_open());
    drop(sender);
    assert!(!receiver.is_peer_open());
    assert_eq!(receive(&mut receiver), Ok(b"one".to_vec()));
    assert_eq!(receive(&mut receiver), Ok(vec![2; SIZE]));
    for _ in 0..2 {
        assert_eq!(receive(&mut receiver), Err(TryRecvError::Disconnected));
        let waited = receiver.recv(&mut [0; SIZE], &mut Spin);
        assert_eq!(waited, Err(hqq_core::RecvError::Disconnected));
    }
    // The other direction lives.
    let mut back = _back;
    answers.try_send(b"still here").unwrap();
    assert_eq!(receive(&mut back), Ok(b"still here".to_vec()));
}

#[test]
fn a_sender_stops_when_the_receiver_has_left() {
    let memory = Memory::new(4, SIZE, 0);
    let ((mut sender, mut back), (mut answers, receiver)) = memory.one_way();
    sender.try_send(b"unread").unwrap();
    assert!(sender.is_peer_open() && !sender.is_peer_closed());
    drop(receiver);
    assert!(!sender.is_peer_open() && sender.is_peer_closed());
    assert_eq!(sender.try_send(b"x"), Err(TrySendError::Disconnected));
    let waited = sender.send(b"x", &mut Spin);
    assert_eq!(waited, Err(hqq_core::SendError::Disconnected));
    assert_eq!(sender.try_reserve().err(), Some(TrySendError::Disconnected));
    assert_eq!(sender.unread(), 1);
    answers.try_send(b"still here").unwrap();
    assert_eq!(receive(&mut back), Ok(b"still here".to_vec()));
}

#[test]
fn the_next_receiver_reads_what_the_last_one_left() {
    let memory = Memory::new(4, SIZE, 0);
    let ((mut sender, _back), (_answers, mut receiver)) = memory.one_way();
    for number in 0..3_u8 {
        sender.try_send(&[number]).unwrap();
    }
    assert_eq!(receive(&mut receiver), Ok(vec![0]));
    // Looked at, too long for the buffer: stays.
    assert!(receiver.try_recv(&mut []).is_err());
    drop((receiver, _answers));
    assert_eq!(sender.try_send(b"x"), Err(TrySendError::Disconnected));
    let (_answers, mut receiver) = memory.exclusive(Role::Secondary).split();
    assert!(!sender.is_peer_closed(), "somebody came");
    sender.try_send(&[3]).unwrap();
    for number in 1..4 {
        assert_eq!(receive(&mut receiver), Ok(vec![number]));
    }
    assert_eq!(receive(&mut receiver), Err(TryRecvError::Empty));
}

#[test]
fn a_message_that_was_begun_goes_with_its_receiver() {
    let memory = Memory::new(4, SIZE, 0);
    let ((mut sender, _back), (_answers, mut receiver)) = memory.one_way();
    sender.try_send(b"begun").unwrap();
    sender.try_send(b"next").unwrap();
    assert_eq!(receiver.try_read(&mut [0; 2]), Ok(2));
    drop((receiver, _answers));
    let (_answers, mut receiver) = memory.exclusive(Role::Secondary).split();
    assert_eq!(receive(&mut receiver), Ok(b"next".to_vec()));
}

#[test]
fn a_close_from_before_ends_nothing() {
    let memory = Memory::new(4, SIZE, 0);
    drop(memory.pair());
    let mut near = memory.exclusive(Role::Primary);
    // The receiver of before has left; the one to come may read this.
    near.try_send(b"for you").unwrap();
    assert!(!near.sender().is_peer_open());
    let mut far = memory.exclusive(Role::Secondary);
    assert_eq!(far.try_recv(&mut [0; SIZE]), Ok(7));
    assert_eq!(far.try_recv(&mut [0; SIZE]), Err(TryRecvError::Empty));
    drop(near);
    assert_eq!(
        far.try_recv(&mut [0; SIZE]),
        Err(TryRecvError::Disconnected)
    );
    drop(far);
    // Nobody is there, and nothing is left of the time when somebody was.
    let mut far = memory.exclusive(Role::Secondary);
    assert_eq!(far.try_recv(&mut [0; SIZE]), Err(TryRecvError::Empty));
    // Whoever comes now and goes ends it.
    drop(memory.exclusive(Role::Primary));
    assert_eq!(
        far.try_recv(&mut [0; SIZE]),
        Err(TryRecvError::Disconnected)
    );
    let _near = memory.exclusive(Role::Primary);
    assert_eq!(far.try_recv(&mut [0; SIZE]), Err(TryRecvError::Empty));
}

#[test]
fn a_close_from_before_counts_once_its_messages_are_read() {
    let memory = Memory::new(4, SIZE, 0);
    let (mut near, far) = memory.pair();
    near.try_send(b"last words").unwrap();
    drop((near, far));
    let mut far = memory.exclusive(Role::Secondary);
    assert_eq!(far.try_recv(&mut [0; SIZE]), Ok(10));
    assert_eq!(
        far.try_recv(&mut [0; SIZE]),
        Err(TryRecvError::Disconnected)
    );
}

#[test]
fn a_receiver_that_never_came_ends_nothing() {
    let memory = Memory::new(2, SIZE, 0);
    let mut near = memory.exclusive(Role::Primary);
    assert!(!near.sender().is_peer_open());
    near.try_send(b"1").unwrap();
    near.try_send(b"2").unwrap();
    assert_eq!(near.try_send(b"3"), Err(TrySendError::Full));
    assert_eq!(near.try_recv(&mut []), Err(TryRecvError::Empty));
}

#[test]
fn the_end_comes_after_a_full_ring() {
    for start in [0, (1 << 16) - 1, (1 << 32) - 1, (1 << 48) - 1] {
        let memory = Memory::new(2, SIZE, start);
        let (mut near, mut far) = memory.pair();
        assert_eq!(fill(near.sender(), b"x"), 2);
        drop(near);
        for _ in 0..2 {
            assert_eq!(far.try_recv(&mut [0; SIZE]), Ok(1));
        }
        let end = far.try_recv(&mut [0; SIZE]);
        assert_eq!(end, Err(TryRecvError::Disconnected));
    }
}

#[test]
fn a_leaked_endpoint_has_not_left() {
    let memory = Memory::new(2, SIZE, 0);
    let (near, mut far) = memory.pair();
    forget(near);
    assert_eq!(far.try_recv(&mut [0; SIZE]), Err(TryRecvError::Empty));
    assert!(far.receiver().is_peer_open());
}

#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
mod shared {
    use super::*;
    use crate::common::heir;
    use hqq_core::{AttachOptions, Delivery, InitOptions, Layout, Member};

    fn as_member(role: Role, id: u8) -> AttachOptions {
        AttachOptions::new(role).member(Member::new(id).unwrap())
    }

    #[test]
    fn the_last_member_closes_a_shared_side() {
        let memory = Memory::new(4, SIZE, 0);
        let first = memory.shared_as(&as_member(Role::Primary, 1));
        let second = memory.shared_as(&as_member(Role::Primary, 2));
        let far = memory.shared(Role::Secondary);
        let mut receiver = far.receiver();
        // A sender of it that comes and goes is no member.
        let _ = first.sender();
        drop(first);
        assert_eq!(receive(&mut receiver), Err(TryRecvError::Empty));
        second.sender().try_send(b"mine").unwrap();
        drop(second);
        assert_eq!(receive(&mut receiver), Ok(b"mine".to_vec()));
        assert_eq!(receive(&mut receiver), Err(TryRecvError::Disconnected));
    }

    #[test]
    fn either_half_of_a_shared_link_closes_its_direction() {
        let memory = Memory::new(4, SIZE, 0);
        let near = memory.shared(Role::Primary);
        let (mut answers, mut receiver) = memory.exclusive(Role::Secondary).split();
        let (producer, consumer) = near.split();
        drop(producer);
        assert_eq!(receive(&mut receiver), Err(TryRecvError::Disconnected));
        answers.try_send(b"there").unwrap();
        drop(consumer);
        assert_eq!(answers.try_send(b"x"), Err(TrySendError::Disconnected));
    }

    #[test]
    fn at_least_once_the_end_is_not_told_while_a_message_is_being_read() {
        for (delivery, told) in [
            (Delivery::AtLeastOnce, TryRecvError::Empty),
            (Delivery::AtMostOnce, TryRecvError::Disconnected),
        ] {
            let layout = Layout::compact(4, SIZE).unwrap();
            let memory = Memory::with(layout, &InitOptions::new().delivery(delivery));
            let near = memory.shared(Role::Primary);
            let far = memory.shared(Role::Secondary);
            near.sender().try_send(b"being read").unwrap();
            drop(near);
            let (mut one, mut other) = (far.receiver(), far.receiver());
            let grant = one.try_next().unwrap();
            assert_eq!(receive(&mut other), Err(told));
            drop(grant);
            assert_eq!(receive(&mut other), Err(TryRecvError::Disconnected));
        }
    }

    #[test]
    fn a_member_that_died_keeps_its_heirs_side_from_closing_no_longer() {
        let memory = Memory::new(4, SIZE, 0);
        forget(memory.shared_as(&as_member(Role::Primary, 3)));
        let far = memory.shared(Role::Secondary);
        drop(memory.shared_as(&heir(Role::Primary)));
        let end = receive(&mut far.receiver());
        assert_eq!(end, Err(TryRecvError::Disconnected));
        // And its id can be had again.
        let _first = memory.shared_as(&as_member(Role::Primary, 1));
        let _third = memory.shared_as(&as_member(Role::Primary, 3));
    }

    #[test]
    fn a_close_from_before_ends_nothing_for_a_further_member() {
        for delivery in [Delivery::AtMostOnce, Delivery::AtLeastOnce] {
            let layout = Layout::new(4, SIZE, 64, 4).unwrap();
            let memory = Memory::with(layout, &InitOptions::new().delivery(delivery));
            let first = memory.shared_as(&as_member(Role::Secondary, 1));
            drop(memory.exclusive(Role::Primary));
            let second = memory.shared_as(&as_member(Role::Secondary, 2));
            let end = receive(&mut first.receiver());
            assert_eq!(end, Err(TryRecvError::Disconnected));
            let nothing = receive(&mut second.receiver());
            assert_eq!(nothing, Err(TryRecvError::Empty), "{delivery}");
        }
    }
}

/// A sender died between publishing and going on to the next position (T2).
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
#[test]
fn a_counter_that_lies_behind_hides_nothing() {
    let memory = Memory::new(2, SIZE, 0);
    let near = memory.shared(Role::Primary);
    let far = memory.shared(Role::Secondary);
    let w = memory
        .layout
        .producer_counter(hqq_core::Direction::ToSecondary);
    let mut sender = near.sender();
    sender.try_send(&[1; SIZE]).unwrap();
    memory.set64(w, memory.get64(w) - 1);
    assert_eq!(sender.unread(), 1);
    assert!(sender.is_writable());
    sender.try_send(&[2; SIZE]).unwrap();
    memory.set64(w, memory.get64(w) - 1);
    assert_eq!((sender.unread(), sender.is_writable()), (2, false));
    for number in [1, 2] {
        assert_eq!(receive(&mut far.receiver()), Ok(vec![number; SIZE]));
    }
    assert_eq!((sender.unread(), sender.is_writable()), (0, true));
}
