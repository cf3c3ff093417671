//! What packets that come mean to a session, and which messages die.

use super::super::calls::CallFailure;
use super::super::inbound::{DiscardReason, MessageKey, Reception};
use super::super::negotiate::{NegotiateError, NegotiationState};
use super::super::streams::StreamState;
use super::super::transfer::Transfer;
use super::{Notice, Session, Step};
use crate::layout::Format;
use crate::packet::{
    Chunk, ConnectionClose, ConnectionCopy, ConnectionCredit, CopyFlags, ErrorCode, ErrorPacket,
    Features, MessageKind, Negotiate, NegotiateAck, Opcode, Packet, Sound, UNKNOWN_SIZE,
};

impl<const ASSEMBLIES: usize, const PENDING: usize, const CONNECTIONS: usize>
    Session<ASSEMBLIES, PENDING, CONNECTIONS>
{
    /// What happened without a packet, or beside one: time passed, calls failed with their stream.
    #[inline]
    pub fn next_notice(&mut self, now: u64) -> Option<Notice> {
        let may_be_one = self.inbound.len() > 0
            || self.calls.has_failed()
            || self.displaced.is_some()
            || matches!(self.negotiation.state, NegotiationState::Asked);
        if may_be_one {
            self.look_for_notice(now)
        } else {
            None
        }
    }

    #[inline(never)]
    fn look_for_notice(&mut self, now: u64) -> Option<Notice> {
        let displaced = self.displaced.take();
        if let Some(key) = displaced
            && let Some(notice) = self.discarded(key, DiscardReason::NoRoom)
        {
            return Some(notice);
        }
        if self.negotiation.tick(now) {
            return Some(Notice::NegotiationFailed(NegotiateError::TimedOut));
        }
        let horizon = self.horizon();
        // Each round forgets a message; of responses, the calls below tell.
        while let Some((_, stale)) = self.inbound.oldest(horizon, |key| self.is_held(key)) {
            self.inbound.discard(&stale);
            if let Some(notice) = self.discarded(stale, DiscardReason::Stale) {
                return Some(notice);
            }
        }
        let (connection, id, failure) = self.calls.take_failed()?;
        Some(Notice::CallFailed {
            connection,
            id,
            failure,
        })
    }

    /// The first tick at which [`Session::next_notice`] may have something to say although no packet has
    /// come: the peer has not answered an offer, or a message that arrives has stood still for too long.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let oldest = self.inbound.oldest(u64::MAX, |key| self.is_held(key));
        let stale = oldest.and_then(|(last, _)| {
            let due = last.checked_add(self.options.patience)?.checked_add(1)?;
            Some(self.attention.when(due))
        });
        [self.negotiation.deadline(), stale]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether what arrives stands still because this side holds it up.
    fn is_held(&self, key: &MessageKey) -> bool {
        self.has(Features::CREDIT) && self.streams.is_paused(key.connection)
    }

    /// A message that still arrives must not have stood still since [`Attention`] had counted so much.
    const fn horizon(&self) -> u64 {
        let counted = self.attention.counted();
        counted.saturating_sub(self.options.patience)
    }

    /// Notes that all that had come was taken in: the ring is empty at `now`. Messages of which nothing
    /// comes grow old only between two such moments, so that none dies because this side did not look, or
    /// looked late.
    #[inline]
    pub fn emptied(&mut self, now: u64) {
        self.attention.emptied(now, self.options.patience);
    }

    /// Takes in a packet that has `len` bytes in its buffer.
    #[inline]
    pub fn accept(&mut self, packet: &Packet, len: usize) -> Step {
        match packet {
            Packet::ConnectionCopy(copy) => self.accept_copy(copy, len),
            other => self.accept_other(&other.into()),
        }
    }

    /// As [`Session::accept`], for a chunk of a message.
    #[inline]
    pub fn accept_copy(&mut self, packet: &ConnectionCopy, len: usize) -> Step {
        self.attention.taken();
        // Where programs have to be small, one way does for all.
        let at_once = if cfg!(target_pointer_width = "64") {
            self.accept_at_once(packet, len)
        } else {
            None
        };
        match at_once {
            Some(arrival) => Step::Chunk(arrival),
            None => self.accept_chunk(packet, len),
        }
    }

    // Kept out of the way of chunks.
    #[inline(never)]
    pub(in super::super) fn accept_other(&mut self, packet: &Sound) -> Step {
        self.attention.taken();
        let operands = &packet.operands;
        let [connection, ..] = *operands;
        match packet.opcode {
            Opcode::ConnectionCopy | Opcode::StandardTombstone => Step::Nothing,
            Opcode::ConnectionCreate => self.accept_offer(connection),
            Opcode::ConnectionAccept => {
                if self.streams.accepted(connection) {
                    Step::Notice(Notice::Opened(connection))
                } else {
                    Step::Nothing
                }
            }
            Opcode::ConnectionClose => match self.streams.remove(connection) {
                None | Some(StreamState::Closing) => Step::Nothing,
                Some(_) => {
                    // Its calls have failed over there.
                    self.end_stream(connection, false);
                    let reason = ConnectionClose::sound(operands).reason;
                    Step::Notice(Notice::Closed { connection, reason })
                }
            },
            Opcode::ConnectionCredit if self.has(Features::CREDIT) => {
                let credit = ConnectionCredit::sound(operands);
                self.streams.credited(connection, credit.bytes);
                Step::Nothing
            }
            Opcode::Negotiate => {
                let changed = self.negotiation.asked(&Negotiate::sound(operands));
                self.negotiated(changed)
            }
            Opcode::NegotiateAck => {
                let changed = self.negotiation.answered(&NegotiateAck::sound(operands));
                self.negotiated(changed)
            }
            Opcode::Error => self.accept_error(&ErrorPacket::sound(operands)),
            other => Step::Notice(Notice::Unexpected(other)),
        }
    }

    fn negotiated(&mut self, changed: bool) -> Step {
        match self.negotiation.state {
            NegotiationState::Agreed(agreement) if changed => {
                if agreement.features.contains(Features::CREDIT) {
                    self.streams.set_window(self.window);
                }
                Step::Notice(Notice::Negotiated(agreement))
            }
            NegotiationState::Failed(error) if changed => {
                Step::Notice(Notice::NegotiationFailed(error))
            }
            _ => Step::Nothing,
        }
    }

    fn accept_error(&mut self, packet: &ErrorPacket) -> Step {
        let (context, code) = (packet.context_id, packet.code);
        if context == 0 && self.negotiation.refused(code) {
            return self.negotiated(true);
        }
        if self.streams.refused(context) {
            return Step::Notice(Notice::Refused {
                connection: context,
                code,
            });
        }
        Step::Notice(Notice::PeerError { context, code })
    }

    fn accept_offer(&mut self, connection: u64) -> Step {
        let offered = match self.agreement() {
            Some(_) => self.streams.offered(connection),
            None => None,
        };
        match offered {
            Some(true) if self.streams.state(connection) == Some(StreamState::Open) => {
                Step::Notice(Notice::Opened(connection))
            }
            Some(true) => Step::Notice(Notice::Offered(connection)),
            Some(false) => Step::Nothing,
            None => {
                self.post_refusal(connection);
                Step::Nothing
            }
        }
    }

    #[inline(never)]
    fn accept_chunk(&mut self, packet: &ConnectionCopy, len: usize) -> Step {
        let chunk = packet.chunk();
        let key = MessageKey {
            connection: chunk.connection_id,
            id: chunk.message_id,
            kind: packet.kind(),
        };
        if !packet.is_abort() {
            // Whatever becomes of it, it is off the stream.
            self.streams.received(key.connection, self.cost(len));
        }
        if key.kind == MessageKind::Response && !self.calls.is_pending(key.connection, key.id) {
            self.counters.late += 1;
            return Step::Nothing;
        }
        if let Some(reason) = self.objection(packet) {
            return self.refuse(chunk, key, reason);
        }
        let max = self.limit(chunk);
        let now = self.attention.counted();
        let horizon = self.horizon();
        let may_displace = self.displaced.is_none();
        let reception = self
            .inbound
            .receive(packet, len, now, horizon, max, may_displace);
        match reception {
            Reception::Arrived(arrival, displaced) => {
                self.displaced = self.displaced.or(displaced);
                if arrival.last && key.kind == MessageKind::Response {
                    let _ = self.calls.remove(key.connection, key.id);
                }
                Step::Chunk(arrival)
            }
            Reception::Aborted if key.kind == MessageKind::Response => {
                self.calls
                    .fail(key.connection, key.id, CallFailure::Aborted);
                Step::Nothing
            }
            Reception::Aborted => Step::Notice(Notice::Aborted(key)),
            Reception::Discarded(reason) => self.discarded(key, reason).into(),
            Reception::Stray => {
                self.counters.stray += 1;
                Step::Nothing
            }
        }
    }

    /// The most bytes that the message of a chunk may have.
    #[cfg_attr(target_pointer_width = "64", inline)]
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    fn limit(&self, chunk: &Chunk) -> u64 {
        let max = self.options.max_message_size;
        let is_whole = chunk.flags.contains(CopyFlags::BEGIN | CopyFlags::END);
        match self.assembled {
            Some(assembled) if !is_whole => assembled.min(max),
            None if chunk.total_size == UNKNOWN_SIZE => UNKNOWN_SIZE,
            _ => max,
        }
    }

    /// Why a chunk cannot be taken, whatever came before it.
    #[cfg_attr(target_pointer_width = "64", inline)]
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    fn objection(&self, packet: &ConnectionCopy) -> Option<DiscardReason> {
        let chunk = packet.chunk();
        let is_whole = chunk.flags.contains(CopyFlags::BEGIN | CopyFlags::END);
        let mut needed = match packet.kind() {
            // Its sender may have no need to know of longer ones.
            MessageKind::Plain if is_whole || packet.is_abort() => Features::EMPTY,
            MessageKind::Plain => Features::LARGE_COPY,
            MessageKind::Request | MessageKind::Response => Features::REQUEST_RESPONSE,
        };
        if chunk.total_size == UNKNOWN_SIZE {
            needed = needed | Features::UNKNOWN_SIZE;
        }
        if !self.has(needed) {
            return Some(DiscardReason::NotAgreed);
        }
        let known = chunk.connection_id == 0
            || self.format == Format::V1
            || self.streams.state(chunk.connection_id) == Some(StreamState::Open);
        (!known).then_some(DiscardReason::UnknownConnection)
    }

    /// Drops a chunk; the message it begins, if it does, dies with it.
    fn refuse(&mut self, chunk: &Chunk, key: MessageKey, reason: DiscardReason) -> Step {
        let known = self.inbound.discard(&key);
        if known || chunk.flags.contains(CopyFlags::BEGIN) {
            return self.discarded(key, reason).into();
        }
        self.counters.stray += 1;
        Step::Nothing
    }

    /// Tells whom it concerns that a message died: the one way for all of them. Of a response, the
    /// call says so.
    fn discarded(&mut self, key: MessageKey, reason: DiscardReason) -> Option<Notice> {
        self.counters.discarded += 1;
        match key.kind {
            MessageKind::Plain => {}
            MessageKind::Request => self.post_failure(key, reason),
            MessageKind::Response => {
                let failure = CallFailure::Discarded(reason);
                self.calls.fail(key.connection, key.id, failure);
                // The callee need not send the rest.
                let kind = MessageKind::Request;
                self.post_abort(&MessageKey { kind, ..key });
                return None;
            }
        }
        Some(Notice::Discarded(key, reason))
    }

    /// Answers a request that died on its way.
    fn post_failure(&mut self, key: MessageKey, reason: DiscardReason) {
        let code = match reason {
            // Nor may responses be sent: who did not agree on calls takes no answer.
            DiscardReason::NotAgreed => return,
            DiscardReason::TooLong { .. } | DiscardReason::NoRoom => ErrorCode::BufferOverflow,
            DiscardReason::UnknownConnection => ErrorCode::ConnectionNotFound,
            _ => ErrorCode::InvalidOperation,
        };
        let key = MessageKey {
            kind: MessageKind::Response,
            ..key
        };
        let answer = Transfer::new(key, Some(0), code.as_code(), true, false);
        if let Some(packet) = answer.chunk(0, true)
            && self.post(packet)
        {
            // The peer cannot tell it from an answer that waited for credit.
            self.streams.sent(key.connection, self.cost(0));
        }
    }

    /// Gives up a message that arrives, for want of interest; its other chunks will be
    /// dropped. `None` where none arrives, or where it is a response: the call says so then.
    pub fn discard(&mut self, key: &MessageKey) -> Option<Notice> {
        self.discard_for(key, DiscardReason::Dropped)
    }

    /// As [`Session::discard`], for want of room: the sender of a request is told so.
    pub fn discard_for_room(&mut self, key: &MessageKey) -> Option<Notice> {
        self.discard_for(key, DiscardReason::NoRoom)
    }

    fn discard_for(&mut self, key: &MessageKey, reason: DiscardReason) -> Option<Notice> {
        if !self.inbound.discard(key) {
            return None;
        }
        self.discarded(*key, reason)
    }
}
