//! What a consumer does that finds nothing to read: T7 for those who died while others run, and
//! end-of-file.

use hqq_core::ring::stamp::{self, State};

use crate::explorer::Fault;
use crate::invariants;
use crate::setup::{Broken, member};
use crate::step::Step;
use crate::turn::Turn;
use crate::world::{Ending, Holder, MESSAGE, Side, TOMBSTONE, Taken};

impl Turn<'_> {
    /// Nothing to read: is somebody dead, will nothing more come?
    pub(crate) fn blocked(&mut self) -> Result<(), Fault> {
        let shared = !self.spec().is_exclusive();
        if shared
            && self.setup.at_least_once()
            && self.world.attach.is_none()
            && let Some(dead) = self.dead_owner(Side::Consuming)
        {
            // Proves the death: nobody joins or leaves meanwhile, and the byte is to be had.
            self.world.attach = Some(self.actor as u8);
            let me = Holder::Repairer(self.actor as u8);
            self.world.set_holder(Side::Consuming, dead, me);
            self.go(Step::Adopt {
                member: dead,
                index: 0,
            });
            return Ok(());
        }
        let status = self.world.status[Side::Producing as usize];
        let over = matches!(status.taken, Taken::Closed | Taken::Dead);
        if !over || self.me().ignored == Some(status) {
            self.go(Step::Idle);
            return Ok(());
        }
        self.me().ending = Some(Ending {
            dead: status.taken == Taken::Dead,
            until: self.world.ended_at,
        });
        let next = if self.breaks(Broken::EndsAtOnce) {
            self.end()?
        } else {
            Step::Recheck
        };
        self.go(next);
        Ok(())
    }

    /// There is or may be more: from the start.
    fn not_yet(&mut self) -> Step {
        self.me().ending = None;
        Step::Idle
    }

    /// C1, step 3.
    pub(crate) fn recheck(&mut self, step: Step) -> Result<(), Fault> {
        let count = self.setup.count;
        let dead = self.me().ending.is_some_and(|ending| ending.dead);
        let unclaimed = |turn: &Self, offset: u8| {
            let at = turn.position(offset);
            let word = turn.stamp(offset);
            if turn.breaks(Broken::EndsUnlessPublished) {
                return turn.packet_at(offset).is_none();
            }
            let before = [MESSAGE, TOMBSTONE].map(|op| State::Published(at.minus(count), op));
            turn.shows(word, State::Free(at))
                || before.into_iter().any(|state| turn.shows(word, state))
                || dead
                    && turn.breaks(Broken::EndsDeadUnlessPublished)
                    && turn.packet_at(offset).is_none()
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
        let until = self.me().ending.map_or(0, |ending| ending.until);
        invariants::end(self.setup, self.world, until)?;
        let others = self.alive(Side::Producing) + self.to_come(Side::Producing);
        let last = self.world.claimed[Side::Producing as usize];
        Ok(if others > 0 || until != last {
            self.not_yet()
        } else {
            Step::Leave { informed: true }
        })
    }

    /// T7 beside living members: takes one message over, lets go of the locks, and hands it out.
    pub(crate) fn adopt(&mut self, step: Step) -> Result<(), Fault> {
        let own = member(self.spec().member);
        match step {
            Step::Adopt { member, index } if usize::from(index) == self.setup.count => {
                self.let_go_of(member);
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
                    self.let_go_of(member);
                    self.doubt(position, opcode);
                } else {
                    self.go(again);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn let_go_of(&mut self, member: u8) {
        self.world
            .set_holder(Side::Consuming, member, Holder::Nobody);
        self.world.attach = None;
    }
}
