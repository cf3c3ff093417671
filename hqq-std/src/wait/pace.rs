//! How long to leave an empty slot alone between two looks at it.
//!
//! Each look takes the line away from the peer that is about to write it. Where messages stream in,
//! waiting a little lets the sender run ahead, and several lines come over at once; where each message
//! is an answer, it only makes it late. Which of the two it is shows in how many messages come in a
//! time: so now and then another pace is tried for a while, and kept if more came.

use std::time::{Duration, Instant};

/// Spin hints between two looks.
const PACES: [u32; 3] = [1, 4, 16];
/// Waits that a pace is judged by.
const WINDOW: u32 = 256;
/// Windows before another pace is tried, at first; twice as many after each vain trial.
const FIRST_REST: u32 = 8;
const LONGEST_REST: u32 = 4096;

/// A pace that learns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Which of [`PACES`].
    at: usize,
    /// What it was before the trial that is going on, and what a message took then.
    before: Option<(usize, Duration)>,
    /// The next trial is of a slower pace.
    slower: bool,
    waits: u32,
    calls: u32,
    since: Option<Instant>,
    rest: u32,
    left: u32,
}

impl Pace {
    pub(super) const fn new() -> Self {
        Self {
            at: 0,
            before: None,
            slower: true,
            waits: 0,
            calls: 0,
            since: None,
            rest: FIRST_REST,
            left: FIRST_REST,
        }
    }

    /// Spin hints between two looks.
    #[inline]
    pub(super) const fn hints(&self) -> u32 {
        PACES[self.at]
    }

    /// A call was made.
    #[inline]
    pub(super) const fn called(&mut self) {
        self.calls = self.calls.saturating_add(1);
    }

    /// A call begins to wait. `now` is asked for the time once in a while.
    #[inline]
    pub(super) fn waits(&mut self, now: impl FnOnce() -> Instant) {
        self.waits += 1;
        if self.waits >= WINDOW {
            self.judge(now());
        }
    }

    /// The core was not ours, or we slept: what this window took says nothing.
    pub(super) const fn disturbed(&mut self) {
        self.since = None;
    }

    #[cold]
    fn judge(&mut self, now: Instant) {
        let calls = self.calls.max(1);
        let began = self.since.replace(now);
        (self.waits, self.calls) = (0, 0);
        let Some(began) = began else {
            return;
        };
        let took = now.saturating_duration_since(began) / calls;
        match self.before.take() {
            // A tenth is more than noise, or so it is hoped; if not, the next trial undoes it.
            Some((_, before)) if took < before - before / 10 => {
                self.rest = FIRST_REST;
                self.left = FIRST_REST;
            }
            Some((at, _)) => {
                self.at = at;
                self.slower = !self.slower;
                self.rest = (self.rest * 2).min(LONGEST_REST);
                self.left = self.rest;
            }
            None => {
                self.left = self.left.saturating_sub(1);
                if self.left == 0 {
                    self.try_another(took);
                }
            }
        }
    }

    fn try_another(&mut self, took: Duration) {
        let last = PACES.len() - 1;
        // At an end there is only one way to go.
        self.slower = self.at == 0 || self.slower && self.at < last;
        self.before = Some((self.at, took));
        self.at = if self.slower {
            self.at + 1
        } else {
            self.at - 1
        };
        // A window of its own: the one that ends now was of the old pace.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Windows of waits, each for `messages` messages that take `nanos` each at a pace.
    fn run(pace: &mut Pace, windows: u32, nanos: impl Fn(u32) -> u64) {
        let mut now = Instant::now();
        for _ in 0..windows * WINDOW {
            pace.called();
            now += Duration::from_nanos(nanos(pace.hints()));
            pace.waits(|| now);
        }
    }

    /// What a message of a stream takes.
    fn streaming(hints: u32) -> u64 {
        match hints {
            1 => 35,
            4 => 28,
            _ => 21,
        }
    }

    #[test]
    fn a_stream_is_left_to_run_ahead() {
        let mut pace = Pace::new();
        run(&mut pace, 200, streaming);
        assert_eq!(pace.hints(), 16);
    }

    #[test]
    fn answers_are_looked_for_at_once() {
        let mut pace = Pace::new();
        let mut slow = 0;
        for _ in 0..1000 {
            run(&mut pace, 1, |hints| 300 + 40 * u64::from(hints));
            slow += u32::from(pace.hints() != 1);
        }
        assert_eq!(pace.hints(), 1);
        assert!(slow < 20, "trials become rare: {slow} of 1000 windows");
    }

    #[test]
    fn a_stream_that_becomes_a_conversation_is_looked_at_more_often_again() {
        let mut pace = Pace::new();
        run(&mut pace, 200, streaming);
        run(&mut pace, 3000, |hints| 300 + 40 * u64::from(hints));
        assert_eq!(pace.hints(), 1);
    }

    #[test]
    fn where_it_makes_no_difference_nothing_changes() {
        let mut pace = Pace::new();
        run(&mut pace, 1000, |_| 10_000);
        assert_eq!(pace.hints(), 1);
    }
}
