//! Sleeping and waking: nobody sleeps while there is a message, or room, for it. A sleeper that nobody
//! wakes is a deadlock, which loom reports.
//!
//! The barrier that a system makes for the publishers (`membarrier`) is a fence on both sides here.

use hqq_core::ring::wake::{Ticket, WaitWords, WakeHook};
use hqq_core::ring::{Consumer, Producer};
use hqq_core::sync::ordering::{full_fence, weakened};
use hqq_core::{
    AttachOptions, Direction, ExclusiveReceiver, ExclusiveSender, Link, Member, Receiver, Region,
    Role, Sender, SharedLink, TryRecvError, TrySendError,
};
use loom::sync::{Condvar, Mutex};
use loom::thread;

use crate::support::{
    BUFFERED, ConsumerSide, Geometry, INLINE, LINE, ProducerSide, Shared, check, layout, receiver,
    region, sender,
};

loom::lazy_static! {
    /// The one place where all sleepers of a model sleep.
    static ref ASLEEP: Mutex<()> = Mutex::new(());
    static ref WOKEN: Condvar = Condvar::new();
}

/// What a system does to wake: under the lock that a sleeper holds from its look at the sequence on.
fn wake(_: &WaitWords) {
    let _guard = ASLEEP.lock().unwrap();
    if weakened("waking_one") {
        WOKEN.notify_one();
    } else {
        WOKEN.notify_all();
    }
}

/// Sleeps, unless the sequence has moved on.
fn sleep(words: &WaitWords, ticket: Ticket) {
    let guard = ASLEEP.lock().unwrap();
    if !words.has_moved(ticket) {
        drop(WOKEN.wait(guard).unwrap());
    }
}

fn options(role: Role) -> AttachOptions {
    AttachOptions::new(role).wake_hook(WakeHook::new(wake))
}

/// The wait words of one side of the ring that the models use.
fn words(region: &Region, size: usize, consumer: bool) -> WaitWords {
    WaitWords::new(region, &layout(size), Direction::ToSecondary, consumer).unwrap()
}

/// Repeats `attempt` until it gives a value, asleep in between.
fn asleep_until<T>(words: &WaitWords, mut attempt: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        let ticket = words.arm();
        if !weakened("no_fence_of_the_sleeper") {
            full_fence();
        }
        if let Some(value) = attempt() {
            return value;
        }
        sleep(words, ticket);
    }
}

/// The first byte of the next message; `None` at the end.
fn receive<C: Consumer>(receiver: &mut Receiver<C>, words: &WaitWords) -> Option<u8> {
    let mut message = [0; LINE];
    asleep_until(words, || match receiver.try_recv(&mut message) {
        Ok(_) => Some(Some(message[0])),
        Err(TryRecvError::Disconnected) => Some(None),
        Err(TryRecvError::Empty) => None,
        Err(error) => panic!("{error}"),
    })
}

/// The longest message there can be, of one byte again and again; so that the size of buffers says how it
/// travels.
fn try_send<P: Producer>(sender: &mut Sender<P>, tag: u8) -> Result<(), TrySendError> {
    let max = sender.max_message_size();
    sender.try_send([tag; LINE].get(..max).unwrap())
}

fn send<P: Producer>(sender: &mut Sender<P>, words: &WaitWords, tag: u8) {
    asleep_until(words, || match try_send(sender, tag) {
        Ok(()) => Some(()),
        Err(TrySendError::Full) => None,
        Err(error) => panic!("{error}"),
    });
}

/// The sending half of the primary and the receiving half of the secondary, exclusive.
fn exclusive<const SIZE: usize>(
    region: &Region,
) -> (
    ExclusiveSender<Geometry<SIZE>>,
    ExclusiveReceiver<Geometry<SIZE>>,
) {
    let attach = |role| {
        Link::<Geometry<SIZE>>::attach(region.clone(), &options(role))
            .unwrap()
            .split()
    };
    let (sender, _back) = attach(Role::Primary);
    let (_forth, receiver) = attach(Role::Secondary);
    (sender, receiver)
}

/// A receiver that sleeps for each of two messages; the sender neither closes nor waits.
fn receives_two<P, C>(mut sender: Sender<P>, mut receiver: Receiver<C>, words: WaitWords)
where
    P: Producer,
    C: Consumer + Send + 'static,
{
    let waiting = thread::spawn(move || {
        let received = [1, 2].map(|_| receive(&mut receiver, &words));
        (received, receiver)
    });
    for tag in [1, 2] {
        try_send(&mut sender, tag).unwrap();
    }
    let (received, _receiver) = waiting.join().unwrap();
    assert_eq!(received, [Some(1), Some(2)]);
}

fn exclusive_receives_two<const SIZE: usize>() {
    check(3, || {
        let region = region(SIZE);
        let (sender, receiver) = exclusive::<SIZE>(&region);
        receives_two(sender, receiver, words(&region, SIZE, true));
    });
}

#[test]
fn one_receiver() {
    exclusive_receives_two::<INLINE>();
}

/// The same of messages in buffers.
#[test]
fn one_receiver_of_buffers() {
    exclusive_receives_two::<BUFFERED>();
}

