//! What a call that receives does, once for every kind of side: claims, checks, copies, releases.

use super::error::TryRecvError;
use super::send_path::is_about_a_line;
use crate::counters::Event;
use crate::packet::{ErrorPacket, Opcode, PacketError, StandardRun, inline, run, standard};
use crate::position::Position;
use crate::region::Buffer;
use crate::ring::{Claimed, Consumer, ConsumerTask, InBuffer, InPacket, Missed, Refused};
use crate::side::End;

/// Tombstones, or empty messages, that one call passes over, so that no peer can keep it busy.
pub(super) const SKIPPED: usize = 32;

/// Whether there are ways of their own for the packets that most messages travel in. Where 64 bits
/// are two registers and programs have to be small, one way does for all.
pub(crate) const SHORT_WAYS: bool = cfg!(all(target_has_atomic = "64", not(hqq_narrow)));

/// Where the bytes of a message lie.
// A whole word, as the compiler puts what has the most values left first: so whether a message is at hand
// is found at the start of a receiver, and that at the start of what it is part of.
#[derive(Clone, Copy)]
#[repr(usize)]
pub(super) enum Bytes {
    /// In the packet.
    Inline,
    /// In the buffer of the position.
    Buffer,
    /// There, too, and its packet was lent as a whole: found by a later call, it was leaked.
    Lent,
}

/// A message that was claimed and not finished with.
///
/// # Invariants
/// `offset` ≤ `len`; (`taken` + 1 + `more`) × `len` was checked against the buffer's size.
#[derive(Clone, Copy)]
pub(super) struct Current {
    pub(super) position: Position,
    pub(super) bytes: Bytes,
    pub(super) len: usize,
    pub(super) offset: usize,
    pub(super) in_doubt: bool,
    /// Messages of the same run before this one.
    pub(super) taken: u16,
    /// Messages of the same run after this one.
    pub(super) more: u16,
}

impl Current {
    /// The only message of a packet.
    pub(super) const fn alone(claimed: &Claimed, bytes: Bytes, len: usize) -> Self {
        Self {
            position: claimed.position,
            bytes,
            len,
            offset: 0,
            in_doubt: claimed.in_doubt,
            taken: 0,
            more: 0,
        }
    }

    /// Where its rest lies in its buffer.
    #[inline]
    pub(super) const fn start(&self) -> usize {
        self.taken as usize * self.len + self.offset
    }

    /// Becomes the message after this one in the same run; `false` where there is none.
    #[inline]
    const fn advance(&mut self) -> bool {
        let Some(more) = self.more.checked_sub(1) else {
            return false;
        };
        self.offset = 0;
        self.taken += 1;
        self.more = more;
        true
    }
}

/// Copies the next message of a ring into a buffer and gives it back to the senders, where it is
/// like most: alone in a buffer, longer than a packet takes and no longer than a cache line.
///
/// In one piece and without a call that comes back, so that the compiler saves no registers for it.
pub(super) struct TakeQuickly<'a>(pub(super) &'a mut [u8]);

impl ConsumerTask for TakeQuickly<'_> {
    type Output = Result<usize, Missed<u64>>;

    // Always: it is short, and called as a function it would get its arguments through memory.
    #[inline(always)]
    fn run<C: Consumer>(self, side: &mut C) -> Self::Output {
        let buffer = self.0;
        let taken = side.take_quickly(Opcode::StandardRun.as_byte(), |from, &run| {
            // The size of the message, where it is alone.
            if !is_about_a_line(run) {
                return None;
            }
            let len = run::len_alone(run).filter(|len| *len <= from.len())?;
            let Some(to) = buffer.get_mut(..len) else {
                // So that the two comparisons stay two branches: joined they would be twice as many steps.
                core::hint::black_box(());
                return None;
            };
            from.copy_out(0, to);
            Some(len)
        });
        if let Ok(len) = taken {
            side.count(Event::Quick(len));
        }
        taken
    }
}

