//! What a forked child has of its parent's links: nothing. The region is not in its memory, and the
//! descriptors that hold the parent's locks are replaced, so that the parent's death is seen.
//!
//! Each descriptor through which locks may be taken is noted before any is. None is opened while a child is forked, and where
//! one was before it was noted, another description takes its place. Forks wait a little for whoever opens, so that it gets its turn
//! beside threads that fork without a pause. A thread that opens something in another library's handler of its own fork does not wait for that;
//! in the child, what the handler here does is done before anything is opened or dropped there. (Other calls of its parent's links, and the parts of an
//! `AdvancedLink`, are too early there, as their memory is missing.) Not known of is a fork that is under way as the
//! process makes or opens its first region: its child may have that one's descriptor. So the first one is best opened outside
//! such handlers: where the C library holds a lock as they run (musl, glibc before 2.36), opening it there waits for ever. Nor is one without handlers, as by `_Fork`, `vfork` or
//! `posix_spawn`: its child has all descriptors until it runs another program or ends.
//!
//! A child of a process whose threads just began or ended to wait for a lock of an `AdvancedLink` may find the list of those who wait
//! locked for good (`parking_lot` has one a process), and stand where threads of its own wait for such locks: one that goes on with links of
//! that kind is best forked before there are threads, or runs another program.
//!
//! A mapping is not inherited (`MADV_DONTFORK`), and its place noted before it is made. As a child may still touch what it believes to be
//! its link, a handler puts private memory in the mapping's place, in which all sides are closed, before
//! `fork` returns there; it takes no lock and allocates nothing.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod portable;

use std::sync::atomic::{AtomicU32, Ordering};

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
pub(crate) use linux::tests::Child;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use linux::{Ended, Memory, NotInherited, Turn, notice_child};
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) use portable::{Ended, Memory, NotInherited, Turn, notice_child};

/// How often this process is a child of one that used links: once for each `fork` since.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// Which process this is, among parents and their forked children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generation(u32);

impl Generation {
    pub(crate) fn current() -> Self {
        // Relaxed: written by the only thread of a child, before it does anything else.
        Self(FORKS.load(Ordering::Relaxed))
    }

    /// Whether this process is a child, made since.
    pub(crate) fn is_over(self) -> bool {
        self != Self::current()
    }
}
