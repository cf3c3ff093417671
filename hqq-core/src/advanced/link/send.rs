//! Messages that leave through a link.

use super::AdvancedLink;
use super::error::{AdvanceError, PollError, Progress, refused, unsent};
use crate::advanced::inbound::MessageKey;
use crate::advanced::session::Session;
use crate::advanced::transfer::{BeginError, Transfer};
use crate::link::{GrantError, WriteGrant};
use crate::packet::{MessageKind, Whole};
use crate::region::Buffer;
use crate::ring::{Consumer, Producer};

impl<
    P: Producer,
    C: Consumer,
    const ASSEMBLIES: usize,
    const MESSAGE: usize,
    const PENDING: usize,
    const CONNECTIONS: usize,
> AdvancedLink<P, C, ASSEMBLIES, MESSAGE, PENDING, CONNECTIONS>
{
    /// Begins a message of `total` bytes on a stream, or on the link itself (0).
    ///
    /// # Errors
    /// As [`Session::begin_message`].
    pub fn begin_message(&mut self, connection: u64, total: u64) -> Result<Transfer, BeginError> {
        self.session.begin_message(connection, Some(total))
    }

    /// Begins a request of `total` bytes; the message that answers it has the same id.
    ///
    /// # Errors
    /// As [`Session::begin_request`].
    pub fn begin_request(
        &mut self,
        connection: u64,
        method: u64,
        total: u64,
    ) -> Result<Transfer, BeginError> {
        self.session.begin_request(connection, method, Some(total))
    }

    /// Begins a response of `total` bytes; `error` where it reports a failure.
    ///
    /// # Errors
    /// As [`Session::begin_response`].
    pub fn begin_response(
        &mut self,
        request: &MessageKey,
        status: u64,
        error: bool,
        total: u64,
    ) -> Result<Transfer, BeginError> {
        let total = Some(total);
        self.session.begin_response(request, status, error, total)
    }

    /// Sends all of a request on the link itself, where it fits into a buffer and nothing is in its
    /// way, and begins the call; `None` where it has to take the long way, by
    /// [`AdvancedLink::begin_request`], which tells why.
    ///
    /// # Errors
    /// [`PollError`] where the peer has left or died, or a ring is corrupt: nothing can be sent any more.
    #[inline]
    pub fn try_request(
        &mut self,
        method: u64,
        body: &[u8],
    ) -> Result<Option<MessageKey>, PollError> {
        self.flush()?;
        if !self.session.may_call() {
            return Ok(None);
        }
        let Some(whole) = self.session.request_at_once(method, body.len()) else {
            return Ok(None);
        };
        let key = MessageKey {
            connection: 0,
            id: whole.message_id(),
            kind: MessageKind::Request,
        };
        if !self.send_at_once(&whole, body)? {
            return Ok(None);
        }
        self.session.await_answer(key.id);
        Ok(Some(key))
    }

    /// Sends all of the response to a request, as [`AdvancedLink::try_request`] does a request; `false`
    /// where it has to take the long way, by [`AdvancedLink::begin_response`].
    ///
    /// # Errors
    /// [`PollError`] where the peer has left or died, or a ring is corrupt: nothing can be sent any more.
    #[inline]
    pub fn try_respond(
        &mut self,
        request: &MessageKey,
        status: u64,
        error: bool,
        body: &[u8],
    ) -> Result<bool, PollError> {
        self.flush()?;
        let len = body.len();
        if !self.session.may_call() {
            return Ok(false);
        }
        match self.session.response_at_once(request, status, error, len) {
            Some(whole) => self.send_at_once(&whole, body),
            None => Ok(false),
        }
    }

    #[inline]
    fn send_at_once(&mut self, whole: &Whole, body: &[u8]) -> Result<bool, PollError> {
        match self.sender.try_send_whole(whole, body) {
            Ok(()) => {
                self.session.sent_at_once(whole);
                Ok(true)
            }
            Err(error) => unsent(error).map(|()| false),
        }
    }

    /// Begins a message whose size is not known yet, which both sides must have agreed to.
    ///
    /// # Errors
    /// As [`Session::begin_message`].
    pub fn begin_unsized(&mut self, connection: u64) -> Result<Transfer, BeginError> {
        self.session.begin_message(connection, None)
    }

    /// Sends up to `chunks` chunks of a message whose bytes are `body`, all of them each time; what the
    /// session has to tell goes first. Fewer bytes than were announced leave it unfinished. Where it is
    /// [`Progress::Blocked`], [`AdvancedLink::poll`] before the next try: it takes in what the peer grants.
    ///
    /// # Errors
    /// [`AdvanceError::Closed`] and [`AdvanceError::GivenUp`] where the message is over before its end;
    /// [`AdvanceError::TooLong`] where one without a size gets longer than the options allow;
    /// [`AdvanceError::Link`] where the peer has left or died, or a ring is corrupt.
    pub fn advance(
        &mut self,
        transfer: &mut Transfer,
        body: &[u8],
        chunks: usize,
    ) -> Result<Progress, AdvanceError> {
        self.advance_pieces(transfer, core::iter::once(body), chunks)
    }

    /// As [`AdvancedLink::advance`], for a body in several pieces.
    ///
    /// # Errors
    /// As there.
    pub fn advance_pieces<'b>(
        &mut self,
        transfer: &mut Transfer,
        pieces: impl Iterator<Item = &'b [u8]> + Clone,
        chunks: usize,
    ) -> Result<Progress, AdvanceError> {
        self.flush()?;
        let whole: u64 = pieces.clone().map(|piece| piece.len() as u64).sum();
        for _ in 0..chunks {
            let offset = transfer.offset();
            let at_hand = whole.saturating_sub(offset);
            let available = transfer.left().min(at_hand);
            let packet = match self.session.next_chunk(transfer, available, true) {
                Ok(packet) => packet,
                Err(refusal) => return refused(refusal),
            };
            let len = usize::try_from(packet.chunk().chunk_size).unwrap_or(usize::MAX);
            let sent = self.sender.try_send_chunk_with(&packet, len, |buffer| {
                copy_pieces(buffer, pieces.clone(), offset, len);
            });
            match sent {
                Ok(()) => self.session.chunk_sent(transfer, &packet),
                Err(error) => {
                    unsent(error)?;
                    return Ok(Progress::Blocked);
                }
            }
        }
        Ok(if transfer.is_finished() {
            Progress::Finished
        } else {
            Progress::More
        })
    }

    /// A buffer for the next chunk, to be filled in place; `None` where there is none for now: the ring
    /// is full, or the peer has to grant more first, which [`AdvancedLink::poll`] takes in. So who
    /// repeats this polls in between.
    ///
    /// # Errors
    /// [`AdvanceError::Closed`] and [`AdvanceError::GivenUp`] where the message is over before its end;
    /// [`AdvanceError::TooLong`] where one without a size gets longer than the options allow;
    /// [`AdvanceError::Link`] where the peer has left or died, or a ring is corrupt.
    pub fn try_reserve_chunk<'a>(
        &'a mut self,
        transfer: &'a mut Transfer,
    ) -> Result<Option<ChunkGrant<'a, P, ASSEMBLIES, PENDING, CONNECTIONS>>, AdvanceError> {
        self.flush()?;
        let available = self.session.room(transfer);
        // Where there is no room for more, there is for the end.
        let ends = available == 0;
        let room = match self.session.next_chunk(transfer, available, ends) {
            Ok(packet) => usize::try_from(packet.chunk().chunk_size).unwrap_or(usize::MAX),
            Err(refusal) => return refused(refusal).map(|_| None),
        };
        match self.sender.try_reserve() {
            Ok(grant) => Ok(Some(ChunkGrant {
                grant,
                session: &mut self.session,
                transfer,
                room,
            })),
            Err(error) => {
                unsent(error)?;
                Ok(None)
            }
        }
    }
}

