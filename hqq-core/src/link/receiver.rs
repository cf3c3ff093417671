//! The receiving half of a link.

use zerocopy::{FromBytes, IntoBytes};

use super::at_hand::{self, AtHand, Current};
use super::error::{RecvError, TryRecvError};
use super::receive_path::{self, SHORT_WAYS, SKIPPED};
use super::take::{Begin, Take, TakeInside, TakeQuickly, TakeWord};
use super::waiting::{after, wait_until};
use super::{ReadGrant, TryIter};
use crate::counters::Counters;
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
use crate::member::Member;
use crate::packet::PacketError;
use crate::position::Position;
use crate::ring::{Claimed, Consumer, Left, Missed, Obstacle};
use crate::wait::{Wait, WaitReason};

/// Receives messages of one direction.
///
/// Copying calls are safe against any peer. Dropping the receiver of an exclusive side closes it;
/// messages that were not received stay for the next one. `C` is the side: exclusive, or a handle to
/// a shared one.
///
/// # Invariants
/// The message of `at_hand` is claimed and not released.
pub struct Receiver<C: Consumer> {
    pub(super) side: C,
    pub(super) at_hand: AtHand,
    /// Where the packet lies that was left to be opened last, if nobody has tried to.
    pub(super) unopened: Option<Position>,
}

impl<C: Consumer> Receiver<C> {
    /// A receiver over a consuming side.
    pub const fn new(side: C) -> Self {
        Self {
            side,
            at_hand: AtHand {
                message: None,
                operands: [0; 7],
            },
            unopened: None,
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
        // Shared sides answer sooner where the look that finds something is the one that is repeated here.
        if !C::WALKS {
            return self.wait(wait, |receiver, first| receiver.attempt(buffer, first));
        }
        match self.attempt(buffer, true) {
            Ok(len) => Ok(len),
            Err(error) => self.recv_waiting(buffer, wait, error),
        }
    }

    /// As [`Receiver::recv`], after the first attempt.
    // Kept out of the way of messages that are there: callers would save their registers for it.
    #[cold]
    #[inline(never)]
    fn recv_waiting(
        &mut self,
        buffer: &mut [u8],
        wait: &mut impl Wait,
        error: TryRecvError,
    ) -> Result<usize, RecvError> {
        let attempt = |receiver: &mut Self| receiver.attempt(buffer, false);
        self.wait(wait, after(error, attempt))
    }

    /// The next message as a value of type `T`.
    ///
    /// # Errors
    /// As [`Receiver::try_recv`]; a message of another size than `T`'s stays the next one, and is
    /// `BufferTooSmall` where it is longer, `Malformed` where it is shorter.
    pub fn try_recv_as<T: FromBytes + IntoBytes>(&mut self) -> Result<T, TryRecvError> {
        let mut value = T::new_zeroed();
        self.load(true)?;
        let rest = self
            .at_hand
            .message
            .as_ref()
            .map_or(0, |current| current.len - current.offset);
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
    #[inline]
    pub fn try_next(&mut self) -> Result<ReadGrant<'_, C>, TryRecvError> {
        self.load(true)?;
        Ok(ReadGrant::new(self))
    }

    /// The next message, in its buffer, waiting for one as `wait` says.
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    #[inline]
    pub fn next(&mut self, wait: &mut impl Wait) -> Result<ReadGrant<'_, C>, RecvError> {
        self.fetch(wait)?;
        Ok(ReadGrant::new(self))
    }

    /// Waits as `wait` says until a message is there, and makes it the next one of this receiver.
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    #[inline]
    pub fn fetch(&mut self, wait: &mut impl Wait) -> Result<(), RecvError> {
        if !C::WALKS {
            return self.wait(wait, |receiver, first| receiver.load(first));
        }
        match self.load(true) {
            Ok(()) => Ok(()),
            Err(error) => self.fetch_waiting(wait, error),
        }
    }

