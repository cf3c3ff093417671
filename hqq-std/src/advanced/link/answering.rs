//! Answers to requests.

use std::io::Read;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use hqq_core::advanced::Transfer;
use hqq_core::packet::ErrorCode;

use super::super::error::TransferError;
use super::super::limit::Limit;
use super::super::request::Request;
use super::AdvancedLink;
use super::sending::check_len;

/// An answer whose bytes are all at hand.
#[derive(Clone, Copy)]
pub(in crate::advanced) struct Answer<'a> {
    pub(in crate::advanced) status: u64,
    pub(in crate::advanced) error: bool,
    pub(in crate::advanced) body: &'a [u8],
}

impl<'a> Answer<'a> {
    pub(in crate::advanced) const fn ok(body: &'a [u8]) -> Self {
        Self {
            status: 0,
            error: false,
            body,
        }
    }

    /// A status of 0 becomes 6.
    pub(in crate::advanced) const fn failed(status: u64, body: &'a [u8]) -> Self {
        Self {
            status: if status == 0 {
                ErrorCode::InvalidOperation.as_code()
            } else {
                status
            },
            error: true,
            body,
        }
    }
}

impl AdvancedLink {
    /// Answers a request, once, on the link that it came on. Nothing is sent where its caller has given up, and no
    /// more where it does so meanwhile.
    ///
    /// # Errors
    /// [`TransferError::OtherLink`] where it came on another link, on which it is still to be answered;
    /// [`TransferError::Answered`] where it was answered before; [`TransferError::Begin`] where the answer is
    /// longer than [`max_message_size`](super::super::AdvancedOptions::max_message_size), which leaves the
    /// request to be answered otherwise, or where its stream is closed; [`TransferError::StreamClosed`]
    /// where that is closed meanwhile; [`TransferError::Link`] where the link is over, or ends meanwhile.
    pub fn respond(&self, request: &Request, body: &[u8]) -> Result<(), TransferError> {
        if self.responded_at_once(request, Answer::ok(body)) {
            return Ok(());
        }
        self.respond_later(request, body)
    }

    /// What is left of [`AdvancedLink::respond`], in a place of its own so that what it needs is not made
    /// ready before.
    #[cold]
    #[inline(never)]
    fn respond_later(&self, request: &Request, body: &[u8]) -> Result<(), TransferError> {
        self.respond_in_parts(request, Answer::ok(body), Limit::until(None))
    }

    /// As [`AdvancedLink::respond`], until `deadline`; `None` is for ever. Then the call fails.
    ///
    /// # Errors
    /// As there; [`TransferError::TimedOut`] where not all of it was sent in time.
    pub fn respond_until(
        &self,
        request: &Request,
        body: &[u8],
        deadline: Option<Instant>,
    ) -> Result<(), TransferError> {
        self.respond_as(request, Answer::ok(body), Limit::until(deadline))
    }

    /// Answers a request with a failure; a status of 0 becomes 6, "invalid operation".
    ///
    /// # Errors
    /// As [`AdvancedLink::respond`].
    pub fn respond_error(
        &self,
        request: &Request,
        status: u64,
        body: &[u8],
    ) -> Result<(), TransferError> {
        self.respond_error_until(request, status, body, None)
    }

    /// As [`AdvancedLink::respond_error`], until `deadline`; `None` is for ever. Then the call fails.
    ///
    /// # Errors
    /// As [`AdvancedLink::respond_until`].
    pub fn respond_error_until(
        &self,
        request: &Request,
        status: u64,
        body: &[u8],
        deadline: Option<Instant>,
    ) -> Result<(), TransferError> {
        let answer = Answer::failed(status, body);
        self.respond_as(request, answer, Limit::until(deadline))
    }

    /// As [`AdvancedLink::respond`] or [`AdvancedLink::respond_error`], until a while after `stop` is set.
    pub(in crate::advanced) fn respond_unless(
        &self,
        stop: &AtomicBool,
        request: &Request,
        answer: Answer<'_>,
    ) -> Result<(), TransferError> {
        self.respond_as(request, answer, Limit::stopped_by(stop))
    }

    #[inline(always)]
    fn respond_as(
        &self,
        request: &Request,
        answer: Answer<'_>,
        limit: Limit<'_>,
    ) -> Result<(), TransferError> {
        if self.responded_at_once(request, answer) {
            return Ok(());
        }
        self.respond_in_parts(request, answer, limit)
    }

