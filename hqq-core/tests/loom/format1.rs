//! Format 1: a claim moves the ring's counter, a slot's sequence says whose it is. There is no
//! end-of-file, so receivers try a number of times, and what is left is received in the end.

use hqq_core::ring::Handle;
use hqq_core::ring::format1::{Format1Consumer, Format1Producer};
use hqq_core::{
    AttachError, AttachOptions, Format, Format1Link, FormatError, InitOptions, Layout, Receiver,
    Region, Role, Sender, TryRecvError, initialise,
};
use loom::sync::Arc;
use loom::thread;

use crate::support::{
    COUNT, Geometry, Shared, assert_delivered, check, receive, receive_some, send, send_all,
    send_some, tag,
};

/// Bytes in a buffer: two words, which a reader could see one by one.
const SIZE: usize = 16;

type ProducerSide = Shared<Format1Producer<Geometry<SIZE>>>;
type ConsumerSide = Shared<Format1Consumer<Geometry<SIZE>>>;

fn layout() -> Layout {
    Layout::format_1(COUNT, SIZE, 4096).unwrap()
}

/// The producing side of a region's primary, and the consuming side of its secondary.
fn sides() -> (ProducerSide, ConsumerSide) {
    let layout = layout();
    let region = Region::model(&layout);
    initialise(&region, &layout, &InitOptions::new()).unwrap();
    let [near, far] = Role::BOTH.map(|role| {
        Format1Link::attach(region.clone(), &AttachOptions::new(role))
            .unwrap()
            .split()
    });
    (Shared(Arc::new(near.0)), Shared(Arc::new(far.1)))
}

fn sender(side: &ProducerSide) -> Sender<Handle<ProducerSide>> {
    Sender::new(Handle::new(side.clone()))
}

fn receiver(side: &ConsumerSide) -> Receiver<Handle<ConsumerSide>> {
    Receiver::new(Handle::new(side.clone()))
}

/// The tags of what lies in the ring once nobody else uses it; there is no more than it holds.
fn rest(side: &ConsumerSide) -> Vec<u8> {
    let tags = receive_some(receiver(side), COUNT);
    let after = receiver(side).try_recv(&mut [0; SIZE]);
    assert_eq!(after, Err(TryRecvError::Empty), "a slot is given back once");
    tags
}

/// Three messages through two slots: the ring is empty, full, and wraps.
#[test]
fn one_to_one() {
    check(5, || {
        let (near, far) = sides();
        let to = sender(&near);
        let producer = thread::spawn(move || send_all(to, 1, 3));
        let mut from = receiver(&far);
        let received = (0..3).filter_map(|_| receive(&mut from)).collect();
        producer.join().unwrap();
        assert_delivered(&[3], &[received]);
        assert_eq!(rest(&far), []);
    });
}

/// Two senders of three messages together, one receiver.
#[test]
fn two_to_one() {
    check(3, || {
        let (near, far) = sides();
        let (first, second) = (sender(&near), sender(&near));
        let first = thread::spawn(move || send_some(first, 1, 2));
        let second = thread::spawn(move || send_some(second, 2, 1));
        let received = receive_some(receiver(&far), 3);
        let sent = [first.join().unwrap(), second.join().unwrap()];
        assert_delivered(&sent, &[[received, rest(&far)].concat()]);
    });
}

/// One sender of three messages, two receivers.
#[test]
fn one_to_two() {
    check(3, || {
        let (near, far) = sides();
        let (to, first, second) = (sender(&near), receiver(&far), receiver(&far));
        let producer = thread::spawn(move || send_some(to, 1, 3));
        let first = thread::spawn(move || receive_some(first, 1));
        let second = receive_some(second, 3);
        let (sent, first) = (producer.join().unwrap(), first.join().unwrap());
        assert_delivered(&[sent], &[first, [second, rest(&far)].concat()]);
    });
}

/// Sends and receives one after the other, as far as one attempt each goes: how many messages were
/// sent, and those received.
fn back_and_forth(
    mut to: Sender<Handle<ProducerSide>>,
    mut from: Receiver<Handle<ConsumerSide>>,
    count: u8,
) -> (u8, Vec<u8>) {
    let mut received = Vec::new();
    for index in 1..=count {
        if to.try_send(&[tag(1, index); SIZE]).is_err() {
            return (index - 1, received);
        }
        let mut message = [0; SIZE];
        if from.try_recv(&mut message).is_ok() {
            received.push(message[0]);
        }
    }
    (count, received)
}

/// One that comes to a ring that others have used for more than a turn may see sequences that are
/// older than what the counter says: that is no damage.
#[test]
fn a_sender_behind_the_others() {
    check(4, || {
        let (near, far) = sides();
        let (to, from, late) = (sender(&near), receiver(&far), sender(&near));
        let others = thread::spawn(move || back_and_forth(to, from, 4));
        let late = send_some(late, 2, 1);
        let (sent, received) = others.join().unwrap();
        assert_delivered(&[sent, late], &[[received, rest(&far)].concat()]);
    });
}

#[test]
fn a_receiver_behind_the_others() {
    check(4, || {
        let (near, far) = sides();
        let (to, from, late) = (sender(&near), receiver(&far), receiver(&far));
        let others = thread::spawn(move || back_and_forth(to, from, 4));
        let late = receive_some(late, 2);
        let (sent, received) = others.join().unwrap();
        assert_delivered(&[sent], &[late, [received, rest(&far)].concat()]);
    });
}

/// One end initialises the region; the other finds it empty, or of format 1 and not ready, or ready
/// and with it all that was written.
#[test]
fn ready_region() {
    check(2, || {
        let layout = layout();
        let region = Region::model(&layout);
        let peer = region.clone();
        let creator = thread::spawn(move || {
            initialise(&peer, &layout, &InitOptions::new()).unwrap();
        });
        let options = AttachOptions::new(Role::Primary);
        let link = loop {
            match Format1Link::<Geometry<SIZE>>::attach(region.clone(), &options) {
                Ok(link) => break link,
                Err(error) => {
                    let format = Format::V1;
                    let expected = [FormatError::Empty, FormatError::Initialising { format }];
                    assert!(
                        expected.map(AttachError::Format).contains(&error),
                        "a region that is not ready says so: {error:?}"
                    );
                    thread::yield_now();
                }
            }
        };
        send(&mut link.sender(), tag(1, 1));
        creator.join().unwrap();
    });
}
