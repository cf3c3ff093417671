//! Files by path, and memory, as on every Unix.

#![allow(unsafe_code, reason = "madvise is an unsafe call of rustix")]

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Never through a symbolic link, never inherited by a program that this one starts.
const FLAGS: OFlags = OFlags::RDWR
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK);

/// Opens a file for reading and writing.
pub(crate) fn open_path(path: &Path) -> io::Result<File> {
    Ok(rustix::fs::open(path, FLAGS, Mode::empty())?.into())
}

/// Creates a file that does not exist yet, with these permission bits whatever the umask.
pub(crate) fn create_path(path: &Path, mode: u32) -> io::Result<File> {
    let flags = FLAGS.union(OFlags::CREATE).union(OFlags::EXCL);
    let file: File = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?.into();
    rustix::fs::fchmod(&file, mode_bits(mode)).inspect_err(|_| {
        // Nothing is left behind.
        let _ = std::fs::remove_file(path);
    })?;
    Ok(file)
}

/// Opens a file to be looked at only; a pipe or a device does not hold this up.
pub(crate) fn view(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

pub(super) fn mode_bits(mode: u32) -> Mode {
    Mode::from_raw_mode(rustix::fs::RawMode::try_from(mode & 0o777).unwrap_or(0o600))
}

/// The user this process acts as.
pub(crate) fn effective_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Asks for huge pages in memory that the program has for itself.
pub(crate) fn advise_huge_pages_within(memory: &mut Vec<u8>) {
    let page = rustix::param::page_size();
    let (start, len) = (memory.as_mut_ptr(), memory.capacity());
    // Only whole pages.
    let skipped = start.align_offset(page);
    let Some(len) = len.checked_sub(skipped).map(|len| len / page * page) else {
        return;
    };
    // As good without.
    let _ = advise_huge_pages(start.wrapping_add(skipped), len);
}

/// Asks for huge pages in `len` bytes from `base` on, which are a mapping of the caller's.
#[allow(unused_variables, reason = "not every system knows huge pages")]
pub(crate) fn advise_huge_pages(base: *mut u8, len: usize) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // SAFETY: advice on huge pages changes no contents and no access rights.
        unsafe { rustix::mm::madvise(base.cast(), len, rustix::mm::Advice::LinuxHugepage) }?;
        Ok(())
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    Err(io::ErrorKind::Unsupported.into())
}
