//! The Advanced link that threads share.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hqq_core::advanced::{Agreement, MessageKey, NegotiationState, Transfer};
use hqq_core::packet::{MessageKind, Reason};
use hqq_core::{Format, Role};

use super::call::Call;
use super::engine::{Advance, Engine};
use super::error::{
    CallError, DialError, LinkFailure, NegotiationError, ReceiveError, TransferError,
};
use super::message::{BodyReader, Incoming, Message, Request, Source, nothing};
use super::options::AdvancedOptions;
use super::shared::{Owner, Shared};
use super::stats::AdvancedStats;
use super::stream::{Stream, StreamKey};
use super::waiters::Interest;
use crate::error::OpenError;
use crate::link::StandardLink;
use crate::options::LinkOptions;
use crate::wait::{Backoff, poll};

/// The longest request that is sent under one lock with the first looks for its answer.
const AT_ONCE: usize = 4096;

/// One end of the Advanced protocol, for any number of threads; clones are the same end. Dropping the
/// last closes it.
///
/// ```
/// use hqq_std::{AdvancedLink, AdvancedOptions, Message};
/// let (near, far) = hqq_std::pair()?;
/// let options = AdvancedOptions::new();
/// let (near, far) = (AdvancedLink::new(near, options), AdvancedLink::new(far, options));
/// let server = std::thread::spawn(move || {
///     far.wait_for_negotiation(None)?;
///     while let Ok(Message::Request(request)) = far.receive() {
///         let answer = request.body().to_ascii_uppercase();
///         far.respond(&request, &answer)?;
///     }
///     Ok::<(), std::io::Error>(())
/// });
/// near.negotiate(None)?;
/// let answer = near.call(7, b"hello")?;
/// assert_eq!(answer, b"HELLO");
/// drop(near);
/// server.join().unwrap()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct AdvancedLink {
    owner: Arc<Owner>,
}

impl AdvancedLink {
    /// Takes a link over; nothing else may have been sent on it.
    #[must_use]
    pub fn new(link: StandardLink, options: AdvancedOptions) -> Self {
        let (sender, receiver) = link.split();
        Self {
            owner: Arc::new(Owner::new(Engine::new(sender, receiver, options))),
        }
    }

    /// Creates a named region and takes a role in it; see [`LinkOptions::create`].
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn create(
        name: &str,
        region: &LinkOptions,
        options: AdvancedOptions,
    ) -> Result<Self, OpenError> {
        Ok(Self::new(region.create(name)?, options))
    }

