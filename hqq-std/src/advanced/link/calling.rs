//! Calls.

use std::io::Read;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use hqq_core::advanced::Transfer;

use super::super::call::Call;
use super::super::engine::Engine;
use super::super::error::{CallError, TransferError};
use super::super::limit::Limit;
use super::super::locked::Locked;
use super::super::message::BodyReader;
use super::super::owner::Owner;
use super::super::stats::Began;
use super::super::stream::Route;
use super::reading::Parts;
use super::sending::check_len;
use super::{AT_ONCE, AdvancedLink};

impl AdvancedLink {
    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// [`CallError::Response`] where the answer reports a failure; [`CallError::Begin`] where nothing was
    /// negotiated, the request is too long, or too many calls wait: it was not executed;
    /// [`CallError::Failed`] where the callee gave its answer up, or that was too long for this end;
    /// [`CallError::NotExecuted`] and [`CallError::Link`] where the link is over, or ends meanwhile.
    pub fn call(&self, method: u64, body: &[u8]) -> Result<Vec<u8>, CallError> {
        self.call_on(0, method, body, None)
    }

    /// As [`AdvancedLink::call`], for at most this long; then the call is given up, which the callee learns.
    ///
    /// # Errors
    /// As there; [`CallError::TimedOut`] where no answer came in time.
    pub fn call_timeout(
        &self,
        method: u64,
        body: &[u8],
        timeout: Duration,
    ) -> Result<Vec<u8>, CallError> {
        self.call_on(0, method, body, Instant::now().checked_add(timeout))
    }

    /// As [`AdvancedLink::call_timeout`], until `deadline`; `None` is for ever.
    ///
    /// # Errors
    /// As there.
    pub fn call_until(
        &self,
        method: u64,
        body: &[u8],
        deadline: Option<Instant>,
    ) -> Result<Vec<u8>, CallError> {
        self.call_on(0, method, body, deadline)
    }

    /// As [`AdvancedLink::call_until`], on the stream of this id; 0 is the link itself.
    ///
    /// # Errors
    /// As there; [`CallError::Begin`] where the stream is not open, [`CallError::StreamClosed`] where it is
    /// closed meanwhile.
    pub fn call_on(
        &self,
        connection: u64,
        method: u64,
        body: &[u8],
        deadline: Option<Instant>,
    ) -> Result<Vec<u8>, CallError> {
        if connection != 0 || body.len() > AT_ONCE {
            return self
                .start_call_on(connection, method, body, deadline)?
                .wait_until(deadline);
        }
        let mut answer = Vec::new();
        self.call_at_once(method, body, &mut answer, deadline)?;
        Ok(answer)
    }

    /// As [`AdvancedLink::call_until`]; the answer takes the place of what is in `answer`, whose memory is
    /// used again. Where it fails, what is in there is left as it is, or lost.
    ///
    /// ```
    /// use hqq_std::{AdvancedLink, AdvancedOptions, LinkOptions};
    ///
    /// let (near, far) = LinkOptions::new().pair()?;
    /// let near = AdvancedLink::new(near, AdvancedOptions::new());
    /// let far = AdvancedLink::new(far, AdvancedOptions::new());
    /// let echo = std::thread::spawn(move || -> std::io::Result<()> {
    ///     far.wait_for_negotiation(None)?;
    ///     for _ in 0..3 {
    ///         let request = far.receive_request(None)?;
    ///         far.respond(&request, request.body())?;
    ///     }
    ///     Ok(())
    /// });
    /// near.negotiate(None)?;
    /// let mut answer = Vec::new();
    /// for number in 0..3_u8 {
    ///     near.call_into(7, &[number], &mut answer, None)?;
    ///     assert_eq!(answer, [number]);
    /// }
    /// # echo.join().expect("no panic")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`AdvancedLink::call_until`].
    #[inline]
    pub fn call_into(
        &self,
        method: u64,
        body: &[u8],
        answer: &mut Vec<u8>,
        deadline: Option<Instant>,
    ) -> Result<(), CallError> {
        if body.len() > AT_ONCE {
            *answer = self.call_on(0, method, body, deadline)?;
            return Ok(());
        }
        self.call_at_once(method, body, answer, deadline)
    }

    /// As [`AdvancedLink::call_into`], of a request that may fit into a buffer.
    fn call_at_once(
        &self,
        method: u64,
        body: &[u8],
        answer: &mut Vec<u8>,
        deadline: Option<Instant>,
    ) -> Result<(), CallError> {
        let (engine, sent) = match self.shared().lock_quiet() {
            Ok(mut engine) => {
                let sent = engine.request_at_once(method, body);
                if let Some((id, began)) = sent {
                    let look = |engine: &mut Engine| engine.look_for_answer(id, began, answer);
                    if let Some(failure) = self.shared().look(&mut engine, look) {
                        return failure.map_or(Ok(()), |status| failed(status, answer));
                    }
                }
                (engine.into_locked(), sent)
            }
            Err(mut engine) => {
                let sent = engine.request_at_once(method, body);
                (engine, sent)
            }
        };
        *answer = self.await_answer(engine, sent, method, body, deadline)?;
        Ok(())
    }

    /// Waits for the answer to a call that was sent at once, or makes one that was not.
    #[cold]
    #[inline(never)]
    fn await_answer(
        &self,
        mut engine: Locked<'_>,
        sent: Option<(u64, Option<Began>)>,
        method: u64,
        body: &[u8],
        deadline: Option<Instant>,
    ) -> Result<Vec<u8>, CallError> {
        if let Some((id, began)) = sent {
            engine.keep_call(id, began);
            drop(engine);
            return Call::new(self.clone(), id).wait_until(deadline);
        }
        check_len(&engine, body)?;
        drop(engine);
        self.start_call_on(0, method, body, deadline)?
            .wait_until(deadline)
    }

