//! Opening, closing and leaving: what each end sees of the other's coming and going.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

mod common;

use std::io::Read as _;
use std::time::Duration;

use common::{LIMIT, Name, bounded};
use hqq_std::{
    LinkOptions, OpenError, RecvError, Role, SendError, StandardLink, TryRecvError, TrySendError,
    pair,
};

const SHORT: Duration = Duration::from_millis(20);

fn small() -> LinkOptions {
    LinkOptions::new().count(4).size(64)
}

fn recv(link: &mut StandardLink) -> Vec<u8> {
    link.set_read_timeout(Some(LIMIT)).unwrap();
    link.recv_vec().unwrap()
}

#[test]
fn roles_are_given_primary_first_and_free_again_after_dropping() {
    let name = Name::new();
    let first = small().create(&name).unwrap();
    let second = small().open(&name).unwrap();
    assert_eq!(
        (first.role(), second.role()),
        (Role::Primary, Role::Secondary)
    );
    assert!(matches!(
        small().open(&name),
        Err(OpenError::RolesTaken { path }) if path == name.path()
    ));
    drop(first);
    assert_eq!(small().open(&name).unwrap().role(), Role::Primary);
    drop(second);
    let secondary = small().role(Role::Secondary).open(&name).unwrap();
    assert_eq!(secondary.role(), Role::Secondary);
}

#[test]
fn what_was_sent_is_received_before_the_end() {
    let (mut near, mut far) = small().pair().unwrap();
    near.send(b"one").unwrap();
    near.send(b"").unwrap();
    near.send(b"three").unwrap();
    drop(near);
    assert_eq!(recv(&mut far), b"one");
    assert_eq!(recv(&mut far), b"");
    assert_eq!(recv(&mut far), b"three");
    assert_eq!(
        far.recv_timeout(&mut [0; 64], LIMIT),
        Err(RecvError::Disconnected)
    );
    assert_eq!(
        far.receiver().try_recv(&mut [0; 64]),
        Err(TryRecvError::Disconnected)
    );
    assert_eq!(far.read(&mut [0; 64]).unwrap(), 0, "end of file");
    assert_eq!(far.send(b"late"), Err(SendError::Disconnected));
    assert_eq!(
        far.sender().try_send(b"late"),
        Err(TrySendError::Disconnected)
    );
}

#[test]
fn directions_close_one_by_one() {
    let (near, mut far) = small().pair().unwrap();
    let (sender, mut receiver) = near.split();
    drop(sender);
    assert_eq!(
        far.recv_timeout(&mut [0; 64], LIMIT),
        Err(RecvError::Disconnected)
    );
    far.send(b"still").unwrap();
    assert_eq!(receiver.recv_vec().unwrap(), b"still");
    drop(receiver);
    assert_eq!(far.send(b"over"), Err(SendError::Disconnected));
}

#[test]
fn halves_drop_in_any_order() {
    for sender_first in [false, true] {
        let name = Name::new();
        let (sender, receiver) = small().create(&name).unwrap().split();
        if sender_first {
            drop(sender);
            drop(receiver);
        } else {
            drop(receiver);
            drop(sender);
        }
        let again = small().role(Role::Primary).open(&name).unwrap();
        drop(again);
    }
}

#[test]
fn a_role_stays_taken_until_its_last_half_is_dropped() {
    let name = Name::new();
    let primary = small().role(Role::Primary);
    let (sender, receiver) = primary.create(&name).unwrap().split();
    drop(sender);
    assert!(matches!(primary.open(&name), Err(OpenError::Attach { .. })));
    drop(receiver);
    primary.open(&name).unwrap();
}

#[test]
fn a_blocked_receiver_learns_of_the_end() {
    bounded(|| {
        let (near, mut far) = small().pair().unwrap();
        let waiting = std::thread::spawn(move || far.recv_timeout(&mut [0; 64], LIMIT));
        drop(near);
        assert_eq!(waiting.join().unwrap(), Err(RecvError::Disconnected));
    });
}

#[test]
fn a_blocked_sender_learns_of_the_end() {
    bounded(|| {
        let (mut near, far) = small().pair().unwrap();
        for _ in 0..4 {
            near.send(b"fills the ring").unwrap();
        }
        let waiting = std::thread::spawn(move || near.send(b"one too many"));
        drop(far);
        assert_eq!(waiting.join().unwrap(), Err(SendError::Disconnected));
    });
}

