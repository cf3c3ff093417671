//! The superblock and the ring headers of format 1, as HQQ-Go 1.0 writes them (PROTOCOL.md,
//! "Format 1").

use zerocopy::IntoBytes;
use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
use super::RingField;
use super::{Delivery, FormatError, IDENTITY_LEN, Identity};
use crate::layout::format1::SUPERBLOCK_LEN;
use crate::layout::{Format, Layout};
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
use crate::{
    layout::{Direction, Dynamic, Geometry},
    position::Position,
    region::{Format1Memory, Region, RingHeader, SuperblockMemory},
    sync::ordering,
};

/// The first eight bytes of a region.
pub const MAGIC: u64 = 0x4851_515f_5354_4c31;
/// The magic while its high half is stored and its low half is not.
const MAGIC_HIGH: u64 = MAGIC & !(u32::MAX as u64);
/// The first eight bytes of a ring.
pub const RING_MAGIC: u64 = 0xc9d8_c1d4_3f09_6701;
/// The flag of a ring that is initialised.
pub const RING_INITIALISED: u64 = 2;
/// `state` while a region is being initialised.
pub const STATE_INITIALISING: u32 = 1;
/// `state` of a region that is ready.
pub const STATE_READY: u32 = 2;
/// The version that is written: major, minor.
pub const VERSION: (u32, u32) = (1, 0);

/// The superblock as it lies in the region.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Wire {
    magic: U64,
    state: U64,
    major: U64,
    minor: U64,
    page: U64,
    count: U64,
    size: U64,
    layout_len: U64,
}

static_assertions::const_assert_eq!(size_of::<Wire>(), SUPERBLOCK_LEN);
static_assertions::const_assert_eq!(core::mem::offset_of!(Wire, magic), 0);
static_assertions::const_assert_eq!(core::mem::offset_of!(Wire, state), 8);
static_assertions::const_assert_eq!(core::mem::offset_of!(Wire, major), 16);
static_assertions::const_assert_eq!(core::mem::offset_of!(Wire, minor), 24);
static_assertions::const_assert_eq!(core::mem::offset_of!(Wire, page), 32);
static_assertions::const_assert_eq!(core::mem::offset_of!(Wire, count), 40);
static_assertions::const_assert_eq!(core::mem::offset_of!(Wire, size), 48);
static_assertions::const_assert_eq!(core::mem::offset_of!(Wire, layout_len), 56);

/// Whether the start of a region is one of format 1: by its magic or, as that is written late, by
/// a state that format 2 has not.
pub(super) fn is_format_1(bytes: &[u8; IDENTITY_LEN]) -> bool {
    let (wire, _) = split(bytes);
    let begun = wire.state.get() == u64::from(STATE_INITIALISING);
    // `initialise` stores the magic's high half first.
    wire.magic.get() == MAGIC || begun && matches!(wire.magic.get(), 0 | MAGIC_HIGH)
}

fn split(bytes: &[u8; IDENTITY_LEN]) -> (Wire, [u8; IDENTITY_LEN - SUPERBLOCK_LEN]) {
    zerocopy::transmute!(*bytes)
}

/// Checks the start of a format-1 region that has `len` bytes. As HQQ-Go, it does not compare minor
/// versions; of the page nothing beyond the superblock is looked at.
pub(super) fn parse(bytes: &[u8; IDENTITY_LEN], len: u64) -> Result<Identity, FormatError> {
    let (wire, _) = split(bytes);
    let state = wire.state.get();
    if state == u64::from(STATE_INITIALISING) {
        return Err(FormatError::Initialising { format: Format::V1 });
    }
    if state != u64::from(STATE_READY) {
        let found = u32::try_from(state).unwrap_or(u32::MAX);
        return Err(FormatError::State { found });
    }
    let narrow = |value: U64| u32::try_from(value.get()).unwrap_or(u32::MAX);
    if wire.major.get() != u64::from(VERSION.0) {
        return Err(FormatError::Version {
            major: narrow(wire.major),
            minor: narrow(wire.minor),
        });
    }
    let field = |value: U64| usize::try_from(value.get()).unwrap_or(usize::MAX);
    let layout = Layout::format_1(field(wire.count), field(wire.size), field(wire.page))?;
    if wire.layout_len.get() != layout.len() as u64 {
        return Err(FormatError::Length {
            recorded: wire.layout_len.get(),
            computed: layout.len() as u64,
        });
    }
    if len < layout.len() as u64 {
        return Err(FormatError::Truncated {
            needed: layout.len() as u64,
            found: len,
        });
    }
    Ok(Identity {
        layout,
        minor: narrow(wire.minor),
        compatible: 0,
        session: 0,
        delivery: Delivery::AtMostOnce,
    })
}

