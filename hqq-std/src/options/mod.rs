//! Which region to use, how to make it, and which role to take in it.

mod access;
mod open;
mod place;

use std::time::Duration;

use hqq_core::{Delivery, Format, Role};

use crate::mapping::MapOptions;
use crate::wait::Policy;

pub use access::{Access, Exclusive, Shared};
pub use open::pair;

/// Buffers in each direction, unless asked otherwise.
pub const DEFAULT_COUNT: usize = 64;
/// Bytes in a buffer, unless asked otherwise.
pub const DEFAULT_SIZE: usize = 16384;
/// Permission bits of a new region, unless asked otherwise.
pub const DEFAULT_MODE: u32 = 0o600;

/// Options for creating and opening regions, in the manner of [`std::fs::OpenOptions`].
///
/// ```
/// use hqq_std::LinkOptions;
/// # let name = format!("hqq-doc-options-{}", std::process::id());
/// let mut near = LinkOptions::new().count(16).size(256).create(&name)?;
/// let mut far = LinkOptions::new().open(&name)?;
/// hqq_std::unlink(&name)?; // both keep working
/// near.send(b"hello")?;
/// let mut message = [0; 256];
/// assert_eq!(far.recv(&mut message)?, 5);
/// # Ok::<(), hqq_std::Error>(())
/// ```
#[derive(Debug)]
pub struct LinkOptions<A = Exclusive> {
    format: Option<Format>,
    count: Option<usize>,
    size: Option<usize>,
    permissions: u32,
    owner: Option<u32>,
    any_owner: bool,
    role: Option<Role>,
    delivery: Delivery,
    map: MapOptions,
    huge_pages: bool,
    patience: Duration,
    wait_policy: Policy,
    access: std::marker::PhantomData<A>,
}

impl<A> Clone for LinkOptions<A> {
    fn clone(&self) -> Self {
        self.with_access()
    }
}

impl Default for LinkOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl LinkOptions {
    /// 64 buffers of 16 KiB in each direction, for this user only, whichever role is free.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            format: None,
            count: None,
            size: None,
            permissions: DEFAULT_MODE,
            owner: None,
            any_owner: false,
            role: None,
            delivery: Delivery::AtMostOnce,
            map: MapOptions {
                prefault: false,
                guard: false,
            },
            huge_pages: false,
            patience: Duration::from_secs(5),
            wait_policy: Policy::Adaptive,
            access: std::marker::PhantomData,
        }
    }

    /// For a [`SharedLink`](crate::SharedLink), which many threads use at once, beside other processes on its side.
    #[must_use]
    pub fn shared(&self) -> LinkOptions<Shared> {
        self.with_access()
    }
}

impl<A> LinkOptions<A> {
    fn with_access<B>(&self) -> LinkOptions<B> {
        LinkOptions {
            format: self.format,
            count: self.count,
            size: self.size,
            permissions: self.permissions,
            owner: self.owner,
            any_owner: self.any_owner,
            role: self.role,
            delivery: self.delivery,
            map: self.map,
            huge_pages: self.huge_pages,
            patience: self.patience,
            wait_policy: self.wait_policy,
            access: std::marker::PhantomData,
        }
    }

    /// The format of a region that is created; without this, format 2. Opening a region of another
    /// format is an error; without this any is accepted, and told from its magic.
    ///
    /// [`Format::V1`] is for sharing a region with HQQ-Go 1.0 processes. What such a region has not:
    ///
    /// - empty messages: sending one is an error;
    /// - end-of-file: a peer that leaves or dies is not noticed, [`Receiver::recv`] goes on waiting.
    ///   Give timeouts;
    /// - wakeups: waiting is polling, a millisecond apart once nothing came for a while;
    /// - sides of one's own: any number of processes, HQQ-Go ones too, may share a role, with
    ///   [`StandardLink`](crate::StandardLink) as well as with [`SharedLink`](crate::SharedLink). Whoever creates the
    ///   region is primary and everybody who opens it secondary, unless [`LinkOptions::role`] says
    ///   otherwise;
    /// - repair: a process that dies between claiming a slot and publishing or releasing it blocks
    ///   its ring for good.
    ///
    /// [`Receiver::recv`]: crate::Receiver::recv
    #[must_use]
    pub const fn format(mut self, format: Format) -> Self {
        self.format = Some(format);
        self
    }

    /// Buffers in each direction, a power of two from 2 to 16384 (2^20 in format 1). Opening a region that has
    /// another number is an error; without this any is accepted.
    #[must_use]
    pub const fn count(mut self, buffers: usize) -> Self {
        self.count = Some(buffers);
        self
    }

    /// Bytes in a buffer, a multiple of 8: the longest message. As for [`LinkOptions::count`].
    #[must_use]
    pub const fn size(mut self, bytes: usize) -> Self {
        self.size = Some(bytes);
        self
    }

    /// Permission bits of a region that is created, such as `0o660`; the umask does not apply.
    #[must_use]
    pub const fn permissions(mut self, mode: u32) -> Self {
        self.permissions = mode;
        self
    }

    /// The user that a region which is opened must belong to; without this, the user this process
    /// acts as.
    #[must_use]
    pub const fn owner(mut self, user: u32) -> Self {
        self.owner = Some(user);
        self
    }

    /// Opens regions of any user.
    #[must_use]
    pub const fn any_owner(mut self) -> Self {
        self.any_owner = true;
        self
    }

    /// What calls of the link do while they wait; without this, [`Policy::Adaptive`].
    #[must_use]
    pub const fn wait_policy(mut self, policy: Policy) -> Self {
        self.wait_policy = policy;
        self
    }

    /// The role to take; without this, the one that is free, primary first. In format 1, where that
    /// cannot be told: primary when creating, secondary when opening.
    #[must_use]
    pub const fn role(mut self, role: Role) -> Self {
        self.role = Some(role);
        self
    }

    /// What a region that is created does with messages whose reader died.
    #[must_use]
    pub const fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// Touches every page when mapping, so that no message pays for a page fault.
    #[must_use]
    pub const fn prefault(mut self, prefault: bool) -> Self {
        self.map.prefault = prefault;
        self
    }

    /// Bears that somebody makes the region's file shorter while it is in use, which anybody can who
    /// may write it: without this, touching what is gone ends the process with a SIGBUS. With it, calls
    /// fail with `Truncated` from then on (those that do not wait, with `Corrupt` at position 0), and
    /// the link is of no more use. An [`AdvancedLink`](crate::AdvancedLink) fails with its next packet, and the message that
    /// was arriving may have ended in zeros.
    ///
    /// For this a handler of SIGBUS is installed in the process, once, which hands on what it is not
    /// for to the one that was there before; one that is installed later must do the same. Messages
    /// that were read in place may have ended in zeros: ask [`Half::is_truncated`] after reading them.
    /// Regions without a name need none of this: nobody can change their length.
    ///
    /// Linux only: elsewhere opening fails with [`OpenError::Io`](crate::OpenError::Io).
    ///
    /// [`Half::is_truncated`]: crate::link::Half::is_truncated
    #[must_use]
    pub const fn guard_truncation(mut self, guard: bool) -> Self {
        self.map.guard = guard;
        self
    }

    /// Asks for huge pages, where the system has them; opening fails where it refuses.
    #[must_use]
    pub const fn huge_pages(mut self, huge_pages: bool) -> Self {
        self.huge_pages = huge_pages;
        self
    }

    /// How long to wait for another process that is setting the region up; without this, five seconds. Before that,
    /// forks of this process that are under way are waited for, five seconds at most.
    #[must_use]
    pub const fn attach_timeout(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}
