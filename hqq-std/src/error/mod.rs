//! What can go wrong, one enum per operation, and what it is as an [`io::Error`].

pub(crate) mod message;
mod open;

use std::fmt;
use std::io;

use hqq_core::{TryRecvError, TrySendError};

pub use message::{DrainError, RecvError, SendError};
pub use open::{NameError, OpenError};

/// Any error of this crate, for programs that do not tell them apart.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A region could not be had.
    Open(OpenError),
    /// A message was not sent.
    Send(SendError),
    /// No message was received.
    Recv(RecvError),
    /// Not everything was received in time.
    Drain(DrainError),
    /// Sending without waiting failed.
    TrySend(TrySendError),
    /// Receiving without waiting failed.
    TryRecv(TryRecvError),
    /// Something else, through `std::io`.
    Io(io::Error),
}

macro_rules! any {
    ($($kind:ident($error:ty),)*) => {
        impl fmt::Display for Error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$kind(error) => error.fmt(f),)*
                }
            }
        }

        impl std::error::Error for Error {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                match self {
                    $(Self::$kind(error) => error.source(),)*
                }
            }
        }

        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::$kind(error)
            }
        })*
    };
}

any! {
    Open(OpenError),
    Send(SendError),
    Recv(RecvError),
    Drain(DrainError),
    TrySend(TrySendError),
    TryRecv(TryRecvError),
    Io(io::Error),
}
