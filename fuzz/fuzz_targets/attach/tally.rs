//! How many inputs got as far as a link, on standard error.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Inputs between two lines.
const PERIOD: u64 = 1 << 17;

// Relaxed throughout: statistics of a program with one thread.
static INPUTS: AtomicU64 = AtomicU64::new(0);
static ATTACHED: AtomicU64 = AtomicU64::new(0);

/// Prints the tally when the fuzzer exits.
pub(crate) fn start() {
    extern "C" fn at_exit() {
        print();
    }
    // SAFETY: a function that lives as long as the program and does not unwind.
    let refused = unsafe { libc::atexit(at_exit) };
    assert_eq!(refused, 0, "no room for an exit handler");
}

/// Counts one input.
pub(crate) fn note(has_attached: bool) {
    ATTACHED.fetch_add(u64::from(has_attached), Relaxed);
    if (INPUTS.fetch_add(1, Relaxed) + 1).is_multiple_of(PERIOD) {
        print();
    }
}

fn print() {
    let (attached, inputs) = (ATTACHED.load(Relaxed), INPUTS.load(Relaxed));
    eprintln!("attached {attached} of {inputs} inputs");
}
