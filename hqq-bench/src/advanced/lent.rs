//! How the second process gets at a region of the first one's that is not in the memory they share.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::parent_id;
use std::sync::atomic::Ordering;

use hqq_std::{LinkOptions, Role, StandardLink};

use super::{BUFFER, COUNT};
use crate::error::BenchError;
use crate::memory::{CacheLine, Lines};

/// Lines in which the descriptor is told.
pub(crate) const LINES: usize = 1;

/// Buffers for short messages, and bytes in each.
pub(crate) const SMALL: (usize, usize) = (COUNT, BUFFER);

/// A link in a region without a name, and the descriptor that the second process finds it by.
///
/// # Errors
/// [`BenchError`].
pub(crate) fn create(lines: Lines) -> Result<(StandardLink, OwnedFd), BenchError> {
    let (count, size) = SMALL;
    create_with(lines, LinkOptions::new().count(count).size(size))
}

/// The same with a geometry of its own.
///
/// # Errors
/// [`BenchError`].
pub(crate) fn create_with(
    lines: Lines,
    options: LinkOptions,
) -> Result<(StandardLink, OwnedFd), BenchError> {
    let link = options.role(Role::Primary).anonymous()?;
    let file = link.region_fd().map_err(BenchError::Lend)?;
    let CacheLine([number, ..]) = &lines[0];
    let descriptor = u64::from(file.as_raw_fd().unsigned_abs());
    // Relaxed: the second process is started after this.
    number.store(descriptor, Ordering::Relaxed);
    Ok((link, file))
}

/// The other end of it, in the second process.
///
/// # Errors
/// [`BenchError`].
pub(crate) fn open(lines: Lines) -> Result<StandardLink, BenchError> {
    open_with(lines, LinkOptions::new())
}

/// The same with options of its own.
///
/// # Errors
/// [`BenchError`].
pub(crate) fn open_with(lines: Lines, options: LinkOptions) -> Result<StandardLink, BenchError> {
    let CacheLine([number, ..]) = &lines[0];
    // Relaxed: stored before this process was started.
    let descriptor = number.load(Ordering::Relaxed);
    let path = format!("/proc/{}/fd/{descriptor}", parent_id());
    let file: File = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(BenchError::Lend)?;
    Ok(options.role(Role::Secondary).from_fd(file.into())?)
}
