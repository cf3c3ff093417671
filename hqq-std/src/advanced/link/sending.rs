//! Messages of any length that are sent.

use std::io::Read;
use std::time::{Duration, Instant};

use hqq_core::advanced::Transfer;
use hqq_core::packet::MessageKind;

use super::super::engine::{Advance, Engine, Place};
use super::super::error::TransferError;
use super::super::limit::Limit;
use super::super::request::Request;
use super::super::stream::Route;
use super::super::waiters::Interest;
use super::AdvancedLink;

impl AdvancedLink {
    /// Sends a message of any length up to the maximum, waiting for room for each part.
    ///
    /// While it waits it takes in what the peer sends, so that two ends that send at once do not block each
    /// other. What it takes in is kept until it is received, though, within the bounds of
    /// [`AdvancedOptions`](super::super::AdvancedOptions): where nobody receives at an end, who sends to it
    /// stops once about as much as the ring holds has come beyond that, or sooner, and waits. So two programs
    /// that send many messages before they receive the first wait for each other for ever, as with pipes and
    /// sockets: receive on a thread of its own, or give a deadline.
    ///
    /// # Errors
    /// [`TransferError::Begin`] where nothing was negotiated, or the message is longer than
    /// [`max_message_size`](super::super::AdvancedOptions::max_message_size); [`TransferError::Link`] where
    /// the link is over, or ends meanwhile.
    pub fn send_large(&self, message: &[u8]) -> Result<(), TransferError> {
        self.send_large_on(0, message, None)
    }

    /// As [`AdvancedLink::send_large`], for at most this long; then the peer is told to forget it.
    ///
    /// # Errors
    /// As there; [`TransferError::TimedOut`] where not all of it was sent in time. What one buffer holds is sent
    /// where there is room for it, also if the time is over.
    pub fn send_large_timeout(
        &self,
        message: &[u8],
        timeout: Duration,
    ) -> Result<(), TransferError> {
        self.send_large_on(0, message, Instant::now().checked_add(timeout))
    }

    /// As [`AdvancedLink::send_large_timeout`], until `deadline`; `None` is for ever.
    ///
    /// # Errors
    /// As there.
    pub fn send_large_until(
        &self,
        message: &[u8],
        deadline: Option<Instant>,
    ) -> Result<(), TransferError> {
        self.send_large_on(0, message, deadline)
    }

    /// As [`AdvancedLink::send_large_until`], on the stream of this id.
    ///
    /// # Errors
    /// As there; [`TransferError::Begin`] where the stream is not open, [`TransferError::StreamClosed`]
    /// where it is closed meanwhile.
    pub fn send_large_on(
        &self,
        connection: u64,
        message: &[u8],
        deadline: Option<Instant>,
    ) -> Result<(), TransferError> {
        self.send_large_to(Route::of_any(connection), message, deadline)
    }

    pub(in crate::advanced) fn send_large_to(
        &self,
        route: Route,
        message: &[u8],
        deadline: Option<Instant>,
    ) -> Result<(), TransferError> {
        let mut transfer = self.begin_message(route, message)?;
        self.transfer(&mut transfer, message, Limit::until(deadline), None)
    }

    /// Begins a message whose bytes are all at hand.
    pub(super) fn begin_message(
        &self,
        route: Route,
        message: &[u8],
    ) -> Result<Transfer, TransferError> {
        let mut engine = self.shared().lock();
        begin_message(&mut engine, route, message.len() as u64)
    }

