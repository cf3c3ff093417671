//! The ConnectionCopy packet that most calls are made of: all of a request or response in one chunk.

use super::{CopyFlags, MessageKind, OPERANDS};

const ALL: u64 = CopyFlags::BEGIN.bits() | CopyFlags::END.bits();
const REQUEST: u64 = ALL | CopyFlags::REQUEST.bits();
const RESPONSE: u64 = ALL | CopyFlags::RESPONSE.bits();
const FAILURE: u64 = RESPONSE | CopyFlags::ERROR.bits();

/// Whether these are the flags of all of a request or response.
#[inline]
pub(super) const fn has_its_flags(bits: u64) -> bool {
    bits == REQUEST || bits == RESPONSE || bits == FAILURE
}

/// A [`ConnectionCopy`](super::ConnectionCopy) on the link itself that is all of a request or response (PROTOCOL.md, Packets):
/// written and checked in few steps, as most of its operands are known.
///
/// # Invariants
///
/// `flags` is one of the three above; `len` is less than [`UNKNOWN_SIZE`](super::UNKNOWN_SIZE).
///
/// ```
/// use hqq_core::packet::{ConnectionCopy, MessageKind, Whole};
///
/// let request = Whole::request(5, 7, 64);
/// assert_eq!(request.operands(), [0, 5, 64, 0, 64, 11, 7]);
/// assert_eq!(Whole::read(&request.operands(), 256), Some(request));
/// assert_eq!(ConnectionCopy::from(request).kind(), MessageKind::Request);
/// // Longer than a buffer.
/// assert_eq!(Whole::read(&request.operands(), 63), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Whole {
    message_id: u64,
    len: u64,
    flags: u64,
    aux: u64,
}

impl Whole {
    /// A request of `len` bytes, which lie in memory.
    #[inline]
    #[must_use]
    pub const fn request(message_id: u64, method: u64, len: usize) -> Self {
        Self {
            message_id,
            len: len as u64,
            flags: REQUEST,
            aux: method,
        }
    }

    /// The response of `len` bytes to a request; `error` where it reports a failure.
    #[inline]
    #[must_use]
    pub const fn response(message_id: u64, status: u64, error: bool, len: usize) -> Self {
        Self {
            message_id,
            len: len as u64,
            flags: if error { FAILURE } else { RESPONSE },
            aux: status,
        }
    }

    /// What these operands of a ConnectionCopy are, in a slot whose buffer has `buffer_size` bytes;
    /// `None` where they are something else, or break a rule:
    /// [`ConnectionCopy::from_operands`](super::ConnectionCopy::from_operands) tells.
    #[inline]
    #[must_use]
    pub fn read(operands: &[u64; OPERANDS], buffer_size: usize) -> Option<Self> {
        let &[connection, message_id, total, offset, len, flags, aux] = operands;
        let is_whole = connection | offset | (total ^ len) == 0;
        (is_whole && has_its_flags(flags) && len <= buffer_size as u64).then_some(Self {
            message_id,
            len,
            flags,
            aux,
        })
    }

    /// Operands 0–6 of its packet.
    #[inline]
    #[must_use]
    pub const fn operands(&self) -> [u64; OPERANDS] {
        [
            0,
            self.message_id,
            self.len,
            0,
            self.len,
            self.flags,
            self.aux,
        ]
    }

    /// The message; of a response, that of its request.
    #[inline]
    #[must_use]
    pub const fn message_id(&self) -> u64 {
        self.message_id
    }

    /// Its bytes.
    #[inline]
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "of a message elsewhere")]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether it is a response, and no request.
    #[inline]
    #[must_use]
    pub const fn is_response(&self) -> bool {
        self.flags != REQUEST
    }

    /// Whether it is a response that reports none.
    #[inline]
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.flags == RESPONSE
    }

    /// Whether it is a response that reports a failure.
    #[inline]
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        self.flags == FAILURE
    }

    /// What it is for.
    #[inline]
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        if self.is_response() {
            MessageKind::Response
        } else {
            MessageKind::Request
        }
    }

    /// The method of a request, the status of a response.
    #[inline]
    #[must_use]
    pub const fn aux(&self) -> u64 {
        self.aux
    }
}
