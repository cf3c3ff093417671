//! Other Unix systems: named regions are `shm_open` objects, and no lock tells who lives, so that
//! the region's own records are believed. Attaching is serialised by a lock file.

use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::Mode;
use rustix::shm::OFlags;

use super::LockKind;
use super::unix::mode_bits;

fn object(name: &str) -> String {
    format!("/{name}")
}

pub(crate) fn named_path(name: &str) -> PathBuf {
    PathBuf::from(object(name))
}

pub(crate) fn open_named(name: &str) -> io::Result<File> {
    Ok(rustix::shm::open(object(name), OFlags::RDWR, Mode::empty())?.into())
}

/// No file can be without a name here.
pub(crate) fn create_unnamed(_: &Path, _: u32) -> io::Result<Option<File>> {
    Ok(None)
}

/// Never reached: [`create_unnamed`] makes none.
pub(crate) fn give_name(_: &File, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Never reached, as above.
pub(crate) fn without_description(_: &File) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn create_named(name: &str, mode: u32) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
    Ok(rustix::shm::open(object(name), flags, mode_bits(mode))?.into())
}

pub(crate) fn unlink_named(name: &str) -> io::Result<()> {
    Ok(rustix::shm::unlink(object(name))?)
}

/// These systems cannot list their objects.
pub(crate) fn names() -> io::Result<Vec<String>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Memory without a name, of `len` bytes.
pub(crate) fn anonymous(len: u64) -> io::Result<File> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // Relaxed: only makes names of this process differ.
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("hqq-anonymous-{}-{number}", std::process::id());
    let file = create_named(&name, 0o600)?;
    unlink_named(&name)?;
    allocate(&file, len)?;
    Ok(file)
}

/// Another descriptor of the same file.
pub(crate) fn reopen(file: impl AsFd) -> io::Result<File> {
    Ok(file.as_fd().try_clone_to_owned()?.into())
}

/// Whether a file's blocks say how much of it is there.
pub(crate) const TELLS_BLOCKS: bool = false;

/// Where the file has data next, from `at` on: these systems do not tell.
pub(crate) fn next_data(_: &File, at: u64) -> io::Result<Option<u64>> {
    Ok(Some(at))
}

/// Gives a file its length where it is shorter; space is taken when it is touched.
pub(crate) fn allocate(file: &File, len: u64) -> io::Result<()> {
    if file.metadata()?.len() < len {
        rustix::fs::ftruncate(file, len)?;
    }
    Ok(())
}

/// A mapping under guard against SIGBUS: there are none on these systems.
pub(crate) enum Guard {}

#[allow(unsafe_code, reason = "as where there are some")]
impl Guard {
    /// Refuses.
    ///
    /// # Safety
    /// Nothing hangs on it here.
    pub(crate) unsafe fn new(_: *const u8, _: usize) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) const fn is_cut(&self) -> bool {
        match *self {}
    }
}

/// Stands in for locks on single bytes: only the first, ATTACH, is real.
pub(crate) struct ByteLocks {
    file: File,
    attach: io::Result<File>,
}

impl ByteLocks {
    /// Whether a lock tells that its holder lives.
    pub(crate) const TELL_LIFE: bool = false;

    pub(crate) fn new(file: File) -> Self {
        let attach = lock_file(&file);
        Self { file, attach }
    }

    pub(crate) const fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn try_lock(&self, byte: i32, _: LockKind) -> io::Result<bool> {
        match &self.attach {
            _ if byte != 0 => Ok(true),
            Err(error) => Err(error.kind().into()),
            Ok(lock) => match lock.try_lock() {
                Ok(()) => Ok(true),
                Err(TryLockError::WouldBlock) => Ok(false),
                Err(TryLockError::Error(error)) => Err(error),
            },
        }
    }

    pub(crate) fn unlock(&self, byte: i32) -> io::Result<()> {
        match &self.attach {
            Ok(lock) if byte == 0 => lock.unlock(),
            _ => Ok(()),
        }
    }

    /// The one there is goes with its file.
    #[allow(clippy::unused_self, reason = "as on Linux")]
    pub(crate) const fn unlock_all(&self) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn holder(&self, _: i32) -> io::Result<Option<LockKind>> {
        Ok(None)
    }

    /// Nobody tells.
    #[allow(clippy::unused_self, reason = "as on Linux")]
    pub(crate) const fn holders(&self, _: i32) -> Vec<u32> {
        Vec::new()
    }
}

/// The file that stands for the ATTACH byte of a region's file: every user of the machine must
/// come to the same one.
fn lock_file(file: &File) -> io::Result<File> {
    let status = rustix::fs::fstat(file)?;
    let path = format!("/tmp/hqq-attach-{}-{}", status.st_dev, status.st_ino);
    let flags = rustix::fs::OFlags::RDWR
        | rustix::fs::OFlags::CREATE
        | rustix::fs::OFlags::NOFOLLOW
        | rustix::fs::OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?.into())
}
