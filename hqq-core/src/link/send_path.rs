//! What a call that sends does, once for every kind of side: checks, claims, copies, publishes.

use super::error::TrySendError;
use super::sender::REASON_DROPPED;
use crate::counters::Event;
use crate::layout::LINE;
use crate::packet::{INLINE_MAX, Opcode, Reason, StandardCopy, StandardTombstone, inline, run};
use crate::position::Position;
use crate::region::{Buffer, WALKS};
use crate::ring::{InBuffer, InPacket, Producer, ProducerTask, Put, Refused};

/// Fills a position that was claimed. Where others see that and `fill` panics, as it may run a caller's code, the
/// position is given up.
// Always: whether it `is_watched` is known where it is called.
#[inline(always)]
pub(super) fn filled<P: Producer, T>(
    side: &mut P,
    position: Position,
    is_watched: bool,
    fill: impl FnOnce(&mut P) -> T,
) -> T {
    if !is_watched {
        return fill(side);
    }
    let filling = Filling { side, position };
    let filled = fill(filling.side);
    core::mem::forget(filling);
    filled
}

/// Gives the position up when dropped.
struct Filling<'a, P: Producer> {
    side: &'a mut P,
    position: Position,
}

impl<P: Producer> Drop for Filling<'_, P> {
    #[cold]
    fn drop(&mut self) {
        give_up(self.side, self.position);
    }
}

/// Gives a position up that was claimed and is not filled.
pub(super) fn give_up<P: Producer>(side: &mut P, position: Position) {
    let operands = tombstone(side, position, REASON_DROPPED);
    side.cancel(position, Opcode::StandardTombstone.as_byte(), &operands);
}

/// The operands of a tombstone.
pub(super) fn tombstone<P: Producer>(side: &mut P, position: Position, reason: u64) -> [u64; 7] {
    StandardTombstone {
        copy_id: side.copy_id(position),
        slot_index: position.index(side.buffers().count()) as u64,
        reason: Reason::new(reason),
    }
    .operands()
}

/// The bytes of a message, in one piece or several.
pub(super) trait Payload: Copy {
    /// Whether a caller's code gives them, which may panic. Where others would see the claim, such are sent slowly.
    const MAY_PANIC: bool = false;
    fn len(&self) -> usize;
    fn copy_to(&self, buffer: Buffer<'_>);
    fn inline(&self, copy_id: u64) -> [u64; 7];

    /// The message, where it is known to be a word.
    #[inline]
    fn word(&self) -> Option<u64> {
        None
    }
}

impl Payload for &[u8] {
    #[inline]
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }

    #[inline]
    fn copy_to(&self, buffer: Buffer<'_>) {
        buffer.copy_in(0, self);
    }

    #[inline]
    fn inline(&self, copy_id: u64) -> [u64; 7] {
        inline::operands(copy_id, self)
    }

    #[inline]
    fn word(&self) -> Option<u64> {
        <[u8; 8]>::try_from(*self).ok().map(u64::from_le_bytes)
    }
}

/// Pieces that together are one message.
pub(super) struct Pieces<'a, B>(pub(super) &'a [B]);

// Not derived: that would ask for copies of the pieces themselves.
impl<B> Clone for Pieces<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B> Copy for Pieces<'_, B> {}

impl<B: AsRef<[u8]>> Payload for Pieces<'_, B> {
    const MAY_PANIC: bool = true;

    fn len(&self) -> usize {
        self.0.iter().fold(0, |sum, piece| {
            usize::saturating_add(sum, piece.as_ref().len())
        })
    }

    fn copy_to(&self, buffer: Buffer<'_>) {
        let mut at = 0;
        for piece in self.0 {
            at += buffer.copy_in(at, piece.as_ref());
        }
    }

    fn inline(&self, copy_id: u64) -> [u64; 7] {
        let mut gathered = [0; INLINE_MAX];
        let bytes = self.0.iter().flat_map(AsRef::as_ref);
        let mut len = 0;
        for (to, from) in gathered.iter_mut().zip(bytes) {
            *to = *from;
            len += 1;
        }
        inline::operands(copy_id, gathered.get(..len).unwrap_or_default())
    }
}

/// Sends one message if there is room and it is like most: longer than a packet takes and no longer
/// than a cache line, or a word.
///
/// In one piece and without a call that comes back, so that the compiler saves no registers for it.
pub(super) struct SendQuickly<T>(pub(super) T);

impl<T: Payload> ProducerTask for SendQuickly<T> {
    type Output = Put;

