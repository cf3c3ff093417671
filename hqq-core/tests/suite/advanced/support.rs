//! Two ends over a region of either format, or one end and a peer that sends any packet.

use hqq_core::advanced::{
    AdvancedLink, Agreement, Arrival, Body, Event, Notice, Progress, SessionOptions, Transfer,
};
use hqq_core::packet::{
    Capabilities, Chunk, ConnectionCopy, CopyFlags, Features, Negotiate, NegotiateAck, Packet,
    PacketError, ProtocolVersion,
};
use hqq_core::ring::exclusive::{ExclusiveConsumer, ExclusiveProducer};
use hqq_core::ring::format1::{Format1Consumer, Format1Producer};
use hqq_core::ring::{Consumer, Handle, Owned, Producer};
use hqq_core::{
    AttachOptions, Dynamic, Format, Format1Link, InitOptions, Layout, Receiver, Role, Sender,
};

pub(crate) use hqq_core::advanced::MessageKey;
pub(crate) use hqq_core::packet::MessageKind;

use crate::common::{Halves, Memory};

/// The most bytes of a message in several chunks that an end puts together.
pub(crate) const MESSAGE: usize = 256;
/// Such messages that an end puts together at a time.
pub(crate) const ASSEMBLIES: usize = 4;
/// Calls that an end can have waiting.
pub(crate) const PENDING: usize = 8;
/// Streams of an end.
pub(crate) const CONNECTIONS: usize = 4;
/// More than enough rounds for anything here; a loop that needs them all is stuck.
const ROUNDS: usize = 100_000;

pub(crate) type End<P, C> = AdvancedLink<P, C, ASSEMBLIES, MESSAGE, PENDING, CONNECTIONS>;
pub(crate) type Producer2 = ExclusiveProducer<Dynamic>;
pub(crate) type Consumer2 = ExclusiveConsumer<Dynamic>;
pub(crate) type Producer1 = Handle<Owned<Format1Producer<Dynamic>>>;
pub(crate) type Consumer1 = Handle<Owned<Format1Consumer<Dynamic>>>;
type HalvesOf<R> = (Sender<<R as Rings>::P>, Receiver<<R as Rings>::C>);

/// A format, by the sides of its rings.
pub(crate) trait Rings {
    type P: Producer;
    type C: Consumer;
    const FORMAT: Format;
    /// The halves of both ends, the primary's in front.
    fn halves(count: usize, size: usize) -> [HalvesOf<Self>; 2]
    where
        Self: Sized;
}

pub(crate) struct Format1;
pub(crate) struct Format2;

impl Rings for Format2 {
    type P = Producer2;
    type C = Consumer2;
    const FORMAT: Format = Format::V2;

    fn halves(count: usize, size: usize) -> [Halves; 2] {
        Memory::new(count, size, 0).one_way().into()
    }
}

impl Rings for Format1 {
    type P = Producer1;
    type C = Consumer1;
    const FORMAT: Format = Format::V1;

    fn halves(count: usize, size: usize) -> [HalvesOf<Self>; 2] {
        let layout = Layout::format_1(count, size, 4096).unwrap();
        let memory = Memory::with(layout, &InitOptions::new());
        [Role::Primary, Role::Secondary].map(|role| {
            let options = AttachOptions::new(role);
            let link = Format1Link::<Dynamic>::attach(memory.region(), &options).unwrap();
            let (producer, consumer) = link.split();
            let (producer, consumer) = (Handle::owned(producer), Handle::owned(consumer));
            (Sender::new(producer), Receiver::new(consumer))
        })
    }
}

/// An event, without what it borrows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Message {
        key: MessageKey,
        aux: u64,
        error: bool,
        body: Vec<u8>,
    },
    Chunk(Arrival, Vec<u8>),
    Notice(Notice),
    Malformed(PacketError),
}

/// A message without anything to note about it.
pub(crate) fn plain(connection: u64, id: u64, body: &[u8]) -> Seen {
    Seen::Message {
        key: key(connection, id, MessageKind::Plain),
        aux: 0,
        error: false,
        body: body.to_vec(),
    }
}

pub(crate) const fn key(connection: u64, id: u64, kind: MessageKind) -> MessageKey {
    MessageKey {
        connection,
        id,
        kind,
    }
}

/// A body in place.
#[allow(unsafe_code, reason = "what is tested")]
fn lent<'a, C: Consumer>(body: &'a Body<'_, C>) -> &'a [u8] {
    // SAFETY: nothing writes the region but the links, and packets of `Wild`'s, which go through a link.
    unsafe { body.trusted() }
}

/// One end, and what time it is there.
pub(crate) struct Party<R: Rings> {
    pub(crate) link: End<R::P, R::C>,
    pub(crate) now: u64,
}

