//! Engines in place of a link's, for forked children where a thread of their parent's had its lock.

#![allow(
    unsafe_code,
    reason = "a list that is whole whenever a child is forked"
)]

use std::sync::atomic::{AtomicPtr, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::engine::Engine;
use crate::fork::Generation;

/// One for each process that needed it: a child may be forked in turn while a thread of its parent's has the lock of
/// that one's.
///
/// # Invariants
/// What `first` and each `next` point to is whole, and freed by dropping this alone.
pub(super) struct StandIns {
    first: AtomicPtr<StandIn>,
}

struct StandIn {
    process: Generation,
    engine: Mutex<Engine>,
    next: *mut Self,
}

impl StandIns {
    pub(super) const fn new() -> Self {
        Self {
            first: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    /// Locks this process's, which `make` makes. It waits for no thread of another process.
    pub(super) fn lock(&self, make: impl Fn() -> Engine) -> MutexGuard<'_, Engine> {
        let process = Generation::current();
        let mut fresh: Option<Box<StandIn>> = None;
        loop {
            // Acquire, with the Release below.
            let first = self.first.load(Ordering::Acquire);
            let mut at = first;
            // SAFETY: by the invariant, for as long as `self` is borrowed.
            while let Some(one) = unsafe { at.as_ref() } {
                if one.process == process {
                    return one.engine.lock();
                }
                at = one.next;
            }
            let mut own = fresh.take().unwrap_or_else(|| {
                Box::new(StandIn {
                    process,
                    engine: Mutex::new(make()),
                    next: first,
                })
            });
            own.next = first;
            let own = Box::into_raw(own);
            // Release: whoever sees it sees what it holds. Where another thread of this process was quicker, its is found now.
            let added =
                self.first
                    .compare_exchange(first, own, Ordering::Release, Ordering::Relaxed);
            if added.is_err() {
                // SAFETY: from the box above, and nobody else's.
                fresh = Some(unsafe { Box::from_raw(own) });
            }
        }
    }
}

impl Drop for StandIns {
    fn drop(&mut self) {
        let mut at = *self.first.get_mut();
        while !at.is_null() {
            // SAFETY: by the invariant. Nobody has its lock: whoever has that has the link, with which this is not dropped.
            let one = unsafe { Box::from_raw(at) };
            at = one.next;
        }
    }
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use nix::libc;

    use crate::advanced::{AdvancedLink, AdvancedOptions};

    /// Whether a forked process comes to the end of `task`, which has no other threads.
    fn ends_in_child(task: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child takes no lock that a thread of this process may hold, but the link's.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: ends a process that waits for ever.
            unsafe { libc::alarm(20) };
            let ended = task();
            // SAFETY: nothing is left to be done here.
            unsafe { libc::_exit(i32::from(!ended)) };
        }
        let mut status = -1;
        // SAFETY: of a child of this process's, into memory of its own.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        status == 0
    }

    /// Each process stands for a thread that has the lock while another one forks.
    #[test]
    fn a_grandchild_has_a_link_whatever_threads_of_its_parents_did() {
        let (near, _far) = crate::pair().unwrap();
        let link = AdvancedLink::new(near, AdvancedOptions::new());
        let of_parent = link.shared().lock();
        let ended = ends_in_child(|| {
            let of_child = link.shared().lock();
            let ended = ends_in_child(|| link.shared().lock().is_forked());
            let is_forked = of_child.is_forked();
            std::mem::forget(of_child);
            ended && is_forked
        });
        assert!(ended);
        drop(of_parent);
    }
}
