//! What both halves of a link have in common: where they are, and how long they wait.

use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use hqq_core::position::Position;
use hqq_core::ring::Corruption;
use hqq_core::{Format, Role, TryRecvError, TrySendError};

use super::watch::Watch;
use crate::attach::Attachment;
use crate::datagram::LinkAddr;
use crate::kept::Kept;
use crate::wait::{Berth, Limit, Policy, Readiness, Ready, WaitStats, Waiter};

/// What calls that do not wait say where memory is missing.
pub(crate) const MISSING: Corruption = Corruption {
    position: Position::new(0),
    stamp: 0,
};

/// A half of a link: a [`Sender`](super::Sender) or a [`Receiver`](super::Receiver).
pub struct Half<T> {
    pub(super) core: Kept<T>,
    timeout: Option<Duration>,
    pub(super) waiter: Waiter,
    berth: Option<Berth>,
    ready: Option<Ready>,
}

impl<T> Half<T> {
    pub(super) fn new(core: Kept<T>, berth: Option<Berth>, policy: Policy) -> Self {
        let attachment = Arc::clone(core.attachment());
        Self {
            core,
            timeout: None,
            waiter: Waiter::new([berth.clone(), None], attachment, policy),
            berth,
            ready: None,
        }
    }

    /// The half itself, for the Advanced protocol.
    pub(crate) fn core(&mut self) -> &mut T {
        &mut self.core
    }

    /// The half itself, and what it is attached to.
    #[inline]
    pub(crate) fn core_and_attachment(&mut self) -> (&mut T, &Attachment) {
        self.core.parts()
    }

    pub(crate) fn shared_attachment(&self) -> &Arc<Attachment> {
        self.core.attachment()
    }

    /// Where this half sleeps.
    pub(crate) fn berth(&self) -> Option<Berth> {
        self.berth.clone()
    }

    pub(crate) fn attachment(&self) -> &Attachment {
        self.core.attachment()
    }

    /// The role this end has.
    #[must_use]
    pub fn role(&self) -> Role {
        self.attachment().role()
    }

    /// The format of the region.
    #[must_use]
    pub fn format(&self) -> Format {
        self.attachment().format()
    }

    /// Where this end is.
    #[must_use]
    pub fn local_addr(&self) -> LinkAddr {
        LinkAddr::new(self.attachment().path(), self.role())
    }

    /// Where the other end is.
    #[must_use]
    pub fn peer_addr(&self) -> LinkAddr {
        LinkAddr::new(self.attachment().path(), self.role().peer())
    }

