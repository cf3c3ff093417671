//! The sending half, with deadlines.

use std::io;
use std::ops::Deref;
use std::time::{Duration, Instant};

use hqq_core::link::WriteGrant;
use hqq_core::ring::Producer;
use hqq_core::ring::exclusive::ExclusiveProducer;
use hqq_core::{Dynamic, Role, Trusted, TrySendError};

use crate::attach::{Attachment, SideByte};
use crate::datagram::LinkAddr;
use crate::error::{DrainError, SendError};
use crate::kept::Kept;
use crate::trace::event;
use crate::wait::{Backoff, poll};

/// Sends messages in one direction. Dropping it closes that direction (on a shared side, with the
/// last of its senders).
///
/// What can be asked of an [`hqq_core::Sender`] can be asked of it, too.
pub struct Sender<P: Producer = ExclusiveProducer<Dynamic>> {
    core: Kept<hqq_core::Sender<P>>,
    timeout: Option<Duration>,
}

impl<P: Producer> Sender<P> {
    pub(super) const fn new(core: Kept<hqq_core::Sender<P>>) -> Self {
        Self {
            core,
            timeout: None,
        }
    }

    pub(super) fn attachment(&self) -> &Attachment {
        self.core.attachment()
    }

    /// The role this end has.
    #[must_use]
    pub fn role(&self) -> Role {
        self.attachment().role()
    }

    /// Where this end is.
    #[must_use]
    pub fn local_addr(&self) -> LinkAddr {
        LinkAddr::new(self.attachment().path(), self.role())
    }

    /// Where the other end is.
    #[must_use]
    pub fn peer_addr(&self) -> LinkAddr {
        LinkAddr::new(self.attachment().path(), self.role().peer())
    }

