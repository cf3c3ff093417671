//! Files as memory.

#![allow(unsafe_code, reason = "hands mapped memory to hqq-core as a region")]

use std::fs::File;
use std::io;
use std::path::Path;
use std::ptr::NonNull;

use hqq_core::{Layout, Region, RegionError};

use crate::error::OpenError;
use crate::fork::{Memory, NotInherited};
use crate::sys::Guard;

/// How a file is mapped.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MapOptions {
    /// Touches every page now.
    pub(crate) prefault: bool,
    /// Bears that the file is made shorter.
    pub(crate) guard: bool,
}

/// A region's file in memory, shared with everybody who maps it, but for children that this process
/// forks.
///
/// # Invariants
/// The guard and what keeps children away go before the mapping: fields are dropped in their order.
pub(crate) struct Mapping {
    guard: Option<Guard>,
    inherited: NotInherited,
    memory: Memory,
}

impl Mapping {
    /// Maps the first `len` bytes of `file`, read-write.
    pub(crate) fn new(file: &File, len: usize, options: MapOptions) -> io::Result<Self> {
        let (inherited, memory) = NotInherited::map(file, len, options.prefault)?;
        // Before the guard: where that fails, they go in their order.
        let mut mapping = Self {
            guard: None,
            inherited,
            memory,
        };
        if options.guard {
            let (base, len) = (mapping.memory.as_ptr(), mapping.memory.len());
            // SAFETY: the mapping lives as long as `mapping`, whose guard is dropped first; its contents
            // are shared with others and reached as such.
            mapping.guard = Some(unsafe { Guard::new(base, len) }?);
        }
        Ok(mapping)
    }

    /// Says what lies here, for the calls of forked children.
    pub(crate) fn describe(&self, layout: &Layout) {
        self.inherited.describe(layout);
    }

    /// Bytes in it.
    pub(crate) fn len(&self) -> usize {
        self.memory.len()
    }

    /// Whether the file was found to be shorter than it was; only with a guard.
    #[inline]
    pub(crate) fn is_cut(&self) -> bool {
        self.guard.as_ref().is_some_and(Guard::is_cut)
    }

    /// Goes on only where `file`, which this maps, is as long as this, and was whenever it was touched.
    pub(crate) fn check_length(&self, file: &File, path: &Path) -> Result<(), OpenError> {
        let needed = self.len() as u64;
        let found = file.metadata().map_or(needed, |metadata| metadata.len());
        if !self.is_cut() && found >= needed {
            return Ok(());
        }
        Err(OpenError::Truncated {
            path: path.to_owned(),
            found,
            needed,
        })
    }

    /// Asks for huge pages.
    pub(crate) fn advise_huge_pages(&self) -> io::Result<()> {
        crate::sys::advise_huge_pages(self.memory.as_mut_ptr(), self.memory.len())
    }

    /// The region in this memory.
    ///
    /// # Safety
    /// The mapping outlives the region, its clones and all that is made from them.
    pub(crate) unsafe fn region(&self) -> Result<Region, RegionError> {
        let base = NonNull::new(self.memory.as_mut_ptr()).unwrap_or(NonNull::dangling());
        // SAFETY: a shared mapping of this length, page-aligned, valid by the caller's promise;
        // this program reaches it only through regions.
        unsafe { Region::from_raw(base, self.memory.len()) }
    }
}