    // Always: it is short, and called as a function it would get its arguments through memory.
    #[inline(always)]
    fn run<P: Producer>(self, side: &mut P) -> Put {
        let len = self.0.len();
        let put = if is_watched::<P, T>() {
            Put::Not
        } else if is_about_a_line(len as u64) {
            side.put_quickly(Opcode::StandardRun.as_byte(), len, |buffer, _| {
                self.0.copy_to(buffer);
                run::alone(len)
            })
        } else if P::WALKS
            && let Some(word) = self.0.word()
        {
            let opcode = Opcode::StandardInline.as_byte();
            side.put_quickly(opcode, len, |_, copy_id| {
                InPacket(inline::operands_of_word(copy_id, word))
            })
        } else {
            return Put::Not;
        };
        if put != Put::Not {
            side.count(Event::Quick(len));
        }
        put
    }
}

/// Whether a panic of the payload's would leave what others see claimed.
const fn is_watched<P: Producer, T: Payload>() -> bool {
    P::CLAIMS && T::MAY_PANIC
}

/// As [`SendQuickly`], of messages that fit into a packet.
pub(super) struct SendInside<T>(pub(super) T);

impl<T: Payload> ProducerTask for SendInside<T> {
    type Output = Put;

    // Always: in the one function for it, which is not.
    #[inline(always)]
    fn run<P: Producer>(self, side: &mut P) -> Put {
        let len = self.0.len();
        if len > INLINE_MAX.min(side.buffers().size()) || is_watched::<P, T>() {
            return Put::Not;
        }
        let opcode = Opcode::StandardInline.as_byte();
        let put = side.put_quickly(opcode, len, |_, copy_id| {
            // Where sides walk, words go another way, but for those of a batch.
            let word = if P::WALKS { None } else { self.0.word() };
            InPacket(match word {
                Some(word) => inline::operands_of_word(copy_id, word),
                None => self.0.inline(copy_id),
            })
        });
        if put != Put::Not {
            side.count(Event::Quick(len));
        }
        put
    }
}

/// Sends the message of `self` bytes that lies in the buffer that comes next, where the side has claimed nothing for it.
pub(super) struct CommitQuickly(pub(super) usize);

impl ProducerTask for CommitQuickly {
    type Output = Put;

    // Always: it is short.
    #[inline(always)]
    fn run<P: Producer>(self, side: &mut P) -> Put {
        let Self(len) = self;
        if P::CLAIMS || !P::WALKS || len == 0 {
            return Put::Not;
        }
        let opcode = Opcode::StandardRun.as_byte();
        let put = side.put_quickly(opcode, len, |_, _| InBuffer(run::alone(len)));
        if put != Put::Not {
            side.count(Event::Quick(len));
        }
        put
    }
}

/// Sends one message if there is room, in few steps where they do.
#[inline]
fn send_one<P: Producer>(side: &mut P, payload: &[u8], first: bool) -> Result<(), TrySendError> {
    let put = if is_about_a_line(payload.len() as u64) {
        SendQuickly(payload).run(side)
    } else if P::WALKS {
        SendInside(payload).run(side)
    } else {
        Put::Not
    };
    match put {
        Put::Done => Ok(()),
        Put::ToSleeper => {
            side.wake();
            Ok(())
        }
        Put::Not => Send { payload, first }.run(side),
    }
}

/// Sends one message if there is room.
pub(super) struct Send<T> {
    pub(super) payload: T,
    /// Whether it is the first attempt of its call, which counts as blocked where it fails.
    pub(super) first: bool,
}

impl<T: Payload> ProducerTask for Send<T> {
    type Output = Result<(), TrySendError>;

    // Always: in the one function for it, which is not.
    #[inline(always)]
    fn run<P: Producer>(self, side: &mut P) -> Self::Output {
        let Self { payload, first } = self;
        let len = payload.len();
        if WALKS && !is_watched::<P, T>() && put(side, payload, len) {
            return Ok(());
        }
        if let Err(error) = check(side, len) {
            side.count(Event::Error);
            return Err(error);
        }
        let position = claim(side, first)?;
        if is_inline(side, len) {
            let inline = |side: &mut P| payload.inline(side.copy_id(position));
            let operands = filled(side, position, is_watched::<P, T>(), inline);
            side.publish(position, Opcode::StandardInline.as_byte(), &operands);
        } else {
            let copy = |side: &mut P| payload.copy_to(side.buffers().at(position));
            filled(side, position, is_watched::<P, T>(), copy);
            publish_copy(side, position, len);
        }
        side.count(Event::Message(len));
        Ok(())
    }
}

