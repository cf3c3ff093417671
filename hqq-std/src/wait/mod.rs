//! How a blocking call waits: it spins while an answer may be on its way, yields where both ends
//! share a core, then sleeps until it is woken; until its deadline.
//!
//! | file | job |
//! |---|---|
//! | `waiter` | one wait from its first look to its end: [`Waiter`] |
//! | `tempo` | what earlier waits taught: how long to spin, whether to yield |
//! | `pace` | how often to look while spinning |
//! | `berth` | where one side sleeps, and whether its peer wakes it |
//! | `backoff` | sleeping a little longer each time, where nobody wakes: [`Backoff`] |
//! | `ready` | a descriptor for event loops: [`Readiness`] |

mod backoff;
pub(crate) mod berth;
mod limit;
mod pace;
mod ready;
mod stats;
mod tempo;
mod waiter;

pub use backoff::Backoff;
pub(crate) use backoff::poll;
pub(crate) use berth::Berth;
pub(crate) use limit::Limit;
pub use ready::Readiness;
pub(crate) use ready::Ready;
pub use stats::WaitStats;
pub use waiter::Waiter;

/// What a call does while it waits.
///
/// ```
/// use hqq_std::{LinkOptions, wait::Policy};
/// let (mut near, mut far) = LinkOptions::new().wait_policy(Policy::Park).pair()?;
/// near.sender().send(b"no hurry")?;
/// let mut message = [0; 64];
/// let receiver = far.receiver();
/// receiver.set_wait_policy(Policy::Spin);
/// assert_eq!(receiver.recv(&mut message)?, 8);
/// # Ok::<(), hqq_std::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Policy {
    /// Looks again and again: the least latency, at the price of a core.
    Spin,
    /// Spins as long as that has paid off lately, yields where the peer shares the core, then
    /// sleeps.
    #[default]
    Adaptive,
    /// Sleeps at once.
    Park,
}
