//! What the fuzzer chooses: a region, and the calls and the damage that follow.

use arbitrary::Arbitrary;
use hqq_core::{Delivery, Member, Position, Presence, Role};

use crate::scribble::Scribble;

/// One run.
#[derive(Arbitrary, Debug)]
pub(crate) struct Input {
    pub(crate) region: RegionPlan,
    /// Made first, so that most inputs have two ends to call.
    pub(crate) attaches: [Attach; 2],
    pub(crate) calls: Vec<Call>,
}

/// The bytes of a region before anybody attaches.
#[derive(Arbitrary, Debug)]
pub(crate) struct RegionPlan {
    /// Of the noise that the region starts as.
    pub(crate) seed: u64,
    /// How many of eight bytes of the noise are zero.
    pub(crate) zeros: u8,
    pub(crate) geometry: GeometryPlan,
    pub(crate) rings: Rings,
    pub(crate) identity: IdentityPlan,
    pub(crate) start: Start,
    pub(crate) at_least_once: bool,
    /// Bytes more, or fewer, than the layout has; zero in most inputs.
    pub(crate) excess: Excess,
    /// Canaries beside the region; without them AddressSanitizer's redzones touch it.
    pub(crate) canaries: bool,
}

impl RegionPlan {
    pub(crate) fn delivery(&self) -> Delivery {
        if self.at_least_once {
            Delivery::AtLeastOnce
        } else {
            Delivery::AtMostOnce
        }
    }
}

/// A small geometry; each value is reduced to what a region can have.
#[derive(Arbitrary, Debug)]
pub(crate) struct GeometryPlan {
    /// The geometry of the links whose type knows it.
    fixed: bool,
    count: u8,
    size: u8,
    alignment: u8,
    members: u8,
}

/// Buffers of the links whose type knows their number.
pub(crate) const FIXED_COUNT: usize = 4;
/// Bytes in each of them.
pub(crate) const FIXED_SIZE: usize = 64;

impl GeometryPlan {
    /// From 2 to 16.
    pub(crate) fn count(&self) -> usize {
        if self.fixed {
            FIXED_COUNT
        } else {
            2 << (self.count % 4)
        }
    }

    /// From 8 to 256, with sizes around that of the largest inline message.
    pub(crate) fn size(&self) -> usize {
        if self.fixed {
            FIXED_SIZE
        } else {
            8 + 8 * usize::from(self.size % 32)
        }
    }

    /// From 64 to 512.
    pub(crate) fn alignment(&self) -> usize {
        64 << (self.alignment % 4)
    }

    /// From 1 to 4.
    pub(crate) fn members(&self) -> usize {
        1 + usize::from(self.members % 4)
    }
}

/// What the rings hold at first.
#[derive(Arbitrary, Debug)]
pub(crate) enum Rings {
    /// As initialised.
    Fresh,
    /// As initialised, then changed.
    Changed(Vec<Scribble>),
    /// The region's noise.
    Noise,
}

/// What the first 128 bytes are.
#[derive(Arbitrary, Debug)]
pub(crate) enum IdentityPlan {
    /// That of the geometry: the region attaches unless its rings are refused.
    Repaired,
    /// As `Repaired`; twice in the list, so that half of all inputs have it.
    AlsoRepaired,
    /// One 32-bit word of it replaced.
    Damaged {
        word: u8,
        value: u32,
        /// The checksum is made to fit, so that the field itself is looked at.
        checksum_fits: bool,
    },
    /// The region's noise.
    Noise,
}

/// The position that both rings start with.
#[derive(Arbitrary, Debug)]
pub(crate) enum Start {
    Zero,
    /// So many positions before the bits above this one change.
    Before {
        bit: u8,
        by: u8,
    },
    At(u64),
}

impl Start {
    pub(crate) fn position(&self) -> Position {
        match *self {
            Self::Zero => Position::new(0),
            Self::Before { bit, by } => Position::new(1_u64 << (bit % 49)).minus(usize::from(by)),
            Self::At(value) => Position::new(value),
        }
    }
}

