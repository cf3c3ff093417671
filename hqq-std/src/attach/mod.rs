//! What an endpoint holds of a region's file, and leaving it, one process at a time (PROTOCOL.md A1 and C1).

mod claim;

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use hqq_core::packet::Packet;
use hqq_core::repair::Repaired;
use hqq_core::ring::{Consumer, Obstacle, Producer};
use hqq_core::{AttachError, Format, Member, Receiver, Role, Sender};

use crate::error::OpenError;
use crate::fork::{Generation, notice_child};
use crate::life::Life;
use crate::lookout::Lookout;
use crate::mapping::Mapping;
use crate::own_locks::OwnLocks;
use crate::sys::{self, ByteLocks, LockKind};
use crate::trace::event;
use crate::wait::{Backoff, poll};

pub(crate) use claim::Endpoint;

/// How long leaving waits for the ATTACH lock; a process that holds it longer is stuck, and what
/// it does to this side's records is not ours to mend.
const LEAVE: Duration = Duration::from_secs(1);

pub(crate) const ATTACH: i32 = 0;
const SIDES: i32 = 1;
const MEMBERS: i32 = 16;

/// The lock byte of one side of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SideByte(i32);

impl SideByte {
    pub(crate) fn new(role: Role, consumer: bool) -> Self {
        let direction = if consumer {
            role.receives()
        } else {
            role.sends()
        };
        Self(SIDES + 2 * i32::from(direction as u8) + i32::from(consumer))
    }

    pub(crate) const fn offset(self) -> i32 {
        self.0
    }
}

/// The lock byte of a member.
pub(crate) fn member_byte(role: Role, member: Member) -> i32 {
    MEMBERS + 256 * i32::from(role == Role::Secondary) + i32::from(member.get())
}

/// What an endpoint holds of a region's file: its own description, its locks, its memory.
pub(crate) struct Attachment {
    path: PathBuf,
    role: Role,
    format: Format,
    /// Before `locks`: a forked child is not to have the one without the other.
    mapping: Mapping,
    locks: OwnLocks,
    /// Threads share the description, and so its locks; this keeps them apart.
    leaving: Mutex<()>,
    /// `None` in format 1, where nobody knows who lives.
    life: Option<Life>,
    lookout: Lookout,
    this: Weak<Self>,
    generation: Generation,
}

impl Attachment {
    fn new(
        path: PathBuf,
        role: Role,
        format: Format,
        locks: OwnLocks,
        life: Option<Life>,
        mapping: Mapping,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            path,
            role,
            format,
            locks,
            leaving: Mutex::new(()),
            life,
            lookout: Lookout::new(),
            this: Weak::clone(this),
            generation: Generation::current(),
            mapping,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) const fn role(&self) -> Role {
        self.role
    }

    pub(crate) const fn format(&self) -> Format {
        self.format
    }

    /// A descriptor of the region's file with a description of its own.
    pub(crate) fn reopen(&self) -> io::Result<OwnedFd> {
        Ok(sys::reopen(self.locks.file())?.into())
    }

    /// Whether the region's file was found to be shorter than it was; only where that is borne.
    #[inline]
    pub(crate) fn is_cut(&self) -> bool {
        self.mapping.is_cut()
    }

    /// Why no endpoint is made: what was found in a file that was made shorter meanwhile says nothing.
    pub(crate) fn refused(&self, error: AttachError) -> OpenError {
        let whole = self.mapping.check_length(self.locks.file(), &self.path);
        whole
            .err()
            .unwrap_or_else(|| OpenError::attach(&self.path, error))
    }

    /// Frees ATTACH: the endpoint is made.
    pub(crate) fn attached(&self) -> Result<(), OpenError> {
        if self.is_cut() {
            self.mapping.check_length(self.locks.file(), &self.path)?;
        }
        self.locks
            .unlock(ATTACH)
            .map_err(|error| OpenError::of_io(self.path.clone(), "unlock", error))
    }

    /// Whether this process is a child that was forked since: what it has is not the region.
    pub(crate) fn is_forked(&self) -> bool {
        self.generation.is_over()
    }

    fn life(&self) -> Option<&Life> {
        self.life.as_ref().filter(|_| !self.is_forked())
    }

    /// How often the peer's sides were taken; `None` where that is not recorded: in format 1, and between the ends of a pair.
    pub(crate) fn peer_epochs(&self) -> Option<[u32; 2]> {
        self.life().map(Life::epochs)
    }

    /// Whether the last member of a side of the peer's role has died. `false` where that cannot be
    /// told: on this system, in format 1 (HQQ-Go takes no locks), or while somebody takes or leaves a
    /// side.
    pub(crate) fn is_peer_dead(&self, consumer: bool) -> bool {
        let role = self.role.peer();
        self.life()
            .is_some_and(|life| life.is_side_dead(&self.leaving, &self.locks, role, consumer))
    }

    /// Whether the senders have died since this endpoint was made, as [`Attachment::is_peer_dead`] tells.
    pub(crate) fn has_peer_died(&self) -> bool {
        // Asked first: once somebody has come since, it is never so again.
        let died_earlier = self.life().is_some_and(Life::died_earlier);
        !died_earlier && self.is_peer_dead(false)
    }

