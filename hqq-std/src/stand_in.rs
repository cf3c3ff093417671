//! Locks in the name of a peer that has none: a guest or a device, which no kernel here knows.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use hqq_core::{Member, Role};

use crate::attach::{SideByte, lock, member_byte};
use crate::error::OpenError;
use crate::name::RegionName;
use crate::sys::{self, ByteLocks, LockKind};
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
    locks: ByteLocks,
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
        Self::take(sys::open_named(name.as_str()), path, role)
    }

    /// As [`StandIn::for_role`], of the region in a file.
    ///
    /// # Errors
    /// As there.
    pub fn for_role_in(path: impl AsRef<Path>, role: Role) -> Result<Self, OpenError> {
        let path = path.as_ref();
        Self::take(sys::open_path(path), path.to_owned(), role)
    }

    fn take(file: io::Result<std::fs::File>, path: PathBuf, role: Role) -> Result<Self, OpenError> {
        const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);
        let file = file.map_err(|error| OpenError::of_io(path.clone(), "open", error))?;
        let locks = ByteLocks::new(file);
        let of_io = |error| OpenError::of_io(path.clone(), "lock", error);
        if !lock(&locks, Backoff::within(Some(PATIENCE))).map_err(of_io)? {
            let waited = PATIENCE;
            return Err(OpenError::Busy { path, waited });
        }
        let bytes = [
            SideByte::new(role, false).offset(),
            SideByte::new(role, true).offset(),
            member_byte(role, Member::FIRST),
        ];
        for byte in bytes {
            if !locks.try_lock(byte, LockKind::Write).map_err(of_io)? {
                return Err(OpenError::RolesTaken { path });
            }
        }
        crate::attach::unlock(&locks).map_err(of_io)?;
        Ok(Self { locks, role })
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
        self.locks.file().as_fd()
    }
}

impl From<StandIn> for OwnedFd {
    fn from(stand_in: StandIn) -> Self {
        stand_in.locks.into_file().into()
    }
}

impl From<StandIn> for Stdio {
    fn from(stand_in: StandIn) -> Self {
        OwnedFd::from(stand_in).into()
    }
}
