//! Bulk copies between private memory and bytes that a peer may write meanwhile.
//!
//! Free of data races in Rust's terms: either relaxed atomic words of eight bytes, or, for long
//! copies on x86-64, `rep movsb` in inline assembly, which the compiler cannot look into. A
//! sanitizer cannot look into it either, so fuzzing builds use words throughout.
#![cfg(not(loom))]

use core::ptr::NonNull;

use crate::sync::DataWord;

const WORD: usize = 8;

/// From this many bytes on `rep movsb` is used where there is one; below, starting it costs more
/// than the words do.
#[cfg(all(target_arch = "x86_64", not(fuzzing), not(hqq_count)))]
const STRING_COPY: usize = 512;

/// The word `index` words from the aligned address `base`.
///
/// # Safety
/// `base` is aligned to 8 and the word is valid for atomic access for `'a`.
#[inline]
unsafe fn word<'a>(base: NonNull<u8>, index: usize) -> &'a DataWord {
    // SAFETY: in bounds, by the caller's promise.
    let at = unsafe { base.add(index * WORD) };
    // SAFETY: aligned and valid, by the caller's promise; atomics may be shared with anybody.
    unsafe { at.cast().as_ref() }
}

/// Rounds `at` down to a word; says how many bytes into it `at` lies.
///
/// # Safety
/// The word that holds `at` belongs to the same buffer.
#[inline]
unsafe fn align_down(at: NonNull<u8>) -> (NonNull<u8>, usize) {
    let into = at.as_ptr().addr() % WORD;
    // SAFETY: the start of the same word, by the caller's promise.
    (unsafe { at.sub(into) }, into)
}

/// Copies `from` to `to`.
///
/// # Safety
/// The aligned words around `to .. to + from.len()` lie inside one buffer of a region, and this
/// side has claimed that buffer.
#[inline]
pub(super) unsafe fn copy_in(to: NonNull<u8>, from: &[u8]) {
    #[cfg(all(target_arch = "x86_64", not(fuzzing), not(hqq_count)))]
    if from.len() >= STRING_COPY {
        // SAFETY: `from` is valid for reads and `to` for writes of as many bytes.
        unsafe { copy_string(from.as_ptr(), to.as_ptr(), from.len()) };
        return;
    }
    // SAFETY: by the caller's promise.
    let (base, into) = unsafe { align_down(to) };
    let head = if into == 0 {
        0
    } else {
        (WORD - into).min(from.len())
    };
    let (first, rest) = from.split_at(head);
    let start = usize::from(into != 0);
    if !first.is_empty() {
        // SAFETY: the word around `to`, in the buffer.
        merge(unsafe { word(base, 0) }, into, first);
    }
    let (words, last) = rest.as_chunks::<WORD>();
    for (index, bytes) in words.iter().enumerate() {
        // SAFETY: inside the range the caller vouched for.
        unsafe { word(base, start + index) }.store(u64::from_ne_bytes(*bytes));
    }
    if !last.is_empty() {
        // SAFETY: the word around the last bytes, in the buffer.
        merge(unsafe { word(base, start + words.len()) }, 0, last);
    }
}

/// Replaces the bytes from `into` on of a word by `bytes`; the others stay, as nobody else writes
/// a claimed buffer.
#[inline]
fn merge(word: &DataWord, into: usize, bytes: &[u8]) {
    let mut merged = word.load().to_ne_bytes();
    for (to, from) in merged.iter_mut().skip(into).zip(bytes) {
        *to = *from;
    }
    word.store(u64::from_ne_bytes(merged));
}

/// Copies from `from` into `to`.
///
/// # Safety
/// The aligned words around `from .. from + to.len()` lie inside one buffer of a region.
#[inline]
pub(super) unsafe fn copy_out(from: NonNull<u8>, to: &mut [u8]) {
    #[cfg(all(target_arch = "x86_64", not(fuzzing), not(hqq_count)))]
    if to.len() >= STRING_COPY {
        // SAFETY: `from` is valid for reads and `to` for writes of as many bytes.
        unsafe { copy_string(from.as_ptr(), to.as_mut_ptr(), to.len()) };
        return;
    }
    // SAFETY: by the caller's promise.
    let (base, into) = unsafe { align_down(from) };
    let head = if into == 0 {
        0
    } else {
        (WORD - into).min(to.len())
    };
    let (first, rest) = to.split_at_mut(head);
    let start = usize::from(into != 0);
    if !first.is_empty() {
        // SAFETY: the word around `from`, in the buffer.
        extract(unsafe { word(base, 0) }, into, first);
    }
    let (words, last) = rest.as_chunks_mut::<WORD>();
    let count = words.len();
    for (index, bytes) in words.iter_mut().enumerate() {
        // SAFETY: inside the range the caller vouched for.
        *bytes = unsafe { word(base, start + index) }.load().to_ne_bytes();
    }
    if !last.is_empty() {
        // SAFETY: the word around the last bytes, in the buffer.
        extract(unsafe { word(base, start + count) }, 0, last);
    }
}

/// Fills `bytes` from the bytes from `into` on of a word.
#[inline]
fn extract(word: &DataWord, into: usize, bytes: &mut [u8]) {
    let loaded = word.load().to_ne_bytes();
    for (to, from) in bytes.iter_mut().zip(loaded.iter().skip(into)) {
        *to = *from;
    }
}

/// `rep movsb`: as fast as memcpy from 4 KiB on, and opaque to the compiler.
///
/// # Safety
/// `from` is valid for reads and `to` for writes of `len` bytes; they do not overlap.
#[cfg(all(target_arch = "x86_64", not(fuzzing), not(hqq_count)))]
#[inline]
unsafe fn copy_string(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: moves exactly `len` bytes between the two; the direction flag is clear by the ABI.
    unsafe {
        core::arch::asm!(
            "rep movsb",
            inout("rcx") len => _,
            inout("rsi") from => _,
            inout("rdi") to => _,
            options(nostack, preserves_flags)
        );
    }
}
