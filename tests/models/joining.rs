//! Joining and leaving: A1, A2 and C1.

use hqq_core::ring::stamp::{self, State};
use hqq_core::{Mode, Position};

use crate::explorer::Fault;
use crate::setup::Broken;
use crate::step::{Step, Then};
use crate::turn::Turn;
use crate::world::{Holder, Private, Side, Status, Taken, mode};

impl Turn<'_> {
    /// A1, step 2: ATTACH and the bytes, all or nothing; `false` where one cannot be had now.
    pub(crate) fn attach(&mut self, side: Side) -> bool {
        let spec = *self.spec();
        let compatible = match mode(self.world, self.setup, side) {
            None => true,
            Some(found) => found == Mode::Shared && spec.mode == Mode::Shared,
        } || self.breaks(Broken::JoinsOthers);
        if self.world.attach.is_some()
            || !compatible
            || self.world.holder(side, spec.member) != Holder::Nobody
        {
            return false;
        }
        self.world.attach = Some(self.actor as u8);
        self.world.set_holder(side, spec.member, Holder::Member);
        self.go(Step::Joined);
        true
    }

    /// Does a `step` of one that joins.
    pub(crate) fn join(&mut self, side: Side, step: Step) -> Result<(), Fault> {
        match step {
            Step::Joined => self.take_side(side),
            Step::LoadR
            | Step::Nearby { .. }
            | Step::Advance { .. }
            | Step::Explained { .. }
            | Step::StoreNext { .. }
            | Step::LoadReleased { .. }
            | Step::Walk { .. }
            | Step::Settle { .. }
            | Step::OutdateReleased { .. }
            | Step::StoreStart { .. }
            | Step::Reclaim { .. }
            | Step::ReclaimMove { .. }
            | Step::ReclaimSlot { .. } => self.join_consumer(step)?,
            _ => self.join_producer(step)?,
        }
        Ok(())
    }

    /// The status of the side and of the other one. No other status changes meanwhile: whoever
    /// changes one holds ATTACH.
    fn take_side(&mut self, side: Side) {
        let id = self.spec().member;
        // This actor lives, so the side has others where it is not alone.
        let first = self.alive(side) == 1 || self.breaks(Broken::JoinsOthers);
        if first {
            self.world.status[side as usize] = Status {
                taken: Taken::Open,
                epoch: self.world.status[side as usize].epoch + 1,
            };
            self.world.records[side as usize] = 0;
        }
        self.world.records[side as usize] |= 1 << id;
        let other = self.world.status[side.opposite() as usize];
        self.me().ignored = (other.taken != Taken::Open).then_some(other);
        self.go(match (side, first) {
            (Side::Producing, true) => Step::Smallest {
                index: 0,
                smallest: i32::MAX,
            },
            (Side::Consuming, true) => Step::LoadR,
            _ if self.breaks(Broken::TakesIdAsItIs) => Step::Idle,
            (Side::Producing, false) => Step::Tidy { index: 0 },
            (Side::Consuming, false) => Step::Reclaim { index: 0 },
        });
        if self.me().step == Step::Idle {
            self.world.attach = None;
        }
    }

    fn join_producer(&mut self, step: Step) -> Result<(), Fault> {
        let count = self.setup.count;
        let word = |turn: &Self, index: u8| turn.world.stamps[usize::from(index)];
        match step {
            Step::Smallest { .. } | Step::Mend { .. } | Step::MendSlot { .. } => self.mend(step),
            Step::Claims { index, last } => self.claim_of(word(self, index), index, last)?,
            Step::Check { ahead, next } => {
                let position = self.position(next + ahead);
                let before = position.minus(count);
                let possible = match State::of(self.stamp(next + ahead)) {
                    State::Free(at) => at == position,
                    State::Published(at, _) | State::Reading(at, ..) => at == before,
                    // Of a dead one, which this broken rule leaves.
                    State::Writing(..) => self.breaks(Broken::BuriesNothing),
                    State::Unknown(_) => false,
                };
                if !possible {
                    return Err("A2 refuses a ring that nobody damaged");
                }
                self.go(if usize::from(ahead) + 1 < count {
                    Step::Check {
                        ahead: ahead + 1,
                        next,
                    }
                } else {
                    Step::StoreW { next }
                });
            }
            Step::StoreW { next } => {
                if !self.breaks(Broken::KeepsW) {
                    self.world.w = self.position(next).get();
                }
                if self.spec().is_exclusive() {
                    self.me().position = next;
                    // Loaded in the same step: older values only make it look again.
                    self.me().cached = self.world.released;
                }
                self.joined();
            }
            Step::Tidy { index } if usize::from(index) == count => self.joined(),
            Step::Tidy { index } => {
                let word = word(self, index);
                self.go(match State::of(word) {
                    State::Writing(_, owner) if owner.get() == self.spec().member => Step::Bury {
                        word,
                        stored: false,
                        then: Then::Tidy,
                    },
                    _ => Step::Tidy { index: index + 1 },
                });
            }
            Step::Bury { word, stored, then } => self.bury(word, stored, then)?,
            _ => return Err("a step that nobody does"),
        }
        Ok(())
    }

    /// A2, steps 1 and 2: of one who joins, and of one who repairs.
    pub(crate) fn mend(&mut self, step: Step) {
        let count = self.setup.count;
        let word = |turn: &Self, index: u8| turn.world.stamps[usize::from(index)];
        let next = match step {
            Step::Smallest { index, smallest } => {
                let sequence = Position::new(word(self, index) >> 16);
                let smallest = smallest.min(self.setup.offset(sequence));
                if usize::from(index) + 1 < count {
                    Step::Smallest {
                        index: index + 1,
                        smallest,
                    }
                } else {
                    Step::Mend { index: 0, smallest }
                }
            }
            Step::Mend { index, .. } if usize::from(index) == count => match self.spec().side {
                None => Step::RecordDeath,
                Some(_) => Step::Claims {
                    index: 0,
                    last: i32::MIN,
                },
            },
            Step::Mend { index, smallest } => {
                let word = word(self, index);
                let least = self.setup.base.wrapping_add_signed(smallest.into());
                match stamp::mended(word, Position::new(least), count) {
                    Some(whole) if !self.breaks(Broken::MendsNothing) => Step::MendSlot {
                        index,
                        smallest,
                        word,
                        whole,
                    },
                    _ => Step::Mend {
                        index: index + 1,
                        smallest,
                    },
                }
            }
            Step::MendSlot {
                index,
                smallest,
                word,
                whole,
            } => {
                let slot = &mut self.world.stamps[usize::from(index)];
                if *slot == word {
                    *slot = whole;
                }
                Step::Mend {
                    index: index + 1,
                    smallest,
                }
            }
            other => other,
        };
        self.go(next);
    }

    /// A2, steps 3 to 5, for one slot.
    fn claim_of(&mut self, word: u64, index: u8, last: i32) -> Result<(), Fault> {
        let state = State::of(word);
        let claimed = state
            .last_claimed(self.setup.count)
            .filter(|at| at.index(self.setup.count) == usize::from(index))
            .ok_or("A2 refuses a ring that nobody damaged")?;
        let last = last.max(self.setup.offset(claimed));
        if let State::Writing(..) = state
            && !self.breaks(Broken::BuriesNothing)
        {
            self.go(Step::Bury {
                word,
                stored: false,
                then: Then::Claims { last },
            });
            return Ok(());
        }
        self.next_claim(index, last)
    }

    fn next_claim(&mut self, index: u8, last: i32) -> Result<(), Fault> {
        self.go(if usize::from(index) + 1 < self.setup.count {
            Step::Claims {
                index: index + 1,
                last,
            }
        } else {
            Step::Check {
                ahead: 0,
                next: u8::try_from(last + 1).map_err(|_| "A2 finds a position nobody claimed")?,
            }
        });
        Ok(())
    }

    /// After a tombstone: the next slot of whoever published it.
    pub(crate) fn buried(&mut self, index: u8, then: Then) -> Result<(), Fault> {
        match then {
            Then::Claims { last } => self.next_claim(index, last)?,
            Then::Tidy => self.go(Step::Tidy { index: index + 1 }),
            Then::Retract { first, ahead } => self.go(Step::RetractLook {
                first,
                ahead: ahead + 1,
            }),
            Then::Repair(side, member) => self.go(Step::Repair {
                side,
                member,
                index: index + 1,
            }),
        }
        Ok(())
    }

    /// Attached: ATTACH is let go of.
    pub(crate) fn joined(&mut self) {
        self.world.attach = None;
        self.go(Step::Idle);
    }

    /// C1: takes ATTACH where this is its member's last thread; `false` where it is not to be had.
    pub(crate) fn leave(&mut self, informed: bool) -> bool {
        let spec = *self.spec();
        let siblings = self
            .setup
            .actors
            .iter()
            .zip(&self.world.actors)
            .filter(|(other, private)| {
                other.side == spec.side && other.member == spec.member && private.is_alive()
            })
            .count();
        if siblings > 1 && !self.breaks(Broken::ClosesEarly) {
            *self.me() = Private::at(Step::Gone { informed });
            return true;
        }
        if self.world.attach.is_some() {
            return false;
        }
        self.world.attach = Some(self.actor as u8);
        self.go(Step::Close { informed });
        true
    }

    /// C1, steps 2 to 4, in one: the status is the only store that others look at.
    pub(crate) fn close(&mut self, side: Side, informed: bool) {
        let id = self.spec().member;
        let records = &mut self.world.records[side as usize];
        *records &= !(1 << id);
        if *records == 0 || self.breaks(Broken::ClosesEarly) {
            self.world.status[side as usize].taken = Taken::Closed;
            if side == Side::Producing {
                self.world.ended_at = self.world.claimed[side as usize];
            }
        }
        self.world.set_holder(side, id, Holder::Nobody);
        self.world.attach = None;
        *self.me() = Private::at(Step::Gone { informed });
    }
}