/// Copies the next message of a ring into a buffer and gives it back to the senders.
pub(super) struct Take<'a> {
    /// The message at hand, `None` before. A message that does not fit `buffer` becomes it, and one
    /// that others follow in its run leaves the next of them there.
    pub(super) at_hand: &'a mut Option<Current>,
    pub(super) buffer: &'a mut [u8],
    pub(super) begin: Begin,
}

/// What came before, in a call that receives.
#[derive(Clone, Copy)]
pub(super) enum Begin {
    /// Nothing: should nothing be there, it counts as blocked.
    First,
    /// An attempt in vain.
    Again,
    /// The next packet was claimed; it is a run, and this its first operand.
    Run(u64),
}

impl Begin {
    /// An attempt, the first of its call or a later one.
    #[inline]
    pub(super) const fn new(first: bool) -> Self {
        if first { Self::First } else { Self::Again }
    }
}

impl ConsumerTask for Take<'_> {
    type Output = Result<usize, TryRecvError>;

    // Always: in the one function for it, which is not.
    #[inline(always)]
    fn run<C: Consumer>(self, side: &mut C) -> Self::Output {
        let Self {
            at_hand,
            buffer,
            mut begin,
        } = self;
        if C::WALKS && !matches!(begin, Begin::Run(_)) {
            match take_along(side, buffer) {
                Ok(len) => return Ok(len),
                Err(Along::Inline(operands)) => {
                    let claimed = Claimed {
                        position: side.last_claimed(),
                        header: Opcode::StandardInline.as_word(),
                        in_doubt: false,
                        taken: 0,
                    };
                    let this = Take {
                        at_hand,
                        buffer,
                        begin,
                    };
                    return this.take_odd(side, claimed, operands);
                }
                Err(Along::Run(run)) => begin = Begin::Run(run),
                Err(Along::Nothing) => {}
            }
        }
        Take {
            at_hand,
            buffer,
            begin,
        }
        .claim_and_take(side)
    }
}

impl Take<'_> {
    /// As `run`, where few steps did not do.
    #[inline(always)]
    fn claim_and_take<C: Consumer>(self, side: &mut C) -> Result<usize, TryRecvError> {
        // Word for word, as what a call gave in memory is not copied at once: in other pieces than it was written
        // in, it could only be read once it has got to the cache.
        let (position, header, in_doubt, taken) = match self.begin {
            Begin::Run(_) => (side.last_claimed(), Opcode::StandardRun.as_word(), false, 0),
            Begin::First | Begin::Again => match side.try_claim() {
                Ok(claimed) => (
                    claimed.position,
                    claimed.header,
                    claimed.in_doubt,
                    claimed.taken,
                ),
                Err(refused) => return Err(blocked(side, refused, self.is_first())),
            },
        };
        let claimed = || Claimed {
            position,
            header,
            in_doubt,
            taken,
        };
        let max = side.buffers().size();
        if header == Opcode::StandardInline.as_word() && side.carries_inline() {
            let operands = side.operands::<1>(position);
            if let Some(len) = inline::copy_out(&operands, max, self.buffer) {
                side.release(position);
                side.count(Event::Message(len));
                return Ok(len);
            }
            return self.take_odd(side, claimed(), operands);
        }
        if header == Opcode::StandardRun.as_word() && side.carries_inline() {
            let run = match self.begin {
                Begin::Run(run) => run,
                Begin::First | Begin::Again => side.first_operand(position),
            };
            if taken == 0
                && let Some(len) = run::len_alone(run)
                && len > 0
                && len <= max
                && let Some(to) = self.buffer.get_mut(..len)
            {
                return take_copy(side, position, to);
            }
            return self.take_odd(side, claimed(), [run, 0, 0, 0, 0, 0, 0]);
        }
        if header == Opcode::StandardCopy.as_word() {
            // Operands 0 and 1 are for people to look at.
            let operands = side.operands::<2>(position);
            if let Some(len) = standard::copy_len(&operands, max)
                && let Some(to) = self.buffer.get_mut(..len)
            {
                return take_copy(side, position, to);
            }
            return self.take_odd(side, claimed(), operands);
        }
        let operands = side.operands::<0>(position);
        self.take_odd(side, claimed(), operands)
    }
}

