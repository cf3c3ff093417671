//! Responses to requests.

use std::io::Read;

use super::super::error::TransferError;
use super::super::message::Request;
use super::AdvancedLink;
use super::sending::check_len;

impl AdvancedLink {
    /// Answers a request. Nothing is sent where its caller has given up, and no more where it does so
    /// meanwhile.
    ///
    /// # Errors
    /// [`TransferError`].
    pub fn respond(&self, request: &Request, body: &[u8]) -> Result<(), TransferError> {
        self.respond_as(request, 0, false, body)
    }

    /// Answers a request with a failure; a status of 0 becomes 6, "invalid operation".
    ///
    /// # Errors
    /// [`TransferError`].
    pub fn respond_error(
        &self,
        request: &Request,
        status: u64,
        body: &[u8],
    ) -> Result<(), TransferError> {
        let status = if status == 0 { 6 } else { status };
        self.respond_as(request, status, true, body)
    }

    pub(super) fn respond_as(
        &self,
        request: &Request,
        status: u64,
        error: bool,
        body: &[u8],
    ) -> Result<(), TransferError> {
        let mut engine = self.shared().lock();
        let len = check_len(&engine, body)?;
        // Under the lock: a request of an earlier peer's is cancelled, and stays so.
        if request.is_cancelled() {
            return Ok(());
        }
        if engine.respond_at_once(request, status, error, body) {
            return Ok(());
        }
        let key = &request.key;
        let transfer = engine.session.begin_response(key, status, error, Some(len));
        let mut transfer = transfer.map_err(TransferError::Begin)?;
        engine.recorder.responses_sent += 1;
        drop(engine);
        let result = self.transfer(&mut transfer, body, None, Some(request));
        self.responded(request, result)
    }

    /// Answers a request with what `reader` gives, of any length; see [`AdvancedLink::send_stream`].
    ///
    /// # Errors
    /// [`TransferError`].
    pub fn respond_stream(
        &self,
        request: &Request,
        reader: impl Read,
        len: Option<u64>,
    ) -> Result<u64, TransferError> {
        let mut engine = self.shared().lock();
        if request.is_cancelled() {
            return Ok(0);
        }
        let transfer = engine.session.begin_response(&request.key, 0, false, len);
        let transfer = transfer.map_err(TransferError::Begin)?;
        engine.recorder.responses_sent += 1;
        drop(engine);
        let result = self.transfer_from(transfer, reader, None, Some(request));
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
        engine.served(&request.key);
        result
    }
}
