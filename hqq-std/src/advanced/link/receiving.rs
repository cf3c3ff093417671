//! Messages and requests that come.

use std::time::{Duration, Instant};

use hqq_core::advanced::{MessageKey, StreamState};
use hqq_core::packet::MessageKind;

use super::super::engine::Engine;
use super::super::error::{LinkFailure, ReceiveError};
use super::super::message::{BodyReader, Incoming, Message, Source, nothing};
use super::super::request::Request;
use super::super::stream::StreamKey;
use super::super::waiters::Interest;
use super::AdvancedLink;

impl AdvancedLink {
    /// The next message or request, all of it, of the link and of all streams. A message that is too long to
    /// be assembled, or has no size, is for [`AdvancedLink::receive_stream`] only.
    ///
    /// # Errors
    /// [`ReceiveError::Link`] where the link is over, and everything that had come was received.
    pub fn receive(&self) -> Result<Message, ReceiveError> {
        self.receive_until(None)
    }

    /// As [`AdvancedLink::receive`], for at most this long.
    ///
    /// # Errors
    /// As there; [`ReceiveError::TimedOut`] where none came in time.
    pub fn receive_timeout(&self, timeout: Duration) -> Result<Message, ReceiveError> {
        self.receive_until(Instant::now().checked_add(timeout))
    }

    /// As [`AdvancedLink::receive_timeout`], until `deadline`; `None` is for ever.
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
    #[inline(always)]
    pub(super) fn look_for_request(&self, messages: bool) -> Option<Request> {
        match self.shared().lock_quiet() {
            Ok(mut engine) => {
                engine.messages_read |= messages;
                self.shared().look(&mut engine, Engine::look_for_request)
            }
            Err(mut engine) => {
                engine.messages_read |= messages;
                None
            }
        }
    }

    /// Gives memory back, such as that of a message that was received and is not needed any more: one of
    /// about its length is put together in it, which for a message of many megabytes saves more than
    /// its copy takes, as fresh memory has to be cleared by the system. A few pieces are kept, of at
    /// most [`AdvancedOptions::max_assembly_bytes`](crate::AdvancedOptions::max_assembly_bytes) together;
    /// they are dropped with the link, like what is too much.
    ///
    /// ```
    /// use hqq_std::{AdvancedLink, AdvancedOptions, LinkOptions, Message};
    /// let (near, far) = LinkOptions::new().pair()?;
    /// let near = AdvancedLink::new(near, AdvancedOptions::new());
    /// let far = AdvancedLink::new(far, AdvancedOptions::new());
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| -> std::io::Result<()> {
    ///         near.negotiate(None)?;
    ///         near.send_large(&vec![7; 1 << 20])?;
    ///         Ok(())
    ///     });
    ///     far.wait_for_negotiation(None)?;
    ///     let message = far.receive()?;
    ///     assert_eq!(message.body().len(), 1 << 20);
    ///     if let Message::Plain { body, .. } = message {
    ///         far.reuse(body);
    ///     }
    ///     Ok::<_, std::io::Error>(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reuse(&self, memory: Vec<u8>) {
        let mut engine = self.shared().lock();
        let most = engine.options.max_assembly_bytes;
        let left = engine.spare.keep(memory, most);
        drop(engine);
        // It may take the system a while.
        drop(left);
    }

    /// The next request, all of it; other messages stay.
    ///
    /// # Errors
    /// As [`AdvancedLink::receive_timeout`]; [`ReceiveError::Link`] also where the peer has gone, and for a second
    /// nothing was taken out of the ring, which other messages stop that nobody receives: nobody waits for answers to the requests behind them.
    pub fn receive_request(&self, deadline: Option<Instant>) -> Result<Request, ReceiveError> {
        if let Some(request) = self.look_for_request(false) {
            return Ok(request);
        }
        let message = self.shared().wait(deadline, |engine| {
            let taken = take_message(engine, |key| key.kind == MessageKind::Request);
            taken.or_else(|interest| match engine.unanswered() {
                Some(failure) => Ok(Err(failure.into())),
                None => Err(interest),
            })
        });
        match message.unwrap_or(Err(ReceiveError::TimedOut))? {
            Message::Request(request) => Ok(request),
            Message::Plain { .. } => Err(ReceiveError::TimedOut),
        }
    }

