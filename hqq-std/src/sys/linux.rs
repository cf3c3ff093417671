//! Linux: regions are files in /dev/shm, anonymous ones memfds; locks are OFD locks on single
//! bytes, which the kernel frees when the description's last holder dies.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};

use super::LockKind;
use super::unix::{create_path, open_path};

const DIRECTORY: &str = "/dev/shm";

pub(crate) fn named_path(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

pub(crate) fn open_named(name: &str) -> io::Result<File> {
    open_path(&named_path(name))
}

pub(crate) fn create_named(name: &str, mode: u32) -> io::Result<File> {
    create_path(&named_path(name), mode)
}

pub(crate) fn unlink_named(name: &str) -> io::Result<()> {
    std::fs::remove_file(named_path(name))
}

/// All names there are, of regions and of other things.
pub(crate) fn names() -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(DIRECTORY)? {
        if let Ok(name) = entry?.file_name().into_string() {
            names.push(name);
        }
    }
    Ok(names)
}

/// Memory without a name, of `len` bytes for good: sealed against growing and shrinking.
pub(crate) fn anonymous(len: u64) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file: File = rustix::fs::memfd_create("hqq", flags)?.into();
    allocate(&file, len)?;
    rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(file)
}

/// Another description of the same file, so that its locks are its own.
pub(crate) fn reopen(file: impl AsFd) -> io::Result<File> {
    let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    File::options().read(true).write(true).open(path)
}

/// Sets the length and takes the space now, so that a full file system fails here and not later.
pub(crate) fn allocate(file: &File, len: u64) -> io::Result<()> {
    rustix::fs::ftruncate(file, len)?;
    rustix::fs::fallocate(file, FallocateFlags::empty(), 0, len)?;
    Ok(())
}

/// Locks on single bytes of a region's file, held by one description of it.
pub(crate) struct ByteLocks(File);

impl ByteLocks {
    /// Whether a lock tells that its holder lives.
    pub(crate) const TELL_LIFE: bool = true;

    pub(crate) const fn new(file: File) -> Self {
        Self(file)
    }

    pub(crate) const fn file(&self) -> &File {
        &self.0
    }

    /// Takes the lock if nobody else has it.
    pub(crate) fn try_lock(&self, byte: i64, kind: LockKind) -> io::Result<bool> {
        let kind = match kind {
            LockKind::Read => libc::F_RDLCK,
            LockKind::Write => libc::F_WRLCK,
        };
        match fcntl(&self.0, FcntlArg::F_OFD_SETLK(&record(byte, kind))) {
            Ok(_) => Ok(true),
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EACCES) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn unlock(&self, byte: i64) -> io::Result<()> {
        fcntl(&self.0, FcntlArg::F_OFD_SETLK(&record(byte, libc::F_UNLCK)))?;
        Ok(())
    }

    /// How another description holds the byte, if one does.
    pub(crate) fn holder(&self, byte: i64) -> io::Result<Option<LockKind>> {
        let mut lock = record(byte, libc::F_WRLCK);
        fcntl(&self.0, FcntlArg::F_OFD_GETLK(&mut lock))?;
        Ok(match i32::from(lock.l_type) {
            libc::F_RDLCK => Some(LockKind::Read),
            libc::F_WRLCK => Some(LockKind::Write),
            _ => None,
        })
    }
}

/// The kernel's description of a lock on one byte.
fn record(byte: i64, kind: i32) -> libc::flock {
    let narrow = |value: i32| i16::try_from(value).unwrap_or(i16::MAX);
    libc::flock {
        l_type: narrow(kind),
        l_whence: narrow(libc::SEEK_SET),
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    }
}