impl Take<'_> {
    const fn is_first(&self) -> bool {
        matches!(self.begin, Begin::First)
    }

    /// As `run`, from the packet on that was claimed and whose operands were read; those that the
    /// packet's rules do not look at may be zeros instead.
    #[cold]
    #[inline(never)]
    fn take_odd<C: Consumer>(
        self,
        side: &mut C,
        claimed: Claimed,
        operands: [u64; 7],
    ) -> Result<usize, TryRecvError> {
        let first = self.is_first();
        let begun = Some((
            claimed.position,
            open(side, claimed, &operands, self.at_hand),
        ));
        claim_from(side, begun, first, |side, claimed| {
            open_next(side, claimed, self.at_hand)
        })?;
        hand_over(side, self.at_hand, self.buffer)
    }
}

/// What [`take_along`] claimed and did not take.
enum Along {
    /// A packet with a message inside that breaks a rule or does not fit: its operands.
    Inline([u64; 7]),
    /// A run that is of several messages, breaks a rule or does not fit: its operand.
    Run(u64),
    Nothing,
}

/// Takes a message in few steps that is in its packet, or alone in its buffer.
#[inline(always)]
fn take_along<C: Consumer>(side: &mut C, buffer: &mut [u8]) -> Result<usize, Along> {
    let opcode = Opcode::StandardInline.as_byte();
    let taken = side.take_quickly(opcode, |from, InPacket(operands)| {
        inline::copy_out(operands, from.len(), buffer)
    });
    let len = match taken {
        Ok(len) => len,
        Err(Missed::Claimed(InPacket(operands))) => return Err(Along::Inline(operands)),
        Err(Missed::Unclaimed) => {
            let opcode = Opcode::StandardRun.as_byte();
            let taken = side.take_quickly(opcode, |from, &InBuffer(run)| {
                let len = run::len_alone(run).filter(|len| (1..=from.len()).contains(len))?;
                from.copy_out(0, buffer.get_mut(..len)?);
                Some(len)
            });
            match taken {
                Ok(len) => len,
                Err(Missed::Claimed(InBuffer(run))) => return Err(Along::Run(run)),
                Err(Missed::Unclaimed) => return Err(Along::Nothing),
            }
        }
    };
    side.count(Event::Quick(len));
    Ok(len)
}

/// A message that lies at the start of the buffer of `position`, where it ends, too.
#[inline]
fn take_copy<C: Consumer>(
    side: &mut C,
    position: Position,
    to: &mut [u8],
) -> Result<usize, TryRecvError> {
    let len = side.buffers().at(position).copy_out(0, to);
    side.release(position);
    side.count(Event::Message(len));
    Ok(len)
}

/// Nothing could be claimed.
#[inline(never)]
fn blocked<C: Consumer>(side: &mut C, refused: Refused, first: bool) -> TryRecvError {
    match side.end() {
        None => {}
        Some(End::Closed) => return TryRecvError::Disconnected,
        Some(End::Dead) => return TryRecvError::PeerDead,
    }
    if first {
        side.count(Event::Blocked);
    }
    refused.into()
}

/// The next packet in the ring that `open` makes something of.
#[inline]
pub(super) fn claim_as<C: Consumer, T>(
    side: &mut C,
    first: bool,
    open: impl FnMut(&C, Claimed) -> Result<Option<T>, TryRecvError>,
) -> Result<T, TryRecvError> {
    claim_from(side, None, first, open)
}

/// What a packet proved to be, and where it lies.
type Opened<T> = (Position, Result<Option<T>, TryRecvError>);

