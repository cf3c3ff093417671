//! What producers do: T1, T2 and T3 of shared ones, T3x of exclusive ones.

use hqq_core::ring::stamp::{self, ForWriting, State};

use crate::explorer::Fault;
use crate::setup::{Broken, member};
use crate::step::{Step, Then};
use crate::turn::Turn;
use crate::world::{MESSAGE, Side};

impl Turn<'_> {
    /// Does a producer's `step`; `false` where it is none of these.
    pub(crate) fn produce(&mut self, step: Step) -> Result<bool, Fault> {
        let spec = *self.spec();
        let count = self.setup.count;
        match step {
            Step::Idle if spec.retracts && self.may_retract() => {
                if !self.breaks(Broken::RetractsWithoutAttach) {
                    self.world.attach = Some(self.actor as u8);
                }
                self.go(Step::Retract);
            }
            Step::Retract
            | Step::RetractLook { .. }
            | Step::RetractClaim { .. }
            | Step::RetractAtOnce { .. } => self.retract(step)?,
            Step::Bury {
                word,
                stored,
                then: then @ Then::Retract { .. },
            } => self.bury(word, stored, then)?,
            Step::Idle if self.me().done == spec.limit => {
                self.go(Step::Leave { informed: false });
            }
            Step::Idle if spec.is_exclusive() => self.look_at_counter(),
            Step::Idle => {
                let position = self.begin_at(self.world.w)?;
                self.go(Step::LookToWrite { position });
            }
            Step::LookToWrite { position } => {
                let word = self.stamp(position);
                let next = match stamp::for_writing(word, self.position(position), count) {
                    ForWriting::Claim => self.claim_step(position, word),
                    ForWriting::ClaimIfReleased => Step::LookAtReleased { position, word },
                    _ if self.breaks(Broken::ClaimsAnything) => {
                        Step::LookAtReleased { position, word }
                    }
                    ForWriting::Help if spec.rows => Step::LookToWrite {
                        position: position + 1,
                    },
                    ForWriting::Help => Step::HelpW {
                        position,
                        claimed: false,
                    },
                    ForWriting::Wait if spec.rows => Step::MoveW {
                        position,
                        word: None,
                    },
                    // Full, or `w` has moved: in both cases from the start.
                    ForWriting::Wait => Step::Idle,
                };
                self.go(next);
            }
            Step::LookAtReleased { position, word } => {
                let free = stamp::is_released(self.position(position), self.world.released, count);
                self.go(if free {
                    self.claim_step(position, word)
                } else if spec.rows {
                    Step::MoveW {
                        position,
                        word: None,
                    }
                } else {
                    Step::Idle
                });
            }
            Step::MoveW { position, word } => {
                let counter = self.move_on(Side::Producing, position)?;
                if counter != position {
                    self.me().row = None;
                }
                self.go(match word {
                    Some(word) => Step::ClaimToWrite { position, word },
                    None => Step::Idle,
                });
            }
            Step::ClaimToWrite { position, word } => self.claim_to_write(position, word)?,
            Step::HelpW { position, claimed } => {
                if spec.rows {
                    self.move_on(Side::Producing, position + 1)?;
                } else if self.world.w == self.position(position).get() {
                    self.world.w = self.position(position + 1).get();
                }
                self.go(if claimed {
                    self.first_write(position)
                } else {
                    Step::Idle
                });
            }
            Step::LookForFree => {
                let position = self.me().position;
                let free = State::Free(self.position(position));
                self.go(if self.shows(self.stamp(position), free) {
                    self.first_write(position)
                } else {
                    Step::Idle
                });
            }
            Step::Fill { position } => {
                let tag = self.tag();
                self.fill(self.setup.index(position), tag)?;
                if self.breaks(Broken::PublishesFirst) {
                    self.published();
                } else {
                    self.go(if spec.narrow {
                        Step::PublishHigh { position }
                    } else {
                        Step::Publish { position }
                    });
                }
            }
            Step::PublishHigh { position } => {
                let index = self.setup.index(position);
                let new = stamp::published(self.position(position), MESSAGE);
                self.world.stamps[index] = torn(new, self.world.stamps[index]);
                self.go(Step::Publish { position });
            }
            Step::Publish { position } => self.publish(position)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What comes before a slot that is free for `position` is claimed.
    fn claim_step(&self, position: u8, word: u64) -> Step {
        if self.moves_before(position) {
            Step::MoveW {
                position,
                word: Some(word),
            }
        } else {
            Step::ClaimToWrite { position, word }
        }
    }

    /// T3x, first look: the private copy of `released`, else the counter itself.
    fn look_at_counter(&mut self) {
        let private = *self.me();
        let position = self.position(private.position);
        let mut released = private.cached;
        if !stamp::is_released(position, released, self.setup.count) {
            released = self.world.released;
            self.me().cached = released;
        }
        self.go(
            if stamp::is_released(position, released, self.setup.count) {
                self.first_write(private.position)
            } else {
                Step::LookForFree
            },
        );
    }

    fn claim_to_write(&mut self, position: u8, word: u64) -> Result<(), Fault> {
        let writing = State::Writing(self.position(position), member(self.spec().member));
        if !self.exchange(self.setup.index(position), word, writing)? {
            self.me().row = None;
            self.go(Step::Idle);
            return Ok(());
        }
        let claimed = &mut self.world.claimed[Side::Producing as usize];
        if *claimed != position {
            return Err("invariant 3: producers' claims are no prefix");
        }
        *claimed += 1;
        let next = if self.ends_row(position) {
            Step::HelpW {
                position,
                claimed: true,
            }
        } else {
            self.first_write(position)
        };
        self.go(next);
        Ok(())
    }

    /// The first store into a slot that is this producer's.
    fn first_write(&self, position: u8) -> Step {
        if self.breaks(Broken::PublishesFirst) {
            Step::Publish { position }
        } else {
            Step::Fill { position }
        }
    }

    /// T3, T3x.
    fn publish(&mut self, position: u8) -> Result<(), Fault> {
        let new = State::Published(self.position(position), MESSAGE);
        if self.spec().narrow {
            // The second half. The first made the stamp greater than both whole ones.
            let index = self.setup.index(position);
            self.world.stamps[index] = new.word();
        } else {
            self.store(position, new)?;
        }
        let claimed = &mut self.world.claimed[Side::Producing as usize];
        if self.setup.actors[self.actor].is_exclusive() {
            if *claimed != position {
                return Err("invariant 3: producers' claims are no prefix");
            }
            *claimed += 1;
        }
        let tag = self.tag();
        self.record(position, tag)?;
        if self.breaks(Broken::PublishesFirst) {
            self.go(Step::Fill { position });
        } else {
            self.published();
        }
        Ok(())
    }

    fn published(&mut self) {
        let exclusive = self.spec().is_exclusive();
        let private = self.me();
        private.done += 1;
        private.position += u8::from(exclusive);
        self.go(Step::Idle);
    }
}

/// `old` after the high half of a 32-bit store of `new`.
pub(crate) const fn torn(new: u64, old: u64) -> u64 {
    new & !0xffff_ffff | old & 0xffff_ffff
}
