//! Repair while others run: what dead members had claimed, the records, and who may not be touched.
#![cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    reason = "this test decides who is dead; a helper that fails fails the test"
)]

use std::mem::ManuallyDrop;

use crate::common;

use hqq_core::repair::{Liveness, Repairer};
use hqq_core::side::{self, SideState};
use hqq_core::{
    AttachOptions, Delivery, Dynamic, Identity, InitOptions, Layout, Member, Mode, Presence,
    Region, Role, SharedLink, TryRecvError, TrySendError,
};

pub(super) const SIZE: usize = 64;

/// Members of which the test says so.
pub(super) struct Dead(pub(super) Vec<(Role, u8)>, pub(super) Vec<Role>);

// SAFETY: the test uses none of them afterwards.
unsafe impl Liveness for Dead {
    fn is_member_dead(&mut self, role: Role, member: Member) -> bool {
        self.0.contains(&(role, member.get()))
    }

    fn is_side_dead(&mut self, role: Role, _: bool) -> bool {
        self.1.contains(&role)
    }
}

pub(super) fn region(delivery: Delivery) -> Region {
    let layout = Layout::new(8, SIZE, 64, 8).unwrap();
    let options = InitOptions::new().delivery(delivery);
    common::Memory::with(layout, &options).region()
}

pub(super) fn member(region: &Region, role: Role, id: u8) -> SharedLink<Dynamic> {
    let others = if id == 1 {
        Presence::Alone
    } else {
        Presence::Others
    };
    let options = AttachOptions::new(role)
        .member(Member::new(id).unwrap())
        .pid(u32::from(id))
        .presence(others, others);
    SharedLink::attach(region.clone(), &options).unwrap()
}

pub(super) fn repairer(region: &Region) -> Repairer {
    Repairer::new(region, &Identity::read(region).unwrap()).unwrap()
}

/// What is published comes, and nothing of what the dead one was writing.
#[test]
fn a_slot_that_a_dead_sender_was_filling_becomes_a_tombstone() {
    let region = region(Delivery::AtMostOnce);
    let (first, second) = (
        member(&region, Role::Primary, 1),
        member(&region, Role::Primary, 2),
    );
    let far = member(&region, Role::Secondary, 1);
    first.sender().try_send(b"before").unwrap();
    std::mem::forget(second.sender().try_reserve().unwrap());
    first.sender().try_send(b"after").unwrap();
    std::mem::forget(second);
    let mut receiver = far.receiver();
    let mut buffer = [0; SIZE];
    assert_eq!(receiver.try_recv(&mut buffer), Ok(6));
    assert_eq!(receiver.try_recv(&mut buffer), Err(TryRecvError::Empty));
    let obstacle = receiver.obstacle().unwrap();
    assert_eq!((obstacle.member.get(), obstacle.writing), (2, true));

    let repairer = repairer(&region);
    // Nobody is dead: nothing is touched.
    assert!(!repairer.repair(&mut Dead(vec![], vec![])).has_changed());
    let mut dead = Dead(vec![(Role::Primary, 2)], vec![]);
    let repaired = repairer.repair(&mut dead);
    assert_eq!((repaired.members, repaired.tombstones), (1, 1));
    assert_eq!(
        (repaired.released, repaired.in_doubt, repaired.sides),
        (0, 0, 0)
    );
    assert!(!repairer.repair(&mut dead).has_changed(), "all was done");
    assert_eq!(receiver.try_recv(&mut buffer), Ok(5));
    let gone = repairer
        .member(Role::Primary, Member::new(2).unwrap(), false)
        .unwrap();
    assert_eq!((gone.0.state(), gone.1), (SideState::Dead, 0));
    // The side has a member yet, and leaving is a close.
    drop(first);
    assert_eq!(
        receiver.try_recv(&mut buffer),
        Err(TryRecvError::Disconnected)
    );
}

#[test]
fn a_message_that_a_dead_receiver_was_reading_goes_at_most_once() {
    let region = region(Delivery::AtMostOnce);
    let near = member(&region, Role::Primary, 1);
    let (first, second) = (
        member(&region, Role::Secondary, 1),
        ManuallyDrop::new(member(&region, Role::Secondary, 2)),
    );
    for index in 0..8_u8 {
        near.sender().try_send(&[index]).unwrap();
    }
    let mut dying = second.receiver();
    std::mem::forget(dying.try_next().unwrap());
    let mut buffer = [0; SIZE];
    let mut receiver = first.receiver();
    for _ in 1..8 {
        receiver.try_recv(&mut buffer).unwrap();
    }
    assert_eq!(near.sender().try_send(b"x"), Err(TrySendError::Full));
    let obstacle = near.sender().obstacle().unwrap();
    assert_eq!((obstacle.member.get(), obstacle.writing), (2, false));
    std::mem::forget(dying);
    let mut dead = Dead(vec![(Role::Secondary, 2)], vec![]);
    let repaired = repairer(&region).repair(&mut dead);
    assert_eq!((repaired.members, repaired.released), (1, 1));
    near.sender().try_send(b"x").unwrap();
    assert_eq!(receiver.try_recv(&mut buffer), Ok(1));
    assert_eq!(buffer[0], b'x');
}

