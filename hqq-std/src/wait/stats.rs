//! How often a half waited.

/// How often a half waited, and how that ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitStats {
    /// Waits that had to do more than look again a few times.
    pub waits: u64,
    /// Sleeps.
    pub sleeps: u64,
    /// Sleeps that ended with their slice of time, and not by a waker.
    pub expired: u64,
    /// Of those, sleeps of a quarter of a second or more after which there was what the half waited for:
    /// nobody woke it, although the peer should have.
    pub missed: u64,
}
