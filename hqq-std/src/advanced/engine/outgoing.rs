//! What is sent: chunks, and what there is to say besides; calls from their beginning to their end.

use std::sync::{Arc, Weak};

use hdrhistogram::Histogram;
use hqq_core::TrySendError;
use hqq_core::advanced::session::Control;
use hqq_core::advanced::{ChunkRefusal, MessageKey, PollError, Transfer};
use hqq_core::packet::{ConnectionCopy, ErrorCode, MessageKind, Packet};

use super::super::arriving::Share;
use super::super::error::{LinkFailure, TransferError};
use super::super::owner::Owner;
use super::super::request::Request;
use super::super::waiters::Interest;
use super::served::Ticket;
use super::turns::{Lack, Place};
use super::{Advance, Engine, PUT_OFF, PendingCall};

impl Engine {
    /// Whether something besides messages waits for room in the ring.
    pub(in crate::advanced) fn has_control(&self) -> bool {
        self.failure.is_none() && (self.session.has_control() || !self.refusals.is_empty())
    }

    /// Packets that the peer has not taken out of the ring.
    pub(in crate::advanced) fn unread(&self) -> usize {
        self.sender.unread()
    }

    /// Sends what is to be sent besides messages; says whether anything was.
    pub(super) fn flush(&mut self) -> bool {
        if !self.session.has_control() && self.refusals.is_empty() || self.is_between_peers {
            return false;
        }
        let mut progress = false;
        while let Some((control, packet)) = self.next_control() {
            if let Err(error) = self.sender.core().try_send_packet(&packet) {
                let _ = self.unsent(error);
                self.put_off();
                return progress;
            }
            match control {
                Some(control) => self.session.control_sent(control),
                None => drop(self.put_off.pop_front()),
            }
            if let Packet::ConnectionAccept(_) | Packet::NegotiateAck(_) = packet {
                // Chunks may follow it now, and whoever drives does not see that it was sent.
                self.waiters.wake(Interest::Any);
            }
            progress = true;
        }
        while let Some(mut transfer) = self.refusals.pop_front() {
            let advance = self.advance(&mut transfer, &[], true);
            if let Advance::NoRoom | Advance::NoCredit | Advance::Left(_) = advance {
                self.refusals.push_front(transfer);
                break;
            }
            progress = true;
        }
        progress
    }

    /// The next packet of what is to be said, and which of the session's it is, unless it was put off.
    fn next_control(&self) -> Option<(Option<Control>, Packet)> {
        if let Some(packet) = self.put_off.front() {
            return Some((None, *packet));
        }
        let (control, packet) = self.session.control()?;
        Some((Some(control), packet))
    }

    /// Keeps what the session has to say where it would drop more, as the ring is full: many calls may be
    /// given up at once, and each callee is to learn of it.
    fn put_off(&mut self) {
        while self.session.is_crowded()
            && self.put_off.len() < PUT_OFF
            && let Some((control, packet)) = self.session.control()
            // Else chunks could pass the answer to an offer that they depend on.
            && let Packet::ConnectionCopy(_) | Packet::Error(_) = packet
        {
            self.put_off.push_back(packet);
            self.session.control_sent(control);
        }
    }

    /// What it means that a packet was not sent. Where the peer has left, what it had sent before is received
    /// first: the link fails once there is no more of that.
    fn unsent(&mut self, error: TrySendError) -> Advance {
        let failure = match error {
            TrySendError::Disconnected => LinkFailure::Disconnected,
            TrySendError::PeerDead => LinkFailure::PeerDead,
            TrySendError::Corrupt(found) => {
                self.fail(LinkFailure::Corrupt(PollError::Corrupt(found)));
                return Advance::NoRoom;
            }
            _ => return Advance::NoRoom,
        };
        if !self.receiver.is_readable() {
            self.fail(failure);
        }
        Advance::Left(failure)
    }