#[test]
fn a_dead_side_is_told_from_a_closed_one_and_goes_on_with_the_next() {
    let region = region(Delivery::AtMostOnce);
    let near = member(&region, Role::Primary, 1);
    let far = member(&region, Role::Secondary, 1);
    near.sender().try_send(b"last").unwrap();
    std::mem::forget(near);
    let mut dead = Dead(vec![(Role::Primary, 1)], vec![Role::Primary]);
    assert_eq!(repairer(&region).repair(&mut dead).sides, 2);
    let status = side::status(&region, Role::Primary, false);
    assert_eq!(
        (status.state(), status.mode()),
        (SideState::Dead, Some(Mode::Shared))
    );
    let mut receiver = far.receiver();
    let mut buffer = [0; SIZE];
    // What was committed first.
    assert_eq!(receiver.try_recv(&mut buffer), Ok(4));
    assert_eq!(receiver.try_recv(&mut buffer), Err(TryRecvError::PeerDead));
    // A sender learns of it when there is no more room.
    let mut sender = far.sender();
    for _ in 0..8 {
        sender.try_send(b"for the next").unwrap();
    }
    assert_eq!(sender.try_send(b"x"), Err(TrySendError::PeerDead));
    let next = member(&region, Role::Primary, 1);
    assert_eq!(receiver.try_recv(&mut buffer), Err(TryRecvError::Empty));
    assert_eq!(sender.try_send(b"x"), Err(TrySendError::Full));
    next.sender().try_send(b"on").unwrap();
    assert_eq!(receiver.try_recv(&mut buffer), Ok(2));
    assert_eq!(next.receiver().try_recv(&mut buffer), Ok(12));
    drop(next);
    assert_eq!(
        receiver.try_recv(&mut buffer),
        Err(TryRecvError::Disconnected)
    );
}

/// Half a stamp that a 32-bit sender left is whole again before its death is told, so that
/// receivers get past it.
#[test]
fn half_a_stamp_is_mended_before_the_death_is_recorded() {
    use hqq_core::Position;
    use hqq_core::ring::stamp::free;
    let start = (1 << 16) - 1;
    let memory = common::Memory::new(8, SIZE, start);
    let _near = ManuallyDrop::new(memory.exclusive(Role::Primary));
    let far = memory.shared(Role::Secondary);
    let whole = free(Position::new(start));
    // The high half of the stamp that publishes the position.
    memory.set_stamp(start, whole & 0xffff_ffff | 1 << 32);
    assert_eq!(
        far.receiver().try_recv(&mut [0; SIZE]),
        Err(TryRecvError::Empty)
    );
    let region = memory.region();
    let repaired =
        repairer(&region).repair(&mut Dead(vec![(Role::Primary, 1)], vec![Role::Primary]));
    assert!(repaired.has_changed());
    assert_eq!(memory.stamp(start), whole);
    let end = far.receiver().try_recv(&mut [0; SIZE]);
    assert_eq!(end, Err(TryRecvError::PeerDead));
}

/// A reader that died as soon as it had claimed the rest of a run left the word that says so. No other run is ever
/// taken for that one.
#[test]
fn nothing_is_said_of_a_run_any_more_that_a_dead_reader_had() {
    use hqq_core::ring::stamp::reading;
    use hqq_core::{Direction, Position};
    for delivery in [Delivery::AtMostOnce, Delivery::AtLeastOnce] {
        for is_relieved in [false, true] {
            let layout = Layout::new(8, SIZE, 64, 8).unwrap();
            let options = InitOptions::new().delivery(delivery);
            let memory = common::Memory::with(layout, &options);
            let region = memory.region();
            let _living = member(&region, Role::Secondary, 1);
            let _dying = ManuallyDrop::new(member(&region, Role::Secondary, 2));
            let dead = Member::new(2).unwrap();
            let taken = memory.layout.ring(Direction::ToSecondary) + super::runs::TAKEN;
            memory.set32(taken, 1);
            memory.set_stamp(0, reading(Position::new(0), dead, 0xfc));
            memory.set64(memory.layout.consumer_counter(Direction::ToSecondary), 1);
            if is_relieved {
                drop(member(&region, Role::Secondary, 2));
            } else {
                repairer(&region).repair(&mut Dead(vec![(Role::Secondary, 2)], vec![]));
            }
            assert_eq!(memory.get32(taken), 0, "{delivery:?} {is_relieved}");
        }
    }
}

