//! The receiving half of a link.

use zerocopy::{FromBytes, IntoBytes};

use super::error::{RecvError, TryRecvError};
use super::{ReadGrant, TryIter, wait_until};
use crate::counters::{Counters, Event};
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
use crate::member::Member;
use crate::packet::standard::{Standard, decode};
use crate::packet::{Opcode, PacketError, StandardInline};
use crate::position::Position;
use crate::ring::{Claimed, Consumer, Obstacle};
use crate::side::End;
use crate::wait::{Wait, WaitReason};

/// Tombstones, or empty messages, that one call passes over, so that no peer can keep it busy.
const SKIPPED: usize = 32;

/// Where the bytes of a message lie.
#[derive(Clone, Copy)]
pub(super) enum Bytes {
    /// In the packet; this is a private copy.
    Inline(StandardInline),
    /// In the buffer of the position.
    Buffer,
}

/// A message that was claimed and not finished with.
///
/// # Invariants
/// `len` was checked against the buffer's size; `offset` ≤ `len`.
#[derive(Clone, Copy)]
pub(super) struct Current {
    pub(super) position: Position,
    pub(super) bytes: Bytes,
    pub(super) len: usize,
    pub(super) offset: usize,
    pub(super) in_doubt: bool,
}

/// Receives messages of one direction.
///
/// Copying calls are safe against any peer. Dropping the receiver of an exclusive side closes it;
/// messages that were not received stay for the next one. `C` is the side: exclusive, or a handle to
/// a shared one.
///
/// # Invariants
/// `current` is claimed and not released.
pub struct Receiver<C: Consumer> {
    pub(super) side: C,
    pub(super) current: Option<Current>,
}

impl<C: Consumer> Receiver<C> {
    /// A receiver over a consuming side.
    pub const fn new(side: C) -> Self {
        Self {
            side,
            current: None,
        }
    }

    /// Copies the next message into `buffer` and says how long it is.
    ///
    /// # Errors
    /// [`TryRecvError`]. A message that does not fit stays the next one of this receiver.
    #[inline]
    pub fn try_recv(&mut self, buffer: &mut [u8]) -> Result<usize, TryRecvError> {
        self.attempt(buffer, true)
    }

    /// As [`Receiver::try_recv`], waiting for a message as `wait` says.
    ///
    /// # Errors
    /// [`RecvError`].
    #[inline]
    pub fn recv(&mut self, buffer: &mut [u8], wait: &mut impl Wait) -> Result<usize, RecvError> {
        self.wait(wait, |receiver, first| receiver.attempt(buffer, first))
    }

    /// The next message as a value of type `T`.
    ///
    /// # Errors
    /// As [`Receiver::try_recv`]; a message of another size than `T`'s stays the next one, and is
    /// `BufferTooSmall` where it is longer, `Malformed` where it is shorter.
    pub fn try_recv_as<T: FromBytes + IntoBytes>(&mut self) -> Result<T, TryRecvError> {
        let mut value = T::new_zeroed();
        let current = self.load(true)?;
        let rest = current.len - current.offset;
        if rest < size_of::<T>() {
            return Err(TryRecvError::Malformed(PacketError::Size {
                size: rest as u64,
                minimum: size_of::<T>() as u64,
                maximum: size_of::<T>() as u64,
            }));
        }
        self.attempt(value.as_mut_bytes(), true)?;
        Ok(value)
    }