    /// How long calls without a timeout of their own wait; `None` is for ever.
    ///
    /// # Errors
    /// `InvalidInput` for a timeout of zero, as in [`std::net::TcpStream`].
    pub fn set_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a timeout of zero: give a longer one, or use the try_ calls",
            ));
        }
        self.timeout = timeout;
        Ok(())
    }

    /// How long calls without a timeout of their own wait.
    #[must_use]
    pub const fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// Whether the region's file was made shorter and this end has come upon that: what was read
    /// since may be zeros, and no call works any more. Only with
    /// [`LinkOptions::guard_truncation`](crate::LinkOptions::guard_truncation).
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.attachment().is_cut()
    }

    /// What calls do while they wait.
    #[must_use]
    pub const fn wait_policy(&self) -> Policy {
        self.waiter.policy()
    }

    /// What calls do while they wait, from now on.
    pub const fn set_wait_policy(&mut self, policy: Policy) {
        self.waiter.set_policy(policy);
    }

    /// How long a call that sleeps does so before it looks for the first time whether its peer lives: 10
    /// ms, unless set here. Then it looks less and less often, at least four times a second, or as
    /// rarely as the first time. At least once, these looks are also what finds messages in doubt that another receiver of
    /// a shared side has left to this one: nobody wakes it for them.
    pub const fn set_first_look(&mut self, after: Duration) {
        self.waiter.set_first(after);
    }

    /// How often calls of this half waited, and how that ended.
    #[must_use]
    pub const fn wait_stats(&self) -> WaitStats {
        self.waiter.stats()
    }

    /// A way to wait for this half, for the calls of [`hqq_core`] that want one, such as those of
    /// what `trusted` gives.
    #[must_use]
    pub fn waiter(&self, policy: Policy) -> Waiter {
        let attachment = Arc::clone(self.core.attachment());
        Waiter::new([self.berth.clone(), None], attachment, policy)
    }

    /// The descriptor that is readable while there may be something for this half; see
    /// [`Readiness`]. The first call starts a helper thread, which ends with the half.
    ///
    /// # Errors
    /// Where the system gives no descriptor or no thread.
    pub fn readiness(&mut self) -> io::Result<Readiness> {
        if let Some(ready) = &self.ready {
            return Ok(ready.readiness());
        }
        let ready = Ready::new(self.berth.clone(), Arc::clone(self.core.attachment()))?;
        Ok(self.ready.insert(ready).readiness())
    }

    /// How long calls without a timeout of their own wait.
    pub(super) const fn limit(&self) -> Limit {
        Limit::within(self.timeout)
    }

    /// The half itself, a way for it to wait, and what it is attached to.
    pub(super) fn watched(&mut self, limit: Limit) -> (&mut T, Watch<'_>, &Attachment) {
        let (core, attachment) = self.core.parts();
        self.waiter.limit(limit);
        (core, Watch::new(&mut self.waiter, attachment), attachment)
    }

    /// Repeats `check` until it gives a value or the time is up, asleep in between where this half
    /// is woken by what it checks.
    pub(super) fn wait_for<R>(
        &self,
        timeout: Option<Duration>,
        check: impl FnMut() -> Option<R>,
    ) -> Option<R> {
        let mut waiter = self.waiter(self.waiter.policy());
        waiter.limit(Limit::within(timeout));
        waiter.wait_for(check)
    }

    /// Waits until `check` holds; `false` where it did not in time, or this half has no region any more.
    pub(super) fn wait_until(&self, timeout: Option<Duration>, check: impl Fn() -> bool) -> bool {
        let met = self.wait_for(timeout, || {
            let holds = check();
            let is_over = self.attachment().is_forked() || self.is_truncated();
            (holds || is_over).then_some(!is_over)
        });
        met.unwrap_or(false)
    }

    /// A call that does not wait: `look`, and where that finds nothing and an event loop waits for this
    /// half, once more after the descriptor was made unreadable. Where members of this side have died and
    /// left something, `inherit` makes some of that this half's, and says whether it could.
    #[inline]
    pub(super) fn attempt<R, E: Nothing>(
        &mut self,
        mut look: impl FnMut(&mut T) -> Result<R, E>,
        inherit: impl FnOnce(&mut T, &Attachment) -> bool,
    ) -> Result<R, E> {
        match look(&mut self.core) {
            Err(error) if error.is_nothing() => match &self.ready {
                None => Err(error),
                Some(ready) => {
                    let (core, attachment) = self.core.parts();
                    look_again(ready, core, attachment, look, inherit)
                }
            },
            result => result,
        }
    }

    /// What an event loop waits on for this half, if one does.
    pub(super) const fn ready(&self) -> Option<&Ready> {
        self.ready.as_ref()
    }

    /// The half itself, what it is attached to, and what an event loop waits on for it, if one does.
    pub(super) fn parts(&mut self) -> (&mut T, &Attachment, Option<&Ready>) {
        let (core, attachment) = self.core.parts();
        (core, attachment, self.ready.as_ref())
    }
}

/// What says that a half found nothing to do: its descriptor is unreadable after that.
pub(super) trait Nothing {
    fn is_nothing(&self) -> bool;
}

impl Nothing for TryRecvError {
    fn is_nothing(&self) -> bool {
        *self == Self::Empty
    }
}

impl Nothing for TrySendError {
    fn is_nothing(&self) -> bool {
        *self == Self::Full
    }
}

/// The second look, for an event loop; see [`Half::attempt`].
#[cold]
#[inline(never)]
fn look_again<T, R, E: Nothing>(
    ready: &Ready,
    core: &mut T,
    attachment: &Attachment,
    mut look: impl FnMut(&mut T) -> Result<R, E>,
    inherit: impl FnOnce(&mut T, &Attachment) -> bool,
) -> Result<R, E> {
    ready.rearm();
    let is_nothing = |result: &Result<R, E>| matches!(result, Err(error) if error.is_nothing());
    let mut result = look(core);
    if is_nothing(&result) && ready.inherits(|| inherit(core, attachment)) {
        result = look(core);
    }
    if !is_nothing(&result) {
        // There may be more, of which nobody tells: who published it found no flag up, or the news of it has
        // just been taken out of the descriptor.
        ready.stay_readable();
    }
    result
}

// No `DerefMut`: what is kept could be exchanged for what another region keeps.
impl<T> Deref for Half<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.core
    }
}
