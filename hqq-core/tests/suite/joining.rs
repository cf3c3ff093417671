//! Where a ring that is in use goes on, exclusive sides: A2, A3, torn words, what is in doubt.

use std::mem::forget;

use crate::common::{Memory, heir, pattern};
use hqq_core::ring::stamp::{free, published};
use hqq_core::{
    AttachOptions, Delivery, Direction, InitOptions, Layout, Position, Role, TryRecvError,
    TrySendError,
};

const COUNT: usize = 4;
// At least a line: shorter buffers have no quick way.
const SIZE: usize = 64;
const COPY: u8 = 0xff;

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

#[test]
fn both_ends_go_on_where_they_left() {
    for start in [0, (1 << 16) - 2, (1 << 32) - 2, (1 << 48) - 2] {
        for unread in 0..=COUNT as u64 {
            let memory = memory(Delivery::AtMostOnce, start);
            let (mut near, mut far) = memory.pair();
            for number in 0..3 {
                near.try_send(&message(number)).unwrap();
                far.try_recv(&mut [0; SIZE]).unwrap();
            }
            // Looking in vain releases what was read.
            assert_eq!(far.try_recv(&mut [0; SIZE]), Err(TryRecvError::Empty));
            for number in 3..3 + unread {
                near.try_send(&message(number)).unwrap();
            }
            drop((near, far));
            let (mut near, mut far) = memory.pair();
            for number in 3 + unread..3 + COUNT as u64 {
                near.try_send(&message(number)).unwrap();
            }
            assert_eq!(near.try_send(b"more"), Err(TrySendError::Full));
            let mut buffer = [0; SIZE];
            for number in 3..3 + COUNT as u64 {
                let message = message(number);
                assert_eq!(far.try_recv(&mut buffer), Ok(message.len()));
                assert_eq!(&buffer[..message.len()], message);
            }
            assert_eq!(far.try_recv(&mut buffer), Err(TryRecvError::Empty));
            memory.assert_canaries();
        }
    }
}

/// Sends four messages and lets a receiver that dies read `read` of them; then its heir comes.
fn after_a_death(delivery: Delivery, read: u64, mut check: impl FnMut(u64, bool, u64)) {
    for start in [0, (1 << 32) - 2, (1 << 48) - 3] {
        let memory = memory(delivery, start);
        let (mut near, mut far) = memory.pair();
        for number in 0..COUNT as u64 {
            near.try_send(&message(number)).unwrap();
        }
        for _ in 0..read {
            far.try_recv(&mut [0; SIZE]).unwrap();
        }
        // As a process that is killed.
        forget(far);
        let mut far = memory.exclusive_as(&heir(Role::Secondary));
        let released = memory.released().wrapping_sub(start as u32);
        let mut number = u64::from(released);
        assert!(number <= read && read - number <= COUNT as u64 / 2);
        while let Ok(grant) = far.receiver().try_next() {
            let mut buffer = [0; SIZE];
            let len = grant.copy_to(0, &mut buffer);
            assert_eq!(&buffer[..len], message(number));
            check(number, grant.is_in_doubt(), read);
            number += 1;
        }
        assert_eq!(number, COUNT as u64);
        // Nothing is lost of the room.
        for number in 0..COUNT as u64 {
            near.try_send(&message(number)).unwrap();
        }
        assert_eq!(near.try_send(b"more"), Err(TrySendError::Full));
        assert_eq!(far.try_recv(&mut [0; SIZE]), Ok(7));
    }
}

#[test]
fn at_least_once_nothing_that_was_released_comes_again() {
    for read in 0..=COUNT as u64 {
        after_a_death(Delivery::AtLeastOnce, read, |number, in_doubt, read| {
            // Released one by one.
            assert!(number >= read, "message {number} was seen before");
            assert!(!in_doubt);
        });
    }
}

#[test]
fn at_most_once_goes_on_with_what_was_not_handed_out() {
    for read in 0..=COUNT as u64 {
        after_a_death(Delivery::AtMostOnce, read, |number, in_doubt, read| {
            assert!(number >= read, "message {number} was seen before");
            assert!(!in_doubt);
        });
    }
}

#[test]
fn an_heir_that_dies_leaves_what_is_in_doubt_in_doubt() {
    let memory = memory(Delivery::AtLeastOnce, 0);
    let (mut near, mut far) = memory.pair();
    near.try_send(&message(0)).unwrap();
    near.try_send(&message(1)).unwrap();
    forget(far.receiver().try_next().unwrap());
    forget(far);
    for _ in 0..3 {
        let mut far = memory.exclusive_as(&heir(Role::Secondary));
        let grant = far.receiver().try_next().unwrap();
        assert!(grant.is_in_doubt());
        forget(grant);
        forget(far);
    }
    let mut far = memory.exclusive_as(&heir(Role::Secondary));
    assert_eq!(far.try_recv(&mut [0; SIZE]), Ok(7));
    assert_eq!(far.try_recv(&mut [0; SIZE]), Ok(SIZE));
    assert_eq!(far.try_recv(&mut [0; SIZE]), Err(TryRecvError::Empty));
}

