//! Rings of format 1 in every state that a slot can have, in states that no rule leads to, and at
//! positions that pass 2^48 and 2^64.
#![cfg(all(target_has_atomic = "64", not(hqq_narrow)))]

use std::ops::ControlFlow;

use crate::common::{Memory, drain, fill, pattern, receive};
use hqq_core::ring::Corruption;
use hqq_core::{
    Direction, InitOptions, Layout, Position, RecvError, Role, SendError, TryRecvError,
    TrySendError, Waiting,
};
use proptest::prelude::*;

const SIZE: usize = 16;
/// Numbers of slots: the fewest, where neighbouring laps come closest, and more.
const COUNTS: [usize; 2] = [2, 8];
/// Positions around which something could wrap.
const PLACES: [u64; 4] = [64, 1 << 32, 1 << 48, 0];

/// Puts the primary's ring at `position`, with nothing in it.
fn place(memory: &Memory, position: u64) {
    let ring = Direction::ToSecondary;
    memory.set64(memory.layout.producer_counter(ring), position);
    memory.set64(memory.layout.consumer_counter(ring), position);
    for ahead in 0..memory.layout.count() as u64 {
        let at = position.wrapping_add(ahead);
        memory.set_sequence(at, at);
    }
}

fn counters(memory: &Memory) -> (u64, u64) {
    let ring = Direction::ToSecondary;
    (
        memory.get64(memory.layout.producer_counter(ring)),
        memory.get64(memory.layout.consumer_counter(ring)),
    )
}

/// A ring at each of [`PLACES`], at the positions a little before and after it.
fn rings(check: impl Fn(&Memory, u64, u64)) {
    for count in COUNTS {
        for around in PLACES {
            for step in 0..4 * count as u64 {
                let position = around.wrapping_add(step).wrapping_sub(2 * count as u64);
                let memory = Memory::format_1(count, SIZE);
                place(&memory, position);
                check(&memory, position, count as u64);
                memory.assert_canaries();
            }
        }
    }
}

fn never(_: &Waiting) -> ControlFlow<()> {
    panic!("nothing to wait for")
}

#[test]
fn a_producer_takes_a_free_slot_and_publishes_it() {
    rings(|memory, position, _| {
        let near = memory.format_1_link(Role::Primary);
        assert!(near.sender().is_writable());
        assert_eq!(near.sender().unread(), 0);
        assert_eq!(near.sender().try_send(b"here"), Ok(()));
        assert_eq!(memory.sequence(position), position.wrapping_add(1));
        assert_eq!(counters(memory), (position.wrapping_add(1), position));
        assert_eq!(near.sender().unread(), 1);
        assert_eq!(memory.get64(memory.slot_word(position, 0)), 0xff);
    });
}

#[test]
fn a_producer_waits_for_a_slot_that_is_not_free() {
    rings(|memory, position, count| {
        let near = memory.format_1_link(Role::Primary);
        let before = position.wrapping_sub(count);
        // Claimed and not published; published, or being read.
        for sequence in [before, before.wrapping_add(1)] {
            memory.set_sequence(position, sequence);
            assert_eq!(near.sender().try_send(b"more"), Err(TrySendError::Full));
            assert!(near.sender().try_reserve().is_err());
            assert!(!near.sender().is_writable());
            assert_eq!(near.sender().unread(), 1);
            assert_eq!(memory.sequence(position), sequence);
            assert_eq!(counters(memory), (position, position));
        }
        // Released.
        memory.set_sequence(position, position);
        assert_eq!(near.sender().try_send(b"more"), Ok(()));
    });
}

#[test]
fn a_consumer_takes_a_published_slot_and_releases_it() {
    rings(|memory, position, count| {
        let near = memory.format_1_link(Role::Primary);
        let far = memory.format_1_link(Role::Secondary);
        near.sender().try_send(b"here").unwrap();
        let mut receiver = far.receiver();
        assert!(receiver.is_readable());
        let message = receiver.try_next().unwrap();
        // Claimed, and being read: nobody else gets it, and the sequence is still as published.
        assert_eq!(
            counters(memory),
            (position.wrapping_add(1), position.wrapping_add(1))
        );
        assert_eq!(memory.sequence(position), position.wrapping_add(1));
        assert_eq!(near.sender().unread(), 1);
        let other = far.receiver().try_recv(&mut [0; SIZE]);
        assert_eq!(other, Err(TryRecvError::Empty));
        drop(message);
        assert_eq!(memory.sequence(position), position.wrapping_add(count));
        assert_eq!(near.sender().unread(), 0);
    });
}

