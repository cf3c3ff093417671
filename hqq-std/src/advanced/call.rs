//! Calls that were begun.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hqq_core::advanced::CallFailure;

use super::engine::{Engine, PendingCall};
use super::error::{CallError, LinkFailure, TransferError};
use super::link::AdvancedLink;
use super::message::{BodyReader, Source};
use super::waiters::Interest;

/// A call that waits for its answer: by [`Call::wait`], or as a future. Dropping it gives the call
/// up, which the callee learns.
///
/// ```
/// use hqq_std::{AdvancedLink, AdvancedOptions, Server};
/// let (near, far) = hqq_std::pair()?;
/// let options = AdvancedOptions::new();
/// let (near, far) = (AdvancedLink::new(near, options), AdvancedLink::new(far, options));
/// let server = std::thread::spawn(move || {
///     far.wait_for_negotiation(None)?;
///     Server::new().method(1, |request| Ok(request.body().to_vec())).serve(&far)?;
///     Ok::<(), std::io::Error>(())
/// });
/// near.negotiate(None)?;
/// // Both are under way before either is waited for.
/// let (first, second) = (near.start_call(1, b"first")?, near.start_call(1, b"second")?);
/// assert_eq!(second.wait()?, b"second");
/// assert_eq!(first.wait()?, b"first");
/// // As a future, by any runtime.
/// assert_eq!(pollster::block_on(near.start_call(1, b"third")?)?, b"third");
/// drop(near);
/// server.join().unwrap()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping a call gives it up"]
pub struct Call {
    link: AdvancedLink,
    id: u64,
    token: Option<u64>,
}

impl Call {
    pub(super) const fn new(link: AdvancedLink, id: u64) -> Self {
        Self {
            link,
            id,
            token: None,
        }
    }

    /// The request's number, which its answer has, too.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// Whether the answer is there, or will never come.
    pub(super) fn is_over(&self) -> bool {
        let engine = self.link.shared().lock();
        let call = engine.calls.get(&self.id);
        call.is_some_and(PendingCall::is_over)
    }

    /// What comes of sending the request: where that is over because the call is, waiting for the answer
    /// tells why.
    pub(super) fn sent(self, sent: Result<(), TransferError>) -> Result<Self, CallError> {
        match sent {
            Err(TransferError::StreamClosed) if self.is_over() => Ok(self),
            // The answer may have come before, and of a peer that died it may be known that it has not executed
            // the request.
            Err(TransferError::Link(failure)) if !matches!(failure, LinkFailure::NoThread(_)) => {
                Ok(self)
            }
            sent => sent.map(|()| self).map_err(CallError::from),
        }
    }

    /// Waits for the answer.
    ///
    /// # Errors
    /// As [`AdvancedLink::call`].
    pub fn wait(self) -> Result<Vec<u8>, CallError> {
        self.wait_until(None)
    }

    /// Waits for the answer, for at most this long; then gives the call up.
    ///
    /// # Errors
    /// As [`AdvancedLink::call_timeout`].
    pub fn wait_timeout(self, timeout: Duration) -> Result<Vec<u8>, CallError> {
        self.wait_until(Instant::now().checked_add(timeout))
    }

    /// Waits for the answer until `deadline`; `None` is for ever. Then gives the call up.
    ///
    /// # Errors
    /// As [`AdvancedLink::call_timeout`].
    pub fn wait_until(self, deadline: Option<Instant>) -> Result<Vec<u8>, CallError> {
        let id = self.id;
        let answer = self
            .link
            .shared()
            .wait(deadline, |engine| take_answer(engine, id));
        answer.unwrap_or(Err(CallError::TimedOut))
    }

    /// The answer, if it is there; the call is over then.
    pub fn try_take(&mut self) -> Option<Result<Vec<u8>, CallError>> {
        let mut engine = self.link.shared().lock();
        engine.poll();
        take_answer(&mut engine, self.id).ok()
    }

    /// Gives the call up. The callee learns of it; a late answer is dropped.
    pub fn cancel(self) {
        drop(self);
    }

    /// Waits for the beginning of the answer, which is then read as it comes. An answer that reports
    /// a failure is an error with its beginning.
    pub(super) fn into_reader(
        mut self,
        deadline: Option<Instant>,
    ) -> Result<BodyReader, CallError> {
        let id = self.id;
        let began = self.link.shared().wait(deadline, |engine| {
            let Some(call) = engine.calls.get_mut(&id) else {
                return Ok(Err(no_call(engine, id)));
            };
            let is_read = call.answer.as_ref().is_some_and(|answer| !answer.error);
            // Also behind a part of an error: the callee was told, and sends no more of that. Where the peer's
            // death is why, it may be known that nobody executes the request.
            if !is_read
                && !call.not_executed
                && !call.is_over()
                && let Some(unsent) = call.unsent.take()
            {
                return Ok(Err(unsent.into()));
            }
            match &call.answer {
                Some(answer) if !answer.error => Ok(Ok(answer.total)),
                // All of it is the error.
                _ => take_answer(engine, id).map(|result| result.map(|_| None)),
            }
        });
        let len = began.unwrap_or(Err(CallError::TimedOut))?;
        let link = self.link.clone();
        // The reader ends the call from now on.
        self.id = 0;
        Ok(BodyReader::new(link, Source::Answer(id), len))
    }
}

/// Why a call is not known.
fn no_call(engine: &Engine, id: u64) -> CallError {
    if engine.is_forked() {
        CallError::Link(LinkFailure::Forked)
    } else if engine.is_of_earlier_peer(id) {
        CallError::Link(LinkFailure::Disconnected)
    } else {
        CallError::Cancelled
    }
}

/// The answer to a call, where it is there or will never come; the call is over then.
fn take_answer(engine: &mut Engine, id: u64) -> Result<Result<Vec<u8>, CallError>, Interest> {
    let failure = engine.unanswered();
    let Some(call) = engine.calls.get_mut(&id) else {
        return Ok(Err(no_call(engine, id)));
    };
    let result = match (&mut call.answer, call.failed, failure) {
        (Some(answer), ..) if answer.complete => {
            let body = answer.take();
            if answer.error {
                let status = answer.aux;
                Err(CallError::Response { status, body })
            } else {
                Ok(body)
            }
        }
        (_, Some(CallFailure::Closed), _) => Err(CallError::StreamClosed),
        (_, Some(failure), _) => Err(CallError::Failed(failure)),
        // It may have been begun after that was noted.
        (_, None, Some(LinkFailure::PeerDead))
            if call.not_executed || engine.session.is_unbegun(id) =>
        {
            Err(CallError::NotExecuted)
        }
        (_, None, Some(failure)) => Err(CallError::Link(failure)),
        _ => return Err(Interest::Call(id)),
    };
    engine.end_call(id);
    Ok(result)
}

impl Future for Call {
    type Output = Result<Vec<u8>, CallError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let call = self.get_mut();
        if let Err(failure) = call.link.start_background() {
            return Poll::Ready(Err(failure.into()));
        }
        let id = call.id;
        let shared = call.link.shared();
        shared.poll_wait(context, &mut call.token, |engine| take_answer(engine, id))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut engine = self.link.shared().lock();
        if let Some(token) = self.token {
            engine.waiters.remove(token);
        }
        engine.end_call(self.id);
        let is_left = engine.has_control();
        drop(engine);
        if is_left {
            self.link.settle();
        }
    }
}