    /// Sends a request; its answer is waited for later, or by a future. It comes in while some call of this
    /// link waits.
    ///
    /// # Errors
    /// [`CallError::Begin`] and [`CallError::Link`] as [`AdvancedLink::call`].
    pub fn start_call(&self, method: u64, body: &[u8]) -> Result<Call, CallError> {
        self.start_call_on(0, method, body, None)
    }

    /// As [`AdvancedLink::start_call`], on the stream of this id; sending it may take until `deadline`.
    ///
    /// # Errors
    /// As there, and as [`AdvancedLink::call_on`].
    pub fn start_call_on(
        &self,
        connection: u64,
        method: u64,
        body: &[u8],
        deadline: Option<Instant>,
    ) -> Result<Call, CallError> {
        self.start_call_to(Route::of_any(connection), method, body, deadline)
    }

    pub(in crate::advanced) fn start_call_to(
        &self,
        route: Route,
        method: u64,
        body: &[u8],
        deadline: Option<Instant>,
    ) -> Result<Call, CallError> {
        let (call, mut transfer) = self.begin_call(route, method, body)?;
        let sent = self.transfer(&mut transfer, body, Limit::until(deadline), None);
        call.sent(sent)
    }

    /// Begins a call: from now on dropping it ends it.
    pub(super) fn begin_call(
        &self,
        route: Route,
        method: u64,
        body: &[u8],
    ) -> Result<(Call, Transfer), CallError> {
        let mut engine = self.shared().lock();
        let connection = route.find(&engine)?;
        let len = check_len(&engine, body)?;
        let transfer = engine.session.begin_request(connection, method, Some(len));
        let transfer = transfer.map_err(CallError::Begin)?;
        engine.call_begun(transfer.key(), false);
        drop(engine);
        Ok((Call::new(self.clone(), transfer.key().id), transfer))
    }

    /// Sends a request of any length from `reader` (`len` bytes, or up to its end where the peer has
    /// agreed to that) on a thread of its own, and reads the answer as it comes, also before all of the
    /// request was sent. The answer has to begin, and all of the request to be sent, until `deadline`;
    /// [`BodyReader::set_deadline`] says when all of the answer has to be there. The reader is dropped once it gives something, or ends,
    /// after the call is over; until then its thread waits for it, and keeps no link open.
    ///
    /// # Errors
    /// As [`AdvancedLink::call_timeout`], but nothing is too long; [`CallError::Input`] where the reader
    /// fails, or ends before `len` bytes.
    pub fn call_stream(
        &self,
        method: u64,
        reader: impl Read + Send + 'static,
        len: Option<u64>,
        deadline: Option<Instant>,
    ) -> Result<BodyReader, CallError> {
        self.call_stream_on(0, method, reader, len, deadline)
    }

    /// As [`AdvancedLink::call_stream`], on the stream of this id.
    ///
    /// # Errors
    /// As there, and as [`AdvancedLink::call_on`].
    pub fn call_stream_on(
        &self,
        connection: u64,
        method: u64,
        reader: impl Read + Send + 'static,
        len: Option<u64>,
        deadline: Option<Instant>,
    ) -> Result<BodyReader, CallError> {
        self.call_stream_to(Route::of_any(connection), method, reader, len, deadline)
    }

    pub(in crate::advanced) fn call_stream_to(
        &self,
        route: Route,
        method: u64,
        reader: impl Read + Send + 'static,
        len: Option<u64>,
        deadline: Option<Instant>,
    ) -> Result<BodyReader, CallError> {
        let mut engine = self.shared().lock();
        let connection = route.find(&engine)?;
        let transfer = engine.session.begin_request(connection, method, len);
        let transfer = transfer.map_err(CallError::Begin)?;
        engine.call_begun(transfer.key(), true);
        drop(engine);
        let id = transfer.key().id;
        let call = Call::new(self.clone(), id);
        let parts = Parts::new(self, transfer, reader);
        let owner = Arc::downgrade(&self.owner);
        let thread = std::thread::Builder::new().name("hqq-request".to_owned());
        let sending = thread.spawn(move || send_request(&owner, parts, id, deadline));
        sending.map_err(CallError::Input)?;
        call.into_reader(deadline)
    }
}

/// Sends a request as its reader gives it. While that is waited for, the link is not kept open.
fn send_request(
    owner: &Weak<Owner>,
    mut parts: Parts<impl Read>,
    id: u64,
    deadline: Option<Instant>,
) {
    let mut limit = Limit::until(deadline);
    while !parts.is_finished() {
        let read = parts.read();
        let Some(link) = owner.upgrade().map(AdvancedLink::of) else {
            return;
        };
        match parts.send(&link, read, &mut limit, None) {
            Ok(()) => {}
            // Of that the call learns otherwise; see `Call::sent`.
            Err(TransferError::Link(_)) => return,
            Err(error) => return link.shared().lock().call_unsent(id, error),
        }
    }
}

/// What comes of a call whose answer reports a failure.
#[cold]
#[inline(never)]
fn failed(status: u64, answer: &mut Vec<u8>) -> Result<(), CallError> {
    Err(CallError::Response {
        status,
        body: std::mem::take(answer),
    })
}
