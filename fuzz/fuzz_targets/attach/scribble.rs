//! What a peer may do to the region: noise, and values that look right and are not.

use arbitrary::Arbitrary;
use hqq_core::Position;

/// A change to the region from outside.
#[derive(Arbitrary, Debug)]
pub(crate) enum Scribble {
    /// A stamp that looks valid, near the one that is there.
    Stamp {
        at: SlotPlace,
        state: StampState,
        shift: Shift,
        member: u8,
    },
    StampWord {
        at: SlotPlace,
        word: u64,
    },
    /// The packet's words, without its stamp.
    Operand {
        at: SlotPlace,
        operand: u8,
        value: Value,
    },
    /// A packet that a receiver would take, but for what `value` says of its size.
    Packet {
        at: SlotPlace,
        opcode: PacketOpcode,
        value: Value,
    },
    Counter {
        back: bool,
        which: CounterName,
        shift: Shift,
    },
    CounterWord {
        back: bool,
        which: CounterName,
        word: u64,
    },
    SideStatus {
        record: u8,
        status: u32,
    },
    MemberStatus {
        record: u8,
        status: u32,
    },
    IdentityWord {
        word: u8,
        value: u32,
    },
    /// Any word of the region.
    Word {
        at: u32,
        value: u64,
    },
    /// Noise from here on.
    Noise {
        at: u32,
        words: u8,
        seed: u64,
    },
}

/// A slot of one of the rings.
#[derive(Arbitrary, Debug)]
pub(crate) struct SlotPlace {
    pub(crate) back: bool,
    pub(crate) index: u8,
}

#[derive(Arbitrary, Debug)]
pub(crate) enum StampState {
    Free,
    Writing,
    Published(PacketOpcode),
    Reading(PacketOpcode),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum PacketOpcode {
    Copy,
    /// With this many messages after the first.
    Run(u8),
    Inline,
    Tombstone,
    Error,
    Other(u8),
}

#[derive(Arbitrary, Debug)]
pub(crate) enum CounterName {
    W,
    R,
    Released,
}

/// How far a stamp or counter is from the one that is there.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Shift {
    None,
    Plus(u8),
    Minus(u8),
    /// This many times round the ring, and one more or less.
    Rings {
        rings: i8,
        by: i8,
    },
    /// A power of two.
    Bit(u8),
}

impl Shift {
    pub(crate) fn apply(self, position: Position, count: usize) -> Position {
        let by = match self {
            Self::None => 0,
            Self::Plus(by) => i64::from(by),
            Self::Minus(by) => -i64::from(by),
            Self::Rings { rings, by } => {
                i64::from(rings % 3) * count as i64 + i64::from(by.signum())
            }
            Self::Bit(bit) => 1_i64 << (bit % 48),
        };
        Position::new(position.get().wrapping_add_signed(by))
    }
}

/// An operand.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Value {
    Small(u8),
    /// This many bytes more than a buffer has.
    AboutSize(i8),
    Any(u64),
}

impl Value {
    pub(crate) fn get(self, size: usize) -> u64 {
        match self {
            Self::Small(value) => u64::from(value),
            Self::AboutSize(by) => (size as u64).wrapping_add_signed(i64::from(by)),
            Self::Any(value) => value,
        }
    }
}