    /// The next message or request, as soon as it has begun, whatever its length: its bytes are read
    /// as they come. An example is at [`AdvancedLink::send_stream`].
    ///
    /// # Errors
    /// [`ReceiveError::TimedOut`] where none has begun until `deadline`; [`ReceiveError::Link`] where the
    /// link is over, and everything that had come was received.
    pub fn receive_stream(&self, deadline: Option<Instant>) -> Result<Incoming, ReceiveError> {
        self.shared().lock().streams_read = true;
        let begun = self
            .shared()
            .wait(deadline, |engine| take_begun(engine, |_| true));
        Ok(self.incoming(begun.unwrap_or(Err(ReceiveError::TimedOut))?))
    }

    fn incoming(&self, (source, len, request): Begun) -> Incoming {
        let body = BodyReader::new(self.clone(), source, len);
        match request {
            Some(request) => Incoming::Request { request, body },
            None => Incoming::Plain {
                connection: source.connection(),
                body,
            },
        }
    }

    /// As [`AdvancedLink::receive_until`], of what comes on a stream.
    pub(in crate::advanced) fn receive_on(
        &self,
        stream: StreamKey,
        deadline: Option<Instant>,
    ) -> Result<Message, ReceiveError> {
        self.shared().lock().messages_read = true;
        let message = self
            .shared()
            .wait(deadline, |engine| take_message_on(engine, stream));
        message.unwrap_or(Err(ReceiveError::TimedOut))
    }

    /// As [`AdvancedLink::receive_stream`], of what comes on a stream.
    pub(in crate::advanced) fn receive_stream_on(
        &self,
        stream: StreamKey,
        deadline: Option<Instant>,
    ) -> Result<Incoming, ReceiveError> {
        self.shared().lock().streams_read = true;
        let begun = self.shared().wait(deadline, |engine| {
            on_stream(engine, stream, |engine| {
                take_begun(engine, |key| key.connection == stream.id)
            })
        });
        Ok(self.incoming(begun.unwrap_or(Err(ReceiveError::TimedOut))?))
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

/// A message that is read as it comes from now on: where its bytes come from, how many they are, and
/// what is to be answered.
type Begun = (Source, Option<u64>, Option<Request>);

/// The oldest message that has begun and that `wanted` takes.
fn take_begun(
    engine: &mut Engine,
    wanted: impl Fn(&MessageKey) -> bool,
) -> Result<Result<Begun, ReceiveError>, Interest> {
    let found = engine.order.iter().copied().find(|key| {
        let arriving = engine.arriving.get(key);
        arriving.is_some_and(|arriving| !arriving.taken && arriving.failed.is_none()) && wanted(key)
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
    let request = (key.kind == MessageKind::Request).then(|| {
        let ticket = engine.serve(key);
        Request::new(key.connection, key.id, method, Vec::new().into(), ticket)
    });
    Ok(Ok((Source::Message(key, engine.generation), len, request)))
}

/// The oldest message on a stream that is complete.
pub(super) fn take_message_on(
    engine: &mut Engine,
    stream: StreamKey,
) -> Result<Result<Message, ReceiveError>, Interest> {
    on_stream(engine, stream, |engine| {
        take_message(engine, |key| key.connection == stream.id)
    })
}

/// What `take` gives; where that is nothing, why no more will come on the stream.
fn on_stream<T>(
    engine: &mut Engine,
    stream: StreamKey,
    take: impl FnOnce(&mut Engine) -> Result<Result<T, ReceiveError>, Interest>,
) -> Result<Result<T, ReceiveError>, Interest> {
    if engine.generation != stream.generation {
        return Ok(Err(LinkFailure::Disconnected.into()));
    }
    take(engine).or_else(|interest| {
        if engine.session.stream(stream.id) == Some(StreamState::Open) {
            Err(interest)
        } else {
            Ok(Err(ReceiveError::StreamClosed))
        }
    })
}
