//! Locks in the name of a peer that has none: a guest or a device, which no kernel here knows.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use hqq_core::{Member, Role};

use crate::attach::{SideByte, lock, member_byte};
use crate::error::OpenError;
use crate::name::RegionName;
use crate::own_locks::OwnLocks;
use crate::sys::{self, LockKind};
use crate::wait::Backoff;

/// Holds the lock bytes of a role for a peer that cannot take them itself: a virtual machine's
/// guest, firmware on another core. As long as it exists, hqq-std's endpoints take that peer for
/// alive, and nobody else takes its role; the peer attaches through `hqq-core` as the role's first
/// member ([`Presence::Alone`](hqq_core::Presence::Alone)).
///
/// Make the region, take this, start the peer. Hand this to the process that runs the peer, as its
/// standard input (or as a descriptor that it inherits): then the kernel tells everybody when that
/// process ends, however it does.
///
/// A peer that has attached before this is taken is alive from now on, as firmware that was booted earlier. So is one that has died, as
/// nothing tells the two apart: where this follows another one whose peer may have died, have that recorded first
/// ([`Caretaker::repair`](crate::repair::Caretaker::repair)). Else whoever waits for the old peer waits for the next one.
///
/// The peer has to take its role as [the rules](hqq_core::Link::attach) say: nobody else of its
/// role attaches meanwhile, which this makes sure of.
///
/// ```no_run
/// use hqq_core::Role;
/// use hqq_std::{LinkOptions, StandIn};
/// use std::process::Command;
/// let mut link = LinkOptions::new().role(Role::Primary).create_or_open("guest")?;
/// let stand_in = StandIn::for_role("guest", Role::Secondary)?;
/// let vm = Command::new("qemu-system-x86_64").stdin(stand_in).spawn()?;
/// link.send(b"is anybody there?")?;
/// # let _ = vm;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct StandIn {
    /// Its description has the locks.
    file: File,
    role: Role,
}

impl StandIn {
    /// For the peer that has `role` of a named region.
    ///
    /// # Errors
    /// [`OpenError::RolesTaken`] where a process has the role, [`OpenError`].
    pub fn for_role(name: &str, role: Role) -> Result<Self, OpenError> {
        let name = RegionName::new(name)?;
        let path = name.path();
        Self::take(&|| sys::open_named(name.as_str()), path, role)
    }

    /// As [`StandIn::for_role`], of the region in a file.
    ///
    /// # Errors
    /// As there.
    pub fn for_role_in(path: impl AsRef<Path>, role: Role) -> Result<Self, OpenError> {
        let path = path.as_ref();
        Self::take(&|| sys::open_path(path), path.to_owned(), role)
    }

    fn take(
        open: &dyn Fn() -> io::Result<File>,
        path: PathBuf,
        role: Role,
    ) -> Result<Self, OpenError> {
        const PATIENCE: Duration = Duration::from_secs(5);
        let of_io = |action| {
            let path = path.clone();
            move |error| OpenError::of_io(path, action, error)
        };
        // Until all of them are taken, children have none: whatever is not to be kept is free once this has failed.
        let locks = OwnLocks::new(&path, &mut |_| open().map_err(of_io("open")))?;
        if !lock(&locks, Backoff::within(Some(PATIENCE))).map_err(of_io("lock"))? {
            let waited = PATIENCE;
            return Err(OpenError::Busy { path, waited });
        }
        let bytes = [
            SideByte::new(role, false).offset(),
            SideByte::new(role, true).offset(),
            member_byte(role, Member::FIRST),
        ];
        for byte in bytes {
            if !locks
                .try_lock(byte, LockKind::Write)
                .map_err(of_io("lock"))?
            {
                return Err(OpenError::RolesTaken { path });
            }
        }
        crate::attach::unlock(&locks).map_err(of_io("unlock"))?;
        let file = locks.give().map_err(of_io("keep"))?;
        Ok(Self { file, role })
    }

    /// The role that is held.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }
}

impl AsFd for StandIn {
    /// The description that holds the locks: they last as long as a descriptor of it exists
    /// anywhere.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl From<StandIn> for OwnedFd {
    fn from(stand_in: StandIn) -> Self {
        stand_in.file.into()
    }
}

impl From<StandIn> for Stdio {
    fn from(stand_in: StandIn) -> Self {
        OwnedFd::from(stand_in).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attach::ATTACH;
    use crate::fork::Child;
    use crate::sys::ByteLocks;

    /// The role is another's, which is found out once the lock is had under which all others attach.
    #[test]
    fn a_child_that_is_forked_while_a_role_is_refused_keeps_no_lock() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let other = ByteLocks::new(file.reopen().unwrap());
        let lock = |byte| other.try_lock(byte, LockKind::Write).unwrap();
        assert!(lock(ATTACH) && lock(SideByte::new(Role::Primary, true).offset()));
        let descriptors = || {
            // They come and go meanwhile.
            let all = std::fs::read_dir("/proc/self/fd").unwrap();
            all.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
                .filter(|target| target == file.path())
                .count()
        };
        let before = descriptors();
        std::thread::scope(|scope| {
            let refused = scope.spawn(|| StandIn::for_role_in(file.path(), Role::Primary));
            while descriptors() == before && !refused.is_finished() {
                std::thread::yield_now();
            }
            let _child = Child::fork();
            other.unlock(ATTACH).unwrap();
            let refused = refused.join().unwrap();
            assert!(
                matches!(refused, Err(OpenError::RolesTaken { .. })),
                "{refused:?}"
            );
            assert_eq!(other.holder(ATTACH).unwrap(), None);
        });
    }
}
