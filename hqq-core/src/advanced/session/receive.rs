//! What packets that come mean to a session, and which messages die.

use super::super::calls::CallFailure;
use super::super::inbound::{Arrival, DiscardReason, MessageKey, Reception, Terms};
use super::super::negotiate::{NegotiateError, NegotiationState};
use super::super::streams::StreamState;
use super::outbox::Posting;
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
        if !self.may_have_notice() {
            return None;
        }
        let mut step = Step::Nothing;
        self.look_for_notice(now, &mut step);
        match step {
            Step::Notice(notice) => Some(notice),
            _ => None,
        }
    }

    /// Whether it is worth to [look for](Self::look_for_notice) something to report.
    #[inline]
    pub(in super::super) fn may_have_notice(&self) -> bool {
        !self.inbound.is_empty()
            || self.calls.has_failed()
            || self.displaced.is_some()
            || matches!(self.negotiation.state, NegotiationState::Asked)
    }

    /// As [`Session::next_notice`], in place: leaves `step` as it is where there is none.
    // Every notice is written where it stays: copies of them are a good part of a small program.
    #[inline(never)]
    pub(in super::super) fn look_for_notice(&mut self, now: u64, step: &mut Step) {
        if let Some(key) = self.displaced.take() {
            self.discarded(&key, DiscardReason::NoRoom, step);
        }
        if let Step::Nothing = step
            && self.negotiation.tick(now)
        {
            *step = Step::Notice(Notice::NegotiationFailed(NegotiateError::TimedOut));
        }
        let horizon = self.horizon();
        // Each round forgets a message; of responses, the calls below tell.
        while let Step::Nothing = step
            && let Some((_, stale)) = self.inbound.oldest(horizon, |key| self.is_held(key))
        {
            self.inbound.discard(&stale);
            self.discarded(&stale, DiscardReason::Stale, step);
        }
        if let Step::Nothing = step
            && let Some((connection, id, failure)) = self.calls.take_failed()
        {
            *step = Step::Notice(Notice::CallFailed {
                connection,
                id,
                failure,
            });
        }
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
            other => {
                let mut step = Step::Nothing;
                self.accept_sound(&other.into(), len, &mut step);
                step
            }
        }
    }

    /// As [`Session::accept`], for a chunk of a message.
    #[inline]
    pub fn accept_copy(&mut self, packet: &ConnectionCopy, len: usize) -> Step {
        self.attention.taken();
        if let Some(arrival) = self.accept_at_once(packet, len) {
            return Step::Chunk(arrival);
        }
        let mut step = Step::Nothing;
        self.accept_chunk(packet, len, &mut step);
        step
    }

    /// As [`Session::accept`], in place: leaves `step` as it is where there is nothing to know.
    // Kept out of the way of chunks; those come here where programs have to be small, and one way has to
    // do for all packets.
    #[inline(never)]
    pub(in super::super) fn accept_sound(&mut self, packet: &Sound, len: usize, step: &mut Step) {
        self.attention.taken();
        let operands = &packet.operands;
        let [connection, ..] = *operands;
        let notice = match packet.opcode {
            Opcode::StandardTombstone => return,
            Opcode::ConnectionCopy => {
                return self.accept_chunk(&ConnectionCopy::sound(operands), len, step);
            }
            Opcode::ConnectionCreate => match self.accept_offer(connection) {
                Some(notice) => notice,
                None => return,
            },
            Opcode::ConnectionAccept => {
                if !self.streams.accepted(connection) {
                    return;
                }
                Notice::Opened(connection)
            }
            Opcode::ConnectionClose => match self.streams.remove(connection) {
                None | Some(StreamState::Closing) => return,
                Some(_) => {
                    // Its calls have failed over there.
                    self.end_stream(connection, false);
                    let reason = ConnectionClose::sound(operands).reason;
                    Notice::Closed { connection, reason }
                }
            },
            Opcode::ConnectionCredit if self.has(Features::CREDIT) => {
                let credit = ConnectionCredit::sound(operands);
                self.streams.credited(connection, credit.bytes);
                return;
            }
            Opcode::Negotiate => {
                let changed = self.negotiation.asked(&Negotiate::sound(operands));
                return self.negotiated(changed, step);
            }
            Opcode::NegotiateAck => {
                let changed = self.negotiation.answered(&NegotiateAck::sound(operands));
                return self.negotiated(changed, step);
            }
            Opcode::Error => {
                let code = ErrorPacket::sound(operands).code;
                if connection == 0 && self.negotiation.refused(code) {
                    return self.negotiated(true, step);
                }
                if self.streams.refused(connection) {
                    Notice::Refused { connection, code }
                } else {
                    Notice::PeerError {
                        context: connection,
                        code,
                    }
                }
            }
            other => Notice::Unexpected(other),
        };
        *step = Step::Notice(notice);
    }

    fn negotiated(&mut self, changed: bool, step: &mut Step) {
        if !changed {
            return;
        }
        let notice = match self.negotiation.state {
            NegotiationState::Agreed(agreement) => {
                if agreement.features.contains(Features::CREDIT) {
                    self.streams.set_window(self.window);
                }
                Notice::Negotiated(agreement)
            }
            NegotiationState::Failed(error) => Notice::NegotiationFailed(error),
            _ => return,
        };
        *step = Step::Notice(notice);
    }

    fn accept_offer(&mut self, connection: u64) -> Option<Notice> {
        let offered = match self.agreement() {
            Some(_) => self.streams.offered(connection),
            None => None,
        };
        match offered {
            Some(true) if self.streams.state(connection) == Some(StreamState::Open) => {
                Some(Notice::Opened(connection))
            }
            Some(true) => Some(Notice::Offered(connection)),
            Some(false) => None,
            None => {
                self.post_refusal(connection);
                None
            }
        }
    }

    #[inline(never)]
    fn accept_chunk(&mut self, packet: &ConnectionCopy, len: usize, step: &mut Step) {
        let mut arrival = Arrival::of(packet, len);
        let chunk = packet.chunk();
        let MessageKey {
            connection,
            id,
            kind,
        } = arrival.key;
        if !packet.is_abort() {
            // Whatever becomes of it, it is off the stream.
            self.streams.received(connection, self.cost(len));
        }
        let is_response = kind == MessageKind::Response;
        if is_response && !self.calls.is_pending(connection, id) {
            self.counters.late += 1;
            return;
        }
        let reception = match self.objection(packet) {
            // The message it begins, if it does, dies with it.
            Some(reason)
                if self.inbound.discard(&arrival.key) || chunk.flags.contains(CopyFlags::BEGIN) =>
            {
                Reception::Discarded(reason)
            }
            Some(_) => Reception::Stray,
            None => {
                let terms = Terms {
                    now: self.attention.counted(),
                    horizon: self.horizon(),
                    max: self.limit(chunk),
                };
                self.inbound
                    .receive(packet, &mut arrival, &terms, &mut self.displaced)
            }
        };
        match reception {
            Reception::Arrived => {
                if arrival.last && is_response {
                    let _ = self.calls.remove(connection, id);
                }
                *step = Step::Chunk(arrival);
            }
            Reception::Aborted if is_response => {
                self.calls.fail(connection, id, CallFailure::Aborted);
            }
            Reception::Aborted => *step = Step::Notice(Notice::Aborted(arrival.key)),
            Reception::Discarded(reason) => self.discarded(&arrival.key, reason, step),
            Reception::Stray => self.counters.stray += 1,
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

    /// Tells whom it concerns that a message died: the one way for all of them. Of a response, the
    /// call says so.
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    fn discarded(&mut self, key: &MessageKey, reason: DiscardReason, step: &mut Step) {
        self.counters.discarded += 1;
        match key.kind {
            MessageKind::Plain => {}
            MessageKind::Request => self.post_failure(key, reason),
            MessageKind::Response => {
                let failure = CallFailure::Discarded(reason);
                self.calls.fail(key.connection, key.id, failure);
                // The callee need not send the rest.
                let kind = MessageKind::Request;
                self.post_abort(&MessageKey { kind, ..*key });
                return;
            }
        }
        *step = Step::Notice(Notice::Discarded(*key, reason));
    }

    /// Answers a request that died on its way.
    fn post_failure(&mut self, key: &MessageKey, reason: DiscardReason) {
        let code = match reason {
            // Nor may responses be sent: who did not agree on calls takes no answer.
            DiscardReason::NotAgreed if !self.has(Features::REQUEST_RESPONSE) => return,
            DiscardReason::TooLong { .. } | DiscardReason::NoRoom => ErrorCode::BufferOverflow,
            DiscardReason::UnknownConnection => ErrorCode::ConnectionNotFound,
            _ => ErrorCode::InvalidOperation,
        };
        if self.post(key, Posting::Failure(code)) {
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

    /// As [`Session::discard`], for another reason, which the sender of a request is told as far as there is a
    /// code for it.
    pub fn discard_for(&mut self, key: &MessageKey, reason: DiscardReason) -> Option<Notice> {
        let mut step = Step::Nothing;
        if self.inbound.discard(key) {
            self.discarded(key, reason, &mut step);
        }
        match step {
            Step::Notice(notice) => Some(notice),
            _ => None,
        }
    }

    /// As [`Session::discard`], in place: leaves `step` as it is where there is nothing to know.
    #[cold]
    #[inline(never)]
    pub(in super::super) fn drop_telling(&mut self, key: &MessageKey, step: &mut Step) {
        if self.inbound.discard(key) {
            self.discarded(key, DiscardReason::Dropped, step);
        }
    }
}
