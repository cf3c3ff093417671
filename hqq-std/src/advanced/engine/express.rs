//! Calls of one chunk where nothing else goes on: sent, waited for and answered under one lock, past the
//! lists of what arrives and of who waits. Whatever comes between leads to the long way.

use hqq_core::link::{Missed, WholeBody};
use hqq_core::packet::Whole;

use super::super::link::Answer;
use super::super::request::{Body, Request};
use super::super::stats::Began;
use super::incoming::tell;
use super::{Engine, PendingCall};

/// What somebody looks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Want {
    Nothing,
    /// The answer to a call, of up to so many bytes.
    Answer {
        id: u64,
        began: Option<Began>,
        max: u64,
    },
    /// A request of up to so many bytes.
    Request {
        max: u64,
    },
}

impl Want {
    /// Whether this is it.
    #[inline(always)]
    pub(super) fn is(&self, whole: &Whole) -> bool {
        match *self {
            Self::Nothing => false,
            Self::Answer { id, max, .. } => {
                whole.is_response() && whole.message_id() == id && whole.len() <= max
            }
            Self::Request { max } => !whole.is_response() && whole.len() <= max,
        }
    }

    /// Whether this is it and can be taken in few steps, which an answer that reports a failure cannot.
    #[inline(always)]
    fn is_plainly(&self, whole: &Whole) -> bool {
        match *self {
            Self::Answer { id, max, .. } => {
                whole.is_success() && whole.message_id() == id && whole.len() <= max
            }
            _ => self.is(whole),
        }
    }
}

/// What one look at the ring gave.
#[derive(Debug)]
pub(in super::super) enum Taken {
    /// No packet is there.
    Nothing,
    /// Something that was not wanted: it was taken in.
    Other,
    /// As that, and there is much of it for a reader that takes it as it comes.
    ToRead,
    /// What was wanted, and its bytes.
    Wanted(Whole, Vec<u8>),
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
    fn is_quiet(&self) -> bool {
        self.failure.is_none()
            && self.calls_over.is_none()
            && self.driver.is_none()
            && !self.is_between_peers
            && self.order.is_empty()
            && self.held.stream == 0
            && self.options.incoming_queue > 0
            && self.refusals.is_empty()
            && self.waiters.is_empty()
            && self.session.is_calm()
    }

    /// Finds out whether that is so, and notes it if it is.
    #[cold]
    #[inline(never)]
    pub(in super::super) fn settle(&mut self) -> bool {
        self.settled = self.is_quiet();
        self.settled
    }

    /// Whether requests and responses may be sent now, and nothing has to be said before.
    #[inline(always)]
    fn may_send_at_once(&self) -> bool {
        let is_usable = || {
            // A peer that is known to have gone gets nothing more: its request would not be taken back again.
            self.failure.is_none()
                && self.calls_over.is_none()
                && !self.is_between_peers
                && self.refusals.is_empty()
                && self.session.may_call()
        };
        self.settled || is_usable()
    }

    /// Sends all of a request, where that can be done in one chunk and nothing has to be said before.
    /// [`Engine::keep_call`] has to follow, unless its answer is [found](Engine::look_for_answer).
    #[inline(always)]
    pub(in super::super) fn request_at_once(
        &mut self,
        method: u64,
        body: &[u8],
    ) -> Option<(u64, Option<Began>)> {
        if body.len() > self.options.max_message_size || !self.may_send_at_once() {
            return None;
        }
        let whole = self.session.request_at_once(method, body.len())?;
        // Where that fails, the long way says why.
        self.sender.core().try_send_whole(&whole, body).ok()?;
        self.session.sent_at_once(&whole);
        self.recorder.bytes_sent += body.len() as u64;
        Some((whole.message_id(), self.recorder.begun()))
    }

    /// Looks for the answer to a call that was sent at once, where nothing else goes on; its bytes are
    /// `answer` then. Gives the status of one that reports a failure.
    #[inline(always)]
    pub(in super::super) fn look_for_answer(
        &mut self,
        id: u64,
        began: Option<Began>,
        answer: &mut Vec<u8>,
    ) -> Look<Option<u64>> {
        let want = Want::Answer {
            id,
            began,
            max: self.options.max_message_size as u64,
        };
        let taken = self.take_whole(want, |_, body| {
            answer.resize(body.len(), 0);
            body.copy_to(answer);
        });
        let missed = match taken {
            Ok(()) => {
                self.answered(began);
                return Look::Found(None);
            }
            Err(Missed::Nothing) => return Look::NotYet,
            Err(missed) => missed,
        };
        let Some((whole, body)) = self.look_closer(want, missed) else {
            return Look::Over;
        };
        *answer = body;
        self.answered(began);
        Look::Found(whole.is_failure().then_some(whole.aux()))
    }

    /// The answer to a call came.
    #[inline(always)]
    fn answered(&mut self, began: Option<Began>) {
        if let Some(latency) = self.recorder.answered(began) {
            tell(&mut self.sender, latency);
        }
    }

