//! What consumers do: T4, T2 and T5 of shared ones, T4x and T5x of exclusive ones.

use hqq_core::ring::stamp::{self, ForReading, State};

use crate::explorer::Fault;
use crate::invariants;
use crate::producing::torn;
use crate::setup::{Broken, member};
use crate::step::Step;
use crate::turn::Turn;
use crate::world::{MESSAGE, Side};

/// Distance between two positions at which shared consumers move `released` on.
const RELEASED_STEP: u64 = 1 << 30;

impl Turn<'_> {
    /// Does a consumer's `step`; `false` where it is none of these.
    pub(crate) fn consume(&mut self, step: Step) -> Result<bool, Fault> {
        let spec = *self.spec();
        let count = self.setup.count;
        match step {
            Step::Idle if self.me().position < self.me().settled => self.look_in_doubt(),
            Step::Idle if spec.limit != 0 && self.me().done == spec.limit => {
                let behind = spec.is_exclusive() && self.me().flushed != self.me().position;
                self.go(if behind {
                    Step::Flush { blocked: false }
                } else {
                    Step::Leave { informed: false }
                });
            }
            Step::Idle if spec.is_exclusive() => self.look_for_packet(),
            Step::Idle => {
                let position = self.begin_at(self.world.r)?;
                self.go(Step::LookToRead { position });
            }
            Step::LookToRead { position } => {
                let word = self.stamp(position);
                let sequence = self.setup.offset(hqq_core::Position::new(word >> 16));
                let help = Step::HelpR {
                    position,
                    claimed: None,
                };
                let next = match stamp::for_reading(word, self.position(position), count) {
                    ForReading::Claim(_) if self.moves_before(position) => Step::MoveR {
                        position,
                        word: Some(word),
                    },
                    ForReading::Claim(_) => Step::ClaimToRead { position, word },
                    ForReading::Help if spec.rows => Step::LookToRead {
                        position: position + 1,
                    },
                    ForReading::Help => help,
                    ForReading::Wait
                        if self.breaks(Broken::HelpsGreater)
                            && sequence > i32::from(position) + 1 =>
                    {
                        help
                    }
                    ForReading::Wait
                        if self.breaks(Broken::SkipsWriting)
                            && matches!(State::of(word), State::Writing(..)) =>
                    {
                        help
                    }
                    ForReading::Wait if spec.rows => Step::MoveR {
                        position,
                        word: None,
                    },
                    ForReading::Wait => Step::Blocked,
                };
                self.go(next);
            }
            Step::MoveR { position, word } => {
                let counter = self.move_on(Side::Consuming, position)?;
                if counter != position {
                    self.me().row = None;
                }
                self.go(match word {
                    Some(word) => Step::ClaimToRead { position, word },
                    None if counter != position => Step::Idle,
                    None => Step::Blocked,
                });
            }
            Step::ClaimToRead { position, word } => self.claim_to_read(position, word)?,
            Step::HelpR { position, claimed } => {
                if spec.rows {
                    self.move_on(Side::Consuming, position + 1)?;
                } else if self.world.r == self.position(position).get() {
                    self.world.r = self.position(position + 1).get();
                }
                let next = match claimed {
                    Some(opcode) => self.begin_claimed(position, opcode),
                    None => Step::Idle,
                };
                self.go(next);
            }
            Step::StoreRHigh { position, opcode } => {
                let new = self.position(position + 1).get();
                self.world.r = torn(new, self.world.r);
                self.go(Step::StoreR { position, opcode });
            }
            Step::StoreR { position, opcode } => self.store_r(position, opcode)?,
            Step::ClearTaken {
                position,
                opcode,
                first,
            } => {
                self.world.taken = 0;
                self.go(if first {
                    Step::StoreR { position, opcode }
                } else {
                    Step::Read {
                        position,
                        opcode,
                        doubt: false,
                    }
                });
            }
            Step::StoreTaken { position } => {
                self.world.taken = self.position(position).low() << 16 | 1;
                self.go(if self.breaks(Broken::RewindsFirst) {
                    Step::Idle
                } else {
                    Step::MoveBack { position }
                });
            }
            Step::MoveBack { position } => {
                self.world.r = self.position(position).get();
                self.world.claimed[Side::Consuming as usize] = position;
                self.me().position = position;
                self.go(if self.breaks(Broken::RewindsFirst) {
                    Step::StoreTaken { position }
                } else {
                    Step::Idle
                });
            }
            Step::Read {
                position,
                opcode,
                doubt,
            } => self.read(position, opcode, doubt)?,
            Step::MoveReleased { position } => {
                self.step_released(self.position(position));
                self.go(Step::Release { position });
            }
            Step::Release { position } => {
                self.store(
                    position,
                    State::of(stamp::released(self.position(position), count)),
                )?;
                self.released(position);
            }
            Step::Flush { blocked } => {
                let position = self.me().position;
                self.flush(position)?;
                self.go(if blocked { Step::Blocked } else { Step::Idle });
            }
            Step::Blocked => self.blocked()?,
            Step::Recheck
            | Step::RecheckSlot { .. }
            | Step::RecheckReading { .. }
            | Step::RecheckR { .. } => self.recheck(step)?,
            Step::Adopt { .. } | Step::AdoptSlot { .. } => self.adopt(step)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Moves `released` on where a slot that is freed by its stamp asks for it.
    pub(crate) fn step_released(&mut self, position: hqq_core::Position) {
        if position.get().is_multiple_of(RELEASED_STEP) {
            let long_ago = position.get().wrapping_sub(RELEASED_STEP);
            self.world.released = hqq_core::Position::new(long_ago).low();
        }
    }

    /// A message that a consumer which died may have read, taken over when joining.
    fn look_in_doubt(&mut self) {
        let position = self.me().position;
        let at = self.position(position);
        let own = member(self.spec().member);
        let exclusive = self.spec().is_exclusive();
        self.me().position += 1;
        match State::of(self.stamp(position)) {
            State::Published(found, opcode) if exclusive && found == at => {
                self.doubt(position, opcode);
            }
            State::Reading(found, owner, opcode) if found == at && !exclusive && owner == own => {
                self.doubt(position, opcode);
            }
            _ => {}
        }
    }

    pub(crate) fn doubt(&mut self, position: u8, opcode: u8) {
        let doubt = !self.breaks(Broken::DoubtsNothing);
        self.go(Step::Read {
            position,
            opcode,
            doubt,
        });
    }

    /// T4x, first look.
    fn look_for_packet(&mut self) {
        let position = self.me().position;
        let next = match self.packet_at(position) {
            Some(opcode) if self.breaks(Broken::ReceivesFirst) => Step::Read {
                position,
                opcode,
                doubt: false,
            },
            Some(opcode) if self.spec().narrow => Step::StoreRHigh { position, opcode },
            Some(opcode) if self.me().taken > 0 && self.breaks(Broken::ClearsTakenFirst) => {
                Step::ClearTaken {
                    position,
                    opcode,
                    first: true,
                }
            }
            Some(opcode) => Step::StoreR { position, opcode },
            None if self.me().flushed != position => Step::Flush { blocked: true },
            None => Step::Blocked,
        };
        self.go(next);
    }

    fn claimed(&mut self, position: u8) -> Result<(), Fault> {
        let claimed = &mut self.world.claimed[Side::Consuming as usize];
        if *claimed != position {
            return Err("invariant 3: consumers' claims are no prefix");
        }
        *claimed += 1;
        Ok(())
    }

    /// T4.
    fn claim_to_read(&mut self, position: u8, word: u64) -> Result<(), Fault> {
        let ForReading::Claim(opcode) =
            stamp::for_reading(word, self.position(position), self.setup.count)
        else {
            return Err("a stamp stays what it was");
        };
        let own = member(self.spec().member);
        let reading = State::Reading(self.position(position), own, opcode);
        if !self.exchange(self.setup.index(position), word, reading)? {
            self.me().row = None;
            self.go(Step::Idle);
            return Ok(());
        }
        self.claimed(position)?;
        let next = if self.ends_row(position) {
            Step::HelpR {
                position,
                claimed: Some(opcode),
            }
        } else {
            self.begin_claimed(position, opcode)
        };
        self.go(next);
        Ok(())
    }

    /// The first step with a packet that a shared side has claimed.
    fn begin_claimed(&mut self, position: u8, opcode: u8) -> Step {
        // Read in the same step: only who has claimed the position changes it.
        self.me().taken = self.taken_of(position);
        self.begin(position, opcode)
    }

    /// T4x.
    fn store_r(&mut self, position: u8, opcode: u8) -> Result<(), Fault> {
        self.claimed(position)?;
        self.world.r = self.position(position + 1).get();
        self.me().position = position + 1;
        if self.breaks(Broken::ReceivesFirst) {
            self.released(position);
            return Ok(());
        }
        if self.breaks(Broken::ReleasesFirst) {
            self.world.released = self.position(position + 1).low();
            self.me().flushed = position + 1;
        }
        let next = self.begin(position, opcode);
        self.go(next);
        Ok(())
    }

    /// How many messages of the packet at a position `taken` says were received.
    pub(crate) fn taken_of(&self, position: u8) -> u8 {
        let taken = self.world.taken;
        if self.setup.runs && taken >> 16 == self.position(position).low() & 0xffff {
            (taken & 0xff) as u8
        } else {
            0
        }
    }

    /// The first step with a packet that was claimed.
    fn begin(&mut self, position: u8, opcode: u8) -> Step {
        if self.me().taken > 0 && !self.breaks(Broken::ClearsTakenFirst) {
            Step::ClearTaken {
                position,
                opcode,
                first: false,
            }
        } else {
            Step::Read {
                position,
                opcode,
                doubt: false,
            }
        }
    }

    /// Hands a message out.
    fn read(&mut self, position: u8, opcode: u8, doubt: bool) -> Result<(), Fault> {
        invariants::deliver(self.setup, self.world, self.actor, position, opcode, doubt)?;
        let spec = *self.spec();
        if !doubt && spec.limit != 0 {
            self.me().done += 1;
        }
        let behind = position < self.me().settled;
        if self.setup.runs && opcode == MESSAGE && self.me().taken == 0 {
            self.me().taken = 1;
            let leaves = !doubt && spec.limit != 0 && self.me().done == spec.limit;
            // A shared one cannot give the rest back, and finishes.
            if !leaves || !spec.is_exclusive() {
                return Ok(());
            }
            self.me().taken = 0;
            self.go(if self.breaks(Broken::RewindsFirst) {
                Step::MoveBack { position }
            } else {
                Step::StoreTaken { position }
            });
            return Ok(());
        }
        self.me().taken = 0;
        if spec.is_exclusive() && self.breaks(Broken::ReceivesFirst) && !behind {
            self.go(Step::StoreR { position, opcode });
        } else if spec.is_exclusive() {
            self.released(position);
        } else if !spec.is_exclusive()
            && self.position(position).get().is_multiple_of(RELEASED_STEP)
        {
            self.go(Step::MoveReleased { position });
        } else {
            self.go(Step::Release { position });
        }
        Ok(())
    }

    /// A message was finished with: an exclusive consumer says so when enough have come together.
    fn released(&mut self, position: u8) {
        let private = *self.me();
        let lag = position + 1 - private.flushed;
        // At least once, whatever producers were not told of comes again after a death.
        let most = if self.setup.at_least_once() && !self.breaks(Broken::LagsInDoubt) {
            1
        } else {
            self.setup.count / 2
        };
        let next = if self.spec().is_exclusive() && usize::from(lag) >= most {
            Step::Flush { blocked: false }
        } else {
            Step::Idle
        };
        self.go(next);
    }

    /// T5x.
    pub(crate) fn flush(&mut self, position: u8) -> Result<(), Fault> {
        self.world.released = self.position(position).low();
        self.me().flushed = position;
        invariants::released(self.setup, self.world, self.actor, position)
    }
}
