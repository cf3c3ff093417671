//! Why a message was not sent, received or drained.

use std::fmt;
use std::io;

use hqq_core::ring::{Corruption, Obstacle};

/// Why a message was not sent. Nothing was published, except as [`SendError::Truncated`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// There was no room until the deadline.
    TimedOut,
    /// The message does not fit a buffer.
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// Bytes in a buffer.
        max: usize,
    },
    /// The message has no bytes, and format 1 has no empty messages.
    EmptyMessage,
    /// There was no room until the deadline, and all the while one member, which lives, had the slot
    /// that comes next: it has stopped, or is very slow. Nobody takes it from it.
    PeerStalled(Obstacle),
    /// There is no room, and the receivers have died without closing their half. Another one may
    /// attach: then this sender goes on.
    PeerDead,
    /// The receiver has closed its half.
    Disconnected,
    /// A peer damaged the ring.
    Corrupt(Corruption),
    /// This process was forked after the link was opened: the link is its parent's.
    Forked,
    /// The region's file was made shorter; only with
    /// [`LinkOptions::guard_truncation`](crate::LinkOptions::guard_truncation). Where the part that is left holds
    /// the ring, the message may have got to the peer all the same.
    Truncated,
    /// The call is of a kind this one does not know.
    Other(hqq_core::SendError),
}

/// Why no message was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecvError {
    /// No message came until the deadline.
    TimedOut,
    /// None came until the deadline, and all the while one member, which lives, had the slot that
    /// comes next: it has stopped, or is very slow. Nobody takes it from it.
    PeerStalled(Obstacle),
    /// The senders have died without closing their half, and everything they sent was received.
    /// Another one may attach: then this receiver goes on.
    PeerDead,
    /// The sender has closed its half and everything it sent was received.
    Disconnected,
    /// A peer damaged the ring.
    Corrupt(Corruption),
    /// This process was forked after the link was opened: the link is its parent's.
    Forked,
    /// The region's file was made shorter; only with
    /// [`LinkOptions::guard_truncation`](crate::LinkOptions::guard_truncation).
    Truncated,
    /// The message is longer than the caller's buffer; it stays the next one.
    BufferTooSmall {
        /// Bytes the message has.
        needed: usize,
        /// Bytes the buffer has.
        capacity: usize,
    },
    /// The peer sent an Error packet, or one that breaks the protocol.
    Peer(hqq_core::RecvError),
}

impl From<hqq_core::SendError> for SendError {
    fn from(error: hqq_core::SendError) -> Self {
        match error {
            hqq_core::SendError::TimedOut => Self::TimedOut,
            hqq_core::SendError::PeerStalled(obstacle) => Self::PeerStalled(obstacle),
            hqq_core::SendError::PeerDead => Self::PeerDead,
            hqq_core::SendError::TooLong { len, max } => Self::TooLong { len, max },
            hqq_core::SendError::EmptyMessage => Self::EmptyMessage,
            hqq_core::SendError::Disconnected => Self::Disconnected,
            hqq_core::SendError::Corrupt(corruption) => Self::Corrupt(corruption),
            other => Self::Other(other),
        }
    }
}

impl From<hqq_core::RecvError> for RecvError {
    fn from(error: hqq_core::RecvError) -> Self {
        match error {
            hqq_core::RecvError::TimedOut => Self::TimedOut,
            hqq_core::RecvError::PeerStalled(obstacle) => Self::PeerStalled(obstacle),
            hqq_core::RecvError::PeerDead => Self::PeerDead,
            hqq_core::RecvError::Corrupt(corruption) => Self::Corrupt(corruption),
            hqq_core::RecvError::Disconnected => Self::Disconnected,
            hqq_core::RecvError::BufferTooSmall { needed, capacity } => {
                Self::BufferTooSmall { needed, capacity }
            }
            other => Self::Peer(other),
        }
    }
}

pub(crate) const FORKED: &str =
    "this process was forked after the link was opened, which is its parent's: open one of its own";

