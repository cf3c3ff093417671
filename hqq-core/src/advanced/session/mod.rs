//! The state of the Advanced protocol at one end, without any I/O: packets in, what they mean and
//! what to send out.
//!
//! [`AdvancedLink`](super::AdvancedLink) drives one over a link's two halves; a program with
//! threads drives one under a lock. Either calls, in a loop:
//!
//! 1. [`Session::control`] and [`Session::control_sent`], until there is no more or no room;
//! 2. [`Session::next_notice`], until there is none;
//! 3. [`Session::accept`] with the next packet, or [`Session::emptied`] where there is none;
//! 4. 1 again where [`Session::is_crowded`], before more packets are accepted.

mod at_once;
mod attention;
mod notice;
mod options;
mod outbox;
mod receive;
mod send;

pub use notice::{Notice, SessionCounters, Step};
pub use options::SessionOptions;

use attention::Attention;
use outbox::{Outbox, Posting};

use super::calls::Calls;
use super::inbound::{Inbound, MessageKey};
use super::negotiate::{Agreement, NegotiateError, Negotiation, NegotiationState, Reply};
use super::streams::{StreamState, Streams, Telling};
use crate::layout::{Format, Layout};
use crate::member::Role;
use crate::packet::{Capabilities, Features, MessageKind, Packet, Reason, Sound};

/// The bytes that the shortest chunk counts for in a stream's credit.
const LEAST_COST: usize = 64;

/// What [`Session::control`] gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control(Source);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Negotiation,
    Streams(Telling),
    Outbox,
}

/// One end of the Advanced protocol: at most `ASSEMBLIES` messages that arrive in chunks, `PENDING`
/// calls (a power of two) and `CONNECTIONS` streams.
#[derive(Debug)]
pub struct Session<const ASSEMBLIES: usize, const PENDING: usize, const CONNECTIONS: usize> {
    format: Format,
    options: SessionOptions,
    /// Bytes in a buffer.
    buffer_size: usize,
    /// The first credit of a stream: what the ring holds.
    window: usize,
    /// The most bytes of a message in several chunks, where they are put together.
    assembled: Option<u64>,
    negotiation: Negotiation,
    inbound: Inbound<ASSEMBLIES>,
    calls: Calls<PENDING>,
    streams: Streams<CONNECTIONS>,
    outbox: Outbox,
    /// A message that had to make room, and was not reported yet: until it is, no other has to.
    displaced: Option<MessageKey>,
    attention: Attention,
    next_message: u64,
    counters: SessionCounters,
}