    /// Looks whether somebody has died, and repairs what is left of that one; says what was done, if
    /// anything was tried. Takes a few system calls and waits for nobody.
    pub(crate) fn attend(&self) -> Option<Repaired> {
        let life = self.life()?;
        if !life.is_suspicious(&self.locks) {
            return None;
        }
        let repaired = life.repair(&self.leaving, &self.locks)?;
        if repaired.has_changed() {
            event!(DEBUG, path = %self.path.display(), ?repaired, "a peer has died");
        }
        Some(repaired)
    }

    /// Repairs what no record tells of, where it is in the way: what a member has left that forgot it when it
    /// left, or a liar's.
    pub(crate) fn mend(&self) {
        if let Some(life) = self.life() {
            // Nothing where somebody else is at it.
            let _ = life.repair(&self.leaving, &self.locks);
        }
    }

    /// Has it noticed from now on when a process ends that a member's record names: `attend` comes after
    /// this.
    pub(crate) fn look_out(&self) {
        if let Some(life) = self.life() {
            self.lookout
                .watch(&self.this, life.epochs(), life.processes());
        }
    }

    /// Whether it is worth looking for deaths before it is time: a process has ended since `seen`, or
    /// somebody has come of whom the lookout does not know.
    #[inline]
    pub(crate) fn has_news(&self, seen: &mut u32) -> bool {
        let Some(life) = &self.life else {
            return false;
        };
        let has_come = !self.lookout.is_current(life.epochs());
        if has_come {
            self.look_out();
        }
        self.lookout.has_told(seen) || has_come
    }

    /// A process that a record named has ended: looks whether somebody has died, and has everybody look
    /// who sleeps here. `false` where a record still names it.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn has_ended(&self, process: u32) -> bool {
        let Some(life) = self.life() else {
            return true;
        };
        self.lookout.tell();
        let repaired = self.attend().unwrap_or_default();
        if repaired.in_doubt > 0 && !repaired.has_changed() {
            // What is left is for a receiver to do.
            life.wake_all();
        }
        life.processes().all(|named| named != process)
    }

    /// Whether what is in the way is of a member, of this role, that lives and goes on with it, or that cannot be told.
    pub(crate) fn is_kept(&self, role: Role, obstacle: &Obstacle) -> bool {
        self.life()
            .is_none_or(|life| life.is_kept(&self.locks, role, obstacle))
    }

    /// Takes back what nobody has received, of that what `choose` says, where the receivers have died;
    /// `taken` is told.
    pub(crate) fn retract<P: Producer>(
        &self,
        sender: &mut Sender<P>,
        choose: impl FnMut(&Packet) -> bool,
        taken: impl FnMut(&Packet),
    ) {
        if let Some(life) = self.life() {
            life.retract(&self.leaving, &self.locks, sender, choose, taken);
        }
    }

    /// Whether a receiver of this role seems to have died with a message in hand. Proves nothing.
    pub(crate) fn has_heritage(&self) -> bool {
        self.life()
            .is_some_and(|life| life.has_heritage(&self.locks))
    }

    /// Makes a message that a dead receiver of this side had claimed the next one of `receiver`.
    pub(crate) fn take_over<C: Consumer>(&self, receiver: &mut Receiver<C>) -> bool {
        self.life()
            .is_some_and(|life| life.take_over(&self.leaving, &self.locks, receiver))
    }

    /// Holds ATTACH until the result is dropped, which also gives the side's byte free.
    pub(crate) fn leave(&self, side: SideByte) -> Leaving<'_> {
        notice_child();
        if self.is_forked() {
            // Neither the locks nor the memory are the parent's any more, and a thread that is not in
            // this process may hold the mutex.
            return Leaving {
                attachment: self,
                side,
                locked: false,
                guard: None,
            };
        }
        let guard = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        let locked = lock(&self.locks, Backoff::within(Some(LEAVE))).unwrap_or(false);
        Leaving {
            attachment: self,
            side,
            locked,
            guard: Some(guard),
        }
    }
}

/// A member that is leaving a side.
pub(crate) struct Leaving<'a> {
    attachment: &'a Attachment,
    side: SideByte,
    locked: bool,
    guard: Option<MutexGuard<'a, ()>>,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if self.guard.is_none() {
            return;
        }
        // Nothing can be done about a failure; closing the description frees all of them.
        let _ = self.attachment.locks.unlock(self.side.0);
        if self.locked {
            let _ = self.attachment.locks.unlock(ATTACH);
        }
    }
}

/// Takes ATTACH; `false` where others kept it until `backoff` gave up.
pub(crate) fn lock(locks: &ByteLocks, backoff: Backoff) -> io::Result<bool> {
    poll(backoff, || match locks.try_lock(ATTACH, LockKind::Write) {
        Ok(false) => None,
        settled => Some(settled),
    })
    .unwrap_or(Ok(false))
}

/// Frees ATTACH.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn unlock(locks: &ByteLocks) -> io::Result<()> {
    locks.unlock(ATTACH)
}
