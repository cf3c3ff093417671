//! What can go wrong on an Advanced link, one enum per operation.

use std::fmt;
use std::io;

use hqq_core::advanced::{BeginError, CallFailure, DiscardReason, NegotiateError, PollError};
use hqq_core::packet::{ErrorCode, Reason};

use crate::error::message::{FORKED, TRUNCATED};

/// Why a link is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkFailure {
    /// The peer has closed its end.
    Disconnected,
    /// The peer's process died.
    PeerDead,
    /// A ring holds what no rule leads to.
    Corrupt(PollError),
    /// The region's file was made shorter while it was in use; see [`LinkOptions`](crate::LinkOptions::guard_truncation).
    Truncated,
    /// This end was [closed](crate::AdvancedLink::close), or its last handle dropped.
    Closed,
    /// This process was forked from the one whose link it is: its threads and the region stayed there.
    Forked,
    /// A task waits, and the system gave no thread to drive the link for it. The link is not over.
    NoThread(io::ErrorKind),
}

impl fmt::Display for LinkFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected => f.write_str("the peer has closed its end: open a new link"),
            Self::PeerDead => f.write_str("the peer's process died: open a new link"),
            Self::Corrupt(error) => error.fmt(f),
            Self::Truncated => f.write_str(TRUNCATED),
            Self::Closed => f.write_str("this link was closed"),
            Self::Forked => f.write_str(FORKED),
            Self::NoThread(kind) => write!(
                f,
                "the system gave no thread to drive the link for tasks ({kind}): try again later, or wait in a thread"
            ),
        }
    }
}

impl std::error::Error for LinkFailure {}

impl LinkFailure {
    const fn kind(self) -> io::ErrorKind {
        match self {
            Self::Corrupt(_) | Self::Truncated => io::ErrorKind::InvalidData,
            Self::NoThread(kind) => kind,
            Self::Forked => io::ErrorKind::NotConnected,
            _ => io::ErrorKind::ConnectionAborted,
        }
    }
}

impl From<LinkFailure> for io::Error {
    fn from(failure: LinkFailure) -> Self {
        Self::new(failure.kind(), failure)
    }
}

/// Why there is no agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NegotiationError {
    /// The two sides do not fit, or negotiated before.
    Negotiate(NegotiateError),
    /// The peer has not asked, or has not answered, in time.
    TimedOut,
    /// The link is over.
    Link(LinkFailure),
}

/// Why a message was not sent. Where part of it was, the peer was told to forget it.
#[derive(Debug)]
#[non_exhaustive]
pub enum TransferError {
    /// It could not be begun.
    Begin(BeginError),
    /// Not all of it was sent in time.
    TimedOut,
    /// Its stream was closed.
    StreamClosed,
    /// It is the second answer to a request: nothing was sent.
    Answered,
    /// It is the answer to a request that came on another link: nothing was sent, and the request is still
    /// to be answered there.
    OtherLink,
    /// Its reader failed, or ended early.
    Input(io::Error),
    /// The link is over.
    Link(LinkFailure),
}

/// Why no message was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiveError {
    /// None came in time.
    TimedOut,
    /// The stream was closed, and everything that had come on it was received.
    StreamClosed,
    /// The link is over, and everything that had come was received. For streams that are opened and for requests also: the
    /// peer has gone, and for a second nothing was taken out of the ring, which messages stop that nobody receives.
    Link(LinkFailure),
}

/// Why a call has no answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum CallError {
    /// The request could not be begun: it was not executed.
    Begin(BeginError),
    /// The callee answered with an error.
    Response {
        /// The status it gave.
        status: u64,
        /// What it says.
        body: Vec<u8>,
    },
    /// No answer came in time; the callee was told that nobody waits for it any more.
    TimedOut,
    /// It was cancelled.
    Cancelled,
    /// Its stream was closed.
    StreamClosed,
    /// The answer was given up by the callee, or died on its way.
    Failed(CallFailure),
    /// The request's reader failed, or ended early.
    Input(io::Error),
    /// The peer died before it took the beginning of the request, which was taken back or never sent: it was not
    /// executed, and nobody will execute it.
    NotExecuted,
    /// The link is over; or the peer has gone, and for a second nothing was taken out of the ring, which messages stop that
    /// nobody receives, though the answer may be behind them. Whether the request was executed is unknown.
    Link(LinkFailure),
}

/// Why a stream could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DialError {
    /// Nothing was negotiated, or there are too many streams.
    NoRoom,
    /// The peer does not listen, or refused.
    Refused(ErrorCode),
    /// The peer closed the stream in place of accepting it.
    Closed(Reason),
    /// It did not answer in time.
    TimedOut,
    /// The link is over; or the peer has gone, and for a second nothing was taken out of the ring, which messages stop that
    /// nobody receives, though its answer may be behind them.
    Link(LinkFailure),
}

