//! A3, where the first consumer of a side goes on; and what a further consumer's id left behind.

use hqq_core::Position;
use hqq_core::ring::stamp::{self, State};

use crate::explorer::Fault;
use crate::setup::{Broken, member};
use crate::step::Step;
use crate::turn::Turn;

impl Turn<'_> {
    /// Does a `step` of a consumer that joins.
    pub(crate) fn join_consumer(&mut self, step: Step) -> Result<(), Fault> {
        let count = self.setup.count;
        match step {
            Step::LoadR => self.go(Step::Nearby { r: self.world.r }),
            Step::Nearby { r } => {
                let next = self.mended(r);
                self.go(Step::Advance { next, tried: 0 });
            }
            Step::Advance { next, tried } => {
                let (word, position) = (self.stamp(next), self.position(next));
                let by_wholes = [Broken::RefusesClaimed, Broken::StandsAtClaimed];
                let claimed = if by_wholes.iter().any(|rule| self.breaks(*rule)) {
                    State::of(word).is_read_claimed(position, count)
                } else {
                    stamp::was_read_claimed(word, position, count)
                };
                self.go(if self.breaks(Broken::ResumesAtStamps) {
                    self.first_waiting(next)
                } else if claimed && usize::from(tried) < count {
                    Step::Advance {
                        next: next + 1,
                        tried: tried + 1,
                    }
                } else {
                    Step::Explained { next }
                });
            }
            Step::Explained { next } => {
                let (word, position) = (self.stamp(next), self.position(next));
                let passed = self.breaks(Broken::StandsAtClaimed)
                    && State::of(word).is_read_claimed(position, count);
                if !stamp::is_expected(word, position, count) && !passed {
                    return Err("A3 refuses a ring that nobody damaged");
                }
                self.go(if self.breaks(Broken::StoresNextLast) {
                    Step::LoadReleased { next }
                } else {
                    Step::StoreNext { next, start: None }
                });
            }
            Step::StoreNext { next, start } => {
                self.world.r = self.position(next).get();
                // Nobody else uses `taken` now. Left by one that died it says nothing.
                let taken = self.taken_of(next);
                if taken == 0 {
                    self.world.taken = 0;
                }
                self.me().taken = if self.breaks(Broken::ForgetsTaken) {
                    0
                } else {
                    taken
                };
                match start {
                    None => self.go(Step::LoadReleased { next }),
                    Some(start) => self.walked(next, start),
                }
            }
            Step::LoadReleased { next } => self.go(Step::Walk {
                next,
                back: count as u8,
                start: next,
                released: self.world.released,
            }),
            Step::Walk {
                next,
                back: 0,
                start,
                ..
            } => {
                if self.breaks(Broken::StoresNextLast) {
                    let start = Some(start);
                    self.go(Step::StoreNext { next, start });
                } else {
                    self.walked(next, start);
                }
            }
            Step::Walk {
                next,
                back,
                start,
                released,
            } => self.walk(next, back, start, released),
            Step::Settle {
                next,
                back,
                start,
                released,
                word,
                new,
            } => {
                self.exchange(self.setup.index(next - back), word, State::of(new))?;
                self.go(Step::Walk {
                    next,
                    back: back - 1,
                    start,
                    released,
                });
            }
            Step::OutdateReleased { next, start } => {
                for back in 1..=count {
                    self.step_released(self.position(next).minus(back));
                }
                self.resume(next, start);
            }
            Step::StoreStart { next, start } => {
                let start = if self.breaks(Broken::ReleasesAll) {
                    next
                } else {
                    start
                };
                self.flush(start)?;
                self.resume(next, start);
            }
            Step::Reclaim { index } if usize::from(index) == count => self.joined(),
            Step::Reclaim { index } => {
                let word = self.world.stamps[usize::from(index)];
                self.go(match State::of(word) {
                    State::Reading(_, owner, _) if owner.get() == self.spec().member => {
                        Step::ReclaimMove { index, word }
                    }
                    _ => Step::Reclaim { index: index + 1 },
                });
            }
            Step::ReclaimMove { index, word } => {
                if let State::Reading(at, ..) = State::of(word)
                    && !self.setup.at_least_once()
                {
                    self.step_released(at);
                }
                self.go(Step::ReclaimSlot { index, word });
            }
            Step::ReclaimSlot { index, word } => {
                let State::Reading(at, ..) = State::of(word) else {
                    return Err("a stamp stays what it was");
                };
                if self.setup.at_least_once() {
                    // Its own already; handed out before anything else.
                    let position = self.offset(at.get())?;
                    let private = self.me();
                    if private.position == private.settled {
                        (private.position, private.settled) = (position, position + 1);
                    }
                    private.position = private.position.min(position);
                    private.settled = private.settled.max(position + 1);
                } else {
                    self.exchange(
                        usize::from(index),
                        word,
                        State::of(stamp::released(at, count)),
                    )?;
                }
                self.go(Step::Reclaim { index: index + 1 });
            }
            _ => return Err("a step that nobody does"),
        }
        Ok(())
    }

    /// `r`, given what lies in its slot: the halves of a torn one are 2^32 apart from each other,
    /// the stamps are not.
    fn mended(&self, r: u64) -> u8 {
        let position = Position::new(r);
        let word = self.world.stamps[position.index(self.setup.count)];
        let torn = State::of(word)
            .last_claimed(self.setup.count)
            .map_or(0, |last| position.since(last));
        let half = 1_i64 << 31;
        let whole = match torn {
            _ if torn > half => r.wrapping_sub(1 << 32),
            _ if torn < -half => r.wrapping_add(1 << 32),
            _ => r,
        };
        self.setup.offset(Position::new(whole)).clamp(0, 100) as u8
    }

    /// Broken: the first position that waits, `next` where none does.
    fn first_waiting(&self, next: u8) -> Step {
        let waiting = (0..next + self.setup.count as u8)
            .find(|offset| self.packet_at(*offset).is_some())
            .unwrap_or(next);
        Step::Explained { next: waiting }
    }

    /// After the last position of A3, step 5.
    fn walked(&mut self, next: u8, start: u8) {
        self.go(if self.spec().is_exclusive() {
            Step::StoreStart { next, start }
        } else {
            Step::OutdateReleased { next, start }
        });
    }

    /// A3, step 5, for one position.
    fn walk(&mut self, next: u8, back: u8, start: u8, released: u32) {
        let further = |start| Step::Walk {
            next,
            back: back - 1,
            start,
            released,
        };
        if next < back || self.breaks(Broken::JoinsOthers) {
            self.go(further(start));
            return;
        }
        let count = self.setup.count;
        let offset = next - back;
        let position = self.position(offset);
        let word = self.stamp(offset);
        let (opcode, was_reading) = match State::of(word) {
            State::Published(at, opcode) if at == position => (opcode, false),
            State::Reading(at, _, opcode) if at == position => (opcode, true),
            _ => {
                self.go(further(start));
                return;
            }
        };
        let finished = !was_reading && stamp::is_released(position.plus(count), released, count);
        let doubted = !finished && self.setup.at_least_once();
        let start = if doubted { start.min(offset) } else { start };
        let exclusive = self.spec().is_exclusive();
        let new = match (exclusive, doubted) {
            (false, true) => Some(stamp::reading(position, member(self.spec().member), opcode)),
            (false, false) if finished && self.breaks(Broken::KeepsFinished) => None,
            (true, _) if was_reading && self.breaks(Broken::KeepsReading) => None,
            (false, false) => Some(stamp::released(position, count)),
            (true, _) if was_reading => Some(stamp::published(position, opcode)),
            (true, _) => None,
        };
        self.go(match new {
            Some(new) => Step::Settle {
                next,
                back,
                start,
                released,
                word,
                new,
            },
            None => further(start),
        });
    }

    /// A3, step 8: first what is in doubt.
    fn resume(&mut self, next: u8, start: u8) {
        let exclusive = self.spec().is_exclusive();
        let waits = self
            .packet_at(if exclusive { start } else { next })
            .is_some();
        let private = self.me();
        private.position = start;
        private.settled = next;
        if exclusive {
            private.flushed = start;
        }
        if start != next || waits {
            private.ignored = None;
        }
        self.joined();
    }
}