/// That a member has left is a word that anybody may have written, and no repair changes anything on it: who takes over
/// what that one left does.
#[test]
fn what_is_said_of_a_run_stays_until_somebody_takes_over_from_who_has_left() {
    use hqq_core::ring::stamp::reading;
    use hqq_core::{Direction, Position};
    let layout = Layout::new(8, SIZE, 64, 8).unwrap();
    let options = InitOptions::new().delivery(Delivery::AtLeastOnce);
    let memory = common::Memory::with(layout, &options);
    let region = memory.region();
    let living = member(&region, Role::Secondary, 1);
    let (_sending, receiving) = member(&region, Role::Secondary, 2).split();
    drop(receiving);
    let left = Member::new(2).unwrap();
    let taken = memory.layout.ring(Direction::ToSecondary) + super::runs::TAKEN;
    memory.set32(taken, 1);
    memory.set_stamp(0, reading(Position::new(0), left, 0xfc));
    memory.set64(memory.layout.consumer_counter(Direction::ToSecondary), 1);
    let repaired = repairer(&region).repair(&mut Dead(vec![], vec![]));
    assert_eq!((repaired.in_doubt, repaired.has_changed()), (1, false));
    assert_eq!(memory.get32(taken), 1);
    // SAFETY: member 2 receives no more.
    let _ = unsafe { living.receiver().take_over(&mut |id| id == left) };
    assert_eq!(memory.get32(taken), 0);
}

/// A position at which `released` has to move on, or it would come round one day to a position that it
/// was not meant for: whoever frees such a slot in place of a dead reader moves it on, too.
mod released {
    use super::*;

    const STEP: u64 = 1 << 30;

    /// Frees what member 2 was reading, which is dead; gives a receiver that lives.
    type Free = fn(&common::Memory) -> SharedLink<Dynamic>;

    fn receiver(memory: &common::Memory, id: u8, alone: bool) -> SharedLink<Dynamic> {
        let others = if alone {
            Presence::Alone
        } else {
            Presence::Others
        };
        memory.shared_as(
            &AttachOptions::new(Role::Secondary)
                .member(Member::new(id).unwrap())
                .presence(others, others),
        )
    }

    fn by_repair(memory: &common::Memory) -> SharedLink<Dynamic> {
        let living = receiver(memory, 1, false);
        let mut dead = Dead(vec![(Role::Secondary, 2)], vec![]);
        assert_eq!(repairer(&memory.region()).repair(&mut dead).released, 1);
        living
    }

    fn by_the_next_first_one(memory: &common::Memory) -> SharedLink<Dynamic> {
        receiver(memory, 1, true)
    }

    fn by_who_takes_the_id(memory: &common::Memory) -> SharedLink<Dynamic> {
        receiver(memory, 2, false)
    }

    #[test]
    fn it_moves_on_where_a_dead_reader_is_relieved() {
        let ways: [Free; 3] = [by_repair, by_the_next_first_one, by_who_takes_the_id];
        for step in [STEP, 2 * STEP, 3 * STEP, 4 * STEP, 1 << 48] {
            for (way, free) in ways.into_iter().enumerate() {
                let memory = common::Memory::new(8, SIZE, step);
                let near = memory.shared(Role::Primary);
                let dying = ManuallyDrop::new(receiver(&memory, 2, true));
                near.sender().try_send(b"read for ever").unwrap();
                let mut reading = dying.receiver();
                std::mem::forget(reading.try_next().unwrap());
                std::mem::forget(reading);
                // As if it had stood still for nearly 2^32 positions: it is about to come round to the
                // second message from here.
                let offset = memory.layout.released(hqq_core::Direction::ToSecondary);
                memory.set32(offset.unwrap(), (step + 2) as u32);
                let far = free(&memory);
                let long_ago = step.wrapping_sub(STEP) as u32;
                assert_eq!(memory.released(), long_ago, "{step:x}, way {way}");
                let sent = common::fill(&mut near.sender(), b"unread");
                assert_eq!(
                    sent, 8,
                    "{step:x}, way {way}: written over what was not read"
                );
                assert_eq!(common::drain(&mut far.receiver()), 8);
            }
        }
    }
}
