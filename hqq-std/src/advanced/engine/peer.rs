//! The peer: whether it is there and lives, and what is over once it has left, or once this process was forked.

use std::time::{Duration, Instant};

use hqq_core::advanced::Session;
use hqq_core::packet::{CopyFlags, MessageKind, Packet};

use super::super::arriving::Share;
use super::super::error::LinkFailure;
use super::{CALL_SLICE, Engine, GRACE, SILENCE, SLICE};

impl Engine {
    /// Whether this is in a child, forked since, or stands in for what is.
    pub(in super::super) fn is_forked(&self) -> bool {
        self.process.is_over() || self.failure == Some(LinkFailure::Forked)
    }

    /// Whether the region's file was found to be shorter than it was.
    pub(in super::super) fn is_truncated(&self) -> bool {
        self.receiver.is_truncated()
    }

    /// In a forked child: nothing goes on, whatever the parent's threads were at.
    #[cold]
    pub(in super::super) fn leave_parent(&mut self) {
        self.driver = None;
        // Who waits is in the parent; waking it might take a lock that is held there.
        std::mem::forget(std::mem::take(&mut self.waiters));
        self.failure = None;
        self.fail(LinkFailure::Forked);
    }

    /// Begins anew with the peer that comes next: everything of the last one is over.
    // A session passes through the stack here: inlined, each caller would have that frame.
    #[cold]
    #[inline(never)]
    pub(in super::super) fn renew(&mut self) {
        let layout = (self.sender.capacity(), self.sender.max_message_size());
        let options = self.options.session();
        let (role, format) = (self.role(), self.format());
        // Calls and messages of this side's that are under way are told by their numbers.
        self.first_message = self.session.next_message_id();
        *self.session = Session::new(role, format, layout.0, layout.1, options);
        self.session.number_from(self.first_message);
        self.session.listen(self.listening);
        self.generation += 1;
        self.fail(LinkFailure::Disconnected);
        self.arriving.clear();
        self.order.clear();
        self.calls.clear();
        self.dials.clear();
        self.offered.clear();
        self.refusals.clear();
        self.put_off.clear();
        self.dead.clear();
        self.streams.clear();
        (self.held, self.requests, self.stall) = (Share::default(), 0, None);
        self.loose.clear();
        (self.is_crowded, self.grace_used) = (false, false);
        self.served.cancel_all();
        self.taken = None;
        self.peer = None;
        self.failure = None;
        self.goes_on();
        if let Some(offer) = self.successor.take() {
            self.session.accept(&offer.into(), 0);
        }
    }

    /// As [`Engine::renew`], after the last peer has left: until the next one comes nothing fails.
    pub(in super::super) fn renew_for_next(&mut self) {
        self.renew();
        self.is_between_peers = true;
    }

    /// Whether there is nobody to talk to, which is no failure.
    pub(super) fn awaits_peer(&mut self) -> bool {
        self.is_between_peers = self.is_between_peers && !self.has_peer();
        self.is_between_peers
    }

    /// Whether a message of this side's was for a peer that has gone.
    pub(in super::super) const fn is_of_earlier_peer(&self, id: u64) -> bool {
        id < self.first_message
    }

    /// Whether a peer is attached and alive.
    pub(in super::super) fn has_peer(&mut self) -> bool {
        self.receiver.is_peer_open() && !self.receiver.is_peer_dead()
    }

    /// Notes who the peer is, once it is there.
    pub(super) fn note_peer(&mut self) {
        // Both sides, as they are taken one after the other, and before it is read how often they were.
        if self.peer.is_none() && self.sender.is_peer_open() && self.has_peer() {
            self.peer = self.receiver.attachment().peer_epochs();
        }
    }

    /// Whether another peer has come since, in a moment in which nobody looked here: it knows nothing of what this one was
    /// sent.
    pub(super) fn is_replaced(&self) -> bool {
        self.peer.is_some() && self.receiver.attachment().peer_epochs() != self.peer
    }

    /// How long it may take to notice the peer's death.
    pub(super) fn longest_silence(&self) -> Duration {
        if self.calls.is_empty() {
            SLICE
        } else {
            CALL_SLICE
        }
    }

