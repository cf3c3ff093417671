//! Regions by name and by path.

use std::fs::File;
use std::path::PathBuf;

use crate::name::RegionName;
use crate::sys;

/// Where a region lies.
pub(super) enum Place {
    Name(RegionName),
    Path(PathBuf),
}

impl Place {
    pub(super) fn path(&self) -> PathBuf {
        match self {
            Self::Name(name) => name.path(),
            Self::Path(path) => path.clone(),
        }
    }

    pub(super) fn create(&self, mode: u32) -> std::io::Result<File> {
        match self {
            Self::Name(name) => sys::create_named(name.as_str(), mode),
            Self::Path(path) => sys::create_path(path, mode),
        }
    }

    pub(super) fn open(&self) -> std::io::Result<File> {
        match self {
            Self::Name(name) => sys::open_named(name.as_str()),
            Self::Path(path) => sys::open_path(path),
        }
    }

    /// Removes what `create` made; that it is gone already is as good.
    pub(super) fn remove(&self) {
        let _ = match self {
            Self::Name(name) => sys::unlink_named(name.as_str()),
            Self::Path(path) => std::fs::remove_file(path),
        };
    }

    /// Whether it is no file but an object of `shm_open`, whose type systems report variously.
    pub(super) const fn is_object(&self) -> bool {
        matches!(self, Self::Name(_)) && cfg!(not(any(target_os = "linux", target_os = "android")))
    }
}
