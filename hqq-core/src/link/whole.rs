//! All of a request or response over a link in few steps, for programs that drive a
//! [`Session`](crate::advanced::Session).

use core::fmt;

use super::error::{TryRecvError, TrySendError};
use super::packets::Decoded;
use super::receive_path;
use super::receiver::Receiver;
use super::sender::Sender;
use super::{PacketGrant, send_path};
use crate::counters::Event;
use crate::packet::{ConnectionCopy, Whole};
use crate::position::Position;
use crate::region::Buffer;
use crate::ring::{self, Claimed, Consumer, ConsumerTask, Producer, ProducerTask, Put};

const OPCODE: u8 = ConnectionCopy::OPCODE.as_byte();

impl<P: Producer> Sender<P> {
    /// Sends all of a request or response, of which `bytes` are the body, if a slot is free.
    ///
    /// # Errors
    /// As [`Sender::try_send`]; [`TrySendError::TooLong`] also where `bytes` are not as many as `whole`
    /// says.
    #[inline(always)]
    pub fn try_send_whole(&mut self, whole: &Whole, bytes: &[u8]) -> Result<(), TrySendError> {
        match self.side.with(PutWhole { whole, bytes }) {
            Put::Done => Ok(()),
            Put::ToSleeper => self.wake(),
            Put::Not => self.send_whole(whole, bytes),
        }
    }

    /// As [`Sender::try_send_whole`], for whatever the quick way does not do.
    #[inline(never)]
    fn send_whole(&mut self, whole: &Whole, bytes: &[u8]) -> Result<(), TrySendError> {
        let max = self.max_message_size();
        let len = bytes.len();
        if len as u64 != whole.len() || len > max {
            return Err(TrySendError::TooLong { len, max });
        }
        let position = send_path::claim(&mut self.side, true)?;
        self.side.buffers().at(position).copy_in(0, bytes);
        self.side.publish(position, OPCODE, &whole.operands());
        self.side.count(Event::Message(len));
        Ok(())
    }
}

struct PutWhole<'a> {
    whole: &'a Whole,
    bytes: &'a [u8],
}

impl ProducerTask for PutWhole<'_> {
    type Output = Put;

    #[inline(always)]
    fn run<P: Producer>(self, side: &mut P) -> Put {
        let Self { whole, bytes } = self;
        if bytes.len() as u64 != whole.len() {
            return Put::Not;
        }
        let put = side.put_quickly(OPCODE, bytes.len(), |buffer, _| {
            buffer.copy_in(0, bytes);
            whole.operands()
        });
        if put != Put::Not {
            side.count(Event::Quick(bytes.len()));
        }
        put
    }
}

/// The body of a request or response, in its buffer, while it is [taken](Receiver::take_whole).
#[derive(Clone, Copy)]
pub struct WholeBody<'a> {
    buffer: Buffer<'a>,
    len: usize,
}

impl WholeBody<'_> {
    /// Its bytes.
    #[inline(always)]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies it from the first byte on into `to`, as much as fits; says how many bytes.
    #[inline(always)]
    pub fn copy_to(&self, to: &mut [u8]) -> usize {
        let len = to.len().min(self.len);
        to.get_mut(..len)
            .map_or(0, |to| self.buffer.copy_out(0, to))
    }
}

impl fmt::Debug for WholeBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WholeBody").field("len", &self.len).finish()
    }
}

/// Takes the next packet and releases it, in few steps; what `take` does not take stays claimed.
struct TakeWhole<F>(F);

impl<T, F: FnOnce(&Whole, WholeBody<'_>) -> Option<T>> ConsumerTask for TakeWhole<F> {
    type Output = Result<T, ring::Missed<[u64; 7]>>;

    // Always: as a function, it would give what was taken through memory.
    #[inline(always)]
    fn run<C: Consumer>(self, side: &mut C) -> Self::Output {
        let Self(take) = self;
        if !C::WALKS {
            // What is refused has to wait for whoever opens it, and a shared side gives back each packet by itself.
            return Err(ring::Missed::Unclaimed);
        }
        let mut len = 0;
        let taken = side.take_quickly(OPCODE, |buffer, operands: &[u64; 7]| {
            // While the operands are looked at, the bytes are on their way.
            buffer.prefetch();
            let whole = Whole::read(operands, buffer.len())?;
            len = len_of(&whole);
            take(&whole, WholeBody { buffer, len })
        });
        if taken.is_ok() {
            side.count(Event::Quick(len));
        }
        taken
    }
}

