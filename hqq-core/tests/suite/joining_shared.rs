//! Where a ring that is in use goes on, shared sides and changes of mode: A2, A3, T6, T7.
#![cfg(all(target_has_atomic = "64", not(hqq_narrow)))]

use std::collections::VecDeque;
use std::mem::forget;

use crate::common::{Endpoint, Memory, heir, pattern, receive};
use hqq_core::ring::stamp::{published, reading, released};
use hqq_core::{
    AttachOptions, Delivery, Direction, InitOptions, Layout, Member, Position, Presence, Role,
    TryRecvError, TrySendError,
};

const COUNT: usize = 4;
const SIZE: usize = 48;
const ABANDONED: u64 = 4;
const STARTS: [u64; 4] = [0, (1 << 16) - 3, (1 << 32) - 3, (1 << 48) - 3];

fn memory(delivery: Delivery, start: u64) -> Memory {
    let layout = Layout::new(COUNT, SIZE, 64, 4).unwrap();
    let options = InitOptions::new()
        .delivery(delivery)
        .start(Position::new(start));
    Memory::with(layout, &options)
}

fn message(number: u64) -> Vec<u8> {
    pattern(number, if number.is_multiple_of(2) { 7 } else { SIZE })
}

fn member(id: u8) -> Member {
    Member::new(id).unwrap()
}

/// Attaching as a further member, its former owner being dead and others being alive.
fn heir_of(role: Role, id: u8) -> AttachOptions {
    AttachOptions::new(role)
        .member(member(id))
        .presence(Presence::Others, Presence::Others)
}

fn attach(memory: &Memory, options: &AttachOptions, shared: bool) -> Endpoint {
    if shared {
        Endpoint::Shared(memory.shared_as(options))
    } else {
        Endpoint::Exclusive(memory.exclusive_as(options))
    }
}

/// Each bit of `choices` decides one step: which end is attached anew, in which mode.
fn change_modes(delivery: Delivery, start: u64, choices: u32) {
    let memory = memory(delivery, start);
    let mut near = Some(attach(&memory, &AttachOptions::new(Role::Primary), false));
    let mut far = Some(attach(&memory, &AttachOptions::new(Role::Secondary), false));
    let mut unread = VecDeque::new();
    let mut sent = 0;
    for step in 0..6 {
        let (choice, case) = (choices >> (2 * step), format!("{choices:#b} from {start}"));
        let shared = choice & 1 != 0;
        if choice & 2 == 0 {
            near = None;
            near.get_or_insert_with(|| attach(&memory, &AttachOptions::new(Role::Primary), shared));
        } else {
            far = None;
            far.get_or_insert_with(|| {
                attach(&memory, &AttachOptions::new(Role::Secondary), shared)
            });
        }
        let (near, far) = (near.as_mut().unwrap(), far.as_mut().unwrap());
        // What was closed and opened again meanwhile is open.
        while unread.len() < COUNT - 1 {
            assert_eq!(near.send(&message(sent)), Ok(()), "{case}, step {step}");
            unread.push_back(message(sent));
            sent += 1;
        }
        for _ in 0..2 + step % 2 {
            let expected = unread.pop_front().ok_or(TryRecvError::Empty);
            assert_eq!(far.receive(), expected, "{case}, step {step}");
        }
    }
    memory.assert_canaries();
}

#[test]
fn modes_change_at_either_end_while_messages_wait() {
    for delivery in [Delivery::AtMostOnce, Delivery::AtLeastOnce] {
        for start in STARTS {
            // An odd stride brings every step beside every other; emulated machines take less.
            let stride = if cfg!(target_endian = "big") { 331 } else { 37 };
            for choices in (0..1 << 12).step_by(stride) {
                change_modes(delivery, start, choices);
            }
        }
    }
}

