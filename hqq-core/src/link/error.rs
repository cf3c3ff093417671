//! What can go wrong on a link, one enum per operation.

use core::fmt;

use crate::layout::Direction;
use crate::member::Role;
use crate::packet::{ErrorCode, PacketError};
use crate::ring::{Corruption, Obstacle, Refused};
use crate::side::SideError;
use crate::superblock::FormatError;

/// Why an endpoint could not be attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum AttachError {
    /// The bytes are no region that this version can use.
    Format(FormatError),
    /// The region has another number of buffers than the link's type.
    Count {
        /// As the type says.
        expected: usize,
        /// As the region says.
        found: usize,
    },
    /// The region's buffers have another size than the link's type.
    Size {
        /// Bytes, as the type says.
        expected: usize,
        /// Bytes, as the region says.
        found: usize,
    },
    /// A side of the role is in use.
    Side {
        /// The role asked for.
        role: Role,
        /// What is in the way.
        error: SideError,
    },
    /// A ring is in no state that the rules lead to.
    Corrupt {
        /// Which ring.
        direction: Direction,
        /// Where.
        corruption: Corruption,
    },
}

impl From<FormatError> for AttachError {
    fn from(error: FormatError) -> Self {
        Self::Format(error)
    }
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(error) => error.fmt(f),
            Self::Count { expected, found } => write!(
                f,
                "the region has {found} buffers in each direction, not {expected}: use the same geometry at both ends"
            ),
            Self::Size { expected, found } => write!(
                f,
                "the region's buffers have {found} bytes, not {expected}: use the same geometry at both ends"
            ),
            Self::Side { role, error } => write!(f, "as {role}: {error}"),
            Self::Corrupt {
                direction,
                corruption: Corruption { position, stamp },
            } => write!(
                f,
                "the ring {direction} holds {stamp:#018x} at position {position}, which no rule leads to: remove the region"
            ),
        }
    }
}

impl core::error::Error for AttachError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Format(error) => Some(error),
            Self::Side { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// Why a message was not sent, by a call that does not wait. Nothing was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum TrySendError {
    /// All buffers hold messages that were not read yet.
    Full,
    /// Other senders took every slot this call tried.
    Busy,
    /// The message does not fit a buffer.
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// Bytes in a buffer.
        max: usize,
    },
    /// The message has no bytes, and format 1 has no empty messages.
    EmptyMessage,
    /// The receiver has closed its half.
    Disconnected,
    /// There is no room, and the receivers have died without closing their half: nothing is received
    /// until another one attaches.
    PeerDead,
    /// The slot that comes next holds what no rule leads to.
    Corrupt(Corruption),
}

/// Why a message was not sent, by a call that waits. Nothing was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SendError {
    /// There was no room until the wait ended.
    TimedOut,
    /// There was none, and the slot that comes next has been claimed by one member all the while:
    /// if it lives, it has stopped or is very slow. Nobody takes the slot from it.
    PeerStalled(Obstacle),
    /// The message does not fit a buffer.
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// Bytes in a buffer.
        max: usize,
    },
    /// The message has no bytes, and format 1 has no empty messages.
    EmptyMessage,
    /// The receiver has closed its half.
    Disconnected,
    /// There is no room, and the receivers have died without closing their half: nothing is received
    /// until another one attaches.
    PeerDead,
    /// The slot that comes next holds what no rule leads to, and in format 2 kept doing so.
    Corrupt(Corruption),
}

/// Why no message was received, by a call that does not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum TryRecvError {
    /// No message is there.
    Empty,
    /// Other receivers took every message this call tried.
    Busy,
    /// The sender has closed its half and everything it sent was received.
    Disconnected,
    /// The senders have died without closing their half, and everything they sent was received:
    /// nothing comes until another one attaches.
    PeerDead,
    /// The message is longer than the caller's buffer; it stays the next one.
    BufferTooSmall {
        /// Bytes the message has.
        needed: usize,
        /// Bytes the buffer has.
        capacity: usize,
    },
    /// The peer sent an Error packet; it was taken out of the ring.
    Peer(ErrorCode),
    /// The peer sent a packet that breaks the protocol; it was taken out of the ring.
    Malformed(PacketError),
    /// The slot that comes next holds what no rule leads to.
    Corrupt(Corruption),
}