#[test]
fn a_consumer_waits_for_a_slot_that_is_not_published() {
    rings(|memory, position, count| {
        let far = memory.format_1_link(Role::Secondary);
        let before = position.wrapping_sub(count);
        let ring = Direction::ToSecondary;
        // Free, or claimed and not published; the lap before still being read.
        for (w, sequence) in [
            (position, position),
            (position.wrapping_add(1), position),
            (position, before.wrapping_add(1)),
        ] {
            memory.set64(memory.layout.producer_counter(ring), w);
            memory.set_sequence(position, sequence);
            assert_eq!(receive(&mut far.receiver()), Err(TryRecvError::Empty));
            assert!(!far.receiver().is_readable());
            assert_eq!(counters(memory), (w, position));
            assert_eq!(memory.sequence(position), sequence);
        }
    });
}

/// Sequences near to a position, and far away; those of `legal` are none of them.
fn wrong_sequences(position: u64, count: u64, legal: [u64; 3]) -> Vec<u64> {
    let near = (0..=4 * count).map(|step| position.wrapping_add(step).wrapping_sub(2 * count));
    let far = [
        position.wrapping_add(1 << 32),
        position.wrapping_sub(1 << 48),
        position.wrapping_add(1 << 63),
        !position,
    ];
    near.chain(far)
        .filter(|sequence| !legal.contains(sequence))
        .collect()
}

/// A producer that comes to `sequence` in the slot of `position`.
fn producer_refuses(memory: &Memory, position: u64, sequence: u64) {
    let corruption = Corruption {
        position: Position::of_format_1(position),
        stamp: sequence,
    };
    memory.set_sequence(position, sequence);
    let near = memory.format_1_link(Role::Primary);
    let mut sender = near.sender();
    let expected = TrySendError::Corrupt(corruption);
    assert_eq!(sender.try_send(b"x"), Err(expected));
    assert_eq!(sender.try_reserve().err(), Some(expected));
    assert_eq!(sender.try_send_batch(&[b"x"]), Err(expected));
    assert!(expected.to_string().contains(&position.to_string()));
    let expected = SendError::Corrupt(corruption);
    assert_eq!(sender.send(b"x", &mut never), Err(expected));
    assert_eq!(sender.reserve(&mut never).err(), Some(expected));
    assert!(!sender.is_writable());
    assert_eq!(memory.sequence(position), sequence);
    assert_eq!(counters(memory).0, position);
}

/// A consumer that comes to `sequence` in the slot of `position`.
fn consumer_refuses(memory: &Memory, position: u64, sequence: u64) {
    let corruption = Corruption {
        position: Position::of_format_1(position),
        stamp: sequence,
    };
    memory.set_sequence(position, sequence);
    let far = memory.format_1_link(Role::Secondary);
    let mut receiver = far.receiver();
    let expected = TryRecvError::Corrupt(corruption);
    assert_eq!(receiver.try_recv(&mut [0; SIZE]), Err(expected));
    assert_eq!(receiver.try_next().err(), Some(expected));
    assert_eq!(receiver.try_read(&mut [0; SIZE]), Err(expected));
    assert_eq!(receiver.try_recv_batch(2, |_| ()), Err(expected));
    let iterated: Vec<_> = receiver.try_iter::<SIZE>().collect();
    assert_eq!(iterated, [Err(expected)]);
    let expected = RecvError::Corrupt(corruption);
    assert_eq!(receiver.recv(&mut [0; SIZE], &mut never), Err(expected));
    assert_eq!(receiver.next(&mut never).err(), Some(expected));
    assert!(!receiver.is_readable());
    assert_eq!(memory.sequence(position), sequence);
    assert_eq!(counters(memory).1, position);
}

