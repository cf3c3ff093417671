//! Logical streams.

use std::io::Read;
use std::time::{Duration, Instant};

use hqq_core::packet::Reason;

use super::call::Call;
use super::engine::Engine;
use super::error::{CallError, LinkFailure, ReceiveError, TransferError};
use super::link::AdvancedLink;
use super::message::{BodyReader, Incoming, Message};

/// The name of a stream, of the peer of this generation: the next one may give the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StreamKey {
    pub(super) id: u64,
    pub(super) generation: u64,
}

/// Where a message goes: the link itself, or the stream of a number, of whichever peer is there or of one alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    connection: u64,
    generation: Option<u64>,
}

impl Route {
    /// Of whichever peer is there; 0 is the link itself.
    pub(super) const fn of_any(connection: u64) -> Self {
        Self {
            connection,
            generation: None,
        }
    }

    /// The number, as long as its peer is there: under the lock under which it is used.
    pub(super) fn find(self, engine: &Engine) -> Result<u64, LinkFailure> {
        match self.generation {
            Some(generation) if generation != engine.generation => Err(LinkFailure::Disconnected),
            _ => Ok(self.connection),
        }
    }
}

/// A logical stream of a link, dialled or accepted. Its messages do not stop those of others, where
/// credits were agreed on. Dropping it closes it: its calls fail, at both ends.
///
/// What comes on it is received here; the link's own [`receive`](AdvancedLink::receive) and its like take
/// what comes on any stream, so use one or the other. Requests are answered on the link.
///
/// ```
/// use hqq_std::{AdvancedLink, AdvancedOptions, Message};
/// let (near, far) = hqq_std::pair()?;
/// let options = AdvancedOptions::new();
/// let (near, far) = (AdvancedLink::new(near, options), AdvancedLink::new(far, options));
/// far.listen(true);
/// let server = std::thread::spawn(move || {
///     far.wait_for_negotiation(None)?;
///     let stream = far.accept(None)?;
///     if let Message::Request(request) = stream.receive()? {
///         far.respond(&request, b"on the stream")?;
///     }
///     assert_eq!(stream.receive()?.body(), b"no answer needed");
///     Ok::<(), std::io::Error>(())
/// });
/// near.negotiate(None)?;
/// let stream = near.dial(None)?;
/// assert_eq!(stream.call(1, b"where?")?, b"on the stream");
/// stream.send_large(b"no answer needed")?;
/// server.join().unwrap()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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

    /// Where its messages go.
    const fn route(&self) -> Route {
        Route {
            connection: self.key.id,
            generation: Some(self.key.generation),
        }
    }

    /// As [`AdvancedLink::send_large`], on this stream.
    ///
    /// # Errors
    /// As there.
    pub fn send_large(&self, message: &[u8]) -> Result<(), TransferError> {
        self.link.send_large_to(self.route(), message, None)
    }

    /// As [`AdvancedLink::send_large_until`], on this stream.
    ///
    /// # Errors
    /// As there.
    pub fn send_large_until(
        &self,
        message: &[u8],
        deadline: Option<Instant>,
    ) -> Result<(), TransferError> {
        self.link.send_large_to(self.route(), message, deadline)
    }

    /// As [`AdvancedLink::send_large_async`], on this stream.
    ///
    /// # Errors
    /// As there.
    pub async fn send_large_async(&self, message: &[u8]) -> Result<(), TransferError> {
        self.link.send_large_to_async(self.route(), message).await
    }

    /// As [`AdvancedLink::send_stream`], on this stream.
    ///
    /// # Errors
    /// As there.
    pub fn send_stream(&self, reader: impl Read, len: Option<u64>) -> Result<u64, TransferError> {
        self.send_stream_until(reader, len, None)
    }

    /// As [`AdvancedLink::send_stream_until`], on this stream.
    ///
    /// # Errors
    /// As there.
    pub fn send_stream_until(
        &self,
        reader: impl Read,
        len: Option<u64>,
        deadline: Option<Instant>,
    ) -> Result<u64, TransferError> {
        self.link
            .send_stream_to(self.route(), reader, len, deadline)
    }

    /// The next message or request that comes on this stream, all of it; see [`AdvancedLink::receive`].
    ///
    /// # Errors
    /// [`ReceiveError::StreamClosed`] or [`ReceiveError::Link`] where the stream or the link is over, and
    /// everything that had come was received: while other messages that nobody receives stop the ring, this waits also where the
    /// peer has gone.
    pub fn receive(&self) -> Result<Message, ReceiveError> {
        self.receive_until(None)
    }

    /// As [`Stream::receive`], for at most this long.
    ///
    /// # Errors
    /// As there; [`ReceiveError::TimedOut`] where none came in time.
    pub fn receive_timeout(&self, timeout: Duration) -> Result<Message, ReceiveError> {
        self.receive_until(Instant::now().checked_add(timeout))
    }

    /// As [`Stream::receive_timeout`], until `deadline`; `None` is for ever.
    ///
    /// # Errors
    /// As there.
    pub fn receive_until(&self, deadline: Option<Instant>) -> Result<Message, ReceiveError> {
        self.link.receive_on(self.key, deadline)
    }

    /// As [`Stream::receive`], for a task of any runtime.
    ///
    /// # Errors
    /// As there.
    pub async fn receive_async(&self) -> Result<Message, ReceiveError> {
        self.link.receive_on_async(self.key).await
    }

    /// The next message or request on this stream, as soon as it has begun; its bytes are read as they
    /// come. See [`AdvancedLink::receive_stream`].
    ///
    /// # Errors
    /// As [`Stream::receive_timeout`].
    pub fn receive_stream(&self, deadline: Option<Instant>) -> Result<Incoming, ReceiveError> {
        self.link.receive_stream_on(self.key, deadline)
    }

    /// As [`AdvancedLink::call`], on this stream.
    ///
    /// # Errors
    /// As there.
    pub fn call(&self, method: u64, body: &[u8]) -> Result<Vec<u8>, CallError> {
        self.call_until(method, body, None)
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
        self.call_until(method, body, Instant::now().checked_add(timeout))
    }

    /// As [`AdvancedLink::call_until`], on this stream.
    ///
    /// # Errors
    /// As there.
    pub fn call_until(
        &self,
        method: u64,
        body: &[u8],
        deadline: Option<Instant>,
    ) -> Result<Vec<u8>, CallError> {
        let call = self
            .link
            .start_call_to(self.route(), method, body, deadline)?;
        call.wait_until(deadline)
    }

    /// As [`AdvancedLink::call_async`], on this stream.
    ///
    /// # Errors
    /// As there.
    pub async fn call_async(&self, method: u64, body: &[u8]) -> Result<Vec<u8>, CallError> {
        self.link.call_to_async(self.route(), method, body).await
    }

    /// As [`AdvancedLink::call_stream`], on this stream.
    ///
    /// # Errors
    /// As there.
    pub fn call_stream(
        &self,
        method: u64,
        reader: impl Read + Send + 'static,
        len: Option<u64>,
        deadline: Option<Instant>,
    ) -> Result<BodyReader, CallError> {
        self.link
            .call_stream_to(self.route(), method, reader, len, deadline)
    }

    /// As [`AdvancedLink::start_call`], on this stream.
    ///
    /// # Errors
    /// As there.
    pub fn start_call(&self, method: u64, body: &[u8]) -> Result<Call, CallError> {
        self.link.start_call_to(self.route(), method, body, None)
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
