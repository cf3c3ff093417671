//! Exclusive sides: one producer, one consumer, no compare-and-swap.

use hqq_core::{AttachOptions, Fixed, InitOptions, Layout, Link, Region, Role, initialise};
use loom::thread;

use crate::support::{
    BUFFERED, INLINE, LINE, assert_delivered, check, exclusive, receive_all, region, send_all,
};

/// Three messages through two slots: the ring is empty, full, and wraps.
fn wrap<const SIZE: usize>() {
    let region = region(SIZE);
    let (sender, _back) = exclusive::<SIZE>(&region, Role::Primary);
    let (_forth, receiver) = exclusive::<SIZE>(&region, Role::Secondary);
    let producer = thread::spawn(move || send_all(sender, 1, 3));
    let received = receive_all(receiver);
    producer.join().unwrap();
    assert_delivered(&[3], &[received]);
}

#[test]
fn inline() {
    check(4, wrap::<INLINE>);
}

#[test]
fn buffered() {
    check(4, wrap::<BUFFERED>);
}

/// As [`wrap`], of messages that go the quick ways, through four slots: only there a receiver may release some later than
/// others.
#[test]
fn lines_through_four_slots() {
    check(3, || {
        let layout = Layout::new(4, LINE, 64, 2).unwrap();
        let region = Region::model(&layout);
        initialise(&region, &layout, &InitOptions::new()).unwrap();
        let link = |role| {
            let options = AttachOptions::new(role);
            Link::<Fixed<4, LINE>>::attach(region.clone(), &options).unwrap()
        };
        let (sender, _back) = link(Role::Primary).split();
        let (_forth, receiver) = link(Role::Secondary).split();
        let producer = thread::spawn(move || send_all(sender, 1, 6));
        let received = receive_all(receiver);
        producer.join().unwrap();
        assert_delivered(&[6], &[received]);
    });
}