#[test]
fn a_packet_in_doubt_that_is_never_given_back_stays_in_doubt() {
    // In the packet, and in the buffer.
    for number in 0..2 {
        let memory = memory(Delivery::AtLeastOnce, 0);
        let (mut near, mut far) = memory.pair();
        near.try_send(&message(number)).unwrap();
        near.try_send(&message(2)).unwrap();
        forget(far.receiver().try_next().unwrap());
        forget(far);
        let mut far = memory.exclusive_as(&heir(Role::Secondary));
        forget(far.receiver().try_next_packet().unwrap());
        for (number, in_doubt) in [(number, true), (2, false)] {
            let grant = far.receiver().try_next().unwrap();
            assert_eq!(grant.len(), message(number).len());
            assert_eq!(grant.is_in_doubt(), in_doubt);
        }
    }
}

#[test]
fn a_reserved_buffer_that_dies_with_its_sender_was_never_claimed() {
    let memory = memory(Delivery::AtMostOnce, 0);
    let (mut near, mut far) = memory.pair();
    let mut grant = near.sender().try_reserve().unwrap();
    grant.copy_from(0, b"half of a mess").unwrap();
    forget(grant);
    forget(near);
    let mut near = memory.exclusive_as(&heir(Role::Primary));
    assert_eq!(far.try_recv(&mut [0; SIZE]), Err(TryRecvError::Empty));
    near.try_send(&message(0)).unwrap();
    assert_eq!(far.try_recv(&mut [0; SIZE]), Ok(7));
}

/// The high half of `new` over the low half of `old`: what a 32-bit writer leaves that dies
/// between the two.
const fn torn(old: u64, new: u64) -> u64 {
    new & !0xffff_ffff | old & 0xffff_ffff
}

#[test]
fn a_torn_stamp_is_mended_by_the_next_producer() {
    for wrap in [1_u64 << 16, 7 << 16, 1 << 32, 1 << 48] {
        // The publication whose sequence passes the wrap, in a fresh ring and in one that is used.
        for used in 0..=COUNT as u64 {
            let position = Position::new(wrap - 1);
            let memory = memory(Delivery::AtMostOnce, wrap - 1 - used);
            let (mut near, mut far) = memory.pair();
            for number in 0..used {
                near.try_send(&message(number)).unwrap();
                far.try_recv(&mut [0; SIZE]).unwrap();
            }
            forget(near);
            let old = memory.stamp(wrap - 1);
            let first = free(position);
            let later = published(position.minus(COUNT), 0xfd);
            assert_eq!(old, if used < COUNT as u64 { first } else { later });
            let half = torn(old, published(position, COPY));
            assert_ne!(half, old);
            memory.set_stamp(wrap - 1, half);
            assert_eq!(far.try_recv(&mut [0; SIZE]), Err(TryRecvError::Empty));

            let mut near = memory.exclusive_as(&heir(Role::Primary));
            assert_eq!(memory.stamp(wrap - 1), first, "mended at {wrap}");
            for number in 0..COUNT as u64 {
                near.try_send(&message(number)).unwrap();
            }
            for number in 0..COUNT as u64 {
                let len = message(number).len();
                assert_eq!(far.try_recv(&mut [0; SIZE]), Ok(len));
            }
        }
    }
}

#[test]
fn a_torn_receive_counter_is_mended_by_the_next_consumer() {
    for wrap in [1_u64 << 32, 5 << 32, 1 << 48] {
        for used in 0..=COUNT as u64 {
            let memory = memory(Delivery::AtMostOnce, wrap - 1 - used);
            let (mut near, mut far) = memory.pair();
            for number in 0..used {
                near.try_send(&message(number)).unwrap();
                far.try_recv(&mut [0; SIZE]).unwrap();
            }
            near.try_send(&message(0)).unwrap();
            forget(far);
            let counter = memory.layout.consumer_counter(Direction::ToSecondary);
            assert_eq!(memory.get64(counter), wrap - 1);
            memory.set64(counter, torn(wrap - 1, Position::new(wrap).get()));

            let mut far = memory.exclusive_as(&heir(Role::Secondary));
            assert_eq!(memory.get64(counter), wrap - 1, "mended at {wrap}");
            assert_eq!(far.try_recv(&mut [0; SIZE]), Ok(7));
            assert_eq!(memory.get64(counter), Position::new(wrap).get());
            assert_eq!(far.try_recv(&mut [0; SIZE]), Err(TryRecvError::Empty));
        }
    }
}

#[test]
fn a_write_counter_left_behind_is_put_right() {
    let memory = memory(Delivery::AtMostOnce, 0);
    let counter = memory.layout.producer_counter(Direction::ToSecondary);
    let (mut near, mut far) = memory.pair();
    for number in 0..3 {
        near.try_send(&message(number)).unwrap();
    }
    drop(near);
    for hint in [0, 1, u64::MAX] {
        memory.set64(counter, hint);
        drop(memory.exclusive(Role::Primary));
        assert_eq!(memory.get64(counter), 3);
    }
    let mut near = memory.exclusive(Role::Primary);
    near.try_send(&message(3)).unwrap();
    for number in 0..4 {
        let len = message(number).len();
        assert_eq!(far.try_recv(&mut [0; SIZE]), Ok(len));
    }
}

#[test]
fn what_is_known_of_the_others_overrules_the_records() {
    let memory = memory(Delivery::AtMostOnce, 0);
    forget(memory.exclusive(Role::Primary));
    let recorded = AttachOptions::new(Role::Primary);
    assert!(hqq_core::DynamicLink::attach(memory.region(), &recorded).is_err());
    assert!(hqq_core::DynamicLink::attach(memory.region(), &heir(Role::Primary)).is_ok());
}