/// Sends a message in few steps, of the lengths that were not tried before; `false` where they did not do.
#[inline]
fn put<P: Producer>(side: &mut P, payload: impl Payload, len: usize) -> bool {
    let put = if len > LINE {
        let put = side.put_quickly(Opcode::StandardRun.as_byte(), len, |buffer, _| {
            payload.copy_to(buffer);
            InBuffer(run::alone(len))
        });
        if put != Put::Not {
            side.count(Event::Quick(len));
        }
        put
    } else if P::WALKS || len > INLINE_MAX {
        Put::Not
    } else {
        SendInside(payload).run(side)
    };
    if put == Put::Not {
        return false;
    }
    if put == Put::ToSleeper {
        side.wake();
    }
    true
}

/// Sends as many messages as there is room for; says how many.
pub(super) struct SendBatch<'a, M>(pub(super) &'a [M]);

impl<M: AsRef<[u8]>> ProducerTask for SendBatch<'_, M> {
    type Output = Result<usize, TrySendError>;

    fn run<P: Producer>(self, side: &mut P) -> Self::Output {
        let runs = side.may_send_runs();
        let mut sent = 0;
        while let Some((payload, rest)) = self.0.get(sent..).and_then(<[M]>::split_first) {
            let (payload, first) = (payload.as_ref(), sent == 0);
            let next = rest.first().map(|message| message.as_ref().len());
            let pair = payload.len().saturating_mul(2);
            let is_run = !payload.is_empty() && next == Some(payload.len());
            let result = if runs && is_run && pair <= side.buffers().size() {
                send_run(side, payload, rest, first)
            } else {
                send_one(side, payload, first).map(|()| 1)
            };
            match result {
                Ok(count) => sent += count,
                Err(error) if first => return Err(error),
                Err(_) => break,
            }
        }
        Ok(sent)
    }
}

/// Sends `payload` and those of `rest` that follow it with the same size, side by side in one
/// buffer, as many as fit; says how many. The first fits.
fn send_run<P: Producer, M: AsRef<[u8]>>(
    side: &mut P,
    payload: &[u8],
    rest: &[M],
    first: bool,
) -> Result<usize, TrySendError> {
    let position = claim(side, first)?;
    let size = payload.len();
    let (count, end) = filled(side, position, P::CLAIMS, |side| {
        let buffer = side.buffers().at(position);
        let mut end = buffer.copy_in(0, payload);
        let mut count = 1;
        for message in rest {
            let message = message.as_ref();
            if message.len() != size || buffer.len() - end < size || count == run::MAX_COUNT {
                break;
            }
            end += buffer.copy_in(end, message);
            count += 1;
        }
        (count, end)
    });
    let opcode = Opcode::StandardRun.as_byte();
    side.publish_short(position, opcode, run::operand(size, count));
    side.count(Event::Messages(count, end));
    Ok(count)
}

/// Whether so many bytes do not fit into a packet, but into a cache line.
#[inline]
pub(super) const fn is_about_a_line(len: u64) -> bool {
    len > INLINE_MAX as u64 && len <= LINE as u64
}

/// That a message of `len` bytes can be sent at all.
#[inline]
pub(super) fn check<P: Producer>(side: &P, len: usize) -> Result<(), TrySendError> {
    let max = side.buffers().size();
    if len > max {
        return Err(TrySendError::TooLong { len, max });
    }
    if len == 0 && !side.carries_inline() {
        return Err(TrySendError::EmptyMessage);
    }
    Ok(())
}

/// Whether a message of `len` bytes travels in its packet.
#[inline]
pub(super) fn is_inline<P: Producer>(side: &P, len: usize) -> bool {
    len <= INLINE_MAX && side.carries_inline()
}

/// A position to fill, if there is one and somebody to read it.
#[inline]
pub(super) fn claim<P: Producer>(side: &mut P, first: bool) -> Result<Position, TrySendError> {
    if side.is_peer_closed() {
        return Err(TrySendError::Disconnected);
    }
    match side.try_claim() {
        Ok(position) => Ok(position),
        Err(refused) => refuse(side, refused, first),
    }
}

#[cold]
#[inline(never)]
fn refuse<P: Producer>(
    side: &mut P,
    refused: Refused,
    first: bool,
) -> Result<Position, TrySendError> {
    if refused == Refused::Blocked && side.is_peer_dead() {
        return Err(TrySendError::PeerDead);
    }
    if first {
        side.count(Event::Blocked);
    }
    Err(refused.into())
}

/// Publishes the packet of a message of `len` bytes that lies in the buffer of `position`.
#[inline]
pub(super) fn publish_copy<P: Producer>(side: &mut P, position: Position, len: usize) {
    if side.carries_inline() {
        side.publish_short(position, Opcode::StandardRun.as_byte(), run::alone(len));
        return;
    }
    let packet = StandardCopy {
        copy_id: side.copy_id(position),
        slot_index: side.buffers().index(position) as u64,
        data_size: len as u64,
    };
    let opcode = Opcode::StandardCopy.as_byte();
    side.publish(position, opcode, &packet.operands());
}
