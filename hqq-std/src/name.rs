//! Names of regions on this machine: what may be one, listing them, removing them.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::error::{NameError, OpenError};
use crate::sys;

/// The longest name in bytes, the limit of the file systems that hold regions.
pub const MAX_NAME: usize = 255;

/// The name of a region: the file `/dev/shm/NAME` on Linux, a `shm_open` object elsewhere.
///
/// # Invariants
/// 1 to 255 bytes, no `/` and no NUL, neither `.` nor `..`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionName(String);

impl RegionName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`OpenError::Name`] with the reason.
    pub fn new(name: &str) -> Result<Self, OpenError> {
        let reason = if name.is_empty() {
            NameError::Empty
        } else if name.len() > MAX_NAME {
            NameError::TooLong { len: name.len() }
        } else if name.contains('/') {
            NameError::Slash
        } else if name.contains('\0') {
            NameError::Nul
        } else if name == "." || name == ".." {
            NameError::Dots
        } else {
            return Ok(Self(name.to_owned()));
        };
        Err(OpenError::Name {
            name: name.to_owned(),
            reason,
        })
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where the region's file lies, for messages and for tools; only on Linux is there really one.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        sys::named_path(&self.0)
    }
}

impl fmt::Display for RegionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Removes the name of a region. Links that have it open keep working; its memory goes with the
/// last of them.
///
/// # Errors
/// [`OpenError::Name`], [`OpenError::NotFound`], [`OpenError::PermissionDenied`].
pub fn unlink(name: &str) -> Result<(), OpenError> {
    let name = RegionName::new(name)?;
    sys::unlink_named(name.as_str()).map_err(|error| OpenError::of_io(name.path(), "remove", error))
}

/// The names of all regions of either format on this machine that can be read, sorted. Only where
/// regions are files (Linux).
///
/// # Errors
/// Where the directory cannot be read.
pub fn list() -> io::Result<Vec<RegionName>> {
    let mut names: Vec<_> = sys::names()?
        .into_iter()
        .filter_map(|name| RegionName::new(&name).ok())
        .filter(|name| crate::inspect::kind(&name.path()) != crate::inspect::Kind::Other)
        .collect();
    names.sort();
    Ok(names)
}
