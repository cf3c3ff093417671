//! Bulk copies between private memory and bytes that a peer may write meanwhile.
//!
//! Free of data races in Rust's terms, in one of two ways: on x86-64 inline assembly, which the
//! compiler cannot look into ([`assembly`]); elsewhere relaxed atomic words ([`words`]). A sanitizer
//! cannot look into assembly either, nor does it count accesses, so fuzzing and counting builds use
//! words throughout.
#![cfg(not(loom))]

#[cfg(all(target_arch = "x86_64", any(test, not(any(fuzzing, hqq_count)))))]
mod assembly;
#[cfg(test)]
mod tests;
#[cfg(any(test, fuzzing, hqq_count, not(target_arch = "x86_64")))]
mod words;

use core::ptr::NonNull;

/// Asks for the cache line at `at` ahead of its use, on targets where that can be said.
#[inline]
pub(super) fn prefetch(at: NonNull<u8>) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint without an effect that a program sees, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.as_ptr().cast_const().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Asks for the cache line at the fourth step of `step` bytes from `base`, which need not be valid, to be
/// made this core's own ahead of a store to it, on targets where that can be said.
#[inline]
pub(super) fn prefetch_fourth_to_write(base: NonNull<u8>, step: usize) {
    // SAFETY: as in `prefetch_to_write`; the address is made by the instruction, so that it takes no other.
    #[cfg(all(target_arch = "x86_64", not(any(fuzzing, hqq_count))))]
    unsafe {
        core::arch::asm!(
            "prefetchw [{base} + 4*{step}]",
            base = in(reg) base.as_ptr().addr(),
            step = in(reg) step,
            options(nostack, preserves_flags, nomem)
        );
    }
    #[cfg(not(all(target_arch = "x86_64", not(any(fuzzing, hqq_count)))))]
    let _ = (base, step);
}

/// Asks for the cache line `AHEAD` + `offset` bytes from `base`, which need not be valid, to be made
/// this core's own ahead of a store to it, on targets where that can be said.
#[inline]
pub(super) fn prefetch_to_write<const AHEAD: usize>(base: NonNull<u8>, offset: usize) {
    // SAFETY: a hint without an effect that a program sees, whatever the address. An instruction in
    // assembly, as the compiler would make it a hint for reading on most processors; those without it
    // take it for a `nop`.
    #[cfg(all(target_arch = "x86_64", not(any(fuzzing, hqq_count))))]
    unsafe {
        core::arch::asm!(
            "prefetchw [{base} + {offset} + {ahead}]",
            base = in(reg) base.as_ptr().addr(),
            offset = in(reg) offset,
            ahead = const AHEAD,
            options(nostack, preserves_flags, nomem)
        );
    }
    #[cfg(not(all(target_arch = "x86_64", not(any(fuzzing, hqq_count)))))]
    let _ = (base, offset);
}

/// Copies `from` to byte `at` of `buffer`.
///
/// # Safety
/// `buffer` is the start of a buffer of a region, aligned to 8 and a multiple of 8 long; the bytes
/// from `at` to `at + from.len()` lie inside it; this side has claimed it.
#[inline]
pub(super) unsafe fn copy_in(buffer: NonNull<u8>, at: usize, from: &[u8]) {
    #[cfg(all(target_arch = "x86_64", not(any(fuzzing, hqq_count))))]
    {
        // SAFETY: inside the buffer, by the caller's promise.
        let to = unsafe { buffer.add(at) };
        // SAFETY: `from` is valid for reads and `to` for writes of as many bytes; private memory
        // and a region do not overlap.
        unsafe { assembly::copy(from.as_ptr(), to.as_ptr(), from.len()) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(any(fuzzing, hqq_count)))))]
    // SAFETY: the caller's promise is the same.
    unsafe {
        words::copy_in(buffer, at, from);
    }
}

/// Copies from byte `at` of `buffer` into `to`.
///
/// # Safety
/// `buffer` is the start of a buffer of a region, aligned to 8 and a multiple of 8 long; the bytes
/// from `at` to `at + to.len()` lie inside it.
#[inline]
pub(super) unsafe fn copy_out(buffer: NonNull<u8>, at: usize, to: &mut [u8]) {
    #[cfg(all(target_arch = "x86_64", not(any(fuzzing, hqq_count))))]
    {
        // SAFETY: inside the buffer, by the caller's promise.
        let from = unsafe { buffer.add(at) };
        // SAFETY: `from` is valid for reads and `to` for writes of as many bytes; private memory
        // and a region do not overlap.
        unsafe { assembly::copy(from.as_ptr(), to.as_mut_ptr(), to.len()) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(any(fuzzing, hqq_count)))))]
    // SAFETY: the caller's promise is the same.
    unsafe {
        words::copy_out(buffer, at, to);
    }
}
