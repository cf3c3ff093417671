//! What a consumer does that finds nothing to read: T7 for those who died while others run, and
//! end-of-file.

use hqq_core::ring::stamp::{self, State};

use crate::explorer::Fault;
use crate::invariants;
use crate::setup::{Broken, member};
use crate::step::Step;
use crate::turn::Turn;
use crate::world::{Holder, MESSAGE, Side, TOMBSTONE, Taken};

impl Turn<'_> {
    /// Nothing to read: is somebody dead, will nothing more come?
    pub(crate) fn blocked(&mut self) -> Result<(), Fault> {
        let shared = !self.spec().is_exclusive();
        if shared
            && self.setup.at_least_once()
            && let Some(dead) = self.dead_owner(Side::Consuming)
        {
            let me = Holder::Repairer(self.actor as u8);
            self.world.set_holder(Side::Consuming, dead, me);
            self.me().adopting = dead;
            self.go(Step::Adopt {
                member: dead,
                index: 0,
            });
            return Ok(());
        }
        let closed = self.closed();
        // No lock on the side's byte, and everything repaired.
        let dead = self.alive(Side::Producing) == 0
            && self.to_come(Side::Producing) == 0
            && (self.breaks(Broken::EndsBesideDead) || self.dead_owner(Side::Producing).is_none());
        self.me().until = if closed {
            self.world.closed_at
        } else {
            self.world.claimed[Side::Producing as usize]
        };
        let next = if !closed && !dead {
            self.not_yet()
        } else if self.breaks(Broken::EndsAtOnce) {
            self.end()?
        } else {
            Step::Recheck
        };
        self.go(next);
        Ok(())
    }

    /// The producers have come and gone.
    fn closed(&self) -> bool {
        let status = self.world.status[Side::Producing as usize];
        let ignored = self.world.actors[self.actor].ignored;
        status.taken == Taken::Closed && ignored != Some(status)
    }

    /// There is or may be more: from the start.
    fn not_yet(&mut self) -> Step {
        self.me().until = 0;
        Step::Idle
    }

    /// C1, step 3.
    pub(crate) fn recheck(&mut self, step: Step) -> Result<(), Fault> {
        let count = self.setup.count;
        let unclaimed = |turn: &Self, offset: u8| {
            let at = turn.position(offset);
            let word = turn.stamp(offset);
            if turn.breaks(Broken::EndsUnlessPublished) {
                return turn.packet_at(offset).is_none();
            }
            let gone = turn.alive(Side::Producing) == 0 && !turn.closed();
            if gone && turn.breaks(Broken::EndsBesideDead) {
                return turn.packet_at(offset).is_none();
            }
            // The dead may have left half a stamp, which only A2 mends: it claims nothing.
            let state = State::of(word);
            let claimed = state.is_write_claimed(at, count) || state.is_read_claimed(at, count);
            turn.shows(word, State::Free(at))
                || [MESSAGE, TOMBSTONE]
                    .map(|opcode| State::Published(at.minus(count), opcode))
                    .into_iter()
                    .any(|before| turn.shows(word, before))
                || gone && !claimed
        };
        let next = match step {
            Step::Recheck if self.spec().is_exclusive() => {
                let position = self.me().position;
                if unclaimed(self, position) {
                    self.end()?
                } else {
                    self.not_yet()
                }
            }
            Step::Recheck => Step::RecheckSlot {
                position: self.offset(self.world.r)?,
            },
            Step::RecheckSlot { position } if !unclaimed(self, position) => self.not_yet(),
            Step::RecheckSlot { position }
                if self.setup.at_least_once() && !self.breaks(Broken::EndsBesideReaders) =>
            {
                Step::RecheckReading { position, back: 1 }
            }
            Step::RecheckSlot { position } => Step::RecheckR { position },
            Step::RecheckReading { position, back } => {
                let at = self.position(position).minus(back.into());
                let word = self.world.stamps[at.index(count)];
                match State::of(word) {
                    State::Reading(found, ..) if found == at => self.not_yet(),
                    _ if usize::from(back) == count => Step::RecheckR { position },
                    _ => Step::RecheckReading {
                        position,
                        back: back + 1,
                    },
                }
            }
            Step::RecheckR { position } if self.world.r == self.position(position).get() => {
                self.end()?
            }
            _ => self.not_yet(),
        };
        self.go(next);
        Ok(())
    }

    /// End-of-file is reported. It stays where others are or will be there to send, and leaves
    /// otherwise.
    fn end(&mut self) -> Result<Step, Fault> {
        let until = self.me().until;
        invariants::end(self.setup, self.world, until)?;
        let others = self.alive(Side::Producing) + self.to_come(Side::Producing);
        let last = self.world.claimed[Side::Producing as usize];
        Ok(if others > 0 || until != last {
            self.not_yet()
        } else {
            Step::Leave { informed: true }
        })
    }

    /// T7 beside living members, holding the dead one's byte.
    pub(crate) fn adopt(&mut self, step: Step) -> Result<(), Fault> {
        let own = member(self.spec().member);
        match step {
            Step::Adopt { member, index } if usize::from(index) == self.setup.count => {
                self.world
                    .set_holder(Side::Consuming, member, Holder::Nobody);
                self.me().adopting = 0;
                self.go(Step::Idle);
            }
            Step::Adopt { member, index } => {
                let word = self.world.stamps[usize::from(index)];
                self.go(match State::of(word) {
                    State::Reading(_, owner, _) if owner.get() == member => Step::AdoptSlot {
                        member,
                        index,
                        word,
                    },
                    _ => Step::Adopt {
                        member,
                        index: index + 1,
                    },
                });
            }
            Step::AdoptSlot {
                member,
                index,
                word,
            } => {
                let State::Reading(at, _, opcode) = State::of(word) else {
                    return Err("a stamp stays what it was");
                };
                let again = Step::Adopt { member, index };
                let rewinds = self.breaks(Broken::HandsBackAndRewinds);
                if rewinds || self.breaks(Broken::HandsBack) {
                    self.world.stamps[usize::from(index)] = stamp::published(at, opcode);
                    if rewinds {
                        self.world.r = at.get();
                        self.world.claimed[Side::Consuming as usize] = self.offset(at.get())?;
                    }
                    self.go(again);
                } else if self.exchange(
                    usize::from(index),
                    word,
                    State::Reading(at, own, opcode),
                )? {
                    let position = self.offset(at.get())?;
                    self.doubt(position, opcode);
                } else {
                    self.go(again);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
