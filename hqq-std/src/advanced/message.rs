//! What a link receives.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hqq_core::advanced::MessageKey;
use hqq_core::packet::MessageKind;

use super::arriving::Arriving;
use super::engine::Ticket;
use super::error::{BodyFailure, LinkFailure, ReceiveError};
use super::link::AdvancedLink;
use super::request::Request;
use super::waiters::Interest;

/// A message, all of it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Message {
    /// One that needs no answer.
    Plain {
        /// The stream it came on; 0 is the link itself.
        connection: u64,
        /// Its number, counted by its sender.
        id: u64,
        /// Its bytes.
        body: Vec<u8>,
    },
    /// One that needs one.
    Request(Request),
}

impl Message {
    pub(super) fn new(mut arriving: Arriving, ticket: impl FnOnce() -> Arc<Ticket>) -> Self {
        let body = arriving.take();
        match arriving.key.kind {
            MessageKind::Request => {
                let MessageKey { connection, id, .. } = arriving.key;
                let (method, body) = (arriving.aux, body.into());
                Self::Request(Request::new(connection, id, method, body, ticket()))
            }
            _ => Self::Plain {
                connection: arriving.key.connection,
                id: arriving.key.id,
                body,
            },
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        match self {
            Self::Plain { body, .. } => body,
            Self::Request(request) => request.body(),
        }
    }
}

/// Where a streamed body comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// Of the peer of this generation, as the next one gives the same names.
    Message(MessageKey, u64),
    Answer(u64),
}

impl Source {
    pub(super) const fn connection(self) -> u64 {
        match self {
            Self::Message(key, _) => key.connection,
            Self::Answer(_) => 0,
        }
    }
}

/// The bytes of a message, read as they come; of any length. [`Read`] ends at its end, and fails
/// where it dies before. Dropping it drops the rest.
///
/// While other messages that nobody receives stop the ring, reads wait also where the peer has gone, as the rest may be
/// behind them; of an answer, for a second.
pub struct BodyReader {
    link: AdvancedLink,
    source: Source,
    len: Option<u64>,
    timeout: Option<Duration>,
    deadline: Option<Instant>,
}

impl BodyReader {
    pub(super) const fn new(link: AdvancedLink, source: Source, len: Option<u64>) -> Self {
        Self {
            link,
            source,
            len,
            timeout: None,
            deadline: None,
        }
    }

    /// Bytes in the whole message; `None` where its sender did not know.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "not of what is left")]
    pub const fn len(&self) -> Option<u64> {
        self.len
    }

    /// How long each read waits for more; `None` is for ever.
    pub const fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// When reads end, however much comes; `None` is never. From then on they fail, unless all of the
    /// message is there. Of this and the [timeout](BodyReader::set_timeout) what comes first counts.
    pub const fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    /// When a read that begins now gives up.
    fn end_of_read(&self) -> Option<Instant> {
        let timeout = self
            .timeout
            .and_then(|time| Instant::now().checked_add(time));
        match (timeout, self.deadline) {
            (Some(timeout), Some(deadline)) => Some(timeout.min(deadline)),
            (timeout, deadline) => timeout.or(deadline),
        }
    }
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let deadline = self.end_of_read();
        let is_late = self.deadline.is_some_and(|end| Instant::now() >= end);
        let source = self.source;
        let read = self.link.shared().wait(deadline, |engine| {
            let mut failure = engine.failure;
            let (read, over, failed, interest) = match source {
                Source::Message(key, generation) => {
                    if engine.generation != generation {
                        return Ok(Err(BodyFailure::Link(LinkFailure::Disconnected).into()));
                    }
                    let Some(arriving) = engine.arriving.get_mut(&key) else {
                        return Ok(Err(gone(engine.failure).into()));
                    };
                    if is_late && !arriving.is_over() {
                        return Ok(Err(io::ErrorKind::TimedOut.into()));
                    }
                    let read = arriving.read(buffer, &mut engine.kept);
                    let end = (arriving.complete, arriving.failed);
                    engine.taken(&key);
                    (read, end.0, end.1, Interest::Any)
                }
                Source::Answer(id) => {
                    let answer = engine.calls.get(&id).and_then(|call| call.answer.as_ref());
                    if is_late && !answer.is_some_and(Arriving::is_over) {
                        return Ok(Err(io::ErrorKind::TimedOut.into()));
                    }
                    let read = engine.read_answer(id, buffer);
                    let Some(call) = engine.calls.get(&id) else {
                        return Ok(Err(gone(engine.failure).into()));
                    };
                    let answer = call.answer.as_ref();
                    let complete = answer.is_some_and(|answer| answer.complete);
                    let unsent = call.unsent.is_some().then_some(BodyFailure::Request);
                    let failed = answer.and_then(|answer| answer.failed).or(unsent);
                    failure = engine.unanswered();
                    (read, complete, failed, Interest::Call(id))
                }
            };
            match (read, failed, failure) {
                (1.., ..) => Ok(Ok(read)),
                (0, ..) if over => Ok(Ok(0)),
                (_, Some(failure), _) => Ok(Err(failure.into())),
                (_, None, Some(failure)) => Ok(Err(BodyFailure::Link(failure).into())),
                _ => Err(interest),
            }
        });
        read.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }
}

fn gone(failure: Option<LinkFailure>) -> BodyFailure {
    failure.map_or(BodyFailure::Aborted, BodyFailure::Link)
}

impl Drop for BodyReader {
    fn drop(&mut self) {
        let mut engine = self.link.shared().lock();
        match self.source {
            Source::Message(key, generation) if engine.generation == generation => {
                engine.drop_body(&key);
            }
            Source::Message(..) => {}
            Source::Answer(id) => engine.end_call(id),
        }
        let is_left = engine.has_control();
        drop(engine);
        if is_left {
            self.link.settle();
        }
    }
}

/// A message whose bytes are read as they come.
#[non_exhaustive]
pub enum Incoming {
    /// One that needs no answer.
    Plain {
        /// The stream it came on; 0 is the link itself.
        connection: u64,
        /// Its bytes.
        body: BodyReader,
    },
    /// One that needs one; its own body is empty.
    Request {
        /// What is to be answered.
        request: Request,
        /// Its bytes.
        body: BodyReader,
    },
}

/// Why nothing came.
pub(super) fn nothing(failure: Option<LinkFailure>) -> ReceiveError {
    failure.map_or(ReceiveError::TimedOut, ReceiveError::Link)
}
