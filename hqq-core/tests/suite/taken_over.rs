//! At least once: what a dead member was reading, or one that has left, waits for who takes it over.
#![cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
#![allow(unsafe_code, reason = "these tests decide who is dead")]

use std::mem::ManuallyDrop;

use super::repair::{Dead, SIZE, member, region, repairer};
use crate::common;

use hqq_core::{Delivery, Dynamic, InitOptions, Layout, Member, Role, SharedLink, TryRecvError};

#[test]
fn a_message_that_a_dead_receiver_was_reading_is_taken_over_at_least_once() {
    let region = region(Delivery::AtLeastOnce);
    let near = member(&region, Role::Primary, 1);
    let (first, second) = (
        member(&region, Role::Secondary, 1),
        ManuallyDrop::new(member(&region, Role::Secondary, 2)),
    );
    for index in 0..3_u8 {
        near.sender().try_send(&[index]).unwrap();
    }
    let (mut one, mut two) = (second.receiver(), second.receiver());
    std::mem::forget((one.try_next().unwrap(), two.try_next().unwrap()));
    std::mem::forget((one, two));
    let repairer = repairer(&region);
    let mut dead = Dead(vec![(Role::Secondary, 2)], vec![]);
    let repaired = repairer.repair(&mut dead);
    // Its record tells of them until they are taken over.
    assert_eq!((repaired.in_doubt, repaired.released), (2, 0));
    assert!(repairer.is_recorded_open(Role::Secondary, Member::new(2).unwrap()));
    let mut receiver = first.receiver();
    let mut seen = Vec::new();
    // SAFETY: member 2 is never used again.
    while unsafe { receiver.take_over(&mut |id| id.get() == 2) } {
        let message = receiver.try_next().unwrap();
        let mut byte = [0];
        message.copy_to(0, &mut byte);
        assert!(message.is_in_doubt());
        seen.extend(byte);
    }
    assert_eq!(seen, [0, 1]);
    let message = receiver.try_next().unwrap();
    assert!(!message.is_in_doubt());
    drop(message);
    assert_eq!(repairer.repair(&mut dead).in_doubt, 0);
    assert!(!repairer.is_recorded_open(Role::Secondary, Member::new(2).unwrap()));
}

/// What a receiver gets next, in doubt.
fn in_doubt<C: hqq_core::ring::Consumer>(receiver: &mut hqq_core::Receiver<C>) -> Option<u8> {
    let message = receiver.try_next().ok()?;
    let mut byte = [0];
    message.copy_to(0, &mut byte);
    assert!(message.is_in_doubt());
    Some(byte[0])
}

/// Of what a member came to with its id, and of what lies in between and is another one's, each message comes
/// once, also where it takes that over before it has handed out its own.
#[test]
fn what_is_taken_over_in_between_comes_once() {
    let region = region(Delivery::AtLeastOnce);
    let near = member(&region, Role::Primary, 1);
    let _living = member(&region, Role::Secondary, 1);
    let dying = [2, 3].map(|id| ManuallyDrop::new(member(&region, Role::Secondary, id)));
    for index in 0..3_u8 {
        near.sender().try_send(&[index]).unwrap();
        let mut reading = dying[usize::from(index % 2)].receiver();
        std::mem::forget(reading.try_next().unwrap());
        std::mem::forget(reading);
    }
    let heir = member(&region, Role::Secondary, 2);
    let (mut first, mut second) = (heir.receiver(), heir.receiver());
    // SAFETY: member 3 is never used again.
    assert!(unsafe { first.take_over(&mut |id| id.get() == 3) });
    let mut seen = Vec::new();
    loop {
        seen.extend(std::iter::from_fn(|| in_doubt(&mut second)));
        // SAFETY: as above.
        if !unsafe { second.take_over(&mut |id| id.get() == 3) } {
            break;
        }
    }
    seen.extend(in_doubt(&mut first));
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2]);
    assert_eq!(common::fill(&mut near.sender(), b"room"), 8);
}

/// A receiver that claims the next message and is dropped before it has handed any of it out.
fn let_go(link: &SharedLink<Dynamic>) {
    let too_short = link.receiver().try_recv(&mut []);
    assert!(matches!(
        too_short,
        Err(TryRecvError::BufferTooSmall { .. })
    ));
}

/// What a receiver got and nobody looked at comes to others, of its own member and of another one.
#[test]
fn what_a_receiver_lets_go_of_comes_to_another_one() {
    for is_taken_over in [false, true] {
        for stays in [false, true] {
            let region = region(Delivery::AtLeastOnce);
            let near = member(&region, Role::Primary, 1);
            let first = member(&region, Role::Secondary, 1);
            let other = member(&region, Role::Secondary, 2);
            near.sender().try_send(&[7]).unwrap();
            if is_taken_over {
                let dying = ManuallyDrop::new(member(&region, Role::Secondary, 3));
                let mut reading = dying.receiver();
                std::mem::forget(reading.try_next().unwrap());
                std::mem::forget(reading);
                let mut receiver = first.receiver();
                // SAFETY: member 3 is never used again.
                assert!(unsafe { receiver.take_over(&mut |id| id.get() == 3) });
            } else {
                let_go(&first);
            }
            if stays {
                let mut receiver = first.receiver();
                assert!(receiver.is_readable());
                assert_eq!(in_doubt(&mut receiver), Some(7));
                assert!(!receiver.is_readable());
            } else {
                drop(first);
                let mut receiver = other.receiver();
                // SAFETY: member 1 receives no more.
                assert!(unsafe { receiver.take_over(&mut |id| id.get() == 1) });
                assert_eq!(in_doubt(&mut receiver), Some(7));
            }
            assert_eq!(common::fill(&mut near.sender(), b"room"), 8);
        }
    }
}