    /// As [`Receiver::fetch`], after the first attempt.
    #[cold]
    #[inline(never)]
    fn fetch_waiting(
        &mut self,
        wait: &mut impl Wait,
        error: TryRecvError,
    ) -> Result<(), RecvError> {
        self.wait(
            wait,
            after(error, |receiver: &mut Self| receiver.load(false)),
        )
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
        self.at_hand.message.is_some() || self.side.has_packet()
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

    /// Makes a message that a receiver of this side had claimed when it died, or left without, the next one of this
    /// receiver, marked as in doubt (T7; first what was left to this side when it was taken); `false` where there is none, this receiver has a message
    /// begun, or messages are delivered at most once. At most 32 packets that are no message are dropped for
    /// that, each after N looks: also those of other protocols, such as a chunk that
    /// [`Receiver::try_next_packet`] would give.
    ///
    /// `is_dead` knows who is dead as [`Liveness`](crate::repair::Liveness) does. It may say so, too, of who
    /// [has left](crate::repair::Repairer::has_left).
    ///
    /// # Safety
    /// A member of which `is_dead` says so has no access to the region any more, or is recorded as having left this side;
    /// nobody takes its id, or this side with it, until this returns.
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    #[allow(unsafe_code, reason = "the caller vouches for a death")]
    pub unsafe fn take_over(&mut self, is_dead: &mut dyn FnMut(Member) -> bool) -> bool {
        // As many as any other call passes over. What honest members were reading are messages.
        for _ in 0..SKIPPED {
            if self.at_hand.message.is_some() {
                return false;
            }
            let Some(claimed) = self.side.take_over(is_dead) else {
                return false;
            };
            let side = &mut self.side;
            match receive_path::open_next(side, &claimed, &mut self.at_hand) {
                Ok(Some(())) => return true,
                Ok(None) => receive_path::discard(side, false, claimed.position),
                Err(_) => receive_path::discard(side, true, claimed.position),
            }
        }
        false
    }

    /// What this receiver has counted. A shared side counts for all its threads together: these are all
    /// messages of this handle, and of each other handle all but the last 63 at most, which it adds when it finds nothing
    /// to do or is dropped.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.side.counters()
    }

    // Always: it is short, and as a function it would give what it does through memory.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    #[cfg_attr(not(target_pointer_width = "64"), inline)]
    fn attempt(&mut self, buffer: &mut [u8], first: bool) -> Result<usize, TryRecvError> {
        if !SHORT_WAYS {
            self.load(first)?;
            return self.hand_over(buffer);
        }
        // A message that is alone in its packet and received at once never becomes the one at hand.
        if self.at_hand.message.is_some() {
            return self.hand_over(buffer);
        }
        match self.side.with(TakeQuickly(buffer)) {
            Ok(len) => Ok(len),
            Err(Missed::Unclaimed) => self.take_word(buffer, first),
            Err(Missed::Claimed(run)) => self.take(buffer, Begin::Run(run)),
        }
    }

    /// As [`Receiver::attempt`], for a word in its packet, or beside others any message in it, and where nothing is there.
    // No call here comes back, so that the compiler saves few registers or none for it.
    #[inline(never)]
    fn take_word(&mut self, buffer: &mut [u8], first: bool) -> Result<usize, TryRecvError> {
        match self.side.with(TakeWord { buffer, first }) {
            Ok(len) => Ok(len),
            Err(Left::Nothing) => Err(TryRecvError::Empty),
            Err(Left::Unclaimed) => self.take(buffer, Begin::new(first)),
            Err(Left::Inside(size)) => self.take_inside(buffer, size),
            Err(Left::Claimed(operands)) => {
                self.at_hand.operands = operands;
                self.take(buffer, Begin::Inside)
            }
        }
    }

    /// As [`Receiver::attempt`], for a message in its packet that is `size` bytes, as the packet says, and no word.
    // As above.
    #[inline(never)]
    fn take_inside(&mut self, buffer: &mut [u8], size: u64) -> Result<usize, TryRecvError> {
        match self.side.with(TakeInside { buffer, size }) {
            Ok(len) => Ok(len),
            // Cannot be, so soon after the look.
            Err(Missed::Unclaimed) => self.take(buffer, Begin::Again),
            Err(Missed::Claimed(operands)) => {
                self.at_hand.operands = operands;
                self.take(buffer, Begin::Inside)
            }
        }
    }

