//! Calls of one chunk where nothing else goes on: sent, waited for and answered under one lock, past the
//! lists of what arrives and of who waits. Whatever comes between leads to the long way.

use foldhash::HashMap;
use hqq_core::advanced::Arrival;
use hqq_core::packet::{CopyFlags, MessageKind, Packet};

use super::super::error::CallError;
use super::super::message::Request;
use super::super::stats::Began;
use super::incoming::tell;
use super::{Engine, PendingCall};

/// What is given to who looks for it, in place of being kept for who asks later.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Want {
    Nothing,
    /// The answer to a call that is not among [`Engine::calls`] yet.
    Answer {
        id: u64,
        began: Option<Began>,
    },
    /// Any request of up to so many bytes.
    Request {
        max: usize,
    },
}

impl Want {
    /// Whether a packet is all of what is wanted.
    #[inline]
    pub(super) fn is(&self, packet: &Packet) -> bool {
        let Packet::ConnectionCopy(copy) = packet else {
            return false;
        };
        let chunk = copy.chunk();
        let is_whole = chunk.flags.contains(CopyFlags::BEGIN | CopyFlags::END);
        let fits = match *self {
            Self::Nothing => false,
            Self::Answer { id, .. } => {
                copy.kind() == MessageKind::Response && chunk.message_id == id
            }
            Self::Request { max } => {
                copy.kind() == MessageKind::Request && chunk.chunk_size <= max as u64
            }
        };
        fits && is_whole && chunk.connection_id == 0
    }

    /// Puts a call among those that wait for anything to come of them.
    pub(super) fn keep(self, calls: &mut HashMap<u64, PendingCall>) {
        if let Self::Answer { id, began } = self {
            calls.insert(id, PendingCall::new(0, began, false));
        }
    }
}

/// What one look at the ring gave.
#[derive(Debug)]
pub(in super::super) enum Taken {
    /// No packet is there.
    Nothing,
    /// Something that was not wanted: it was taken in, and a call that was looked for is among
    /// [`Engine::calls`] now.
    Other,
    /// What was wanted, and its bytes.
    Wanted(Arrival, Vec<u8>),
}

/// How a look for an answer or a request ended.
#[derive(Debug)]
pub(in super::super) enum Look<T> {
    /// With it.
    Found(T),
    /// It did not come so far; more looks may find it.
    NotYet,
    /// It has to be waited for in the long way.
    Over,
}

impl Engine {
    /// Whether nothing but what is looked for can be waited for: nobody else waits or drives the ring,
    /// and nothing has to be said.
    #[inline]
    pub(in super::super) fn is_quiet(&self) -> bool {
        self.failure.is_none()
            && self.driver.is_none()
            && !self.is_between_peers
            && self.order.is_empty()
            && self.held.stream == 0
            && self.options.incoming_queue > 0
            && self.refusals.is_empty()
            && self.waiters.is_empty()
            && self.session.is_calm()
    }

    /// Sends all of a request, where that can be done in one chunk and nothing has to be said before.
    /// The call is not among [`Engine::calls`].
    #[inline]
    pub(in super::super) fn request_at_once(
        &mut self,
        method: u64,
        body: &[u8],
    ) -> Option<(u64, Option<Began>)> {
        if self.failure.is_some() || self.is_between_peers || !self.refusals.is_empty() {
            return None;
        }
        let packet = self.session.request_at_once(method, body.len())?;
        // Where that fails, the long way says why.
        self.sender.core().try_send_whole(&packet, body).ok()?;
        self.session.sent_at_once(&packet);
        self.recorder.bytes_sent += body.len() as u64;
        Some((packet.chunk().message_id, self.recorder.begun()))
    }

    /// Looks for the answer to a call; unless it is found, [`Engine::keep_call`] has to follow.
    #[inline]
    pub(in super::super) fn look_for_answer(
        &mut self,
        id: u64,
        began: Option<Began>,
    ) -> Look<Result<Vec<u8>, CallError>> {
        match self.look(Want::Answer { id, began }) {
            Look::Found((arrival, body)) => {
                if let Some(latency) = self.recorder.answered(began) {
                    tell(&mut self.sender, latency);
                }
                Look::Found(if arrival.error {
                    let status = arrival.aux;
                    Err(CallError::Response { status, body })
                } else {
                    Ok(body)
                })
            }
            Look::NotYet => Look::NotYet,
            Look::Over => Look::Over,
        }
    }

    /// Puts a call that was sent at once among those that wait, unless it is one of them.
    pub(in super::super) fn keep_call(&mut self, id: u64, began: Option<Began>) {
        if !self.is_of_earlier_peer(id) && !self.calls.contains_key(&id) {
            Want::Answer { id, began }.keep(&mut self.calls);
        }
    }

    /// Looks for a request.
    #[inline]
    pub(in super::super) fn look_for_request(&mut self) -> Look<Request> {
        let max = self.options.max_message_size;
        match self.look(Want::Request { max }) {
            Look::Found((arrival, body)) => {
                self.recorder.requests_received += 1;
                Look::Found(Request {
                    key: arrival.key,
                    method: arrival.aux,
                    body,
                    ticket: self.served.begin(arrival.key),
                })
            }
            Look::NotYet => Look::NotYet,
            Look::Over => Look::Over,
        }
    }

    #[inline]
    fn look(&mut self, want: Want) -> Look<(Arrival, Vec<u8>)> {
        // What there is to see besides, the long way sees.
        if !self.receiver.is_readable() {
            return Look::NotYet;
        }
        match self.take_packet(want) {
            Ok(Taken::Nothing) => Look::NotYet,
            Ok(Taken::Wanted(arrival, body)) => {
                self.heard();
                self.flush();
                Look::Found((arrival, body))
            }
            Ok(Taken::Other) => Look::Over,
            Err(failure) => {
                // What failing leads to is this call's, too: it may not have been executed.
                want.keep(&mut self.calls);
                self.fail(failure);
                Look::Over
            }
        }
    }

    /// Sends all of a response, as [`Engine::request_at_once`] a request; `false` where it has to go the
    /// long way.
    #[inline]
    pub(in super::super) fn respond_at_once(
        &mut self,
        request: &Request,
        status: u64,
        error: bool,
        body: &[u8],
    ) -> bool {
        if self.failure.is_some() || self.is_between_peers || !self.refusals.is_empty() {
            return false;
        }
        let len = body.len();
        let packet = self
            .session
            .response_at_once(&request.key, status, error, len);
        let Some(packet) = packet else {
            return false;
        };
        if self.sender.core().try_send_whole(&packet, body).is_err() {
            return false;
        }
        self.session.sent_at_once(&packet);
        self.recorder.bytes_sent += len as u64;
        self.recorder.responses_sent += 1;
        self.served.end(&request.key);
        true
    }
}