const TIMED_OUT: &str = "the peer did not go on in time: wait longer, or see whether it is there";

impl fmt::Display for NegotiationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Negotiate(error) => error.fmt(f),
            Self::TimedOut => f.write_str(
                "the peer did not negotiate in time: wait longer, or see whether it is there",
            ),
            Self::Link(failure) => failure.fmt(f),
        }
    }
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin(error) => error.fmt(f),
            Self::TimedOut => f.write_str(TIMED_OUT),
            Self::StreamClosed => f.write_str("the stream was closed"),
            Self::Answered => {
                f.write_str("the request was answered before: answer each request once")
            }
            Self::OtherLink => {
                f.write_str("the request came on another link: answer it on the one that gave it")
            }
            Self::Input(error) => write!(f, "cannot read what is to be sent: {error}"),
            Self::Link(failure) => failure.fmt(f),
        }
    }
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no message came in time"),
            Self::StreamClosed => f.write_str("the stream was closed"),
            Self::Link(failure) => failure.fmt(f),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin(error) => error.fmt(f),
            Self::Response { status, body } => {
                write!(f, "the callee answered with status {status}")?;
                if body.is_empty() {
                    return Ok(());
                }
                write!(f, ": {}", body.escape_ascii())
            }
            Self::TimedOut => f.write_str("no answer came in time"),
            Self::Cancelled => f.write_str("the call was cancelled"),
            Self::StreamClosed => f.write_str("the stream was closed"),
            Self::Failed(CallFailure::Discarded(reason)) => write!(f, "the answer died: {reason}"),
            Self::Failed(CallFailure::Aborted) => f.write_str("the callee gave its answer up"),
            Self::Failed(_) => f.write_str("the call failed"),
            Self::Input(error) => write!(f, "cannot read what is to be sent: {error}"),
            Self::NotExecuted => f.write_str(
                "the peer died before it took the request, which was not executed: call the next one",
            ),
            Self::Link(failure) => failure.fmt(f),
        }
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoom => f.write_str(
                "no stream can be opened: negotiate first, or close some of those that are open",
            ),
            Self::Refused(code) => write!(f, "the peer refused the stream ({code:?})"),
            Self::Closed(reason) => write!(
                f,
                "the peer closed the stream without accepting it (reason {})",
                reason.get()
            ),
            Self::TimedOut => f.write_str("the peer did not accept the stream in time"),
            Self::Link(failure) => failure.fmt(f),
        }
    }
}

/// The errors that hold others, and what they are as errors of `std::io`.
macro_rules! errors {
    ($($error:ty: $($variant:ident),*;)*) => {$(
        impl std::error::Error for $error {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                match self {
                    $(Self::$variant(error) => Some(error),)*
                    _ => None,
                }
            }
        }

        impl From<LinkFailure> for $error {
            fn from(failure: LinkFailure) -> Self {
                Self::Link(failure)
            }
        }

        impl From<$error> for io::Error {
            fn from(error: $error) -> Self {
                type Error = $error;
                let kind = match &error {
                    Error::TimedOut => io::ErrorKind::TimedOut,
                    Error::Link(failure) => failure.kind(),
                    #[allow(unreachable_patterns, reason = "not all have others")]
                    _ => io::ErrorKind::Other,
                };
                Self::new(kind, error)
            }
        }
    )*};
}

errors! {
    NegotiationError: Negotiate, Link;
    TransferError: Begin, Input, Link;
    ReceiveError: Link;
    CallError: Begin, Input, Link;
    DialError: Link;
}

impl From<TransferError> for CallError {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Begin(error) => Self::Begin(error),
            TransferError::TimedOut => Self::TimedOut,
            // The others are only of answers.
            TransferError::StreamClosed | TransferError::Answered | TransferError::OtherLink => {
                Self::StreamClosed
            }
            TransferError::Input(error) => Self::Input(error),
            TransferError::Link(failure) => Self::Link(failure),
        }
    }
}

/// Why a message that is read as it comes ends before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyFailure {
    /// Its sender gave it up.
    Aborted,
    /// It died on its way.
    Discarded(DiscardReason),
    /// Its stream was closed.
    StreamClosed,
    /// It is an answer, and its request could not be sent to its end.
    Request,
    /// The link is over.
    Link(LinkFailure),
}

impl fmt::Display for BodyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aborted => f.write_str("its sender gave the message up"),
            Self::Discarded(reason) => write!(f, "the message died: {reason}"),
            Self::StreamClosed => f.write_str("the stream was closed"),
            Self::Request => f.write_str("the request could not be sent to its end"),
            Self::Link(failure) => failure.fmt(f),
        }
    }
}

impl std::error::Error for BodyFailure {}

impl From<BodyFailure> for io::Error {
    fn from(failure: BodyFailure) -> Self {
        Self::new(io::ErrorKind::UnexpectedEof, failure)
    }
}
