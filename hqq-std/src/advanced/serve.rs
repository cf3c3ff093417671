//! Answering requests, and taking messages, on a pool of threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use foldhash::{HashMap, HashMapExt};
use hqq_core::advanced::BeginError;
use hqq_core::packet::ErrorCode;

use super::error::{LinkFailure, ReceiveError, TransferError};
use super::link::{AdvancedLink, Answer};
use super::message::Message;
use super::request::Request;

/// How often a worker looks whether it is to stop.
const SLICE: Duration = Duration::from_millis(100);

/// Requests after which it looks whether messages that nobody takes stop others.
const LOOK: u32 = 64;

/// Why a handler does not answer as it was asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the error response.
    pub status: u64,
    /// Its body.
    pub body: Vec<u8>,
}

type Listener<'a> = Box<dyn Fn(Message) + Send + Sync + 'a>;
type Handler<'a> = Box<dyn Fn(&Request) -> Result<Vec<u8>, Refusal> + Send + Sync + 'a>;

/// Handlers by method, and the threads that run them.
///
/// ```
/// use hqq_std::{AdvancedLink, AdvancedOptions, Server};
/// let (near, far) = hqq_std::pair()?;
/// let options = AdvancedOptions::new();
/// let (near, far) = (AdvancedLink::new(near, options), AdvancedLink::new(far, options));
/// let server = std::thread::spawn(move || {
///     far.wait_for_negotiation(None)?;
///     Server::new()
///         .threads(2)
///         .method(1, |request| Ok(request.body().len().to_string().into_bytes()))
///         .serve(&far)?;
///     Ok::<(), std::io::Error>(())
/// });
/// near.negotiate(None)?;
/// assert_eq!(near.call(1, b"four")?, b"4");
/// assert!(near.call(2, b"no such method").is_err());
/// drop(near);
/// server.join().unwrap()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Server<'a> {
    handlers: HashMap<u64, Handler<'a>>,
    listener: Option<Listener<'a>>,
    threads: usize,
}

impl<'a> Server<'a> {
    /// A server without methods, on one thread.
    #[must_use]
    pub fn new() -> Self {
        Self {
            handlers: HashMap::new(),
            listener: None,
            threads: 1,
        }
    }

    /// How many requests are handled at a time; at least one.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// What answers requests for a method. A handler that panics answers with status 6 and the
    /// server goes on; a method without a handler is answered with status 6. An answer that is too
    /// long to be sent is replaced by status 7.
    #[must_use]
    pub fn method(
        mut self,
        method: u64,
        handler: impl Fn(&Request) -> Result<Vec<u8>, Refusal> + Send + Sync + 'a,
    ) -> Self {
        self.handlers.insert(method, Box::new(handler));
        self
    }

    /// What takes messages that are no requests, all that come on the link; one that panics has dropped its
    /// message. Without it they are left to [`AdvancedLink::receive`] and its like. Where nobody has called
    /// these, either, messages that stop the requests behind them are dropped and counted
    /// ([`AdvancedStats::messages_unhandled`](super::AdvancedStats)). Those that are too long to be put
    /// together only [`AdvancedLink::receive_stream`] takes.
    #[must_use]
    pub fn message(mut self, listener: impl Fn(Message) + Send + Sync + 'a) -> Self {
        self.listener = Some(Box::new(listener));
        self
    }

    /// Answers requests until the peer has closed its end.
    ///
    /// # Errors
    /// [`LinkFailure`], where the link ends otherwise.
    pub fn serve(&self, link: &AdvancedLink) -> Result<(), LinkFailure> {
        self.serve_until(link, &AtomicBool::new(false))
    }

    /// Answers requests until the peer has closed its end or `stop` is set: handlers that run are waited
    /// for, answers that are not sent by then are given up a second later.
    ///
    /// # Errors
    /// [`LinkFailure`], where the link ends otherwise.
    pub fn serve_until(&self, link: &AdvancedLink, stop: &AtomicBool) -> Result<(), LinkFailure> {
        let failure = std::thread::scope(|scope| {
            let workers: Vec<_> = (1..self.threads)
                .map(|_| scope.spawn(|| self.work(link, stop)))
                .collect();
            let failure = self.work(link, stop);
            workers
                .into_iter()
                .filter_map(|worker| worker.join().ok().flatten())
                .fold(failure, |_, failure| Some(failure))
        });
        match failure {
            None | Some(LinkFailure::Disconnected) => Ok(()),
            Some(failure) => Err(failure),
        }
    }

    fn work(&self, link: &AdvancedLink, stop: &AtomicBool) -> Option<LinkFailure> {
        let mut slice = Instant::now().checked_add(SLICE);
        let mut round = 0_u32;
        loop {
            round = round.wrapping_add(1);
            // Relaxed: nothing hangs on when exactly it is seen.
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let message = match &self.listener {
                Some(_) => link.receive_until(slice),
                None => link.receive_request(slice).map(Message::Request),
            };
            match message {
                Ok(Message::Request(request)) => {
                    if let Err(TransferError::Link(failure)) = self.answer(link, &request, stop) {
                        return Some(failure);
                    }
                }
                Ok(message) => self.take(message),
                // The second is only of streams.
                Err(ReceiveError::TimedOut | ReceiveError::StreamClosed) => {
                    slice = Instant::now().checked_add(SLICE);
                    link.drop_unread();
                }
                Err(ReceiveError::Link(failure)) => return Some(failure),
            }
            // Also where requests on other streams keep it busy.
            if round.is_multiple_of(LOOK) {
                link.drop_unread();
            }
        }
        None
    }

    fn take(&self, message: Message) {
        if let Some(listener) = &self.listener {
            // What it broke when it panicked is its own.
            drop(catch_unwind(AssertUnwindSafe(|| listener(message))));
        }
    }

    fn answer(
        &self,
        link: &AdvancedLink,
        request: &Request,
        stop: &AtomicBool,
    ) -> Result<(), TransferError> {
        let respond = |answer| link.respond_unless(stop, request, answer);
        let invalid = ErrorCode::InvalidOperation.as_code();
        let Some(handler) = self.handlers.get(&request.method()) else {
            return respond(Answer::failed(invalid, b""));
        };
        // What a handler broke when it panicked is its own: the request is dropped.
        match catch_unwind(AssertUnwindSafe(|| handler(request))) {
            Ok(Ok(body)) => match respond(Answer::ok(&body)) {
                // Its caller is not to wait for ever.
                Err(TransferError::Begin(BeginError::TooLong { .. })) => {
                    let status = ErrorCode::BufferOverflow.as_code();
                    respond(Answer::failed(status, b"the answer is too long"))
                }
                result => result,
            },
            Ok(Err(Refusal { status, body })) => respond(Answer::failed(status, &body)),
            Err(_) => respond(Answer::failed(invalid, b"the handler panicked")),
        }
    }
}