    #[inline(always)]
    fn responded_at_once(&self, request: &Request, answer: Answer<'_>) -> bool {
        if !request.is_of(&self.owner) {
            return false;
        }
        match self.shared().lock_quiet() {
            Ok(mut engine) => engine.respond_at_once(request, answer),
            Err(mut engine) => engine.respond_at_once(request, answer),
        }
    }

    #[inline(never)]
    fn respond_in_parts(
        &self,
        request: &Request,
        answer: Answer<'_>,
        limit: Limit<'_>,
    ) -> Result<(), TransferError> {
        let Some(mut transfer) = self.begin_response(request, answer)? else {
            return Ok(());
        };
        let result = self.transfer(&mut transfer, answer.body, limit, Some(request));
        self.responded(request, result)
    }

    /// Begins an answer; `None` where all of it was sent, or none is needed.
    pub(super) fn begin_response(
        &self,
        request: &Request,
        answer: Answer<'_>,
    ) -> Result<Option<Transfer>, TransferError> {
        let Answer {
            status,
            error,
            body,
        } = answer;
        self.check_owner(request)?;
        let mut engine = self.shared().lock();
        let len = check_len(&engine, body)?;
        // Under the lock: a request of an earlier peer's is cancelled, and stays so.
        if request.is_cancelled() {
            return Ok(None);
        }
        if request.is_answered() {
            return Err(TransferError::Answered);
        }
        engine.answer_begins(request);
        if engine.respond_at_once(request, answer) {
            return Ok(None);
        }
        let key = &request.key();
        let transfer = engine.session.begin_response(key, status, error, Some(len));
        let transfer = transfer.map_err(TransferError::Begin)?;
        request.set_answered();
        engine.recorder.responses_sent += 1;
        Ok(Some(transfer))
    }

    /// That a request came on this link: its number is that of another one elsewhere.
    fn check_owner(&self, request: &Request) -> Result<(), TransferError> {
        if request.is_of(&self.owner) {
            Ok(())
        } else {
            Err(TransferError::OtherLink)
        }
    }

    /// Answers a request with what `reader` gives, of any length; see [`AdvancedLink::send_stream`].
    ///
    /// # Errors
    /// As [`AdvancedLink::respond`], but there is no maximum; [`TransferError::Begin`] where `len` is not
    /// known, and the peer has not agreed to that; [`TransferError::Input`] where the reader fails, or ends
    /// before `len` bytes: the call fails.
    pub fn respond_stream(
        &self,
        request: &Request,
        reader: impl Read,
        len: Option<u64>,
    ) -> Result<u64, TransferError> {
        self.respond_stream_until(request, reader, len, None)
    }

    /// As [`AdvancedLink::respond_stream`], until `deadline`; `None` is for ever. The reader itself is waited
    /// for as long as it takes: the time is looked at before each part.
    ///
    /// # Errors
    /// As there; [`TransferError::TimedOut`] where not all of it was sent in time: the call fails.
    pub fn respond_stream_until(
        &self,
        request: &Request,
        reader: impl Read,
        len: Option<u64>,
        deadline: Option<Instant>,
    ) -> Result<u64, TransferError> {
        self.check_owner(request)?;
        let mut engine = self.shared().lock();
        if request.is_cancelled() {
            return Ok(0);
        }
        if request.is_answered() {
            return Err(TransferError::Answered);
        }
        engine.answer_begins(request);
        let transfer = engine.session.begin_response(&request.key(), 0, false, len);
        let transfer = transfer.map_err(TransferError::Begin)?;
        request.set_answered();
        engine.recorder.responses_sent += 1;
        drop(engine);
        let limit = Limit::until(deadline);
        let result = self.transfer_from(transfer, reader, limit, Some(request));
        self.responded(request, result)
    }

    /// An answer was sent, or was not.
    pub(super) fn responded<T: Default>(
        &self,
        request: &Request,
        result: Result<T, TransferError>,
    ) -> Result<T, TransferError> {
        let mut engine = self.shared().lock();
        if request.is_cancelled() {
            // Its caller gave up meanwhile, which is no failure.
            return match result {
                Err(TransferError::StreamClosed) => Ok(T::default()),
                result => result,
            };
        }
        engine.served(&request.key());
        result
    }

    /// A request was dropped: its caller is not to wait for ever.
    #[cold]
    pub(in crate::advanced) fn decline(&self, request: &Request) {
        let mut engine = self.shared().lock();
        // Under the lock: see `begin_response`.
        if engine.failure.is_none() && !request.is_cancelled() && !request.is_answered() {
            engine.decline(&request.key());
            drop(engine);
            self.settle();
        }
    }
}
