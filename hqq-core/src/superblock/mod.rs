//! The superblock: what a region is, who uses which side, and how one is made or refused
//! (PROTOCOL.md, "Superblock").

mod error;
pub mod format1;

use core::fmt;

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

pub use error::{FormatError, RingField};

use crate::layout::{Direction, Format, Geometry, IDENTITY_LEN, Layout};
use crate::position::Position;
use crate::region::{Region, RingMemory, SuperblockMemory};
use crate::ring::stamp;
use crate::sync::ordering;

/// The first eight bytes of a format-2 region.
pub const MAGIC: u64 = 0x4851_515f_5354_4c32;
/// The magic while its high half is stored and its low half is not: `initialise` goes backwards.
const MAGIC_HIGH: u64 = MAGIC & !(u32::MAX as u64);
/// The version of format 2 that this crate writes: major, minor.
pub const VERSION: (u32, u32) = (2, 0);
/// Incompatible features that this crate knows; a region with any other is refused.
pub const INCOMPATIBLE_FEATURES: u32 = 0;

/// `state` while a region is being initialised; format 1 has no such value, so HQQ-Go never takes
/// the region for an empty one.
pub const STATE_INITIALISING: u32 = 0x0201;
/// `state` of a region that is ready.
pub const STATE_READY: u32 = 0x0202;

const STATE_WORD: usize = 2;
const CHECKSUM_WORD: usize = 11;
/// Words up to what is reserved, and zero.
const IDENTITY_WORDS: usize = core::mem::offset_of!(Wire, reserved) / 4;

/// The identity as it lies in the region.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Wire {
    magic: U64,
    state: U32,
    state_high: U32,
    major: U32,
    minor: U32,
    compatible: U32,
    incompatible: U32,
    alignment: U32,
    count: U32,
    size: U32,
    checksum: U32,
    layout_len: U64,
    session: U64,
    members: U32,
    delivery: U32,
    reserved: [u8; 56],
}

static_assertions::const_assert_eq!(size_of::<Wire>(), IDENTITY_LEN);
static_assertions::const_assert_eq!(core::mem::offset_of!(Wire, magic), 0);
static_assertions::const_assert_eq!(core::mem::offset_of!(Wire, state), 4 * STATE_WORD);
static_assertions::const_assert_eq!(core::mem::offset_of!(Wire, major), 16);
static_assertions::const_assert_eq!(core::mem::offset_of!(Wire, minor), 20);
static_assertions::const_assert_eq!(core::mem::offset_of!(Wire, compatible), 24);
static_assertions::const_assert_eq!(core::mem::offset_of!(Wire, incompatible), 28);
static_assertions::const_assert_eq!(core::mem::offset_of!(Wire, alignment), 32);
static_assertions::const_assert_eq!(core::mem::offset_of!(Wire, count), 36);
static_assertions::const_assert_eq!(core::mem::offset_of!(Wire, size), 40);
static_assertions::const_assert_eq!(core::mem::offset_of!(Wire, checksum), 4 * CHECKSUM_WORD);
static_assertions::const_assert_eq!(core::mem::offset_of!(Wire, layout_len), 48);
static_assertions::const_assert_eq!(core::mem::offset_of!(Wire, session), 56);
static_assertions::const_assert_eq!(core::mem::offset_of!(Wire, members), 64);
static_assertions::const_assert_eq!(core::mem::offset_of!(Wire, delivery), 68);
static_assertions::const_assert_eq!(core::mem::offset_of!(Wire, reserved), 72);

impl Wire {
    /// CRC-32 (IEEE) of the identity with `state` and `checksum` as zero.
    fn checksum(&self) -> u32 {
        let mut plain = *self;
        plain.state = U32::ZERO;
        plain.checksum = U32::ZERO;
        let (words, _) = plain.as_bytes().as_chunks::<4>();
        let crc = words.iter().fold(u32::MAX, |crc, word| {
            crc_of_word(crc, u32::from_le_bytes(*word))
        });
        !crc
    }
}

