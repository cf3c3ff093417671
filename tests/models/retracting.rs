//! T8: a producer takes back what consumers that died have not taken.

use hqq_core::ring::stamp::State;

use crate::explorer::Fault;
use crate::invariants;
use crate::setup::{Broken, member};
use crate::step::{Step, Then};
use crate::turn::Turn;
use crate::world::{MESSAGE, Side, TOMB, TOMBSTONE, Taken};

impl Turn<'_> {
    /// Whether T8 may begin: all consumers have died, and nobody joins or leaves.
    pub(crate) fn may_retract(&mut self) -> bool {
        !self.me().retracted
            && self.world.status[Side::Consuming as usize].taken == Taken::Open
            && self.alive(Side::Consuming) == 0
            && (self.world.attach.is_none() || self.breaks(Broken::RetractsWithoutAttach))
    }

    pub(crate) fn retract(&mut self, step: Step) -> Result<(), Fault> {
        let count = self.setup.count;
        match step {
            Step::Retract => {
                // One that a 32-bit consumer tore is far from all that is in the ring.
                let r = self.setup.offset(hqq_core::Position::new(self.world.r));
                let first = match u8::try_from(r) {
                    Ok(first) if self.breaks(Broken::RetractsClaimed) => {
                        first.saturating_sub(count as u8)
                    }
                    Ok(first) => first,
                    Err(_) => u8::MAX,
                };
                self.go(Step::RetractLook { first, ahead: 0 });
            }
            Step::RetractLook { first, ahead }
                if first == u8::MAX || usize::from(ahead) == count =>
            {
                if self.world.attach == Some(self.actor as u8) {
                    self.world.attach = None;
                }
                self.me().retracted = true;
                self.go(Step::Idle);
            }
            Step::RetractLook { first, ahead } => {
                let at = self.position(first + ahead);
                let word = self.stamp(first + ahead);
                self.go(match State::of(word) {
                    State::Published(found, MESSAGE) if found == at => {
                        Step::RetractClaim { first, ahead, word }
                    }
                    _ => Step::RetractLook {
                        first,
                        ahead: ahead + 1,
                    },
                });
            }
            Step::RetractClaim { first, ahead, word } => {
                let index = self.setup.index(first + ahead);
                if self.breaks(Broken::RetractsAtOnce) {
                    self.fill(index, TOMB)?;
                    self.go(Step::RetractAtOnce { first, ahead, word });
                } else if self.world.stamps[index] == word {
                    invariants::retract(self.world, first + ahead)?;
                    let own = member(self.spec().member);
                    let writing = State::Writing(self.position(first + ahead), own).word();
                    self.world.stamps[index] = writing;
                    self.go(Step::Bury {
                        word: writing,
                        stored: false,
                        then: Then::Retract { first, ahead },
                    });
                } else {
                    self.go(Step::RetractLook {
                        first,
                        ahead: ahead + 1,
                    });
                }
            }
            Step::RetractAtOnce { first, ahead, word } => {
                let index = self.setup.index(first + ahead);
                let tombstone = State::Published(self.position(first + ahead), TOMBSTONE);
                if self.exchange(index, word, tombstone)? {
                    invariants::retract(self.world, first + ahead)?;
                    self.record(first + ahead, TOMB)?;
                }
                self.go(Step::RetractLook {
                    first,
                    ahead: ahead + 1,
                });
            }
            _ => return Err("a step that nobody does"),
        }
        Ok(())
    }
}
