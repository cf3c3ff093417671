//! Mending a ring that others are using: what members that died were filling or reading
//! (PROTOCOL.md, T6 and T7).
//!
//! At most N steps each, whatever the ring holds.

use super::Claimed;
use super::join::{bury, forget_taken, received, replace};
use super::stamp::{self, State};
use crate::layout::Geometry;
use crate::member::{Member, MemberSet};
use crate::position::Position;
use crate::region::RingMemory;
use crate::superblock::Delivery;
use crate::sync::ordering;

/// What a slot is claimed for, where it is.
#[derive(Clone, Copy)]
struct Claim {
    position: Position,
    word: u64,
    state: State,
}

/// The slots that a member has claimed.
fn claims<G: Geometry>(memory: &RingMemory<G>) -> impl Iterator<Item = Claim> + '_ {
    let count = memory.count();
    // Pairs with the Release of T3 and T5.
    let load = |index| {
        let slot = memory.slot(Position::default().plus(index));
        slot.stamp().load(ordering::see_published())
    };
    let mut before = load(count - 1);
    (0..count).filter_map(move |index| {
        let word = load(index);
        // Half a tombstone, of a producer that died doing T6, is the claim that it was. As long as that stands, the slot
        // before is near.
        let near = Position::new(before >> 16);
        let state = State::of(stamp::mended(word, near, count).unwrap_or(word));
        before = word;
        let (State::Writing(position, _) | State::Reading(position, ..)) = state else {
            return None;
        };
        // A stamp of another slot is a liar's, and not ours to move.
        (position.index(count) == index).then_some(Claim {
            position,
            word,
            state,
        })
    })
}

/// The states of the slots that a member has claimed.
pub(crate) fn states<G: Geometry>(memory: &RingMemory<G>) -> impl Iterator<Item = State> + '_ {
    claims(memory).map(|claim| claim.state)
}

/// What one walk over a ring has mended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mended {
    pub(crate) tombstones: usize,
    pub(crate) released: usize,
    /// Messages of dead readers that wait for a living one; and whose they are.
    pub(crate) in_doubt: usize,
    pub(crate) readers_in_doubt: MemberSet,
}

impl Mended {
    fn count(&mut self, reader: Member) {
        self.in_doubt += 1;
        self.readers_in_doubt.insert(reader);
    }
}

/// T6, for all claims of these members, who are dead: each slot that a producer was filling becomes
/// a tombstone; each that a consumer was reading is released where messages are delivered at most
/// once.
///
/// What `left` were reading, who have left the side, is only counted: nothing but a record that anybody may have
/// written says so of them.
///
/// Does the same again, and no more, where an earlier one was interrupted anywhere.
pub(crate) fn mend<G: Geometry>(
    memory: &RingMemory<G>,
    producers: &MemberSet,
    consumers: &MemberSet,
    left: &MemberSet,
    delivery: Delivery,
) -> Mended {
    let mut mended = Mended::default();
    for claim in claims(memory) {
        match claim.state {
            State::Writing(_, owner) if producers.contains(owner) => {
                bury(memory, claim.word, claim.position);
                mended.tombstones += 1;
            }
            State::Reading(_, owner, _) if consumers.contains(owner) => {
                forget_taken(memory, claim.position);
                if delivery == Delivery::AtLeastOnce {
                    mended.count(owner);
                } else {
                    super::step_released(memory, claim.position);
                    let free = stamp::released(claim.position, memory.count());
                    replace(memory.slot(claim.position), claim.word, free);
                    mended.released += 1;
                }
            }
            State::Reading(_, owner, _) if left.contains(owner) => mended.count(owner),
            _ => {}
        }
    }
    mended
}

/// T7: takes one message over that a member was reading which is dead or has left the side, as `is_dead` knows; the
/// caller keeps that so until this returns, and has handed out all that was left to `me` when it joined.
pub(crate) fn take_over<G: Geometry>(
    memory: &RingMemory<G>,
    me: Member,
    mut is_dead: impl FnMut(Member) -> bool,
) -> Option<Claimed> {
    for claim in claims(memory) {
        let State::Reading(position, owner, opcode) = claim.state else {
            continue;
        };
        if owner == me || !is_dead(owner) {
            continue;
        }
        forget_taken(memory, position);
        // T7. Pairs with the Release of T3.
        let taken = memory.slot(position).stamp().compare_exchange(
            claim.word,
            stamp::reading(position, me, opcode),
            ordering::claim_reading(),
            ordering::see_published(),
        );
        if taken.is_ok() {
            return Some(Claimed {
                position,
                header: u64::from(opcode),
                in_doubt: true,
                taken: 0,
            });
        }
    }
    None
}

/// Asked with an opcode and operands whether to take the packet back; told so again, with `true`, once
/// that is done.
pub(crate) type Retraction<'a> = dyn FnMut(u8, &[u64; 7], bool) -> bool + 'a;

/// T8: takes packets back that no consumer has claimed, on a ring that has none that lives and gets none
/// until this returns: those that `retraction` chooses become tombstones. `me` is a member of the
/// producing side, and no other thread of it is at work.
///
/// In two steps, so that nobody ever finds a packet with another one's operands: who dies between them
/// leaves a slot that is being written.
pub(crate) fn retract<G: Geometry>(
    memory: &RingMemory<G>,
    me: Member,
    retraction: &mut Retraction<'_>,
) -> usize {
    let count = memory.count();
    // All before it was handed out. Not `r` itself, which may lag (T2): as many of the last packets would be left out.
    let first = received(memory);
    let mut retracted = 0;
    for ahead in 0..count {
        let position = first.plus(ahead);
        let slot = memory.slot(position);
        // Pairs with the Release of T3.
        let word = slot.stamp().load(ordering::see_published());
        let State::Published(at, opcode) = State::of(word) else {
            continue;
        };
        if at != position {
            continue;
        }
        let operands = slot.load_operands::<0>();
        if !retraction(opcode, &operands, false) {
            continue;
        }
        let claimed = stamp::writing(position, me);
        // T8. A consumer that had claimed it would have changed the stamp, or `r`.
        let taken = slot.stamp().compare_exchange(
            word,
            claimed,
            ordering::claim_writing(),
            ordering::see_published(),
        );
        if taken.is_ok() {
            bury(memory, claimed, position);
            retraction(opcode, &operands, true);
            retracted += 1;
        }
    }
    retracted
}