/// Copies `len` bytes of what the pieces are together, from `offset` on.
fn copy_pieces<'b>(
    buffer: Buffer<'_>,
    pieces: impl Iterator<Item = &'b [u8]>,
    offset: u64,
    len: usize,
) {
    let mut skip = usize::try_from(offset).unwrap_or(usize::MAX);
    let mut at = 0;
    for piece in pieces {
        let rest = piece.get(skip.min(piece.len())..).unwrap_or_default();
        skip = skip.saturating_sub(piece.len());
        let part = rest.get(..(len - at).min(rest.len())).unwrap_or_default();
        at += buffer.copy_in(at, part);
        if at == len {
            break;
        }
    }
}

/// A buffer for the next chunk of a message. Dropping it sends nothing.
pub struct ChunkGrant<
    'a,
    P: Producer,
    const ASSEMBLIES: usize,
    const PENDING: usize,
    const CONNECTIONS: usize,
> {
    grant: WriteGrant<'a, P>,
    session: &'a mut Session<ASSEMBLIES, PENDING, CONNECTIONS>,
    transfer: &'a mut Transfer,
    room: usize,
}

impl<P: Producer, const ASSEMBLIES: usize, const PENDING: usize, const CONNECTIONS: usize>
    ChunkGrant<'_, P, ASSEMBLIES, PENDING, CONNECTIONS>
{
    /// The most bytes that this chunk can have: a buffer, or what is left of the message.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.room
    }

    /// As [`WriteGrant::copy_from`].
    ///
    /// # Errors
    /// As there.
    pub fn copy_from(&mut self, at: usize, bytes: &[u8]) -> Result<(), GrantError> {
        self.grant.copy_from(at, bytes)
    }

    /// Sends the first `len` bytes of the buffer as the next chunk. Of a message whose size was not
    /// known, `ends` says that it is the last; only that may be empty.
    ///
    /// # Errors
    /// [`GrantError::TooLong`] for more than the capacity, [`GrantError::EmptyMessage`] for none;
    /// nothing was sent then.
    pub fn commit(self, len: usize, ends: bool) -> Result<(), GrantError> {
        let max = self.room;
        if len > max {
            return Err(GrantError::TooLong { len, max });
        }
        let packet = self
            .transfer
            .chunk(len as u64, ends)
            .ok_or(GrantError::EmptyMessage)?;
        self.grant.commit_chunk(packet)?;
        self.session.chunk_sent(self.transfer, &packet);
        Ok(())
    }
}
