//! The receiving half, with deadlines.

use std::time::{Duration, Instant};

use hqq_core::link::ReadGrant;
use hqq_core::ring::Consumer;
use hqq_core::{Trusted, TryRecvError};

use super::watch::Watch;
use super::{AnyConsumer, Half, MISSING};
use crate::attach::Attachment;
use crate::error::RecvError;
use crate::trace::event;
use crate::wait::{Backoff, Limit, Policy};

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
        self.recv_by(buffer, self.limit())
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
        self.recv_by(buffer, Limit::within(Some(timeout)))
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
        self.recv_by(buffer, Limit::until(Some(deadline)))
    }

    /// As [`Receiver::recv`], waiting in the way of `policy` this time, until `deadline` if there is
    /// one.
    ///
    /// # Errors
    /// As there.
    pub fn recv_with_policy(
        &mut self,
        buffer: &mut [u8],
        policy: Policy,
        deadline: Option<Instant>,
    ) -> Result<usize, RecvError> {
        let usual = self.wait_policy();
        self.set_wait_policy(policy);
        let result = self.recv_by(buffer, Limit::until(deadline));
        self.set_wait_policy(usual);
        result
    }

    fn recv_by(&mut self, buffer: &mut [u8], limit: Limit) -> Result<usize, RecvError> {
        let result = self.patiently(limit, |core, watch| core.recv(buffer, watch));
        self.traced(&result);
        result
    }

    /// Repeats a call that waits for as long as messages of dead receivers are there to be had.
    #[inline]
    fn patiently<T>(
        &mut self,
        limit: Limit,
        mut call: impl FnMut(
            &mut hqq_core::Receiver<C>,
            &mut Watch<'_>,
        ) -> Result<T, hqq_core::RecvError>,
    ) -> Result<T, RecvError> {
        let (core, watch, attachment) = self.watched(limit);
        let mut watch = watch.inheriting();
        loop {
            match call(core, &mut watch) {
                Ok(_) if attachment.is_cut() => return Err(RecvError::Truncated),
                Ok(value) => return Ok(value),
                Err(_) if watch.heritage() && attachment.take_over(core) => {}
                Err(_) if watch.goes_on() => {}
                Err(error) => return Err(explained(attachment, error)),
            }
            watch.go_on();
        }
    }

    /// The next message in memory of its own.
    ///
    /// # Errors
    /// [`RecvError`], never `BufferTooSmall`.
    pub fn recv_vec(&mut self) -> Result<Vec<u8>, RecvError> {
        let limit = self.limit();
        let result = self.patiently(limit, |core, watch| {
            let message = core.next(watch)?;
            let mut bytes = vec![0; message.len()];
            let len = message.copy_to(0, &mut bytes);
            bytes.truncate(len);
            Ok(bytes)
        });
        self.traced(&result.as_ref().map(Vec::len).map_err(|error| *error));
        result
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
        let limit = self.limit();
        self.patiently(limit, |core, watch| core.fetch(watch))?;
        // It is at hand: nothing is waited for.
        Ok(self.core.next(&mut Backoff::new())?)
    }

    /// As [`Receiver::recv`], with what is known of the message besides its length.
    ///
    /// ```
    /// let (mut near, mut far) = hqq_std::pair()?;
    /// near.send(b"hello")?;
    /// let mut buffer = [0; 64];
    /// let received = far.receiver().receive(&mut buffer)?;
    /// assert_eq!((received.len, received.in_doubt), (5, false));
    /// # Ok::<(), hqq_std::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Result<Received, RecvError> {
        let message = self.next()?;
        let (needed, in_doubt) = (message.len(), message.is_in_doubt());
        let capacity = buffer.len();
        if needed > capacity {
            // Leaked, it stays the next one.
            std::mem::forget(message);
            return Err(RecvError::BufferTooSmall { needed, capacity });
        }
        let len = message.copy_to(0, buffer);
        drop(message);
        if self.is_truncated() {
            return Err(RecvError::Truncated);
        }
        Ok(Received { len, in_doubt })
    }

    /// All messages until the sender closes its half, each in memory of its own; ends after an
    /// error.
    pub const fn incoming(&mut self) -> Incoming<'_, C> {
        Incoming {
            receiver: Some(self),
        }
    }

    /// As [`hqq_core::Receiver::try_recv`]. What receivers of this side that died, or have left, had in hand comes from calls
    /// that wait, or with [`Half::readiness`]: who does nothing but ask is not given it.
    ///
    /// # Errors
    /// As there.
    pub fn try_recv(&mut self, buffer: &mut [u8]) -> Result<usize, TryRecvError> {
        // The first look stands here, not in a closure, so that what it finds stays in registers.
        let result = match self.core.try_recv(buffer) {
            Err(TryRecvError::Empty) if self.ready().is_some() => self.try_recv_again(buffer),
            result => result,
        };
        present(self.attachment(), result)
    }

    /// As [`Receiver::try_recv`], where an event loop waits for this half.
    #[cold]
    #[inline(never)]
    fn try_recv_again(&mut self, buffer: &mut [u8]) -> Result<usize, TryRecvError> {
        self.attempt(|core| core.try_recv(buffer), inherit)
    }

    /// As [`hqq_core::Receiver::try_next`].
    ///
    /// # Errors
    /// As there.
    pub fn try_next(&mut self) -> Result<ReadGrant<'_, C>, TryRecvError> {
        if self.ready().is_some() {
            // Leaked, it stays the next one.
            let found = self.attempt(|core| core.try_next().map(std::mem::forget), inherit);
            present(self.attachment(), found)?;
        }
        let (core, attachment) = self.core.parts();
        present(attachment, core.try_next())
    }

    /// As [`hqq_core::Receiver::try_recv_batch`].
    ///
    /// # Errors
    /// As there.
    pub fn try_recv_batch(
        &mut self,
        limit: usize,
        mut each: impl FnMut(&ReadGrant<'_, C>),
    ) -> Result<usize, TryRecvError> {
        let result = if self.ready().is_some() {
            self.attempt(|core| core.try_recv_batch(limit, &mut each), inherit)
        } else {
            self.core.try_recv_batch(limit, each)
        };
        present(self.attachment(), result)
    }

    /// As [`hqq_core::Receiver::try_read`].
    ///
    /// # Errors
    /// As there.
    pub fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, TryRecvError> {
        let result = self.attempt(|core| core.try_read(buffer), inherit);
        present(self.attachment(), result)
    }

    /// As [`hqq_core::Receiver::trusted`]; wait with a [`Waiter`](crate::wait::Waiter).
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
        let limit = self.limit();
        let result = self.patiently(limit, |core, watch| core.read(buffer, watch));
        self.traced(&result);
        result
    }

    #[allow(
        unused_variables,
        clippy::unused_self,
        reason = "used where events are on"
    )]
    fn traced(&self, result: &Result<usize, RecvError>) {
        match result {
            Ok(len) => event!(TRACE, len, "received"),
            Err(RecvError::TimedOut) => {
                event!(DEBUG, peer = %self.peer_addr(), "empty until the timeout");
            }
            Err(error) => event!(DEBUG, peer = %self.peer_addr(), %error, "nothing received"),
        }
    }

    /// Waits until a sender is attached or a message is there; `false` where neither came in time, in a
    /// forked child, and where the file was made shorter.
    #[must_use]
    pub fn wait_for_peer(&self, timeout: Option<Duration>) -> bool {
        self.wait_until(timeout, || {
            self.core.is_peer_open() || self.core.is_readable()
        })
    }

    /// Whether the senders died without closing their half: after the messages that are there,
    /// nothing comes until another one attaches. Only where the system tells (Linux); takes a few
    /// system calls.
    #[must_use]
    pub fn is_peer_dead(&self) -> bool {
        self.attachment().is_peer_dead(false)
    }
}

