//! Linux: regions are files in /dev/shm, anonymous ones memfds; locks are OFD locks on single
//! bytes, which the kernel frees when the description's last holder dies.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::fs::{CWD, FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;

use super::LockKind;
use super::unix::{create_path, mode_bits, open_path};

const DIRECTORY: &str = "/dev/shm";
/// What file systems in memory say they are (`TMPFS_MAGIC`).
const TMPFS: rustix::fs::FsWord = 0x0102_1994;

pub(crate) fn named_path(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

pub(crate) fn open_named(name: &str) -> io::Result<File> {
    open_path(&named_path(name))
}

/// A file that has no name yet, in the directory of `path`, with these permission bits. `None`
/// where the file system cannot make one.
pub(crate) fn create_unnamed(path: &Path, mode: u32) -> io::Result<Option<File>> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    match rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR) {
        Ok(fd) => {
            let file = File::from(fd);
            rustix::fs::fchmod(&file, mode_bits(mode))?;
            Ok(Some(file))
        }
        Err(Errno::OPNOTSUPP | Errno::ISDIR) if directory.is_dir() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The file itself, to give it a name.
pub(crate) fn without_description(file: &File) -> io::Result<File> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?.into())
}

/// Gives a file from [`create_unnamed`] its name; fails where that is taken.
pub(crate) fn give_name(file: &File, path: &Path) -> io::Result<()> {
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    let follow = rustix::fs::AtFlags::SYMLINK_FOLLOW;
    Ok(rustix::fs::linkat(CWD, unnamed, CWD, path, follow)?)
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

/// Whether a file is plain memory. Huge pages are not: of those there may be none left when one is touched
/// that was there before.
pub(crate) fn is_in_memory(file: impl AsFd) -> io::Result<bool> {
    Ok(rustix::fs::fstatfs(file)?.f_type == TMPFS)
}

/// Bytes that could be had without swapping; `None` where the kernel does not tell.
fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Another description of the same file, so that its locks are its own.
pub(crate) fn reopen(file: impl AsFd) -> io::Result<File> {
    let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// Whether a file's blocks say how much of it is there.
pub(crate) const TELLS_BLOCKS: bool = true;

/// Where the file has data next, from `at` on; `None` where it has none.
pub(crate) fn next_data(file: &File, at: u64) -> io::Result<Option<u64>> {
    match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(at)) {
        Ok(data) => Ok(Some(data)),
        Err(Errno::NXIO) => Ok(None),
        // A file system that does not tell: all of it may be.
        Err(Errno::INVAL) => Ok(Some(at)),
        Err(error) => Err(error.into()),
    }
}

/// Takes the space for `len` bytes now, so that a full file system fails here and not later. A file
/// that is longer stays so: somebody else may have given it its length.
pub(crate) fn allocate(file: &File, len: u64) -> io::Result<()> {
    // Asked for more memory than there is, the kernel does not refuse but kills processes until it
    // finds it; and no file system bounds a memfd.
    if is_in_memory(file)? && available_memory().is_some_and(|available| len > available) {
        return Err(Errno::NOSPC.into());
    }
    rustix::fs::fallocate(file, FallocateFlags::empty(), 0, len)?;
    Ok(())
}

/// Locks on single bytes of a region's file, held by one description of it.
#[derive(Debug)]
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
    pub(crate) fn try_lock(&self, byte: i32, kind: LockKind) -> io::Result<bool> {
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

    pub(crate) fn unlock(&self, byte: i32) -> io::Result<()> {
        fcntl(&self.0, FcntlArg::F_OFD_SETLK(&record(byte, libc::F_UNLCK)))?;
        Ok(())
    }

    /// Frees all of them.
    pub(crate) fn unlock_all(&self) -> io::Result<()> {
        let mut all = record(0, libc::F_UNLCK);
        // To the end, wherever that is.
        all.l_len = 0;
        fcntl(&self.0, FcntlArg::F_OFD_SETLK(&all))?;
        Ok(())
    }

    /// How another description holds the byte, if one does.
    pub(crate) fn holder(&self, byte: i32) -> io::Result<Option<LockKind>> {
        let mut lock = record(byte, libc::F_WRLCK);
        fcntl(&self.0, FcntlArg::F_OFD_GETLK(&mut lock))?;
        Ok(match i32::from(lock.l_type) {
            libc::F_RDLCK => Some(LockKind::Read),
            libc::F_WRLCK => Some(LockKind::Write),
            _ => None,
        })
    }

    /// The processes that hold the byte, of those whose descriptors this one may look at: a lock itself
    /// does not tell.
    pub(crate) fn holders(&self, byte: i32) -> Vec<u32> {
        let Ok(own) = self.0.metadata() else {
            return Vec::new();
        };
        let entries = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten();
        // Elsewhere a file may say that it is of another device than its locks do.
        let device = matches!(is_in_memory(&self.0), Ok(true)).then(|| own.dev());
        let holds = |process: &Path, descriptor: &OsStr| {
            // The kernel knows its locks. To look at a file takes whoever serves it, who may be gone for
            // good, so that it is done with no other than the one whose lock that seems to be.
            std::fs::read_to_string(process.join("fdinfo").join(descriptor))
                .is_ok_and(|text| names_lock(&text, device, own.ino(), byte))
                && std::fs::metadata(process.join("fd").join(descriptor))
                    .is_ok_and(|file| (file.dev(), file.ino()) == (own.dev(), own.ino()))
        };
        let number = |name: &OsStr| name.to_str()?.parse().ok();
        entries(Path::new("/proc"))
            .filter_map(|entry| Some((number(&entry.file_name())?, entry.path())))
            .filter(|(_, process)| {
                entries(&process.join("fd")).any(|entry| holds(process, &entry.file_name()))
            })
            .map(|(id, _)| id)
            .collect()
    }
}

/// Whether what the kernel says of a descriptor names a lock of its description on this byte of the file with
/// this inode, on this device where that is given.
fn names_lock(description: &str, device: Option<u64>, inode: u64, byte: i32) -> bool {
    description
        .lines()
        .filter(|line| line.starts_with("lock:") && line.contains("OFDLCK"))
        .any(|line| {
            let mut words = line.split_whitespace().rev();
            let end = words.next().map(|end| end.parse().unwrap_or(i64::MAX));
            let start = words.next().and_then(|start| start.parse().ok());
            let file = words.next().and_then(|file| file.rsplit_once(':'));
            let (Some(start), Some(end), Some((on, number))) = (start, end, file) else {
                return false;
            };
            number.parse() == Ok(inode)
                && device.is_none_or(|device| on == device_name(device))
                && (start..=end).contains(&i64::from(byte))
        })
}

/// A device as the kernel's list of locks names it.
fn device_name(device: u64) -> String {
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    format!("{major:02x}:{minor:02x}")
}

/// The kernel's description of a lock on one byte.
fn record(byte: i32, kind: i32) -> libc::flock {
    let narrow = |value: i32| i16::try_from(value).unwrap_or(i16::MAX);
    libc::flock {
        l_type: narrow(kind),
        l_whence: narrow(libc::SEEK_SET),
        l_start: libc::off_t::from(byte),
        l_len: 1,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::names_lock;

    /// What is not the region's is never looked at: it may lie where nobody answers.
    #[test]
    fn a_lock_is_told_from_those_of_other_files_by_what_the_kernel_says_of_it() {
        let description = |kind: &str, file: &str, range: &str| {
            format!(
                "pos:\t0\nflags:\t02\nmnt_id:\t30\nlock:\t1: {kind}  ADVISORY  WRITE -1 {file} {range}\n"
            )
        };
        // Device 0:26 in memory.
        let finds = |text: &str| names_lock(text, Some(0x1a), 77, 0);
        assert!(finds(&description("OFDLCK", "00:1a:77", "0 0")));
        assert!(finds(&description("OFDLCK", "00:1a:77", "0 EOF")));
        for other in [
            description("OFDLCK", "00:1a:78", "0 0"),
            description("OFDLCK", "00:2b:77", "0 0"),
            description("OFDLCK", "00:1a:77", "1 1"),
            description("POSIX", "00:1a:77", "0 0"),
            "pos:\t0\nino:\t77\n".to_owned(),
        ] {
            assert!(!finds(&other), "{other}");
        }
        // Where files and locks name devices differently, by the inode.
        let other_device = description("OFDLCK", "00:2b:77", "0 0");
        assert!(names_lock(&other_device, None, 77, 0));
        let other_inode = description("OFDLCK", "00:2b:78", "0 0");
        assert!(!names_lock(&other_inode, None, 77, 0));
    }
}
