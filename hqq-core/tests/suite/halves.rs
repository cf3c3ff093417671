//! Stamps whose halves somebody writes one by one: what consumers never do, and what is mended of those that did
//! not come to the second.

use std::mem::forget;

use crate::common::{self, Memory, heir, receive};
use hqq_core::ring::stamp::{free, published, reading};
use hqq_core::{Delivery, InitOptions, Layout, Member, Position, Role, TryRecvError};

const COUNT: u64 = 8;
const SIZE: usize = 64;
/// The release of this position by its stamp would change both halves.
const START: u64 = (1 << 16) - 3;

fn memory(delivery: Delivery, start: u64) -> Memory {
    let layout = Layout::new(8, SIZE, 64, 4).unwrap();
    let options = InitOptions::new()
        .delivery(delivery)
        .start(Position::new(start));
    Memory::with(layout, &options)
}

/// Consumers of 32 bits are alone on their sides. Producers may be mending stamps meanwhile, and could not tell half a
/// one from what a dead producer left.
#[test]
fn a_consumer_that_is_alone_changes_one_half_of_a_stamp_at_most() {
    for delivery in [Delivery::AtMostOnce, Delivery::AtLeastOnce] {
        // What a consumer left that was alone, and what one left that was not.
        for owner in [None, Member::new(2)] {
            let memory = memory(delivery, START);
            let (mut near, mut far) = memory.pair();
            near.try_send(b"in doubt").unwrap();
            forget(far.receiver().try_next().unwrap());
            forget(far);
            let left = memory.stamp(START);
            let opcode = left.to_le_bytes()[0];
            assert_eq!(left, published(Position::new(START), opcode));
            if let Some(owner) = owner {
                memory.set_stamp(START, reading(Position::new(START), owner, opcode));
            }
            let high = || memory.stamp(START) >> 32;
            let before = high();
            let mut far = memory.exclusive_as(&heir(Role::Secondary));
            assert_eq!(high(), before, "{delivery:?}, {owner:?}: attached");
            if delivery == Delivery::AtLeastOnce {
                let message = far.receiver().try_next().unwrap();
                assert!(message.is_in_doubt());
                drop(message);
                assert_eq!(high(), before, "{delivery:?}, {owner:?}: released");
            }
            for number in 0..3 * COUNT {
                near.try_send(&number.to_le_bytes()).unwrap();
                assert_eq!(receive(far.receiver()).unwrap(), number.to_le_bytes());
            }
            assert_eq!(common::fill(near.sender(), b"room"), 8);
        }
    }
}

/// The high half of `new` over the low half of `old`.
const fn torn(old: u64, new: u64) -> u64 {
    new & !0xffff_ffff | old & 0xffff_ffff
}

/// A shared receiver was killed between claiming a message and moving `r` on, a repair has freed the slot, and a sender has
/// stored half of what comes next there.
#[test]
fn half_a_stamp_does_not_hide_that_its_slot_was_read_from_an_heir() {
    let start = (1 << 16) - 1 - COUNT;
    let next = Position::new(start + COUNT);
    let ready = || {
        let memory = memory(Delivery::AtMostOnce, start);
        let (mut near, far) = memory.pair();
        forget(far);
        for number in 0..COUNT {
            near.try_send(&number.to_le_bytes()).unwrap();
        }
        memory.set_stamp(start, free(next));
        near.try_send(&COUNT.to_le_bytes()).unwrap();
        let whole = memory.stamp(start);
        let half = torn(free(next), whole);
        assert_ne!(half, whole);
        memory.set_stamp(start, half);
        (memory, near, whole)
    };

    let (memory, mut near, whole) = ready();
    let mut far = memory.exclusive_as(&heir(Role::Secondary));
    memory.set_stamp(start, whole);
    for number in 1..=COUNT {
        assert_eq!(receive(far.receiver()).unwrap(), number.to_le_bytes());
    }
    assert_eq!(receive(far.receiver()), Err(TryRecvError::Empty));
    assert_eq!(common::fill(near.sender(), b"room"), 8);

    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    {
        let (memory, mut near, whole) = ready();
        let far = memory.shared_as(&heir(Role::Secondary));
        memory.set_stamp(start, whole);
        for number in 1..=COUNT {
            assert_eq!(receive(&mut far.receiver()).unwrap(), number.to_le_bytes());
        }
        assert_eq!(common::fill(near.sender(), b"room"), 8);
    }
}

/// Where `released` moves on before the half stamp of a free slot is mended, it does not say any more that this is free.
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
#[test]
fn half_a_stamp_of_a_free_slot_is_mended_to_a_free_one() {
    let step = 1 << 30;
    let start = step - 5;
    let memory = memory(Delivery::AtMostOnce, start);
    let (mut near, mut far) = memory.pair();
    near.try_send(b"read").unwrap();
    receive(far.receiver()).unwrap();
    // Looking in vain releases what was read.
    assert_eq!(receive(far.receiver()), Err(TryRecvError::Empty));
    forget(far);
    for number in 1..COUNT {
        near.try_send(&number.to_le_bytes()).unwrap();
    }
    // A sender dies as it publishes the next one, where the first was.
    forget(near);
    let next = start + COUNT;
    let old = memory.stamp(next);
    let half = torn(old, published(Position::new(next), 0xfd));
    assert_ne!(half, old);
    memory.set_stamp(next, half);

    let far = memory.shared_as(&heir(Role::Secondary));
    let mut receiver = far.receiver();
    for number in 1..COUNT {
        assert_eq!(receive(&mut receiver).unwrap(), number.to_le_bytes());
    }
    assert_eq!(memory.released(), 0, "it moved on");
    let mut near = memory.exclusive_as(&heir(Role::Primary));
    for number in 0..3 * COUNT {
        near.try_send(&number.to_le_bytes()).unwrap();
        assert_eq!(receive(&mut receiver).unwrap(), number.to_le_bytes());
    }
}

