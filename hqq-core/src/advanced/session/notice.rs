//! What a session tells: what happened, what a packet led to, what was dropped.

use super::super::calls::CallFailure;
use super::super::inbound::{Arrival, DiscardReason, MessageKey};
use super::super::negotiate::{Agreement, NegotiateError};
use crate::packet::{ErrorCode, Opcode, Reason};

/// What happened besides chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Notice {
    /// Both sides know what they can do.
    Negotiated(Agreement),
    /// They never will.
    NegotiationFailed(NegotiateError),
    /// The sender of a message gave it up; of a request, also after all of it came: nobody waits
    /// for the answer.
    Aborted(MessageKey),
    /// A message or a request died on its way. Whoever sent the request is told by an error
    /// response. Of a response, [`Notice::CallFailed`] says so.
    Discarded(MessageKey, DiscardReason),
    /// A call will get no answer.
    CallFailed {
        /// Its stream.
        connection: u64,
        /// Its request's id.
        id: u64,
        /// Why.
        failure: CallFailure,
    },
    /// The peer wants a stream: accept or refuse it.
    Offered(u64),
    /// A stream is open.
    Opened(u64),
    /// The peer does not want a stream.
    Refused {
        /// The stream.
        connection: u64,
        /// Why.
        code: ErrorCode,
    },
    /// The peer has closed a stream. What was arriving on it is gone.
    Closed {
        /// The stream.
        connection: u64,
        /// Why; 0 is normal.
        reason: Reason,
    },
    /// The peer reports an error of its own.
    PeerError {
        /// What it is about.
        context: u64,
        /// Its code.
        code: ErrorCode,
    },
    /// A packet that has no place in the Advanced protocol, or none in what was agreed on; it was
    /// dropped.
    Unexpected(Opcode),
}

/// What a packet led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
// Which it is, in a byte where programs have to be small: the compiler would take a word as wide as the
// fields are aligned.
#[cfg_attr(not(target_pointer_width = "64"), repr(u8))]
pub enum Step {
    /// Nothing to know.
    Nothing,
    /// The bytes in its buffer belong to a message.
    Chunk(Arrival),
    /// Something else.
    Notice(Notice),
}

impl From<Option<Notice>> for Step {
    fn from(notice: Option<Notice>) -> Self {
        notice.map_or(Self::Nothing, Self::Notice)
    }
}

/// What was dropped, for people and for tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct SessionCounters {
    /// Chunks of answers that nobody waits for.
    pub late: u64,
    /// Chunks of messages that are not known.
    pub stray: u64,
    /// Messages that died on their way.
    pub discarded: u64,
    /// Packets that were not sent for want of room: refusals, aborts, error responses.
    pub unsent: u64,
}
