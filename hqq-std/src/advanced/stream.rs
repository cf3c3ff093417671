//! Logical streams.

use std::io::Read;
use std::time::{Duration, Instant};

use hqq_core::packet::Reason;

use super::call::Call;
use super::error::{CallError, LinkFailure, TransferError};
use super::link::AdvancedLink;

/// The name of a stream, of the peer of this generation: the next one may give the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StreamKey {
    pub(super) id: u64,
    pub(super) generation: u64,
}

/// A logical stream of a link, dialled or accepted. Its messages do not stop those of others, where
/// credits were agreed on. Dropping it closes it: its calls fail, at both ends.
pub struct Stream {
    link: AdvancedLink,
    key: StreamKey,
}

impl Stream {
    pub(super) const fn new(link: AdvancedLink, key: StreamKey) -> Self {
        Self { link, key }
    }

    /// Its number, the same at both ends.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.key.id
    }

    /// The link, as long as the stream's peer is there.
    fn link(&self) -> Result<&AdvancedLink, TransferError> {
        if self.link.shared().lock().generation == self.key.generation {
            Ok(&self.link)
        } else {
            Err(TransferError::Link(LinkFailure::Disconnected))
        }
    }

    /// As [`AdvancedLink::send_large`], on this stream.
    ///
    /// # Errors
    /// As there.
    pub fn send_large(&self, message: &[u8]) -> Result<(), TransferError> {
        self.link()?.send_large_on(self.key.id, message, None)
    }

    /// As [`AdvancedLink::send_stream`], on this stream.
    ///
    /// # Errors
    /// As there.
    pub fn send_stream(&self, reader: impl Read, len: Option<u64>) -> Result<u64, TransferError> {
        self.link()?.send_stream_on(self.key.id, reader, len)
    }

    /// As [`AdvancedLink::call`], on this stream.
    ///
    /// # Errors
    /// As there.
    pub fn call(&self, method: u64, body: &[u8]) -> Result<Vec<u8>, CallError> {
        self.link()?.call_on(self.key.id, method, body, None)
    }

    /// As [`AdvancedLink::call_timeout`], on this stream.
    ///
    /// # Errors
    /// As there.
    pub fn call_timeout(
        &self,
        method: u64,
        body: &[u8],
        timeout: Duration,
    ) -> Result<Vec<u8>, CallError> {
        let deadline = Instant::now().checked_add(timeout);
        self.link()?.call_on(self.key.id, method, body, deadline)
    }

    /// As [`AdvancedLink::start_call`], on this stream.
    ///
    /// # Errors
    /// As there.
    pub fn start_call(&self, method: u64, body: &[u8]) -> Result<Call, CallError> {
        self.link()?.start_call_on(self.key.id, method, body, None)
    }

    /// Closes it with a reason; dropping it gives the normal one, 0.
    pub fn close(self, reason: u64) {
        self.link.close_stream(self.key, Reason::new(reason));
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.link.close_stream(self.key, Reason::NORMAL);
    }
}
