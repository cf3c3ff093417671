//! What a side does when it has news: it looks whether anybody sleeps at the other one, and wakes them.

use super::{UNFENCED, WAKES, WaitWords, WakeDomain, WakeHook};
use crate::layout::{Direction, Geometry, Layout};
use crate::region::{Region, RingMemory, SuperblockMemory};
use crate::sync::SharedU32;
use crate::sync::ordering::{self, Ordering};

/// What one side of a ring has to wake the other one with. Declared after whatever leaves the side:
/// dropping it wakes the other side to see that.
#[derive(Debug)]
pub(crate) struct Alarm {
    other: Option<WaitWords>,
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    own: Option<WaitWords>,
    hook: Option<WakeHook>,
    /// Wakes the other side. By a pointer, so that programs whose sides wake nobody are linked without it.
    wake: Option<fn(&Self)>,
    #[cfg_attr(loom, allow(dead_code, reason = "models always make the fence"))]
    fenced: bool,
}

impl Alarm {
    /// Of a side that wakes nobody, and whose record says so already.
    #[cfg(not(loom))]
    pub(crate) const fn none() -> Self {
        Self {
            other: None,
            #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
            own: None,
            hook: None,
            wake: None,
            fenced: false,
        }
    }

    /// Records how this side wakes, and wakes the other one: the side was taken. `first`: by its
    /// first member.
    pub(crate) fn new(
        region: &Region,
        layout: &Layout,
        direction: Direction,
        consumer: bool,
        first: bool,
        hook: Option<WakeHook>,
    ) -> Self {
        let words = |consumer| WaitWords::new(region, layout, direction, consumer);
        let alarm = Self {
            other: words(!consumer),
            #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
            own: words(consumer),
            hook,
            wake: hook.is_some().then_some(Self::wake_other as fn(&Self)),
            fenced: hook.is_some_and(|hook| hook.fenced),
        };
        record(region, direction, consumer, first, hook.as_ref());
        alarm.ring();
        alarm
    }

    /// After publishing or releasing: wakes the other side if somebody sleeps there.
    #[inline]
    pub(crate) fn check<G: Geometry>(&self, memory: &RingMemory<G>, consumer: bool) {
        if self.is_asleep(memory, consumer) {
            self.answer();
        }
    }

    /// As [`Alarm::check`], leaving the waking to [`Alarm::answer`].
    #[inline]
    pub(crate) fn is_asleep<G: Geometry>(&self, memory: &RingMemory<G>, consumer: bool) -> bool {
        self.fence() && is_up(memory.sleeping(consumer))
    }

    /// Whether a look at the flag needs a fence, which costs more than all the rest of a message.
    pub(crate) const fn is_fenced(&self) -> bool {
        // In models every look makes one.
        cfg!(not(loom)) && self.fenced
    }

    /// As [`Alarm::is_asleep`], where no fence is needed; `flag` is the ring's.
    #[inline]
    pub(crate) fn is_up_unfenced(&self, flag: &SharedU32) -> bool {
        // Models always make it.
        #[cfg(loom)]
        return self.fence() && is_up(flag);
        #[cfg(not(loom))]
        {
            debug_assert!(!self.fenced);
            // The sleeper makes the processor's part.
            core::sync::atomic::compiler_fence(Ordering::SeqCst);
            is_up(flag)
        }
    }

    /// W1: orders what was published before the look at a flag. `false` where there is nobody to
    /// look for.
    #[inline]
    fn fence(&self) -> bool {
        #[cfg(loom)]
        {
            // Not a word is touched for models that do not sleep.
            if self.hook.is_none() {
                return false;
            }
            if !ordering::weakened("no_fence_of_the_publisher") {
                ordering::full_fence();
            }
        }
        #[cfg(not(loom))]
        if self.fenced {
            ordering::full_fence();
        } else {
            // The sleeper makes the processor's part.
            core::sync::atomic::compiler_fence(Ordering::SeqCst);
        }
        true
    }

    /// Somebody sleeps, or a peer says so.
    #[cold]
    #[inline(never)]
    pub(crate) fn answer(&self) {
        if let Some(wake) = self.wake {
            wake(self);
        }
    }

    fn wake_other(&self) {
        if let (Some(hook), Some(other)) = (&self.hook, &self.other) {
            other.wake(hook);
        }
    }

    /// Wakes the other side without looking whether anybody sleeps.
    pub(crate) fn ring(&self) {
        if self.fence() {
            self.answer();
        }
    }

    /// Wakes those on this side itself, where somebody sleeps.
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    #[cold]
    pub(crate) fn check_own<G: Geometry>(&self, memory: &RingMemory<G>, consumer: bool) {
        if self.fence()
            && is_up(memory.sleeping(consumer))
            && let (Some(hook), Some(own)) = (&self.hook, &self.own)
        {
            own.wake(hook);
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.ring();
    }
}

#[inline]
fn is_up(flag: &SharedU32) -> bool {
    // Relaxed: the fence before it pairs with the sleeper's barrier (W1).
    flag.load(Ordering::Relaxed) != 0
}

/// Records how a side wakes: as its only member does, or what holds for all of them.
fn record(
    region: &Region,
    direction: Direction,
    consumer: bool,
    first: bool,
    hook: Option<&WakeHook>,
) {
    let ours = match hook {
        Some(WakeHook {
            domain: Some(WakeDomain(domain)),
            fenced,
            ..
        }) => domain | if *fenced { 0 } else { UNFENCED },
        _ => 0,
    };
    let memory = SuperblockMemory::new(region);
    let word = memory.side(direction, consumer, WAKES);
    // Pairs with the Release below; sides are taken one at a time.
    let found = word.load(ordering::see_status());
    let wakes = match first {
        true => ours,
        false if (found ^ ours) & !UNFENCED == 0 => found | ours,
        // Members that cannot all wake the same sleepers: none may rely on them.
        false => 0,
    };
    if wakes != found {
        // Pairs with the Acquire in `Wakes::read`.
        word.store(wakes, ordering::store_status());
    }
}
