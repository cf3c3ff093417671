//! Counts accesses to shared words, in builds with `--cfg hqq_count`: tests read the totals, and how
//! often a single word was read, to show how often an operation touches what a peer may write; and
//! they may write the region themselves before any access, as a peer could.

use core::cell::RefCell;
use core::sync::atomic::{AtomicU64, Ordering};
use std::boxed::Box;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What was accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Word 0 of a slot.
    Stamp,
    /// A claim counter.
    Counter,
    /// An operand, or eight bytes of payload copied word by word.
    Data,
    /// `released`, a status or an identity word.
    Word32,
}

static TOTALS: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];
/// How often the word at an address was read.
static READS: Mutex<BTreeMap<usize, u32>> = Mutex::new(BTreeMap::new());

fn reads() -> MutexGuard<'static, BTreeMap<usize, u32>> {
    READS.lock().unwrap_or_else(PoisonError::into_inner)
}

type Hook = Box<dyn FnMut(Kind)>;

std::thread_local! {
    /// What happens before each access of this thread.
    static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
}

/// Runs `call`; `hook` is called before each access to a shared word that it makes on this thread.
pub fn hooked<R>(hook: impl FnMut(Kind) + 'static, call: impl FnOnce() -> R) -> R {
    HOOK.set(Some(Box::new(hook)));
    let result = call();
    HOOK.set(None);
    result
}

pub(crate) fn note(kind: Kind) {
    // Taken out while it runs: what it accesses is not hooked.
    if let Some(mut hook) = HOOK.take() {
        hook(kind);
        HOOK.set(Some(hook));
    }
    // Relaxed: a statistic, nothing is ordered by it.
    TOTALS[kind as usize].fetch_add(1, Ordering::Relaxed);
}

pub(crate) fn note_read<T>(kind: Kind, word: &T) {
    note(kind);
    *reads().entry(core::ptr::from_ref(word).addr()).or_default() += 1;
}

/// How many accesses of this kind the whole program has made so far.
#[must_use]
pub fn total(kind: Kind) -> u64 {
    // Relaxed: a statistic, nothing is ordered by it.
    TOTALS[kind as usize].load(Ordering::Relaxed)
}

/// How often the word that starts at `address` was read since it was last asked; compare-and-swaps
/// count as reads, too.
#[must_use]
pub fn take_reads(address: usize) -> u32 {
    reads().remove(&address).unwrap_or(0)
}
