//! Messages that leave in chunks.

use core::fmt;

use super::inbound::MessageKey;
use crate::packet::{Chunk, ConnectionCopy, CopyFlags, Features, UNKNOWN_SIZE};

/// Why a message cannot be begun. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum BeginError {
    /// The two sides have not agreed yet.
    NotNegotiated,
    /// They agreed without a feature that it needs.
    NotAgreed {
        /// The missing features.
        features: Features,
    },
    /// It is longer than this side may send.
    TooLong {
        /// Its length in bytes.
        len: u64,
        /// The most bytes of a message.
        max: u64,
    },
    /// There is no such stream, or it is not open.
    UnknownConnection {
        /// The stream.
        connection: u64,
    },
    /// As many calls as there is room for wait for their answers.
    TooManyCalls {
        /// How many that is.
        max: usize,
    },
}

impl fmt::Display for BeginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNegotiated => f.write_str("nothing was negotiated yet: negotiate first"),
            Self::NotAgreed { features } => write!(
                f,
                "the peer has not the features {:#x} that this needs: do without",
                features.bits()
            ),
            Self::TooLong { len, max } => write!(
                f,
                "the message has {len} bytes, at most {max} are allowed: raise the limit at both ends, or stream it"
            ),
            Self::UnknownConnection { connection } => write!(
                f,
                "stream {connection} is not open: dial, or use 0 for the link itself"
            ),
            Self::TooManyCalls { max } => write!(
                f,
                "{max} calls wait for their answers: allow more, or wait for one of them"
            ),
        }
    }
}

impl core::error::Error for BeginError {}

/// Why no chunk can be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
// Which it is, in a byte where programs have to be small: the compiler would take a word as wide as the
// fields are aligned.
#[cfg_attr(not(target_pointer_width = "64"), repr(u8))]
pub enum ChunkRefusal {
    /// The stream's receiver has to take something off it first, or has to be told that the stream
    /// is open.
    NoCredit,
    /// The stream is not open any more.
    Closed,
    /// All of the message was sent.
    Finished,
    /// The message was given up; or it is a request, and its call is over: answered, failed or given
    /// up.
    GivenUp,
    /// A message that was begun without a size gets longer than this side may send.
    TooLong {
        /// Bytes that it would have.
        len: u64,
        /// The most bytes of a message.
        max: u64,
    },
    /// No byte is at hand, and the message has more.
    NoBytes,
}

/// A message that is being sent: begun by a link or session, moved on by it until all of it was sent or it was
/// given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "a message that was begun is sent by moving it on"]
pub struct Transfer {
    key: MessageKey,
    total: u64,
    offset: u64,
    aux: u64,
    error: bool,
    state: TransferState,
    /// A stream carries it, not the link itself.
    on_stream: bool,
}

/// How far a message that is sent has come.
///
/// | state | event | next |
/// |---|---|---|
/// | Begun | the first chunk is sent | Sending, or Sent where it is the last |
/// | Sending | the last chunk is sent | Sent |
/// | Begun | it is given up: sends Abort if it is a response | GivenUp |
/// | Sending | it is given up: sends Abort | GivenUp |
/// | Sending | a chunk that is not the last is sent | Sending |
/// | Sent, GivenUp | anything | the same: nothing is sent |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum TransferState {
    Begun,
    Sending,
    Sent,
    GivenUp,
}

impl Transfer {
    pub(super) const fn new(
        key: MessageKey,
        total: Option<u64>,
        aux: u64,
        error: bool,
        on_stream: bool,
    ) -> Self {
        Self {
            key,
            total: match total {
                Some(total) => total,
                None => UNKNOWN_SIZE,
            },
            offset: 0,
            aux,
            error,
            state: TransferState::Begun,
            on_stream,
        }
    }

    /// The message's name.
    #[must_use]
    pub const fn key(&self) -> &MessageKey {
        &self.key
    }

    /// Bytes that were sent: where the next chunk begins.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes that are left; `None` where the size is not known.
    #[must_use]
    pub const fn remaining(&self) -> Option<u64> {
        if self.total == UNKNOWN_SIZE {
            None
        } else {
            Some(self.left())
        }
    }

    /// Bytes that are left; more than there will be where the size is not known.
    pub(super) const fn left(&self) -> u64 {
        self.total - self.offset
    }

    /// Whether all of it was sent, or it was given up.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        matches!(self.state, TransferState::Sent | TransferState::GivenUp)
    }

    pub(super) const fn is_given_up(&self) -> bool {
        matches!(self.state, TransferState::GivenUp)
    }

    /// Whether the peer has seen something of it and will wait for the rest.
    pub(super) const fn is_under_way(&self) -> bool {
        matches!(self.state, TransferState::Sending)
    }

    pub(super) const fn is_on_stream(&self) -> bool {
        self.on_stream
    }

    /// The next chunk, of `room` bytes at most; `ends` where the size was not known before and
    /// nothing comes after these. `None` where it would be empty, and is not all of an empty message
    /// or the end of one without a size.
    pub(super) fn chunk(&self, room: u64, ends: bool) -> Option<ConnectionCopy> {
        if self.is_finished() {
            return None;
        }
        let left = self.left();
        let len = left.min(room);
        let mut flags = CopyFlags::from(self.key.kind);
        if self.error {
            flags = flags | CopyFlags::ERROR;
        }
        if self.offset == 0 {
            flags = flags | CopyFlags::BEGIN;
        }
        let is_last = if self.total == UNKNOWN_SIZE {
            ends
        } else {
            left == len
        };
        if is_last {
            flags = flags | CopyFlags::END;
        }
        let chunk = Chunk {
            connection_id: self.key.connection,
            message_id: self.key.id,
            total_size: self.total,
            chunk_offset: self.offset,
            chunk_size: len,
            flags,
            aux: if self.offset == 0 { self.aux } else { 0 },
        };
        ConnectionCopy::new(chunk).ok()
    }

    /// Notes that a chunk of it was sent.
    pub(super) const fn sent(&mut self, packet: &ConnectionCopy) {
        let chunk = packet.chunk();
        self.offset = chunk.chunk_offset + chunk.chunk_size;
        self.state = if chunk.flags.contains(CopyFlags::END) {
            TransferState::Sent
        } else {
            TransferState::Sending
        };
    }

    /// Notes that it was given up.
    pub(super) const fn give_up(&mut self) {
        self.state = TransferState::GivenUp;
    }
}
