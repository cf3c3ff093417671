//! Making a region what its layout says (PROTOCOL.md, "Superblock").

use super::{
    CHECKSUM_WORD, Delivery, FormatError, IDENTITY_WORDS, MAGIC, STATE_INITIALISING, STATE_READY,
    STATE_WORD, VERSION, crc_of_word,
};
use crate::layout::{Direction, Format, Geometry, IDENTITY_LEN, Layout};
use crate::position::Position;
use crate::region::{Region, RingMemory, SuperblockMemory};
use crate::ring::stamp;
use crate::sync::ordering;

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
        return super::format1::initialise(region, layout, options.start);
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
                Format::V1 => super::format1::STATE_INITIALISING,
                Format::V2 => STATE_INITIALISING,
            },
            // Pairs with nothing: the claimer alone goes on.
            ordering::see_status(),
            ordering::see_status(),
        )
        .is_ok()
}
