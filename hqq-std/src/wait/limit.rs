//! How long a call may wait.

use std::time::{Duration, Instant};

/// How a call's time is limited.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    Never,
    /// Counted from when the call begins to wait.
    Within(Duration),
    At(Instant),
}

impl Limit {
    /// At most this long; `None` is for ever, as is what no clock can hold.
    pub(crate) const fn within(timeout: Option<Duration>) -> Self {
        match timeout {
            None => Self::Never,
            Some(timeout) => Self::Within(timeout),
        }
    }

    /// Until `deadline`; `None` is for ever.
    pub(crate) const fn until(deadline: Option<Instant>) -> Self {
        match deadline {
            None => Self::Never,
            Some(deadline) => Self::At(deadline),
        }
    }
}
