//! A core that takes over what readers on others left.

use std::cell::RefCell;
use std::mem::forget;
use std::rc::Rc;

use hqq_core::{
    AttachOptions, Delivery, InitOptions, Link, Receiver, Role, SharedLink, TryRecvError,
    initialise,
};

use super::machine::{Core, Memory};
use super::{End, Geometry, LEN};
use crate::common::heir;

/// A sending core, and the memory that others reach.
fn sender(delivery: Delivery) -> (Memory, End) {
    let memory: Memory = Rc::new(RefCell::new(vec![0; LEN]));
    let (core, region) = Core::new(&memory);
    let options = InitOptions::new().delivery(delivery);
    initialise(&region, &Geometry::LAYOUT, &options).unwrap();
    region.clean(&core);
    (
        memory,
        attach(&core, region, &AttachOptions::new(Role::Primary)),
    )
}

fn attach(core: &Core, region: hqq_core::Region, options: &AttachOptions) -> End {
    Link::<Geometry>::attach_managed(region, options, core.clone()).unwrap()
}

/// A core without a cache, whose readers get the first messages and die with some of them in hand.
fn readers(memory: &Memory, held: &[bool]) {
    let (core, region) = Core::new(memory);
    core.refresh();
    let options = AttachOptions::new(Role::Secondary);
    let link = SharedLink::<Geometry>::attach(region.clone(), &options).unwrap();
    for is_held in held {
        let mut receiver = link.receiver();
        let message = receiver.try_next().unwrap();
        if *is_held {
            forget(message);
            forget(receiver);
        }
    }
    region.clean(&core);
    forget(link);
}

fn received<C: hqq_core::ring::Consumer>(
    receiver: &mut Receiver<C>,
) -> Result<(u8, bool), TryRecvError> {
    let message = receiver.try_next()?;
    let mut bytes = [0];
    assert_eq!(message.copy_to(0, &mut bytes), 1);
    Ok((bytes[0], message.is_in_doubt()))
}

/// What frees a slot gets to memory before what says that it is free, or the core fails.
fn goes_on(delivery: Delivery) {
    let (memory, (mut near, _receiver)) = sender(delivery);
    for number in 0..4 {
        near.try_send(&[number; 100]).unwrap();
    }
    readers(&memory, &[true, false, true]);
    let (core, region) = Core::new(&memory);
    let (_sender, mut far) = attach(&core, region, &heir(Role::Secondary));
    if delivery == Delivery::AtLeastOnce {
        for number in [0, 2] {
            assert_eq!(received(&mut far), Ok((number, true)));
        }
    }
    assert_eq!(received(&mut far), Ok((3, false)));
    assert_eq!(received(&mut far), Err(TryRecvError::Empty));
    // All slots are free.
    for number in 4..8 {
        near.try_send(&[number; 100]).unwrap();
    }
    for number in 4..8 {
        assert_eq!(received(&mut far), Ok((number, false)));
    }
}

#[test]
fn slots_that_dead_readers_had_are_free_before_attaching_says_so() {
    goes_on(Delivery::AtMostOnce);
}

#[test]
fn slots_of_messages_in_doubt_are_free_before_their_release_says_so() {
    goes_on(Delivery::AtLeastOnce);
}

#[test]
fn what_comes_after_messages_in_doubt_is_seen() {
    for looks in [false, true] {
        let (memory, (mut near, _receiver)) = sender(Delivery::AtLeastOnce);
        for number in 0..3 {
            near.try_send(&[number]).unwrap();
        }
        readers(&memory, &[true, false, false]);
        let (core, region) = Core::new(&memory);
        let (_sender, mut far) = attach(&core, region, &heir(Role::Secondary));
        assert!(far.is_readable());
        assert_eq!(received(&mut far), Ok((0, true)));
        near.try_send(&[3]).unwrap();
        if looks {
            assert!(far.is_readable());
        }
        assert_eq!(received(&mut far), Ok((3, false)));
    }
}
