//! What a call that receives does: the next message in few steps where it is like most, else through
//! [`receive_path`](super::receive_path).

use super::at_hand::{AtHand, hand_over};
use super::error::TryRecvError;
use super::receive_path::{blocked, claim_from, open, open_next};
use super::send_path::is_about_a_line;
use crate::counters::Event;
use crate::packet::{Opcode, inline, run, standard};
use crate::position::Position;
use crate::ring::{Claimed, Consumer, ConsumerTask, InPacket, Left, Missed};

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

/// As [`TakeQuickly`], of a word in its packet, or beside others of any message in it. Of those alone on their side: where
/// nothing is there, it counts that.
pub(super) struct TakeWord<'a> {
    pub(super) buffer: &'a mut [u8],
    /// Whether it is the first look of its call, which counts as blocked where nothing is there.
    pub(super) first: bool,
}

impl ConsumerTask for TakeWord<'_> {
    type Output = Result<usize, Left>;

    // Always: in the one function for it, which is not.
    #[inline(always)]
    fn run<C: Consumer>(self, side: &mut C) -> Self::Output {
        let Self { buffer, first } = self;
        let opcode = Opcode::StandardInline.as_byte();
        let taken = if C::WALKS {
            side.take_word(opcode, |operands| inline::copy_word_out(operands, buffer))
        } else {
            // Whoever is beside others reads a packet once it is claimed, not to find out how to claim it.
            let max = side.buffers().size();
            let taken = side.take_quickly(opcode, |_, operands: &InPacket| {
                inline::copy_out(&operands.0, max, buffer)
            });
            taken.map_err(|missed| match missed {
                Missed::Claimed(operands) => Left::Claimed(operands.0),
                Missed::Unclaimed => Left::Unclaimed,
            })
        };
        match taken {
            Ok(len) => side.count(Event::Quick(len)),
            Err(Left::Nothing) if !side.is_idle(first) => return Err(Left::Unclaimed),
            Err(_) => {}
        }
        taken
    }
}

/// As [`TakeQuickly`], of any message in its packet, after [`Left::Inside`].
pub(super) struct TakeInside<'a> {
    pub(super) buffer: &'a mut [u8],
    pub(super) size: u64,
}

impl ConsumerTask for TakeInside<'_> {
    type Output = Result<usize, Missed<[u64; 7]>>;

    // Always: in the one function for it, which is not.
    #[inline(always)]
    fn run<C: Consumer>(self, side: &mut C) -> Self::Output {
        let max = side.buffers().size();
        let taken = side.take_inside(self.size, |operands| {
            inline::copy_out(operands, max, self.buffer)
        });
        if let Ok(len) = taken {
            side.count(Event::Quick(len));
        }
        taken
    }
}

/// Copies the next message of a ring into a buffer and gives it back to the senders.
pub(super) struct Take<'a> {
    /// No message before. One that does not fit `buffer` becomes it, and one
    /// that others follow in its run leaves the next of them there.
    pub(super) at_hand: &'a mut AtHand,
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
    /// The next packet was claimed; its message is inside, breaks a rule or does not fit, and its operands but the
    /// first are in [`Take::at_hand`].
    Inside,
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
        // Word for word, as what a call gave in memory is not copied at once: in other pieces than it was written
        // in, it could only be read once it has got to the cache.
        let (position, header, in_doubt, taken) = match self.begin {
            Begin::Run(_) => (side.last_claimed(), Opcode::StandardRun.as_word(), false, 0),
            Begin::Inside => return self.take_claimed_inside(side),
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
                _ => side.operand(position, 0),
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
    /// As `run`, of [`Begin::Inside`].
    fn take_claimed_inside<C: Consumer>(self, side: &mut C) -> Result<usize, TryRecvError> {
        let claimed = Claimed {
            position: side.last_claimed(),
            header: Opcode::StandardInline.as_word(),
            in_doubt: false,
            taken: 0,
        };
        let operands = self.at_hand.operands;
        self.take_odd(side, claimed, operands)
    }

    const fn is_first(&self) -> bool {
        matches!(self.begin, Begin::First)
    }

    /// As `run`, from the packet on that was claimed and whose operands were read, but for those that the
    /// packet's rules do not look at.
    #[cold]
    #[inline(never)]
    fn take_odd<C: Consumer>(
        self,
        side: &mut C,
        claimed: Claimed,
        operands: [u64; 7],
    ) -> Result<usize, TryRecvError> {
        let (first, position) = (self.is_first(), claimed.position);
        self.at_hand.operands = operands;
        // The others, as the packet may be handed out as a whole.
        let [zero, one, ..] = &mut self.at_hand.operands;
        let is_copy = claimed.header == Opcode::StandardCopy.as_word();
        let is_inline = claimed.header == Opcode::StandardInline.as_word();
        if is_copy || is_inline && side.carries_inline() {
            *zero = side.operand(position, 0);
        }
        if is_copy {
            *one = side.operand(position, 1);
        }
        let begun = Some((position, open(side, &claimed, self.at_hand)));
        claim_from(side, begun, first, |side, claimed| {
            open_next(side, claimed, self.at_hand)
        })?;
        hand_over(side, self.at_hand, self.buffer)
    }
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
    side.look_ahead(position, len);
    Ok(len)
}
