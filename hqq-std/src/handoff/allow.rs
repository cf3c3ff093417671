//! Who is at the other end of a socket, and whether it is let in.

use std::fmt;
use std::sync::Arc;

/// Who a process was when it connected or began to listen, by the kernel's word (`SO_PEERCRED`).
///
/// A process that changes its user later, or hands its socket on, is not noticed: they are those of
/// the process that opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credentials {
    /// Its effective user.
    pub user: u32,
    /// Its effective group.
    pub group: u32,
    /// Its process id, for people to read; 0 where it runs in another name space of processes. Ids
    /// are used again: decide nothing by it.
    pub pid: u32,
}

impl Credentials {
    pub(super) const fn new(user: u32, group: u32, pid: u32) -> Self {
        Self { user, group, pid }
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, group, pid } = self;
        write!(f, "user {user}, group {group}, process {pid}")
    }
}

type Judge = dyn Fn(&Credentials) -> bool + Send + Sync;

/// Which peers are let in: those for whom one of its rules holds.
///
/// ```
/// use hqq_std::handoff::Allow;
/// let staff = Allow::nobody().user(1000).group(50);
/// let by_own_rule = Allow::nobody().when(|peer| peer.user >= 1000 && peer.group != 65534);
/// ```
#[derive(Clone)]
pub struct Allow {
    users: Vec<u32>,
    groups: Vec<u32>,
    judges: Vec<Arc<Judge>>,
}

impl Allow {
    /// Nobody, until a rule is added.
    #[must_use]
    pub const fn nobody() -> Self {
        Self {
            users: Vec::new(),
            groups: Vec::new(),
            judges: Vec::new(),
        }
    }

    /// Processes of the user this one acts as.
    #[must_use]
    pub fn same_user() -> Self {
        Self::nobody().user(crate::sys::effective_user())
    }

    /// And processes of this user.
    #[must_use]
    pub fn user(mut self, user: u32) -> Self {
        self.users.push(user);
        self
    }

    /// And processes whose effective group is this one; groups that a user has besides do not count.
    #[must_use]
    pub fn group(mut self, group: u32) -> Self {
        self.groups.push(group);
        self
    }

    /// And processes for which `judge` says so.
    #[must_use]
    pub fn when(mut self, judge: impl Fn(&Credentials) -> bool + Send + Sync + 'static) -> Self {
        self.judges.push(Arc::new(judge));
        self
    }

    /// Whether it lets a peer in.
    #[must_use]
    pub fn lets_in(&self, peer: &Credentials) -> bool {
        self.users.contains(&peer.user)
            || self.groups.contains(&peer.group)
            || self.judges.iter().any(|judge| judge(peer))
    }
}

impl fmt::Debug for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Allow")
            .field("users", &self.users)
            .field("groups", &self.groups)
            .field("judges", &self.judges.len())
            .finish()
    }
}