    /// Opens a named region and takes a role in it; see [`LinkOptions::open`].
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        name: &str,
        region: &LinkOptions,
        options: AdvancedOptions,
    ) -> Result<Self, OpenError> {
        Ok(Self::new(region.open(name)?, options))
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.owner.shared
    }

    pub(super) fn start_background(&self) -> Result<(), LinkFailure> {
        // Without a thread nobody would ever drive the ring for tasks.
        self.owner
            .start_background()
            .map_err(|_| LinkFailure::Closed)
    }

    /// Sees to it that the peer gets to know what was just decided, also where the ring is full now
    /// and this thread goes on to something else.
    pub(super) fn settle(&self) {
        let mut engine = self.shared().lock();
        engine.poll();
        if !engine.has_control() {
            return;
        }
        drop(engine);
        // Without a thread the next call of this link sends it.
        if self.start_background().is_ok() {
            self.shared().notify_background();
        }
    }

    /// The role this end has.
    #[must_use]
    pub fn role(&self) -> Role {
        self.shared().lock().role()
    }

    /// The format of its region.
    #[must_use]
    pub fn format(&self) -> Format {
        self.shared().lock().format()
    }

    /// Waits until a peer is attached; `false` where none came in time. In format 1 that is not told,
    /// and always so.
    #[must_use]
    pub fn wait_for_peer(&self, timeout: Option<Duration>) -> bool {
        poll(Backoff::within(timeout), || {
            self.shared().lock().has_peer().then_some(())
        })
        .is_some()
    }

    /// Begins anew with the peer that comes next, after the last one has left: nothing is agreed on,
    /// and what belonged to the last peer is over. Other calls of this link fail as if the peer had
    /// just left; those that come later wait for the next one.
    pub fn renew(&self) {
        self.shared().lock().renew_for_next();
    }

    /// Waits until the peer has taken everything out of the ring that was sent; `false` where it has
    /// not until `deadline`, or the link is over.
    #[must_use]
    pub fn wait_drained(&self, deadline: Option<Instant>) -> bool {
        poll(Backoff::until(deadline), || {
            let mut engine = self.shared().lock();
            engine.poll();
            engine.look_for_death();
            match (engine.unread(), engine.failure) {
                (0, _) => Some(true),
                (_, Some(_)) => Some(false),
                _ => None,
            }
        })
        .unwrap_or(false)
    }

    /// Asks the peer to negotiate and waits for its answer until `deadline`.
    ///
    /// # Errors
    /// [`NegotiationError`].
    pub fn negotiate(&self, deadline: Option<Instant>) -> Result<Agreement, NegotiationError> {
        let mut engine = self.shared().lock();
        let ticks = engine.ticks(deadline);
        engine
            .session
            .negotiate(ticks)
            .map_err(NegotiationError::Negotiate)?;
        drop(engine);
        self.agreed(deadline)
    }

    /// Waits until the peer has asked to negotiate; it is answered by whatever call of this link is
    /// waiting.
    ///
    /// # Errors
    /// [`NegotiationError`].
    pub fn wait_for_negotiation(
        &self,
        deadline: Option<Instant>,
    ) -> Result<Agreement, NegotiationError> {
        self.agreed(deadline)
    }

    fn agreed(&self, deadline: Option<Instant>) -> Result<Agreement, NegotiationError> {
        let agreed = self
            .shared()
            .wait(deadline, |engine| match engine.session.negotiation() {
                NegotiationState::Agreed(agreement) => Ok(Ok(agreement)),
                NegotiationState::Failed(error) => Ok(Err(NegotiationError::Negotiate(error))),
                _ => match engine.failure {
                    Some(failure) => Ok(Err(failure.into())),
                    None => Err(Interest::Any),
                },
            });
        agreed.unwrap_or(Err(NegotiationError::TimedOut))
    }

    /// What was agreed on.
    #[must_use]
    pub fn agreement(&self) -> Option<Agreement> {
        self.shared().lock().session.agreement()
    }

    /// Sends a message of any length up to the maximum, waiting for room for each part.
    ///
    /// # Errors
    /// [`TransferError`].
    pub fn send_large(&self, message: &[u8]) -> Result<(), TransferError> {
        self.send_large_on(0, message, None)
    }

    /// As [`AdvancedLink::send_large`], on a stream and until `deadline`.
    ///
    /// # Errors
    /// As there.
    pub fn send_large_on(
        &self,
        connection: u64,
        message: &[u8],
        deadline: Option<Instant>,
    ) -> Result<(), TransferError> {
        let mut transfer = {
            let mut engine = self.shared().lock();
            let len = check_len(&engine, message)?;
            let transfer = engine.session.begin_message(connection, Some(len));
            let transfer = transfer.map_err(TransferError::Begin)?;
            engine.recorder.messages_sent += 1;
            transfer
        };
        self.transfer(&mut transfer, message, deadline, None)
    }

    /// Sends all that `reader` gives as one message of any length, without keeping it: `len` bytes,
    /// or up to its end, which the peer must have agreed to. Says how many that were.
    ///
    /// # Errors
    /// [`TransferError`].
    pub fn send_stream(&self, reader: impl Read, len: Option<u64>) -> Result<u64, TransferError> {
        self.send_stream_on(0, reader, len)
    }

    /// As [`AdvancedLink::send_stream`], on a stream.
    ///
    /// # Errors
    /// As there.
    pub fn send_stream_on(
        &self,
        connection: u64,
        reader: impl Read,
        len: Option<u64>,
    ) -> Result<u64, TransferError> {
        let mut engine = self.shared().lock();
        let transfer = engine.session.begin_message(connection, len);
        let transfer = transfer.map_err(TransferError::Begin)?;
        engine.recorder.messages_sent += 1;
        drop(engine);
        self.transfer_from(transfer, reader, None, None)
    }

    /// Sends what is left of a message whose bytes are all at hand; of an answer to `request`, as
    /// long as its caller waits.
    fn transfer(
        &self,
        transfer: &mut Transfer,
        body: &[u8],
        deadline: Option<Instant>,
        request: Option<&Request>,
    ) -> Result<(), TransferError> {
        let mut sent = 0;
        loop {
            let rest = body.get(sent..).unwrap_or_default();
            sent += self.advance(transfer, rest, true, deadline, request)?;
            if transfer.is_finished() {
                return Ok(());
            }
        }
    }

    /// Sends what is left of a message whose bytes come from `reader`.
    pub(super) fn transfer_from(
        &self,
        mut transfer: Transfer,
        mut reader: impl Read,
        deadline: Option<Instant>,
        request: Option<&Request>,
    ) -> Result<u64, TransferError> {
        let size = self.shared().lock().buffer_size();
        // Where the length is not known one part more than is sent, so that the last is known to be
        // the last.
        let mut buffer = vec![0; 2 * size];
        let (mut filled, mut ended) = (0, false);
        while !transfer.is_finished() {
            // Not a byte more than is sent: what follows is another's.
            let wanted = transfer.remaining().map_or(2 * size, |left| {
                usize::try_from(left).map_or(size, |left| left.min(size))
            });
            while filled < wanted && !ended {
                match reader.read(buffer.get_mut(filled..wanted).unwrap_or_default()) {
                    Ok(0) => ended = true,
                    Ok(len) => filled += len,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => {
                        return Err(self.give_up(&mut transfer, request, error, deadline));
                    }
                }
            }
            let available = filled.min(size);
            if transfer.remaining().is_some_and(|left| left > 0) && available == 0 {
                let error = io::ErrorKind::UnexpectedEof.into();
                return Err(self.give_up(&mut transfer, request, error, deadline));
            }
            let bytes = buffer.get(..available).unwrap_or_default();
            let ends = ended && available == filled;
            let sent = self.advance(&mut transfer, bytes, ends, deadline, request)?;
            buffer.copy_within(sent..filled, 0);
            filled -= sent;
        }
        Ok(transfer.offset())
    }

    fn give_up(
        &self,
        transfer: &mut Transfer,
        request: Option<&Request>,
        error: io::Error,
        deadline: Option<Instant>,
    ) -> TransferError {
        // The peer's reader waits for that, and nobody may drive this end soon: for this, too, room
        // is waited for.
        let mut told = false;
        let waited = self.shared().wait(deadline, |engine| {
            for _ in 0..2 {
                if engine.failure.is_some() {
                    return Ok(());
                }
                if engine.session.control().is_some() {
                    return Err(Interest::Room);
                }
                if !std::mem::replace(&mut told, true) {
                    abort(engine, transfer, request);
                }
            }
            Ok(())
        });
        if waited.is_none() && !told {
            abort(&mut self.shared().lock(), transfer, request);
            self.settle();
        }
        TransferError::Input(error)
    }

    /// Sends the next part of a message, waiting for room; says how many bytes that were. Where that
    /// fails the message is given up.
    fn advance(
        &self,
        transfer: &mut Transfer,
        bytes: &[u8],
        ends: bool,
        deadline: Option<Instant>,
        request: Option<&Request>,
    ) -> Result<usize, TransferError> {
        let sent = self.shared().wait(deadline, |engine| {
            if let Some(failure) = engine.failure {
                return Ok(Err(failure.into()));
            }
            if request.is_some_and(Request::is_cancelled) {
                return Ok(Err(TransferError::StreamClosed));
            }
            match engine.advance(transfer, bytes, ends) {
                Advance::Sent(len) => Ok(Ok(len)),
                Advance::Finished => Ok(Ok(0)),
                Advance::NoRoom => Err(Interest::Room),
                Advance::NoCredit => Err(Interest::Any),
                Advance::Closed => Ok(Err(TransferError::StreamClosed)),
            }
        });
        let result = sent.unwrap_or(Err(TransferError::TimedOut));
        if result.is_err() {
            abort(&mut self.shared().lock(), transfer, request);
            self.settle();
        }
        result
    }

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
        if let Some(request) = self.look_for_request() {
            return Ok(Message::Request(request));
        }
        self.shared()
            .wait(deadline, |engine| take_message(engine, |_| true))
            .unwrap_or(Err(ReceiveError::TimedOut))
    }

    /// A request that comes soon, where nothing else goes on.
    fn look_for_request(&self) -> Option<Request> {
        let mut engine = self.shared().lock();
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
        if let Some(request) = self.look_for_request() {
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

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// [`CallError`]; an answer that reports a failure is [`CallError::Response`].
    pub fn call(&self, method: u64, body: &[u8]) -> Result<Vec<u8>, CallError> {
        self.call_on(0, method, body, None)
    }

    /// As [`AdvancedLink::call`], for at most this long; then the call is given up.
    ///
    /// # Errors
    /// As there.
    pub fn call_timeout(
        &self,
        method: u64,
        body: &[u8],
        timeout: Duration,
    ) -> Result<Vec<u8>, CallError> {
        self.call_on(0, method, body, Instant::now().checked_add(timeout))
    }

    /// As [`AdvancedLink::call`], on a stream and until `deadline`.
    ///
    /// # Errors
    /// As there.
    pub fn call_on(
        &self,
        connection: u64,
        method: u64,
        body: &[u8],
        deadline: Option<Instant>,
    ) -> Result<Vec<u8>, CallError> {
        if connection != 0 || body.len() > AT_ONCE {
            return self
                .start_call_on(connection, method, body, deadline)?
                .wait_until(deadline);
        }
        let mut engine = self.shared().lock();
        check_len(&engine, body)?;
        let Some((id, began)) = engine.request_at_once(method, body) else {
            drop(engine);
            return self
                .start_call_on(0, method, body, deadline)?
                .wait_until(deadline);
        };
        if engine.is_quiet() {
            let look = |engine: &mut Engine| engine.look_for_answer(id, began);
            if let Some(answer) = self.shared().look(&mut engine, look) {
                return answer;
            }
        }
        engine.keep_call(id, began);
        drop(engine);
        Call::new(self.clone(), id).wait_until(deadline)
    }

    /// Sends a request; its answer is waited for later, or by a future.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn start_call(&self, method: u64, body: &[u8]) -> Result<Call, CallError> {
        self.start_call_on(0, method, body, None)
    }

    /// As [`AdvancedLink::start_call`], on a stream; sending it may take until `deadline`.
    ///
    /// # Errors
    /// As there.
    pub fn start_call_on(
        &self,
        connection: u64,
        method: u64,
        body: &[u8],
        deadline: Option<Instant>,
    ) -> Result<Call, CallError> {
        let mut engine = self.shared().lock();
        let len = check_len(&engine, body)?;
        let transfer = engine.session.begin_request(connection, method, Some(len));
        let mut transfer = transfer.map_err(CallError::Begin)?;
        engine.call_begun(transfer.key(), false);
        drop(engine);
        // From now on dropping it ends the call.
        let call = Call::new(self.clone(), transfer.key().id);
        match self.transfer(&mut transfer, body, deadline, None) {
            // Waiting for the answer tells why no more of the request was sent.
            Err(TransferError::StreamClosed) if call.is_over() => Ok(call),
            result => result.map(|()| call).map_err(CallError::from),
        }
    }

    /// Sends a request of any length from `reader` (`len` bytes, or up to its end where the peer has
    /// agreed to that) on a thread of its own, and reads the answer as it comes, also before all of the
    /// request was sent.
    ///
    /// # Errors
    /// As [`AdvancedLink::call`].
    pub fn call_stream(
        &self,
        method: u64,
        reader: impl Read + Send + 'static,
        len: Option<u64>,
        deadline: Option<Instant>,
    ) -> Result<BodyReader, CallError> {
        let mut engine = self.shared().lock();
        let transfer = engine.session.begin_request(0, method, len);
        let transfer = transfer.map_err(CallError::Begin)?;
        engine.call_begun(transfer.key(), true);
        drop(engine);
        let id = transfer.key().id;
        let call = Call::new(self.clone(), id);
        let link = self.clone();
        let thread = std::thread::Builder::new().name("hqq-request".to_owned());
        let sending = thread.spawn(move || {
            if let Err(error) = link.transfer_from(transfer, reader, deadline, None) {
                link.shared().lock().call_unsent(id, error);
            }
        });
        sending.map_err(CallError::Input)?;
        call.into_reader(deadline)
    }

    /// Answers a request. Nothing is sent where its caller has given up, and no more where it does so
    /// meanwhile.
    ///
    /// # Errors
    /// [`TransferError`].
    pub fn respond(&self, request: &Request, body: &[u8]) -> Result<(), TransferError> {
        self.respond_as(request, 0, false, body)
    }

    /// Answers a request with a failure; a status of 0 becomes 6, "invalid operation".
    ///
    /// # Errors
    /// [`TransferError`].
    pub fn respond_error(
        &self,
        request: &Request,
        status: u64,
        body: &[u8],
    ) -> Result<(), TransferError> {
        let status = if status == 0 { 6 } else { status };
        self.respond_as(request, status, true, body)
    }

    fn respond_as(
        &self,
        request: &Request,
        status: u64,
        error: bool,
        body: &[u8],
    ) -> Result<(), TransferError> {
        let mut engine = self.shared().lock();
        let len = check_len(&engine, body)?;
        // Under the lock: a request of an earlier peer's is cancelled, and stays so.
        if request.is_cancelled() {
            return Ok(());
        }
        if engine.respond_at_once(request, status, error, body) {
            return Ok(());
        }
        let key = &request.key;
        let transfer = engine.session.begin_response(key, status, error, Some(len));
        let mut transfer = transfer.map_err(TransferError::Begin)?;
        engine.recorder.responses_sent += 1;
        drop(engine);
        let result = self.transfer(&mut transfer, body, None, Some(request));
        self.responded(request, result)
    }

    /// Answers a request with what `reader` gives, of any length; see [`AdvancedLink::send_stream`].
    ///
    /// # Errors
    /// [`TransferError`].
    pub fn respond_stream(
        &self,
        request: &Request,
        reader: impl Read,
        len: Option<u64>,
    ) -> Result<u64, TransferError> {
        let mut engine = self.shared().lock();
        if request.is_cancelled() {
            return Ok(0);
        }
        let transfer = engine.session.begin_response(&request.key, 0, false, len);
        let transfer = transfer.map_err(TransferError::Begin)?;
        engine.recorder.responses_sent += 1;
        drop(engine);
        let result = self.transfer_from(transfer, reader, None, Some(request));
        self.responded(request, result)
    }

    /// An answer was sent, or was not.
    fn responded<T: Default>(
        &self,
        request: &Request,
        result: Result<T, TransferError>,
    ) -> Result<T, TransferError> {
        let mut engine = self.shared().lock();
        if request.is_cancelled() {
            // Its caller gave up meanwhile, which is no failure.
            return match result {
                Err(TransferError::StreamClosed) => Ok(T::default()),
                result => result,
            };
        }
        engine.served(&request.key);
        result
    }

    /// Counts a message that nobody wants.
    pub(super) fn unhandled(&self) {
        self.shared().lock().recorder.messages_unhandled += 1;
    }

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
                (Some(answer), _) => Ok(answer.map_err(DialError::Refused)),
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

    pub(super) fn close_stream(&self, stream: StreamKey, reason: Reason) {
        let mut engine = self.shared().lock();
        if engine.generation == stream.generation && engine.session.close_stream(stream.id, reason)
        {
            engine.stream_closed(stream.id);
            drop(engine);
            self.settle();
        }
    }

    /// As [`AdvancedLink::call`], for a task of any runtime: sending may block for as long as the
    /// ring is full.
    ///
    /// # Errors
    /// As there.
    pub async fn call_async(&self, method: u64, body: &[u8]) -> Result<Vec<u8>, CallError> {
        self.start_call(method, body)?.await
    }

    /// As [`AdvancedLink::receive`], for a task of any runtime.
    ///
    /// # Errors
    /// As there.
    pub async fn receive_async(&self) -> Result<Message, ReceiveError> {
        self.task(|engine| take_message(engine, |_| true)).await?
    }

    /// As [`AdvancedLink::accept`], for a task of any runtime.
    ///
    /// # Errors
    /// As there.
    pub async fn accept_async(&self) -> Result<Stream, ReceiveError> {
        let stream = self.task(accept_offered).await??;
        Ok(Stream::new(self.clone(), stream))
    }

    /// Waits as a task until `check` gives a value.
    async fn task<T>(
        &self,
        mut check: impl FnMut(&mut Engine) -> Result<T, Interest>,
    ) -> Result<T, LinkFailure> {
        self.start_background()?;
        let mut waiting = Waiting {
            link: self,
            token: None,
        };
        let value = std::future::poll_fn(|context| {
            let shared = waiting.link.shared();
            shared.poll_wait(context, &mut waiting.token, &mut check)
        });
        Ok(value.await)
    }

    /// What this end has done.
    #[must_use]
    pub fn stats(&self) -> AdvancedStats {
        let engine = self.shared().lock();
        let recorder = &engine.recorder;
        AdvancedStats {
            messages_sent: recorder.messages_sent,
            messages_received: recorder.messages_received,
            requests_sent: recorder.requests_sent,
            requests_received: recorder.requests_received,
            responses_sent: recorder.responses_sent,
            responses_received: recorder.responses_received,
            bytes_sent: recorder.bytes_sent,
            bytes_received: recorder.bytes_received,
            dropped: engine.session.counters(),
            pending_calls: engine.session.pending_calls(),
            arriving: engine.session.arriving(),
            buffered_bytes: engine.buffered(),
            streams: engine.session.streams(),
            messages_unhandled: recorder.messages_unhandled,
            call_latency: recorder.latency().cloned(),
        }
    }
}

