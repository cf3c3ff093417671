//! `embedded_io_async::{Read, Write}` on the halves of a link: with a [`Bell`](super::Bell) they
//! sleep while they wait, without one they let other tasks run and look again.

use embedded_io::ErrorType;
use embedded_io_async::{Read, Write};

use super::error::{RecvError, SendError};
use super::notified::{Notified, polling};
use super::{Receiver, Sender};
use crate::ring::{Consumer, Producer};

/// As much of `bytes` as fits one message of `sender`; `None` for no bytes, which are no message.
fn message<'b, P: Producer>(sender: &Sender<P>, bytes: &'b [u8]) -> Option<&'b [u8]> {
    let len = bytes.len().min(sender.max_message_size());
    bytes.get(..len).filter(|message| !message.is_empty())
}

/// The end of the stream reads no bytes.
fn read(result: Result<usize, RecvError>) -> Result<usize, RecvError> {
    match result {
        Err(RecvError::Disconnected) => Ok(0),
        result => result,
    }
}

impl<P: Producer> Write for Sender<P> {
    /// Sends as much of `bytes` as fits a buffer as one message; nothing for no bytes.
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, SendError> {
        let Some(message) = message(self, bytes) else {
            return Ok(0);
        };
        polling(self, |sender| sender.try_send(message)).await?;
        Ok(message.len())
    }

    /// Everything is published already.
    async fn flush(&mut self) -> Result<(), SendError> {
        Ok(())
    }
}

impl<C: Consumer> Read for Receiver<C> {
    /// As [`Receiver::try_read`]; 0 when the sender has closed its half.
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        read(polling(self, |receiver| receiver.try_read(buffer)).await)
    }
}

impl<H: ErrorType> ErrorType for Notified<'_, H> {
    type Error = H::Error;
}

impl<P: Producer> Write for Notified<'_, Sender<P>> {
    /// As on the sender itself.
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, SendError> {
        let Some(message) = message(self.half(), bytes) else {
            return Ok(0);
        };
        self.send(message).await?;
        Ok(message.len())
    }

    /// Everything is published already.
    async fn flush(&mut self) -> Result<(), SendError> {
        Ok(())
    }
}

impl<C: Consumer> Read for Notified<'_, Receiver<C>> {
    /// As on the receiver itself.
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        read(self.until(|receiver| receiver.try_read(buffer)).await)
    }
}