    /// Something has come: the peer lives.
    pub(in super::super) const fn heard(&mut self) {
        self.next_look = None;
        self.silence = SILENCE;
    }

    /// The peer is dead: takes back what it has not taken of requests, so that of those whose beginning it has not
    /// it can be said that they were not executed; nor were those of which nothing was sent.
    pub(super) fn retract_requests(&mut self) {
        let calls = &mut self.calls;
        for (id, call) in calls.iter_mut() {
            call.not_executed |= self.session.is_unbegun(*id);
        }
        let is_request = |packet: &Packet| match packet {
            Packet::ConnectionCopy(copy) => copy.kind() == MessageKind::Request,
            _ => false,
        };
        self.sender.retract(is_request, |packet| {
            // Whoever has taken the first chunk may have begun to execute it, without the rest.
            if let Packet::ConnectionCopy(copy) = packet
                && copy.chunk().flags.contains(CopyFlags::BEGIN)
                && let Some(call) = calls.get_mut(&copy.chunk().message_id)
            {
                call.not_executed = true;
            }
        });
    }

    /// Nothing is taken out of the ring, as too much waits to be received: who receives that will find the peer's
    /// end behind it, and calls are not to wait for that. Their answers may be there, though, where somebody does.
    #[cold]
    fn look_for_end_of_calls(&mut self) {
        let failure = if self.receiver.is_peer_dead() {
            LinkFailure::PeerDead
        } else if !self.sender.is_peer_open() || self.is_replaced() {
            LinkFailure::Disconnected
        } else {
            self.ended_since = None;
            return;
        };
        let since = *self.ended_since.get_or_insert_with(Instant::now);
        if since.elapsed() < GRACE {
            return;
        }
        if self.calls_over.is_none() && failure == LinkFailure::PeerDead {
            self.retract_requests();
        }
        self.calls_over = Some(failure);
        // Also those that are being sent.
        self.waiters.wake_all();
    }

    /// Why nothing more comes that the peer would have to say: the link is over, or that cannot be taken out of the
    /// ring while too much waits to be received.
    pub(in super::super) fn unanswered(&self) -> Option<LinkFailure> {
        let over = || self.calls_over.filter(|_| self.is_overfull());
        self.failure.or_else(over)
    }

    /// Something was taken out of the ring, and what is behind it may be, too. Where that was [taken at
    /// once](Engine::take_whole) it need not be said: nothing waits then, and only beside what waits this counts.
    pub(super) const fn goes_on(&mut self) {
        (self.ended_since, self.calls_over) = (None, None);
    }

    /// It is to be looked at once whether the peer's process has died.
    pub(in super::super) const fn was_told(&mut self) {
        self.next_look = None;
    }

    /// Looks whether the peer's process has died, where nothing has come for a while; at once where a
    /// sleep has passed meanwhile.
    pub(in super::super) fn look_for_death(&mut self, has_slept: bool) {
        let now = Instant::now();
        let is_due = self.next_look.map_or(has_slept, |next| now >= next);
        if self.next_look.is_some() {
            if !is_due {
                return;
            }
            self.silence = (self.silence * 2).min(self.longest_silence());
        }
        self.next_look = now.checked_add(self.silence);
        if !is_due {
            return;
        }
        self.receiver.attachment().look_out();
        // What is to be repaired is, whoever waits here; that is recorded for everybody else.
        self.receiver.attachment().attend();
        if self.awaits_peer() {
            return;
        }
        if self.receiver.is_readable() {
            if self.is_overfull() {
                self.look_for_end_of_calls();
            }
            return;
        }
        // One that died before this link was there is none: the next may still come. What that one has left is
        // received first, and its death behind it.
        let failure = if self.receiver.attachment().has_peer_died() {
            LinkFailure::PeerDead
        } else if self.is_replaced() {
            LinkFailure::Disconnected
        } else {
            return;
        };
        // Looked at again: it may have sent its last since. The lock that it has no longer, or the record, shows all of that.
        if !self.receiver.is_readable() {
            self.fail(failure);
        }
    }
}
