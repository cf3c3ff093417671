//! Taking and leaving a role of a region's file, one process at a time (PROTOCOL.md A1 and C1).

#![allow(unsafe_code, reason = "ties regions to the mappings they lie in")]

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hqq_core::link::AttachOptions;
use hqq_core::side::SideError;
use hqq_core::{
    AttachError, FormatError, Identity, InitOptions, Layout, Member, Mode, Presence, Region,
    RegionError, Role, initialise,
};

use crate::error::OpenError;
use crate::mapping::Mapping;
use crate::sys::{ByteLocks, LockKind};
use crate::wait::{Backoff, poll};

/// How long leaving waits for the ATTACH lock; a process that holds it longer is stuck, and what
/// it does to this side's records is not ours to mend.
const LEAVE: Duration = Duration::from_secs(1);

const ATTACH: i64 = 0;
const SIDES: i64 = 1;
const MEMBERS: i64 = 16;

/// The lock byte of one side of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SideByte(i64);

impl SideByte {
    pub(crate) fn new(role: Role, consumer: bool) -> Self {
        let direction = if consumer {
            role.receives()
        } else {
            role.sends()
        };
        Self(SIDES + 2 * i64::from(direction as u8) + i64::from(consumer))
    }

    pub(crate) const fn offset(self) -> i64 {
        self.0
    }
}

/// The lock byte of a member.
pub(crate) fn member_byte(role: Role, member: Member) -> i64 {
    MEMBERS + 256 * i64::from(role == Role::Secondary) + i64::from(member.get())
}

/// What an endpoint holds of a region's file: its own description, its locks, its memory.
pub(crate) struct Attachment {
    path: PathBuf,
    role: Role,
    locks: ByteLocks,
    /// Threads share the description, and so its locks; this keeps them apart.
    leaving: Mutex<()>,
    _mapping: Mapping,
}

impl Attachment {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) const fn role(&self) -> Role {
        self.role
    }

    /// A descriptor of the region's file with a description of its own.
    pub(crate) fn reopen(&self) -> io::Result<OwnedFd> {
        Ok(crate::sys::reopen(self.locks.file())?.into())
    }

    /// Frees ATTACH: the endpoint is made.
    pub(crate) fn attached(&self) -> Result<(), OpenError> {
        self.locks
            .unlock(ATTACH)
            .map_err(|error| OpenError::of_io(self.path.clone(), "unlock", error))
    }

    /// Holds ATTACH until the result is dropped, which also gives the side's byte free.
    pub(crate) fn leave(&self, side: SideByte) -> Leaving<'_> {
        let guard = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        let locked = lock(&self.locks, Backoff::within(Some(LEAVE))).unwrap_or(false);
        Leaving {
            attachment: self,
            side,
            locked,
            _guard: guard,
        }
    }
}

/// A member that is leaving a side.
pub(crate) struct Leaving<'a> {
    attachment: &'a Attachment,
    side: SideByte,
    locked: bool,
    _guard: MutexGuard<'a, ()>,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        // Nothing can be done about a failure; closing the description frees all of them.
        let _ = self.attachment.locks.unlock(self.side.0);
        if self.locked {
            let _ = self.attachment.locks.unlock(ATTACH);
        }
    }
}

/// Takes ATTACH; `false` where others kept it until `backoff` gave up.
fn lock(locks: &ByteLocks, backoff: Backoff) -> io::Result<bool> {
    poll(backoff, || match locks.try_lock(ATTACH, LockKind::Write) {
        Ok(false) => None,
        settled => Some(settled),
    })
    .unwrap_or(Ok(false))
}

/// What the options ask of a region.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Buffers, where the caller said how many.
    pub(crate) count: Option<usize>,
    /// Bytes a buffer, where the caller said how many.
    pub(crate) size: Option<usize>,
    /// How to initialise a region that is not ready, where that is allowed.
    pub(crate) initialise: Option<(Layout, InitOptions)>,
    pub(crate) prefault: bool,
    pub(crate) huge_pages: bool,
    pub(crate) patience: Duration,
}

/// A region's file with ATTACH held, ready to use. Dropping it frees the locks.
pub(crate) struct Ready {
    path: PathBuf,
    locks: ByteLocks,
    mapping: Mapping,
    identity: Identity,
}

