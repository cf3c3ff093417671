//! What polling a link gives.

use super::session::Notice;
use super::{Arrival, MessageKey};
use crate::link::{Claim, Receiver};
use crate::packet::PacketError;
use crate::ring::Consumer;

/// What happened.
#[non_exhaustive]
// Which it is, in a byte where programs have to be small: the compiler would take a word as wide as the
// fields are aligned.
#[cfg_attr(not(target_pointer_width = "64"), repr(u8))]
pub enum Event<'a, C: Consumer> {
    /// All of a message is there.
    Message {
        /// Its name: whether it is a message, a request to be answered, or the answer to a call.
        key: MessageKey,
        /// The method of a request, the status of a response.
        aux: u64,
        /// The response reports a failure.
        error: bool,
        /// Its bytes.
        body: Body<'a, C>,
    },
    /// Where messages are not assembled: the next part of one.
    Chunk {
        /// Which part of which message.
        arrival: Arrival,
        /// Its bytes.
        body: Body<'a, C>,
    },
    /// Something else.
    Notice(Notice),
    /// The peer sent what is no packet; it was dropped, and nothing else with it. What it says of itself is not to
    /// be relied on, so it names no message. If it was a chunk, the next one of its message is out of order, and
    /// [`Notice::Discarded`] says which died; without a next one it dies of the
    /// [patience](super::SessionOptions::patience) that ends.
    Malformed(PacketError),
}

/// The bytes of a message or of a part of one. Dropping it gives a buffer back; leaking it leaves
/// that to the next poll.
pub struct Body<'a, C: Consumer>(pub(super) Bytes<'a, C>);

pub(super) enum Bytes<'a, C: Consumer> {
    /// In the ring: `packet` is claimed, and held by the receiver.
    Slot {
        receiver: &'a mut Receiver<C>,
        packet: Claim,
    },
    /// In memory of this side's.
    Assembled(&'a [u8]),
}

impl<C: Consumer> Body<'_, C> {
    /// How many bytes there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match &self.0 {
            Bytes::Slot { packet, .. } => packet.len(),
            Bytes::Assembled(bytes) => bytes.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies bytes from `at` on into `to`, as many as fit; says how many.
    pub fn copy_to(&self, at: usize, to: &mut [u8]) -> usize {
        match &self.0 {
            Bytes::Slot { receiver, packet } => receiver.copy_packet(packet, at, to),
            Bytes::Assembled(bytes) => {
                let from = bytes.get(at..).unwrap_or_default();
                let len = from.len().min(to.len());
                for (to, from) in to.iter_mut().zip(from) {
                    *to = *from;
                }
                len
            }
        }
    }

    /// The bytes as a slice, where they lie in memory of this side's: messages of several chunks. For others
    /// there is `trusted`.
    #[must_use]
    pub const fn as_slice(&self) -> Option<&[u8]> {
        match &self.0 {
            Bytes::Slot { .. } => None,
            Bytes::Assembled(bytes) => Some(bytes),
        }
    }
}

#[cfg(not(loom))]
impl<C: Consumer> Body<'_, C> {
    /// The bytes as a slice, wherever they lie: in place, without a copy, where that is the ring. Calling it
    /// vouches for everybody who can write the region.
    ///
    /// ```
    /// # use hqq_core::StaticRegion;
    /// # use hqq_core::advanced::{AdvancedLink, Event, Reception, SessionOptions};
    /// # use hqq_core::{Format, Role};
    /// # static REGION: StaticRegion<8, 64> = StaticRegion::new();
    /// # let (near, far) = REGION.take().ok_or("taken only once")?;
    /// # let end = |halves, role| {
    /// #     AdvancedLink::<_, _, 1, 8, 1, 1>::new(halves, role, Format::V2, SessionOptions::new())
    /// # };
    /// # let mut near = end(near.split(), Role::Primary);
    /// # let mut far = end(far.split(), Role::Secondary).with_reception(Reception::Stream);
    /// # near.negotiate(1000)?;
    /// # for now in 0..4 {
    /// #     near.poll(now)?;
    /// #     far.poll(now)?;
    /// # }
    /// let mut message = near.begin_message(0, 200)?;
    /// near.advance(&mut message, &[7; 200], 4)?;
    /// let mut sum = 0;
    /// while let Some(event) = far.poll(4)? {
    ///     if let Event::Chunk { body, .. } = event {
    ///         // SAFETY: both ends are in this program, which writes the region through them only.
    ///         let bytes = unsafe { body.trusted() };
    ///         sum += bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    ///     }
    /// }
    /// assert_eq!(sum, 1400);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Safety
    /// For as long as the slice exists, nobody writes a buffer that somebody else has claimed, and stamps and
    /// counters change only by the rules of PROTOCOL.md; see
    /// [`Receiver::trusted`](crate::Receiver::trusted).
    #[allow(unsafe_code, reason = "the one call in which the user vouches")]
    #[must_use]
    pub unsafe fn trusted(&self) -> &[u8] {
        match &self.0 {
            Bytes::Slot { receiver, packet } => {
                // SAFETY: the packet is claimed until this body is dropped, which ends the slice; the rest
                // is the caller's promise.
                unsafe { receiver.packet_slice(packet) }
            }
            Bytes::Assembled(bytes) => bytes,
        }
    }
}

impl<C: Consumer> Drop for Body<'_, C> {
    fn drop(&mut self) {
        if let Bytes::Slot { receiver, .. } = &mut self.0 {
            receiver.finish_packet();
        }
    }
}
