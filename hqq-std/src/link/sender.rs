//! The sending half, with deadlines.

use std::time::{Duration, Instant};

use hqq_core::link::WriteGrant;
use hqq_core::packet::Packet;
use hqq_core::ring::Producer;
use hqq_core::{Trusted, TrySendError};

use super::watch::Pulse;
use super::{AnyProducer, Half, MISSING};
use crate::attach::Attachment;
use crate::error::{DrainError, SendError};
use crate::trace::event;
use crate::wait::{Limit, Policy};

/// Sends messages in one direction. Dropping it closes that direction (on a shared side, with the
/// last of its senders).
///
/// What can be asked of an [`hqq_core::Sender`] can be asked of it, too.
pub type Sender<P = AnyProducer> = Half<hqq_core::Sender<P>>;

impl<P: Producer> Sender<P> {
    /// Sends a message, waiting for a free buffer. Empty messages travel, too, but not in format 1.
    ///
    /// # Errors
    /// [`SendError`]; nothing was published then.
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.send_by(message, self.limit())
    }

    /// As [`Sender::send`], for at most this long.
    ///
    /// # Errors
    /// As there.
    pub fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        self.send_by(message, Limit::within(Some(timeout)))
    }

    /// As [`Sender::send`], until `deadline`.
    ///
    /// # Errors
    /// As there.
    pub fn send_deadline(&mut self, message: &[u8], deadline: Instant) -> Result<(), SendError> {
        self.send_by(message, Limit::until(Some(deadline)))
    }

    /// As [`Sender::send`], waiting in the way of `policy` this time, until `deadline` if there is
    /// one.
    ///
    /// # Errors
    /// As there.
    pub fn send_with_policy(
        &mut self,
        message: &[u8],
        policy: Policy,
        deadline: Option<Instant>,
    ) -> Result<(), SendError> {
        let usual = self.wait_policy();
        self.set_wait_policy(policy);
        let result = self.send_by(message, Limit::until(deadline));
        self.set_wait_policy(usual);
        result
    }

    fn send_by(&mut self, message: &[u8], limit: Limit) -> Result<(), SendError> {
        let (core, mut watch, _) = self.watched(limit);
        let result = core.send(message, &mut watch);
        drop(watch);
        self.traced(message.len(), result)
    }

    /// Sends the pieces one after the other as one message.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub fn send_vectored<B: AsRef<[u8]>>(&mut self, pieces: &[B]) -> Result<(), SendError> {
        let limit = self.limit();
        let len = pieces.iter().fold(0, |sum: usize, piece| {
            sum.saturating_add(piece.as_ref().len())
        });
        let (core, mut watch, _) = self.watched(limit);
        let result = core.send_vectored(pieces, &mut watch);
        drop(watch);
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
        settled(self.attachment(), result)
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
        let limit = self.limit();
        let (core, mut watch, attachment) = self.watched(limit);
        settled(attachment, core.reserve(&mut watch))
    }

    /// As [`hqq_core::Sender::try_send`].
    ///
    /// # Errors
    /// As there.
    pub fn try_send(&mut self, message: &[u8]) -> Result<(), TrySendError> {
        let result = self.attempt(|core| core.try_send(message), |_, _| false);
        present(self.attachment(), result)
    }

    /// As [`hqq_core::Sender::try_send_vectored`].
    ///
    /// # Errors
    /// As there.
    pub fn try_send_vectored<B: AsRef<[u8]>>(&mut self, pieces: &[B]) -> Result<(), TrySendError> {
        let result = self.attempt(|core| core.try_send_vectored(pieces), |_, _| false);
        present(self.attachment(), result)
    }

    /// As [`hqq_core::Sender::try_send_batch`].
    ///
    /// # Errors
    /// As there.
    pub fn try_send_batch<M: AsRef<[u8]>>(
        &mut self,
        messages: &[M],
    ) -> Result<usize, TrySendError> {
        let result = self.attempt(|core| core.try_send_batch(messages), |_, _| false);
        present(self.attachment(), result)
    }

    /// As [`hqq_core::Sender::try_reserve`].
    ///
    /// # Errors
    /// As there.
    pub fn try_reserve(&mut self) -> Result<WriteGrant<'_, P>, TrySendError> {
        if self.ready().is_some() {
            return self.try_reserve_at_event();
        }
        let (core, attachment) = self.core.parts();
        present(attachment, core.try_reserve())
    }

    /// The same for an event loop: a buffer that is claimed cannot be given back, so that it is looked for
    /// room first.
    fn try_reserve_at_event(&mut self) -> Result<WriteGrant<'_, P>, TrySendError> {
        let has_room = |core: &mut hqq_core::Sender<P>| {
            let has_room = core.is_writable();
            has_room.then_some(()).ok_or(TrySendError::Full)
        };
        let saw_room = self.attempt(has_room, |_, _| false).is_ok();
        let (core, attachment, ready) = self.parts();
        let result = core.try_reserve();
        // It is otherwise than what the descriptor was left for.
        if let Some(ready) = ready
            && saw_room == matches!(result, Err(TrySendError::Full))
        {
            ready.stay_readable();
        }
        present(attachment, result)
    }

    /// As [`hqq_core::Sender::trusted`]; wait with a [`Waiter`](crate::wait::Waiter).
    ///
    /// # Safety
    /// As there.
    #[allow(unsafe_code, reason = "the one call in which the user vouches")]
    pub unsafe fn trusted(&mut self) -> Trusted<'_, hqq_core::Sender<P>> {
        // SAFETY: the caller's promise is the same.
        unsafe { self.core.trusted() }
    }

    /// Waits until everything that was sent has been received; by all receivers, where they share
    /// their side.
    ///
    /// # Errors
    /// [`DrainError`] with how much is left.
    pub fn wait_drained(&self, timeout: Option<Duration>) -> Result<(), DrainError> {
        if self.attachment().is_forked() {
            return Err(DrainError::Forked);
        }
        let mut watch = Pulse::new(self.attachment());
        self.wait_for(timeout, || {
            watch.beat();
            // Before counting: what the receiver read before it closed was received.
            let closed = self.core.is_peer_closed();
            let dead = self.core.is_peer_dead();
            match self.core.unread() {
                _ if self.is_truncated() => Some(Err(DrainError::Truncated)),
                0 => Some(Ok(())),
                unread if closed => Some(Err(DrainError::Disconnected { unread })),
                unread if dead => Some(Err(DrainError::PeerDead { unread })),
                _ => None,
            }
        })
        .unwrap_or_else(|| match self.core.unread() {
            0 if self.is_truncated() => Err(DrainError::Truncated),
            0 => Ok(()),
            unread => Err(DrainError::TimedOut { unread }),
        })
    }

    /// Waits until a receiver is attached; `false` where none came in time, in a forked child, and where the
    /// file was made shorter.
    #[must_use]
    pub fn wait_for_peer(&self, timeout: Option<Duration>) -> bool {
        self.wait_until(timeout, || self.core.is_peer_open())
    }

    /// Takes back what nobody has received, of that what `choose` says, where the receivers have died;
    /// `taken` is told.
    pub(crate) fn retract(
        &mut self,
        choose: impl FnMut(&Packet) -> bool,
        taken: impl FnMut(&Packet),
    ) {
        let (core, attachment) = self.core.parts();
        attachment.retract(core, choose, taken);
    }

    /// Whether the receivers died without closing their half: nobody receives until another one
    /// attaches. Only where the system tells (Linux); takes a few system calls.
    #[must_use]
    pub fn is_peer_dead(&self) -> bool {
        self.attachment().is_peer_dead(true)
    }
}