/// A message that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// Its length in bytes.
    pub len: usize,
    /// Whether a receiver that died may have seen it before; only in regions that deliver at least
    /// once.
    pub in_doubt: bool,
}

/// Makes a message that a dead receiver of this side had claimed the next one.
fn inherit<C: Consumer>(core: &mut hqq_core::Receiver<C>, attachment: &Attachment) -> bool {
    attachment.take_over(core)
}

/// A result of the ring, unless memory was missing: what was received may be zeros then.
#[inline]
fn present<T>(attachment: &Attachment, result: Result<T, TryRecvError>) -> Result<T, TryRecvError> {
    if attachment.is_cut() {
        return Err(TryRecvError::Corrupt(MISSING));
    }
    result
}

/// What an error of the ring is, by what the locks tell.
#[cold]
fn explained(attachment: &Attachment, error: hqq_core::RecvError) -> RecvError {
    if attachment.is_cut() {
        return RecvError::Truncated;
    }
    if attachment.is_forked() {
        return RecvError::Forked;
    }
    match error {
        hqq_core::RecvError::PeerStalled(obstacle) => {
            let role = if obstacle.writing {
                attachment.role().peer()
            } else {
                attachment.role()
            };
            if attachment.is_kept(role, &obstacle) {
                RecvError::PeerStalled(obstacle)
            } else {
                // So that the next call goes on.
                attachment.mend();
                RecvError::TimedOut
            }
        }
        error => error.into(),
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
