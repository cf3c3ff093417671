//! Files as memory.

#![allow(unsafe_code, reason = "hands mapped memory to hqq-core as a region")]

use std::fs::File;
use std::io;
use std::ptr::NonNull;

use hqq_core::{Region, RegionError};
use memmap2::{MmapOptions, MmapRaw};

/// A region's file in memory, shared with everybody who maps it.
pub(crate) struct Mapping(MmapRaw);

impl Mapping {
    /// Maps the first `len` bytes of `file`, read-write; `prefault` touches every page now.
    pub(crate) fn new(file: &File, len: usize, prefault: bool) -> io::Result<Self> {
        let mut options = MmapOptions::new();
        options.len(len);
        if prefault {
            options.populate();
        }
        options.map_raw(file).map(Self)
    }

    /// Asks for huge pages.
    pub(crate) fn advise_huge_pages(&self) -> io::Result<()> {
        crate::sys::advise_huge_pages(self.0.as_mut_ptr(), self.0.len())
    }

    /// The region in this memory.
    ///
    /// # Safety
    /// The mapping outlives the region, its clones and all that is made from them.
    pub(crate) unsafe fn region(&self) -> Result<Region, RegionError> {
        let base = NonNull::new(self.0.as_mut_ptr()).unwrap_or(NonNull::dangling());
        // SAFETY: a shared mapping of this length, page-aligned, valid by the caller's promise;
        // this program reaches it only through regions.
        unsafe { Region::from_raw(base, self.0.len()) }
    }
}