#[test]
fn nobody_there_yet_is_not_the_end() {
    let name = Name::new();
    let mut near = small().create(&name).unwrap();
    assert_eq!(
        near.recv_timeout(&mut [0; 64], SHORT),
        Err(RecvError::TimedOut)
    );
    near.send(b"kept").unwrap();
    assert!(!near.sender().wait_for_peer(Some(SHORT)));
    let mut far = small().open(&name).unwrap();
    assert!(near.sender().wait_for_peer(Some(LIMIT)));
    assert!(near.receiver().wait_for_peer(Some(LIMIT)));
    assert_eq!(recv(&mut far), b"kept");
}

#[test]
fn an_end_that_left_before_this_one_came_ended_nothing() {
    let name = Name::new();
    drop(small().create(&name).unwrap());
    // The primary has come and gone; this secondary waits for the next one.
    let mut far = small().role(Role::Secondary).open(&name).unwrap();
    assert_eq!(
        far.recv_timeout(&mut [0; 64], SHORT),
        Err(RecvError::TimedOut)
    );
    far.send(b"for the next").unwrap();
    let mut next = small().open(&name).unwrap();
    assert_eq!(next.role(), Role::Primary);
    assert_eq!(recv(&mut next), b"for the next");
    next.send(b"hello").unwrap();
    assert_eq!(recv(&mut far), b"hello");
}

#[test]
fn messages_of_one_that_left_are_read_by_one_that_comes_then_it_ends() {
    let name = Name::new();
    let mut near = small().create(&name).unwrap();
    near.send(b"one").unwrap();
    near.send(b"two").unwrap();
    drop(near);
    let mut far = small().role(Role::Secondary).open(&name).unwrap();
    assert_eq!(recv(&mut far), b"one");
    assert_eq!(recv(&mut far), b"two");
    assert_eq!(
        far.recv_timeout(&mut [0; 64], LIMIT),
        Err(RecvError::Disconnected)
    );
}

#[test]
fn messages_a_receiver_left_unread_are_for_the_next_one() {
    let name = Name::new();
    let mut near = small().create(&name).unwrap();
    let mut far = small().open(&name).unwrap();
    for message in [b"1", b"2", b"3"] {
        near.send(message).unwrap();
    }
    assert_eq!(recv(&mut far), b"1");
    // Looked at, too small a buffer: still the next one.
    assert_eq!(
        far.recv(&mut []),
        Err(RecvError::BufferTooSmall {
            needed: 1,
            capacity: 0
        })
    );
    drop(far);
    assert_eq!(near.send(b"4"), Err(SendError::Disconnected));
    let mut next = small().open(&name).unwrap();
    near.send(b"4").unwrap();
    for message in [b"2", b"3", b"4"] {
        assert_eq!(recv(&mut next), message);
    }
}

#[test]
fn links_outlive_the_name_of_their_region() {
    let name = Name::new();
    let mut near = small().create(&name).unwrap();
    let mut far = small().open(&name).unwrap();
    hqq_std::unlink(&name).unwrap();
    assert!(!name.exists());
    near.send(b"still here").unwrap();
    assert_eq!(recv(&mut far), b"still here");
    assert!(matches!(
        small().open(&name),
        Err(OpenError::NotFound { path }) if path == name.path()
    ));
    // The name is free for another region.
    let other = small().create(&name).unwrap();
    drop(other);
}

#[test]
fn pairs_share_nothing_with_each_other() {
    let (mut a, mut b) = pair().unwrap();
    let (mut c, mut d) = pair().unwrap();
    a.send(b"a").unwrap();
    c.send(b"c").unwrap();
    assert_eq!(recv(&mut b), b"a");
    assert_eq!(recv(&mut d), b"c");
    assert_eq!((a.role(), b.role()), (Role::Primary, Role::Secondary));
}

#[test]
fn attaching_again_and_again_loses_nothing() {
    let name = Name::new();
    let mut near = small().create(&name).unwrap();
    for round in 0..50_u8 {
        let mut far = small().open(&name).unwrap();
        near.send(&[round]).unwrap();
        assert_eq!(recv(&mut far), [round]);
        far.send(&[round, round]).unwrap();
        drop(far);
        assert_eq!(recv(&mut near), [round, round]);
        assert_eq!(
            near.recv_timeout(&mut [0; 64], LIMIT),
            Err(RecvError::Disconnected)
        );
    }
}
