//! Shared sides, alone and across from exclusive ones.

use hqq_core::ring::shared::{SharedConsumer, SharedProducer};
use hqq_core::ring::{Consumer, Handle, Producer};
use hqq_core::{
    AttachOptions, Fixed, InitOptions, Layout, Receiver, Region, Role, Sender, SharedLink,
    initialise,
};
use loom::sync::Arc;
use loom::thread;

use crate::support::{
    ATTEMPTS, BUFFERED, INLINE, LINE, Shared, assert_delivered, check, exclusive, receive_all,
    receive_some, receiver, region, send_all, send_in, send_some, sender, shared,
};

/// One sender of so many messages, one receiver.
fn one_to_one(
    sender: Sender<impl Producer + Send + 'static>,
    count: u8,
    receiver: Receiver<impl Consumer + Send + 'static>,
) {
    let producer = thread::spawn(move || send_all(sender, 1, count));
    let received = receive_all(receiver);
    producer.join().unwrap();
    assert_delivered(&[count], &[received]);
}

/// Two senders of so many messages each, one receiver.
fn two_to_one<P: Producer + Send + 'static>(
    senders: [Sender<P>; 2],
    [some, more]: [u8; 2],
    receiver: Receiver<impl Consumer + Send + 'static>,
) {
    let [first, second] = senders;
    let first = thread::spawn(move || send_some(first, 1, some));
    let second = thread::spawn(move || send_some(second, 2, more));
    let received = receive_all(receiver);
    let sent = [first.join().unwrap(), second.join().unwrap()];
    assert_delivered(&sent, &[received]);
}

/// One sender of three messages in so many attempts each, two receivers, one of which stays to the end.
fn one_to_two<C: Consumer + Send + 'static>(
    attempts: usize,
    sender: Sender<impl Producer + Send + 'static>,
    receivers: [Receiver<C>; 2],
) {
    let [first, second] = receivers;
    let producer = thread::spawn(move || send_in(attempts, sender, 1, 3));
    let first = thread::spawn(move || receive_some(first, 1));
    let second = receive_all(second);
    let sent = producer.join().unwrap();
    assert_delivered(&[sent], &[first.join().unwrap(), second]);
}

fn shared_to_shared<const SIZE: usize>() {
    let region = region(SIZE);
    let (near, _back) = shared::<SIZE>(&region, Role::Primary);
    let (_forth, far) = shared::<SIZE>(&region, Role::Secondary);
    let (to, from) = (sender(&near), receiver(&far));
    drop((near, far));
    one_to_one(to, 3, from);
}

#[test]
fn shared_to_shared_inline() {
    check(3, shared_to_shared::<INLINE>);
}

#[test]
fn shared_to_shared_buffered() {
    check(3, shared_to_shared::<BUFFERED>);
}

/// What is put and taken at once.
#[test]
fn shared_to_shared_lines() {
    check(2, shared_to_shared::<LINE>);
}

#[test]
fn exclusive_to_shared() {
    check(3, || {
        let region = region(INLINE);
        let (to, _back) = exclusive::<INLINE>(&region, Role::Primary);
        let (_forth, far) = shared::<INLINE>(&region, Role::Secondary);
        let from = receiver(&far);
        drop(far);
        one_to_one(to, 3, from);
    });
}

#[test]
fn shared_to_exclusive() {
    check(3, || {
        let region = region(INLINE);
        let (near, _back) = shared::<INLINE>(&region, Role::Primary);
        let (_forth, from) = exclusive::<INLINE>(&region, Role::Secondary);
        let to = sender(&near);
        drop(near);
        one_to_one(to, 3, from);
    });
}

#[test]
fn two_shared_to_shared() {
    check(1, || {
        let region = region(INLINE);
        let (near, _back) = shared::<INLINE>(&region, Role::Primary);
        let (_forth, far) = shared::<INLINE>(&region, Role::Secondary);
        let (to, from) = ([sender(&near), sender(&near)], receiver(&far));
        drop((near, far));
        two_to_one(to, [2, 1], from);
    });
}

fn shared_to_two_in(attempts: usize) {
    let region = region(INLINE);
    let (near, _back) = shared::<INLINE>(&region, Role::Primary);
    let (_forth, far) = shared::<INLINE>(&region, Role::Secondary);
    let (to, from) = (sender(&near), [receiver(&far), receiver(&far)]);
    drop((near, far));
    one_to_two(attempts, to, from);
}

/// The third message is sent where a receiver has made room before: each look for room that fails lets both receivers
/// run first, and executions become too many.
#[test]
fn shared_to_two_shared() {
    check(1, || shared_to_two_in(1));
}

/// The sender waits for room.
#[test]
fn shared_to_two_shared_when_full() {
    check(0, || shared_to_two_in(ATTEMPTS));
}

#[test]
fn two_shared_to_exclusive() {
    check(1, || {
        let region = region(INLINE);
        let (near, _back) = shared::<INLINE>(&region, Role::Primary);
        let (_forth, from) = exclusive::<INLINE>(&region, Role::Secondary);
        let to = [sender(&near), sender(&near)];
        drop(near);
        two_to_one(to, [2, 1], from);
    });
}

#[test]
fn exclusive_to_two_shared() {
    check(1, || {
        let region = region(INLINE);
        let (to, _back) = exclusive::<INLINE>(&region, Role::Primary);
        let (_forth, far) = shared::<INLINE>(&region, Role::Secondary);
        let from = [receiver(&far), receiver(&far)];
        drop(far);
        one_to_two(ATTEMPTS, to, from);
    });
}

/// A shared end of a ring of four slots, in which every second claim of a row leaves its counter behind. Lines are what
/// is put and taken in rows.
struct FourSlots {
    producer: Shared<SharedProducer<Fixed<4, LINE>>>,
    consumer: Shared<SharedConsumer<Fixed<4, LINE>>>,
}

impl FourSlots {
    fn ends() -> [Self; 2] {
        let layout = Layout::new(4, LINE, 64, 2).unwrap();
        let region = Region::model(&layout);
        initialise(&region, &layout, &InitOptions::new()).unwrap();
        [Role::Primary, Role::Secondary].map(|role| {
            let options = AttachOptions::new(role);
            let link = SharedLink::attach(region.clone(), &options).unwrap();
            let (producer, consumer) = link.split();
            Self {
                producer: Shared(Arc::new(producer)),
                consumer: Shared(Arc::new(consumer)),
            }
        })
    }

    fn sender(&self) -> Sender<impl Producer + Send + 'static> {
        Sender::new(Handle::new(self.producer.clone()))
    }

    fn receiver(&self) -> Receiver<impl Consumer + Send + 'static> {
        Receiver::new(Handle::new(self.consumer.clone()))
    }
}

#[test]
fn a_row_to_a_row() {
    check(2, || {
        let [near, far] = FourSlots::ends();
        let (to, from) = (near.sender(), far.receiver());
        drop((near, far));
        one_to_one(to, 5, from);
    });
}

/// Another sender comes upon a counter that a row has left behind.
#[test]
fn two_rows_to_a_row() {
    check(1, || {
        let [near, far] = FourSlots::ends();
        let (to, from) = ([near.sender(), near.sender()], far.receiver());
        drop((near, far));
        two_to_one(to, [3, 1], from);
    });
}

/// Another receiver comes upon one.
#[test]
fn a_row_to_two_rows() {
    check(1, || {
        let [near, far] = FourSlots::ends();
        let (to, from) = (near.sender(), [far.receiver(), far.receiver()]);
        drop((near, far));
        one_to_two(ATTEMPTS, to, from);
    });
}