    /// The next message, in its buffer, if there is one.
    ///
    /// # Errors
    /// As [`Receiver::try_recv`].
    pub fn try_next(&mut self) -> Result<ReadGrant<'_, C>, TryRecvError> {
        self.load(true)?;
        Ok(ReadGrant::new(self))
    }

    /// The next message, in its buffer, waiting for one as `wait` says.
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    pub fn next(&mut self, wait: &mut impl Wait) -> Result<ReadGrant<'_, C>, RecvError> {
        self.fetch(wait)?;
        Ok(ReadGrant::new(self))
    }

    /// Waits as `wait` says until a message is there, and makes it the next one of this receiver.
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    pub fn fetch(&mut self, wait: &mut impl Wait) -> Result<(), RecvError> {
        self.wait(wait, |receiver, first| receiver.load(first).map(|_| ()))
    }

    /// Hands up to `limit` messages to `each`, without waiting; says how many there were.
    ///
    /// # Errors
    /// As [`Receiver::try_recv`], where not even the first could be had.
    pub fn try_recv_batch(
        &mut self,
        limit: usize,
        mut each: impl FnMut(&ReadGrant<'_, C>),
    ) -> Result<usize, TryRecvError> {
        for received in 0..limit {
            match self.try_next() {
                Ok(message) => each(&message),
                Err(error) if received == 0 => return Err(error),
                Err(_) => return Ok(received),
            }
        }
        Ok(limit)
    }

    /// The messages that are there, one after the other, each at most `CAP` bytes; ends when none
    /// is left, or after an error.
    pub fn try_iter<const CAP: usize>(&mut self) -> TryIter<'_, C, CAP> {
        TryIter::new(self)
    }

    /// Reads bytes as from a stream: a message longer than `buffer` leaves its rest for the next
    /// call, empty messages are passed over. 0 only where `buffer` is empty.
    ///
    /// # Errors
    /// As [`Receiver::try_recv`], never `BufferTooSmall`.
    pub fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, TryRecvError> {
        self.attempt_read(buffer, true)
    }

    /// As [`Receiver::try_read`], waiting for a message as `wait` says.
    ///
    /// # Errors
    /// As [`Receiver::recv`], never `BufferTooSmall`.
    pub fn read(&mut self, buffer: &mut [u8], wait: &mut impl Wait) -> Result<usize, RecvError> {
        self.wait(wait, |receiver, first| receiver.attempt_read(buffer, first))
    }

    /// Buffers in this direction.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.side.buffers().count()
    }

    /// Bytes in a buffer: the longest message.
    #[must_use]
    pub fn max_message_size(&self) -> usize {
        self.side.buffers().size()
    }

    /// Whether a message waits now, or the rest of one; on a shared side another receiver may take
    /// it first.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.current.is_some() || self.side.has_packet()
    }

    /// Whether a sender is attached to this direction now.
    #[must_use]
    pub fn is_peer_open(&self) -> bool {
        self.side.is_peer_open()
    }

    /// Who has claimed the slot that comes next, where a member of either side has.
    #[must_use]
    pub fn obstacle(&self) -> Option<Obstacle> {
        self.side.obstacle()
    }

    /// Makes a message that a receiver of this side had claimed when it died the next one of this
    /// receiver, marked as in doubt (T7); `false` where there is none, this receiver has a message
    /// begun, or messages are delivered at most once.
    ///
    /// `is_dead` knows who is dead as [`Liveness`](crate::repair::Liveness) does.
    ///
    /// # Safety
    /// A member of which `is_dead` says so has no access to the region any more, and nobody takes its
    /// id until this returns.
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    #[allow(unsafe_code, reason = "the caller vouches for a death")]
    pub unsafe fn take_over(&mut self, is_dead: &mut dyn FnMut(Member) -> bool) -> bool {
        for _ in 0..self.capacity() {
            if self.current.is_some() {
                return false;
            }
            let Some(claimed) = self.side.take_over(is_dead) else {
                return false;
            };
            match self.open(claimed) {
                Ok(Some(current)) => {
                    self.current = Some(current);
                    return true;
                }
                Ok(None) => self.discard(claimed.position, Event::Tombstone),
                Err(_) => self.discard(claimed.position, Event::Error),
            }
        }
        false
    }

    /// What this receiver has counted; a shared side counts for all its threads together.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.side.counters()
    }

    #[inline]
    fn attempt(&mut self, buffer: &mut [u8], first: bool) -> Result<usize, TryRecvError> {
        // A message that is received at once never becomes the one at hand.
        let current = match self.current.take() {
            None => self.claim(first)?,
            // Where halves of words are copied, code has to be small: one copy of it.
            Some(current) if cfg!(any(not(target_has_atomic = "64"), hqq_narrow)) => current,
            Some(current) => return self.hand_over_again(current, buffer),
        };
        self.hand_over(current, buffer)
    }

    /// As [`Receiver::hand_over`], for a message that did not fit before.
    // Kept out of the way of messages that come from the ring.
    #[cold]
    #[inline(never)]
    fn hand_over_again(
        &mut self,
        current: Current,
        buffer: &mut [u8],
    ) -> Result<usize, TryRecvError> {
        self.hand_over(current, buffer)
    }

    /// Copies a message that is not the one at hand into `buffer` and gives it back to the
    /// senders; one that does not fit becomes the one at hand.
    // Always: called as a function, it would get the message through memory.
    #[inline(always)]
    fn hand_over(&mut self, current: Current, buffer: &mut [u8]) -> Result<usize, TryRecvError> {
        let needed = current.len - current.offset;
        let Some(to) = buffer.get_mut(..needed) else {
            self.current = Some(current);
            return Err(TryRecvError::BufferTooSmall {
                needed,
                capacity: buffer.len(),
            });
        };
        self.copy(&current, to);
        self.release(&current);
        Ok(needed)
    }

    fn attempt_read(&mut self, buffer: &mut [u8], first: bool) -> Result<usize, TryRecvError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        for _ in 0..SKIPPED {
            let mut current = self.load(first)?;
            let len = buffer.len().min(current.len - current.offset);
            if let Some(to) = buffer.get_mut(..len) {
                self.copy(&current, to);
            }
            current.offset += len;
            self.current = Some(current);
            if current.offset == current.len {
                self.finish();
            }
            if len > 0 {
                return Ok(len);
            }
        }
        Err(TryRecvError::Busy)
    }

    /// The message at hand, or the next one in the ring.
    #[inline]
    fn load(&mut self, first: bool) -> Result<Current, TryRecvError> {
        if let Some(current) = self.current {
            return Ok(current);
        }
        let current = self.claim(first)?;
        self.current = Some(current);
        Ok(current)
    }

    /// The next message in the ring.
    #[inline]
    fn claim(&mut self, first: bool) -> Result<Current, TryRecvError> {
        self.claim_as(first, Self::open)
    }

    /// The next packet in the ring that `open` makes something of.
    #[inline]
    pub(super) fn claim_as<T>(
        &mut self,
        first: bool,
        open: impl Fn(&Self, Claimed) -> Result<Option<T>, TryRecvError>,
    ) -> Result<T, TryRecvError> {
        for _ in 0..SKIPPED {
            let claimed = match self.side.try_claim() {
                Ok(claimed) => claimed,
                Err(refused) => {
                    match self.side.end() {
                        None => {}
                        Some(End::Closed) => return Err(TryRecvError::Disconnected),
                        Some(End::Dead) => return Err(TryRecvError::PeerDead),
                    }
                    if first {
                        self.side.count(Event::Blocked);
                    }
                    return Err(refused.into());
                }
            };
            match open(self, claimed) {
                Ok(Some(current)) => return Ok(current),
                Ok(None) => self.discard(claimed.position, Event::Tombstone),
                Err(error) => {
                    self.discard(claimed.position, Event::Error);
                    return Err(error);
                }
            }
        }
        Err(TryRecvError::Busy)
    }

    /// Gives back a packet that is no message.
    // Kept out of the way of messages.
    #[cold]
    #[inline(never)]
    fn discard(&mut self, position: Position, event: Event) {
        self.side.release(position);
        self.side.count(event);
    }

    /// Reads and checks a claimed packet, each word once; `None` for a tombstone.
    #[inline]
    fn open(&self, claimed: Claimed) -> Result<Option<Current>, TryRecvError> {
        let max = self.side.buffers().size();
        let operands = self.side.operands(claimed.position);
        let (bytes, len) =
            match decode(claimed.header, &operands).map_err(TryRecvError::Malformed)? {
                Standard::Copy(packet) => {
                    let len = packet.check_bounds(max).map_err(TryRecvError::Malformed)?;
                    (Bytes::Buffer, len)
                }
                Standard::Inline(_) if !self.side.carries_inline() => {
                    let opcode = Opcode::StandardInline.as_byte();
                    return Err(TryRecvError::Malformed(PacketError::UnknownOpcode(opcode)));
                }
                Standard::Inline(packet) => {
                    let len = packet.payload().len();
                    if len > max {
                        return Err(TryRecvError::Malformed(PacketError::Size {
                            size: len as u64,
                            minimum: 0,
                            maximum: max as u64,
                        }));
                    }
                    (Bytes::Inline(packet), len)
                }
                Standard::Tombstone(_) => return Ok(None),
                Standard::Error(packet) => return Err(TryRecvError::Peer(packet.code)),
            };
        Ok(Some(Current {
            position: claimed.position,
            bytes,
            len,
            offset: 0,
            in_doubt: claimed.in_doubt,
        }))
    }

    /// Copies from the message's offset on; `to` is at most as long as what is left.
    // Always: called as a function, it would get the message through memory.
    #[inline(always)]
    pub(super) fn copy(&self, current: &Current, to: &mut [u8]) {
        match &current.bytes {
            // Where halves of words are copied, code has to be small: the loop does it, too.
            Bytes::Inline(packet)
                if current.offset == 0 && cfg!(all(target_has_atomic = "64", not(hqq_narrow))) =>
            {
                packet.copy_to(to);
            }
            Bytes::Inline(packet) => {
                let from = packet.payload().iter().skip(current.offset);
                for (to, from) in to.iter_mut().zip(from) {
                    *to = *from;
                }
            }
            Bytes::Buffer => {
                self.side
                    .buffers()
                    .at(current.position)
                    .copy_out(current.offset, to);
            }
        }
    }

    /// Gives the message at hand back to the senders.
    #[inline]
    pub(super) fn finish(&mut self) {
        if let Some(current) = self.current.take() {
            self.release(&current);
        }
    }

    /// Gives a message back that is no longer the one at hand.
    #[inline]
    fn release(&mut self, current: &Current) {
        self.side.release(current.position);
        self.side.count(Event::Message(current.len));
    }

    pub(super) fn wait<T>(
        &mut self,
        wait: &mut impl Wait,
        attempt: impl FnMut(&mut Self, bool) -> Result<T, TryRecvError>,
    ) -> Result<T, RecvError> {
        wait_until(self, wait, WaitReason::Message, attempt, |receiver| {
            (receiver.side.corruption(), receiver.side.obstacle())
        })
    }
}

impl<C: Consumer> Drop for Receiver<C> {
    /// A message that nobody looked at stays for the next receiver where the side is exclusive; a
    /// message that was begun, or that a shared side had claimed, is gone.
    fn drop(&mut self) {
        if let Some(current) = self.current {
            if current.offset == 0 {
                self.side.unclaim(current.position);
            } else {
                self.finish();
            }
        }
    }
}