    /// Sends all that `reader` gives as one message of any length, without keeping it: `len` bytes,
    /// or up to its end, which the peer must have agreed to (not in format 1). What one read gives is sent
    /// at once: a reader that gives little at a time is better buffered where that may wait. Says how many
    /// bytes that were. Where the peer's program does not read, this waits once the ring and a window more
    /// are full; see [`AdvancedLink::send_large`].
    ///
    /// ```
    /// use std::io::Read;
    /// use hqq_std::{AdvancedLink, AdvancedOptions, Incoming};
    /// let (near, far) = hqq_std::pair()?;
    /// let options = AdvancedOptions::new();
    /// let (near, far) = (AdvancedLink::new(near, options), AdvancedLink::new(far, options));
    /// let sender = std::thread::spawn(move || {
    ///     near.negotiate(None)?;
    ///     Ok::<_, std::io::Error>(near.send_stream(std::io::repeat(7).take(1 << 20), None)?)
    /// });
    /// far.wait_for_negotiation(None)?;
    /// if let Incoming::Plain { mut body, .. } = far.receive_stream(None)? {
    ///     let read = std::io::copy(&mut body, &mut std::io::sink())?;
    ///     assert_eq!(read, 1 << 20);
    /// }
    /// assert_eq!(sender.join().unwrap()?, 1 << 20);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`AdvancedLink::send_large`], but there is no maximum; [`TransferError::Input`] where the reader
    /// fails, or ends before `len` bytes: the peer was told to forget the message.
    pub fn send_stream(&self, reader: impl Read, len: Option<u64>) -> Result<u64, TransferError> {
        self.send_stream_on(0, reader, len, None)
    }

    /// As [`AdvancedLink::send_stream`], until `deadline`; `None` is for ever. The reader itself is waited
    /// for as long as it takes: the time is looked at before each part.
    ///
    /// # Errors
    /// As there; [`TransferError::TimedOut`] where not all of it was sent in time, as in
    /// [`AdvancedLink::send_large_timeout`].
    pub fn send_stream_until(
        &self,
        reader: impl Read,
        len: Option<u64>,
        deadline: Option<Instant>,
    ) -> Result<u64, TransferError> {
        self.send_stream_on(0, reader, len, deadline)
    }

    /// As [`AdvancedLink::send_stream_until`], on the stream of this id.
    ///
    /// # Errors
    /// As there; [`TransferError::Begin`] where the stream is not open, [`TransferError::StreamClosed`]
    /// where it is closed meanwhile.
    pub fn send_stream_on(
        &self,
        connection: u64,
        reader: impl Read,
        len: Option<u64>,
        deadline: Option<Instant>,
    ) -> Result<u64, TransferError> {
        self.send_stream_to(Route::of_any(connection), reader, len, deadline)
    }

    pub(in crate::advanced) fn send_stream_to(
        &self,
        route: Route,
        reader: impl Read,
        len: Option<u64>,
        deadline: Option<Instant>,
    ) -> Result<u64, TransferError> {
        let mut engine = self.shared().lock();
        let connection = route.find(&engine)?;
        let transfer = engine.session.begin_message(connection, len);
        let transfer = transfer.map_err(TransferError::Begin)?;
        engine.recorder.messages_sent += 1;
        drop(engine);
        self.transfer_from(transfer, reader, Limit::until(deadline), None)
    }

    /// Sends what is left of a message whose bytes are all at hand; of an answer to `request`, as
    /// long as its caller waits.
    pub(super) fn transfer(
        &self,
        transfer: &mut Transfer,
        body: &[u8],
        mut limit: Limit<'_>,
        request: Option<&Request>,
    ) -> Result<(), TransferError> {
        let mut sent = 0;
        loop {
            let rest = body.get(sent..).unwrap_or_default();
            sent += self.advance(transfer, rest, true, &mut limit, request)?;
            if transfer.is_finished() {
                return Ok(());
            }
        }
    }

    /// Repeats `check` until it gives a value, or the limit has passed.
    pub(super) fn wait_within<T>(
        &self,
        limit: &mut Limit<'_>,
        mut check: impl FnMut(&mut Engine) -> Result<T, Interest>,
    ) -> Option<T> {
        loop {
            let value = self.shared().wait(limit.next(), &mut check);
            if value.is_some() || limit.has_passed() {
                return value;
            }
        }
    }

    /// Sends the next part of a message, waiting for room; says how many bytes that were. Where that
    /// fails the message is given up.
    pub(super) fn advance(
        &self,
        transfer: &mut Transfer,
        bytes: &[u8],
        ends: bool,
        limit: &mut Limit<'_>,
        request: Option<&Request>,
    ) -> Result<usize, TransferError> {
        // Where there is always room nothing else ends it. One part is tried whatever the time is.
        if transfer.offset() > 0 && limit.has_passed() {
            self.abandon(transfer, request, false);
            return Err(TransferError::TimedOut);
        }
        let mut place = None;
        let sent = self.wait_within(limit, |engine| {
            try_advance(engine, transfer, bytes, ends, request, Some(&mut place))
        });
        if place.is_some() {
            self.shared().lock().leave_place(&mut place);
        }
        let result = sent.unwrap_or(Err(TransferError::TimedOut));
        if let Err(error) = &result {
            self.abandon(transfer, request, is_alone(error));
        }
        result
    }

