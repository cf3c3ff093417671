//! Shared sides: clones are one endpoint, and directions close with the last of them.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

mod common;

use std::time::Duration;

use common::{LIMIT, Name, bounded};
use hqq_core::AttachError;
use hqq_std::inspect::Snapshot;
use hqq_std::link::HasRegion as _;
use hqq_std::{
    LinkOptions, Mode, OpenError, RecvError, Role, SendError, SharedReceiver, TryRecvError,
};

fn small() -> LinkOptions {
    LinkOptions::new().count(4).size(64)
}

fn recv(receiver: &mut SharedReceiver) -> Vec<u8> {
    receiver.set_timeout(Some(LIMIT)).unwrap();
    receiver.recv_vec().unwrap()
}

#[test]
fn a_direction_closes_with_the_last_clone_and_sender() {
    let (near, far) = small().shared().pair().unwrap();
    let clone = near.clone();
    let mut sender = near.sender();
    let mut receiver = far.receiver();
    drop(near);
    drop(clone);
    assert_eq!(receiver.try_recv(&mut [0; 64]), Err(TryRecvError::Empty));
    sender.send(b"last").unwrap();
    drop(sender);
    assert_eq!(recv(&mut receiver), b"last");
    assert_eq!(
        receiver.recv_timeout(&mut [0; 64], LIMIT),
        Err(RecvError::Disconnected)
    );
}

/// Claims that follow each other leave the counters behind (PROTOCOL.md, "Rows"); the slots tell how far both sides are.
#[test]
fn a_snapshot_says_how_far_rows_have_come() {
    let name = Name::new();
    let options = LinkOptions::new().count(64).size(64).shared();
    options.create_region(&name).unwrap();
    let far = options.clone().role(Role::Secondary).open(&name).unwrap();
    let near = options.role(Role::Primary).open(&name).unwrap();
    let (mut sender, mut receiver) = (near.sender(), far.receiver());
    for _ in 0..13 {
        sender.send(&[1; 48]).unwrap();
    }
    for _ in 0..11 {
        assert_eq!(recv(&mut receiver), [1; 48]);
    }
    let snapshot = Snapshot::of_name(&name).unwrap();
    let rings = snapshot.rings.iter();
    let ring = rings.max_by_key(|ring| ring.published.get()).unwrap();
    assert_eq!((ring.published.get(), ring.taken.get()), (13, 11));
    assert_eq!(ring.unread, 2);
    assert!((5..=13).contains(&ring.producer_counter.get()));
    assert!((3..=11).contains(&ring.consumer_counter.get()));
}

#[test]
fn halves_of_a_shared_link_close_on_their_own() {
    let (near, far) = small().shared().pair().unwrap();
    let (sender, mut receiver) = near.split();
    let (mut far_sender, mut far_receiver) = far.split();
    drop(sender);
    assert_eq!(
        far_receiver.recv_timeout(&mut [0; 64], LIMIT),
        Err(RecvError::Disconnected)
    );
    far_sender.send(b"open").unwrap();
    assert_eq!(recv(&mut receiver), b"open");
    drop(receiver);
    assert_eq!(far_sender.send(b"shut"), Err(SendError::Disconnected));
}

#[test]
fn clones_are_one_endpoint_of_one_role() {
    let name = Name::new();
    let near = small().shared().create(&name).unwrap();
    let mut senders = [near.sender(), near.clone().sender()];
    let far = small().shared().role(Role::Secondary).open(&name).unwrap();
    assert_eq!((near.role(), far.role()), (Role::Primary, Role::Secondary));
    for (index, sender) in (0..).zip(&mut senders) {
        sender.send(&[index]).unwrap();
    }
    let mut receivers = [far.receiver(), far.clone().receiver()];
    for (index, receiver) in (0..).zip(&mut receivers) {
        assert_eq!(recv(receiver), [index], "in order of the ring");
    }
}

