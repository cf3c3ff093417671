//! Requests and responses of one chunk on the link itself, where nothing else is in their way: the same
//! rules as for all others, in fewer steps.

use super::super::inbound::{Arrival, MessageKey};
use super::super::negotiate::NegotiationState;
use super::Session;
use crate::packet::{Chunk, ConnectionCopy, CopyFlags, Features, MessageKind, Whole};

impl<const ASSEMBLIES: usize, const PENDING: usize, const CONNECTIONS: usize>
    Session<ASSEMBLIES, PENDING, CONNECTIONS>
{
    /// Whether calls were agreed on.
    #[inline]
    const fn has_calls(&self) -> bool {
        match self.negotiation.state {
            NegotiationState::Agreed(agreement) => {
                agreement.features.contains(Features::REQUEST_RESPONSE)
            }
            _ => false,
        }
    }

    /// Whether requests and responses may be sent: that was agreed on, and nothing is to be
    /// [sent](Session::control) before.
    #[inline]
    #[must_use]
    pub fn may_call(&self) -> bool {
        self.has_calls() && !self.has_control()
    }

    /// Whether nothing but the next packet can lead to anything: nothing is to be sent or reported, and
    /// no message arrives that could get old.
    #[inline]
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.may_call()
            && self.inbound.is_empty()
            && !self.calls.has_failed()
            && self.displaced.is_none()
    }

    /// Whether `len` bytes may go on the link itself in one chunk, now.
    #[inline]
    fn fits(&self, len: usize) -> bool {
        len <= self.buffer_size
            && len as u64 <= self.options.max_message_size
            && self.cost(len) <= self.streams.sendable_on_link()
    }

    /// All of a request of `len` bytes on the link itself; say so once it is sent
    /// ([`Session::sent_at_once`], [`Session::await_answer`]). Where [`Session::may_call`]; `None` where it
    /// does not fit into one chunk, or too many calls wait: [`Session::begin_request`] tells.
    #[inline]
    #[must_use]
    pub fn request_at_once(&self, method: u64, len: usize) -> Option<Whole> {
        if !self.fits(len) || self.calls.is_full() {
            return None;
        }
        Some(Whole::request(self.next_message, method, len))
    }

    /// As [`Session::request_at_once`], for the response to a request that came on the link itself.
    #[inline]
    #[must_use]
    pub fn response_at_once(
        &self,
        request: &MessageKey,
        status: u64,
        error: bool,
        len: usize,
    ) -> Option<Whole> {
        if request.connection != 0 || !self.fits(len) {
            return None;
        }
        Some(Whole::response(request.id, status, error, len))
    }

    /// Notes that what [`Session::request_at_once`] or [`Session::response_at_once`] gave was sent.
    #[inline]
    pub fn sent_at_once(&mut self, whole: &Whole) {
        self.streams.sent(0, self.cost_of(whole.len()));
        if !whole.is_response() {
            self.next_message = self.next_message.wrapping_add(1).max(1);
        }
    }

    /// Begins to wait for the answer to a request that was sent at once. Before anything is
    /// [accepted](Session::accept); whoever looks for the answer alone can do without, see
    /// [`Session::took_at_once`].
    #[inline]
    pub fn await_answer(&mut self, id: u64) {
        let _ = self.calls.insert(0, id, true);
    }

    /// Whether all of a request or response that has come could be taken with
    /// [`Session::took_at_once`], where this session [is calm](Session::is_calm).
    #[inline]
    #[must_use]
    pub const fn may_take(&self, whole: &Whole) -> bool {
        whole.len() <= self.options.max_message_size
    }

    /// Notes that all of a request of `len` bytes was taken past [`Session::accept`], or of the response to
    /// one that was sent at once and that nobody [awaits](Session::await_answer) but whoever took it; before
    /// the next packet is. Says whether something is to be [sent](Session::control) for it.
    #[inline]
    pub fn took_at_once(&mut self, len: u64) -> bool {
        self.attention.taken();
        self.streams.received(0, self.cost_of(len));
        self.streams.has_telling()
    }

    /// What so many bytes count for in the link's credit.
    #[inline]
    fn cost_of(&self, len: u64) -> usize {
        self.cost(usize::try_from(len).unwrap_or(usize::MAX))
    }

    /// Takes in a chunk that is all of a request or response on the link itself, where nothing speaks
    /// against it; the long way says what does, and nothing was done.
    #[inline]
    pub(super) fn accept_at_once(
        &mut self,
        packet: &ConnectionCopy,
        len: usize,
    ) -> Option<Arrival> {
        const ALL: CopyFlags = CopyFlags::BEGIN.union(CopyFlags::END);
        let Chunk {
            connection_id,
            message_id,
            chunk_size,
            flags,
            aux,
            ..
        } = *packet.chunk();
        let kind = packet.kind();
        let plain = kind == MessageKind::Plain;
        if !flags.contains(ALL) || plain || connection_id != 0 || !self.inbound.is_empty() {
            return None;
        }
        if chunk_size > self.options.max_message_size || !self.has_calls() {
            return None;
        }
        if kind == MessageKind::Response {
            self.calls.remove(0, message_id)?;
        }
        let cost = self.cost(len);
        self.streams.received(0, cost);
        Some(Arrival {
            key: MessageKey {
                connection: 0,
                id: message_id,
                kind,
            },
            total: Some(chunk_size),
            offset: 0,
            len,
            aux,
            error: flags.contains(CopyFlags::ERROR),
            slot: None,
            last: true,
        })
    }
}