/// As [`claim_as`], where a packet may have been opened already.
#[inline]
fn claim_from<C: Consumer, T>(
    side: &mut C,
    mut begun: Option<Opened<T>>,
    first: bool,
    mut open: impl FnMut(&C, Claimed) -> Result<Option<T>, TryRecvError>,
) -> Result<T, TryRecvError> {
    for _ in 0..SKIPPED {
        let (position, opened) = match begun.take() {
            Some(begun) => begun,
            None => match side.try_claim() {
                Ok(claimed) => (claimed.position, open(side, claimed)),
                Err(refused) => return Err(blocked(side, refused, first)),
            },
        };
        match opened {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => discard(side, position, false),
            Err(error) => {
                discard(side, position, true);
                return Err(error);
            }
        }
    }
    Err(TryRecvError::Busy)
}

/// Gives back a packet that is no message: a tombstone, or one with an error.
// Kept out of the way of messages.
#[cold]
#[inline(never)]
pub(super) fn discard<C: Consumer>(side: &mut C, position: Position, is_error: bool) {
    side.release(position);
    if is_error {
        side.count(Event::Error);
    } else {
        side.count(Event::Tombstone);
    }
}

/// Reads and checks a claimed packet, each word once, and makes what is in it the message at hand; `None`
/// for a tombstone.
#[cfg_attr(target_pointer_width = "64", inline)]
#[cfg_attr(not(target_pointer_width = "64"), inline(never))]
pub(super) fn open_next<C: Consumer>(
    side: &C,
    claimed: Claimed,
    at_hand: &mut Option<Current>,
) -> Result<Option<()>, TryRecvError> {
    let operands = side.operands::<0>(claimed.position);
    open(side, claimed, &operands, at_hand)
}

/// As [`open_next`], of a packet that was read.
#[inline]
fn open<C: Consumer>(
    side: &C,
    claimed: Claimed,
    operands: &[u64; 7],
    at_hand: &mut Option<Current>,
) -> Result<Option<()>, TryRecvError> {
    if let Some(fault) = fault(side, claimed.header, operands) {
        return Err(TryRecvError::Malformed(fault));
    }
    let [opcode, ..] = claimed.header.to_le_bytes();
    let [_, size, data_size, ..] = *operands;
    let message = |bytes, len: u64| Current {
        // Found to be no more than a buffer's.
        len: usize::try_from(len).unwrap_or(0),
        ..Current::alone(&claimed, bytes, 0)
    };
    *at_hand = Some(match Opcode::from_byte(opcode) {
        Ok(Opcode::StandardRun) => {
            let run = StandardRun::sound(operands);
            // Only a peer that breaks the rules can have taken them all.
            let taken = if claimed.taken > run.more() {
                0
            } else {
                claimed.taken
            };
            Current {
                taken,
                more: run.more() - taken,
                ..message(Bytes::Buffer, u64::from(run.size()))
            }
        }
        Ok(Opcode::StandardInline) => message(Bytes::Inline, size),
        Ok(Opcode::StandardTombstone) => return Ok(None),
        Ok(Opcode::Error) => return Err(TryRecvError::Peer(ErrorPacket::sound(operands).code)),
        _ => message(Bytes::Buffer, data_size),
    });
    Ok(Some(()))
}

/// The rule that a packet breaks, those about the size of a buffer included.
// Where programs have to be small, in one function, so that what it finds is moved once.
#[cfg_attr(target_pointer_width = "64", inline)]
#[cfg_attr(not(target_pointer_width = "64"), inline(never))]
fn fault<C: Consumer>(side: &C, header: u64, operands: &[u64; 7]) -> Option<PacketError> {
    let opcode = match Opcode::from_word(header) {
        Ok(opcode) => opcode,
        Err(fault) => return Some(fault),
    };
    let is_new = matches!(opcode, Opcode::StandardInline | Opcode::StandardRun);
    if is_new && !side.carries_inline() {
        return Some(PacketError::UnknownOpcode(opcode.as_byte()));
    }
    let fault = standard::fault(opcode, operands);
    if fault.is_some() {
        return fault;
    }
    let [_, size, data_size, ..] = *operands;
    let (size, minimum) = match opcode {
        Opcode::StandardRun => (StandardRun::sound(operands).total(), 1),
        Opcode::StandardInline => (size, 0),
        Opcode::StandardCopy => (data_size, 1),
        _ => return None,
    };
    standard::size_fault(size, minimum, side.buffers().size() as u64)
}

