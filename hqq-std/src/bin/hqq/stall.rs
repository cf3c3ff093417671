//! For how long a receiver has received nothing.

use std::time::{Duration, Instant};

/// Since when what tells that the receiver goes on has been the same.
pub struct Stall<T> {
    since: Option<(Instant, T)>,
}

impl<T> Default for Stall<T> {
    fn default() -> Self {
        Self { since: None }
    }
}

impl<T: PartialEq> Stall<T> {
    /// How long it has been `now`, such as the number of unread messages while nothing is sent.
    pub fn lasts(&mut self, now: T) -> Duration {
        match &self.since {
            Some((since, before)) if *before == now => since.elapsed(),
            _ => {
                self.since = Some((Instant::now(), now));
                Duration::ZERO
            }
        }
    }
}
