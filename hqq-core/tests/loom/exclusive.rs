//! Exclusive sides: one producer, one consumer, no compare-and-swap.

use hqq_core::Role;
use loom::thread;

use crate::support::{
    BUFFERED, INLINE, assert_delivered, check, exclusive, receive_all, region, send_all,
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
