//! The superblock: what a region is, who uses which side, and how one is made or refused
//! (PROTOCOL.md, "Superblock").

mod error;
pub mod format1;
mod initialise;

use core::fmt;

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

pub use error::{FormatError, RingField};
#[cfg(target_has_atomic = "32")]
pub use initialise::try_claim;
#[cfg(not(loom))]
pub(crate) use initialise::{Fresh, identity_words, initialise_as};
pub use initialise::{InitOptions, initialise};

use crate::layout::{Format, IDENTITY_LEN, Layout};
use crate::region::{Region, SuperblockMemory};
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

/// What happens to a message that a reader had claimed when it died; to all messages of a batch, where they
/// share a buffer.
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