/// A sender of 32 bits dies as it publishes, and the next one as it mends that, each between two halves.
#[test]
fn half_a_mend_of_half_a_stamp_is_mended_too() {
    const WRAPS: [u64; 2] = [1 << 16, 1 << 30];
    // Where the new stamp and the old one, a lap before, have other upper halves.
    let places = WRAPS.map(|wrap| (wrap - 1..wrap + COUNT - 1).map(move |next| (wrap, next)));
    let mut halves = 0;
    for (wrap, next) in places.into_iter().flatten() {
        let ready = || {
            let memory = memory(Delivery::AtMostOnce, next - COUNT);
            let (mut near, mut far) = memory.pair();
            near.try_send(b"read").unwrap();
            receive(far.receiver()).unwrap();
            assert_eq!(receive(far.receiver()), Err(TryRecvError::Empty));
            for number in 1..COUNT {
                near.try_send(&number.to_le_bytes()).unwrap();
            }
            forget(near);
            let old = memory.stamp(next);
            let torn = torn(old, published(Position::new(next), 0xfd));
            assert_ne!(torn, old, "{next} of {wrap}");
            memory.set_stamp(next, torn);
            (memory, far, torn)
        };
        // High half first.
        let half = |stamp| torn(stamp, free(Position::new(next)));

        let (memory, mut far, stamp) = ready();
        halves += u32::from(half(stamp) != stamp);
        memory.set_stamp(next, half(stamp));
        let mut near = memory.exclusive_as(&heir(Role::Primary));
        assert_eq!(memory.stamp(next) >> 16 == next, half(stamp) == stamp);
        for number in 1..COUNT {
            assert_eq!(receive(far.receiver()).unwrap(), number.to_le_bytes());
        }
        for number in 0..3 * COUNT {
            near.try_send(&number.to_le_bytes()).unwrap();
            assert_eq!(receive(far.receiver()).unwrap(), number.to_le_bytes());
        }
        assert_eq!(receive(far.receiver()), Err(TryRecvError::Empty));
        assert_eq!(common::fill(near.sender(), b"room"), 8);

        // Shared receivers come in between, to whom `released` says nothing.
        #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
        {
            let (memory, far, stamp) = ready();
            forget(far);
            let far = memory.shared_as(&heir(Role::Secondary));
            let mut receiver = far.receiver();
            for number in 1..COUNT {
                assert_eq!(receive(&mut receiver).unwrap(), number.to_le_bytes());
            }
            memory.set_stamp(next, half(stamp));
            let mut near = memory.exclusive_as(&heir(Role::Primary));
            for number in 0..3 * COUNT {
                near.try_send(&number.to_le_bytes()).unwrap();
                assert_eq!(receive(&mut receiver).unwrap(), number.to_le_bytes());
            }
            drop(near);
            let near = memory.shared(Role::Primary);
            assert_eq!(common::fill(&mut near.sender(), b"room"), 8);
        }
    }
    assert_eq!(halves, 2, "where one half of the mend tells");
}

/// The heir of shared senders may have 32 bits, and die as it publishes the tombstone of one of them.
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
mod a_tombstone {
    use super::*;
    use crate::repair::{Dead, repairer};
    use hqq_core::TrySendError;
    use hqq_core::ring::stamp::writing;

    const LAST: u64 = (1 << 16) - 1;

    fn half() -> Memory {
        let memory = memory(Delivery::AtMostOnce, LAST);
        let near = memory.shared(Role::Primary);
        forget(near.sender().try_reserve().unwrap());
        forget(near);
        let position = Position::new(LAST);
        let old = memory.stamp(LAST);
        assert_eq!(old, writing(position, Member::FIRST));
        memory.set_stamp(LAST, torn(old, published(position, 0xfe)));
        memory
    }

    #[test]
    fn half_of_it_is_mended_by_a_repair() {
        let memory = half();
        let far = memory.shared(Role::Secondary);
        let repairer = repairer(&memory.region());
        let mut dead = Dead(vec![(Role::Primary, 1)], vec![Role::Primary]);
        assert_eq!(repairer.repair(&mut dead).tombstones, 1);
        assert_eq!(memory.stamp(LAST), published(Position::new(LAST), 0xfe));
        let end = receive(&mut far.receiver());
        assert_eq!(end, Err(TryRecvError::PeerDead));
        let near = memory.shared(Role::Primary);
        near.sender().try_send(b"on").unwrap();
        assert_eq!(receive(&mut far.receiver()).unwrap(), b"on");
    }

    #[test]
    fn half_of_it_is_mended_by_the_next_sender() {
        let memory = half();
        let mut near = memory.exclusive_as(&heir(Role::Primary));
        assert_eq!(memory.stamp(LAST), published(Position::new(LAST), 0xfe));
        assert_eq!(common::fill(near.sender(), b"room"), 7);
        assert_eq!(near.try_send(b"more"), Err(TrySendError::Full));
    }
}
