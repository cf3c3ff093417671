//! Other Unix systems: a forked child inherits everything, and must not use it.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use hqq_core::Layout;
use memmap2::MmapOptions;
pub(crate) use memmap2::MmapRaw as Memory;

/// A thread that opens something.
#[derive(Debug)]
pub(crate) struct Turn;

impl Turn {
    #[allow(clippy::unnecessary_wraps, reason = "as on Linux")]
    pub(crate) const fn take() -> io::Result<Self> {
        Ok(Self)
    }
}

/// Nothing is to be done.
pub(crate) const fn notice_child() {}

/// Forks, which are not counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended;

impl Ended {
    pub(crate) const fn now(_: &Turn) -> Self {
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
    /// Maps the first `len` bytes of `file`; `populate`: touches each page now.
    pub(crate) fn map(file: &File, len: usize, populate: bool) -> io::Result<(Self, Memory)> {
        let mut options = MmapOptions::new();
        options.len(len);
        if populate {
            options.populate();
        }
        Ok((Self, options.map_raw(file)?))
    }

    pub(crate) fn descriptor(_: &impl AsRawFd) -> Self {
        Self
    }

    /// Nobody asks.
    #[allow(clippy::unused_self, reason = "as on Linux")]
    pub(crate) fn describe(&self, _: &Layout) {}
}
