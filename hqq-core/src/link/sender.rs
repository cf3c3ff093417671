//! The sending half of a link.

use core::time::Duration;

use zerocopy::{Immutable, IntoBytes};

use super::WriteGrant;
use super::error::{SendError, TrySendError};
use super::send_path::{self, Payload, Pieces, Send, SendBatch, SendInside, SendQuickly};
use super::waiting::{after, wait_until};
use crate::counters::Counters;
use crate::packet::{INLINE_MAX, Opcode, Packet};
use crate::position::Position;
use crate::region::WALKS;
use crate::ring::{Obstacle, Producer, Put};
use crate::wait::{Wait, WaitReason};

/// Tombstone reason: no bytes were committed, where the format has no empty messages.
pub const REASON_EMPTY: u64 = 2;
/// Tombstone reason: the sender let go of a reserved buffer.
pub const REASON_DROPPED: u64 = 6;
/// Tombstone reason: more bytes were committed than a buffer has.
pub const REASON_TOO_LONG: u64 = 7;

/// Sends messages in one direction.
///
/// Copying calls are safe against any peer. Dropping the sender of an exclusive side closes its
/// direction; what was sent stays readable. `P` is the side: exclusive, or a handle to a shared one.
pub struct Sender<P: Producer> {
    pub(super) side: P,
}

impl<P: Producer> Sender<P> {
    /// A sender over a producing side.
    pub const fn new(side: P) -> Self {
        Self { side }
    }

    /// Sends `message` if a buffer is free. Empty messages travel, too, but not in format 1.
    ///
    /// Waits for nobody. On a shared side this, and every call that claims, may yet spend some spin hints:
    /// 32 where another sender claims at the same moment, and 64 at most where messages that came one after the other
    /// have filled the ring, before it looks once more: from one microsecond to five, as long as such hints take.
    ///
    /// # Errors
    /// [`TrySendError`]; nothing was published then.
    #[inline]
    pub fn try_send(&mut self, message: &[u8]) -> Result<(), TrySendError> {
        self.attempt(message, true)
    }

    /// Sends `message`, waiting for a free buffer as `wait` says.
    ///
    /// # Errors
    /// [`SendError`]; nothing was published then.
    #[inline]
    pub fn send(&mut self, message: &[u8], wait: &mut impl Wait) -> Result<(), SendError> {
        if !WALKS {
            return self.wait(wait, |sender, first| sender.attempt(message, first));
        }
        match self.attempt(message, true) {
            Ok(()) => Ok(()),
            Err(error) => self.send_waiting(message, wait, error),
        }
    }

    /// As [`Sender::send`], after the first attempt.
    // Kept out of the way of messages that there is room for: callers would save their registers for it.
    #[cold]
    #[inline(never)]
    fn send_waiting(
        &mut self,
        message: &[u8],
        wait: &mut impl Wait,
        error: TrySendError,
    ) -> Result<(), SendError> {
        let attempt = |sender: &mut Self| sender.attempt(message, false);
        self.wait(wait, after(error, attempt))
    }

    /// Sends the pieces one after the other as one message, if a buffer is free.
    ///
    /// # Errors
    /// As [`Sender::try_send`].
    pub fn try_send_vectored<B: AsRef<[u8]>>(&mut self, pieces: &[B]) -> Result<(), TrySendError> {
        self.attempt(Pieces(pieces), true)
    }

