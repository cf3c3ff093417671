//! What the models share: regions, endpoints, and calls that yield until they succeed.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};

use hqq_core::ring::shared::{SharedConsumer, SharedProducer};
use hqq_core::ring::{Consumer, Handle, Producer};
use hqq_core::{
    AttachOptions, ExclusiveReceiver, ExclusiveSender, Fixed, InitOptions, Layout, Link, Member,
    Receiver, Region, Role, Sender, SharedLink, TryRecvError, TrySendError, initialise,
};
use loom::sync::Arc;
use stable_deref_trait::StableDeref;

/// Buffers a ring: the fewest there can be, so that three messages wrap.
pub(crate) const COUNT: usize = 2;
/// A buffer size whose messages all travel in the packet.
pub(crate) const INLINE: usize = 8;
/// A buffer size whose longest message travels in the buffer.
pub(crate) const BUFFERED: usize = 48;
/// A buffer size of one cache line.
pub(crate) const LINE: usize = 64;

pub(crate) type Geometry<const SIZE: usize> = Fixed<COUNT, SIZE>;
pub(crate) type ProducerSide<const SIZE: usize> = Shared<SharedProducer<Geometry<SIZE>>>;
pub(crate) type ConsumerSide<const SIZE: usize> = Shared<SharedConsumer<Geometry<SIZE>>>;

