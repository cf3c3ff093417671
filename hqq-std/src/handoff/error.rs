//! Why a region was not handed over.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::Credentials;
use crate::error::OpenError;

/// Why the other end wanted no link, as it said itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It does not let this process in.
    Unauthorised,
    /// What it was handed can be made shorter or longer.
    Unsealed,
    /// What it was handed is larger than it takes.
    TooLarge,
    /// What it was handed is nothing that can be a region, or came in no proper message.
    Unusable,
    /// It could not attach, or could not make a region.
    Failed,
    /// Something that this version does not know.
    Other(u32),
}

impl Refusal {
    pub(super) const fn code(self) -> u32 {
        match self {
            Self::Unauthorised => 1,
            Self::Unsealed => 2,
            Self::TooLarge => 3,
            Self::Unusable => 4,
            Self::Failed => 5,
            Self::Other(code) => code,
        }
    }

    pub(super) const fn of_code(code: u32) -> Self {
        match code {
            1 => Self::Unauthorised,
            2 => Self::Unsealed,
            3 => Self::TooLarge,
            4 => Self::Unusable,
            5 => Self::Failed,
            code => Self::Other(code),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthorised => f.write_str("it does not let this user or group in"),
            Self::Unsealed => {
                f.write_str("the memory is not sealed against a change of its length")
            }
            Self::TooLarge => f.write_str("the region is larger than it takes"),
            Self::Unusable => f.write_str("what it got can be no region"),
            Self::Failed => f.write_str("it could not make a region or attach to it"),
            Self::Other(code) => write!(f, "reason {code}"),
        }
    }
}

/// Why a region was not handed over. There is no link then.
#[derive(Debug)]
#[non_exhaustive]
pub enum HandoffError {
    /// Something has the socket's path already.
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// Nobody listens at the path.
    NobodyListens {
        /// The path.
        path: PathBuf,
    },
    /// The path is too long for the address of a socket.
    PathTooLong {
        /// The path.
        path: PathBuf,
    },
    /// This user may not use the socket at the path.
    PermissionDenied {
        /// The path.
        path: PathBuf,
    },
    /// The other end is a process that is not let in.
    Unauthorised {
        /// Who it is.
        peer: Credentials,
    },
    /// The other end did not do its part in time.
    TimedOut {
        /// How long it had.
        waited: Duration,
    },
    /// The other end hung up before it had done its part.
    HungUp,
    /// The other end wants no link.
    Refused {
        /// Why, as it says.
        refusal: Refusal,
    },
    /// The other end sent something that is no message of a handoff, or not the one that was due.
    Malformed {
        /// Bytes it has; of a longer message than there is, those that were looked at.
        len: usize,
    },
    /// A message came with another number of descriptors than it should.
    Descriptors {
        /// How many came; of more than there is room for, those that were looked at.
        found: usize,
        /// How many should.
        expected: usize,
    },
    /// The descriptor is not one of memory: a file, a pipe, a device.
    NotMemory,
    /// The memory is not sealed against being made shorter and longer for good.
    Unsealed {
        /// The seals it has, as in `F_GET_SEALS`.
        seals: u32,
    },
    /// The memory is sealed against being written.
    ReadOnly {
        /// The seals it has, as in `F_GET_SEALS`.
        seals: u32,
    },
    /// The memory does not have the length that was said.
    OtherLength {
        /// Bytes it has.
        found: u64,
        /// Bytes it was said to have.
        said: u64,
    },
    /// The memory is longer than this end takes.
    TooLarge {
        /// Bytes it has.
        found: u64,
        /// Bytes it may have.
        most: u64,
    },
    /// The region could not be made, or not be attached to.
    Open(OpenError),
    /// The operating system refused something else.
    Io {
        /// What was tried.
        action: &'static str,
        /// What it said.
        error: io::Error,
    },
}

impl HandoffError {
    pub(super) fn of_io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io { action, error }
    }

    /// What the other end is told.
    pub(super) const fn refusal(&self) -> Refusal {
        match self {
            Self::Unauthorised { .. } => Refusal::Unauthorised,
            Self::Unsealed { .. } => Refusal::Unsealed,
            Self::TooLarge { .. } => Refusal::TooLarge,
            Self::Malformed { .. }
            | Self::Descriptors { .. }
            | Self::NotMemory
            | Self::ReadOnly { .. }
            | Self::OtherLength { .. } => Refusal::Unusable,
            _ => Refusal::Failed,
        }
    }
}

impl fmt::Display for HandoffError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists { path } => write!(
                f,
                "{} exists: choose another path, or remove it if nobody listens there any more",
                path.display()
            ),
            Self::NobodyListens { path } => write!(
                f,
                "nobody listens at {}: start the listener first, or check the path",
                path.display()
            ),
            Self::PathTooLong { path } => write!(
                f,
                "{} is too long for a socket: use a path of at most 107 bytes",
                path.display()
            ),
            Self::PermissionDenied { path } => write!(
                f,
                "{}: permission denied: run as a user that may use the socket, or make it with a wider mode",
                path.display()
            ),
            Self::Unauthorised { peer } => write!(
                f,
                "the other end ({peer}) is not let in: allow its user or group if it should be"
            ),
            Self::TimedOut { waited } => {
                write!(
                    f,
                    "the other end did not do its part within {waited:?}: try again"
                )
            }
            Self::HungUp => f.write_str("the other end hung up: see whether it still runs"),
            Self::Refused { refusal } => write!(f, "the other end refused: {refusal}"),
            Self::Malformed { len } => write!(
                f,
                "the other end sent {len} bytes that are no message due here: it is no hqq, or of another version"
            ),
            Self::Descriptors { found, expected } => write!(
                f,
                "the other end sent {found} descriptors where {expected} were due: it is no hqq, or of another version"
            ),
            Self::NotMemory => f.write_str(
                "the descriptor is not one of anonymous memory: hand over a sealed memfd",
            ),
            Self::Unsealed { seals } => write!(
                f,
                "the memory can be made shorter or longer (its seals are {seals:#x}): seal it with F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_SEAL first"
            ),
            Self::ReadOnly { seals } => write!(
                f,
                "the memory cannot be written (its seals are {seals:#x}): hand over one that can"
            ),
            Self::OtherLength { found, said } => write!(
                f,
                "the memory has {found} bytes, not {said} as the other end says: it is no hqq"
            ),
            Self::TooLarge { found, most } => write!(
                f,
                "the region has {found} bytes, this end takes {most}: raise the limit if that is right"
            ),
            Self::Open(error) => error.fmt(f),
            Self::Io { action, error } => write!(f, "cannot {action}: {error}"),
        }
    }
}

impl std::error::Error for HandoffError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Open(error) => Some(error),
            Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl From<OpenError> for HandoffError {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

impl From<HandoffError> for io::Error {
    fn from(error: HandoffError) -> Self {
        let kind = match &error {
            HandoffError::Exists { .. } => io::ErrorKind::AlreadyExists,
            HandoffError::NobodyListens { .. } => io::ErrorKind::ConnectionRefused,
            HandoffError::PathTooLong { .. } => io::ErrorKind::InvalidInput,
            HandoffError::PermissionDenied { .. }
            | HandoffError::Unauthorised { .. }
            | HandoffError::Refused { .. } => io::ErrorKind::PermissionDenied,
            HandoffError::TimedOut { .. } => io::ErrorKind::TimedOut,
            HandoffError::HungUp => io::ErrorKind::UnexpectedEof,
            HandoffError::Io { error, .. } => error.kind(),
            HandoffError::Open(_) => io::ErrorKind::Other,
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}
