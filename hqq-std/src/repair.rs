//! Looking after a region without taking part in it: who is there, who has died, what is stuck, and
//! repairing it (PROTOCOL.md, "Repair").
//!
//! Whoever uses a link needs none of this: calls that wait repair what is in their way, and so does
//! opening a link. This is for tools and supervisors.
//!
//! ```
//! use hqq_std::LinkOptions;
//! # let name = format!("hqq-doc-repair-{}", std::process::id());
//! let link = LinkOptions::new().create(&name)?;
//! let caretaker = LinkOptions::new().caretaker(&name)?;
//! let report = caretaker.examine();
//! assert!(report.sides.iter().filter(|side| side.alive).count() == 2 && !report.needs_repair());
//! assert!(!caretaker.repair()?.has_changed());
//! # hqq_std::unlink(&name)?;
//! # drop(link);
//! # Ok::<(), hqq_std::Error>(())
//! ```

#![allow(unsafe_code, reason = "ties a region to the mapping it lies in")]

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hqq_core::repair::{Claim, Repairer};
use hqq_core::side::{SideState, SideStatus};
use hqq_core::{AttachError, Delivery, Direction, Format, FormatError, Member, Role};

use crate::attach::{ATTACH, SideByte, lock, member_byte};
use crate::error::OpenError;
use crate::life;
use crate::mapping::Mapping;
use crate::own_locks::OwnLocks;
use crate::prepare::{Ready, unusable};
use crate::sys::ByteLocks;
use crate::wait::Backoff;

pub use hqq_core::repair::Repaired;

/// A side of a ring, and whether anybody has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SideReport {
    /// The role that it belongs to.
    pub role: Role,
    /// Whether it is the consuming side.
    pub consumer: bool,
    /// What is recorded.
    pub status: SideStatus,
    /// Whether somebody who lives has it.
    pub alive: bool,
}

impl SideReport {
    /// Whether its last member has died, recorded or not.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        match self.status.state() {
            SideState::Open => !self.alive,
            SideState::Dead => true,
            _ => false,
        }
    }
}

/// A member that is recorded, or whose lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberReport {
    /// Its role.
    pub role: Role,
    /// Its id.
    pub member: Member,
    /// The process id that it has recorded, for people to read; 0 for none.
    pub pid: u32,
    /// How it is recorded on the producing side.
    pub sending: SideStatus,
    /// How it is recorded on the consuming side.
    pub receiving: SideStatus,
    /// Whether it lives.
    pub alive: bool,
}

impl MemberReport {
    /// Whether it has died and its records still say that it is there.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        let open = |status: SideStatus| status.state() == SideState::Open;
        !self.alive && (open(self.sending) || open(self.receiving))
    }
}

/// What will become of a claimed slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// Its owner lives, and nobody takes it away: it goes on, or has to be continued or ended.
    Owner,
    /// It becomes a tombstone, which receivers skip.
    Tombstone,
    /// It becomes free; the message is gone (at most once).
    Release,
    /// The next receiver that waits, or attaches, gets the message, in doubt (at least once).
    TakeOver,
}

/// A claimed slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClaimReport {
    /// Where, and whose.
    pub claim: Claim,
    /// What will become of it.
    pub remedy: Remedy,
}

/// What a region looked like a moment ago.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Its four sides.
    pub sides: Vec<SideReport>,
    /// Members that are recorded as there, or live.
    pub members: Vec<MemberReport>,
    /// Slots that members have claimed. While traffic goes on, most of them will have moved on.
    pub claims: Vec<ClaimReport>,
    /// Whether somebody was attaching, leaving or repairing.
    pub busy: bool,
    /// The region's file is shorter than it was: then nothing is said of what is in it. Where it is made so in the
    /// middle of looking, that is a SIGBUS without [`LinkOptions::guard_truncation`](crate::LinkOptions::guard_truncation).
    pub truncated: bool,
}

impl Report {
    /// Whether a member has died, and not only a message of its waits for a receiver.
    fn has_to_be_buried(&self, member: &MemberReport) -> bool {
        let waits = self.claims.iter().any(|report| {
            report.remedy == Remedy::TakeOver
                && (report.claim.role, report.claim.member) == (member.role, member.member)
        });
        let only_receives = member.sending.state() != SideState::Open;
        member.is_dead() && !(waits && only_receives)
    }

    /// Whether [`Caretaker::repair`] has something to do.
    #[must_use]
    pub fn needs_repair(&self) -> bool {
        self.sides
            .iter()
            .any(|side| side.is_dead() && side.status.state() == SideState::Open)
            || self
                .members
                .iter()
                .any(|member| self.has_to_be_buried(member))
            || self
                .claims
                .iter()
                .any(|claim| matches!(claim.remedy, Remedy::Tombstone | Remedy::Release))
    }
}

/// A region that is looked after from outside; see the [module](self).
pub struct Caretaker {
    path: PathBuf,
    /// Before `locks`, as in an attachment.
    mapping: Mapping,
    locks: OwnLocks,
    repairer: Repairer,
    serial: Mutex<()>,
    patience: Duration,
}