/// A side that several threads hold. loom's `Arc`, so that the last to drop it has seen, for loom
/// too, what the others did.
pub(crate) struct Shared<T>(pub(crate) Arc<T>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

// SAFETY: the side lies on the heap, where neither moving nor cloning the `Arc` moves it.
unsafe impl<T> StableDeref for Shared<T> {}

/// Explores `model`; `LOOM_MAX_PREEMPTIONS` overrides `preemptions`.
pub(crate) fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    let preemptions = *builder.preemption_bound.get_or_insert(preemptions);
    // Enough for any of the models; one that does not end is reported by running into it.
    builder.max_branches = 20_000;
    let executions = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&executions);
    builder.check(move || {
        // Relaxed: a statistic.
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let executions = executions.load(Ordering::Relaxed);
    let name = std::thread::current();
    let name = name.name().unwrap_or_default();
    println!("{name}: {executions} executions, {preemptions} preemptions");
}

/// The layout of a model's region: two buffers in each direction, two members a role.
pub(crate) fn layout(size: usize) -> Layout {
    Layout::new(COUNT, size, 64, 2).unwrap()
}

/// A region that is ready.
pub(crate) fn region(size: usize) -> Region {
    let layout = layout(size);
    let region = Region::model(&layout);
    initialise(&region, &layout, &InitOptions::new()).unwrap();
    region
}

/// The halves of an exclusive endpoint.
pub(crate) fn exclusive<const SIZE: usize>(
    region: &Region,
    role: Role,
) -> (
    ExclusiveSender<Geometry<SIZE>>,
    ExclusiveReceiver<Geometry<SIZE>>,
) {
    let link = Link::attach(region.clone(), &AttachOptions::new(role)).unwrap();
    link.split()
}

/// The sides of one member of a shared endpoint.
pub(crate) fn member<const SIZE: usize>(
    region: &Region,
    role: Role,
    member: u8,
) -> (ProducerSide<SIZE>, ConsumerSide<SIZE>) {
    let options = AttachOptions::new(role).member(Member::new(member).unwrap());
    let link = SharedLink::attach(region.clone(), &options).unwrap();
    let (producer, consumer) = link.split();
    (Shared(Arc::new(producer)), Shared(Arc::new(consumer)))
}

/// The sides of a shared endpoint's first member.
pub(crate) fn shared<const SIZE: usize>(
    region: &Region,
    role: Role,
) -> (ProducerSide<SIZE>, ConsumerSide<SIZE>) {
    member(region, role, 1)
}

/// A sender of its own for one thread; the side closes with the last of them.
pub(crate) fn sender<const SIZE: usize>(
    side: &ProducerSide<SIZE>,
) -> Sender<Handle<ProducerSide<SIZE>>> {
    Sender::new(Handle::new(side.clone()))
}

/// A receiver of its own for one thread; the side closes with the last of them.
pub(crate) fn receiver<const SIZE: usize>(
    side: &ConsumerSide<SIZE>,
) -> Receiver<Handle<ConsumerSide<SIZE>>> {
    Receiver::new(Handle::new(side.clone()))
}

/// The `index`th message of `sender`, in its first byte and in all others.
pub(crate) const fn tag(sender: u8, index: u8) -> u8 {
    sender << 4 | index
}

/// The longest message that is sent here: in a buffer of a line it goes the quick way.
fn longest<P: Producer>(sender: &Sender<P>) -> usize {
    sender.max_message_size().min(BUFFERED)
}

/// Sends a message of the greatest length, each of whose bytes is `tag`; yields while there is no
/// room.
pub(crate) fn send<P: Producer>(sender: &mut Sender<P>, tag: u8) {
    let bytes = [tag; BUFFERED];
    let message = bytes.get(..longest(sender)).unwrap();
    while let Err(error) = sender.try_send(message) {
        expect_no_room_yet(error);
    }
}

/// Sends messages 1 to `count` of `name`, then drops the sender.
pub(crate) fn send_all<P: Producer>(mut sender: Sender<P>, name: u8, count: u8) {
    for index in 1..=count {
        send(&mut sender, tag(name, index));
    }
}

/// Attempts of one thread of three to send a message.
pub(crate) const ATTEMPTS: usize = 3;

/// As [`send_all`], but gives up after a few attempts, yielding in between; says how many were sent.
///
/// For models of three threads: two that yield until they succeed can yield to each other for ever
/// while the third is what they wait for, and loom would explore that without end. So all threads
/// but one try a few times only.
pub(crate) fn send_some<P: Producer>(sender: Sender<P>, name: u8, count: u8) -> u8 {
    send_in(ATTEMPTS, sender, name, count)
}

/// As [`send_some`], in so many attempts for each message.
pub(crate) fn send_in<P: Producer>(
    attempts: usize,
    mut sender: Sender<P>,
    name: u8,
    count: u8,
) -> u8 {
    let max = longest(&sender);
    for index in 1..=count {
        let bytes = [tag(name, index); BUFFERED];
        let message = bytes.get(..max).unwrap();
        let sent = (0..attempts).any(|_| match sender.try_send(message) {
            Ok(()) => true,
            Err(error) => {
                expect_no_room_yet(error);
                false
            }
        });
        if !sent {
            return index - 1;
        }
    }
    count
}

/// The tag of a message, all bytes of which are that tag.
pub(crate) fn whole(message: &[u8]) -> u8 {
    let tag = *message.first().unwrap();
    assert!(
        message.iter().all(|byte| *byte == tag),
        "a message is whole: {message:?}"
    );
    tag
}

/// Yields where there is no message yet; any other error fails the model.
pub(crate) fn expect_none_yet(error: TryRecvError) {
    assert!(
        matches!(error, TryRecvError::Empty | TryRecvError::Busy),
        "a message breaks no rule: {error}"
    );
    loom::thread::yield_now();
}

/// Yields where there is no room yet; any other error fails the model.
pub(crate) fn expect_no_room_yet(error: TrySendError) {
    assert!(
        matches!(error, TrySendError::Full | TrySendError::Busy),
        "the receiver stays: {error}"
    );
    loom::thread::yield_now();
}

/// The tag of the next message; `None` at the end. Yields while there is none.
pub(crate) fn receive<C: Consumer>(receiver: &mut Receiver<C>) -> Option<u8> {
    let mut bytes = [0; BUFFERED];
    loop {
        match receiver.try_recv(&mut bytes) {
            Ok(len) => {
                assert_eq!(
                    len,
                    receiver.max_message_size().min(BUFFERED),
                    "a message has its length"
                );
                return Some(whole(bytes.get(..len).unwrap()));
            }
            Err(TryRecvError::Disconnected) => return None,
            Err(error) => expect_none_yet(error),
        }
    }
}

/// The tags of the messages that `attempts` attempts get.
///
/// For all receivers of a model but one, as [`send_some`].
pub(crate) fn receive_some<C: Consumer>(mut receiver: Receiver<C>, attempts: usize) -> Vec<u8> {
    let mut bytes = [0; BUFFERED];
    let mut tags = Vec::new();
    for _ in 0..attempts {
        match receiver.try_recv(&mut bytes) {
            Ok(len) => tags.push(whole(bytes.get(..len).unwrap())),
            Err(TryRecvError::Disconnected) => break,
            Err(error) => expect_none_yet(error),
        }
    }
    tags
}

/// The tags of all messages until the end, in the order in which this receiver got them.
pub(crate) fn receive_all<C: Consumer>(mut receiver: Receiver<C>) -> Vec<u8> {
    std::iter::from_fn(|| receive(&mut receiver)).collect()
}

/// That what several receivers got is what several senders sent, each message once, and that each
/// receiver got each sender's messages in order. `sent` has the number of messages of sender 1, 2…
pub(crate) fn assert_delivered(sent: &[u8], received: &[Vec<u8>]) {
    for tags in received {
        for pair in tags.iter().enumerate() {
            let (at, tag) = pair;
            let later = tags.iter().skip(at + 1);
            assert!(
                later
                    .filter(|other| *other >> 4 == tag >> 4)
                    .all(|other| other > tag),
                "in the order of each sender: {received:?}"
            );
        }
    }
    let mut all: Vec<u8> = received.concat();
    all.sort_unstable();
    let expected: Vec<u8> = (1..)
        .zip(sent)
        .flat_map(|(sender, count)| (1..=*count).map(move |index| tag(sender, index)))
        .collect();
    assert_eq!(all, expected, "each message once");
}