/// Makes the next message the one at hand.
#[inline]
pub(super) fn load<C: Consumer>(
    side: &mut C,
    first: bool,
    at_hand: &mut Option<Current>,
) -> Result<(), TryRecvError> {
    // In few steps, and without a packet in memory, where it is alone in a buffer.
    let Some((position, run)) = side.claim_quickly::<u64>(Opcode::StandardRun.as_byte()) else {
        return load_odd(side, first, at_hand, None);
    };
    let claimed = Claimed {
        position,
        header: Opcode::StandardRun.as_word(),
        in_doubt: false,
        taken: 0,
    };
    let max = side.buffers().size();
    match run::len_alone(run).filter(|len| (1..=max).contains(len)) {
        Some(len) => {
            *at_hand = Some(Current::alone(&claimed, Bytes::Buffer, len));
            Ok(())
        }
        None => load_odd(side, first, at_hand, Some((claimed, run))),
    }
}

/// As [`load`], from the run on that was claimed, if one was.
#[cfg_attr(target_pointer_width = "64", inline(never))]
#[cfg_attr(not(target_pointer_width = "64"), inline)]
fn load_odd<C: Consumer>(
    side: &mut C,
    first: bool,
    at_hand: &mut Option<Current>,
    begun: Option<(Claimed, u64)>,
) -> Result<(), TryRecvError> {
    let begun = begun.map(|(claimed, run)| {
        let operands = [run, 0, 0, 0, 0, 0, 0];
        (claimed.position, open(side, claimed, &operands, at_hand))
    });
    claim_from(side, begun, first, |side, claimed| {
        open_next(side, claimed, at_hand)
    })
}

/// Copies the message at hand into `buffer` and finishes with it; one that does not fit stays.
pub(super) fn hand_over<C: Consumer>(
    side: &mut C,
    at_hand: &mut Option<Current>,
    buffer: &mut [u8],
) -> Result<usize, TryRecvError> {
    let Some(message) = at_hand else {
        return Err(TryRecvError::Empty);
    };
    let needed = message.len - message.offset;
    let capacity = buffer.len();
    let Some(to) = buffer.get_mut(..needed) else {
        return Err(TryRecvError::BufferTooSmall { needed, capacity });
    };
    copy(side, message, to);
    finish(side, at_hand);
    Ok(needed)
}

/// Where a message lies: in the slot of its packet, or in the buffer.
#[inline]
pub(super) fn place<'a, C: Consumer>(side: &'a C, message: &Current) -> Buffer<'a> {
    match message.bytes {
        Bytes::Inline => side.bytes::<{ inline::PAYLOAD }>(message.position),
        Bytes::Buffer | Bytes::Lent => side.buffers().at(message.position),
    }
}

/// Copies from the message's offset on; `to` is at most as long as what is left.
#[inline]
pub(super) fn copy<C: Consumer>(side: &C, message: &Current, to: &mut [u8]) {
    place(side, message).copy_out(message.start(), to);
}

/// Ends the message at hand: the next one of its run becomes that, and where it was the last its
/// packet goes back to the senders.
#[inline]
pub(super) fn finish<C: Consumer>(side: &mut C, at_hand: &mut Option<Current>) {
    // In place, as there may be many more of the same run.
    let Some(message) = at_hand else {
        return;
    };
    let (position, len) = (message.position, message.len);
    if !message.advance() {
        *at_hand = None;
        side.release(position);
    }
    side.count(Event::Message(len));
}

/// Ends what is at hand with all that follows it in its run: the packet goes back to the senders.
#[inline]
pub(super) fn finish_packet<C: Consumer>(side: &mut C, at_hand: &mut Option<Current>) {
    if let Some(message) = at_hand.take() {
        side.release(message.position);
        side.count(Event::Message(message.len));
    }
}