    /// The next chunk of a message, as for [`Engine::advance`], or why there is none now.
    #[inline]
    fn next_chunk(
        &self,
        transfer: &Transfer,
        bytes: &[u8],
        ends: bool,
    ) -> Result<ConnectionCopy, Advance> {
        let key = transfer.key();
        let is_given_up = match key.kind {
            MessageKind::Request => !self.calls.contains_key(&key.id),
            // It was for an earlier peer.
            MessageKind::Plain => self.is_of_earlier_peer(key.id),
            MessageKind::Response => false,
        };
        if is_given_up {
            return Err(Advance::Closed);
        }
        let chunk = self.session.next_chunk(transfer, bytes.len() as u64, ends);
        chunk.map_err(|refusal| match refusal {
            ChunkRefusal::NoCredit => Advance::NoCredit,
            ChunkRefusal::Finished => Advance::Finished,
            _ => Advance::Closed,
        })
    }

    /// Sends the next chunk of a message, of which `bytes` come next; `ends` where its size was not
    /// known and these are its last.
    pub(in crate::advanced) fn advance(
        &mut self,
        transfer: &mut Transfer,
        bytes: &[u8],
        ends: bool,
    ) -> Advance {
        // First what is to be said, which else would get more and more where chunks take all room.
        if self.session.has_control() {
            self.flush();
        }
        let packet = match self.next_chunk(transfer, bytes, ends) {
            Ok(packet) => packet,
            Err(advance) => return advance,
        };
        let len = usize::try_from(packet.chunk().chunk_size).unwrap_or(usize::MAX);
        let chunk = bytes.get(..len).unwrap_or_default();
        match self.sender.core().try_send_chunk(packet, chunk) {
            Ok(()) => {
                self.session.chunk_sent(transfer, &packet);
                self.recorder.bytes_sent += len as u64;
                Advance::Sent(len)
            }
            Err(error) => self.unsent(error),
        }
    }

    /// As [`Engine::advance`], where others may wait for room or credit, too: `place` is among them, once there was
    /// none. Whoever has one gives it up in the end.
    pub(in crate::advanced) fn advance_in_turn(
        &mut self,
        transfer: &mut Transfer,
        bytes: &[u8],
        ends: bool,
        place: &mut Option<Place>,
    ) -> Advance {
        let stream = transfer.key().connection;
        // Where a waker sends that the first of them calls, that one waits for this one.
        if self.nested == 0
            && let Some(lack) = self.turns.lack(*place, stream)
        {
            let advance = self.turned_away(transfer, bytes, ends, lack);
            match advance {
                Advance::NoRoom | Advance::NoCredit => self.wait_in_turn(place, lack),
                _ => self.leave_place(place),
            }
            return advance;
        }
        let advance = self.advance(transfer, bytes, ends);
        match advance {
            Advance::NoRoom => self.wait_in_turn(place, Lack::Room),
            // Else whoever sends a long message could take all credit that comes before this one looks.
            Advance::NoCredit => self.wait_in_turn(place, Lack::Credit(stream)),
            Advance::Sent(_) => self.turns.sent(*place, stream),
            // It waits for something else.
            _ => self.leave_place(place),
        }
        advance
    }

    /// As [`Engine::advance_in_turn`], for a task. It has no place: nobody knows when it is polled again, and
    /// those behind it would wait for that.
    pub(in crate::advanced) fn advance_between(
        &mut self,
        transfer: &mut Transfer,
        bytes: &[u8],
        ends: bool,
    ) -> Advance {
        let stream = transfer.key().connection;
        if self.nested == 0
            && let Some(lack) = self.turns.lack(None, stream)
        {
            self.turns.turned_away(lack);
            return self.turned_away(transfer, bytes, ends, lack);
        }
        let advance = self.advance(transfer, bytes, ends);
        if let Advance::Sent(_) = advance {
            self.turns.sent(None, stream);
        }
        advance
    }

    /// It is another one's turn, and this message waits for the same; unless it is over, as a request is that was
    /// answered early: then it waits for nobody.
    #[cold]
    fn turned_away(&self, transfer: &Transfer, bytes: &[u8], ends: bool, lack: Lack) -> Advance {
        match (self.next_chunk(transfer, bytes, ends), lack) {
            (Err(over @ (Advance::Finished | Advance::Closed)), _) => over,
            (_, Lack::Room) => Advance::NoRoom,
            // There may be room, which tells nothing.
            (_, Lack::Credit(_)) => Advance::NoCredit,
        }
    }

