//! Other systems: nobody sleeps on words of a region, so nobody is woken (PROTOCOL.md, W2).

use std::time::Duration;

use hqq_core::ring::wake::{Ticket, WaitWords, WakeDomain, WakeHook};

use super::Slept;

pub(crate) fn wake_domain() -> Option<WakeDomain> {
    None
}

pub(crate) fn has_barrier() -> bool {
    false
}

pub(crate) fn barrier() -> bool {
    false
}

pub(crate) fn fence() {
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
}

pub(crate) fn wake_hook() -> Option<WakeHook> {
    None
}

pub(crate) fn woken(_: &WaitWords, _: Duration) -> Option<(Duration, usize)> {
    None
}

pub(crate) fn processor() -> usize {
    0
}

pub(crate) fn sleep(_: &[(&WaitWords, Ticket)], slice: Duration) -> Slept {
    std::thread::sleep(slice.min(Duration::from_millis(1)));
    Slept::TimedOut
}
