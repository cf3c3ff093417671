//! Slices over shared bytes, for peers that the user vouches for.

#![allow(
    unsafe_code,
    reason = "makes slices over a claimed buffer, under the promise of `trusted`"
)]

use core::ops::{Deref, DerefMut};

use super::error::{GrantError, RecvError, Retry, SendError, TryRecvError, TrySendError};
use super::packets::Claim;
use super::{ReadGrant, Receiver, Sender, WriteGrant};
use crate::packet::INLINE_MAX;
use crate::position::Position;
use crate::ring::{Consumer, Producer};
use crate::wait::Wait;

/// A half of a link whose peers the user vouches for: it also lends slices over shared bytes.
///
/// It lends the half itself only to be looked at: a `&mut` could exchange it for another region's,
/// for which nobody vouched.
///
/// # Invariants
/// All parties to the region keep to PROTOCOL.md: none writes a buffer that another has claimed,
/// nor stamps and counters that are not its to write.
pub struct Trusted<'a, T>(&'a mut T);

impl<'a, T> Trusted<'a, T> {
    /// Vouches for everybody who can write the region.
    ///
    /// # Safety
    /// For as long as this value or a grant made from it exists, nobody writes a buffer that
    /// somebody else has claimed, and stamps and counters change only by the rules of PROTOCOL.md.
    pub(super) const unsafe fn new(half: &'a mut T) -> Self {
        Self(half)
    }
}

impl<T> Deref for Trusted<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0
    }
}

impl<C: Consumer> Receiver<C> {
    /// The bytes in the buffer of a claimed packet as a slice.
    ///
    /// # Safety
    /// For as long as the slice exists the packet is claimed by this receiver, and nobody writes a buffer
    /// that somebody else has claimed, nor stamps and counters but by the rules of PROTOCOL.md.
    pub(crate) unsafe fn packet_slice(&self, claim: &Claim) -> &[u8] {
        let buffer = self.side.buffers().at(claim.position());
        let len = claim.len().min(buffer.len());
        // SAFETY: the `len` bytes lie in the buffer, and that inside the region, which outlives the receiver;
        // it is claimed, so by the caller's promise nobody writes it.
        unsafe { core::slice::from_raw_parts(buffer.as_ptr().as_ptr(), len) }
    }
}

impl<P: Producer> Trusted<'_, Sender<P>> {
    /// A free buffer as a slice, if there is one.
    ///
    /// # Errors
    /// As [`Sender::try_send`].
    #[inline]
    pub fn try_reserve(&mut self) -> Result<TrustedWriteGrant<'_, P>, TrySendError> {
        let position = self.0.claim(true)?;
        Ok(self.granted(position))
    }

    /// A free buffer as a slice, waiting for one as `wait` says.
    ///
    /// # Errors
    /// As [`Sender::send`].
    #[inline]
    pub fn reserve(&mut self, wait: &mut impl Wait) -> Result<TrustedWriteGrant<'_, P>, SendError> {
        let position = self.0.claim_until(wait)?;
        Ok(self.granted(position))
    }

    // Not made of the other grant in its result: what that has written would be read in other pieces, which have to get to
    // the cache before.
    #[inline]
    const fn granted(&mut self, position: Position) -> TrustedWriteGrant<'_, P> {
        TrustedWriteGrant(WriteGrant::new(self.0, position))
    }

    /// Sends `len` bytes that `fill` writes in place, if a buffer is free. They hold zeros or older
    /// bytes before.
    ///
    /// # Errors
    /// As [`Sender::try_send`].
    #[inline]
    pub fn try_send_with<R>(
        &mut self,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> R,
    ) -> Result<R, TrySendError> {
        self.0.check(len)?;
        Ok(self.try_reserve()?.send_with(len, fill))
    }

    /// As [`Trusted::try_send_with`], waiting for a buffer as `wait` says.
    ///
    /// # Errors
    /// As [`Sender::send`].
    #[inline]
    pub fn send_with<R>(
        &mut self,
        len: usize,
        wait: &mut impl Wait,
        fill: impl FnOnce(&mut [u8]) -> R,
    ) -> Result<R, SendError> {
        if let Some(error) = self.0.check(len).err().and_then(Retry::settled) {
            return Err(error);
        }
        Ok(self.reserve(wait)?.send_with(len, fill))
    }
}

