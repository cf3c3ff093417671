//! Who may have a side beside whom, and what attaching in vain leaves.

use crate::common::{Memory, receive};
use hqq_core::side::SideError;
use hqq_core::{
    AttachError, AttachOptions, Direction, DynamicLink, Member, Mode, Presence, Role, TryRecvError,
};

fn member(id: u8) -> Member {
    Member::new(id).unwrap()
}

fn refused(memory: &Memory, options: &AttachOptions) -> AttachError {
    DynamicLink::attach(memory.region(), options).err().unwrap()
}

fn side(role: Role, error: SideError) -> AttachError {
    AttachError::Side { role, error }
}

#[test]
fn member_ids_are_1_to_254() {
    assert_eq!(Member::new(0), None);
    assert_eq!(Member::new(255), None);
    for id in 1..=254 {
        assert_eq!(member(id).get(), id);
    }
    assert_eq!(Member::FIRST, member(1));
}

#[test]
fn an_exclusive_role_is_had_once() {
    let memory = Memory::new(4, 48, 0);
    for role in Role::BOTH {
        let link = memory.exclusive(role);
        let error = refused(&memory, &AttachOptions::new(role));
        assert_eq!(
            error,
            side(
                role,
                SideError::Mode {
                    direction: role.sends(),
                    wanted: Mode::Exclusive,
                    found: Some(Mode::Exclusive),
                }
            )
        );
        assert!(error.to_string().contains(&role.to_string()), "{error}");
        drop(link);
        drop(memory.exclusive(role));
    }
}

#[test]
fn a_half_that_is_kept_keeps_the_role() {
    let memory = Memory::new(4, 48, 0);
    let (sender, receiver) = memory.exclusive(Role::Primary).split();
    drop(sender);
    let error = refused(&memory, &AttachOptions::new(Role::Primary));
    let in_use = SideError::Mode {
        direction: Direction::ToPrimary,
        wanted: Mode::Exclusive,
        found: Some(Mode::Exclusive),
    };
    assert_eq!(error, side(Role::Primary, in_use));
    drop(receiver);
    drop(memory.exclusive(Role::Primary));
}

#[test]
fn attaching_in_vain_leaves_the_peer_alone() {
    let memory = Memory::new(4, 48, 0);
    let (sender, _receiver) = memory.exclusive(Role::Primary).split();
    drop(sender);
    // Comes after that close, which ends nothing for it.
    let mut far = memory.exclusive(Role::Secondary);
    assert_eq!(receive(far.receiver()), Err(TryRecvError::Empty));
    let before = memory.image();
    refused(&memory, &AttachOptions::new(Role::Primary));
    assert_eq!(receive(far.receiver()), Err(TryRecvError::Empty));
    assert!(memory.image() == before, "a refused attach wrote something");
}

#[test]
fn a_member_the_table_has_no_room_for_is_refused() {
    let memory = Memory::new(4, 48, 0);
    let error = refused(
        &memory,
        &AttachOptions::new(Role::Primary).member(member(5)),
    );
    let none = SideError::NoSuchMember {
        member: member(5),
        members: 4,
    };
    assert_eq!(error, side(Role::Primary, none));
    assert!(error.to_string().contains("1 to 4"), "{error}");
    drop(memory.exclusive_as(&AttachOptions::new(Role::Primary).member(member(4))));
}

#[test]
fn a_damaged_record_is_named() {
    let memory = Memory::new(4, 48, 0);
    // The side of direction 0's producer: open, without a mode.
    memory.set32(128, 1);
    let error = refused(&memory, &AttachOptions::new(Role::Primary));
    let damaged = SideError::Mode {
        direction: Direction::ToSecondary,
        wanted: Mode::Exclusive,
        found: None,
    };
    assert_eq!(error, side(Role::Primary, damaged));
    assert!(error.to_string().contains("damaged"), "{error}");
}

#[test]
fn others_that_are_known_to_live_count_more_than_the_records() {
    let memory = Memory::new(4, 48, 0);
    let others = AttachOptions::new(Role::Primary).presence(Presence::Others, Presence::Others);
    assert!(matches!(
        refused(&memory, &others),
        AttachError::Side {
            error: SideError::Mode { .. },
            ..
        }
    ));
}

#[test]
fn a_pid_is_recorded_for_people_to_read() {
    let memory = Memory::new(4, 48, 0);
    // Members of the primary first, 128 bytes each: producer half, consumer half.
    let producer = 512 + 128;
    let options = AttachOptions::new(Role::Primary)
        .member(member(2))
        .pid(4711);
    let link = memory.exclusive_as(&options);
    assert_eq!(memory.get32(producer + 4), 4711);
    assert_eq!(memory.get32(producer + 64 + 4), 4711);
    drop(link);
    assert_eq!(memory.get32(producer + 4), 0);
}

#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
mod shared {
    use super::*;
    use hqq_core::{Dynamic, SharedLink};

    fn shared_refused(memory: &Memory, options: &AttachOptions) -> AttachError {
        SharedLink::<Dynamic>::attach(memory.region(), options)
            .err()
            .unwrap()
    }

    #[test]
    fn modes_do_not_mix_on_one_side() {
        let memory = Memory::new(4, 48, 0);
        let second = AttachOptions::new(Role::Primary).member(member(2));
        let mode = |wanted, found| {
            side(
                Role::Primary,
                SideError::Mode {
                    direction: Direction::ToSecondary,
                    wanted,
                    found: Some(found),
                },
            )
        };
        let link = memory.exclusive(Role::Primary);
        let error = shared_refused(&memory, &second);
        assert_eq!(error, mode(Mode::Shared, Mode::Exclusive));
        assert!(error.to_string().contains("as exclusive"), "{error}");
        assert!(error.to_string().contains("not as shared"), "{error}");
        drop(link);
        let link = memory.shared(Role::Primary);
        let error = refused(&memory, &second);
        assert_eq!(error, mode(Mode::Exclusive, Mode::Shared));
        drop(link);
        drop(memory.exclusive(Role::Primary));
    }

    #[test]
    fn members_of_a_shared_side_have_ids_of_their_own() {
        let memory = Memory::new(4, 48, 0);
        let mut links = Vec::new();
        for id in 1..=4 {
            let options = AttachOptions::new(Role::Primary).member(member(id));
            links.push(memory.shared_as(&options));
            let error = shared_refused(&memory, &options);
            let in_use = SideError::MemberInUse { member: member(id) };
            assert_eq!(error, side(Role::Primary, in_use));
        }
        // The other role counts on its own.
        let far = memory.shared(Role::Secondary);
        for (number, link) in links.iter().enumerate() {
            let sent = link.sender().try_send(&[number as u8]);
            sent.unwrap();
            assert_eq!(receive(&mut far.receiver()), Ok(vec![number as u8]));
        }
        links.remove(1);
        drop(memory.shared_as(&AttachOptions::new(Role::Primary).member(member(2))));
    }

    #[test]
    fn a_refused_member_leaves_the_others_alone() {
        let memory = Memory::new(4, 48, 0);
        let near = memory.shared(Role::Primary);
        let far = memory.shared(Role::Secondary);
        let before = memory.image();
        shared_refused(&memory, &AttachOptions::new(Role::Primary));
        assert!(memory.image() == before, "a refused attach wrote something");
        near.sender().try_send(b"on").unwrap();
        assert_eq!(receive(&mut far.receiver()), Ok(b"on".to_vec()));
    }
}
