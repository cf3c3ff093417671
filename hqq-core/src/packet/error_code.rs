//! Error codes and reasons: the numbers by which peers tell each other what went wrong.

use super::PacketError;

/// What went wrong, as an [`ErrorPacket`](super::ErrorPacket) says it. The discriminant is the
/// number on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum ErrorCode {
    /// The region's memory is not aligned.
    MemoryAlignment = 1,
    /// A size that is not legal here.
    InvalidSize = 2,
    /// The region's memory is too small.
    MemoryTooSmall = 3,
    /// The region could not be initialised.
    InitializationFailed = 4,
    /// No such connection, or nobody listens for new ones.
    ConnectionNotFound = 5,
    /// An operation that is not legal here.
    InvalidOperation = 6,
    /// More bytes than the receiver has room for.
    BufferOverflow = 7,
}

impl ErrorCode {
    /// The error code that `code` stands for.
    ///
    /// # Errors
    ///
    /// [`PacketError::UnknownErrorCode`] for every number but 1..=7.
    #[inline]
    pub const fn from_code(code: u64) -> Result<Self, PacketError> {
        Ok(match code {
            1 => Self::MemoryAlignment,
            2 => Self::InvalidSize,
            3 => Self::MemoryTooSmall,
            4 => Self::InitializationFailed,
            5 => Self::ConnectionNotFound,
            6 => Self::InvalidOperation,
            7 => Self::BufferOverflow,
            _ => return Err(PacketError::UnknownErrorCode(code)),
        })
    }

    /// The number on the wire.
    #[inline]
    #[must_use]
    pub const fn as_code(self) -> u64 {
        self as u64
    }
}

/// Why a slot holds no message, or why a stream was closed. Any number is legal.
///
/// Where an [`ErrorCode`] fits, its number is used; 0 is [`Reason::NORMAL`]; the rest is the
/// application's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Reason(u64);

impl Reason {
    /// The normal end of a stream.
    pub const NORMAL: Self = Self(0);

    /// The reason with this number.
    #[inline]
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The number on the wire.
    #[inline]
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl From<ErrorCode> for Reason {
    #[inline]
    fn from(code: ErrorCode) -> Self {
        Self(code.as_code())
    }
}
