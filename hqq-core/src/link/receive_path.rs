//! How the next packet in a ring becomes the message at hand, once for every kind of side: claimed, read and
//! checked.

use super::at_hand::{AtHand, Bytes, Current};
use super::error::TryRecvError;
use crate::counters::Event;
use crate::packet::{ErrorPacket, Opcode, PacketError, StandardRun, run, standard};
use crate::position::Position;
use crate::ring::{Claimed, Consumer, Refused};
use crate::side::End;

/// Tombstones, or empty messages, that one call passes over, so that no peer can keep it busy.
pub(super) const SKIPPED: usize = 32;

/// Whether there are ways of their own for the packets that most messages travel in. Where 64 bits
/// are two registers and programs have to be small, one way does for all.
pub(crate) const SHORT_WAYS: bool = cfg!(all(target_has_atomic = "64", not(hqq_narrow)));

/// Nothing could be claimed.
#[inline(never)]
pub(super) fn blocked<C: Consumer>(side: &mut C, refused: Refused, first: bool) -> TryRecvError {
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
    open: impl FnMut(&C, &Claimed) -> Result<Option<T>, TryRecvError>,
) -> Result<T, TryRecvError> {
    claim_from(side, None, first, open)
}

/// What a packet proved to be, and where it lies.
pub(super) type Opened<T> = (Position, Result<Option<T>, TryRecvError>);

/// As [`claim_as`], where a packet may have been opened already.
#[inline]
pub(super) fn claim_from<C: Consumer, T>(
    side: &mut C,
    mut begun: Option<Opened<T>>,
    first: bool,
    mut open: impl FnMut(&C, &Claimed) -> Result<Option<T>, TryRecvError>,
) -> Result<T, TryRecvError> {
    for _ in 0..SKIPPED {
        let (position, opened) = match begun.take() {
            Some(begun) => begun,
            None => match side.try_claim() {
                // By reference: where programs have to be small, no copy of it is made.
                Ok(ref claimed) => (claimed.position, open(side, claimed)),
                Err(refused) => return Err(blocked(side, refused, first)),
            },
        };
        match opened {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => discard(side, false, position),
            Err(error) => {
                discard(side, true, position);
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
pub(super) fn discard<C: Consumer>(side: &mut C, is_error: bool, position: Position) {
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
    claimed: &Claimed,
    at_hand: &mut AtHand,
) -> Result<Option<()>, TryRecvError> {
    // Each to its place: put together elsewhere, they would be moved as a whole where programs have to be small.
    for index in 0..at_hand.operands.len() {
        if let Some(operand) = at_hand.operands.get_mut(index) {
            *operand = side.operand(claimed.position, index);
        }
    }
    open(side, claimed, at_hand)
}

/// As [`open_next`], of a packet whose operands were read.
#[inline]
pub(super) fn open<C: Consumer>(
    side: &C,
    claimed: &Claimed,
    at_hand: &mut AtHand,
) -> Result<Option<()>, TryRecvError> {
    let operands = &at_hand.operands;
    if let Some(fault) = fault(side, claimed.header, operands) {
        return Err(TryRecvError::Malformed(fault));
    }
    let [opcode, ..] = claimed.header.to_le_bytes();
    let [_, size, data_size, ..] = *operands;
    let message = |bytes, len: u64| Current {
        // Found to be no more than a buffer's.
        len: usize::try_from(len).unwrap_or(0),
        ..Current::alone(claimed, bytes, 0)
    };
    let current = match Opcode::from_byte(opcode) {
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
        Ok(Opcode::StandardInline) => {
            at_hand.keep_inside();
            message(Bytes::Inline, size)
        }
        Ok(Opcode::StandardTombstone) => return Ok(None),
        Ok(Opcode::Error) => return Err(TryRecvError::Peer(ErrorPacket::sound(operands).code)),
        _ => message(Bytes::Buffer, data_size),
    };
    at_hand.message = Some(current);
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
#[cfg_attr(target_pointer_width = "64", inline(always))]
#[cfg_attr(not(target_pointer_width = "64"), inline)]
pub(super) fn load<C: Consumer>(
    side: &mut C,
    first: bool,
    at_hand: &mut AtHand,
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
            at_hand.message = Some(Current::alone(&claimed, Bytes::Buffer, len));
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
    at_hand: &mut AtHand,
    begun: Option<(Claimed, u64)>,
) -> Result<(), TryRecvError> {
    let begun = begun.map(|(claimed, run)| {
        at_hand.operands = [run, 0, 0, 0, 0, 0, 0];
        (claimed.position, open(side, &claimed, at_hand))
    });
    claim_from(side, begun, first, |side, claimed| {
        open_next(side, claimed, at_hand)
    })
}