/// Locks, measures, maps and, where that is asked for, initialises a region's file.
pub(crate) fn prepare(file: File, path: PathBuf, request: &Request) -> Result<Ready, OpenError> {
    let started = Instant::now();
    let locks = ByteLocks::new(file);
    match lock(&locks, Backoff::within(Some(request.patience))) {
        Ok(true) => {}
        Ok(false) => {
            let waited = started.elapsed();
            return Err(OpenError::Busy { path, waited });
        }
        Err(error) => return Err(OpenError::of_io(path, "lock", error)),
    }
    let Measured { mapping, identity } = measure(&locks, &path, request)?;
    Ok(Ready {
        path,
        locks,
        mapping,
        identity,
    })
}

/// A file that turned out to be a region.
struct Measured {
    mapping: Mapping,
    identity: Identity,
}

fn measure(locks: &ByteLocks, path: &Path, request: &Request) -> Result<Measured, OpenError> {
    let file = locks.file();
    let of_io = |action| move |error| OpenError::of_io(path.to_owned(), action, error);
    let length = || {
        file.metadata()
            .map(|metadata| metadata.len())
            .map_err(of_io("measure"))
    };
    let mut found = length()?;
    if let (0, Some((layout, _))) = (found, &request.initialise) {
        let needed = layout.len() as u64;
        crate::sys::allocate(file, needed).map_err(|error| {
            // Leave it as empty as it was found.
            let _ = rustix::fs::ftruncate(file, 0);
            no_space(path, needed, error)
        })?;
        found = length()?;
    }
    let smallest = hqq_core::size_of_link(2, 8)? as u64;
    let needed = request
        .initialise
        .as_ref()
        .map_or(smallest, |(layout, _)| layout.len() as u64)
        .min(smallest);
    let truncated = |needed| OpenError::Truncated {
        path: path.to_owned(),
        found,
        needed,
    };
    let len = usize::try_from(found).map_err(|_| truncated(needed))?;
    if found < needed {
        return Err(truncated(needed));
    }
    let mapping = Mapping::new(file, len, request.prefault).map_err(of_io("map"))?;
    if request.huge_pages {
        mapping
            .advise_huge_pages()
            .map_err(of_io("get huge pages for"))?;
    }
    // SAFETY: the region is dropped at the end of this function, before the mapping moves out.
    let region = unsafe { mapping.region() }.map_err(unusable(path))?;
    let identity = match (Identity::read(&region), &request.initialise) {
        (Ok(identity), _) => identity,
        (
            Err(error @ (FormatError::Empty | FormatError::Initialising)),
            Some((layout, options)),
        ) => {
            if found < layout.len() as u64 {
                return Err(truncated(layout.len() as u64));
            }
            // ATTACH is held, so whoever began to initialise a region of format 2 is dead; but an
            // HQQ-Go process, which does not know that lock, may be taking an empty one.
            if error == FormatError::Empty && !hqq_core::try_claim(&region) {
                return Err(OpenError::attach(path, FormatError::Initialising));
            }
            initialise(&region, layout, options).map_err(|error| OpenError::attach(path, error))?;
            Identity::read(&region).map_err(|error| OpenError::attach(path, error))?
        }
        (Err(FormatError::Truncated { needed, .. }), _) => return Err(truncated(needed)),
        (Err(error), _) => return Err(OpenError::attach(path, error)),
    };
    let (count, size) = (identity.layout.count(), identity.layout.size());
    if let Some(expected) = request.count.filter(|expected| *expected != count) {
        return Err(OpenError::attach(
            path,
            AttachError::Count {
                expected,
                found: count,
            },
        ));
    }
    if let Some(expected) = request.size.filter(|expected| *expected != size) {
        return Err(OpenError::attach(
            path,
            AttachError::Size {
                expected,
                found: size,
            },
        ));
    }
    Ok(Measured { mapping, identity })
}

