//! Looking at a region without taking part: read-only, from the file of a live one or from an
//! image of one.
//!
//! A snapshot is not taken at one instant: a live ring moves on while it is read.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use hqq_core::packet::{Packet, PacketError};
use hqq_core::position::Position;
use hqq_core::ring::stamp::{State, is_released};
use hqq_core::side::SideStatus;
use hqq_core::superblock::MAGIC_FORMAT_1;
use hqq_core::{Direction, FormatError, Identity, Layout, Member, Role};

use crate::attach::{SideByte, member_byte};
use crate::error::OpenError;
use crate::name::RegionName;
use crate::sys::ByteLocks;

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
    /// Members that have been there.
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
    /// What the region records.
    pub status: SideStatus,
    /// Whether a process has it now; `None` where that cannot be told (an image).
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
    /// Whether a process is this member now; `None` where that cannot be told (an image).
    pub alive: Option<bool>,
}

/// One ring.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ring {
    /// Which way.
    pub direction: Direction,
    /// The producers' claim counter, a hint.
    pub producer_counter: Position,
    /// The consumers' claim counter.
    pub consumer_counter: Position,
    /// How far an exclusive consumer has released, the low 32 bits.
    pub released: u32,
    /// Slots that are not free.
    pub slots: Vec<Slot>,
    /// Messages that no consumer has finished with.
    pub unread: usize,
}

/// A slot that is not free.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Slot {
    /// Its index in the ring.
    pub index: usize,
    /// Its word 0.
    pub stamp: u64,
    /// What that says.
    pub state: State,
    /// The packet in it, where there is one.
    pub packet: Option<Result<Packet, PacketError>>,
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
    let mut start = [0; 8];
    let read = crate::sys::view(path).and_then(|file| {
        if !file.metadata()?.is_file() {
            return Err(std::io::ErrorKind::InvalidInput.into());
        }
        file.read_exact_at(&mut start, 0)
    });
    match (read, u64::from_le_bytes(start)) {
        (Ok(()), hqq_core::superblock::MAGIC) => Kind::Format2,
        (Ok(()), MAGIC_FORMAT_1) => Kind::Format1,
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
                sides.push(Side {
                    direction,
                    role,
                    consumer,
                    status: SideStatus::from_word(image.word32(layout.side(direction, consumer))?),
                    alive: alive(SideByte::new(role, consumer).offset())?,
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

    /// Whether a role is in use: both where it can be told and where only the records speak.
    #[must_use]
    pub fn is_in_use(&self, role: Role) -> bool {
        self.sides
            .iter()
            .filter(|side| side.role == role)
            .any(|side| {
                side.alive
                    .unwrap_or(side.status.state() == hqq_core::side::SideState::Open)
            })
    }
}

impl Ring {
    fn read(image: &Image, layout: &Layout, direction: Direction) -> Result<Self, OpenError> {
        let count = layout.count();
        let consumer_counter = Position::new(image.word64(layout.consumer_counter(direction))?);
        let released = image.word32(layout.released(direction))?;
        let mut ring = Self {
            direction,
            producer_counter: Position::new(image.word64(layout.producer_counter(direction))?),
            consumer_counter,
            released,
            slots: Vec::new(),
            unread: 0,
        };
        for index in 0..count {
            let bytes: [u8; 64] = image.bytes(layout.slots(direction) + index * 64)?;
            let (chunks, _) = bytes.as_chunks::<8>();
            let mut words = [0; 8];
            for (word, chunk) in words.iter_mut().zip(chunks) {
                *word = u64::from_le_bytes(*chunk);
            }
            let stamp = words[0];
            words[0] &= 0xff;
            let state = State::of(stamp);
            let packet = match state {
                State::Published(at, _) if is_released(at.plus(count), released, count) => continue,
                State::Free(_) => continue,
                State::Published(at, _) => {
                    ring.unread += usize::from(at.since(consumer_counter) >= 0);
                    Some(Packet::decode(words))
                }
                State::Reading(..) => {
                    ring.unread += 1;
                    Some(Packet::decode(words))
                }
                State::Writing(..) | State::Unknown(_) => None,
            };
            ring.slots.push(Slot {
                index,
                stamp,
                state,
                packet,
            });
        }
        Ok(ring)
    }
}

/// A file to read from, at offsets that the layout made.
struct Image {
    path: PathBuf,
    len: u64,
    file: File,
}

impl Image {
    fn refused(&self, error: FormatError) -> OpenError {
        match error {
            FormatError::Truncated { needed, found } => OpenError::Truncated {
                path: self.path.clone(),
                found,
                needed,
            },
            error => OpenError::attach(&self.path, error),
        }
    }

    fn bytes<const N: usize>(&self, offset: usize) -> Result<[u8; N], OpenError> {
        let mut bytes = [0; N];
        match self.file.read_exact_at(&mut bytes, offset as u64) {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(OpenError::Truncated {
                    path: self.path.clone(),
                    found: self.len,
                    needed: (offset + N) as u64,
                })
            }
            Err(error) => Err(OpenError::of_io(self.path.clone(), "read", error)),
        }
    }

    fn word32(&self, offset: usize) -> Result<u32, OpenError> {
        self.bytes(offset).map(u32::from_le_bytes)
    }

    fn word64(&self, offset: usize) -> Result<u64, OpenError> {
        self.bytes(offset).map(u64::from_le_bytes)
    }
}