#[test]
fn members_share_a_role_until_it_is_full() {
    let name = Name::new();
    let options = small().shared().role(Role::Primary);
    let mut members = vec![options.create(&name).unwrap()];
    members.extend((1..62).map(|_| options.open(&name).unwrap()));
    assert!(matches!(
        options.open(&name),
        Err(OpenError::MembersTaken { members: 62, .. })
    ));
    members.pop();
    members.push(options.open(&name).unwrap());

    let mut far = small().role(Role::Secondary).open(&name).unwrap();
    let mut last = members.pop().unwrap().sender();
    drop(members);
    last.send(b"the side is still open").unwrap();
    far.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(far.recv_vec().unwrap(), b"the side is still open");
    assert_eq!(
        far.recv_timeout(&mut [0; 64], Duration::from_millis(20)),
        Err(RecvError::TimedOut)
    );
    drop(last);
    assert_eq!(
        far.recv_timeout(&mut [0; 64], LIMIT),
        Err(RecvError::Disconnected)
    );
}

#[test]
fn a_side_is_not_shared_and_exclusive_at_once() {
    for (first_is_shared, wanted, found) in [
        (true, Mode::Exclusive, Mode::Shared),
        (false, Mode::Shared, Mode::Exclusive),
    ] {
        let name = Name::new();
        small().create_region(&name).unwrap();
        let options = small().role(Role::Primary);
        let held: Box<dyn std::any::Any> = if first_is_shared {
            Box::new(options.shared().open(&name).unwrap())
        } else {
            Box::new(options.open(&name).unwrap())
        };
        let error = if first_is_shared {
            options.open(&name).err().unwrap()
        } else {
            options.shared().open(&name).err().unwrap()
        };
        let OpenError::Attach {
            error:
                AttachError::Side {
                    role: Role::Primary,
                    error,
                },
            ..
        } = &error
        else {
            unreachable!("{error:?}");
        };
        let hqq_core::side::SideError::Mode {
            wanted: error_wanted,
            found: error_found,
            ..
        } = error
        else {
            unreachable!("{error:?}");
        };
        assert_eq!((*error_wanted, *error_found), (wanted, Some(found)));
        assert!(error.to_string().contains("in use"), "{error}");
        drop(held);
        // Left, it can be used in the other mode.
        if first_is_shared {
            drop(options.open(&name).unwrap());
        } else {
            drop(options.shared().open(&name).unwrap());
        }
    }
}

#[test]
fn modes_of_the_two_ends_are_free_of_each_other() {
    bounded(|| {
        let name = Name::new();
        let mut near = small().create(&name).unwrap();
        let far = small().shared().open(&name).unwrap();
        near.set_read_timeout(Some(LIMIT)).unwrap();
        let workers: Vec<_> = (0..3)
            .map(|_| {
                let (mut receiver, mut sender) = (far.receiver(), far.sender());
                std::thread::spawn(move || {
                    let mut count = 0;
                    for message in receiver.incoming() {
                        sender.send(&message.unwrap()).unwrap();
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        drop(far);
        let (mut sender, mut receiver) = near.split();
        let sending = std::thread::spawn(move || {
            for number in 0..3000_u32 {
                sender.send(&number.to_le_bytes()).unwrap();
            }
        });
        let mut seen: Vec<u32> = receiver
            .incoming()
            .map(|message| u32::from_le_bytes(message.unwrap().try_into().unwrap()))
            .collect();
        sending.join().unwrap();
        let answered: i32 = workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .sum();
        seen.sort_unstable();
        assert_eq!(answered, 3000);
        assert!(seen.into_iter().eq(0..3000));
    });
}

#[test]
fn a_shared_region_is_handed_on_by_descriptor() {
    let near = small().shared().role(Role::Primary).anonymous().unwrap();
    let fd = near.region_fd().unwrap();
    let far = small().shared().from_fd(fd).unwrap();
    // A shared side has room for one more; the first role goes first.
    assert_eq!(far.role(), Role::Primary);
    let mut other = small()
        .role(Role::Secondary)
        .from_fd(near.region_fd().unwrap())
        .unwrap();
    near.sender().send(b"from one").unwrap();
    far.sender().send(b"from the other").unwrap();
    other.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(other.recv_vec().unwrap(), b"from one");
    assert_eq!(other.recv_vec().unwrap(), b"from the other");
}