impl<const ASSEMBLIES: usize, const PENDING: usize, const CONNECTIONS: usize>
    Session<ASSEMBLIES, PENDING, CONNECTIONS>
{
    /// A session at the end that has `role` in a region of `format` with `count` buffers of `size`
    /// bytes.
    #[must_use]
    pub fn new(
        role: Role,
        format: Format,
        count: usize,
        size: usize,
        options: SessionOptions,
    ) -> Self {
        let features = match format {
            Format::V1 => options.features & Features::FORMAT_1,
            Format::V2 => options.features & Features::KNOWN,
        };
        // So that both can dial at once; HQQ-Go counts every id.
        let (first_id, id_step) = match (format, role) {
            (Format::V1, _) => (1, 1),
            (Format::V2, Role::Primary) => (1, 2),
            (Format::V2, Role::Secondary) => (2, 2),
        };
        Self {
            format,
            options,
            buffer_size: size,
            window: count.saturating_mul(size),
            assembled: None,
            negotiation: Negotiation::new(features, options.capabilities & Capabilities::KNOWN),
            inbound: Inbound::new(),
            calls: Calls::new(),
            streams: Streams::new(first_id, id_step),
            outbox: Outbox::new(),
            displaced: None,
            attention: Attention::default(),
            next_message: 1,
            counters: SessionCounters::default(),
        }
    }

    /// As [`Session::new`], for a region laid out like this.
    #[must_use]
    pub fn with_layout(role: Role, layout: &Layout, options: SessionOptions) -> Self {
        Self::new(
            role,
            layout.format(),
            layout.count(),
            layout.size(),
            options,
        )
    }

    /// Messages in several chunks are put together, up to so many bytes; `None` where they are not.
    pub(super) const fn set_assembled(&mut self, max: Option<u64>) {
        self.assembled = max;
    }

    /// Where negotiation stands.
    #[must_use]
    pub const fn negotiation(&self) -> NegotiationState {
        self.negotiation.state
    }

    /// What was agreed on.
    #[must_use]
    pub const fn agreement(&self) -> Option<Agreement> {
        self.negotiation.agreement()
    }

    /// Whether these features were agreed on.
    fn has(&self, features: Features) -> bool {
        self.agreement()
            .is_some_and(|agreement| agreement.features.contains(features))
    }

    /// Asks the peer to negotiate; it has until `deadline` (in ticks) to answer.
    ///
    /// # Errors
    /// [`NegotiateError::Repeated`].
    pub fn negotiate(&mut self, deadline: u64) -> Result<(), NegotiateError> {
        self.negotiation.ask(deadline)
    }

    /// Whether this side's offer is still to be sent. What is in the ring then was meant for an earlier one, or is the peer's own offer:
    /// it is to be taken in before, as an answer among it would pass for one to this offer after.
    #[must_use]
    pub const fn is_about_to_offer(&self) -> bool {
        matches!(self.negotiation.reply, Some(Reply::Offer))
    }

    /// The number that the next message of this side's gets.
    #[must_use]
    pub const fn next_message_id(&self) -> u64 {
        self.next_message
    }

    /// Numbers messages from `id` on, as after those of an earlier session of this side's: what still
    /// refers to them is not taken for one of these. At least 1.
    pub const fn number_from(&mut self, id: u64) {
        self.next_message = if id == 0 { 1 } else { id };
    }

    /// What was dropped so far.
    #[must_use]
    pub const fn counters(&self) -> SessionCounters {
        self.counters
    }

    /// Messages of which not all chunks have come.
    #[must_use]
    pub fn arriving(&self) -> usize {
        self.inbound.len()
    }

    /// Calls that wait for their answers.
    #[must_use]
    pub fn pending_calls(&self) -> usize {
        self.calls.len()
    }

    /// Whether a call waits of whose request nothing was sent, so that nobody executes it.
    #[must_use]
    pub fn is_unbegun(&self, id: u64) -> bool {
        self.calls.is_unbegun(id)
    }

    /// Streams that are not closed.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// The state of a stream, if there is one.
    #[must_use]
    pub fn stream(&self, connection: u64) -> Option<StreamState> {
        self.streams.state(connection)
    }

    /// Whether [`Session::control`] would give a packet.
    #[inline]
    #[must_use]
    pub fn has_control(&self) -> bool {
        self.negotiation.reply.is_some() || !self.outbox.is_empty() || self.streams.has_telling()
    }

    /// The packet to send next, if there is one; say so once it is sent.
    #[must_use]
    pub fn control(&self) -> Option<(Control, Packet)> {
        let mut packet = Sound::EMPTY;
        let control = self.tell(&mut packet)?;
        Some((control, packet.packet()))
    }

    /// As [`Session::control`], in place.
    #[inline]
    pub(super) fn tell(&self, packet: &mut Sound) -> Option<Control> {
        if self.negotiation.tell(packet) {
            return Some(Control(Source::Negotiation));
        }
        // Answers first: where both ends give the same ids, a dial must not come before the refusal
        // of the peer's, nor the end of a stream before what was given up on it.
        if self.outbox.tell(packet) {
            return Some(Control(Source::Outbox));
        }
        let telling = self.streams.tell(packet)?;
        Some(Control(Source::Streams(telling)))
    }

    /// Notes that what [`Session::control`] gave was sent.
    pub fn control_sent(&mut self, control: Control) {
        match control.0 {
            Source::Negotiation => self.negotiation.reply = None,
            Source::Streams(telling) => self.streams.told(telling),
            Source::Outbox => self.outbox.pop(),
        }
    }

    /// Whether what there is to tell ([`Session::control`]) will soon be dropped unless some of it is sent.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.outbox.is_crowded()
    }

    /// Queues what the peer is to be told of a message; `false` where there is no room.
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    fn post(&mut self, key: &MessageKey, posting: Posting) -> bool {
        let posted = self.outbox.push(key, posting);
        self.counters.unsent += u64::from(!posted);
        posted
    }

    fn post_refusal(&mut self, connection: u64) {
        let key = MessageKey {
            connection,
            id: 0,
            kind: MessageKind::Plain,
        };
        let _ = self.post(&key, Posting::Refusal);
    }

    fn post_abort(&mut self, key: &MessageKey) {
        let _ = self.post(key, Posting::Abort);
    }

    /// What a chunk of `len` bytes counts for in its stream's credit.
    fn cost(&self, len: usize) -> usize {
        len.max(LEAST_COST.min(self.buffer_size))
    }

    /// Whether streams that the peer wants are offered to this side, or refused.
    pub const fn listen(&mut self, listening: bool) {
        self.streams.listening = listening;
    }

    /// Asks the peer for a stream: [`Notice::Opened`] or [`Notice::Refused`] follows. `None` where
    /// there is no room for one, or nothing was agreed on.
    pub fn dial(&mut self) -> Option<u64> {
        self.agreement()?;
        self.streams.dial()
    }

    /// Accepts a stream that was offered; `false` where it was not.
    pub fn accept_stream(&mut self, connection: u64) -> bool {
        self.streams.accept(connection)
    }

    /// Refuses a stream that was offered; `false` where it was not.
    pub fn refuse_stream(&mut self, connection: u64) -> bool {
        self.streams.state(connection) == Some(StreamState::Offered)
            && self.streams.close(connection, Reason::NORMAL)
    }

    /// Closes a stream: its calls fail, and what arrives on it is dropped; not so requests in format 1
    /// ([`Session::keeps_requests`]). One that was offered and not accepted is refused. `false` where there
    /// is none.
    pub fn close_stream(&mut self, connection: u64, reason: Reason) -> bool {
        let known = self.streams.close(connection, reason);
        if known {
            self.end_stream(connection, self.keeps_requests());
        }
        known
    }

    /// Whether requests that arrive on a stream go on when this side closes it: in format 1, where the
    /// peer may have made them without that stream, or on another one of the same id, and then learns
    /// nothing of its end. If it does learn of it, it gives them up.
    #[must_use]
    pub const fn keeps_requests(&self) -> bool {
        matches!(self.format, Format::V1)
    }

    fn end_stream(&mut self, connection: u64, but_requests: bool) {
        self.inbound.discard_connection(connection, but_requests);
        self.calls.fail_connection(connection);
    }

    /// Whether that was [stopped](Session::set_paused) on a stream; 0 is the link itself.
    #[must_use]
    pub fn is_paused(&self, connection: u64) -> bool {
        self.streams.is_paused(connection)
    }

    /// Whether the peer may wait for credit on a stream: a full buffer is more than it has left there.
    #[must_use]
    pub fn is_spent(&self, connection: u64) -> bool {
        self.streams.is_spent(connection, self.buffer_size)
    }

    /// Whether the peer waits for credit on a stream whatever it sends there: the shortest chunk is more than it has
    /// left.
    #[must_use]
    pub fn is_exhausted(&self, connection: u64) -> bool {
        self.streams.is_spent(connection, self.cost(0))
    }

    /// Stops telling the peer that bytes were taken off a stream, or goes on: with credits it will
    /// stop sending there, and there alone. 0 is the link itself.
    pub fn set_paused(&mut self, connection: u64, paused: bool) {
        if self.streams.set_paused(connection, paused) && !paused {
            self.inbound.resume(connection, self.attention.counted());
        }
    }
}
