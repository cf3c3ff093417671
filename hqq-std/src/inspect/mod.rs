//! Looking at a region of either format without taking part: read-only, from the file of a live one
//! or from an image of one.
//!
//! A snapshot is not taken at one instant: a live ring moves on while it is read.

mod image;
mod ring;
mod totals;

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hqq_core::packet::{Packet, PacketError};
use hqq_core::position::Position;
use hqq_core::side::SideStatus;
use hqq_core::superblock::format1;
use hqq_core::{Counters, Direction, Identity, Member, Role};

use crate::attach::{SideByte, member_byte};
use crate::error::OpenError;
use crate::name::RegionName;
use crate::sys::ByteLocks;
use image::Image;

/// A region as it was a moment ago.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// Where it lies.
    pub path: PathBuf,
    /// Bytes in the file.
    pub len: u64,
    /// What it says it is.
    pub identity: Identity,
    /// Its four sides.
    pub sides: Vec<Side>,
    /// Members that have been there; format 1 records none.
    pub members: Vec<MemberRecord>,
    /// Its two rings.
    pub rings: Vec<Ring>,
}

/// One side of one ring.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Side {
    /// Which ring.
    pub direction: Direction,
    /// Which role has it.
    pub role: Role,
    /// Whether it is the consuming side.
    pub consumer: bool,
    /// What the region records; `None` in format 1.
    pub status: Option<SideStatus>,
    /// Whether a process has it now; `None` where that cannot be told: in an image, and of
    /// processes of HQQ-Go.
    pub alive: Option<bool>,
}

/// An entry of the member table.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct MemberRecord {
    /// Its role.
    pub role: Role,
    /// Its id.
    pub member: Member,
    /// Its process id; 0 where it did not say, or has left.
    pub pid: u32,
    /// How it is recorded on the side it sends on.
    pub sending: SideStatus,
    /// How it is recorded on the side it receives on.
    pub receiving: SideStatus,
    /// What it has recorded of its sending, a little while ago.
    pub sent: Counters,
    /// What it has recorded of its receiving.
    pub received: Counters,
    /// How long its calls take, where it makes some and has said so.
    pub call_latency: Option<CallLatency>,
    /// Whether a process is this member now; `None` where that cannot be told (an image).
    pub alive: Option<bool>,
}

/// How long the calls of a member take, as it has recorded it; see
/// [`AdvancedLink::stats`](crate::AdvancedLink::stats). Up to 4.29 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallLatency {
    /// Half of them take no longer.
    pub median: Duration,
    /// One in a hundred takes longer.
    pub p99: Duration,
}

/// One ring.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ring {
    /// Which way.
    pub direction: Direction,
    /// The producers' claim counter, a hint.
    pub producer_counter: Position,
    /// The consumers' claim counter; a hint where they share their side.
    pub consumer_counter: Position,
    /// One position after the last one that was published, as far as slots tell.
    pub published: Position,
    /// One position after the last one that was taken, as far as slots and the counter tell.
    pub taken: Position,
    /// How far an exclusive consumer has released, the low 32 bits; `None` in format 1.
    pub released: Option<u32>,
    /// Slots that are not free, the first 16,384 of them.
    pub slots: Vec<Slot>,
    /// Packets that no consumer has finished with; those of a batch may hold several messages each.
    pub unread: usize,
}

/// A slot that is not free.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Slot {
    /// Its index in the ring.
    pub index: usize,
    /// Its stamp, or in format 1 its sequence.
    pub stamp: u64,
    /// What that says.
    pub state: SlotState,
    /// The packet in it, where there is one.
    pub packet: Option<Result<Packet, PacketError>>,
}

/// What goes on in a slot; members are known in format 2 only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlotState {
    /// Free for this position.
    Free(Position),
    /// A producer fills it.
    Writing(Position, Option<Member>),
    /// It holds a packet.
    Published(Position),
    /// A consumer reads it.
    Reading(Position, Option<Member>),
    /// No rule leads to it.
    Unknown,
}

/// What a file is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A region of format 1 (HQQ-Go 1.0).
    Format1,
    /// A region of format 2, perhaps damaged.
    Format2,
    /// Something else.
    Other,
}

