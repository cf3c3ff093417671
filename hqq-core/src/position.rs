//! A position of a ring: a counter of messages that wraps around, of 48 bits (of 64 in format 1).

use core::fmt;

const BITS: u32 = 48;
const MASK: u64 = (1 << BITS) - 1;

/// How many messages came before, modulo 2^48. Distances are signed, so that they stay right when
/// the counter wraps.
///
/// In format 1 it is modulo 2^64, see [`Position::of_format_1`]; the arithmetic here is that of
/// format 2.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Position(u64);

impl Position {
    /// The position with these low 48 bits; the others are ignored.
    #[inline]
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(value & MASK)
    }

    /// A position of a format-1 ring: all 64 bits count.
    #[inline]
    #[must_use]
    pub const fn of_format_1(value: u64) -> Self {
        Self(value)
    }

    /// From 0 to 2^48 - 1; in format 1 any.
    #[inline]
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The low 32 bits, as `released` holds them.
    #[inline]
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "the low half is meant")]
    pub const fn low(self) -> u32 {
        self.0 as u32
    }

    /// The position `count` further on.
    #[inline]
    #[must_use]
    pub const fn plus(self, count: usize) -> Self {
        Self::new(self.0.wrapping_add(count as u64))
    }

    /// The position `count` before.
    #[inline]
    #[must_use]
    pub const fn minus(self, count: usize) -> Self {
        Self::new(self.0.wrapping_sub(count as u64))
    }

    /// How many positions after `other` this one is; negative where it is before.
    #[inline]
    #[must_use]
    pub const fn since(self, other: Self) -> i64 {
        let shift = u64::BITS - BITS;
        (self.0.wrapping_sub(other.0) << shift).cast_signed() >> shift
    }

    /// The slot in a ring of `count` slots, a power of two.
    #[inline]
    #[must_use]
    pub const fn index(self, count: usize) -> usize {
        self.index_by_mask(count - 1)
    }

    /// The slot in a ring of `mask` + 1 slots, a power of two.
    #[inline]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the mask is smaller than a usize"
    )]
    pub(crate) const fn index_by_mask(self, mask: usize) -> usize {
        self.0 as usize & mask
    }

    /// The position nearest to this one whose low 32 bits are `low`, at or before it.
    #[inline]
    #[must_use]
    pub const fn at_or_before(self, low: u32) -> Self {
        Self::new(self.0.wrapping_sub(self.low().wrapping_sub(low) as u64))
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_survive_the_wrap() {
        let last = Position::new(MASK);
        assert_eq!(last.plus(1), Position::new(0));
        assert_eq!(Position::new(0).minus(1), last);
        assert_eq!(last.plus(3).since(last), 3);
        assert_eq!(last.since(last.plus(3)), -3);
        assert_eq!(last.index(8), 7);
        assert_eq!(last.plus(1).index(8), 0);
    }

    #[test]
    fn widening_takes_the_nearest_before() {
        let p = Position::new(0x1_0000_0002);
        assert_eq!(p.at_or_before(0xffff_fffe), Position::new(0xffff_fffe));
        assert_eq!(p.at_or_before(2), p);
        assert_eq!(p.at_or_before(1), Position::new(0x1_0000_0001));
    }
}