    /// As [`Receiver::attempt`], for whatever the quick way does not do.
    #[inline(never)]
    fn take(&mut self, buffer: &mut [u8], begin: Begin) -> Result<usize, TryRecvError> {
        self.side.with(Take {
            at_hand: &mut self.at_hand,
            buffer,
            begin,
        })
    }

    /// As [`Receiver::attempt`], for the message at hand.
    #[inline(never)]
    fn hand_over(&mut self, buffer: &mut [u8]) -> Result<usize, TryRecvError> {
        at_hand::hand_over(&mut self.side, &mut self.at_hand, buffer)
    }

    fn attempt_read(&mut self, buffer: &mut [u8], first: bool) -> Result<usize, TryRecvError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        for _ in 0..SKIPPED {
            self.load(first)?;
            let Some(current) = &self.at_hand.message else {
                continue;
            };
            let len = buffer.len().min(current.len - current.offset);
            if let Some(to) = buffer.get_mut(..len) {
                at_hand::copy(&self.side, &self.at_hand, current, to);
            }
            if let Some(current) = &mut self.at_hand.message {
                current.offset += len;
                if current.offset == current.len {
                    self.finish();
                }
            }
            if len > 0 {
                return Ok(len);
            }
        }
        Err(TryRecvError::Busy)
    }

    /// The message at hand, or the next one in the ring.
    #[inline]
    fn load(&mut self, first: bool) -> Result<(), TryRecvError> {
        if self.at_hand.message.is_some() {
            return Ok(());
        }
        receive_path::load(&mut self.side, first, &mut self.at_hand)
    }

    /// The next packet in the ring that `open` makes something of.
    #[inline]
    pub(super) fn claim_as<T>(
        &mut self,
        first: bool,
        open: impl FnMut(&C, &Claimed) -> Result<Option<T>, TryRecvError>,
    ) -> Result<T, TryRecvError> {
        receive_path::claim_as(&mut self.side, first, open)
    }

    /// Copies from the message's offset on; `to` is at most as long as what is left.
    #[inline]
    pub(super) fn copy(&self, current: &Current, to: &mut [u8]) {
        at_hand::copy(&self.side, &self.at_hand, current, to);
    }

    /// Gives the message at hand back to the senders.
    #[inline]
    pub(super) fn finish(&mut self) {
        at_hand::finish(&mut self.side, &mut self.at_hand);
    }

    /// Gives the packet at hand back, whatever of it was received.
    #[inline]
    pub(crate) fn finish_packet(&mut self) {
        at_hand::finish_packet(&mut self.side, &mut self.at_hand);
    }

    pub(super) fn wait<T>(
        &mut self,
        wait: &mut impl Wait,
        attempt: impl FnMut(&mut Self, bool) -> Result<T, TryRecvError>,
    ) -> Result<T, RecvError> {
        let look = |receiver: &Self| (receiver.side.corruption(), receiver.side.obstacle());
        // Tombstones, or empty messages, more of them than one call passes over; not so where others took every packet.
        let mut passed = None;
        let has_got_on = |receiver: &Self, error: &TryRecvError| {
            *error == TryRecvError::Busy && {
                let counters = receiver.side.counters();
                let now = counters.tombstones.wrapping_add(counters.messages);
                passed.replace(now) != Some(now)
            }
        };
        wait_until(self, wait, WaitReason::Message, attempt, look, has_got_on)
    }
}

impl<C: Consumer> Drop for Receiver<C> {
    /// Messages that nobody looked at stay for the next receiver where the side is exclusive, or messages are delivered
    /// at least once: then, marked as in doubt, for another one of the same shared side or, once that was left, for other members (C1); a shared side remembers four such at a time. One that was
    /// begun, a packet that was lent and leaked, and what else a shared side had claimed are gone: also the rest of
    /// a run, which a shared side gets only where it was sent to an exclusive one.
    fn drop(&mut self) {
        if let Some(current) = self.at_hand.message {
            let begun = u16::from(current.offset > 0);
            let is_lent = current.bytes.is_lent();
            match current.more.checked_sub(begun).filter(|_| !is_lent) {
                None => self.finish_packet(),
                // Of a run, those that were begun or received are gone.
                Some(_) => self.side.unclaim(current.position, current.taken + begun),
            }
        }
    }
}