/// A task that waits; it is forgotten when it is dropped.
struct Waiting<'a> {
    link: &'a AdvancedLink,
    token: Option<u64>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(token) = self.token {
            self.link.shared().lock().waiters.remove(token);
        }
    }
}

/// Tells the peer that no more of a message comes; not where it has given up itself, and may be
/// another peer by now.
fn abort(engine: &mut Engine, transfer: &mut Transfer, request: Option<&Request>) {
    let is_over = match request {
        Some(request) => request.is_cancelled(),
        None => engine.is_of_earlier_peer(transfer.key().id),
    };
    if !is_over {
        engine.session.abort(transfer);
        engine.poll();
    }
}

/// That a message may be sent in one piece; how long it is.
fn check_len(engine: &Engine, message: &[u8]) -> Result<u64, TransferError> {
    let (len, max) = (message.len() as u64, engine.options.max_message_size as u64);
    if let Some(failure) = engine.failure {
        return Err(failure.into());
    }
    if len > max {
        let error = hqq_core::advanced::BeginError::TooLong { len, max };
        return Err(TransferError::Begin(error));
    }
    Ok(len)
}

/// The oldest message that is complete and that `wanted` takes.
fn take_message(
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

/// Accepts the oldest stream that was offered.
fn accept_offered(engine: &mut Engine) -> Result<Result<StreamKey, ReceiveError>, Interest> {
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