pub(crate) const TRUNCATED: &str =
    "the region's file was made shorter while it was in use: make it anew";

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => hqq_core::SendError::TimedOut.fmt(f),
            Self::PeerStalled(obstacle) => hqq_core::SendError::PeerStalled(*obstacle).fmt(f),
            Self::PeerDead => hqq_core::SendError::PeerDead.fmt(f),
            Self::Forked => f.write_str(FORKED),
            Self::Truncated => f.write_str(TRUNCATED),
            Self::TooLong { len, max } => write!(
                f,
                "the message has {len} bytes, a buffer {max}: send it in parts with `send_chunked`, or make the region with larger buffers"
            ),
            Self::EmptyMessage => hqq_core::SendError::EmptyMessage.fmt(f),
            Self::Disconnected => hqq_core::SendError::Disconnected.fmt(f),
            Self::Corrupt(corruption) => hqq_core::SendError::Corrupt(*corruption).fmt(f),
            Self::Other(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => hqq_core::RecvError::TimedOut.fmt(f),
            Self::PeerStalled(obstacle) => hqq_core::RecvError::PeerStalled(*obstacle).fmt(f),
            Self::PeerDead => hqq_core::RecvError::PeerDead.fmt(f),
            Self::Corrupt(corruption) => hqq_core::RecvError::Corrupt(*corruption).fmt(f),
            Self::Forked => f.write_str(FORKED),
            Self::Truncated => f.write_str(TRUNCATED),
            Self::Disconnected => hqq_core::RecvError::Disconnected.fmt(f),
            Self::BufferTooSmall { needed, capacity } => hqq_core::RecvError::BufferTooSmall {
                needed: *needed,
                capacity: *capacity,
            }
            .fmt(f),
            Self::Peer(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SendError {}
impl std::error::Error for RecvError {}

impl From<SendError> for io::Error {
    fn from(error: SendError) -> Self {
        let kind = match error {
            SendError::TimedOut | SendError::PeerStalled(_) => io::ErrorKind::TimedOut,
            SendError::TooLong { .. } | SendError::EmptyMessage => io::ErrorKind::InvalidInput,
            SendError::Disconnected | SendError::PeerDead => io::ErrorKind::BrokenPipe,
            SendError::Forked => io::ErrorKind::NotConnected,
            SendError::Corrupt(_) | SendError::Truncated => io::ErrorKind::InvalidData,
            SendError::Other(_) => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

impl From<RecvError> for io::Error {
    fn from(error: RecvError) -> Self {
        let kind = match error {
            RecvError::TimedOut | RecvError::PeerStalled(_) => io::ErrorKind::TimedOut,
            RecvError::Disconnected => io::ErrorKind::UnexpectedEof,
            RecvError::PeerDead => io::ErrorKind::ConnectionReset,
            RecvError::Forked => io::ErrorKind::NotConnected,
            RecvError::BufferTooSmall { .. } => io::ErrorKind::InvalidInput,
            RecvError::Peer(_) | RecvError::Corrupt(_) | RecvError::Truncated => {
                io::ErrorKind::InvalidData
            }
        };
        Self::new(kind, error)
    }
}

/// Why not everything that was sent has been received. What is left is counted as
/// [`unread`](hqq_core::Sender::unread) does it: messages of a batch that share a buffer as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DrainError {
    /// Messages were left at the deadline.
    TimedOut {
        /// How many.
        unread: usize,
    },
    /// The region's file was made shorter.
    Truncated,
    /// This process was forked after the link was opened: the link is its parent's.
    Forked,
    /// The receivers have died and left messages unread.
    PeerDead {
        /// How many.
        unread: usize,
    },
    /// The receiver has closed its half and left messages unread.
    Disconnected {
        /// How many.
        unread: usize,
    },
}

impl fmt::Display for DrainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { unread } => write!(
                f,
                "{unread} packets with messages were not received in time: wait longer, or see whether the receiver runs"
            ),
            Self::Truncated => f.write_str(TRUNCATED),
            Self::Forked => f.write_str(FORKED),
            Self::PeerDead { unread } => write!(
                f,
                "the receivers have died with {unread} packets unread: they stay for the next one"
            ),
            Self::Disconnected { unread } => write!(
                f,
                "the receiver has closed its half with {unread} packets unread: they stay for the next one"
            ),
        }
    }
}

impl std::error::Error for DrainError {}

impl From<DrainError> for io::Error {
    fn from(error: DrainError) -> Self {
        let kind = match error {
            DrainError::TimedOut { .. } => io::ErrorKind::TimedOut,
            DrainError::Truncated => io::ErrorKind::InvalidData,
            DrainError::Forked => io::ErrorKind::NotConnected,
            DrainError::PeerDead { .. } | DrainError::Disconnected { .. } => {
                io::ErrorKind::BrokenPipe
            }
        };
        Self::new(kind, error)
    }
}
