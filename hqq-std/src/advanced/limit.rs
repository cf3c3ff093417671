//! When somebody gives up who sends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often it is looked whether somebody asks to stop.
const SLICE: Duration = Duration::from_millis(50);
/// How long what is being sent may take after that.
const GRACE: Duration = Duration::from_secs(1);

/// How long a message may take: until a deadline, or until a while after somebody asks to stop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit<'a> {
    deadline: Option<Instant>,
    stop: Option<&'a AtomicBool>,
}

impl<'a> Limit<'a> {
    /// `None` is for ever.
    pub(super) const fn until(deadline: Option<Instant>) -> Self {
        let stop = None;
        Self { deadline, stop }
    }

    pub(super) const fn stopped_by(stop: &'a AtomicBool) -> Self {
        Self {
            deadline: None,
            stop: Some(stop),
        }
    }

    /// When a wait that begins now ends; unless the limit [has passed](Limit::has_passed), another one may
    /// follow.
    pub(super) fn next(&mut self) -> Option<Instant> {
        let Some(stop) = self.stop else {
            return self.deadline;
        };
        // Relaxed: nothing hangs on when exactly it is seen.
        if stop.load(Ordering::Relaxed) {
            *self = Self::until(Instant::now().checked_add(GRACE));
            return self.deadline;
        }
        Instant::now().checked_add(SLICE)
    }

    pub(super) fn has_passed(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
    }
}