    /// Takes all of a request or response that is wanted, of which `take` makes something.
    #[inline(always)]
    fn take_whole<T>(
        &mut self,
        want: Want,
        take: impl FnOnce(&Whole, WholeBody<'_>) -> T,
    ) -> Result<T, Missed> {
        self.count_taken();
        let (core, attachment) = self.receiver.core_and_attachment();
        let session = &self.session;
        let (taken, len) = core.take_whole(|whole, body| {
            let is_wanted = want.is_plainly(whole) && session.may_take(whole);
            is_wanted.then(|| (take(whole, body), whole.len()))
        })?;
        if attachment.is_cut() {
            // What is read where memory is missing is no message.
            return Err(Missed::Something);
        }
        self.taken = Some(len);
        Ok(taken)
    }

    /// As [`Engine::take_whole`], a few steps more.
    fn take_lent(&mut self, want: Want) -> Result<(Whole, Vec<u8>), Missed> {
        let (core, attachment) = self.receiver.core_and_attachment();
        let grant = core.next_whole()?;
        let whole = *grant.whole();
        if !want.is_plainly(&whole) || !self.session.may_take(&whole) {
            return Err(Missed::Unwanted(grant.refuse()));
        }
        let mut body = vec![0; grant.len()];
        grant.copy_to(&mut body);
        grant.release();
        if attachment.is_cut() {
            return Err(Missed::Something);
        }
        self.taken = Some(whole.len());
        Ok((whole, body))
    }

    /// Counts what was taken at once, before anything else is done with the ring: who took it answers or
    /// asks first, and while that is on its way there is time.
    #[inline(always)]
    pub(in super::super) fn count_taken(&mut self) {
        if let Some(len) = self.taken.take() {
            let is_owing = self.session.took_at_once(len);
            self.recorder.bytes_received += len;
            self.heard();
            if is_owing {
                self.say_before_more();
            }
        }
    }

    /// Puts a call that was sent at once among those that wait, unless it is one of them or of an earlier
    /// peer's.
    pub(in super::super) fn keep_call(&mut self, id: u64, began: Option<Began>) {
        if !self.is_of_earlier_peer(id) && !self.calls.contains_key(&id) {
            self.calls.insert(id, PendingCall::new(0, began, false));
            self.session.await_answer(id);
        }
    }

    /// Looks for a request, where nothing else goes on.
    #[inline(always)]
    pub(in super::super) fn look_for_request(&mut self) -> Look<Request> {
        let want = Want::Request {
            max: self.options.max_message_size as u64,
        };
        let taken = self.take_whole(want, |whole, body| {
            let bytes = Body::filled(body.len(), |bytes| {
                body.copy_to(bytes);
            });
            (*whole, bytes)
        });
        let missed = match taken {
            Ok((whole, body)) => return Look::Found(self.requested(&whole, body)),
            Err(Missed::Nothing) => return Look::NotYet,
            Err(missed) => missed,
        };
        match self.look_closer(want, missed) {
            Some((whole, body)) => Look::Found(self.requested(&whole, body.into())),
            None => Look::Over,
        }
    }

    /// A request came.
    #[inline(always)]
    fn requested(&mut self, whole: &Whole, body: Body) -> Request {
        self.recorder.requests_received += 1;
        let ticket = self.served.begin(0, whole.message_id());
        Request::new(0, whole.message_id(), whole.aux(), body, ticket)
    }

    /// Something is to be said now, which is rare.
    #[cold]
    #[inline(never)]
    fn say_before_more(&mut self) {
        self.flush();
        self.settle();
    }

    /// Looks again where few steps did not do. `None` where what is wanted did not come: then it is among
    /// those that wait.
    #[cold]
    #[inline(never)]
    fn look_closer(&mut self, want: Want, missed: Missed) -> Option<(Whole, Vec<u8>)> {
        let missed = match missed {
            Missed::Something => match self.take_lent(want) {
                Ok(taken) => return Some(taken),
                Err(missed) => missed,
            },
            missed => missed,
        };
        self.settled = false;
        if let Want::Answer { id, began, .. } = want {
            // From now on anything may come of it.
            self.keep_call(id, began);
        }
        let packet = match missed {
            Missed::Unwanted(packet) => Some(packet),
            _ => None,
        };
        let taken = match self.take_packet(want, packet) {
            Ok(Taken::Nothing) => return None,
            Ok(taken) => taken,
            Err(failure) => {
                self.fail(failure);
                return None;
            }
        };
        self.goes_on();
        let Taken::Wanted(whole, body) = taken else {
            return None;
        };
        if whole.is_response() {
            self.calls.remove(&whole.message_id());
        }
        self.heard();
        self.flush();
        Some((whole, body))
    }

    /// Sends all of a response, as [`Engine::request_at_once`] a request; `false` where it has to go the
    /// long way, or none is needed.
    #[inline(always)]
    pub(in super::super) fn respond_at_once(
        &mut self,
        request: &Request,
        answer: Answer<'_>,
    ) -> bool {
        // Under the lock: a request of an earlier peer's is cancelled, and stays so.
        if !request.is_simply_due() || !self.may_send_at_once() {
            return false;
        }
        let Answer {
            status,
            error,
            body,
        } = answer;
        if body.len() > self.options.max_message_size {
            return false;
        }
        let whole = self
            .session
            .response_at_once(&request.key(), status, error, body.len());
        let Some(whole) = whole else {
            return false;
        };
        if self.sender.core().try_send_whole(&whole, body).is_err() {
            return false;
        }
        self.session.sent_at_once(&whole);
        self.recorder.bytes_sent += whole.len();
        self.recorder.responses_sent += 1;
        request.set_answered();
        self.served.end(&request.key());
        true
    }
}