    /// Sends the pieces one after the other as one message, waiting as `wait` says.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub fn send_vectored<B: AsRef<[u8]>>(
        &mut self,
        pieces: &[B],
        wait: &mut impl Wait,
    ) -> Result<(), SendError> {
        self.wait(wait, |sender, first| sender.attempt(Pieces(pieces), first))
    }

    /// Sends a value's bytes as one message, if a buffer is free.
    ///
    /// # Errors
    /// As [`Sender::try_send`].
    pub fn try_send_as<T: IntoBytes + Immutable>(&mut self, value: &T) -> Result<(), TrySendError> {
        self.try_send(value.as_bytes())
    }

    /// Sends as many of the messages as there is room for, in order; says how many.
    ///
    /// Messages of one size that follow each other share a buffer, as many as fit into it, where an
    /// exclusive receiver of format 2 is attached: that is many times as fast for small ones. Each is
    /// received on its own.
    ///
    /// # Errors
    /// As [`Sender::try_send`], where not even the first could be sent.
    pub fn try_send_batch<M: AsRef<[u8]>>(
        &mut self,
        messages: &[M],
    ) -> Result<usize, TrySendError> {
        self.side.with(SendBatch(messages))
    }

    /// A free buffer to be filled in place, if there is one.
    ///
    /// # Errors
    /// As [`Sender::try_send`].
    #[inline]
    pub fn try_reserve(&mut self) -> Result<WriteGrant<'_, P>, TrySendError> {
        let position = self.claim(true)?;
        Ok(WriteGrant::new(self, position))
    }

    /// A free buffer to be filled in place, waiting for one as `wait` says.
    ///
    /// # Errors
    /// As [`Sender::send`].
    #[inline]
    pub fn reserve(&mut self, wait: &mut impl Wait) -> Result<WriteGrant<'_, P>, SendError> {
        let position = self.claim_until(wait)?;
        Ok(WriteGrant::new(self, position))
    }

    /// A position to fill, waiting for one as `wait` says.
    #[inline]
    pub(super) fn claim_until(&mut self, wait: &mut impl Wait) -> Result<Position, SendError> {
        if !P::WALKS {
            return self.wait(wait, Self::claim);
        }
        match self.claim(true) {
            Ok(position) => Ok(position),
            Err(error) => self.claim_waiting(wait, error),
        }
    }

    /// As [`Sender::claim_until`], after the first attempt.
    // As above.
    #[cold]
    #[inline(never)]
    fn claim_waiting(
        &mut self,
        wait: &mut impl Wait,
        error: TrySendError,
    ) -> Result<Position, SendError> {
        self.wait(wait, after(error, |sender: &mut Self| sender.claim(false)))
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

    /// Messages longer than this many bytes are large: they need the Advanced protocol.
    #[must_use]
    pub fn large_message_threshold(&self) -> usize {
        self.max_message_size()
    }

    /// Whether a message of `len` bytes is too long for one buffer.
    #[must_use]
    pub fn is_large_message(&self, len: usize) -> bool {
        len > self.large_message_threshold()
    }

    /// Messages of this direction that no receiver has finished with, at most the capacity: those of
    /// a batch that share a buffer count as one. One that an exclusive receiver was handed counts as
    /// received where delivery is at most once.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.side.unread()
    }

    /// Whether a message would find room now; on a shared side another sender may take it first.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.side.has_room()
    }

    /// Whether a receiver is attached to this direction now.
    #[must_use]
    pub fn is_peer_open(&self) -> bool {
        self.side.is_peer_open()
    }

    /// Whether the receiver has closed its half.
    #[must_use]
    pub fn is_peer_closed(&self) -> bool {
        self.side.is_peer_closed()
    }

    /// Whether the receivers are recorded as dead; see [`TrySendError::PeerDead`].
    #[must_use]
    pub fn is_peer_dead(&self) -> bool {
        self.side.is_peer_dead()
    }

    /// Who has claimed the slot that comes next, where a member of either side has.
    #[must_use]
    pub fn obstacle(&self) -> Option<Obstacle> {
        self.side.obstacle()
    }

    /// Takes packets back that no receiver has claimed (T8), on an exclusive side of format 2: those that
    /// `choose` says become tombstones, and `taken` is told of each that did. Says how many there were.
    ///
    /// # Safety
    /// No member of the consuming side has access to the region any more, and nobody takes that side
    /// until this returns.
    #[allow(unsafe_code, reason = "the caller vouches for a death")]
    pub unsafe fn retract(
        &mut self,
        mut choose: impl FnMut(&Packet) -> bool,
        mut taken: impl FnMut(&Packet),
    ) -> usize {
        self.side.retract(&mut |opcode, operands, is_taken| {
            let packet =
                Opcode::from_byte(opcode).and_then(|opcode| Packet::decode_parts(opcode, operands));
            match packet {
                Ok(packet) if is_taken => {
                    taken(&packet);
                    true
                }
                Ok(packet) => choose(&packet),
                Err(_) => false,
            }
        })
    }

    /// Records in the region, for people and tools, how long calls take that this member makes: the median
    /// and the 99th percentile; up to 4.29 s. Kept where the format has room for it (2), beside the totals
    /// (PROTOCOL.md, "Totals"), until the side is taken anew.
    ///
    /// ```
    /// use core::time::Duration;
    /// # #[repr(align(64))]
    /// # struct Bytes([u8; 4096]);
    /// # let bytes: &'static mut Bytes = Box::leak(Box::new(Bytes([0; 4096])));
    /// # let (near, _) = hqq_core::Region::pair_from_static(&mut bytes.0)?;
    /// # hqq_core::initialise(&near, &hqq_core::Layout::compact(8, 64)?, &hqq_core::InitOptions::new())?;
    /// # let options = hqq_core::AttachOptions::new(hqq_core::Role::Primary);
    /// # let (mut sender, _receiver) = hqq_core::DynamicLink::attach(near, &options)?.split();
    /// sender.record_call_latency(Duration::from_micros(2), Duration::from_micros(30));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record_call_latency(&mut self, median: Duration, slow: Duration) {
        let nanoseconds = |time: Duration| u32::try_from(time.as_nanos()).unwrap_or(u32::MAX);
        self.side.record_latency([median, slow].map(nanoseconds));
    }

    /// What this sender has counted. A shared side counts for all its threads together: these are all
    /// messages of this handle, and of each other handle all but the last 63 at most, which it adds when it finds nothing
    /// to do or is dropped.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.side.counters()
    }

    #[inline]
    pub(super) fn claim(&mut self, first: bool) -> Result<Position, TrySendError> {
        send_path::claim(&mut self.side, first)
    }

    /// That a message of `len` bytes can be sent at all.
    #[cfg(not(loom))]
    #[inline]
    pub(super) fn check(&self, len: usize) -> Result<(), TrySendError> {
        send_path::check(&self.side, len)
    }

    /// Whether a message of `len` bytes travels in its packet.
    #[cfg(not(loom))]
    #[inline]
    pub(super) fn is_inline(&self, len: usize) -> bool {
        send_path::is_inline(&self.side, len)
    }

    // Always: it is short, and as a function it would give what it does through memory.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    #[cfg_attr(not(target_pointer_width = "64"), inline)]
    fn attempt(&mut self, payload: impl Payload, first: bool) -> Result<(), TrySendError> {
        match self.side.with(SendQuickly(payload)) {
            Put::Done => Ok(()),
            Put::ToSleeper => self.wake(),
            Put::Not if P::WALKS && payload.len() <= INLINE_MAX => self.send_inside(payload, first),
            Put::Not => self.send_slowly(payload, first),
        }
    }

    /// As [`Sender::attempt`], for what fits into a packet.
    // No call here comes back, so that the compiler saves no registers for it.
    #[inline(never)]
    fn send_inside(&mut self, payload: impl Payload, first: bool) -> Result<(), TrySendError> {
        match self.side.with(SendInside(payload)) {
            Put::Done => Ok(()),
            Put::ToSleeper => self.wake(),
            Put::Not => self.send_slowly(payload, first),
        }
    }

    /// Wakes the receivers, after a message was sent.
    // With a result, so that the call need not come back.
    #[cold]
    #[inline(never)]
    pub(super) fn wake(&mut self) -> Result<(), TrySendError> {
        self.side.wake();
        Ok(())
    }

    /// As [`Sender::attempt`], for whatever the quick ways do not do.
    #[inline(never)]
    fn send_slowly(&mut self, payload: impl Payload, first: bool) -> Result<(), TrySendError> {
        self.side.with(Send { payload, first })
    }

    pub(super) fn wait<T>(
        &mut self,
        wait: &mut impl Wait,
        attempt: impl FnMut(&mut Self, bool) -> Result<T, TrySendError>,
    ) -> Result<T, SendError> {
        let look = |sender: &Self| (sender.side.corruption(), sender.side.obstacle());
        wait_until(self, wait, WaitReason::Space, attempt, look, |_, _| false)
    }
}
