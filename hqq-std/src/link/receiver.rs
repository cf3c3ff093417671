//! The receiving half, with deadlines.

use std::time::{Duration, Instant};

use hqq_core::link::ReadGrant;
use hqq_core::ring::Consumer;
use hqq_core::{Trusted, TryRecvError};

use super::{AnyConsumer, Half};
use crate::attach::SideByte;
use crate::error::RecvError;
use crate::trace::event;
use crate::wait::{Backoff, poll};

/// Receives messages of one direction. Dropping it closes that side of it (on a shared side, with
/// the last of its receivers); messages that were not received stay for the next one.
///
/// What can be asked of an [`hqq_core::Receiver`] can be asked of it, too.
pub type Receiver<C = AnyConsumer> = Half<hqq_core::Receiver<C>>;

impl<C: Consumer> Receiver<C> {
    /// Copies the next message into `buffer` and says how long it is.
    ///
    /// # Errors
    /// [`RecvError`]. A message that does not fit stays the next one.
    pub fn recv(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        self.recv_by(buffer, self.backoff())
    }

    /// As [`Receiver::recv`], for at most this long.
    ///
    /// # Errors
    /// As there.
    pub fn recv_timeout(
        &mut self,
        buffer: &mut [u8],
        timeout: Duration,
    ) -> Result<usize, RecvError> {
        self.recv_by(buffer, Backoff::within(Some(timeout)))
    }

    /// As [`Receiver::recv`], until `deadline`.
    ///
    /// # Errors
    /// As there.
    pub fn recv_deadline(
        &mut self,
        buffer: &mut [u8],
        deadline: Instant,
    ) -> Result<usize, RecvError> {
        self.recv_by(buffer, Backoff::until(Some(deadline)))
    }

    fn recv_by(&mut self, buffer: &mut [u8], mut backoff: Backoff) -> Result<usize, RecvError> {
        let result = self.core.recv(buffer, &mut backoff);
        self.traced(&result);
        Ok(result?)
    }

    /// The next message in memory of its own.
    ///
    /// # Errors
    /// [`RecvError`], never `BufferTooSmall`.
    pub fn recv_vec(&mut self) -> Result<Vec<u8>, RecvError> {
        let mut backoff = self.backoff();
        let result = self.core.next(&mut backoff).map(|message| {
            let mut bytes = vec![0; message.len()];
            let len = message.copy_to(0, &mut bytes);
            bytes.truncate(len);
            bytes
        });
        self.traced(&result.as_ref().map(Vec::len).map_err(|error| *error));
        Ok(result?)
    }

    /// The next message, in its buffer.
    ///
    /// # Errors
    /// [`RecvError`], never `BufferTooSmall`.
    #[allow(
        clippy::should_implement_trait,
        reason = "the message lies in the ring, which no iterator could lend"
    )]
    pub fn next(&mut self) -> Result<ReadGrant<'_, C>, RecvError> {
        let mut backoff = self.backoff();
        Ok(self.core.next(&mut backoff)?)
    }

    /// All messages until the sender closes its half, each in memory of its own; ends after an
    /// error.
    pub const fn incoming(&mut self) -> Incoming<'_, C> {
        Incoming {
            receiver: Some(self),
        }
    }

    /// As [`hqq_core::Receiver::try_recv`].
    ///
    /// # Errors
    /// As there.
    pub fn try_recv(&mut self, buffer: &mut [u8]) -> Result<usize, TryRecvError> {
        self.core.try_recv(buffer)
    }

    /// As [`hqq_core::Receiver::try_next`].
    ///
    /// # Errors
    /// As there.
    pub fn try_next(&mut self) -> Result<ReadGrant<'_, C>, TryRecvError> {
        self.core.try_next()
    }

    /// As [`hqq_core::Receiver::try_recv_batch`].
    ///
    /// # Errors
    /// As there.
    pub fn try_recv_batch(
        &mut self,
        limit: usize,
        each: impl FnMut(&ReadGrant<'_, C>),
    ) -> Result<usize, TryRecvError> {
        self.core.try_recv_batch(limit, each)
    }

    /// As [`hqq_core::Receiver::try_read`].
    ///
    /// # Errors
    /// As there.
    pub fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, TryRecvError> {
        self.core.try_read(buffer)
    }

    /// As [`hqq_core::Receiver::trusted`]; wait with a [`Backoff`].
    ///
    /// # Safety
    /// As there.
    #[allow(unsafe_code, reason = "the one call in which the user vouches")]
    pub unsafe fn trusted(&mut self) -> Trusted<'_, hqq_core::Receiver<C>> {
        // SAFETY: the caller's promise is the same.
        unsafe { self.core.trusted() }
    }

    /// As [`std::io::Read::read`], until `backoff` gives up.
    pub(super) fn read_by(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        let mut backoff = self.backoff();
        let result = self.core.read(buffer, &mut backoff);
        self.traced(&result);
        Ok(result?)
    }

    #[allow(
        unused_variables,
        clippy::unused_self,
        reason = "used where events are on"
    )]
    fn traced(&self, result: &Result<usize, hqq_core::RecvError>) {
        match result {
            Ok(len) => event!(TRACE, len, "received"),
            Err(hqq_core::RecvError::TimedOut) => {
                event!(DEBUG, peer = %self.peer_addr(), "empty until the timeout");
            }
            Err(error) => event!(DEBUG, peer = %self.peer_addr(), %error, "nothing received"),
        }
    }

    /// Waits until a sender is attached or a message is there; `false` where neither came in time.
    #[must_use]
    pub fn wait_for_peer(&self, timeout: Option<Duration>) -> bool {
        poll(Backoff::within(timeout), || {
            (self.core.is_peer_open() || self.core.is_readable()).then_some(())
        })
        .is_some()
    }

    /// Whether the senders died without closing their half: after the messages that are there,
    /// nothing comes until another one attaches. Only where the system tells (Linux); takes a few
    /// system calls.
    #[must_use]
    pub fn is_peer_dead(&self) -> bool {
        let side = SideByte::new(self.role().peer(), false);
        self.attachment().is_dead(side, || self.core.is_peer_open())
    }
}

/// The messages that come; see [`Receiver::incoming`].
pub struct Incoming<'a, C: Consumer> {
    receiver: Option<&'a mut Receiver<C>>,
}

impl<C: Consumer> Iterator for Incoming<'_, C> {
    type Item = Result<Vec<u8>, RecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.receiver.as_mut()?.recv_vec() {
            Ok(message) => Some(Ok(message)),
            Err(error) => {
                self.receiver = None;
                (error != RecvError::Disconnected).then_some(Err(error))
            }
        }
    }
}