/// Why no message was received, by a call that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RecvError {
    /// No message came until the wait ended.
    TimedOut,
    /// None came, and the slot that comes next has been claimed by one member all the while: if it
    /// lives, it has stopped or is very slow. Nobody takes the slot from it.
    PeerStalled(Obstacle),
    /// The sender has closed its half and everything it sent was received.
    Disconnected,
    /// The senders have died without closing their half, and everything they sent was received:
    /// nothing comes until another one attaches.
    PeerDead,
    /// The message is longer than the caller's buffer; it stays the next one.
    BufferTooSmall {
        /// Bytes the message has.
        needed: usize,
        /// Bytes the buffer has.
        capacity: usize,
    },
    /// The peer sent an Error packet; it was taken out of the ring.
    Peer(ErrorCode),
    /// The peer sent a packet that breaks the protocol; it was taken out of the ring.
    Malformed(PacketError),
    /// The slot that comes next holds what no rule leads to, and kept doing so.
    Corrupt(Corruption),
}

/// Why a reserved buffer was not filled or sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum GrantError {
    /// The bytes end past the buffer.
    TooLong {
        /// Where they end.
        len: usize,
        /// Bytes in a buffer.
        max: usize,
    },
    /// No bytes were committed, and format 1 has no empty messages.
    EmptyMessage,
}

impl From<Refused> for TrySendError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Blocked => Self::Full,
            Refused::Busy => Self::Busy,
            Refused::Corrupt(corruption) => Self::Corrupt(corruption),
        }
    }
}

impl From<Refused> for TryRecvError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Blocked => Self::Empty,
            Refused::Busy => Self::Busy,
            Refused::Corrupt(corruption) => Self::Corrupt(corruption),
        }
    }
}

/// An error of a call that does not wait, as the call that waits sees it.
pub(crate) trait Retry: Sized {
    /// The error of the call that waits.
    type Final;

    /// The error of the call that waits, or `None` where it is worth waiting.
    fn settled(self) -> Option<Self::Final>;

    /// What waiting in vain is, with what is wrong in the ring and who was in the way all the while.
    fn timed_out(corruption: Option<Corruption>, obstacle: Option<Obstacle>) -> Self::Final;
}

impl Retry for TrySendError {
    type Final = SendError;

    fn settled(self) -> Option<SendError> {
        match self {
            Self::Full | Self::Busy => None,
            Self::TooLong { len, max } => Some(SendError::TooLong { len, max }),
            Self::EmptyMessage => Some(SendError::EmptyMessage),
            Self::Disconnected => Some(SendError::Disconnected),
            Self::PeerDead => Some(SendError::PeerDead),
            Self::Corrupt(corruption) => Some(SendError::Corrupt(corruption)),
        }
    }

    fn timed_out(corruption: Option<Corruption>, obstacle: Option<Obstacle>) -> SendError {
        match (corruption, obstacle) {
            (Some(corruption), _) => SendError::Corrupt(corruption),
            (None, Some(obstacle)) => SendError::PeerStalled(obstacle),
            (None, None) => SendError::TimedOut,
        }
    }
}

impl Retry for TryRecvError {
    type Final = RecvError;

    fn settled(self) -> Option<RecvError> {
        match self {
            Self::Empty | Self::Busy => None,
            Self::Disconnected => Some(RecvError::Disconnected),
            Self::PeerDead => Some(RecvError::PeerDead),
            Self::BufferTooSmall { needed, capacity } => {
                Some(RecvError::BufferTooSmall { needed, capacity })
            }
            Self::Peer(code) => Some(RecvError::Peer(code)),
            Self::Malformed(error) => Some(RecvError::Malformed(error)),
            Self::Corrupt(corruption) => Some(RecvError::Corrupt(corruption)),
        }
    }

    fn timed_out(corruption: Option<Corruption>, obstacle: Option<Obstacle>) -> RecvError {
        match (corruption, obstacle) {
            (Some(corruption), _) => RecvError::Corrupt(corruption),
            (None, Some(obstacle)) => RecvError::PeerStalled(obstacle),
            (None, None) => RecvError::TimedOut,
        }
    }
}

