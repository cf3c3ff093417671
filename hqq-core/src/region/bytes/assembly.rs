//! Copies of any length in inline assembly for x86-64: vector registers, and `rep movsb` for long
//! ones.
//!
//! # Why this is sound beside a peer that writes the same bytes
//!
//! To Rust an assembly block is a step outside of its view, which may do whatever some Rust code
//! could have done there, and whose loads and stores the compiler neither sees, splits, repeats nor
//! drops. Each block below does what relaxed atomic accesses of single bytes would: it loads bytes
//! of the source, in any order and some of them twice, and stores bytes it has loaded. What a peer
//! writes meanwhile decides which value is copied and nothing else, as no byte is looked at.
//! Buffers are reached through this module only (or through slices, where the user vouches that
//! nobody else writes), so that no wider atomic access of this program meets these. The orders
//! before and after come from the stamps: no block may be moved across an Acquire or Release, since
//! each counts as reading and writing all memory.

use core::arch::asm;
#[cfg(target_feature = "sse2")]
use core::sync::atomic::{AtomicU8, Ordering};

/// From this many bytes on `rep movsb` is used; below, starting it costs more than it saves.
#[cfg(target_feature = "sse2")]
const STRING: usize = 8192;
/// The same where programs may not use vector registers, such as kernels.
#[cfg(not(target_feature = "sse2"))]
const STRING: usize = 16;

/// `rep movsb` takes 3 to 30 times as long (AMD, family 25; not Intel) where the bytes go to less than this beyond
/// where they come from, counted within a page of [`PAGE`] bytes, as from a buffer on a page of its
/// own to what an allocator has put 16 bytes into one.
#[cfg(target_feature = "sse2")]
const TOO_CLOSE: usize = 32;
#[cfg(target_feature = "sse2")]
const PAGE: usize = 4096;

/// Bytes that one block of vectors moves: a cache line.
#[cfg(target_feature = "sse2")]
const LINE: usize = 64;

/// Copies `len` bytes.
///
/// # Safety
/// `from` is valid for reads and `to` for writes of `len` bytes; they do not overlap. Others may
/// write either meanwhile, if they belong to a region.
#[inline]
pub(super) unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    #[cfg(target_feature = "sse2")]
    if (LINE / 2..=LINE).contains(&len) {
        // SAFETY: the caller's promise, and both ends are not longer than `len`.
        unsafe { ends_of_32(from, to, len) };
        return;
    }
    // SAFETY: the caller's promise is the same.
    unsafe { copy_other(from, to, len) };
}

/// As [`copy`], out of the way of messages of up to a cache line.
///
/// # Safety
/// As there.
#[inline(never)]
unsafe fn copy_other(from: *const u8, to: *mut u8, len: usize) {
    match len {
        0 => {}
        // SAFETY: the caller's promise, for this length; in the arms below, both ends are not
        // longer than `len`, nor shorter together.
        1 => unsafe { one(from, to) },
        // SAFETY: as above.
        2..4 => unsafe { ends_of_2(from, to, len) },
        // SAFETY: as above.
        4..8 => unsafe { ends_of_4(from, to, len) },
        // SAFETY: as above.
        8..16 => unsafe { ends_of_8(from, to, len) },
        #[cfg(target_feature = "sse2")]
        // SAFETY: as above.
        16..32 => unsafe { ends_of_16(from, to, len) },
        #[cfg(target_feature = "sse2")]
        // SAFETY: as above.
        32..=LINE => unsafe { ends_of_32(from, to, len) },
        #[cfg(target_feature = "sse2")]
        // SAFETY: the caller's promise; longer than a line.
        65..STRING => unsafe { lines(from, to, len) },
        #[cfg(target_feature = "sse2")]
        // SAFETY: as above.
        STRING.. if is_too_close(from, to) => unsafe { lines(from, to, len) },
        // SAFETY: the caller's promise.
        STRING.. => unsafe { string(from, to, len) },
    }
}

/// Whether [`string`] is slow between the two. Only the way to copy hangs on it.
#[cfg(target_feature = "sse2")]
#[inline]
fn is_too_close(from: *const u8, to: *mut u8) -> bool {
    let beyond = to.addr().wrapping_sub(from.addr()) % PAGE;
    (1..TOO_CLOSE).contains(&beyond) && minds_closeness()
}

/// Whether this processor's `rep movsb` is slow there: Intel's are not, others are taken to be.
///
/// Asked once: a hypervisor answers in its own time.
#[cfg(target_feature = "sse2")]
fn minds_closeness() -> bool {
    const UNKNOWN: u8 = 0;
    const NO: u8 = 1;
    const YES: u8 = 2;
    static ANSWER: AtomicU8 = AtomicU8::new(UNKNOWN);
    // Relaxed, both: whoever does not see the answer asks for the same once more.
    let mut answer = ANSWER.load(Ordering::Relaxed);
    if answer == UNKNOWN {
        answer = if vendor() == u32::from_le_bytes(*b"Genu") {
            NO
        } else {
            YES
        };
        ANSWER.store(answer, Ordering::Relaxed);
    }
    answer == YES
}

/// The first four letters of who made this processor.
#[cfg(target_feature = "sse2")]
fn vendor() -> u32 {
    let letters: u64;
    // SAFETY: `cpuid` changes four registers and nothing else; the one that is not named, as the compiler keeps it
    // for itself, is given back as it was.
    unsafe {
        asm!(
            "mov {letters}, rbx",
            "cpuid",
            "xchg {letters}, rbx",
            letters = out(reg) letters,
            inout("eax") 0 => _,
            out("ecx") _,
            out("edx") _,
            options(nomem, nostack, preserves_flags),
        );
    }
    // The other half is zero.
    (letters & u64::from(u32::MAX)) as u32
}

