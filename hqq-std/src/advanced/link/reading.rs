//! Messages whose bytes come from a reader.

use std::io;
use std::io::Read;

use hqq_core::advanced::Transfer;

use super::super::error::TransferError;
use super::super::limit::Limit;
use super::super::request::Request;
use super::super::waiters::Interest;
use super::AdvancedLink;
use super::sending::abort;

/// A message that is sent as its reader gives it. Reading, which may take long, needs no link.
pub(super) struct Parts<R> {
    transfer: Transfer,
    reader: R,
    buffer: Vec<u8>,
}

impl<R: Read> Parts<R> {
    pub(super) fn new(link: &AdvancedLink, transfer: Transfer, reader: R) -> Self {
        Self {
            transfer,
            reader,
            buffer: vec![0; link.shared().lock().buffer_size()],
        }
    }

    pub(super) const fn is_finished(&self) -> bool {
        self.transfer.is_finished()
    }

    /// What one read gives, as so many bytes of the buffer.
    pub(super) fn read(&mut self) -> io::Result<usize> {
        // Not a byte more than is sent: what follows is another's.
        let room = self.buffer.len();
        let wanted = self.transfer.remaining().map_or(room, |left| {
            usize::try_from(left).map_or(room, |left| left.min(room))
        });
        let buffer = self.buffer.get_mut(..wanted).unwrap_or_default();
        match read_some(&mut self.reader, buffer) {
            Ok(0) if wanted > 0 && self.transfer.remaining().is_some() => {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            read => read,
        }
    }

    /// Sends what was read, at once, however little that is: the reader may have no more for long. A message whose
    /// length was not known ends with a part that is empty.
    pub(super) fn send(
        &mut self,
        link: &AdvancedLink,
        read: io::Result<usize>,
        limit: &mut Limit<'_>,
        request: Option<&Request>,
    ) -> Result<(), TransferError> {
        let read = match read {
            Ok(read) => read,
            Err(error) => return Err(link.give_up(&mut self.transfer, request, error, limit)),
        };
        let mut bytes = self.buffer.get(..read).unwrap_or_default();
        while !self.transfer.is_finished() {
            let sent = link.advance(&mut self.transfer, bytes, read == 0, limit, request)?;
            bytes = bytes.get(sent..).unwrap_or_default();
            if bytes.is_empty() {
                break;
            }
        }
        Ok(())
    }
}

impl AdvancedLink {
    /// Sends what is left of a message whose bytes come from `reader`.
    pub(in crate::advanced) fn transfer_from(
        &self,
        transfer: Transfer,
        reader: impl Read,
        mut limit: Limit<'_>,
        request: Option<&Request>,
    ) -> Result<u64, TransferError> {
        let mut parts = Parts::new(self, transfer, reader);
        while !parts.is_finished() {
            let read = parts.read();
            parts.send(self, read, &mut limit, request)?;
        }
        Ok(parts.transfer.offset())
    }

    fn give_up(
        &self,
        transfer: &mut Transfer,
        request: Option<&Request>,
        error: io::Error,
        limit: &mut Limit<'_>,
    ) -> TransferError {
        // The peer's reader waits for that, and nobody may drive this end soon: for this, too, room
        // is waited for.
        let mut told = false;
        let waited = self.wait_within(limit, |engine| {
            for _ in 0..2 {
                // Nobody is there to be told, also where messages that nobody receives stand before the end.
                if engine.unanswered().is_some() {
                    return Ok(());
                }
                if engine.session.control().is_some() {
                    return Err(Interest::Room);
                }
                if !std::mem::replace(&mut told, true) {
                    abort(engine, transfer, request, false);
                }
            }
            Ok(())
        });
        if waited.is_none() && !told {
            self.abandon(transfer, request, false);
        }
        TransferError::Input(error)
    }
}

/// What one read gives.
fn read_some(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    if buffer.is_empty() {
        return Ok(0);
    }
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // No more than there was room for, whatever it says.
            read => return read.map(|len| len.min(buffer.len())),
        }
    }
}