#[test]
fn shared_consumers_free_by_stamp_what_an_exclusive_one_freed_by_counter() {
    for start in STARTS {
        let memory = memory(Delivery::AtMostOnce, start);
        let (mut near, mut far) = memory.pair();
        for number in 0..3 {
            near.try_send(&message(number)).unwrap();
        }
        assert_eq!(far.try_recv(&mut [0; SIZE]), Ok(7));
        assert_eq!(far.try_recv(&mut [0; SIZE]), Ok(SIZE));
        let first = Position::new(start);
        assert_eq!(memory.stamp(start), published(first, 0xfd));
        drop(far);
        let far = memory.shared(Role::Secondary);
        assert_eq!(memory.stamp(start), released(first, COUNT));
        assert_eq!(memory.stamp(start + 1), released(first.plus(1), COUNT));
        assert_eq!(memory.stamp(start + 2), published(first.plus(2), 0xfd));
        assert_eq!(receive(&mut far.receiver()), Ok(message(2)));
    }
}

#[test]
fn a_shared_heir_hands_out_in_doubt_what_an_exclusive_reader_had() {
    for start in STARTS {
        let memory = memory(Delivery::AtLeastOnce, start);
        let (mut near, mut far) = memory.pair();
        near.try_send(&message(0)).unwrap();
        near.try_send(&message(1)).unwrap();
        forget(far.receiver().try_next().unwrap());
        forget(far);
        let far = memory.shared_as(&heir(Role::Secondary).member(member(2)));
        let first = Position::new(start);
        assert_eq!(memory.stamp(start), reading(first, member(2), 0xfd));
        let mut receiver = far.receiver();
        let grant = receiver.try_next().unwrap();
        assert!(grant.is_in_doubt());
        drop(grant);
        assert_eq!(memory.stamp(start), released(first, COUNT));
        let grant = receiver.try_next().unwrap();
        assert!(!grant.is_in_doubt());
        assert_eq!(grant.len(), SIZE);
    }
}

/// What a shared reader that died had claimed, seen by an heir of either mode; its slot is then
/// free for senders of either mode.
fn claimed_by_a_dead_reader(delivery: Delivery, senders_shared: bool, shared: bool) {
    for start in STARTS {
        for dead in 0..3_u64 {
            let memory = memory(delivery, start);
            let mut near = attach(&memory, &AttachOptions::new(Role::Primary), senders_shared);
            let far = memory.shared_as(&AttachOptions::new(Role::Secondary).member(member(3)));
            for number in 0..COUNT as u64 {
                near.send(&message(number)).unwrap();
            }
            // Readers are handed 0, 1 and 2; one of them dies with its message.
            for number in 0..3 {
                let mut receiver = far.receiver();
                let grant = receiver.try_next().unwrap();
                if number == dead {
                    forget(grant);
                    forget(receiver);
                }
            }
            let position = Position::new(start).plus(dead as usize);
            let opcode = if dead.is_multiple_of(2) { 0xfd } else { 0xfc };
            assert_eq!(
                memory.stamp(position.get()),
                reading(position, member(3), opcode)
            );
            forget(far);

            let mut far = attach(&memory, &heir(Role::Secondary), shared);
            if delivery == Delivery::AtLeastOnce {
                assert_eq!(far.receive(), Ok(message(dead)), "{dead} from {start}");
            }
            assert_eq!(far.receive(), Ok(message(3)), "{dead} from {start}");
            assert_eq!(far.receive(), Err(TryRecvError::Empty));
            for number in 4..4 + COUNT as u64 {
                assert_eq!(near.send(&message(number)), Ok(()));
            }
            assert_eq!(near.send(b"more"), Err(TrySendError::Full));
            for number in 4..4 + COUNT as u64 {
                assert_eq!(far.receive(), Ok(message(number)));
            }
        }
    }
}

#[test]
fn an_heir_of_either_mode_takes_over_what_shared_readers_had() {
    for senders_shared in [false, true] {
        for shared in [false, true] {
            claimed_by_a_dead_reader(Delivery::AtMostOnce, senders_shared, shared);
            claimed_by_a_dead_reader(Delivery::AtLeastOnce, senders_shared, shared);
        }
    }
}