/// The same of messages in buffers of one line or more, which a sender that knows of room publishes at once.
#[test]
fn one_receiver_of_lines() {
    exclusive_receives_two::<LINE>();
}

fn shared_receives_two<const SIZE: usize>() {
    check(2, || {
        let region = region(SIZE);
        let (producer, consumer) = shared::<SIZE>(&region);
        let words = words(&region, SIZE, true);
        receives_two(sender(&producer), receiver(&consumer), words);
    });
}

#[test]
fn one_receiver_shared() {
    shared_receives_two::<INLINE>();
}

#[test]
fn one_receiver_shared_of_buffers() {
    shared_receives_two::<BUFFERED>();
}

/// A sender that sleeps while the ring is full, and a receiver that finds it full and never empty
/// before it has taken all of that.
fn sends_a_third<P, C>(mut sender: Sender<P>, mut receiver: Receiver<C>, words: WaitWords)
where
    P: Producer + Send + 'static,
    C: Consumer,
{
    for tag in [1, 2] {
        try_send(&mut sender, tag).unwrap();
    }
    let waiting = thread::spawn(move || {
        send(&mut sender, &words, 3);
        sender
    });
    let mut message = [0; LINE];
    for tag in [1, 2] {
        receiver.try_recv(&mut message).unwrap();
        assert_eq!(message[0], tag);
    }
    let _sender = waiting.join().unwrap();
    receiver.try_recv(&mut message).unwrap();
    assert_eq!(message[0], 3);
}

fn exclusive_sends_a_third<const SIZE: usize>() {
    check(3, || {
        let region = region(SIZE);
        let (sender, receiver) = exclusive::<SIZE>(&region);
        sends_a_third(sender, receiver, words(&region, SIZE, false));
    });
}

#[test]
fn one_sender() {
    exclusive_sends_a_third::<INLINE>();
}

#[test]
fn one_sender_of_lines() {
    exclusive_sends_a_third::<LINE>();
}

#[test]
fn one_sender_shared() {
    check(2, || {
        let region = region(INLINE);
        let (producer, consumer) = shared::<INLINE>(&region);
        let words = words(&region, INLINE, false);
        sends_a_third(sender(&producer), receiver(&consumer), words);
    });
}

/// Both sleep: the sender for room, the receiver for messages and for the end.
#[test]
fn both() {
    check(2, || {
        let region = region(INLINE);
        let (mut sender, mut receiver) = exclusive::<INLINE>(&region);
        let room = words(&region, INLINE, false);
        let sending = thread::spawn(move || {
            for tag in [1, 2, 3] {
                send(&mut sender, &room, tag);
            }
        });
        let messages = words(&region, INLINE, true);
        for tag in [Some(1), Some(2), Some(3), None] {
            assert_eq!(receive(&mut receiver, &messages), tag);
        }
        sending.join().unwrap();
    });
}

/// The sides of the primary's producers and of the secondary's consumers, shared.
fn shared<const SIZE: usize>(region: &Region) -> (ProducerSide<SIZE>, ConsumerSide<SIZE>) {
    let attach = |role| {
        let options = options(role).member(Member::FIRST);
        SharedLink::<Geometry<SIZE>>::attach(region.clone(), &options)
            .unwrap()
            .split()
    };
    let (producer, _back) = attach(Role::Primary);
    let (_forth, consumer) = attach(Role::Secondary);
    let producer = Shared(loom::sync::Arc::new(producer));
    let consumer = Shared(loom::sync::Arc::new(consumer));
    (producer, consumer)
}

/// Two receivers on one side sleep, one message for each.
#[test]
fn two_receivers() {
    check(1, || {
        let region = region(INLINE);
        let (producer, consumer) = shared::<INLINE>(&region);
        let [mut mine, mut other] = [(), ()].map(|()| receiver(&consumer));
        let [my_words, words] = [(), ()].map(|()| words(&region, INLINE, true));
        let waiting = thread::spawn(move || receive(&mut other, &words));
        let mut sender = sender(&producer);
        let sending = thread::spawn(move || {
            for tag in [1, 2] {
                sender.try_send(&[tag; INLINE]).unwrap();
            }
        });
        let mine = receive(&mut mine, &my_words);
        let mut received = [mine, waiting.join().unwrap()];
        sending.join().unwrap();
        received.sort_unstable();
        assert_eq!(received, [Some(1), Some(2)]);
    });
}

/// One receiver sleeps for what two senders on one side send.
#[test]
fn receiver_of_two_senders() {
    check(2, || {
        let region = region(INLINE);
        let (producer, consumer) = shared::<INLINE>(&region);
        let sending = [1, 2].map(|tag| {
            let mut sender = sender(&producer);
            thread::spawn(move || sender.try_send(&[tag; INLINE]).unwrap())
        });
        let mut receiver = receiver(&consumer);
        let words = words(&region, INLINE, true);
        let mut received = [1, 2].map(|_| receive(&mut receiver, &words));
        received.sort_unstable();
        assert_eq!(received, [Some(1), Some(2)]);
        for thread in sending {
            thread.join().unwrap();
        }
    });
}
