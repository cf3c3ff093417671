//! Messages that a session sends, and what it gives up.

use super::super::inbound::MessageKey;
use super::super::streams::StreamState;
use super::super::transfer::{BeginError, ChunkRefusal, Transfer};
use super::Session;
use crate::layout::Format;
use crate::packet::{ConnectionCopy, CopyFlags, Features, MessageKind};

impl<const ASSEMBLIES: usize, const PENDING: usize, const CONNECTIONS: usize>
    Session<ASSEMBLIES, PENDING, CONNECTIONS>
{
    fn begin(
        &mut self,
        key: MessageKey,
        total: Option<u64>,
        aux: u64,
        error: bool,
    ) -> Result<Transfer, BeginError> {
        let agreement = self.agreement().ok_or(BeginError::NotNegotiated)?;
        let mut needed = match key.kind {
            MessageKind::Plain => Features::LARGE_COPY,
            MessageKind::Request | MessageKind::Response => Features::REQUEST_RESPONSE,
        };
        if total.is_none() {
            needed = needed | Features::UNKNOWN_SIZE;
        }
        if !agreement.features.contains(needed) {
            let features = Features::from_bits(needed.bits() & !agreement.features.bits());
            return Err(BeginError::NotAgreed { features });
        }
        let max = self.options.max_message_size;
        if let Some(len) = total.filter(|len| *len > max) {
            return Err(BeginError::TooLong { len, max });
        }
        if !self.is_usable(&key, false) {
            let connection = key.connection;
            return Err(BeginError::UnknownConnection { connection });
        }
        let on_stream = self.streams.state(key.connection) == Some(StreamState::Open);
        Ok(Transfer::new(key, total, aux, error, on_stream))
    }

    /// Whether a message may be sent, whose connection was an open stream when it was begun, or was
    /// none. HQQ-Go sends and takes them on any connection, and is answered there, even where a
    /// stream of this side's is to have the same id.
    fn is_usable(&self, key: &MessageKey, was_stream: bool) -> bool {
        let is_anywhere = self.format == Format::V1 && !was_stream;
        key.connection == 0
            || match self.streams.state(key.connection) {
                Some(StreamState::Open) => true,
                Some(_) => is_anywhere && key.kind == MessageKind::Response,
                None => is_anywhere,
            }
    }

    /// Begins what has an id of its own. Ids have no gaps: one that was refused is the next one's.
    fn begin_next(
        &mut self,
        connection: u64,
        kind: MessageKind,
        total: Option<u64>,
        aux: u64,
    ) -> Result<Transfer, BeginError> {
        let key = MessageKey {
            connection,
            id: self.next_message,
            kind,
        };
        // Looked at where it lies: moving it takes more of a small program.
        let begun = self.begin(key, total, aux, false);
        if begun.is_ok() {
            self.next_message = self.next_message.wrapping_add(1).max(1);
        }
        begun
    }

    /// Begins a message of `total` bytes, or of a size not known yet.
    ///
    /// # Errors
    /// [`BeginError::NotNegotiated`] and [`BeginError::NotAgreed`] where the two have not agreed on this;
    /// [`BeginError::TooLong`] for more bytes than the options allow; [`BeginError::UnknownConnection`] where the
    /// stream is not open.
    pub fn begin_message(
        &mut self,
        connection: u64,
        total: Option<u64>,
    ) -> Result<Transfer, BeginError> {
        self.begin_next(connection, MessageKind::Plain, total, 0)
    }

    /// Begins a request, whose id is that of the call.
    ///
    /// # Errors
    /// [`BeginError::NotNegotiated`] and [`BeginError::NotAgreed`] where the two have not agreed on this;
    /// [`BeginError::TooLong`] for more bytes than the options allow; [`BeginError::UnknownConnection`] where the
    /// stream is not open; [`BeginError::TooManyCalls`] where as many wait.
    pub fn begin_request(
        &mut self,
        connection: u64,
        method: u64,
        total: Option<u64>,
    ) -> Result<Transfer, BeginError> {
        if self.calls.is_full() {
            return Err(BeginError::TooManyCalls { max: PENDING });
        }
        let begun = self.begin_next(connection, MessageKind::Request, total, method);
        if let Ok(transfer) = &begun {
            let _ = self.calls.insert(connection, transfer.key().id, false);
        }
        begun
    }

    /// Begins the response to a request; `error` where it reports a failure.
    ///
    /// # Errors
    /// [`BeginError::NotNegotiated`] and [`BeginError::NotAgreed`] where the two have not agreed on this;
    /// [`BeginError::TooLong`] for more bytes than the options allow; [`BeginError::UnknownConnection`] where the
    /// stream is not open.
    pub fn begin_response(
        &mut self,
        request: &MessageKey,
        status: u64,
        error: bool,
        total: Option<u64>,
    ) -> Result<Transfer, BeginError> {
        let key = MessageKey {
            kind: MessageKind::Response,
            ..*request
        };
        self.begin(key, total, status, error)
    }

    /// The next chunk of a message of which `available` bytes are at hand; `ends` where its size was
    /// not known and these are the last. Say so once it is sent.
    ///
    /// # Errors
    /// [`ChunkRefusal::NoCredit`] where the peer has to take something first; [`ChunkRefusal::NoBytes`] where none
    /// is at hand; [`ChunkRefusal::Finished`], [`ChunkRefusal::GivenUp`] and [`ChunkRefusal::Closed`] where nothing
    /// more is to be sent; [`ChunkRefusal::TooLong`] where a message without a size gets longer than the
    /// options allow.
    pub fn next_chunk(
        &self,
        transfer: &Transfer,
        available: u64,
        ends: bool,
    ) -> Result<ConnectionCopy, ChunkRefusal> {
        self.check(transfer)?;
        let connection = transfer.key().connection;
        let max = self.options.max_message_size;
        let len = transfer.offset().saturating_add(available);
        if transfer.remaining().is_none() && len > max {
            return Err(ChunkRefusal::TooLong { len, max });
        }
        let len = available.min(self.buffer_size as u64);
        let packet = transfer
            .chunk(len, ends && len == available)
            .ok_or(ChunkRefusal::NoBytes)?;
        let len = usize::try_from(packet.chunk().chunk_size).unwrap_or(usize::MAX);
        // What it depends on must not come after it.
        let is_settled = self.negotiation.reply.is_none();
        if !is_settled || self.streams.sendable(connection) < self.cost(len) {
            return Err(ChunkRefusal::NoCredit);
        }
        Ok(packet)
    }

    /// Whether a message can go on at all.
    fn check(&self, transfer: &Transfer) -> Result<(), ChunkRefusal> {
        let key = transfer.key();
        if transfer.is_given_up() {
            return Err(ChunkRefusal::GivenUp);
        }
        if transfer.is_finished() {
            return Err(ChunkRefusal::Finished);
        }
        if !self.is_usable(key, transfer.is_on_stream()) {
            return Err(ChunkRefusal::Closed);
        }
        if key.kind == MessageKind::Request && !self.calls.is_pending(key.connection, key.id) {
            return Err(ChunkRefusal::GivenUp);
        }
        Ok(())
    }

    /// Bytes that a message may still have.
    pub(in super::super) fn room(&self, transfer: &Transfer) -> u64 {
        let max = self.options.max_message_size;
        transfer
            .remaining()
            .unwrap_or_else(|| max.saturating_sub(transfer.offset()))
    }

    /// Notes that a chunk was sent.
    pub fn chunk_sent(&mut self, transfer: &mut Transfer, packet: &ConnectionCopy) {
        transfer.sent(packet);
        let chunk = packet.chunk();
        let len = usize::try_from(chunk.chunk_size).unwrap_or(usize::MAX);
        let cost = self.cost(len);
        self.streams.sent(chunk.connection_id, cost);
        if packet.kind() == MessageKind::Request && chunk.flags.contains(CopyFlags::BEGIN) {
            self.calls.begun(chunk.connection_id, chunk.message_id);
        }
    }

    /// Gives a message up that was not sent to its end; of a request, the call too. The peer is told
    /// where it would wait.
    pub fn abort(&mut self, transfer: &mut Transfer) {
        if transfer.is_finished() {
            return;
        }
        let key = *transfer.key();
        // Of an answer the peer waits even for the beginning.
        let is_awaited = transfer.is_under_way() || key.kind == MessageKind::Response;
        transfer.give_up();
        if key.kind == MessageKind::Request {
            let _ = self.forget_call(key.connection, key.id);
        }
        // Closing a stream has ended all that was on it, but not in format 1, whose peers take chunks
        // on any connection: also on one that they had closed before these came.
        let is_there = self.format == Format::V1 || self.is_usable(&key, true);
        if is_awaited && is_there {
            self.post_abort(&key);
        }
    }

    /// Gives a call up: its answer will be dropped, and the callee learns of it. A request that was
    /// not sent to its end goes no further. `false` where it was answered already.
    pub fn cancel_call(&mut self, connection: u64, id: u64) -> bool {
        let known = self.forget_call(connection, id);
        if known == Some(true) {
            let kind = MessageKind::Request;
            self.post_abort(&MessageKey {
                connection,
                id,
                kind,
            });
        }
        known.is_some()
    }

    /// Forgets a call that waits, and what has come of its answer; says whether the peer has heard
    /// of it.
    fn forget_call(&mut self, connection: u64, id: u64) -> Option<bool> {
        let begun = self.calls.remove(connection, id)?;
        let kind = MessageKind::Response;
        let _ = self.inbound.discard(&MessageKey {
            connection,
            id,
            kind,
        });
        Some(begun)
    }
}
