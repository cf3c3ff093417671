//! A file's memory, at a place that is known before anything of the file is there.

use std::fs::File;
use std::io;
use std::ptr::NonNull;

use rustix::fs::fstatfs;
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use rustix::param::page_size;

/// `HUGETLBFS_MAGIC` of the kernel's `magic.h`.
const HUGETLBFS: u64 = 0x9584_58f6;

/// Pages of this process.
///
/// # Invariants
/// `whole` bytes from `base` on, no fewer than `len`, are mapped by this alone, and unmapped when it is dropped. `base` and
/// `whole` are multiples of the size of the pages of what is mapped there.
#[derive(Debug)]
pub(crate) struct Memory {
    base: NonNull<u8>,
    len: usize,
    whole: usize,
}

// SAFETY: where it is and how long it is; nothing is reached through it here.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// Room for the first `len` bytes of `file`, in which nothing may be touched.
    pub(super) fn reserve(file: &File, len: usize) -> io::Result<Self> {
        Self::in_pages(len, pages_of(file)?)
    }

    /// Room for `len` bytes in pages of so many, a power of two. A mapping begins and ends with a page, and what is mapped in
    /// place of something ends what lies under its last page, too.
    fn in_pages(len: usize, page: usize) -> io::Result<Self> {
        let too_long = || io::Error::from(io::ErrorKind::OutOfMemory);
        let whole = len.checked_next_multiple_of(page).ok_or_else(too_long)?;
        // The kernel aligns to its own pages.
        let spare = page.saturating_sub(page_size());
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        let reserved = whole.checked_add(spare).ok_or_else(too_long)?;
        // SAFETY: at a place of the kernel's choice.
        let start =
            unsafe { mmap_anonymous(std::ptr::null_mut(), reserved, ProtFlags::empty(), flags) }?;
        let start = start.cast::<u8>();
        let before = start.align_offset(page);
        let base = start.wrapping_add(before);
        let unmap = |at: *mut u8, len: usize| {
            if len > 0 {
                // SAFETY: of what was reserved above, and not of what is kept. It cannot fail for such.
                let _ = unsafe { munmap(at.cast(), len) };
            }
        };
        unmap(start, before);
        unmap(base.wrapping_add(whole), spare.saturating_sub(before));
        let base = NonNull::new(base).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { base, len, whole })
    }

    /// Maps the file's beginning there, read-write and shared; `populate`: touches each page now.
    pub(super) fn fill(&self, file: &File, populate: bool) -> io::Result<()> {
        let mut flags = MapFlags::SHARED | MapFlags::FIXED;
        flags.set(MapFlags::POPULATE, populate);
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: in place of what was reserved here in pages of the file's size, which nobody uses.
        unsafe { mmap(self.as_mut_ptr().cast(), self.whole, access, flags, file, 0) }?;
        Ok(())
    }

    /// Bytes that are mapped.
    pub(super) fn whole(&self) -> usize {
        self.whole
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
        let _ = unsafe { munmap(self.as_mut_ptr().cast(), self.whole) };
    }
}

/// Bytes in a page that the file's memory consists of.
fn pages_of(file: &File) -> io::Result<usize> {
    let system = fstatfs(file)?;
    // The types of both differ between targets.
    #[allow(
        clippy::cast_sign_loss,
        clippy::unnecessary_cast,
        reason = "a magic number of 32 bits, which is signed on some targets"
    )]
    let is_huge = system.f_type as u64 & 0xffff_ffff == HUGETLBFS;
    let page = if is_huge {
        usize::try_from(system.f_bsize).unwrap_or(0)
    } else {
        0
    };
    Ok(page.max(page_size()).next_power_of_two())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether all pages from `at` on for `len` bytes are mapped.
    fn is_mapped(at: *mut u8, len: usize) -> bool {
        // SAFETY: changes nothing; it fails for what is not mapped.
        unsafe { rustix::mm::msync(at.cast(), len, rustix::mm::MsyncFlags::ASYNC) }.is_ok()
    }

    #[test]
    fn pages_larger_than_the_systems_have_room_of_their_own() {
        let page = 16 * page_size();
        for len in [1, page - 1, page, page + 1] {
            let memory = Memory::in_pages(len, page).unwrap();
            assert_eq!(memory.as_mut_ptr().align_offset(page), 0, "{len}");
            assert_eq!(memory.len(), len);
            assert_eq!(memory.whole(), len.next_multiple_of(page));
            assert!(is_mapped(memory.as_mut_ptr(), memory.whole()), "{len}");
        }
        assert!(Memory::in_pages(usize::MAX, page).is_err());
    }
}
