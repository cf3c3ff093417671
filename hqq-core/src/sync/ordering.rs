//! The memory ordering of every transition, by name; each says which other it pairs with.
//!
//! They are functions so that a loom build can weaken one of them to `Relaxed` (environment
//! variable `HQQ_WEAKEN`) and show that a model then fails: see `tests/loom`.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::Ordering;
#[cfg(not(loom))]
pub(crate) use portable_atomic::Ordering;

macro_rules! orderings {
    ($($(#[$doc:meta])* $name:ident = $ordering:ident;)*) => {
        $(
            $(#[$doc])*
            #[cfg(not(loom))]
            #[allow(dead_code, reason = "narrow builds have no shared sides")]
            #[inline]
            pub(crate) const fn $name() -> Ordering {
                Ordering::$ordering
            }

            $(#[$doc])*
            #[cfg(loom)]
            pub(crate) fn $name() -> Ordering {
                if weakened(stringify!($name)) { Ordering::Relaxed } else { Ordering::$ordering }
            }
        )*

        /// The names that `HQQ_WEAKEN` understands.
        #[cfg(loom)]
        pub const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

orderings! {
    /// T3, T3x: a packet is in its slot. Pairs with [`claim_reading`], [`see_published`] and
    /// [`see_published_quickly`].
    publish = Release;
    /// As [`publish`], in few steps: by a name of its own, as a model that fails without the one need not go the way
    /// of the other.
    publish_quickly = Release;
    /// T4x: an exclusive consumer looks for a packet. Pairs with [`publish`] and [`publish_quickly`].
    see_published = Acquire;
    /// As [`see_published`], in few steps.
    see_published_quickly = Acquire;
    /// T4: a shared consumer claims a packet. Pairs with [`publish`] and [`publish_quickly`].
    claim_reading = Acquire;
    /// T5: a slot has been read. Pairs with [`claim_writing`] and [`see_free`].
    release_slot = Release;
    /// T1: a shared producer claims a slot. Pairs with [`release_slot`].
    claim_writing = Acquire;
    /// T3x: an exclusive producer looks for a free slot. Pairs with [`release_slot`].
    see_free = Acquire;
    /// T5x: everything before this position has been read. Pairs with [`see_released`].
    release_counter = Release;
    /// T1, T3x: how far an exclusive consumer has read. Pairs with [`release_counter`].
    see_released = Acquire;
    /// T4x: the next position to hand out. Pairs with [`see_received`].
    store_received = Release;
    /// Joining and draining: how far was handed out. Pairs with [`store_received`].
    see_received = Acquire;
    /// Format 1: a position is claimed. Pairs with [`see_position`].
    claim_position = Release;
    /// Format 1: the next position to claim; the slots are seen at least as those saw them that
    /// claimed the positions before it. Pairs with [`claim_position`].
    see_position = Acquire;
    /// A side's or a region's state changed. Pairs with [`see_status`].
    store_status = Release;
    /// Is the other side open or closed, the region ready. Pairs with [`store_status`].
    see_status = Acquire;
    /// W3: the sleepers' flag was taken down before their sequence moves on. Pairs with
    /// [`see_sequence`].
    advance_sequence = Release;
    /// W3: a sleeper reads its sequence, then puts its flag up. Pairs with [`advance_sequence`].
    see_sequence = Acquire;
}

/// W1, W3: what was stored before can be seen before anything is loaded after. A publisher makes it
/// between publishing and looking at the flag, a sleeper between putting the flag up and looking
/// again; each pairs with the other. A sleeper's system may make it for both.
#[cfg(not(loom))]
#[inline]
pub(crate) fn full_fence() {
    core::sync::atomic::fence(Ordering::SeqCst);
}

/// As in other builds.
#[cfg(loom)]
pub fn full_fence() {
    loom::sync::atomic::fence(Ordering::SeqCst);
}

/// Ways to get the handshake of sleepers and wakers wrong, for `HQQ_WEAKEN`: a model fails with each.
#[cfg(loom)]
pub const FAULTS: &[&str] = &[
    "no_fence_of_the_publisher",
    "no_fence_of_the_sleeper",
    "sequence_before_flag",
    "sequence_read_after_flag",
    "waking_one",
];

/// Whether this run asked for the ordering `name` to be weakened.
#[cfg(loom)]
pub fn weakened(name: &str) -> bool {
    use std::sync::OnceLock;
    static CHOSEN: OnceLock<Option<String>> = OnceLock::new();
    CHOSEN
        .get_or_init(|| std::env::var("HQQ_WEAKEN").ok())
        .as_deref()
        == Some(name)
}
