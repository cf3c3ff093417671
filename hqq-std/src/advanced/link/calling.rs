//! Calls.

use std::io::Read;
use std::time::{Duration, Instant};

use hqq_core::advanced::Transfer;

use super::super::call::Call;
use super::super::engine::Engine;
use super::super::error::CallError;
use super::super::limit::Limit;
use super::super::message::BodyReader;
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
        let mut engine = self.shared().lock();
        check_len(&engine, body)?;
        let Some((id, began)) = engine.request_at_once(method, body) else {
            drop(engine);
            return self
                .start_call_on(0, method, body, deadline)?
                .wait_until(deadline);
        };
        if engine.is_quiet() {
            let look = |engine: &mut Engine| engine.look_for_answer(id, began);
            if let Some(answer) = self.shared().look(&mut engine, look) {
                return answer;
            }
        }
        engine.keep_call(id, began);
        drop(engine);
        Call::new(self.clone(), id).wait_until(deadline)
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
        let (call, mut transfer) = self.begin_call(connection, method, body)?;
        let sent = self.transfer(&mut transfer, body, Limit::until(deadline), None);
        call.sent(sent)
    }

    /// Begins a call: from now on dropping it ends it.
    pub(super) fn begin_call(
        &self,
        connection: u64,
        method: u64,
        body: &[u8],
    ) -> Result<(Call, Transfer), CallError> {
        let mut engine = self.shared().lock();
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
    /// [`BodyReader::set_deadline`] says when all of the answer has to be there.
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
        let mut engine = self.shared().lock();
        let transfer = engine.session.begin_request(connection, method, len);
        let transfer = transfer.map_err(CallError::Begin)?;
        engine.call_begun(transfer.key(), true);
        drop(engine);
        let id = transfer.key().id;
        let call = Call::new(self.clone(), id);
        let link = self.clone();
        let thread = std::thread::Builder::new().name("hqq-request".to_owned());
        let sending = thread.spawn(move || {
            if let Err(error) = link.transfer_from(transfer, reader, Limit::until(deadline), None) {
                link.shared().lock().call_unsent(id, error);
            }
        });
        sending.map_err(CallError::Input)?;
        call.into_reader(deadline)
    }
}
