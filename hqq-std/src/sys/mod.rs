//! What the operating system does for regions; one file for each way it is done.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod futex;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod guard;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod no_futex;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod portable;
mod unix;

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use futex::{
    barrier, fence, has_barrier, processor, sleep, wake_domain, wake_hook, woken,
};
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use guard::Guard;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use linux::{
    ByteLocks, TELLS_BLOCKS, allocate, anonymous, create_named, create_unnamed, give_name,
    is_in_memory, named_path, names, next_data, open_named, reopen, unlink_named,
    without_description,
};
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) use no_futex::{
    barrier, fence, has_barrier, processor, sleep, wake_domain, wake_hook, woken,
};
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) use portable::{
    ByteLocks, Guard, TELLS_BLOCKS, allocate, anonymous, create_named, create_unnamed, give_name,
    named_path, names, next_data, open_named, reopen, unlink_named, without_description,
};
pub(crate) use unix::{
    advise_huge_pages, advise_huge_pages_within, create_path, effective_user, open_path, view,
};

/// How a byte of the region's file is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockKind {
    /// Together with other readers.
    Read,
    /// Alone.
    Write,
}

/// How a sleep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slept {
    /// Somebody woke the sleeper, or may have.
    Woken,
    /// The time was up.
    TimedOut,
}