/// What happens to a message that a reader had claimed when it died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Delivery {
    /// It is dropped.
    #[default]
    AtMostOnce,
    /// It is handed out again, marked as in doubt.
    AtLeastOnce,
}

impl Delivery {
    const fn code(self) -> u32 {
        match self {
            Self::AtMostOnce => 0,
            Self::AtLeastOnce => 1,
        }
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtMostOnce => "at most once",
            Self::AtLeastOnce => "at least once",
        })
    }
}

/// What a region says it is: a checked copy, in private memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Identity {
    /// Where everything lies.
    pub layout: Layout,
    /// The minor version of the format that wrote it.
    pub minor: u32,
    /// Features that readers may ignore.
    pub compatible: u32,
    /// Chosen by whoever initialised the region, to tell one initialisation from the next.
    pub session: u64,
    /// What happens to messages in doubt.
    pub delivery: Delivery,
}

impl Identity {
    /// Bytes at the start of a region that the identity takes.
    pub const LEN: usize = IDENTITY_LEN;

    /// Checks the first 128 bytes of a region that has `len` bytes.
    ///
    /// # Errors
    /// [`FormatError`], one kind for each field that does not fit.
    pub fn parse(bytes: &[u8; IDENTITY_LEN], len: u64) -> Result<Self, FormatError> {
        let wire: Wire = zerocopy::transmute!(*bytes);
        if *bytes == [0; IDENTITY_LEN] {
            return Err(FormatError::Empty);
        }
        if format1::is_format_1(bytes) {
            return format1::parse(bytes, len);
        }
        let ours = matches!(wire.magic.get(), 0 | MAGIC_HIGH | MAGIC);
        if ours && wire.state.get() == STATE_INITIALISING {
            return Err(FormatError::Initialising { format: Format::V2 });
        }
        if wire.magic.get() != MAGIC {
            return Err(FormatError::Magic {
                found: wire.magic.get(),
            });
        }
        if wire.state.get() != STATE_READY {
            return Err(FormatError::State {
                found: wire.state.get(),
            });
        }
        if wire.major.get() != VERSION.0 {
            return Err(FormatError::Version {
                major: wire.major.get(),
                minor: wire.minor.get(),
            });
        }
        if wire.checksum.get() != wire.checksum() {
            return Err(FormatError::Checksum {
                found: wire.checksum.get(),
                computed: wire.checksum(),
            });
        }
        let unknown = wire.incompatible.get() & !INCOMPATIBLE_FEATURES;
        if unknown != 0 {
            return Err(FormatError::Incompatible { features: unknown });
        }
        if wire.state_high != U32::ZERO || wire.minor.get() == VERSION.1 && wire.reserved != [0; 56]
        {
            return Err(FormatError::Reserved);
        }
        let field = |value: U32| usize::try_from(value.get()).unwrap_or(usize::MAX);
        let layout = Layout::new(
            field(wire.count),
            field(wire.size),
            field(wire.alignment),
            field(wire.members),
        )?;
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
        let delivery = match wire.delivery.get() {
            0 => Delivery::AtMostOnce,
            1 => Delivery::AtLeastOnce,
            found => return Err(FormatError::Delivery { found }),
        };
        Ok(Self {
            layout,
            minor: wire.minor.get(),
            compatible: wire.compatible.get(),
            session: wire.session.get(),
            delivery,
        })
    }

    /// Reads and checks the identity of a region: each word once, the state again at the end.
    ///
    /// # Errors
    /// As [`Identity::parse`].
    pub fn read(region: &Region) -> Result<Self, FormatError> {
        Self::read_within(region, region.len() as u64)
    }

