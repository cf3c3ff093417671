//! Other Unix systems: a forked child inherits everything, and must not use it.

#![allow(unsafe_code, reason = "has the signature of what Linux does")]

use std::os::fd::AsRawFd;

use hqq_core::Layout;

/// Forks, which are not counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended;

impl Ended {
    pub(crate) const fn now() -> Self {
        Self
    }

    /// As if nobody forked.
    #[allow(clippy::unused_self, reason = "as on Linux")]
    pub(crate) const fn are_all(self) -> bool {
        true
    }
}

/// Stands in for what is not inherited.
#[derive(Debug)]
pub(crate) struct NotInherited;

impl NotInherited {
    /// # Safety
    /// None is needed here.
    pub(crate) unsafe fn mapping(_: *mut u8, _: usize) -> Self {
        Self
    }

    pub(crate) fn descriptor(_: &impl AsRawFd) -> Self {
        Self
    }

    /// Nobody asks.
    #[allow(clippy::unused_self, reason = "as on Linux")]
    pub(crate) fn describe(&self, _: &Layout) {}
}