pub(crate) fn no_space(path: &Path, needed: u64, error: io::Error) -> OpenError {
    use rustix::io::Errno;
    match Errno::from_io_error(&error) {
        Some(Errno::NOSPC | Errno::FBIG | Errno::DQUOT) => OpenError::NoSpace {
            path: path.to_owned(),
            needed,
        },
        _ => OpenError::of_io(path.to_owned(), "allocate", error),
    }
}

fn unusable(path: &Path) -> impl FnOnce(RegionError) -> OpenError {
    move |error| OpenError::Io {
        path: path.to_owned(),
        action: "use",
        error: io::Error::new(io::ErrorKind::InvalidData, error),
    }
}

/// An endpoint's attachment with ATTACH still held, and what to make its link from.
///
/// # Invariants
/// Whatever is made from `region` is kept together with `attachment` (see `Kept`).
pub(crate) struct Endpoint {
    pub(crate) attachment: Arc<Attachment>,
    pub(crate) region: Region,
    pub(crate) options: AttachOptions,
}

impl Endpoint {
    /// Takes the bytes of a free role and of a free member of it.
    pub(crate) fn claim(ready: Ready, roles: &[Role], mode: Mode) -> Result<Self, OpenError> {
        let Ready {
            path,
            locks,
            mapping,
            identity,
        } = ready;
        // SAFETY: the mapping moves into the attachment; the invariant of `Endpoint` keeps that
        // alive for as long as anything made from the region.
        let region = unsafe { mapping.region() }.map_err(unusable(&path))?;
        let of_io = |error| OpenError::of_io(path.clone(), "lock", error);
        let mut refused = None;
        for role in roles.iter().copied() {
            let taken = match take_role(&locks, &region, role, mode).map_err(of_io)? {
                Ok(taken) => taken,
                Err(error) => {
                    refused = Some(AttachError::Side { role, error });
                    continue;
                }
            };
            let members = identity.layout.members();
            let Some(member) = take_member(&locks, role, members).map_err(of_io)? else {
                return Err(OpenError::MembersTaken { path, members });
            };
            let [sending, receiving] = taken;
            let options = AttachOptions::new(role)
                .member(member)
                .pid(std::process::id())
                .presence(sending, receiving);
            let attachment = Arc::new(Attachment {
                path,
                role,
                locks,
                leaving: Mutex::new(()),
                _mapping: mapping,
            });
            return Ok(Self {
                attachment,
                region,
                options,
            });
        }
        match refused {
            Some(error) if roles.len() == 1 => Err(OpenError::attach(&path, error)),
            _ => Err(OpenError::RolesTaken { path }),
        }
    }
}

/// Takes both side bytes of a role, or none and says which side is in use how.
fn take_role(
    locks: &ByteLocks,
    region: &Region,
    role: Role,
    mode: Mode,
) -> io::Result<Result<[Presence; 2], SideError>> {
    let kind = match mode {
        Mode::Exclusive => LockKind::Write,
        Mode::Shared => LockKind::Read,
    };
    let mut presences = [Presence::Recorded; 2];
    for (consumer, presence) in [false, true].into_iter().zip(&mut presences) {
        let SideByte(byte) = SideByte::new(role, consumer);
        let status = hqq_core::side::status(region, role, consumer);
        let blocked = if ByteLocks::TELL_LIFE {
            *presence = match locks.holder(byte)? {
                Some(_) => Presence::Others,
                None => Presence::Alone,
            };
            !locks.try_lock(byte, kind)?
        } else {
            status.state() == hqq_core::side::SideState::Open
                && (mode == Mode::Exclusive || status.mode() != Some(Mode::Shared))
        };
        if blocked {
            if consumer {
                locks.unlock(SideByte::new(role, false).0)?;
            }
            return Ok(Err(SideError::Mode {
                direction: if consumer {
                    role.receives()
                } else {
                    role.sends()
                },
                wanted: mode,
                found: status.mode(),
            }));
        }
    }
    Ok(Ok(presences))
}

/// Takes the byte of the first member of the role that is free.
fn take_member(locks: &ByteLocks, role: Role, members: usize) -> io::Result<Option<Member>> {
    for member in (1..=u8::MAX).filter_map(Member::new).take(members) {
        if locks.try_lock(member_byte(role, member), LockKind::Write)? {
            return Ok(Some(member));
        }
    }
    Ok(None)
}