/// One of three readers dies with the first message; what its heir is told of the fourth.
#[test]
fn what_comes_after_messages_in_doubt_can_be_seen() {
    for start in STARTS {
        let memory = memory(Delivery::AtLeastOnce, start);
        let mut near = memory.exclusive(Role::Primary);
        let far = memory.shared_as(&AttachOptions::new(Role::Secondary).member(member(3)));
        for number in 0..3 {
            near.try_send(&message(number)).unwrap();
        }
        for number in 0..3 {
            let mut receiver = far.receiver();
            let grant = receiver.try_next().unwrap();
            if number == 0 {
                forget(grant);
                forget(receiver);
            }
        }
        forget(far);
        let mut far = memory.exclusive_as(&heir(Role::Secondary));
        assert!(far.receiver().is_readable());
        assert_eq!(receive(far.receiver()), Ok(message(0)));
        assert!(!far.receiver().is_readable());
        near.try_send(&message(3)).unwrap();
        assert!(far.receiver().is_readable());
        assert_eq!(receive(far.receiver()), Ok(message(3)));
    }
}

#[test]
fn a_shared_receiver_sees_what_comes_after_messages_in_other_hands() {
    for start in STARTS {
        let memory = memory(Delivery::AtMostOnce, start);
        let mut near = memory.exclusive(Role::Primary);
        let far = memory.shared(Role::Secondary);
        near.try_send(&message(0)).unwrap();
        let (mut holding, mut other) = (far.receiver(), far.receiver());
        let held = holding.try_next().unwrap();
        // As one that died between T4 and T2 leaves it.
        let r = memory.layout.consumer_counter(Direction::ToSecondary);
        memory.set64(r, memory.get64(r) - 1);
        assert!(!other.is_readable());
        near.try_send(&message(1)).unwrap();
        assert!(other.is_readable());
        assert_eq!(receive(&mut other), Ok(message(1)));
        drop(held);
    }
}

#[test]
fn whoever_takes_a_reader_s_id_over_gets_what_it_had() {
    for start in STARTS {
        for delivery in [Delivery::AtMostOnce, Delivery::AtLeastOnce] {
            let memory = memory(delivery, start);
            let mut near = memory.exclusive(Role::Primary);
            let first = memory.shared_as(&AttachOptions::new(Role::Secondary));
            let second = memory.shared_as(&AttachOptions::new(Role::Secondary).member(member(2)));
            for number in 0..3 {
                near.try_send(&message(number)).unwrap();
            }
            let mut receiver = first.receiver();
            let mine = receiver.try_next().unwrap();
            let mut dying = second.receiver();
            forget(dying.try_next().unwrap());
            forget(dying);
            forget(second);

            let second = memory.shared_as(&heir_of(Role::Secondary, 2));
            let mut receiver = second.receiver();
            if delivery == Delivery::AtLeastOnce {
                let grant = receiver.try_next().unwrap();
                assert!(grant.is_in_doubt());
                assert_eq!(grant.len(), SIZE);
            }
            assert_eq!(receive(&mut receiver), Ok(message(2)));
            assert_eq!(receive(&mut receiver), Err(TryRecvError::Empty));
            // Nobody touched what the living have.
            assert_eq!(
                memory.stamp(start),
                reading(Position::new(start), member(1), 0xfd)
            );
            drop(mine);
            assert_eq!(near.sender().unread(), 0);
        }
    }
}

/// What a dead reader had claimed comes again, whatever `r` says: its sender is not told that all was received.
#[test]
fn what_an_exclusive_heir_has_yet_to_hand_out_is_unread() {
    for start in STARTS {
        let memory = memory(Delivery::AtLeastOnce, start);
        let mut near = memory.exclusive(Role::Primary);
        let dying = memory.shared_as(&AttachOptions::new(Role::Secondary));
        near.try_send(&message(1)).unwrap();
        let mut receiver = dying.receiver();
        forget(receiver.try_next().unwrap());
        forget(receiver);
        forget(dying);
        assert_eq!(near.sender().unread(), 1, "{start}");
        let mut far = memory.exclusive_as(&heir(Role::Secondary));
        assert_eq!(near.sender().unread(), 1, "{start}");
        near.try_send(&message(2)).unwrap();
        assert_eq!(near.sender().unread(), 2, "{start}");
        for number in [1, 2] {
            let grant = far.receiver().try_next().unwrap();
            assert_eq!(grant.is_in_doubt(), number == 1);
            drop(grant);
            assert_eq!(near.sender().unread() as u64, 2 - number, "{start}");
        }
    }
}

