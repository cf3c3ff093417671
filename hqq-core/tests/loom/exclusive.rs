//! Exclusive sides: one producer, one consumer, no compare-and-swap.

use hqq_core::ring::{Consumer, Producer};
use hqq_core::{
    AttachOptions, ExclusiveReceiver, Fixed, InitOptions, Layout, Link, Receiver, Region, Role,
    Sender, TryRecvError, initialise,
};
use loom::thread;

use crate::support::{
    BUFFERED, INLINE, LINE, assert_delivered, check, exclusive, expect_none_yet, receive_all,
    region, send_all, tag, whole,
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

/// Messages that are sent through four slots: only there a receiver may release some later than others, and goes the
/// quick ways in between; and the ring wraps.
const MESSAGES: u8 = 6;

fn send_six(sender: &mut Sender<impl Producer>, len: usize) {
    for index in 1..=MESSAGES {
        let bytes = [tag(1, index); LINE];
        // Also where one receiver has left and the next is yet to come.
        while sender.try_send(bytes.get(..len).unwrap()).is_err() {
            thread::yield_now();
        }
    }
}

/// The tag of the next message, copied.
fn copied<C: Consumer>(receiver: &mut Receiver<C>) -> Result<u8, TryRecvError> {
    let mut bytes = [0; LINE];
    let len = receiver.try_recv(&mut bytes)?;
    Ok(whole(bytes.get(..len).unwrap()))
}

/// The same, copied only once a buffer was tried that is too short.
fn copied_in_the_end<C: Consumer>(receiver: &mut Receiver<C>) -> Result<u8, TryRecvError> {
    let Err(error) = receiver.try_recv(&mut []) else {
        panic!("no message is empty");
    };
    match error {
        TryRecvError::BufferTooSmall { .. } => copied(receiver),
        error => Err(error),
    }
}

/// The same, lent.
fn lent<C: Consumer>(receiver: &mut Receiver<C>) -> Result<u8, TryRecvError> {
    let message = receiver.try_next()?;
    let mut bytes = [0; LINE];
    let len = message.copy_to(0, &mut bytes);
    Ok(whole(bytes.get(..len).unwrap()))
}

/// One sender, which stays, and receivers that come one after the other and leave after so many messages.
fn through_four_slots<const SIZE: usize>(
    len: usize,
    visits: &[usize],
    receive: impl Fn(&mut ExclusiveReceiver<Fixed<4, SIZE>>) -> Result<u8, TryRecvError>,
) {
    let layout = Layout::new(4, SIZE, 64, 2).unwrap();
    let region = Region::model(&layout);
    initialise(&region, &layout, &InitOptions::new()).unwrap();
    let link = |role| {
        let options = AttachOptions::new(role);
        Link::<Fixed<4, SIZE>>::attach(region.clone(), &options).unwrap()
    };
    let (mut sender, _back) = link(Role::Primary).split();
    // The first one attaches before anything is sent, which makes the model much smaller.
    let mut first = Some(link(Role::Secondary).split());
    let producer = thread::spawn(move || {
        send_six(&mut sender, len);
        sender
    });
    let mut received = Vec::new();
    for count in visits {
        let next = first.take();
        let (_forth, mut receiver) = next.unwrap_or_else(|| link(Role::Secondary).split());
        let until = received.len() + count;
        while received.len() < until {
            match receive(&mut receiver) {
                Ok(tag) => received.push(tag),
                Err(error) => expect_none_yet(error),
            }
        }
    }
    drop(producer.join().unwrap());
    assert_delivered(&[MESSAGES], &[received]);
}

#[test]
fn words_through_four_slots() {
    check(3, || through_four_slots::<INLINE>(8, &[6], copied));
}

#[test]
fn words_that_did_not_fit_at_first() {
    check(3, || {
        through_four_slots::<INLINE>(8, &[6], copied_in_the_end)
    });
}

#[test]
fn other_messages_in_packets_through_four_slots() {
    check(3, || through_four_slots::<INLINE>(3, &[6], copied));
}

#[test]
fn lines_through_four_slots() {
    check(3, || through_four_slots::<LINE>(BUFFERED, &[6], copied));
}

#[test]
fn lines_lent_through_four_slots() {
    check(3, || through_four_slots::<LINE>(BUFFERED, &[6], lent));
}

#[test]
fn words_through_four_slots_to_receivers_in_turn() {
    check(1, || through_four_slots::<INLINE>(8, &[3, 3], copied));
}

#[test]
fn lines_through_four_slots_to_receivers_in_turn() {
    check(1, || through_four_slots::<LINE>(BUFFERED, &[3, 3], copied));
}
