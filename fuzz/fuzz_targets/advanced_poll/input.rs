//! What the fuzzer chooses: an end of the Advanced protocol, its calls, and the packets of a peer.

use arbitrary::Arbitrary;

/// One run.
#[derive(Arbitrary, Debug)]
pub(crate) struct Input {
    pub(crate) format_1: bool,
    pub(crate) secondary: bool,
    count: u8,
    size: u8,
    pub(crate) features: u8,
    pub(crate) patience: u8,
    pub(crate) max: u16,
    /// Chunks are events of their own.
    pub(crate) streams: bool,
    /// Both agree before anything else happens, as in most inputs.
    pub(crate) strangers: Rarely,
    pub(crate) calls: Vec<Call>,
}

impl Input {
    /// From 2 to 16.
    pub(crate) fn count(&self) -> usize {
        2 << (self.count % 4)
    }

    /// From 8 to 128.
    pub(crate) fn size(&self) -> usize {
        8 + 8 * usize::from(self.size % 16)
    }
}

/// True in one of four inputs.
#[derive(Arbitrary, Debug, PartialEq)]
pub(crate) enum Rarely {
    Yes,
    No,
    NoEither,
    NorNow,
}

/// One step of a run; indices are reduced to what is there.
#[derive(Arbitrary, Debug)]
pub(crate) enum Call {
    /// A packet of the peer's that keeps the rules of a single packet.
    Chunk {
        connection: u8,
        id: u8,
        kind: Kind,
        total: Value,
        offset: Value,
        len: u8,
        aux: u8,
    },
    /// One that may keep none.
    Packet {
        opcode: u8,
        operands: [Value; 7],
    },
    /// The peer takes a packet, or all.
    Take {
        all: bool,
    },
    Poll {
        ticks: u8,
        leak: Rarely,
    },
    Negotiate(u8),
    Message {
        connection: u8,
        len: u16,
        unsized_: bool,
    },
    Request {
        connection: u8,
        len: u16,
    },
    Response {
        which: u8,
        len: u16,
    },
    Advance {
        which: u8,
        len: u16,
        chunks: u8,
    },
    Reserve {
        which: u8,
        len: u8,
        ends: bool,
        leak: bool,
    },
    Abort(u8),
    Cancel {
        connection: u8,
        id: u8,
    },
    Discard(u8),
    Listen(bool),
    Dial,
    Accept(u8),
    Refuse(u8),
    Close(u8),
    Pause {
        connection: u8,
        paused: bool,
    },
    /// All of a request at once.
    TryRequest(u8),
    TryRespond {
        which: u8,
        len: u8,
    },
    /// The peer takes a packet by the ways for all of a request or response.
    TakeWhole {
        wanted: bool,
        lent: bool,
    },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Kind {
    Plain,
    Request,
    Response,
}

/// An operand.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Value {
    Small(u8),
    /// Where a message in chunks of a buffer each goes on.
    Buffers(u8),
    /// So many before the end of the numbers.
    Last(u8),
    Any(u64),
}

impl Value {
    pub(crate) fn get(self, size: usize) -> u64 {
        match self {
            Self::Small(value) => u64::from(value),
            Self::Buffers(buffers) => u64::from(buffers % 8) * size as u64,
            Self::Last(by) => u64::MAX - u64::from(by),
            Self::Any(value) => value,
        }
    }
}