/// What kind of file `path` is; `Other` for one that cannot be read.
#[must_use]
pub fn kind(path: &Path) -> Kind {
    let mut start = [0; 16];
    let read = crate::sys::view(path).and_then(|file| {
        if !file.metadata()?.is_file() {
            return Err(std::io::ErrorKind::InvalidInput.into());
        }
        file.read_exact_at(&mut start, 0)
    });
    let word = |at: usize| {
        let bytes = start
            .get(at..at + 8)
            .and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u64::from_le_bytes)
    };
    match (read, word(0), word(8)) {
        (Ok(()), hqq_core::superblock::MAGIC, _) => Kind::Format2,
        (Ok(()), format1::MAGIC, _) => Kind::Format1,
        // Being initialised, or its initialiser died: the magic comes late.
        (Ok(()), 0, 1) => Kind::Format1,
        (Ok(()), 0, 0x0201) => Kind::Format2,
        _ => Kind::Other,
    }
}

impl Snapshot {
    /// Looks at a named region.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn of_name(name: &str) -> Result<Self, OpenError> {
        Self::read(RegionName::new(name)?.path(), true)
    }

    /// Looks at an image of a region: a file that nobody uses.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn of_image(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::read(path.as_ref().to_owned(), false)
    }

    fn read(path: PathBuf, live: bool) -> Result<Self, OpenError> {
        let of_io = |error| OpenError::of_io(path.clone(), "open", error);
        let file = crate::sys::view(&path).map_err(of_io)?;
        let metadata = file.metadata().map_err(of_io)?;
        if !metadata.is_file() {
            return Err(OpenError::NotAFile { path });
        }
        let image = Image {
            path,
            len: metadata.len(),
            file,
        };
        let identity =
            Identity::parse(&image.bytes(0)?, image.len).map_err(|error| image.refused(error))?;
        let layout = identity.layout;
        let locks = if live && ByteLocks::TELL_LIFE {
            Some(ByteLocks::new(image.file.try_clone().map_err(|error| {
                OpenError::of_io(image.path.clone(), "duplicate", error)
            })?))
        } else {
            None
        };
        let alive = |byte| {
            let holder = locks.as_ref().map(|locks| locks.holder(byte)).transpose();
            holder
                .map(|holder| holder.map(|holder| holder.is_some()))
                .map_err(|error| OpenError::of_io(image.path.clone(), "look at locks of", error))
        };
        let mut sides = Vec::new();
        for direction in Direction::BOTH {
            for consumer in [false, true] {
                let sends = Role::BOTH
                    .into_iter()
                    .find(|role| role.sends() == direction)
                    .unwrap_or(Role::Primary);
                let role = if consumer { sends.peer() } else { sends };
                let status = layout.side(direction, consumer);
                let alive = alive(SideByte::new(role, consumer).offset())?;
                sides.push(Side {
                    direction,
                    role,
                    consumer,
                    status: status
                        .map(|offset| image.word32(offset).map(SideStatus::from_word))
                        .transpose()?,
                    // Nobody known may still be a process of HQQ-Go.
                    alive: alive.filter(|alive| *alive || status.is_some()),
                });
            }
        }
        let mut members = Vec::new();
        for role in Role::BOTH {
            for member in (1..=u8::MAX).filter_map(Member::new) {
                let (Some(sending), Some(receiving)) = (
                    layout.member(role, member, false),
                    layout.member(role, member, true),
                ) else {
                    break;
                };
                let record = MemberRecord {
                    role,
                    member,
                    pid: image.word32(sending + 4)?.max(image.word32(receiving + 4)?),
                    sending: SideStatus::from_word(image.word32(sending)?),
                    receiving: SideStatus::from_word(image.word32(receiving)?),
                    sent: totals::read(&image, sending)?,
                    received: totals::read(&image, receiving)?,
                    call_latency: totals::call_latency(&image, sending)?,
                    alive: alive(member_byte(role, member))?,
                };
                let untouched = record.sending == SideStatus::from_word(0)
                    && record.receiving == SideStatus::from_word(0);
                if !untouched || record.alive == Some(true) {
                    members.push(record);
                }
            }
        }
        let rings = Direction::BOTH
            .into_iter()
            .map(|direction| Ring::read(&image, &layout, direction))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            path: image.path,
            len: image.len,
            identity,
            sides,
            members,
            rings,
        })
    }

    /// Whether a role is in use, where that can be told or the records speak; `None` in format 1 where
    /// only processes of HQQ-Go could be using it.
    #[must_use]
    pub fn is_in_use(&self, role: Role) -> Option<bool> {
        let of_role = || self.sides.iter().filter(|side| side.role == role);
        let used = of_role().any(|side| {
            let recorded = side
                .status
                .is_some_and(|status| status.state() == hqq_core::side::SideState::Open);
            side.alive.unwrap_or(recorded)
        });
        let told = of_role().all(|side| side.alive.is_some() || side.status.is_some());
        (used || told).then_some(used)
    }
}