    /// As [`Identity::read`], of a region that has `len` bytes of which `region` is the start.
    ///
    /// # Errors
    /// As [`Identity::parse`].
    pub fn read_within(region: &Region, len: u64) -> Result<Self, FormatError> {
        let memory = SuperblockMemory::new(region);
        let mut bytes = [0; IDENTITY_LEN];
        // The state first: pairs with the Release in `initialise`, all else was written before.
        let state = memory.identity(STATE_WORD).load(ordering::see_status());
        let (words, _) = bytes.as_chunks_mut::<4>();
        for (index, word) in words.iter_mut().enumerate() {
            let value = if index == STATE_WORD {
                state
            } else {
                // Pairs as above.
                memory.identity(index).load(ordering::see_status())
            };
            *word = value.to_le_bytes();
        }
        // Again: where it has changed, the words are not all from one state. Pairs as above, as
        // `initialise` stores each of them after it has changed the state.
        let later = memory.identity(STATE_WORD).load(ordering::see_status());
        if later != state {
            // It says who is at it: an HQQ-Go process must not be taken for a dead initialiser.
            let format = match later {
                format1::STATE_INITIALISING | format1::STATE_READY => Format::V1,
                _ => Format::V2,
            };
            return Err(FormatError::Initialising { format });
        }
        Self::parse(&bytes, len)
    }
}

/// How a region is initialised.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct InitOptions {
    session: u64,
    delivery: Delivery,
    start: Position,
}

impl InitOptions {
    /// At most once, session 0, positions from 0 on.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            session: 0,
            delivery: Delivery::AtMostOnce,
            start: Position::new(0),
        }
    }

    /// A value that tells this initialisation from others, such as a random number.
    #[must_use]
    pub const fn session(mut self, session: u64) -> Self {
        self.session = session;
        self
    }

    /// What happens to messages in doubt.
    #[must_use]
    pub const fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// The first position of both rings, for tests of the counters' wrap.
    #[must_use]
    pub const fn start(mut self, start: Position) -> Self {
        self.start = start;
        self
    }
}

/// Makes a region ready for `layout`, whatever it held: everything but the buffers and the padding
/// between parts is written.
///
/// The caller knows that nobody uses the region: it was handed over for good, or the caller holds
/// the lock that attaching takes, or has [claimed](try_claim) it.
///
/// # Errors
/// [`FormatError::Truncated`] where the region is smaller than the layout;
/// [`FormatError::OtherFormat`] for format 1 on targets without 64-bit atomics, which it needs.
///
/// In format 1 buffers are zeroed, too, and nothing but the first position is taken from `options`.
pub fn initialise(
    region: &Region,
    layout: &Layout,
    options: &InitOptions,
) -> Result<(), FormatError> {
    if layout.format() == Format::V1 {
        #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
        return format1::initialise(region, layout, options.start);
        #[cfg(not(all(target_has_atomic = "64", not(hqq_narrow))))]
        return Err(FormatError::OtherFormat {
            expected: Format::V2,
            found: Format::V1,
        });
    }
    let words = identity_words(layout, options.session, options.delivery);
    initialise_as::<crate::layout::Dynamic>(region, layout, &words, options.start)
        .map(drop)
        .ok_or(FormatError::Truncated {
            needed: layout.len() as u64,
            found: region.len() as u64,
        })
}

/// The parts of a region that was initialised just now.
pub(crate) struct Fresh<G: Geometry> {
    pub(crate) superblock: SuperblockMemory,
    pub(crate) to_secondary: RingMemory<G>,
    pub(crate) to_primary: RingMemory<G>,
}

/// Makes a region ready for a layout of format 2 whose [identity](identity_words) is known; `None`
/// where it does not fit.
pub(crate) fn initialise_as<G: Geometry>(
    region: &Region,
    layout: &Layout,
    words: &IdentityWords,
    start: Position,
) -> Option<Fresh<G>> {
    let fresh = Fresh {
        superblock: SuperblockMemory::with_layout(region, layout)?,
        to_secondary: RingMemory::new(region, layout, Direction::ToSecondary)?,
        to_primary: RingMemory::new(region, layout, Direction::ToPrimary)?,
    };
    let memory = &fresh.superblock;
    // Pairs with the Acquire in `Identity::read`.
    memory
        .identity(STATE_WORD)
        .store(STATE_INITIALISING, ordering::store_status());
    memory.clear_records();
    for ring in [&fresh.to_secondary, &fresh.to_primary] {
        clear_ring(ring, start);
    }
    // Backwards, so that the magic comes last but one.
    for index in (0..IDENTITY_LEN / 4).rev() {
        if index != STATE_WORD {
            let word = words.get(index).copied().unwrap_or(0);
            // Pairs with the Acquire in `Identity::read`: whoever sees this sees that the state
            // has changed.
            memory.identity(index).store(word, ordering::store_status());
        }
    }
    // Pairs with the Acquire in `Identity::read`.
    memory
        .identity(STATE_WORD)
        .store(STATE_READY, ordering::store_status());
    Some(fresh)
}

