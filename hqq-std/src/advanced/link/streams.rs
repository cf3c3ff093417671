//! Logical streams: opened at either end, and closed.

use std::time::Instant;

use hqq_core::packet::Reason;

use super::super::engine::Engine;
use super::super::error::{DialError, LinkFailure, ReceiveError};
use super::super::stream::{Stream, StreamKey};
use super::super::waiters::Interest;
use super::AdvancedLink;

impl AdvancedLink {
    /// Lets the peer open streams, which [`AdvancedLink::accept`] gives; or no more.
    pub fn listen(&self, listening: bool) {
        self.shared().lock().session.listen(listening);
    }

    /// The next stream that the peer opens, accepted.
    ///
    /// # Errors
    /// [`ReceiveError`].
    pub fn accept(&self, deadline: Option<Instant>) -> Result<Stream, ReceiveError> {
        let accepted = self.shared().wait(deadline, accept_offered);
        let stream = accepted.unwrap_or(Err(ReceiveError::TimedOut))?;
        // The peer waits for that, also where there is no room now.
        self.settle();
        Ok(Stream::new(self.clone(), stream))
    }

    /// Opens a stream, which the peer has to accept until `deadline`.
    ///
    /// # Errors
    /// [`DialError`].
    pub fn dial(&self, deadline: Option<Instant>) -> Result<Stream, DialError> {
        let mut engine = self.shared().lock();
        if let Some(failure) = engine.failure {
            return Err(failure.into());
        }
        let id = engine.session.dial().ok_or(DialError::NoRoom)?;
        engine.dials.insert(id, None);
        let generation = engine.generation;
        let stream = StreamKey { id, generation };
        drop(engine);
        let answer = self.shared().wait(deadline, |engine| {
            if engine.generation != generation {
                return Ok(Err(LinkFailure::Disconnected.into()));
            }
            match (engine.dials.get(&id).copied().flatten(), engine.failure) {
                (Some(answer), _) => Ok(answer),
                (None, Some(failure)) => Ok(Err(failure.into())),
                (None, None) => Err(Interest::Any),
            }
        });
        let mut engine = self.shared().lock();
        if engine.generation == generation {
            engine.dials.remove(&id);
        }
        drop(engine);
        match answer.unwrap_or(Err(DialError::TimedOut)) {
            Ok(()) => Ok(Stream::new(self.clone(), stream)),
            Err(error) => {
                self.close_stream(stream, Reason::NORMAL);
                Err(error)
            }
        }
    }

    pub(in crate::advanced) fn close_stream(&self, stream: StreamKey, reason: Reason) {
        let mut engine = self.shared().lock();
        if engine.generation == stream.generation && engine.session.close_stream(stream.id, reason)
        {
            let but_requests = engine.session.keeps_requests();
            engine.stream_closed(stream.id, but_requests);
            drop(engine);
            self.settle();
        }
    }
}

/// Accepts the oldest stream that was offered.
pub(super) fn accept_offered(
    engine: &mut Engine,
) -> Result<Result<StreamKey, ReceiveError>, Interest> {
    while let Some(id) = engine.offered.pop_front() {
        if engine.session.accept_stream(id) {
            let generation = engine.generation;
            engine.poll();
            return Ok(Ok(StreamKey { id, generation }));
        }
    }
    match engine.failure {
        Some(failure) => Ok(Err(failure.into())),
        None => Err(Interest::Any),
    }
}