/// Whole lines from the start on, then the last 64 bytes, some of them for the second time.
///
/// # Safety
/// As [`copy`], and `len` is more than 64.
#[cfg(target_feature = "sse2")]
#[inline]
unsafe fn lines(from: *const u8, to: *mut u8, len: usize) {
    let last = len - LINE;
    let mut at = 0;
    while at < last {
        // SAFETY: `at` is less than `last`, so that 64 bytes from it on lie inside.
        let from = unsafe { from.add(at) };
        // SAFETY: as above.
        let to = unsafe { to.add(at) };
        // SAFETY: as above.
        unsafe { line(from, to) };
        at += LINE;
    }
    // SAFETY: 64 bytes before the end.
    let from = unsafe { from.add(last) };
    // SAFETY: as above.
    let to = unsafe { to.add(last) };
    // SAFETY: as above.
    unsafe { line(from, to) };
}

/// Copies 64 bytes.
///
/// # Safety
/// As [`copy`], of 64 bytes.
#[cfg(target_feature = "sse2")]
#[inline]
unsafe fn line(from: *const u8, to: *mut u8) {
    // SAFETY: moves the 64 bytes from `from` on to `to`, through registers that are declared.
    unsafe {
        asm!(
            "movups {a}, [{from}]",
            "movups {b}, [{from} + 16]",
            "movups {c}, [{from} + 32]",
            "movups {d}, [{from} + 48]",
            "movups [{to}], {a}",
            "movups [{to} + 16], {b}",
            "movups [{to} + 32], {c}",
            "movups [{to} + 48], {d}",
            from = in(reg) from,
            to = in(reg) to,
            a = out(xmm_reg) _,
            b = out(xmm_reg) _,
            c = out(xmm_reg) _,
            d = out(xmm_reg) _,
            options(nostack, preserves_flags)
        );
    }
}

/// A function that copies both ends of a range; they may overlap, and together are all of it.
macro_rules! ends {
    ($(#[$doc:meta])* $name:ident, $class:ident: $($register:ident)+, $($step:literal,)+) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// As [`copy`], and `len` is at least the length of one end, at most that of both.
        #[inline]
        unsafe fn $name(from: *const u8, to: *mut u8, len: usize) {
            // SAFETY: moves both ends of the `len` bytes, which lie inside as `len` is not less
            // than either, through registers that are declared; touches nothing else.
            unsafe {
                asm!(
                    $($step,)+
                    from = in(reg) from,
                    to = in(reg) to,
                    len = in(reg) len,
                    $($register = out($class) _,)+
                    options(nostack, preserves_flags)
                );
            }
        }
    };
}

#[cfg(target_feature = "sse2")]
ends! {
    /// Copies the first and the last 32 bytes.
    ends_of_32, xmm_reg: a b c d,
    "movups {a}, [{from}]",
    "movups {b}, [{from} + 16]",
    "movups {c}, [{from} + {len} - 32]",
    "movups {d}, [{from} + {len} - 16]",
    "movups [{to}], {a}",
    "movups [{to} + 16], {b}",
    "movups [{to} + {len} - 32], {c}",
    "movups [{to} + {len} - 16], {d}",
}

#[cfg(target_feature = "sse2")]
ends! {
    /// Copies the first and the last 16 bytes.
    ends_of_16, xmm_reg: a b,
    "movups {a}, [{from}]",
    "movups {b}, [{from} + {len} - 16]",
    "movups [{to}], {a}",
    "movups [{to} + {len} - 16], {b}",
}

ends! {
    /// Copies the first and the last 8 bytes.
    ends_of_8, reg: a b,
    "mov {a}, qword ptr [{from}]",
    "mov {b}, qword ptr [{from} + {len} - 8]",
    "mov qword ptr [{to}], {a}",
    "mov qword ptr [{to} + {len} - 8], {b}",
}

ends! {
    /// Copies the first and the last 4 bytes.
    ends_of_4, reg: a b,
    "mov {a:e}, dword ptr [{from}]",
    "mov {b:e}, dword ptr [{from} + {len} - 4]",
    "mov dword ptr [{to}], {a:e}",
    "mov dword ptr [{to} + {len} - 4], {b:e}",
}

ends! {
    /// Copies the first and the last 2 bytes.
    ends_of_2, reg: a b,
    "movzx {a:e}, word ptr [{from}]",
    "movzx {b:e}, word ptr [{from} + {len} - 2]",
    "mov word ptr [{to}], {a:x}",
    "mov word ptr [{to} + {len} - 2], {b:x}",
}

/// Copies one byte.
///
/// # Safety
/// As [`copy`], of one byte.
#[inline]
unsafe fn one(from: *const u8, to: *mut u8) {
    // SAFETY: moves one byte, through a register that is declared.
    unsafe {
        asm!(
            "mov {a}, byte ptr [{from}]",
            "mov byte ptr [{to}], {a}",
            from = in(reg) from,
            to = in(reg) to,
            a = out(reg_byte) _,
            options(nostack, preserves_flags)
        );
    }
}

/// `rep movsb`: as fast as memcpy, unless the two are [too close](is_too_close).
///
/// # Safety
/// As [`copy`].
#[inline]
unsafe fn string(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: moves exactly `len` bytes between the two; the direction flag is clear by the ABI.
    unsafe {
        asm!(
            "rep movsb",
            inout("rcx") len => _,
            inout("rsi") from => _,
            inout("rdi") to => _,
            options(nostack, preserves_flags)
        );
    }
}
