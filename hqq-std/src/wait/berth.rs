//! Where one side of a link sleeps, and whether its peer wakes it there (PROTOCOL.md, W2).

use hqq_core::ring::wake::{Ticket, WaitWords, Wakes};
use hqq_core::side::SideState;
use hqq_core::{Direction, Layout, Region, Role};

use crate::sys;

/// The wait words of one side.
///
/// # Invariants
/// Kept together with what keeps the region's memory alive; not given out beyond this crate.
#[derive(Clone, Debug)]
pub(crate) struct Berth {
    words: WaitWords,
    region: Region,
    role: Role,
    consumer: bool,
}

impl Berth {
    /// Where `role` sleeps for messages (as a consumer) or for room; `None` in format 1.
    pub(crate) fn new(
        region: &Region,
        layout: &Layout,
        role: Role,
        consumer: bool,
    ) -> Option<Self> {
        let direction = direction(role, consumer);
        Some(Self {
            words: WaitWords::new(region, layout, direction, consumer)?,
            region: region.clone(),
            role,
            consumer,
        })
    }

    /// Whether one sleeps here for messages.
    pub(crate) const fn is_consumer(&self) -> bool {
        self.consumer
    }

    pub(crate) const fn words(&self) -> &WaitWords {
        &self.words
    }

    /// Whether sleeping here ends when there is news: the peer wakes us, or nobody has its side and
    /// whoever takes it does; and what it publishes can be seen before it looks for sleepers.
    pub(crate) fn is_woken(&self) -> bool {
        let Some(domain) = sys::wake_domain() else {
            return false;
        };
        let peer = !self.consumer;
        let status = hqq_core::side::status(&self.region, self.role.peer(), peer);
        if status.state() != SideState::Open {
            return true;
        }
        let wakes = Wakes::read(&self.region, direction(self.role, self.consumer), peer);
        wakes.reach(domain) && (sys::has_barrier() || !wakes.need_barrier())
    }

    /// Wakes whoever sleeps here, though there is no news.
    pub(crate) fn kick(&self) {
        if let Some(hook) = sys::wake_hook() {
            self.words.wake(&hook);
        }
    }

    /// W3: the sleeper's first half. The caller makes [`barrier`], then looks again.
    pub(crate) fn arm(&self) -> Ticket {
        self.words.arm()
    }
}

/// W1, the sleeper's barrier; `false` where it failed and sleeping is not safe.
pub(crate) fn barrier() -> bool {
    if sys::has_barrier() {
        return sys::barrier();
    }
    sys::fence();
    true
}

const fn direction(role: Role, consumer: bool) -> Direction {
    if consumer {
        role.receives()
    } else {
        role.sends()
    }
}
