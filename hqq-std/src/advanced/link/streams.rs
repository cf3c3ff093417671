//! Logical streams: opened at either end, and closed.

use std::time::Instant;

use hqq_core::advanced::StreamState;
use hqq_core::packet::Reason;

use super::super::engine::Engine;
use super::super::error::{DialError, LinkFailure, ReceiveError};
use super::super::offer::Offer;
use super::super::stream::{Stream, StreamKey};
use super::super::waiters::Interest;
use super::AdvancedLink;

impl AdvancedLink {
    /// Lets the peer open streams, which [`AdvancedLink::accept`] or [`AdvancedLink::next_offer`] gives; or no
    /// more, so that each is refused. It holds for later peers, too.
    pub fn listen(&self, listening: bool) {
        let mut engine = self.shared().lock();
        engine.listening = listening;
        engine.session.listen(listening);
    }

    /// The next stream that the peer opens, accepted, until `deadline`; `None` is for ever. Only after
    /// [`AdvancedLink::listen`] there are any. An example is at [`Stream`].
    ///
    /// # Errors
    /// [`ReceiveError::TimedOut`] where none was opened in time; [`ReceiveError::Link`] where the link is over, or the
    /// peer has gone, and for a second nothing was taken out of the ring, which messages stop that nobody receives.
    pub fn accept(&self, deadline: Option<Instant>) -> Result<Stream, ReceiveError> {
        let accepted = self.shared().wait(deadline, accept_offered);
        let stream = accepted.unwrap_or(Err(ReceiveError::TimedOut))?;
        // The peer waits for that, also where there is no room now.
        self.settle();
        Ok(Stream::new(self.clone(), stream))
    }

    /// The next stream that the peer opens, neither accepted nor refused, until `deadline`; `None` is for ever. An
    /// example is at [`Offer`].
    ///
    /// # Errors
    /// As [`AdvancedLink::accept`].
    pub fn next_offer(&self, deadline: Option<Instant>) -> Result<Offer, ReceiveError> {
        let offered = self.shared().wait(deadline, take_offered);
        let stream = offered.unwrap_or(Err(ReceiveError::TimedOut))?;
        Ok(Offer::new(self.clone(), stream))
    }

    /// Refuses a stream that was offered, and not accepted since.
    pub(in crate::advanced) fn refuse_stream(&self, stream: StreamKey) {
        let mut engine = self.shared().lock();
        if engine.generation == stream.generation && engine.session.refuse_stream(stream.id) {
            drop(engine);
            self.settle();
        }
    }

    /// Opens a stream, which the peer has to accept until `deadline`; `None` is for ever.
    ///
    /// # Errors
    /// [`DialError::NoRoom`] where nothing was negotiated, or too many streams are open;
    /// [`DialError::Refused`] where the peer does not listen, has no room or does not want it; [`DialError::Closed`] where it
    /// closes the stream at once; [`DialError::TimedOut`] where it did not answer in time;
    /// [`DialError::Link`] where the link is over, or ends meanwhile.
    pub fn dial(&self, deadline: Option<Instant>) -> Result<Stream, DialError> {
        let dial = self.begin_dial()?;
        let stream = dial.stream;
        let answer = self
            .shared()
            .wait(deadline, |engine| dial_answer(engine, stream));
        dial.end(answer.unwrap_or(Err(DialError::TimedOut)))
    }

    pub(super) fn begin_dial(&self) -> Result<Dial<'_>, DialError> {
        let mut engine = self.shared().lock();
        if let Some(failure) = engine.failure {
            return Err(failure.into());
        }
        let id = engine.session.dial().ok_or(DialError::NoRoom)?;
        engine.dials.insert(id, None);
        let generation = engine.generation;
        let stream = StreamKey { id, generation };
        let link = self;
        Ok(Dial { link, stream })
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
    loop {
        match take_offered(engine)? {
            Ok(stream) if engine.session.accept_stream(stream.id) => {
                engine.poll();
                return Ok(Ok(stream));
            }
            Ok(_) => {}
            Err(error) => return Ok(Err(error)),
        }
    }
}

/// The oldest stream that was offered and neither accepted nor refused.
pub(super) fn take_offered(
    engine: &mut Engine,
) -> Result<Result<StreamKey, ReceiveError>, Interest> {
    while let Some(id) = engine.offered.pop_front() {
        if engine.session.stream(id) == Some(StreamState::Offered) {
            let generation = engine.generation;
            return Ok(Ok(StreamKey { id, generation }));
        }
    }
    match engine.unanswered() {
        Some(failure) => Ok(Err(failure.into())),
        None => Err(Interest::Any),
    }
}

/// A stream that the peer has not accepted yet. Dropping it gives it up.
pub(super) struct Dial<'a> {
    link: &'a AdvancedLink,
    pub(super) stream: StreamKey,
}

impl Dial<'_> {
    pub(super) fn end(self, answer: Result<(), DialError>) -> Result<Stream, DialError> {
        answer?;
        self.forget();
        let stream = Stream::new(self.link.clone(), self.stream);
        std::mem::forget(self);
        Ok(stream)
    }

    fn forget(&self) {
        let mut engine = self.link.shared().lock();
        if engine.generation == self.stream.generation {
            engine.dials.remove(&self.stream.id);
        }
    }
}

impl Drop for Dial<'_> {
    fn drop(&mut self) {
        self.forget();
        self.link.close_stream(self.stream, Reason::NORMAL);
    }
}

/// What the peer says to a stream that was dialled.
pub(super) fn dial_answer(
    engine: &mut Engine,
    stream: StreamKey,
) -> Result<Result<(), DialError>, Interest> {
    if engine.generation != stream.generation {
        return Ok(Err(LinkFailure::Disconnected.into()));
    }
    let answer = engine.dials.get(&stream.id).copied().flatten();
    match (answer, engine.unanswered()) {
        (Some(answer), _) => Ok(answer),
        (None, Some(failure)) => Ok(Err(failure.into())),
        (None, None) => Err(Interest::Any),
    }
}
