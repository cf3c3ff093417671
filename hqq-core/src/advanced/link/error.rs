//! Why a link cannot go on, and how far a message got.

use core::fmt;

use super::super::transfer::ChunkRefusal;
use crate::link::{TryRecvError, TrySendError};
use crate::ring::Corruption;

/// Why a link cannot be polled any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
// Which it is, in a byte where programs have to be small: the compiler would take a word as wide as the
// fields are aligned.
#[cfg_attr(not(target_pointer_width = "64"), repr(u8))]
pub enum PollError {
    /// The peer has closed the half that this side receives, and everything was received; or the
    /// half that it sends.
    Disconnected,
    /// The peer has died, and everything it had sent was received; or there is no more room.
    PeerDead,
    /// A ring holds what no rule leads to.
    Corrupt(Corruption),
}

impl fmt::Display for PollError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected => f.write_str("the peer has closed its half: open a new link"),
            Self::PeerDead => {
                f.write_str("the peer has died: open a new link once another one attaches")
            }
            Self::Corrupt(Corruption { position, stamp }) => write!(
                f,
                "the slot of position {position} holds {stamp:#018x}, which no rule leads to: make the region anew"
            ),
        }
    }
}

impl core::error::Error for PollError {}

/// Why a message was not moved on. It can still be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum AdvanceError {
    /// Its stream is not open any more.
    Closed,
    /// It was given up; or it is a request, and its call is over.
    GivenUp,
    /// It was begun without a size, and gets longer than this side may send.
    TooLong {
        /// Bytes that it would have.
        len: u64,
        /// The most bytes of a message.
        max: u64,
    },
    /// The link cannot be used any more.
    Link(PollError),
}

impl fmt::Display for AdvanceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the stream was closed: give the message up"),
            Self::GivenUp => {
                f.write_str("the message was given up, or its call is over: begin another")
            }
            Self::TooLong { len, max } => write!(
                f,
                "the message gets {len} bytes, at most {max} are allowed: raise the limit, or give it up"
            ),
            Self::Link(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for AdvanceError {}

/// How far a message got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Progress {
    /// All of it was sent.
    Finished,
    /// As many chunks were sent as were asked for, or all of the body: there is more of the message.
    More,
    /// The ring is full, or the stream's receiver has to take something off it first: poll, and go
    /// on later.
    Blocked,
}

/// What a refused chunk means for its message.
pub(super) const fn refused(refusal: ChunkRefusal) -> Result<Progress, AdvanceError> {
    match refusal {
        ChunkRefusal::Finished => Ok(Progress::Finished),
        ChunkRefusal::NoBytes => Ok(Progress::More),
        ChunkRefusal::NoCredit => Ok(Progress::Blocked),
        ChunkRefusal::Closed => Err(AdvanceError::Closed),
        ChunkRefusal::GivenUp => Err(AdvanceError::GivenUp),
        ChunkRefusal::TooLong { len, max } => Err(AdvanceError::TooLong { len, max }),
    }
}

/// What a packet that was not sent means for the link: nothing, where there is only no room.
pub(super) const fn unsent(error: TrySendError) -> Result<(), PollError> {
    match error {
        TrySendError::Disconnected => Err(PollError::Disconnected),
        TrySendError::PeerDead => Err(PollError::PeerDead),
        TrySendError::Corrupt(found) => Err(PollError::Corrupt(found)),
        _ => Ok(()),
    }
}

/// What it means for the link that no packet came: nothing, where there is only none for now.
pub(super) const fn ended(error: TryRecvError) -> Result<(), PollError> {
    match error {
        TryRecvError::Disconnected => Err(PollError::Disconnected),
        TryRecvError::PeerDead => Err(PollError::PeerDead),
        TryRecvError::Corrupt(found) => Err(PollError::Corrupt(found)),
        _ => Ok(()),
    }
}

impl From<PollError> for AdvanceError {
    fn from(error: PollError) -> Self {
        Self::Link(error)
    }
}
