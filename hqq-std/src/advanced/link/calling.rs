//! Calls.

use std::io::Read;
use std::time::{Duration, Instant};

use super::super::call::Call;
use super::super::engine::Engine;
use super::super::error::{CallError, TransferError};
use super::super::message::BodyReader;
use super::sending::check_len;
use super::{AT_ONCE, AdvancedLink};

impl AdvancedLink {
    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// [`CallError`]; an answer that reports a failure is [`CallError::Response`].
    pub fn call(&self, method: u64, body: &[u8]) -> Result<Vec<u8>, CallError> {
        self.call_on(0, method, body, None)
    }

    /// As [`AdvancedLink::call`], for at most this long; then the call is given up.
    ///
    /// # Errors
    /// As there.
    pub fn call_timeout(
        &self,
        method: u64,
        body: &[u8],
        timeout: Duration,
    ) -> Result<Vec<u8>, CallError> {
        self.call_on(0, method, body, Instant::now().checked_add(timeout))
    }

    /// As [`AdvancedLink::call`], on a stream and until `deadline`.
    ///
    /// # Errors
    /// As there.
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

    /// Sends a request; its answer is waited for later, or by a future.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn start_call(&self, method: u64, body: &[u8]) -> Result<Call, CallError> {
        self.start_call_on(0, method, body, None)
    }

    /// As [`AdvancedLink::start_call`], on a stream; sending it may take until `deadline`.
    ///
    /// # Errors
    /// As there.
    pub fn start_call_on(
        &self,
        connection: u64,
        method: u64,
        body: &[u8],
        deadline: Option<Instant>,
    ) -> Result<Call, CallError> {
        let mut engine = self.shared().lock();
        let len = check_len(&engine, body)?;
        let transfer = engine.session.begin_request(connection, method, Some(len));
        let mut transfer = transfer.map_err(CallError::Begin)?;
        engine.call_begun(transfer.key(), false);
        drop(engine);
        // From now on dropping it ends the call.
        let call = Call::new(self.clone(), transfer.key().id);
        match self.transfer(&mut transfer, body, deadline, None) {
            // Waiting for the answer tells why no more of the request was sent.
            Err(TransferError::StreamClosed) if call.is_over() => Ok(call),
            result => result.map(|()| call).map_err(CallError::from),
        }
    }

    /// Sends a request of any length from `reader` (`len` bytes, or up to its end where the peer has
    /// agreed to that) on a thread of its own, and reads the answer as it comes, also before all of the
    /// request was sent.
    ///
    /// # Errors
    /// As [`AdvancedLink::call`].
    pub fn call_stream(
        &self,
        method: u64,
        reader: impl Read + Send + 'static,
        len: Option<u64>,
        deadline: Option<Instant>,
    ) -> Result<BodyReader, CallError> {
        let mut engine = self.shared().lock();
        let transfer = engine.session.begin_request(0, method, len);
        let transfer = transfer.map_err(CallError::Begin)?;
        engine.call_begun(transfer.key(), true);
        drop(engine);
        let id = transfer.key().id;
        let call = Call::new(self.clone(), id);
        let link = self.clone();
        let thread = std::thread::Builder::new().name("hqq-request".to_owned());
        let sending = thread.spawn(move || {
            if let Err(error) = link.transfer_from(transfer, reader, deadline, None) {
                link.shared().lock().call_unsent(id, error);
            }
        });
        sending.map_err(CallError::Input)?;
        call.into_reader(deadline)
    }
}
