//! The same for tasks: futures that any runtime polls.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hqq_core::advanced::Transfer;

use super::super::engine::Engine;
use super::super::error::{CallError, DialError, LinkFailure, ReceiveError, TransferError};
use super::super::message::Message;
use super::super::offer::Offer;
use super::super::request::Request;
use super::super::stream::{Route, Stream, StreamKey};
use super::super::waiters::Interest;
use super::receiving::{take_message, take_message_on};
use super::sending::{is_alone, try_advance};
use super::streams::{accept_offered, dial_answer, take_offered};
use super::{AdvancedLink, Answer};

/// Parts that a task sends before it lets others run.
const BURST: usize = 64;

impl AdvancedLink {
    /// As [`AdvancedLink::call`], for a task of any runtime. Nothing blocks: where the ring is full, the task
    /// waits. Dropping the future gives the call up.
    ///
    /// ```
    /// use hqq_std::{AdvancedLink, AdvancedOptions, Message};
    /// let (near, far) = hqq_std::pair()?;
    /// let options = AdvancedOptions::new();
    /// let (near, far) = (AdvancedLink::new(near, options), AdvancedLink::new(far, options));
    /// let server = std::thread::spawn(move || {
    ///     far.wait_for_negotiation(None)?;
    ///     pollster::block_on(async {
    ///         while let Ok(Message::Request(request)) = far.receive_async().await {
    ///             far.respond_async(&request, &request.body().to_ascii_uppercase()).await?;
    ///         }
    ///         Ok::<(), std::io::Error>(())
    ///     })
    /// });
    /// near.negotiate(None)?;
    /// assert_eq!(pollster::block_on(near.call_async(7, b"hello"))?, b"HELLO");
    /// drop(near);
    /// server.join().unwrap()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    pub async fn call_async(&self, method: u64, body: &[u8]) -> Result<Vec<u8>, CallError> {
        self.call_on_async(0, method, body).await
    }

    /// As [`AdvancedLink::call_async`], on the stream of this id.
    ///
    /// # Errors
    /// As [`AdvancedLink::call_on`].
    pub async fn call_on_async(
        &self,
        connection: u64,
        method: u64,
        body: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        self.call_to_async(Route::of_any(connection), method, body)
            .await
    }

    pub(in crate::advanced) async fn call_to_async(
        &self,
        route: Route,
        method: u64,
        body: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        let (call, transfer) = self.begin_call(route, method, body)?;
        let sent = Sending::new(self, transfer, body, None).await;
        call.sent(sent)?.await
    }

    /// As [`AdvancedLink::send_large`], for a task of any runtime; see [`AdvancedLink::call_async`]. Dropping
    /// the future gives the message up.
    ///
    /// # Errors
    /// As there.
    pub async fn send_large_async(&self, message: &[u8]) -> Result<(), TransferError> {
        self.send_large_on_async(0, message).await
    }

    /// As [`AdvancedLink::send_large_async`], on the stream of this id.
    ///
    /// # Errors
    /// As [`AdvancedLink::send_large_on`].
    pub async fn send_large_on_async(
        &self,
        connection: u64,
        message: &[u8],
    ) -> Result<(), TransferError> {
        self.send_large_to_async(Route::of_any(connection), message)
            .await
    }

    pub(in crate::advanced) async fn send_large_to_async(
        &self,
        route: Route,
        message: &[u8],
    ) -> Result<(), TransferError> {
        let transfer = self.begin_message(route, message)?;
        Sending::new(self, transfer, message, None).await
    }

    /// As [`AdvancedLink::respond`], for a task of any runtime; see [`AdvancedLink::call_async`]. Dropping
    /// the future lets the call fail.
    ///
    /// # Errors
    /// As there.
    pub async fn respond_async(&self, request: &Request, body: &[u8]) -> Result<(), TransferError> {
        let Some(transfer) = self.begin_response(request, Answer::ok(body))? else {
            return Ok(());
        };
        let sent = Sending::new(self, transfer, body, Some(request)).await;
        self.responded(request, sent)
    }

    /// As [`AdvancedLink::receive`], for a task of any runtime.
    ///
    /// # Errors
    /// As there.
    pub async fn receive_async(&self) -> Result<Message, ReceiveError> {
        self.shared().lock().messages_read = true;
        self.task(|engine| take_message(engine, |_| true)).await?
    }

    /// As [`AdvancedLink::receive_async`], of what comes on a stream.
    pub(in crate::advanced) async fn receive_on_async(
        &self,
        stream: StreamKey,
    ) -> Result<Message, ReceiveError> {
        self.shared().lock().messages_read = true;
        self.task(|engine| take_message_on(engine, stream)).await?
    }

    /// As [`AdvancedLink::accept`], for a task of any runtime.
    ///
    /// # Errors
    /// As there.
    pub async fn accept_async(&self) -> Result<Stream, ReceiveError> {
        let stream = self.task(accept_offered).await??;
        Ok(Stream::new(self.clone(), stream))
    }

    /// As [`AdvancedLink::next_offer`], for a task of any runtime.
    ///
    /// # Errors
    /// As there.
    pub async fn next_offer_async(&self) -> Result<Offer, ReceiveError> {
        let stream = self.task(take_offered).await??;
        Ok(Offer::new(self.clone(), stream))
    }

    /// As [`AdvancedLink::dial`], for a task of any runtime. Dropping the future gives the stream up.
    ///
    /// # Errors
    /// As there.
    pub async fn dial_async(&self) -> Result<Stream, DialError> {
        let dial = self.begin_dial()?;
        let stream = dial.stream;
        let answer = self.task(|engine| dial_answer(engine, stream)).await?;
        dial.end(answer)
    }

    /// Waits as a task until `check` gives a value.
    pub(super) async fn task<T>(
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

/// A message whose bytes are all at hand, sent by a task. Dropping it gives it up.
struct Sending<'a> {
    waiting: Waiting<'a>,
    transfer: Transfer,
    rest: &'a [u8],
    request: Option<&'a Request>,
    /// It has failed, and was given up.
    failed: bool,
}

impl<'a> Sending<'a> {
    const fn new(
        link: &'a AdvancedLink,
        transfer: Transfer,
        rest: &'a [u8],
        request: Option<&'a Request>,
    ) -> Self {
        let waiting = Waiting { link, token: None };
        Self {
            waiting,
            transfer,
            rest,
            request,
            failed: false,
        }
    }
}

impl Future for Sending<'_> {
    type Output = Result<(), TransferError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self {
            waiting,
            transfer,
            rest,
            request,
            failed,
        } = self.get_mut();
        let link = waiting.link;
        if let Err(failure) = link.start_background() {
            return Poll::Ready(Err(failure.into()));
        }
        for _ in 0..BURST {
            let shared = link.shared();
            let sent = shared.poll_wait(context, &mut waiting.token, |engine| {
                let mut part =
                    |engine: &mut Engine| try_advance(engine, transfer, rest, true, *request, None);
                part(engine).or_else(|_| {
                    // What it waits for may have come.
                    engine.poll();
                    part(engine)
                })
            });
            match ready!(sent) {
                Ok(len) => *rest = rest.get(len..).unwrap_or_default(),
                Err(error) => {
                    *failed = true;
                    link.abandon(transfer, *request, is_alone(&error));
                    return Poll::Ready(Err(error));
                }
            }
            if transfer.is_finished() {
                return Poll::Ready(Ok(()));
            }
        }
        // Others are to run, too.
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        if !self.transfer.is_finished() && !self.failed {
            let link = self.waiting.link;
            link.abandon(&mut self.transfer, self.request, false);
        }
    }
}