/// A member remembers four of them.
#[test]
fn what_many_receivers_let_go_of_comes_once() {
    let region = region(Delivery::AtLeastOnce);
    let near = member(&region, Role::Primary, 1);
    let first = member(&region, Role::Secondary, 1);
    let other = member(&region, Role::Secondary, 2);
    for index in 0..6_u8 {
        near.sender().try_send(&[index]).unwrap();
    }
    let receivers: Vec<_> = (0..6)
        .map(|_| {
            let mut receiver = first.receiver();
            assert!(receiver.try_recv(&mut []).is_err());
            receiver
        })
        .collect();
    drop(receivers);
    let mut receiver = first.receiver();
    let seen: Vec<_> = std::iter::from_fn(|| in_doubt(&mut receiver)).collect();
    assert_eq!(seen, [0, 1, 2, 3]);
    // The ring goes on, whoever receives, though the member stays.
    for round in 0..3 {
        assert_eq!(common::fill(&mut near.sender(), &[round]), 8);
        let mut receiver = other.receiver();
        for _ in 0..8 {
            assert_eq!(receiver.try_recv(&mut [0]), Ok(1));
        }
    }
}

/// Where nothing comes twice, what was claimed is gone.
#[test]
fn at_most_once_what_a_receiver_lets_go_of_is_gone() {
    let region = region(Delivery::AtMostOnce);
    let near = member(&region, Role::Primary, 1);
    let far = member(&region, Role::Secondary, 1);
    near.sender().try_send(&[7]).unwrap();
    let_go(&far);
    assert_eq!(far.receiver().try_recv(&mut [0]), Err(TryRecvError::Empty));
    assert_eq!(common::fill(&mut near.sender(), b"room"), 8);
}

/// A member that keeps its sending side has left what it was to hand out on the other one.
#[test]
fn what_a_member_left_on_one_side_waits_for_a_receiver() {
    let region = region(Delivery::AtLeastOnce);
    let near = member(&region, Role::Primary, 1);
    let living = member(&region, Role::Secondary, 1);
    let dying = ManuallyDrop::new(member(&region, Role::Secondary, 2));
    near.sender().try_send(&[7]).unwrap();
    let mut reading = dying.receiver();
    std::mem::forget(reading.try_next().unwrap());
    std::mem::forget(reading);
    let repairer = repairer(&region);
    let repaired = || repairer.repair(&mut Dead(vec![], vec![])).in_doubt;
    let (_sending, receiving) = member(&region, Role::Secondary, 2).split();
    let has_left = |id| repairer.has_left(Role::Secondary, Member::new(id).unwrap());
    assert_eq!((has_left(2), repaired()), (false, 0));
    drop(receiving);
    assert_eq!((has_left(2), repaired()), (true, 1));
    assert_eq!([1, 3, 200].map(has_left), [false; 3]);
    let mut receiver = living.receiver();
    // SAFETY: member 2 receives no more.
    assert!(unsafe { receiver.take_over(&mut |id| id.get() == 2) });
    assert_eq!(in_doubt(&mut receiver), Some(7));
    assert_eq!(repaired(), 0);
}

/// Within its bound, also where each slot says that a dead receiver was reading what is no message, or that a
/// living one reads.
#[test]
fn taking_over_ends_in_a_damaged_ring() {
    const COUNT: usize = 256;
    let layout = Layout::new(COUNT, SIZE, 64, 8).unwrap();
    let options = InitOptions::new().delivery(Delivery::AtLeastOnce);
    let memory = common::Memory::with(layout, &options);
    let region = memory.region();
    let near = member(&region, Role::Primary, 1);
    let far = member(&region, Role::Secondary, 1);
    let reading = |position: u64, owner: u64| ((position + 1) << 16) | (owner << 8) | 0x55;
    for _ in 0..COUNT {
        near.sender().try_send(b"x").unwrap();
    }
    for position in 0..COUNT as u64 {
        memory.set_stamp(position, reading(position, 2 + position % 2));
    }
    let mut asked = 0;
    let mut receiver = far.receiver();
    let mut is_dead = |id: Member| {
        asked += 1;
        id.get() == 2
    };
    // SAFETY: member 2 does not exist.
    assert!(!unsafe { receiver.take_over(&mut is_dead) });
    assert!((32..=32 * 64).contains(&asked), "asked {asked} times");
}