/// The identity of a region, as 32-bit words.
pub(crate) type IdentityWords = [u32; IDENTITY_WORDS];

/// The identity of a region that is being initialised; `const`, so that firmware whose geometry the
/// compiler knows carries the words and not what computes them.
#[allow(
    clippy::cast_possible_truncation,
    reason = "halves of 64-bit words; a layout's numbers fit 32 bits"
)]
pub(crate) const fn identity_words(
    layout: &Layout,
    session: u64,
    delivery: Delivery,
) -> IdentityWords {
    let len = layout.len() as u64;
    let mut words = [0; IDENTITY_WORDS];
    // In the order of `Wire`. State and checksum are zero in the checksum.
    words[0] = MAGIC as u32;
    words[1] = (MAGIC >> 32) as u32;
    words[4] = VERSION.0;
    words[5] = VERSION.1;
    words[8] = layout.alignment() as u32;
    words[9] = layout.count() as u32;
    words[10] = layout.size() as u32;
    words[12] = len as u32;
    words[13] = (len >> 32) as u32;
    words[14] = session as u32;
    words[15] = (session >> 32) as u32;
    words[16] = layout.members() as u32;
    words[17] = delivery.code();
    let mut crc = u32::MAX;
    let mut index = 0;
    while index < IDENTITY_LEN / 4 {
        let word = if index < words.len() { words[index] } else { 0 };
        crc = crc_of_word(crc, word);
        index += 1;
    }
    words[CHECKSUM_WORD] = !crc;
    words[STATE_WORD] = STATE_INITIALISING;
    words
}

/// One word more in a CRC-32 (IEEE), in the order of its bytes in the region.
const fn crc_of_word(mut crc: u32, word: u32) -> u32 {
    crc ^= word;
    let mut bit = 0;
    while bit < u32::BITS {
        let carry = crc & 1;
        crc >>= 1;
        if carry != 0 {
            crc ^= 0xedb8_8320;
        }
        bit += 1;
    }
    crc
}

/// Writes the header and the stamps of one ring; `None` where it does not fit the region.
fn clear_ring<G: Geometry>(memory: &RingMemory<G>, start: Position) {
    let relaxed = ordering::Ordering::Relaxed;
    // Relaxed throughout: published by the region's state.
    memory.clear_header();
    memory.w().store(start.get(), relaxed);
    memory.r().store(start.get(), relaxed);
    memory.released().store(start.low(), relaxed);
    for ahead in 0..memory.count() {
        let position = start.plus(ahead);
        let slot = memory.slot(position);
        slot.clear_operands();
        slot.stamp().store(stamp::free(position), relaxed);
    }
}

/// Claims an empty region (all of its state zero) for [`initialise`]; `false` where somebody else
/// has, which in format 1 may be an HQQ-Go process.
///
/// Not on targets without compare-and-swap: there, who initialises is agreed beforehand.
#[cfg(target_has_atomic = "32")]
#[must_use]
pub fn try_claim(region: &Region, format: Format) -> bool {
    SuperblockMemory::new(region)
        .identity(STATE_WORD)
        .compare_exchange(
            0,
            match format {
                Format::V1 => format1::STATE_INITIALISING,
                Format::V2 => STATE_INITIALISING,
            },
            // Pairs with nothing: the claimer alone goes on.
            ordering::see_status(),
            ordering::see_status(),
        )
        .is_ok()
}