impl Caretaker {
    pub(crate) fn new(ready: Ready, patience: Duration) -> Result<Self, OpenError> {
        let Ready {
            path,
            locks,
            mapping,
            identity,
            initialised: _,
        } = ready;
        // SAFETY: the mapping is kept beside what is made from the region.
        let region = unsafe { mapping.region() }.map_err(unusable(&path))?;
        let Some(repairer) = Repairer::new(&region, &identity) else {
            let (expected, found) = (Format::V2, identity.layout.format());
            let error = FormatError::OtherFormat { expected, found };
            return Err(OpenError::attach(&path, AttachError::Format(error)));
        };
        Ok(Self {
            path,
            locks,
            repairer,
            serial: Mutex::new(()),
            patience,
            mapping,
        })
    }

    /// Where the region lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What becomes of messages that a dead receiver was reading.
    #[must_use]
    pub const fn delivery(&self) -> Delivery {
        self.repairer.delivery()
    }

    /// The processes that are attaching, leaving or repairing now, as far as the system says: those of this
    /// process's user, where it may look at them (Linux). Takes a system call for each of their descriptors.
    #[must_use]
    pub fn busy_processes(&self) -> Vec<u32> {
        self.locks.holders(ATTACH)
    }

    fn is_held(&self, byte: i32) -> bool {
        !ByteLocks::TELL_LIFE || !matches!(self.locks.holder(byte), Ok(None))
    }

    /// Goes on only with a file that is as long as the region.
    fn check_length(&self) -> Result<(), OpenError> {
        self.mapping.check_length(self.locks.file(), &self.path)
    }

    /// Looks at the region; changes nothing and holds nobody up.
    #[must_use]
    pub fn examine(&self) -> Report {
        let report = self.check_length().is_ok().then(|| self.look());
        // What was read of a file that has become shorter since is zeros.
        report
            .filter(|_| self.check_length().is_ok())
            .unwrap_or_else(|| Report {
                sides: Vec::new(),
                members: Vec::new(),
                claims: Vec::new(),
                busy: self.is_held(ATTACH),
                truncated: true,
            })
    }

    fn look(&self) -> Report {
        let mut sides = Vec::new();
        let mut members = Vec::new();
        for role in Role::BOTH {
            for consumer in [false, true] {
                let status = self.repairer.side(role, consumer);
                let recorded = status.state() == SideState::Open;
                let byte = SideByte::new(role, consumer).offset();
                sides.push(SideReport {
                    role,
                    consumer,
                    status,
                    alive: if ByteLocks::TELL_LIFE {
                        self.is_held(byte)
                    } else {
                        recorded
                    },
                });
            }
            for member in self.repairer.ids() {
                let half = |consumer| self.repairer.member(role, member, consumer);
                let (Some((sending, sender)), Some((receiving, receiver))) =
                    (half(false), half(true))
                else {
                    continue;
                };
                let recorded = self.repairer.is_recorded_open(role, member);
                let alive = if ByteLocks::TELL_LIFE {
                    self.is_held(member_byte(role, member))
                } else {
                    recorded
                };
                if recorded || alive {
                    members.push(MemberReport {
                        role,
                        member,
                        pid: sender.max(receiver),
                        sending,
                        receiving,
                        alive,
                    });
                }
            }
        }
        let mut claims = Vec::new();
        for direction in Direction::BOTH {
            for claim in self.repairer.claims(direction) {
                let is_left = !claim.writing
                    && self.delivery() == Delivery::AtLeastOnce
                    && self.repairer.has_left(claim.role, claim.member);
                let remedy = if is_left {
                    Remedy::TakeOver
                } else if self.is_held(member_byte(claim.role, claim.member)) {
                    Remedy::Owner
                } else if claim.writing {
                    Remedy::Tombstone
                } else if self.delivery() == Delivery::AtMostOnce {
                    Remedy::Release
                } else {
                    Remedy::TakeOver
                };
                claims.push(ClaimReport { claim, remedy });
            }
        }
        Report {
            sides,
            members,
            claims,
            busy: self.is_held(ATTACH),
            truncated: false,
        }
    }

    /// Repairs what dead members have left, and wakes whoever waits for it. Members that live are not
    /// touched, however long they have done nothing. Safe at any time, beside any traffic.
    ///
    /// # Errors
    /// [`OpenError::Busy`] where another process held the lock that this needs for longer than
    /// [`LinkOptions::attach_timeout`](crate::LinkOptions::attach_timeout); [`OpenError::Truncated`] where the file is
    /// shorter than it was; [`OpenError::Io`].
    pub fn repair(&self) -> Result<Repaired, OpenError> {
        let of_io =
            |action| move |error: io::Error| OpenError::of_io(self.path.clone(), action, error);
        self.check_length()?;
        let started = Instant::now();
        let _threads = self
            .serial
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if !lock(&self.locks, Backoff::within(Some(self.patience))).map_err(of_io("lock"))? {
            return Err(OpenError::Busy {
                path: self.path.clone(),
                waited: started.elapsed(),
            });
        }
        let repaired = life::repair(&self.locks, &self.repairer, None);
        let unlocked = self.locks.unlock(ATTACH);
        self.check_length()?;
        life::wake(&self.repairer, &repaired);
        unlocked.map_err(of_io("unlock"))?;
        Ok(repaired)
    }
}