impl<C: Consumer> Trusted<'_, Receiver<C>> {
    /// The next message as a slice, if there is one.
    ///
    /// # Errors
    /// As [`Receiver::try_recv`].
    #[inline]
    pub fn try_next(&mut self) -> Result<TrustedReadGrant<'_, C>, TryRecvError> {
        self.0.try_next().map(TrustedReadGrant)
    }

    /// The next message as a slice, waiting for one as `wait` says.
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    #[inline]
    pub fn next(&mut self, wait: &mut impl Wait) -> Result<TrustedReadGrant<'_, C>, RecvError> {
        self.0.next(wait).map(TrustedReadGrant)
    }

    /// Hands the next message to `read` in place, if there is one.
    ///
    /// # Errors
    /// As [`Receiver::try_recv`].
    #[inline]
    pub fn try_recv_with<R>(&mut self, read: impl FnOnce(&[u8]) -> R) -> Result<R, TryRecvError> {
        self.try_next().map(|message| read(&message))
    }

    /// Hands the next message to `read` in place, waiting for one as `wait` says.
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    #[inline]
    pub fn recv_with<R>(
        &mut self,
        wait: &mut impl Wait,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, RecvError> {
        self.next(wait).map(|message| read(&message))
    }
}

/// A reserved buffer as a slice; see [`WriteGrant`].
pub struct TrustedWriteGrant<'a, P: Producer>(WriteGrant<'a, P>);

impl<P: Producer> TrustedWriteGrant<'_, P> {
    /// Sends the first `len` bytes of the slice.
    ///
    /// # Errors
    /// As [`WriteGrant::commit`].
    #[inline]
    pub fn commit(self, len: usize) -> Result<(), GrantError> {
        self.0.commit(len)
    }

    /// As [`WriteGrant::abort`].
    pub fn abort(self, reason: u64) {
        self.0.abort(reason);
    }

    /// Sends `len` bytes, which `Sender::check` let pass, that `fill` writes: in the packet where
    /// they fit.
    #[inline]
    fn send_with<R>(mut self, len: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut small = [0; INLINE_MAX];
        if let Some(message) = small.get_mut(..len).filter(|_| self.0.is_inline(len)) {
            let result = fill(message);
            self.0.commit_inline(message);
            return result;
        }
        let result = fill(self.get_mut(..len).unwrap_or_default());
        // Fits, as the callers checked.
        let _ = self.commit(len);
        result
    }
}

impl<P: Producer> Deref for TrustedWriteGrant<'_, P> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let buffer = self.0.buffer();
        let pointer = buffer.as_ptr().as_ptr();
        // SAFETY: the buffer lies inside the region, which outlives the grant; it is claimed, so
        // by the invariant of `Trusted` nobody else writes it.
        unsafe { core::slice::from_raw_parts(pointer, buffer.len()) }
    }
}

impl<P: Producer> DerefMut for TrustedWriteGrant<'_, P> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        let buffer = self.0.buffer();
        let pointer = buffer.as_ptr().as_ptr();
        // SAFETY: as in `deref`; by the same invariant nobody else reads it either, and `&mut
        // self` makes this the only slice.
        unsafe { core::slice::from_raw_parts_mut(pointer, buffer.len()) }
    }
}

/// A received message as a slice; see [`ReadGrant`].
pub struct TrustedReadGrant<'a, C: Consumer>(ReadGrant<'a, C>);

impl<C: Consumer> TrustedReadGrant<'_, C> {
    /// As [`ReadGrant::is_in_doubt`].
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.0.is_in_doubt()
    }
}

impl<C: Consumer> Deref for TrustedReadGrant<'_, C> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        if let Some(bytes) = self.0.inside() {
            return bytes;
        }
        let Some((buffer, start, len)) = self.0.place() else {
            return &[];
        };
        // SAFETY: the message lies inside the buffer, by the promise of `place`.
        let first = unsafe { buffer.as_ptr().add(start) };
        // SAFETY: the buffer lies inside the region, which outlives the grant, and the `len` bytes in
        // the buffer; it is claimed, so by the invariant of `Trusted` nobody writes it.
        unsafe { core::slice::from_raw_parts(first.as_ptr(), len) }
    }
}
