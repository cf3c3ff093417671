//! Requests. What one holds lies in memory that its thread uses for one after the other.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use hqq_core::advanced::MessageKey;
use hqq_core::packet::MessageKind;

use super::engine::Ticket;
use super::link::AdvancedLink;
use super::owner::Owner;
use super::stats::Began;

/// Longest body whose memory is used again.
const SHORT: usize = 64;

thread_local! {
    /// What no request of this thread uses.
    static SPARE: Cell<Option<Box<Parts>>> = const { Cell::new(None) };
}

/// What a request holds. Who hands the request on moves a pointer: moving all of this right after it was
/// written would wait for the memory.
///
/// # Invariants
/// `len` ≤ `bytes.len()`. There is a ticket while these are a request's.
struct Parts {
    connection: u64,
    id: u64,
    method: u64,
    bytes: Vec<u8>,
    len: usize,
    ticket: Option<Arc<Ticket>>,
}

impl Parts {
    const fn new(bytes: Vec<u8>, len: usize) -> Self {
        Self {
            connection: 0,
            id: 0,
            method: 0,
            bytes,
            len,
            ticket: None,
        }
    }

    fn body(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// What is in no request any more, or not yet.
static NOTHING: Parts = Parts::new(Vec::new(), 0);

/// The bytes of a request that is being made.
pub(super) struct Body(Box<Parts>);

impl Body {
    /// A body of `len` bytes, which `fill` copies.
    #[inline]
    pub(super) fn filled(len: usize, fill: impl FnOnce(&mut [u8])) -> Self {
        let spare = SPARE.try_with(Cell::take).ok().flatten();
        let mut parts = spare.unwrap_or_else(fresh);
        if parts.bytes.len() < len {
            lengthen(&mut parts.bytes, len);
        }
        if let Some(bytes) = parts.bytes.get_mut(..len) {
            fill(bytes);
        }
        parts.len = len;
        Self(parts)
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        let len = bytes.len();
        Self(Box::new(Parts::new(bytes, len)))
    }
}

#[cold]
#[inline(never)]
fn fresh() -> Box<Parts> {
    Box::new(Parts::new(Vec::new(), 0))
}

/// Makes room for a body of `len` bytes, or for any short one.
#[cold]
#[inline(never)]
fn lengthen(bytes: &mut Vec<u8>, len: usize) {
    *bytes = vec![0; len.max(SHORT)];
}

/// A request to be answered, once, on the link that it came on: with [`AdvancedLink::respond`], [`AdvancedLink::respond_error`],
/// [`AdvancedLink::respond_stream`] or their like. Dropping it unanswered answers with an error of status 6,
/// "invalid operation" ([`ErrorCode::InvalidOperation`](hqq_core::packet::ErrorCode::InvalidOperation)), so that
/// its caller does not wait for ever; unless the link is closed.
///
/// # Invariants
/// `parts` are there until it is dropped.
pub struct Request {
    parts: Option<Box<Parts>>,
}

impl Request {
    /// The request of this number that has this body.
    #[inline(always)]
    pub(super) fn new(
        connection: u64,
        id: u64,
        method: u64,
        body: Body,
        ticket: Arc<Ticket>,
    ) -> Self {
        let mut parts = body.0;
        parts.connection = connection;
        parts.id = id;
        parts.method = method;
        parts.ticket = Some(ticket);
        Self { parts: Some(parts) }
    }

    #[inline]
    fn parts(&self) -> &Parts {
        self.parts.as_deref().unwrap_or(&NOTHING)
    }

    #[inline]
    fn ticket(&self) -> Option<&Ticket> {
        self.parts().ticket.as_deref()
    }

    /// Whether it came on this link, and is to be answered there.
    #[inline(always)]
    pub(super) fn is_of(&self, owner: &Arc<Owner>) -> bool {
        self.ticket().is_some_and(|ticket| ticket.is_of(owner))
    }

    /// Which message it is.
    #[inline]
    pub(super) fn key(&self) -> MessageKey {
        let parts = self.parts();
        MessageKey {
            connection: parts.connection,
            id: parts.id,
            kind: MessageKind::Request,
        }
    }

    /// What is asked for.
    #[must_use]
    pub fn method(&self) -> u64 {
        self.parts().method
    }

    /// The stream it came on; 0 is the link itself.
    #[must_use]
    pub fn connection(&self) -> u64 {
        self.parts().connection
    }

    /// Its bytes; none where it is streamed.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.parts().body()
    }

    /// Takes its bytes; none are left.
    #[must_use]
    pub fn take_body(&mut self) -> Vec<u8> {
        let Some(parts) = &mut self.parts else {
            return Vec::new();
        };
        let mut bytes = std::mem::take(&mut parts.bytes);
        bytes.truncate(parts.len);
        parts.len = 0;
        bytes
    }

    /// Whether its caller has given up: no answer is needed any more.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.ticket().is_some_and(Ticket::is_cancelled)
    }

    /// Whether an answer to it was begun; how that went is another thing.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.ticket().is_some_and(Ticket::is_answered)
    }

    /// Whether an answer is needed, and was not begun.
    #[inline]
    fn is_due(&self) -> bool {
        self.ticket().is_some_and(Ticket::is_due)
    }

    /// As [`Request::is_due`], and nothing is to be noted when it is answered.
    #[inline]
    pub(super) fn is_simply_due(&self) -> bool {
        self.ticket().is_some_and(Ticket::is_simply_due)
    }

    /// When it was handed out, where it is timed: once.
    pub(super) fn take_began(&self) -> Option<Began> {
        self.ticket().and_then(Ticket::take_began)
    }

    #[inline]
    pub(super) fn set_answered(&self) {
        if let Some(ticket) = self.ticket() {
            ticket.set_answered();
        }
    }

    #[cold]
    #[inline(never)]
    fn decline(&self) {
        let owner: Option<Arc<Owner>> = self.ticket().and_then(Ticket::owner);
        if let Some(owner) = owner {
            AdvancedLink::of(owner).decline(self);
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("key", &self.key())
            .field("method", &self.method())
            .field("body", &self.body())
            .field("ticket", &self.ticket())
            .finish()
    }
}

impl Drop for Request {
    #[inline]
    fn drop(&mut self) {
        if self.is_due() {
            self.decline();
        }
        let Some(mut parts) = self.parts.take() else {
            return;
        };
        parts.ticket = None;
        if parts.bytes.len() != SHORT || parts.bytes.capacity() > SHORT {
            // More memory than a short one needs, or none that can be used again.
            parts.bytes = Vec::new();
        }
        // Where the thread ends, the memory goes back to where it came from.
        let _ = SPARE.try_with(|spare| spare.set(Some(parts)));
    }
}
