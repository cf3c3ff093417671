//! Other Unix systems: a forked child inherits everything, and must not use it.

#![allow(unsafe_code, reason = "has the signature of what Linux does")]

use std::os::fd::AsRawFd;

use hqq_core::Layout;

/// Stands in for a mapping that is not inherited.
pub(crate) struct NotInherited;

impl NotInherited {
    /// # Safety
    /// None is needed here.
    pub(crate) unsafe fn new(_: *mut u8, _: usize, _: &impl AsRawFd) -> Self {
        Self
    }

    /// Nobody asks.
    #[allow(clippy::unused_self, reason = "as on Linux")]
    pub(crate) fn describe(&self, _: &Layout) {}
}
