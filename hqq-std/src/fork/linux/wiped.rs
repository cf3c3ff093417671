//! A word that is zero in a forked child until it was asked for there: the kernel wipes it (Linux 4.14).

use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use nix::libc;

/// The word: 1 where all was done that a child needs. Null until it is made, and where the kernel wipes nothing.
static DONE: AtomicPtr<AtomicU32> = AtomicPtr::new(std::ptr::null_mut());

/// Makes the word, for this process and the children that it has from now on.
pub(super) fn make() {
    // Acquire, with the Release below.
    if !DONE.load(Ordering::Acquire).is_null() {
        return;
    }
    let len = size_of::<AtomicU32>();
    // SAFETY: fresh private memory, which replaces nothing.
    let page = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if page == libc::MAP_FAILED {
        return;
    }
    // SAFETY: the page was made above, and nobody else has it.
    let is_wiped = unsafe { libc::madvise(page, len, libc::MADV_WIPEONFORK) } == 0;
    let word = page.cast::<AtomicU32>();
    if is_wiped {
        // SAFETY: a page that can be written, and zero bits are an atomic word.
        unsafe { &*word }.store(1, Ordering::Relaxed);
        // Release: whoever finds the word finds it set.
        let taken = DONE.compare_exchange(
            std::ptr::null_mut(),
            word,
            Ordering::Release,
            Ordering::Relaxed,
        );
        if taken.is_ok() {
            return;
        }
    }
    // SAFETY: made above, and nobody was given it.
    unsafe { libc::munmap(page, len) };
}

/// Whether this process is a child for which nothing was done yet, which is said once in each. `None` where the kernel wipes
/// nothing. Async-signal-safe.
pub(super) fn is_new_child() -> Option<bool> {
    // Acquire, with the Release in `make`.
    // SAFETY: the word was made by `make`, and is never unmapped after it was published.
    let done = unsafe { DONE.load(Ordering::Acquire).as_ref() }?;
    // Relaxed: before it is 1, the child has one thread, for which alone this is.
    Some(done.load(Ordering::Relaxed) == 0 && done.swap(1, Ordering::Relaxed) == 0)
}