impl<R: Rings> Party<R> {
    pub(crate) fn new(halves: HalvesOf<R>, role: Role, options: SessionOptions) -> Self {
        let link = AdvancedLink::new(halves, role, R::FORMAT, options);
        Self { link, now: 0 }
    }

    /// The next event.
    pub(crate) fn poll(&mut self) -> Option<Seen> {
        let event = self.link.poll(self.now).unwrap()?;
        Some(match event {
            Event::Message {
                key,
                aux,
                error,
                body,
            } => {
                let mut bytes = vec![0; body.len()];
                assert_eq!(body.copy_to(0, &mut bytes), bytes.len());
                assert_eq!(body.copy_to(bytes.len(), &mut [0]), 0);
                assert_eq!(body.is_empty(), bytes.is_empty());
                assert!(body.as_slice().is_none_or(|slice| slice == bytes));
                assert_eq!(lent(&body), bytes);
                Seen::Message {
                    key,
                    aux,
                    error,
                    body: bytes,
                }
            }
            Event::Chunk { arrival, body } => {
                let mut bytes = vec![0; body.len()];
                assert_eq!(body.copy_to(0, &mut bytes), bytes.len());
                assert_eq!(arrival.len, bytes.len());
                assert!(body.as_slice().is_none(), "in the ring");
                assert_eq!(lent(&body), bytes);
                Seen::Chunk(arrival, bytes)
            }
            Event::Notice(notice) => Seen::Notice(notice),
            Event::Malformed(error) => Seen::Malformed(error),
            _ => panic!("an event that is new"),
        })
    }

    /// All events that there are now.
    pub(crate) fn drain(&mut self) -> Vec<Seen> {
        let mut seen = Vec::new();
        // One call takes in 64 packets at most; a ring here has fewer.
        while let Some(event) = self.poll() {
            assert!(seen.len() < ROUNDS, "events without end");
            seen.push(event);
        }
        seen
    }

    pub(crate) fn agreement(&self) -> Agreement {
        self.link.session().agreement().expect("nothing agreed on")
    }

    /// Sends as much of a message as goes now.
    #[track_caller]
    pub(crate) fn send(&mut self, transfer: &mut Transfer, body: &[u8]) -> Progress {
        self.link.advance(transfer, body, usize::MAX).unwrap()
    }

    /// That nothing is left behind.
    #[track_caller]
    pub(crate) fn assert_empty(&self) {
        let session = self.link.session();
        assert_eq!(
            (session.arriving(), session.pending_calls()),
            (0, 0),
            "messages that arrive, calls that wait"
        );
        assert_eq!(session.streams(), 0, "streams");
        assert!(session.control().is_none(), "packets to send");
    }
}

/// Both ends.
pub(crate) struct Pair<R: Rings> {
    pub(crate) near: Party<R>,
    pub(crate) far: Party<R>,
}

impl<R: Rings> Pair<R> {
    /// Ends that have not negotiated.
    pub(crate) fn strangers(count: usize, size: usize, options: SessionOptions) -> Self {
        let [near, far] = R::halves(count, size);
        Self {
            near: Party::new(near, Role::Primary, options),
            far: Party::new(far, Role::Secondary, options),
        }
    }

    /// Ends that agree on all that the format has.
    pub(crate) fn with(count: usize, size: usize, options: SessionOptions) -> Self {
        let mut pair = Self::strangers(count, size, options);
        pair.near.link.negotiate(u64::MAX).unwrap();
        let (near, far) = pair.run();
        assert_eq!((near.len(), far.len()), (1, 1), "{near:?} {far:?}");
        assert_eq!(pair.near.agreement(), pair.far.agreement());
        pair
    }

    pub(crate) fn new(count: usize, size: usize) -> Self {
        Self::with(count, size, SessionOptions::new())
    }

    /// Polls both until neither has anything; what happened at each.
    pub(crate) fn run(&mut self) -> (Vec<Seen>, Vec<Seen>) {
        let (mut near, mut far) = (Vec::new(), Vec::new());
        let mut idle = 0;
        for _ in 0..ROUNDS {
            let (at_near, at_far) = (self.near.drain(), self.far.drain());
            // Packets that are no events may be on their way, and answers to them.
            idle = if at_near.is_empty() && at_far.is_empty() {
                idle + 1
            } else {
                0
            };
            if idle == 4 {
                return (near, far);
            }
            near.extend(at_near);
            far.extend(at_far);
        }
        panic!("no end of it");
    }

    /// Sends a message of near's to its end; what happened at far.
    pub(crate) fn deliver(&mut self, transfer: &mut Transfer, body: &[u8]) -> Vec<Seen> {
        let mut seen = Vec::new();
        for _ in 0..ROUNDS {
            let progress = self.near.send(transfer, body);
            let (near, far) = self.run();
            assert_eq!(near, []);
            seen.extend(far);
            if progress == Progress::Finished {
                return seen;
            }
        }
        panic!("no end of it");
    }

