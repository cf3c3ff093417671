//! Taking a free role of a region, and a free member of it (PROTOCOL.md A1).

#![allow(unsafe_code, reason = "ties regions to the mappings they lie in")]

use std::io;
use std::sync::Arc;

use hqq_core::link::AttachOptions;
use hqq_core::repair::Repairer;
use hqq_core::side::{SideError, SideState};
use hqq_core::{AttachError, Format, Layout, Member, Mode, Presence, Region, Role};

use super::{Attachment, SideByte, member_byte};
use crate::error::OpenError;
use crate::life::{self, Life};
use crate::prepare::{Ready, unusable};
use crate::sys::{self, ByteLocks, LockKind};
use crate::trace::event;

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
    /// How the region is laid out.
    pub(crate) const fn layout(&self) -> Option<&Layout> {
        self.options.layout()
    }

    /// Takes the bytes of a free role and of a free member of it.
    pub(crate) fn claim(ready: Ready, roles: &[Role], mode: Mode) -> Result<Self, OpenError> {
        let Ready {
            path,
            locks,
            mapping,
            identity,
            initialised: _,
        } = ready;
        // SAFETY: the mapping moves into the attachment; the invariant of `Endpoint` keeps that
        // alive for as long as anything made from the region.
        let region = unsafe { mapping.region() }.map_err(unusable(&path))?;
        let of_io = |error| OpenError::of_io(path.clone(), "lock", error);
        let format = identity.layout.format();
        let mut refused = None;
        let repairer = Repairer::new(&region, &identity);
        if let Some(repairer) = &repairer {
            // Before it is looked who is there: ATTACH is held, and no other byte.
            let repaired = life::repair(&locks, repairer, None);
            life::wake(repairer, &repaired);
            if repaired.has_changed() {
                event!(DEBUG, path = %path.display(), ?repaired, "repaired");
            }
        }
        for role in roles.iter().copied() {
            if format == Format::V1 {
                share_role(&locks, role).map_err(of_io)?;
                let options = AttachOptions::new(role).identity(identity);
                return Ok(Self {
                    attachment: Attachment::new(path, role, format, locks, None, mapping),
                    region,
                    options,
                });
            }
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
            let life = repairer.map(|repairer| Life::new(repairer, role, member));
            let options = AttachOptions::new(role)
                .identity(identity)
                .member(member)
                .pid(std::process::id())
                .presence(sending, receiving);
            let options = match sys::wake_hook() {
                Some(hook) => options.wake_hook(hook),
                None => options,
            };
            return Ok(Self {
                attachment: Attachment::new(path, role, format, locks, life, mapping),
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
    let mut presences = [Presence::Recorded; 2];
    for (consumer, presence) in [false, true].into_iter().zip(&mut presences) {
        let SideByte(byte) = SideByte::new(role, consumer);
        let status = hqq_core::side::status(region, role, consumer);
        let taken = if ByteLocks::TELL_LIFE {
            // Who gets it alone is alone, and may then share it.
            let alone = locks.try_lock(byte, LockKind::Write)?;
            *presence = if alone {
                Presence::Alone
            } else {
                Presence::Others
            };
            match mode {
                Mode::Exclusive => alone,
                Mode::Shared => locks.try_lock(byte, LockKind::Read)?,
            }
        } else {
            status.state() != SideState::Open
                || (mode, status.mode()) == (Mode::Shared, Some(Mode::Shared))
        };
        if !taken {
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

/// Shares both side bytes of a role, for people to see who is there: in format 1 nothing hangs on
/// them.
fn share_role(locks: &ByteLocks, role: Role) -> io::Result<()> {
    for consumer in [false, true] {
        locks.try_lock(SideByte::new(role, consumer).0, LockKind::Read)?;
    }
    Ok(())
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