    /// Gives a message up that gets no further; `alone` where that is as the peer has left.
    pub(super) fn abandon(&self, transfer: &mut Transfer, request: Option<&Request>, alone: bool) {
        abort(&mut self.shared().lock(), transfer, request, alone);
        self.settle();
    }
}

/// Sends the next part of a message, if there is room; `place` is the one of a thread among those who wait
/// for that, and none is a task's.
pub(super) fn try_advance(
    engine: &mut Engine,
    transfer: &mut Transfer,
    bytes: &[u8],
    ends: bool,
    request: Option<&Request>,
    place: Option<&mut Option<Place>>,
) -> Result<Result<usize, TransferError>, Interest> {
    let call = transfer.key().id;
    let is_request = transfer.key().kind == MessageKind::Request;
    let failure = if is_request {
        engine.unanswered()
    } else {
        engine.failure
    };
    if let Some(failure) = failure {
        return Ok(Err(failure.into()));
    }
    if request.is_some_and(Request::is_cancelled) {
        return Ok(Err(TransferError::StreamClosed));
    }
    let advance = match place {
        Some(place) => engine.advance_in_turn(transfer, bytes, ends, place),
        None => engine.advance_between(transfer, bytes, ends),
    };
    match advance {
        Advance::Sent(len) => Ok(Ok(len)),
        Advance::Finished => Ok(Ok(0)),
        Advance::NoRoom | Advance::NoCredit => {
            let room = advance == Advance::NoRoom;
            match engine.unanswered() {
                // Of a full ring that would be known otherwise.
                Some(failure) if !room => Ok(Err(failure.into())),
                _ if is_request => Err(Interest::Request { call, room }),
                _ if room => Err(Interest::Room),
                _ => Err(Interest::Any),
            }
        }
        Advance::Closed => Ok(Err(TransferError::StreamClosed)),
        Advance::Left(failure) => Ok(Err(failure.into())),
    }
}

/// Whether a message got no further as the peer has left, or the link is over.
pub(super) const fn is_alone(error: &TransferError) -> bool {
    matches!(error, TransferError::Link(_))
}

/// Tells the peer that no more of a message comes; not where it has given up itself, and may be
/// another peer by now. `alone` is whether it was found to have left, which must not be asked now: the next one may
/// be there.
pub(super) fn abort(
    engine: &mut Engine,
    transfer: &mut Transfer,
    request: Option<&Request>,
    alone: bool,
) {
    let key = transfer.key();
    let is_over = match request {
        Some(request) => request.is_cancelled(),
        None => engine.is_of_earlier_peer(key.id),
    };
    // Nobody is to be told, and the call is not given up with that: its answer may have come before.
    let is_kept = key.kind == MessageKind::Request && alone;
    if !is_over && !is_kept {
        engine.session.abort(transfer);
        engine.poll();
    }
}

/// Begins a message of `len` bytes that are all at hand.
pub(super) fn begin_message(
    engine: &mut Engine,
    route: Route,
    len: u64,
) -> Result<Transfer, TransferError> {
    let connection = route.find(engine)?;
    check_sum(engine, len)?;
    let transfer = engine.session.begin_message(connection, Some(len));
    let transfer = transfer.map_err(TransferError::Begin)?;
    engine.recorder.messages_sent += 1;
    Ok(transfer)
}

/// That a message may be sent in one piece; how long it is.
pub(super) fn check_len(engine: &Engine, message: &[u8]) -> Result<u64, TransferError> {
    check_sum(engine, message.len() as u64)
}

/// The same of one that has `len` bytes.
fn check_sum(engine: &Engine, len: u64) -> Result<u64, TransferError> {
    let max = engine.options.max_message_size as u64;
    if let Some(failure) = engine.failure {
        return Err(failure.into());
    }
    if len > max {
        let error = hqq_core::advanced::BeginError::TooLong { len, max };
        return Err(TransferError::Begin(error));
    }
    Ok(len)
}