fn too_long(f: &mut fmt::Formatter<'_>, len: usize, max: usize) -> fmt::Result {
    write!(
        f,
        "the message has {len} bytes, a buffer {max}: send it in parts, or make the region with larger buffers"
    )
}

fn corrupt(f: &mut fmt::Formatter<'_>, corruption: &Corruption) -> fmt::Result {
    let Corruption { position, stamp } = corruption;
    write!(
        f,
        "the slot of position {position} holds {stamp:#018x}, which no rule leads to: a peer damaged the region, make it anew"
    )
}

fn too_small(f: &mut fmt::Formatter<'_>, needed: usize, capacity: usize) -> fmt::Result {
    write!(
        f,
        "the message has {needed} bytes, the buffer {capacity}: receive it with a buffer of at least {needed}"
    )
}

fn stalled(f: &mut fmt::Formatter<'_>, obstacle: &Obstacle) -> fmt::Result {
    let Obstacle {
        position,
        member,
        writing,
    } = obstacle;
    let what = if *writing { "writing" } else { "reading" };
    write!(
        f,
        "member {member} has been {what} position {position} all the time: see whether it runs, and continue or end it"
    )
}

const NO_EMPTY_MESSAGES: &str =
    "the message is empty, which format 1 cannot carry: send at least one byte";
const RECEIVER_LEFT: &str =
    "the receiver has closed its half: nobody will read this, open a new link";
const SENDER_LEFT: &str = "the sender has closed its half and everything it sent was received";
const RECEIVER_DIED: &str = "the receivers have died and there is no more room: start one anew";
const SENDER_DIED: &str =
    "the senders have died and everything they sent was received: start one anew";

impl fmt::Display for TrySendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("all buffers hold unread messages: try again later, or wait"),
            Self::Busy => f.write_str("other senders were faster: try again"),
            Self::TooLong { len, max } => too_long(f, *len, *max),
            Self::EmptyMessage => f.write_str(NO_EMPTY_MESSAGES),
            Self::Disconnected => f.write_str(RECEIVER_LEFT),
            Self::PeerDead => f.write_str(RECEIVER_DIED),
            Self::Corrupt(corruption) => corrupt(f, corruption),
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str(
                "no buffer became free in time: the receiver does not keep up, or is not there",
            ),
            Self::PeerStalled(obstacle) => stalled(f, obstacle),
            Self::TooLong { len, max } => too_long(f, *len, *max),
            Self::EmptyMessage => f.write_str(NO_EMPTY_MESSAGES),
            Self::Disconnected => f.write_str(RECEIVER_LEFT),
            Self::PeerDead => f.write_str(RECEIVER_DIED),
            Self::Corrupt(corruption) => corrupt(f, corruption),
        }
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no message is there: try again later, or wait"),
            Self::Busy => f.write_str("other receivers were faster: try again"),
            Self::Disconnected => f.write_str(SENDER_LEFT),
            Self::PeerDead => f.write_str(SENDER_DIED),
            Self::BufferTooSmall { needed, capacity } => too_small(f, *needed, *capacity),
            Self::Peer(code) => write!(f, "the peer sent an error: {code:?}"),
            Self::Malformed(error) => write!(f, "the peer broke the protocol: {error}"),
            Self::Corrupt(corruption) => corrupt(f, corruption),
        }
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no message came in time"),
            Self::PeerStalled(obstacle) => stalled(f, obstacle),
            Self::Disconnected => f.write_str(SENDER_LEFT),
            Self::PeerDead => f.write_str(SENDER_DIED),
            Self::BufferTooSmall { needed, capacity } => too_small(f, *needed, *capacity),
            Self::Peer(code) => write!(f, "the peer sent an error: {code:?}"),
            Self::Malformed(error) => write!(f, "the peer broke the protocol: {error}"),
            Self::Corrupt(corruption) => corrupt(f, corruption),
        }
    }
}

impl fmt::Display for GrantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len, max } => too_long(f, *len, *max),
            Self::EmptyMessage => f.write_str(NO_EMPTY_MESSAGES),
        }
    }
}

impl core::error::Error for TrySendError {}
impl core::error::Error for SendError {}
impl core::error::Error for TryRecvError {}
impl core::error::Error for RecvError {}
impl core::error::Error for GrantError {}