/// How many bytes the region has beyond its layout.
#[derive(Arbitrary, Debug)]
pub(crate) enum Excess {
    None,
    Also,
    By(i8),
}

impl Excess {
    pub(crate) fn apply(&self, len: usize) -> usize {
        match self {
            Self::None | Self::Also => len,
            Self::By(by) => len.saturating_add_signed(isize::from(*by)),
        }
    }
}

/// An endpoint to attach.
#[derive(Arbitrary, Debug)]
pub(crate) struct Attach {
    secondary: bool,
    pub(crate) kind: Kind,
    member: u8,
    sending: KnownPresence,
    receiving: KnownPresence,
}

impl Attach {
    pub(crate) fn role(&self) -> Role {
        if self.secondary {
            Role::Secondary
        } else {
            Role::Primary
        }
    }

    /// Mostly one that the member table has room for.
    pub(crate) fn member(&self) -> Member {
        Member::new(self.member % 6).unwrap_or(Member::FIRST)
    }

    pub(crate) fn presence(&self) -> (Presence, Presence) {
        (self.sending.presence(), self.receiving.presence())
    }
}

/// Which type of link.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Kind {
    Dynamic,
    Fixed,
    Shared,
}

#[derive(Arbitrary, Debug)]
enum KnownPresence {
    Recorded,
    Alone,
    Others,
}

impl KnownPresence {
    fn presence(&self) -> Presence {
        match self {
            Self::Recorded => Presence::Recorded,
            Self::Alone => Presence::Alone,
            Self::Others => Presence::Others,
        }
    }
}

/// One step of a run; indices are reduced to what is there.
#[derive(Arbitrary, Debug)]
pub(crate) enum Call {
    Attach(Attach),
    Send {
        half: u8,
        call: SendCall,
        /// What the peer does, one in each round of waiting or while a grant is held.
        peer: Vec<Scribble>,
    },
    Receive {
        half: u8,
        call: ReceiveCall,
        /// As in `Send`.
        peer: Vec<Scribble>,
    },
    /// Another handle to a shared side.
    CloneSender(u8),
    CloneReceiver(u8),
    CloseSender(u8),
    CloseReceiver(u8),
    Scribble(Scribble),
}

/// How a call waits.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Waits {
    Not,
    Rounds(u8),
}

impl Waits {
    /// Rounds after which a waiting call is told to give up; `None` for a call that does not wait.
    pub(crate) fn rounds(self) -> Option<u32> {
        match self {
            Self::Not => None,
            Self::Rounds(rounds) => Some(u32::from(rounds % 8)),
        }
    }
}

#[derive(Arbitrary, Debug)]
pub(crate) enum SendCall {
    Bytes {
        len: u16,
        waits: Waits,
    },
    Pieces {
        lens: Vec<u8>,
        waits: Waits,
    },
    Batch {
        lens: Vec<u8>,
    },
    Value([u64; 3]),
    Reserve {
        waits: Waits,
        copies: Vec<(u16, u8)>,
        end: WriteEnd,
    },
    Inspect,
}

/// What becomes of a reserved buffer.
#[derive(Arbitrary, Debug)]
pub(crate) enum WriteEnd {
    Commit(u16),
    Abort(u64),
    Drop,
    Leak,
}

#[derive(Arbitrary, Debug)]
pub(crate) enum ReceiveCall {
    Bytes {
        len: u16,
        waits: Waits,
    },
    Stream {
        len: u16,
        waits: Waits,
    },
    Value,
    LargeValue,
    Grant {
        waits: Waits,
        copies: Vec<(u16, u8)>,
        leak: bool,
    },
    Batch {
        limit: u8,
    },
    Iterate,
    Inspect,
    Packet {
        leak: bool,
    },
    /// By the ways for all of a request or response; what is not `wanted` is opened.
    Whole {
        wanted: bool,
        lent: bool,
        leak: bool,
    },
}