/// Makes a region that this process has claimed, or has alone, ready for `layout`.
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
pub(super) fn initialise(
    region: &Region,
    layout: &Layout,
    start: Position,
) -> Result<(), FormatError> {
    let truncated = FormatError::Truncated {
        needed: layout.len() as u64,
        found: region.len() as u64,
    };
    let superblock = SuperblockMemory::new(region);
    let store = |words: &[[u8; 4]], first: usize| {
        for (index, word) in words.iter().enumerate().rev() {
            // Pairs with the Acquire in `Identity::read`.
            superblock
                .identity(first + index)
                .store(u32::from_le_bytes(*word), ordering::store_status());
        }
    };
    let wire = Wire {
        magic: U64::new(MAGIC),
        state: U64::new(u64::from(STATE_INITIALISING)),
        major: U64::new(u64::from(VERSION.0)),
        minor: U64::new(u64::from(VERSION.1)),
        page: U64::new(layout.alignment() as u64),
        count: U64::new(layout.count() as u64),
        size: U64::new(layout.size() as u64),
        layout_len: U64::new(layout.len() as u64),
    };
    let (words, _) = wire.as_bytes().as_chunks::<4>();
    let (magic, rest) = words.split_at(2);
    let (state, fields) = rest.split_at(2);
    store(state, 2);
    for direction in Direction::BOTH {
        let ring = Format1Memory::<Dynamic>::new(region, layout, direction).ok_or(truncated)?;
        clear_ring(&ring, start);
    }
    store(fields, 4);
    store(magic, 0);
    // Pairs as above: whoever sees it sees all the rest.
    superblock
        .identity(2)
        .store(STATE_READY, ordering::store_status());
    Ok(())
}

/// Writes the header and all slots of a ring, and zeroes its buffers.
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
fn clear_ring<G: Geometry>(ring: &Format1Memory<G>, start: Position) {
    let relaxed = ordering::Ordering::Relaxed;
    let count = ring.buffers().count();
    ring.set_header(RingHeader {
        magic: RING_MAGIC,
        size: count as u64,
        flags: RING_INITIALISED,
    });
    // Relaxed throughout: published by the region's state.
    ring.w().store(start.get(), relaxed);
    ring.r().store(start.get(), relaxed);
    for ahead in 0..count as u64 {
        let position = Position::of_format_1(start.get().wrapping_add(ahead));
        let slot = ring.slot(position);
        slot.store(0, &[0; 7]);
        slot.sequence().store(position.get(), relaxed);
        let buffer = ring.buffers().at(position);
        let zeros = [0; 256];
        for at in (0..ring.buffers().size()).step_by(zeros.len()) {
            buffer.copy_in(at, &zeros);
        }
    }
}

/// That a ring's header is that of an initialised ring of its geometry.
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
pub(crate) fn check_ring<G: Geometry>(
    ring: &Format1Memory<G>,
    direction: Direction,
) -> Result<(), FormatError> {
    let header = ring.header();
    let size = ring.buffers().count() as u64;
    let flags = header.flags & RING_INITIALISED;
    for (field, found, expected) in [
        (RingField::Magic, header.magic, RING_MAGIC),
        (RingField::Size, header.size, size),
        (RingField::Flags, flags, RING_INITIALISED),
    ] {
        if found != expected {
            return Err(FormatError::Ring {
                direction,
                field,
                found,
                expected,
            });
        }
    }
    Ok(())
}