/// A result of the ring, unless memory was missing: whether anybody gets what was sent then is not known.
#[inline]
fn settled<T>(
    attachment: &Attachment,
    result: Result<T, hqq_core::SendError>,
) -> Result<T, SendError> {
    match result {
        Ok(value) if !attachment.is_cut() => Ok(value),
        Ok(_) => Err(SendError::Truncated),
        Err(error) => Err(explained(attachment, error)),
    }
}

/// The same of a call that does not wait.
#[inline]
fn present<T>(attachment: &Attachment, result: Result<T, TrySendError>) -> Result<T, TrySendError> {
    if attachment.is_cut() {
        return Err(TrySendError::Corrupt(MISSING));
    }
    result
}

/// What an error of the ring is, by what the locks tell.
#[cold]
fn explained(attachment: &Attachment, error: hqq_core::SendError) -> SendError {
    if attachment.is_cut() {
        return SendError::Truncated;
    }
    if attachment.is_forked() {
        return SendError::Forked;
    }
    match error {
        hqq_core::SendError::PeerStalled(obstacle) => {
            let role = if obstacle.writing {
                attachment.role()
            } else {
                attachment.role().peer()
            };
            if attachment.is_kept(role, &obstacle) {
                SendError::PeerStalled(obstacle)
            } else {
                // So that the next call goes on.
                attachment.mend();
                SendError::TimedOut
            }
        }
        error => error.into(),
    }
}
