//! Copies by relaxed atomic words of eight bytes, for any target.

use core::ptr::NonNull;

use crate::sync::DataWord;

const WORD: usize = 8;

/// Words that are copied without a branch between them: a cache line, or where halves are copied and
/// code has to be small, one.
const BLOCK: usize = if cfg!(all(target_has_atomic = "64", not(hqq_narrow))) {
    8
} else {
    1
};

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

/// Copies `from` to byte `at` of `buffer`.
///
/// # Safety
/// `buffer` is the start of a buffer of a region, aligned to 8 and a multiple of 8 long; the bytes
/// from `at` to `at + from.len()` lie inside it; this side has claimed it.
#[inline]
pub(super) unsafe fn copy_in(buffer: NonNull<u8>, at: usize, from: &[u8]) {
    // Known to be 0 when compiling, in the calls that copy whole messages.
    let into = at % WORD;
    let start = at / WORD;
    let head = if into == 0 {
        0
    } else {
        (WORD - into).min(from.len())
    };
    let (first, rest) = from.split_at(head);
    if !first.is_empty() {
        // SAFETY: the word around byte `at`, in the buffer.
        merge(unsafe { word(buffer, start) }, into, first);
    }
    let start = start + usize::from(into != 0);
    let (words, last) = rest.as_chunks::<WORD>();
    let (blocks, singles) = words.as_chunks::<BLOCK>();
    let store = |index, bytes: &[u8; WORD]| {
        // SAFETY: inside the range the caller vouched for.
        unsafe { word(buffer, start + index) }.store(u64::from_ne_bytes(*bytes));
    };
    for (block, bytes) in blocks.iter().enumerate() {
        for (index, bytes) in bytes.iter().enumerate() {
            store(block * BLOCK + index, bytes);
        }
    }
    for (index, bytes) in singles.iter().enumerate() {
        store(blocks.len() * BLOCK + index, bytes);
    }
    if !last.is_empty() {
        // SAFETY: the word around the last bytes, in the buffer.
        merge(unsafe { word(buffer, start + words.len()) }, 0, last);
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

/// Copies from byte `at` of `buffer` into `to`.
///
/// # Safety
/// `buffer` is the start of a buffer of a region, aligned to 8 and a multiple of 8 long; the bytes
/// from `at` to `at + to.len()` lie inside it.
#[inline]
pub(super) unsafe fn copy_out(buffer: NonNull<u8>, at: usize, to: &mut [u8]) {
    // Known to be 0 when compiling, in the calls that copy whole messages.
    let into = at % WORD;
    let start = at / WORD;
    let head = if into == 0 {
        0
    } else {
        (WORD - into).min(to.len())
    };
    let (first, rest) = to.split_at_mut(head);
    if !first.is_empty() {
        // SAFETY: the word around byte `at`, in the buffer.
        extract(unsafe { word(buffer, start) }, into, first);
    }
    let start = start + usize::from(into != 0);
    let (words, last) = rest.as_chunks_mut::<WORD>();
    let count = words.len();
    let (blocks, singles) = words.as_chunks_mut::<BLOCK>();
    let load = |index, bytes: &mut [u8; WORD]| {
        // SAFETY: inside the range the caller vouched for.
        *bytes = unsafe { word(buffer, start + index) }.load().to_ne_bytes();
    };
    for (block, bytes) in blocks.iter_mut().enumerate() {
        for (index, bytes) in bytes.iter_mut().enumerate() {
            load(block * BLOCK + index, bytes);
        }
    }
    for (index, bytes) in singles.iter_mut().enumerate() {
        load(count / BLOCK * BLOCK + index, bytes);
    }
    if !last.is_empty() {
        // SAFETY: the word around the last bytes, in the buffer.
        extract(unsafe { word(buffer, start + count) }, 0, last);
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