    fn wait_in_turn(&mut self, place: &mut Option<Place>, lack: Lack) {
        if self.turns.wait(place, lack) {
            self.waiters.wake(Interest::Room);
        }
    }

    /// Gives up a place among those who wait for room or credit, if it is one: it may be the next one's turn.
    pub(in crate::advanced) fn leave_place(&mut self, place: &mut Option<Place>) {
        let Some(place) = place.take() else {
            return;
        };
        let next = self.turns.leave(place);
        if next.room {
            self.waiters.wake(Interest::Room);
        }
        if next.credit {
            self.waiters.wake(Interest::Any);
        }
    }

    /// Notes that a call was begun.
    pub(in crate::advanced) fn call_begun(&mut self, key: &MessageKey, streamed: bool) {
        let began = self.recorder.begun();
        let call = PendingCall::new(key.connection, began, streamed);
        self.calls.insert(key.id, call);
    }

    /// The request of a call could not be sent to its end; where that is as the call is over, it has its
    /// answer, or why there is none.
    pub(in crate::advanced) fn call_unsent(&mut self, id: u64, error: TransferError) {
        if let Some(call) = self.calls.get_mut(&id).filter(|call| !call.is_over()) {
            call.unsent = Some(error);
            self.waiters.wake(Interest::Call(id));
        }
    }

    /// Gives a call up, answered or not.
    pub(in crate::advanced) fn end_call(&mut self, id: u64) {
        if let Some(call) = self.calls.remove(&id) {
            if !call.is_over() {
                self.waiters.wake_request(id);
            }
            self.session.cancel_call(call.connection, id);
            if let Some(answer) = &call.answer {
                self.account(call.connection, Share::default(), answer.accounted);
            }
            self.flush();
        }
    }

    /// Reads from the answer to a call; the rest of its stream goes on once there is room.
    pub(in crate::advanced) fn read_answer(&mut self, id: u64, to: &mut [u8]) -> usize {
        let Some(call) = self.calls.get_mut(&id) else {
            return 0;
        };
        let kept = &mut self.kept;
        let read = call
            .answer
            .as_mut()
            .map_or(0, |answer| answer.read(to, kept));
        self.recount_answer(id);
        self.flush();
        read
    }

    /// Notes that a request was handed out; what this gives says whether its caller has given up.
    pub(in crate::advanced) fn serve(&mut self, key: MessageKey) -> Arc<Ticket> {
        self.served.begin(key.connection, key.id)
    }

    /// Says which link requests are answered on; before the first of them.
    pub(in crate::advanced) fn set_owner(&mut self, owner: &Weak<Owner>) {
        self.served.set_owner(owner);
    }

    /// Answers a request that its program has dropped.
    pub(in crate::advanced) fn decline(&mut self, key: &MessageKey) {
        self.served.end(key);
        self.post_refusal(key, ErrorCode::InvalidOperation);
    }

    /// The answer to a request that is due begins.
    pub(in crate::advanced) fn answer_begins(&mut self, request: &Request) {
        if let Some(began) = request.take_began() {
            self.served.handling().answered(began);
        }
    }

    /// Nanoseconds that executing requests has taken.
    pub(in crate::advanced) fn request_latency(&mut self) -> Option<&Histogram<u64>> {
        self.served.handling().latency()
    }

    /// Notes that a request was answered.
    pub(in crate::advanced) fn served(&mut self, key: &MessageKey) {
        self.served.end(key);
    }

    /// Nobody reads a message as it comes any more: the rest is dropped.
    pub(in crate::advanced) fn drop_body(&mut self, key: &MessageKey) {
        self.forget(key);
        // A request's caller is not told: an answer may still be made without all of it.
        if key.kind == MessageKind::Plain {
            self.session.discard(key);
        }
        self.flush();
    }

    /// Lets the peer know at once what it may send, after something was taken.
    pub(in crate::advanced) fn taken(&mut self, key: &MessageKey) {
        self.recount(key);
        self.flush();
    }
}
