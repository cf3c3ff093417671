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
#[cfg_attr(target_pointer_width = "64", inline)]
#[cfg_attr(not(target_pointer_width = "64"), inline(never))]
pub(super) unsafe fn copy_in(buffer: NonNull<u8>, mut at: usize, mut from: &[u8]) {
    // SAFETY: inside the range the caller vouched for, wherever this is called.
    let word = |index| unsafe { word(buffer, index) };
    while !from.is_empty() {
        let into = at % WORD;
        if BLOCK > 1
            && into == 0
            && let Some((block, rest)) = from.split_first_chunk::<{ BLOCK * WORD }>()
        {
            for (index, bytes) in block.as_chunks().0.iter().enumerate() {
                word(at / WORD + index).store(u64::from_ne_bytes(*bytes));
            }
            at += block.len();
            from = rest;
            continue;
        }
        let (bytes, rest) = from.split_at((WORD - into).min(from.len()));
        match bytes.try_into() {
            Ok(whole) => word(at / WORD).store(u64::from_ne_bytes(whole)),
            Err(_) => merge(word(at / WORD), into, bytes),
        }
        at += bytes.len();
        from = rest;
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
#[cfg_attr(target_pointer_width = "64", inline)]
#[cfg_attr(not(target_pointer_width = "64"), inline(never))]
pub(super) unsafe fn copy_out(buffer: NonNull<u8>, mut at: usize, mut to: &mut [u8]) {
    // SAFETY: inside the range the caller vouched for, wherever this is called.
    let word = |index| unsafe { word(buffer, index) };
    while !to.is_empty() {
        let into = at % WORD;
        if BLOCK > 1 && into == 0 && to.len() >= BLOCK * WORD {
            let (block, rest) = to.split_at_mut(BLOCK * WORD);
            for (index, bytes) in block.as_chunks_mut().0.iter_mut().enumerate() {
                *bytes = word(at / WORD + index).load().to_ne_bytes();
            }
            at += BLOCK * WORD;
            to = rest;
            continue;
        }
        let len = (WORD - into).min(to.len());
        let (bytes, rest) = to.split_at_mut(len);
        let loaded = word(at / WORD).load().to_ne_bytes();
        match <&mut [u8; WORD]>::try_from(&mut *bytes) {
            Ok(whole) => *whole = loaded,
            Err(_) => extract(loaded, into, bytes),
        }
        at += len;
        to = rest;
    }
}

/// Fills `bytes` from the bytes from `into` on of a word.
#[inline]
fn extract(loaded: [u8; WORD], into: usize, bytes: &mut [u8]) {
    for (to, from) in bytes.iter_mut().zip(loaded.iter().skip(into)) {
        *to = *from;
    }
}
