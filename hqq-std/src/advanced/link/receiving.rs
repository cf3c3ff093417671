//! Messages and requests that come.

use std::time::{Duration, Instant};

use hqq_core::advanced::MessageKey;
use hqq_core::packet::MessageKind;

use super::super::engine::Engine;
use super::super::error::ReceiveError;
use super::super::message::{BodyReader, Incoming, Message, Request, Source, nothing};
use super::super::waiters::Interest;
use super::AdvancedLink;

impl AdvancedLink {
    /// The next message or request, all of it. A message that is too long to be assembled, or has no
    /// size, is for [`AdvancedLink::receive_stream`] only.
    ///
    /// # Errors
    /// [`ReceiveError`].
    pub fn receive(&self) -> Result<Message, ReceiveError> {
        self.receive_until(None)
    }

    /// As [`AdvancedLink::receive`], for at most this long.
    ///
    /// # Errors
    /// As there.
    pub fn receive_timeout(&self, timeout: Duration) -> Result<Message, ReceiveError> {
        self.receive_until(Instant::now().checked_add(timeout))
    }

    /// As [`AdvancedLink::receive`], until `deadline`; `None` is for ever.
    ///
    /// # Errors
    /// As there.
    pub fn receive_until(&self, deadline: Option<Instant>) -> Result<Message, ReceiveError> {
        if let Some(request) = self.look_for_request(true) {
            return Ok(Message::Request(request));
        }
        self.shared()
            .wait(deadline, |engine| take_message(engine, |_| true))
            .unwrap_or(Err(ReceiveError::TimedOut))
    }

    /// A request that comes soon, where nothing else goes on; `messages` where others are received, too.
    pub(super) fn look_for_request(&self, messages: bool) -> Option<Request> {
        let mut engine = self.shared().lock();
        engine.messages_read |= messages;
        if !engine.is_quiet() {
            return None;
        }
        self.shared().look(&mut engine, Engine::look_for_request)
    }

    /// The next request, all of it; other messages stay.
    ///
    /// # Errors
    /// [`ReceiveError`].
    pub fn receive_request(&self, deadline: Option<Instant>) -> Result<Request, ReceiveError> {
        if let Some(request) = self.look_for_request(false) {
            return Ok(request);
        }
        let message = self.shared().wait(deadline, |engine| {
            take_message(engine, |key| key.kind == MessageKind::Request)
        });
        match message.unwrap_or(Err(ReceiveError::TimedOut))? {
            Message::Request(request) => Ok(request),
            Message::Plain { .. } => Err(ReceiveError::TimedOut),
        }
    }

    /// The next message or request, as soon as it has begun, whatever its length: its bytes are read
    /// as they come.
    ///
    /// # Errors
    /// [`ReceiveError`].
    pub fn receive_stream(&self, deadline: Option<Instant>) -> Result<Incoming, ReceiveError> {
        self.shared().lock().streams_read = true;
        let begun = self.shared().wait(deadline, |engine| {
            let found = engine.order.iter().copied().find(|key| {
                let arriving = engine.arriving.get(key);
                arriving.is_some_and(|arriving| !arriving.taken && arriving.failed.is_none())
            });
            let Some(key) = found else {
                return engine
                    .failure
                    .map_or(Err(Interest::Any), |failure| Ok(Err(failure.into())));
            };
            engine.unlist(&key);
            let Some(arriving) = engine.arriving.get_mut(&key) else {
                return Err(Interest::Any);
            };
            arriving.taken = true;
            let (method, len) = (arriving.aux, arriving.total);
            engine.taken(&key);
            let request = (key.kind == MessageKind::Request).then(|| Request {
                key,
                method,
                body: Vec::new(),
                cancelled: engine.serve(key),
            });
            Ok(Ok((Source::Message(key, engine.generation), len, request)))
        });
        let (source, len, request) = begun.unwrap_or(Err(ReceiveError::TimedOut))?;
        let body = BodyReader::new(self.clone(), source, len);
        Ok(match request {
            Some(request) => Incoming::Request { request, body },
            None => Incoming::Plain {
                connection: source.connection(),
                body,
            },
        })
    }

    /// Drops messages that nobody receives, where they stop what comes behind them.
    pub(in crate::advanced) fn drop_unread(&self) {
        self.shared().lock().drop_unread();
    }
}

/// The oldest message that is complete and that `wanted` takes.
pub(super) fn take_message(
    engine: &mut Engine,
    wanted: impl Fn(&MessageKey) -> bool,
) -> Result<Result<Message, ReceiveError>, Interest> {
    let found = engine.order.iter().copied().find(|key| {
        let complete = engine
            .arriving
            .get(key)
            .is_some_and(|arriving| arriving.complete);
        complete && wanted(key)
    });
    let Some(arriving) = found.and_then(|key| engine.forget(&key)) else {
        return match engine.failure {
            Some(_) => Ok(Err(nothing(engine.failure))),
            None => Err(Interest::Any),
        };
    };
    let key = arriving.key;
    let message = Message::new(arriving, || engine.serve(key));
    engine.taken(&key);
    Ok(Ok(message))
}
