//! A file's memory, at a place that is known before anything of the file is there.

use std::fs::File;
use std::io;
use std::ptr::NonNull;

use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

/// Pages of this process.
///
/// # Invariants
/// `len` bytes from `base` on are mapped by this alone, and unmapped when it is dropped.
#[derive(Debug)]
pub(crate) struct Memory {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: where it is and how long it is; nothing is reached through it here.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// Room for `len` bytes, in which nothing may be touched.
    pub(super) fn reserve(len: usize) -> io::Result<Self> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: at a place of the kernel's choice.
        let base = unsafe { mmap_anonymous(std::ptr::null_mut(), len, ProtFlags::empty(), flags) }?;
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { base, len })
    }

    /// Maps the file's beginning there, read-write and shared; `populate`: touches each page now.
    pub(super) fn fill(&self, file: &File, populate: bool) -> io::Result<()> {
        let mut flags = MapFlags::SHARED | MapFlags::FIXED;
        flags.set(MapFlags::POPULATE, populate);
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: in place of what was reserved here, which nobody uses.
        unsafe { mmap(self.as_mut_ptr().cast(), self.len, access, flags, file, 0) }?;
        Ok(())
    }

    pub(crate) fn as_mut_ptr(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    pub(crate) fn as_ptr(&self) -> *const u8 {
        self.base.as_ptr()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: this one's pages, which whoever had it has no use for any more. It cannot fail for such.
        let _ = unsafe { munmap(self.as_mut_ptr().cast(), self.len) };
    }
}