/// Lets a side go on after a packet over which its caller's code has panicked.
struct Recovering<'a, C: Consumer>(&'a mut C);

impl<C: Consumer> Drop for Recovering<'_, C> {
    #[cold]
    fn drop(&mut self) {
        self.0.recover();
    }
}

/// The bytes of what was found to be no longer than a buffer.
#[allow(
    clippy::cast_possible_truncation,
    reason = "no longer than a buffer, as was checked"
)]
const fn len_of(whole: &Whole) -> usize {
    whole.len() as usize
}

/// Why [`Receiver::take_whole`] and [`Receiver::next_whole`] gave nothing.
#[derive(Debug)]
pub enum Missed {
    /// Nothing has come.
    Nothing,
    /// Something has, or a message was begun; [`Receiver::try_next_packet`] gives the next packet.
    Something,
    /// Another packet, which was claimed.
    Unwanted(Unwanted),
}

/// A packet that was claimed by [`Receiver::next_whole`] and is none of its, or was
/// [refused](WholeGrant::refuse): [`Receiver::open`] gives it. Dropping this drops the packet.
#[derive(Debug)]
#[must_use = "the packet is dropped with it"]
pub struct Unwanted {
    position: Position,
    operands: [u64; 7],
}

impl<C: Consumer> Receiver<C> {
    /// The next packet, where it is all of a request or response of which `take` makes something; its buffer is then
    /// given back to the senders. As [`Receiver::next_whole`], in fewer steps. Should `take` panic, that packet is gone.
    ///
    /// # Errors
    /// [`Missed`]; where `take` gave nothing, [`Missed::Unwanted`]. First, and now and then later, it is
    /// [`Missed::Something`] where [`Receiver::next_whole`] gives it; of shared sides, always.
    ///
    /// ```
    /// use hqq_core::link::Missed;
    /// use hqq_core::packet::Whole;
    /// # #[repr(align(64))]
    /// # struct Bytes([u8; 4096]);
    /// # let bytes: &'static mut Bytes = Box::leak(Box::new(Bytes([0; 4096])));
    /// # let (near, far) = hqq_core::Region::pair_from_static(&mut bytes.0)?;
    /// # hqq_core::initialise(&near, &hqq_core::Layout::compact(8, 64)?, &hqq_core::InitOptions::new())?;
    /// # let attach = |region, role| {
    /// #     hqq_core::DynamicLink::attach(region, &hqq_core::AttachOptions::new(role))
    /// # };
    /// # let mut near = attach(near, hqq_core::Role::Primary)?;
    /// # let mut far = attach(far, hqq_core::Role::Secondary)?;
    /// let ping = Whole::request(1, 7, 4);
    /// near.sender().try_send_whole(&ping, b"ping")?;
    /// let mut bytes = [0; 4];
    /// let taken = far.receiver().take_whole(|whole, body| {
    ///     (!whole.is_response() && body.copy_to(&mut bytes) == 4).then_some(*whole)
    /// });
    /// # if cfg!(target_pointer_width = "64") {
    /// let whole = match taken {
    ///     Err(Missed::Something) => {
    ///         let lent = far.receiver().next_whole().map_err(|_| "another packet")?;
    ///         let whole = *lent.whole();
    ///         lent.copy_to(&mut bytes);
    ///         lent.release();
    ///         whole
    ///     }
    ///     taken => taken.map_err(|_| "another packet")?,
    /// };
    /// assert_eq!((whole, &bytes), (ping, b"ping"));
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn take_whole<T>(
        &mut self,
        take: impl FnOnce(&Whole, WholeBody<'_>) -> Option<T>,
    ) -> Result<T, Missed> {
        if self.at_hand.message.is_some() {
            return Err(Missed::Something);
        }
        let side = Recovering(&mut self.side);
        let taken = side.0.with(TakeWhole(take));
        core::mem::forget(side);
        match taken {
            Ok(taken) => Ok(taken),
            Err(ring::Missed::Unclaimed) => Err(self.missed()),
            Err(ring::Missed::Claimed(operands)) => Err(Missed::Unwanted(self.leave(operands))),
        }
    }

    /// Few steps gave nothing, which does not say that nothing is there.
    #[inline]
    fn missed(&mut self) -> Missed {
        if self.side.has_packet() {
            return Missed::Something;
        }
        if self.side.catch_up() {
            self.unopened = None;
        }
        Missed::Nothing
    }

    /// The next packet, where it is all of a request or response.
    ///
    /// # Errors
    /// [`Missed`].
    #[inline(always)]
    pub fn next_whole(&mut self) -> Result<WholeGrant<'_, C>, Missed> {
        if self.at_hand.message.is_some() {
            return Err(Missed::Something);
        }
        let Some((position, operands)) = self.side.claim_quickly(OPCODE) else {
            return Err(self.missed());
        };
        // While the operands are looked at, the bytes are on their way.
        self.side.buffers().at(position).prefetch();
        match Whole::read(&operands, self.side.buffers().size()) {
            Some(whole) => Ok(WholeGrant {
                receiver: self,
                position,
                whole,
            }),
            None => Err(Missed::Unwanted(self.leave(operands))),
        }
    }