    /// A stream that near has dialled and far has accepted.
    pub(crate) fn stream(&mut self) -> u64 {
        self.far.link.listen(true);
        let id = self.near.link.dial().unwrap();
        let (_, far) = self.run();
        assert_eq!(far, [Seen::Notice(Notice::Offered(id))]);
        assert!(self.far.link.accept_stream(id));
        let (near, _) = self.run();
        assert_eq!(near, [Seen::Notice(Notice::Opened(id))]);
        id
    }
}

/// One end, and a peer that sends what it likes.
pub(crate) struct Wild<R: Rings> {
    pub(crate) near: Party<R>,
    sender: Sender<R::P>,
    receiver: Receiver<R::C>,
}

impl<R: Rings> Wild<R> {
    /// Ends that have not negotiated.
    pub(crate) fn stranger(count: usize, size: usize, options: SessionOptions) -> Self {
        let [near, (sender, receiver)] = R::halves(count, size);
        Self {
            near: Party::new(near, Role::Primary, options),
            sender,
            receiver,
        }
    }

    /// Ends that agree on all that the format has.
    pub(crate) fn with(count: usize, size: usize, options: SessionOptions) -> Self {
        let mut wild = Self::stranger(count, size, options);
        wild.send(Negotiate {
            version: ProtocolVersion::CURRENT,
            features: Features::KNOWN,
            capabilities: Capabilities::KNOWN,
        });
        assert_eq!(wild.near.drain().len(), 1);
        assert!(matches!(wild.answers()[..], [Packet::NegotiateAck(_)]));
        wild
    }

    pub(crate) fn new(count: usize, size: usize) -> Self {
        Self::with(count, size, SessionOptions::new())
    }

    #[track_caller]
    pub(crate) fn send(&mut self, packet: impl Into<Packet>) {
        self.sender.try_send_packet(&packet.into()).unwrap();
    }

    /// Whether there was room for the packet.
    pub(crate) fn try_send(&mut self, packet: impl Into<Packet>) -> bool {
        self.sender.try_send_packet(&packet.into()).is_ok()
    }

    /// Sends a packet; what happens at the end then.
    #[track_caller]
    pub(crate) fn seen(&mut self, packet: impl Into<Packet>) -> Vec<Seen> {
        self.send(packet);
        self.near.drain()
    }

    /// What the end has sent.
    pub(crate) fn taken(&mut self) -> Vec<Packet> {
        let mut packets = Vec::new();
        while let Ok(grant) = self.receiver.try_next_packet() {
            assert!(packets.len() < ROUNDS, "packets without end");
            packets.push(*grant.packet());
        }
        packets
    }

    /// Polls the end; what it has sent.
    pub(crate) fn answers(&mut self) -> Vec<Packet> {
        let mut packets = Vec::new();
        loop {
            assert_eq!(self.near.drain(), []);
            let more = self.taken();
            if more.is_empty() {
                return packets;
            }
            packets.extend(more);
        }
    }
}

/// The answer to an offer with these bits.
pub(crate) fn ack(version: ProtocolVersion, features: u64, capabilities: u64) -> NegotiateAck {
    NegotiateAck {
        version,
        features: Features::from_bits(features),
        capabilities: Capabilities::from_bits(capabilities),
    }
}

/// A chunk of a message; begin and end are where it begins and ends.
pub(crate) fn chunk(key: MessageKey, [total, offset, size]: [u64; 3]) -> ConnectionCopy {
    let mut flags = CopyFlags::from(key.kind);
    if offset == 0 {
        flags = flags | CopyFlags::BEGIN;
    }
    if offset.checked_add(size) == Some(total) {
        flags = flags | CopyFlags::END;
    }
    ConnectionCopy::new(Chunk {
        connection_id: key.connection,
        message_id: key.id,
        total_size: total,
        chunk_offset: offset,
        chunk_size: size,
        flags,
        aux: 0,
    })
    .unwrap()
}

pub(crate) fn chunk_of(packet: &Packet) -> Chunk {
    match packet {
        Packet::ConnectionCopy(copy) => *copy.chunk(),
        other => panic!("no chunk: {other:?}"),
    }
}

/// Makes `$check::<Format1>` and `$check::<Format2>` tests.
macro_rules! in_both_formats {
    ($($check:ident),+ $(,)?) => {
        mod format_1 {
            $(#[test] fn $check() { super::$check::<$crate::advanced::support::Format1>(); })+
        }
        mod format_2 {
            $(#[test] fn $check() { super::$check::<$crate::advanced::support::Format2>(); })+
        }
    };
}
pub(crate) use in_both_formats;