#[test]
fn a_wrong_sequence_is_told_at_once() {
    rings(|memory, position, count| {
        let before = position.wrapping_sub(count);
        let claimed_or_published = [before, before.wrapping_add(1)];
        let legal = [claimed_or_published[0], claimed_or_published[1], position];
        for sequence in wrong_sequences(position, count, legal) {
            producer_refuses(memory, position, sequence);
        }
        let legal = [before.wrapping_add(1), position, position.wrapping_add(1)];
        for sequence in wrong_sequences(position, count, legal) {
            consumer_refuses(memory, position, sequence);
        }
        // What is put right works again.
        memory.set_sequence(position, position);
        let near = memory.format_1_link(Role::Primary);
        assert_eq!(near.sender().try_send(b"x"), Ok(()));
    });
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(target_endian = "big") { 16 } else { 256 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_wrong_sequence_is_told_at_once(position: u64, sequence: u64) {
        let memory = Memory::format_1(4, SIZE);
        place(&memory, position);
        let ahead = sequence.wrapping_sub(position);
        prop_assume!(ahead > 1 && ahead < 4_u64.wrapping_neg());
        producer_refuses(&memory, position, sequence);
        consumer_refuses(&memory, position, sequence);
    }
}

/// Several rings' worth of messages at every fill level.
fn laps(memory: &Memory, position: u64) {
    let near = memory.format_1_link(Role::Primary);
    let far = memory.format_1_link(Role::Secondary);
    let (mut sender, mut receiver) = (near.sender(), far.receiver());
    let count = memory.layout.count() as u64;
    let message = |number: u64| pattern(number, 1 + number as usize % SIZE);
    let (mut sent, mut received) = (0, 0);
    for round in 0..6 {
        let fill = round % count + 1;
        while sent - received < fill {
            assert_eq!(sender.try_send(&message(sent)), Ok(()), "from {position}");
            sent += 1;
        }
        assert_eq!(sender.unread() as u64, fill);
        let room = sender.is_writable();
        assert_eq!(room, fill < count);
        while sent - received > round % 2 {
            assert_eq!(receive(&mut receiver), Ok(message(received)));
            received += 1;
        }
    }
    let (w, r) = (position.wrapping_add(sent), position.wrapping_add(received));
    assert_eq!(counters(memory), (w, r));
}

#[test]
fn messages_pass_every_wrap() {
    rings(|memory, position, _| laps(memory, position));
}

#[test]
fn a_region_may_start_before_2_to_the_48() {
    for start in [(1 << 48) - 8, (1 << 48) - 16] {
        let layout = Layout::format_1(8, SIZE, 4096).unwrap();
        let options = InitOptions::new().start(Position::new(start));
        let memory = Memory::with(layout, &options);
        assert_eq!(counters(&memory), (start, start));
        laps(&memory, start);
        memory.assert_canaries();
    }
}

#[test]
fn a_ring_may_have_more_slots_than_one_of_format_2() {
    let count = 1 << 15;
    let memory = Memory::format_1(count, 8);
    for position in [0, (1_u64 << 48) - 7, 7_u64.wrapping_neg()] {
        place(&memory, position);
        let near = memory.format_1_link(Role::Primary);
        let far = memory.format_1_link(Role::Secondary);
        let (mut sender, mut receiver) = (near.sender(), far.receiver());
        assert_eq!(sender.capacity(), count);
        assert_eq!(fill(&mut sender, b"full"), count);
        assert_eq!(sender.unread(), count);
        assert_eq!(drain(&mut receiver), count);
        assert_eq!(sender.unread(), 0);
        sender.try_send(b"and on").unwrap();
        assert_eq!(receive(&mut receiver), Ok(b"and on".to_vec()));
        let last = position.wrapping_add(count as u64 - 1);
        let next_lap = last.wrapping_add(count as u64);
        assert_eq!(memory.sequence(last), next_lap);
    }
    memory.assert_canaries();
}

/// As when a member dies: the ring blocks at its slot, and every call says so and returns.
#[test]
fn a_slot_that_stays_claimed_blocks_the_ring() {
    let memory = Memory::format_1(4, SIZE);
    let near = memory.format_1_link(Role::Primary);
    let far = memory.format_1_link(Role::Secondary);
    std::mem::forget(near.sender().try_reserve().unwrap());
    near.sender().try_send(b"behind it").unwrap();
    assert_eq!(receive(&mut far.receiver()), Err(TryRecvError::Empty));
    assert_eq!(fill(&mut near.sender(), b"more"), 2);
    assert_eq!(near.sender().unread(), 4);

    let memory = Memory::format_1(4, SIZE);
    let near = memory.format_1_link(Role::Primary);
    let far = memory.format_1_link(Role::Secondary);
    near.sender().try_send(b"never read").unwrap();
    let mut reader = far.receiver();
    std::mem::forget(reader.try_next().unwrap());
    std::mem::forget(reader);
    assert_eq!(fill(&mut near.sender(), b"more"), 3);
    assert_eq!(drain(&mut far.receiver()), 3);
    assert_eq!(near.sender().try_send(b"x"), Err(TrySendError::Full));
    assert_eq!(receive(&mut far.receiver()), Err(TryRecvError::Empty));
    assert_eq!(near.sender().unread(), 1);
}
