//! Requests and responses of one chunk on the link itself, where nothing else is in their way: the same
//! rules as for all others, in fewer steps.

use super::super::inbound::{Arrival, MessageKey};
use super::super::negotiate::NegotiationState;
use super::Session;
use crate::packet::{Chunk, ConnectionCopy, CopyFlags, Features, MessageKind};

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

    /// Whether nothing but the next packet can lead to anything: nothing is to be sent or reported, and
    /// no message arrives that could get old.
    #[inline]
    #[must_use]
    pub fn is_calm(&self) -> bool {
        !self.has_control()
            && self.inbound.len() == 0
            && !self.calls.has_failed()
            && self.displaced.is_none()
            && self.has_calls()
    }

    /// Whether `len` bytes may go on the link itself in one chunk, now.
    #[inline]
    fn fits(&self, len: usize) -> bool {
        let bytes = len as u64;
        bytes <= self.buffer_size
            && bytes <= self.options.max_message_size
            && self.cost(len) <= self.streams.sendable_on_link()
            && self.has_calls()
            && !self.has_control()
    }

    /// All of a request of `len` bytes on the link itself; say so once it is sent, which begins the
    /// call. `None` where it does not fit into one chunk, or something else is to be sent first, or it
    /// may not be sent: [`Session::begin_request`] tells.
    #[inline]
    #[must_use]
    pub fn request_at_once(&self, method: u64, len: usize) -> Option<ConnectionCopy> {
        if !self.fits(len) || self.calls.is_full() {
            return None;
        }
        let name = (0, self.next_message);
        Some(ConnectionCopy::whole(name, false, false, method, len))
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
    ) -> Option<ConnectionCopy> {
        if request.connection != 0 || !self.fits(len) {
            return None;
        }
        let name = (0, request.id);
        Some(ConnectionCopy::whole(name, true, error, status, len))
    }

    /// Notes that what [`Session::request_at_once`] or [`Session::response_at_once`] gave was sent.
    #[inline]
    pub fn sent_at_once(&mut self, packet: &ConnectionCopy) {
        let chunk = packet.chunk();
        let len = usize::try_from(chunk.chunk_size).unwrap_or(usize::MAX);
        let cost = self.cost(len);
        self.streams.sent(0, cost);
        if packet.kind() == MessageKind::Request {
            let _ = self.calls.insert(0, chunk.message_id, true);
            self.next_message = self.next_message.wrapping_add(1).max(1);
        }
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
        if !flags.contains(ALL) || plain || connection_id != 0 || self.inbound.len() != 0 {
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