/// A shared sender that dies while it fills a buffer, and its heir.
fn filled_by_a_dead_sender(heir: &AttachOptions, shared: bool) {
    for start in STARTS {
        let memory = memory(Delivery::AtMostOnce, start);
        let near = memory.shared_as(&AttachOptions::new(Role::Primary).member(member(2)));
        let others = memory.shared_as(&AttachOptions::new(Role::Primary).member(member(4)));
        let mut far = memory.exclusive(Role::Secondary);
        let mut sender = near.sender();
        let mut grant = sender.try_reserve().unwrap();
        grant.copy_from(0, b"half of a mess").unwrap();
        forget(grant);
        others.sender().try_send(&message(1)).unwrap();
        forget(sender);
        forget(near);
        if !shared {
            forget(others);
        }
        // Blocked by the dead.
        assert_eq!(far.try_recv(&mut [0; SIZE]), Err(TryRecvError::Empty));

        let mut near = attach(&memory, heir, shared);
        assert_eq!(memory.tombstone_reason(start), Some(ABANDONED));
        assert_eq!(far.try_recv(&mut [0; SIZE]), Ok(SIZE));
        assert_eq!(far.receiver().counters().tombstones, 1);
        assert_eq!(far.try_recv(&mut [0; SIZE]), Err(TryRecvError::Empty));
        for number in 2..2 + COUNT as u64 {
            assert_eq!(near.send(&message(number)), Ok(()));
        }
        for number in 2..2 + COUNT as u64 {
            assert_eq!(far.try_recv(&mut [0; SIZE]), Ok(message(number).len()));
        }
    }
}

#[test]
fn an_exclusive_heir_buries_what_a_dead_sender_was_filling() {
    filled_by_a_dead_sender(&heir(Role::Primary), false);
}

#[test]
fn a_shared_heir_buries_what_a_dead_sender_was_filling() {
    filled_by_a_dead_sender(&heir_of(Role::Primary, 2), true);
}

#[test]
fn whoever_takes_another_id_leaves_what_a_sender_is_filling() {
    let memory = memory(Delivery::AtMostOnce, 0);
    let near = memory.shared_as(&AttachOptions::new(Role::Primary));
    let mut far = memory.exclusive(Role::Secondary);
    let mut sender = near.sender();
    let mut grant = sender.try_reserve().unwrap();
    grant.copy_from(0, &message(1)).unwrap();
    let others = memory.shared_as(&AttachOptions::new(Role::Primary).member(member(2)));
    others.sender().try_send(&message(2)).unwrap();
    grant.commit(SIZE).unwrap();
    assert_eq!(far.try_recv(&mut [0; SIZE]), Ok(SIZE));
    assert_eq!(far.try_recv(&mut [0; SIZE]), Ok(7));
}

#[test]
fn stamps_half_a_counter_apart_keep_nobody_busy() {
    // What a liar writes for a member that is about to take over its id: as many positions "in
    // doubt" as there can be.
    let memory = memory(Delivery::AtLeastOnce, 0);
    let _other = memory.shared_as(&AttachOptions::new(Role::Secondary));
    let far_away = Position::new(1 + (1 << 47));
    memory.set_stamp(0, reading(Position::new(0), member(2), 0xfd));
    memory.set_stamp(1, reading(far_away, member(2), 0xfd));
    let options = AttachOptions::new(Role::Secondary).member(member(2));
    let joined = memory.shared_as(&options);
    let mut receiver = joined.receiver();
    // Each call ends, and so do the messages.
    let ends = (0..4 * COUNT).any(|_| receive(&mut receiver) == Err(TryRecvError::Empty));
    assert!(ends);
}
