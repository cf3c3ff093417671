//! T6: what a dead member left is ended by somebody who holds its byte.

use hqq_core::ring::stamp::{self, State};

use crate::explorer::Fault;
use crate::setup::Broken;
use crate::step::{Step, Then};
use crate::turn::{Turn, members};
use crate::world::{Holder, Side, TOMB, TOMBSTONE, Taken};

impl Turn<'_> {
    /// Does a repairer's `step`; `false` where it has nothing to do.
    pub(crate) fn repair(&mut self, step: Step) -> Result<bool, Fault> {
        match step {
            Step::Idle => return Ok(self.begin_repair()),
            Step::Repair {
                side,
                member,
                index,
            } if usize::from(index) == self.setup.count => {
                // A reader's record stays where others have yet to take its messages over.
                let kept = side == Side::Consuming && self.setup.at_least_once();
                if !kept {
                    self.world.records[side as usize] &= !(1 << member);
                }
                let own = Holder::Repairer(self.actor as u8);
                if self.world.holder(side, member) == own {
                    self.world.set_holder(side, member, Holder::Nobody);
                }
                if self.world.attach == Some(self.actor as u8) {
                    self.world.attach = None;
                }
                self.go(Step::Idle);
            }
            Step::Repair {
                side,
                member,
                index,
            } => {
                let word = self.world.stamps[usize::from(index)];
                self.go(match State::of(word) {
                    State::Writing(_, owner)
                        if side == Side::Producing && owner.get() == member =>
                    {
                        Step::Bury {
                            word,
                            stored: false,
                            then: Then::Repair(side, member),
                        }
                    }
                    State::Reading(_, owner, _)
                        if side == Side::Consuming && owner.get() == member =>
                    {
                        Step::RepairMove {
                            member,
                            index,
                            word,
                        }
                    }
                    _ => Step::Repair {
                        side,
                        member,
                        index: index + 1,
                    },
                });
            }
            Step::RepairMove {
                member,
                index,
                word,
            } => {
                if let State::Reading(at, ..) = State::of(word) {
                    self.step_released(at);
                }
                self.go(Step::RepairFree {
                    member,
                    index,
                    word,
                });
            }
            Step::RepairFree {
                member,
                index,
                word,
            } => {
                if let State::Reading(at, ..) = State::of(word) {
                    let free = State::of(stamp::released(at, self.setup.count));
                    self.exchange(usize::from(index), word, free)?;
                }
                self.go(Step::Repair {
                    side: Side::Consuming,
                    member,
                    index: index + 1,
                });
            }
            Step::Smallest { .. } | Step::Mend { .. } | Step::MendSlot { .. } => self.mend(step),
            Step::RecordDeath => {
                let side = Side::Producing as usize;
                self.world.status[side].taken = Taken::Dead;
                self.world.ended_at = self.world.claimed[side];
                self.world.attach = None;
                self.go(Step::Idle);
            }
            Step::Bury { word, stored, then } => self.bury(word, stored, then)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes ATTACH and the byte of a member that died with its hand in the ring, or only ATTACH
    /// where nothing is left but to record that all producers are dead; `false` where
    /// there is none, or a lock is not to be had. Only consumers end READING where delivery is at
    /// least once.
    fn begin_repair(&mut self) -> bool {
        let locks = !self.breaks(Broken::RepairsWithoutLocks);
        let attach = locks && !self.breaks(Broken::RepairsWithoutAttach);
        if attach && self.world.attach.is_some() {
            return false;
        }
        let sides: &[Side] = if self.setup.at_least_once() {
            &[Side::Producing]
        } else {
            &[Side::Producing, Side::Consuming]
        };
        let dead = sides
            .iter()
            .flat_map(|side| members().map(move |member| (*side, member)))
            .find(|(side, member)| self.dead_owner(*side) == Some(*member));
        let producing = self.world.status[Side::Producing as usize].taken == Taken::Open
            && self.alive(Side::Producing) == 0;
        if producing && self.world.attach.is_none() && dead.is_none() {
            self.world.attach = Some(self.actor as u8);
            self.go(if self.breaks(Broken::KeepsHalves) {
                Step::RecordDeath
            } else {
                Step::Smallest {
                    index: 0,
                    smallest: i32::MAX,
                }
            });
            return true;
        }
        let Some((side, member)) = dead else {
            return false;
        };
        if attach {
            self.world.attach = Some(self.actor as u8);
        }
        if locks {
            let own = Holder::Repairer(self.actor as u8);
            self.world.set_holder(side, member, own);
        }
        self.go(Step::Repair {
            side,
            member,
            index: 0,
        });
        true
    }

    /// A tombstone for the slot that reads `word`: its operands, then the exchange.
    pub(crate) fn bury(&mut self, word: u64, stored: bool, then: Then) -> Result<(), Fault> {
        let State::Writing(at, _) = State::of(word) else {
            return Err("a stamp stays what it was");
        };
        let index = at.index(self.setup.count);
        if !stored {
            self.fill(index, TOMB)?;
            self.go(Step::Bury {
                word,
                stored: true,
                then,
            });
            return Ok(());
        }
        if self.exchange(index, word, State::Published(at, TOMBSTONE))? {
            let position = self.offset(at.get())?;
            self.record(position, TOMB)?;
        }
        self.buried(index as u8, then)
    }
}