    /// The packet that was claimed last. Should nobody open it, it is given back with the one after it, as positions
    /// are released in order, or when nothing else has come.
    #[cold]
    #[inline(never)]
    fn leave(&mut self, operands: [u64; 7]) -> Unwanted {
        let position = self.side.last_claimed();
        self.unopened = Some(position);
        Unwanted { position, operands }
    }

    fn claimed_last(&self) -> Claimed {
        Claimed {
            position: self.side.last_claimed(),
            header: u64::from(OPCODE),
            in_doubt: false,
            taken: 0,
        }
    }

    /// A packet that was not taken, with the bytes in its buffer; the next one, where this receiver has gone
    /// on since.
    ///
    /// # Errors
    /// As [`Receiver::try_next_packet`].
    pub fn open(&mut self, unwanted: Unwanted) -> Result<PacketGrant<'_, C>, TryRecvError> {
        let Unwanted { position, operands } = unwanted;
        let is_this = self.unopened.take() == Some(position);
        if !is_this || self.at_hand.message.is_some() || !self.side.is_claimed(position) {
            return self.try_next_packet();
        }
        let mut packet = Decoded::Nothing;
        match Self::decode(&self.side, &self.claimed_last(), operands, &mut packet) {
            Ok(Some(claim)) => Ok(self.lend(&packet, claim)),
            Ok(None) => self.try_next_packet(),
            Err(error) => {
                receive_path::discard(&mut self.side, true, position);
                Err(error)
            }
        }
    }
}

/// All of a request or response, in its buffer, until it is [released](WholeGrant::release). One that is dropped
/// instead is given back with the one after it, or when nothing else has come: it has no destructor, as the
/// program that looks for an answer would make it ready for one before each.
#[must_use = "its buffer is given back late unless it is released"]
pub struct WholeGrant<'a, C: Consumer> {
    receiver: &'a mut Receiver<C>,
    position: Position,
    whole: Whole,
}

impl<C: Consumer> WholeGrant<'_, C> {
    /// What it is.
    #[inline]
    #[must_use]
    pub const fn whole(&self) -> &Whole {
        &self.whole
    }

    /// Bytes of its body.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        len_of(&self.whole)
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.whole.len() == 0
    }

    /// Copies its body from the first byte on into `to`, as much as fits; says how many bytes.
    #[inline]
    pub fn copy_to(&self, to: &mut [u8]) -> usize {
        self.body().copy_to(to)
    }

    #[inline]
    fn body(&self) -> WholeBody<'_> {
        WholeBody {
            buffer: self.receiver.side.buffers().at(self.position),
            len: self.len(),
        }
    }

    /// Gives the buffer back to the senders.
    #[inline(always)]
    pub fn release(self) {
        let len = self.len();
        let side = &mut self.receiver.side;
        side.release(self.position);
        side.count(Event::Message(len));
    }

    /// Leaves it to [`Receiver::open`].
    #[cold]
    #[inline(never)]
    pub fn refuse(self) -> Unwanted {
        self.receiver.leave(self.whole.operands())
    }
}
