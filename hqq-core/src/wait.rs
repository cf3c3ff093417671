//! The seam between a call that has to wait and whatever waiting means where it runs.

use core::ops::ControlFlow;

/// What a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum WaitReason {
    /// Room for a message to send.
    Space,
    /// A message to receive.
    Message,
}

/// A call that found no room, or no message, and is about to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Waiting {
    /// What for.
    pub reason: WaitReason,
    /// How often this call has looked in vain, from 1 on.
    pub round: u32,
}

/// A way to wait: spin, `wfe`, yield to a scheduler, sleep.
///
/// Any closure that takes [`Waiting`] and says whether to go on is one:
///
/// ```
/// use core::ops::ControlFlow;
/// use hqq_core::{Waiting, Wait};
/// let mut three_times = |waiting: &Waiting| {
///     if waiting.round < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
/// };
/// # fn is_wait(_: &mut impl Wait) {}
/// # is_wait(&mut three_times);
/// ```
pub trait Wait {
    /// Waits a little. `Break` ends the call with its `TimedOut` error.
    fn wait(&mut self, waiting: &Waiting) -> ControlFlow<()>;

    /// How many looks the last wait stands for: more than one where it was long. After many looks a
    /// ring that no rule explains counts as damaged.
    fn worth(&self) -> u32 {
        1
    }
}

impl<F: FnMut(&Waiting) -> ControlFlow<()>> Wait for F {
    fn wait(&mut self, waiting: &Waiting) -> ControlFlow<()> {
        self(waiting)
    }
}

/// Spins for ever: for cores that have nothing else to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Spin;

impl Wait for Spin {
    #[inline]
    fn wait(&mut self, _: &Waiting) -> ControlFlow<()> {
        core::hint::spin_loop();
        ControlFlow::Continue(())
    }
}

/// Spins for a number of rounds, then gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SpinFor(
    /// Rounds.
    pub u32,
);

impl Wait for SpinFor {
    #[inline]
    fn wait(&mut self, waiting: &Waiting) -> ControlFlow<()> {
        if waiting.round > self.0 {
            return ControlFlow::Break(());
        }
        core::hint::spin_loop();
        ControlFlow::Continue(())
    }
}
