//! The memory that both processes share, as cache lines; the only place with `unsafe`
//! besides the copies of `bare` and `hand_written`.
#![allow(
    unsafe_code,
    reason = "turns a mapping into atomics, and these into a region"
)]

use std::fs::File;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64};

use hqq_core::{Region, RegionError};
use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

use crate::error::BenchError;

/// Eight words that move between cores together.
#[repr(C, align(64))]
pub(crate) struct CacheLine(pub(crate) [AtomicU64; 8]);

#[cfg(test)]
impl CacheLine {
    pub(crate) const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; 8])
    }
}

/// Shared lines; mapped until the process ends.
pub(crate) type Lines = &'static [CacheLine];

/// Bytes in a line.
pub(crate) const LINE: usize = size_of::<CacheLine>();

/// A file without a name that holds `lines` lines of zeros.
pub(crate) fn anonymous(lines: usize) -> Result<File, BenchError> {
    let create = || {
        let file: File = memfd_create("hqq-bench", MemfdFlags::CLOEXEC)?.into();
        ftruncate(&file, (lines * LINE) as u64)?;
        Ok(file)
    };
    create().map_err(BenchError::Memory)
}

/// Maps the first `lines` lines of `file` for good, every page present.
pub(crate) fn map(file: &File, lines: usize) -> Result<Lines, BenchError> {
    let mapping: MmapRaw = MmapOptions::new()
        .len(lines * LINE)
        .populate()
        .map_raw(file)
        .map_err(BenchError::Memory)?;
    // Never unmapped: measures keep what they make of it for as long as they like.
    let mapping = ManuallyDrop::new(mapping);
    // SAFETY: page-aligned, readable and writable for `lines` lines until the process ends; any
    // bytes are a `CacheLine`, which is atomic throughout, so that others may write it.
    Ok(unsafe { std::slice::from_raw_parts(mapping.as_mut_ptr().cast_const().cast(), lines) })
}

/// The half of a word that a system call waits on: the one that changes when the word counts up.
pub(crate) fn low_half(word: &AtomicU64) -> &AtomicU32 {
    let low = usize::from(cfg!(target_endian = "big"));
    let halves = word.as_ptr().cast::<u32>();
    // SAFETY: a word has two halves.
    let half = unsafe { halves.add(low) };
    // SAFETY: aligned, valid for as long as the word, and atomic as it is. Where a program accesses
    // both the word and the half, it does so through the one, and the system through the other.
    unsafe { AtomicU32::from_ptr(half) }
}

/// The words of the lines.
pub(crate) fn words(lines: Lines) -> &'static [AtomicU64] {
    let len = size_of_val(lines) / size_of::<AtomicU64>();
    // SAFETY: a `CacheLine` is words and nothing else, so that there are as many from its start on.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), len) }
}

/// The lines as a region, which alone uses them from now on.
pub(crate) fn region(lines: Lines) -> Result<Region, RegionError> {
    let base = NonNull::from(lines).cast();
    // SAFETY: aligned and valid for reads and writes until the process ends, by `Lines` being
    // shared atomics for 'static; whoever asks for a region leaves the lines to it.
    unsafe { Region::from_raw(base, size_of_val(lines)) }
}