    /// How long sending calls without a timeout of their own wait; `None` is for ever.
    ///
    /// # Errors
    /// `InvalidInput` for a timeout of zero, as in [`std::net::TcpStream`].
    pub fn set_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.timeout = checked(timeout)?;
        Ok(())
    }

    /// How long sending calls without a timeout of their own wait.
    #[must_use]
    pub const fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    fn backoff(&self) -> Backoff {
        Backoff::within(self.timeout)
    }

    /// Sends a message, waiting for a free buffer. Empty messages travel, too.
    ///
    /// # Errors
    /// [`SendError`]; nothing was published then.
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.send_by(message, self.backoff())
    }

    /// As [`Sender::send`], for at most this long.
    ///
    /// # Errors
    /// As there.
    pub fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        self.send_by(message, Backoff::within(Some(timeout)))
    }

    /// As [`Sender::send`], until `deadline`.
    ///
    /// # Errors
    /// As there.
    pub fn send_deadline(&mut self, message: &[u8], deadline: Instant) -> Result<(), SendError> {
        self.send_by(message, Backoff::until(Some(deadline)))
    }

    fn send_by(&mut self, message: &[u8], mut backoff: Backoff) -> Result<(), SendError> {
        let result = self.core.send(message, &mut backoff);
        self.traced(message.len(), result)
    }

    /// Sends the pieces one after the other as one message.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub fn send_vectored<B: AsRef<[u8]>>(&mut self, pieces: &[B]) -> Result<(), SendError> {
        let mut backoff = self.backoff();
        let len = pieces.iter().fold(0, |sum: usize, piece| {
            sum.saturating_add(piece.as_ref().len())
        });
        let result = self.core.send_vectored(pieces, &mut backoff);
        self.traced(len, result)
    }

    #[allow(
        unused_variables,
        clippy::unused_self,
        reason = "used where events are on"
    )]
    fn traced(&self, len: usize, result: Result<(), hqq_core::SendError>) -> Result<(), SendError> {
        match result {
            Ok(()) => event!(TRACE, len, "sent"),
            Err(hqq_core::SendError::TimedOut) => {
                event!(DEBUG, peer = %self.peer_addr(), len, "full until the timeout");
            }
            Err(error) => event!(DEBUG, peer = %self.peer_addr(), len, %error, "not sent"),
        }
        Ok(result?)
    }

    /// Sends bytes of any length as as many messages as that takes; none for no bytes.
    ///
    /// # Errors
    /// As [`Sender::send`], and how many bytes were sent before.
    pub fn send_chunked(&mut self, bytes: &[u8]) -> Result<(), (usize, SendError)> {
        let max = self.core.max_message_size();
        for (index, chunk) in bytes.chunks(max).enumerate() {
            self.send(chunk).map_err(|error| (index * max, error))?;
        }
        Ok(())
    }

    /// A free buffer to be filled in place.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub fn reserve(&mut self) -> Result<WriteGrant<'_, P>, SendError> {
        let mut backoff = self.backoff();
        Ok(self.core.reserve(&mut backoff)?)
    }

    /// As [`hqq_core::Sender::try_send`].
    ///
    /// # Errors
    /// As there.
    pub fn try_send(&mut self, message: &[u8]) -> Result<(), TrySendError> {
        self.core.try_send(message)
    }

    /// As [`hqq_core::Sender::try_send_vectored`].
    ///
    /// # Errors
    /// As there.
    pub fn try_send_vectored<B: AsRef<[u8]>>(&mut self, pieces: &[B]) -> Result<(), TrySendError> {
        self.core.try_send_vectored(pieces)
    }

    /// As [`hqq_core::Sender::try_send_batch`].
    ///
    /// # Errors
    /// As there.
    pub fn try_send_batch<M: AsRef<[u8]>>(
        &mut self,
        messages: &[M],
    ) -> Result<usize, TrySendError> {
        self.core.try_send_batch(messages)
    }

    /// As [`hqq_core::Sender::try_reserve`].
    ///
    /// # Errors
    /// As there.
    pub fn try_reserve(&mut self) -> Result<WriteGrant<'_, P>, TrySendError> {
        self.core.try_reserve()
    }

    /// As [`hqq_core::Sender::trusted`]; wait with a [`Backoff`].
    ///
    /// # Safety
    /// As there.
    #[allow(unsafe_code, reason = "the one call in which the user vouches")]
    pub unsafe fn trusted(&mut self) -> Trusted<'_, hqq_core::Sender<P>> {
        // SAFETY: the caller's promise is the same.
        unsafe { self.core.trusted() }
    }

    /// Waits until everything that was sent has been received.
    ///
    /// # Errors
    /// [`DrainError`] with the number of messages that are left.
    pub fn wait_drained(&self, timeout: Option<Duration>) -> Result<(), DrainError> {
        poll(Backoff::within(timeout), || {
            // Before counting: what the receiver read before it closed was received.
            let closed = self.core.is_peer_closed();
            match self.core.unread() {
                0 => Some(Ok(())),
                unread if closed => Some(Err(DrainError::Disconnected { unread })),
                _ => None,
            }
        })
        .unwrap_or_else(|| match self.core.unread() {
            0 => Ok(()),
            unread => Err(DrainError::TimedOut { unread }),
        })
    }

    /// Waits until a receiver is attached; `false` where none came in time.
    #[must_use]
    pub fn wait_for_peer(&self, timeout: Option<Duration>) -> bool {
        poll(Backoff::within(timeout), || {
            self.core.is_peer_open().then_some(())
        })
        .is_some()
    }

    /// Whether the receivers died without closing their half: nobody receives until another one
    /// attaches. Only where the system tells (Linux); takes a few system calls.
    #[must_use]
    pub fn is_peer_dead(&self) -> bool {
        let side = SideByte::new(self.role().peer(), true);
        self.attachment().is_dead(side, || self.core.is_peer_open())
    }
}

/// A timeout that is not zero.
pub(super) fn checked(timeout: Option<Duration>) -> io::Result<Option<Duration>> {
    if timeout.is_some_and(|timeout| timeout.is_zero()) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a timeout of zero: give a longer one, or use the try_ calls",
        ));
    }
    Ok(timeout)
}

impl<P: Producer> Deref for Sender<P> {
    type Target = hqq_core::Sender<P>;

    fn deref(&self) -> &Self::Target {
        &self.core
    }
}
