//! `embedded_io::{Read, Write}` on the halves of a link; they spin while they wait.

use embedded_io::{Error, ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};

use super::error::{RecvError, SendError};
use super::{Receiver, Sender};
use crate::ring::{Consumer, Producer};
use crate::wait::Spin;

impl Error for SendError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::TimedOut | Self::PeerStalled(_) => ErrorKind::TimedOut,
            Self::TooLong { .. } | Self::EmptyMessage => ErrorKind::InvalidInput,
            Self::Disconnected | Self::PeerDead => ErrorKind::BrokenPipe,
            Self::Corrupt(_) => ErrorKind::InvalidData,
        }
    }
}

impl Error for RecvError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::TimedOut | Self::PeerStalled(_) => ErrorKind::TimedOut,
            Self::Disconnected | Self::PeerDead => ErrorKind::ConnectionReset,
            Self::BufferTooSmall { .. } => ErrorKind::InvalidInput,
            Self::Peer(_) => ErrorKind::Other,
            Self::Malformed(_) | Self::Corrupt(_) => ErrorKind::InvalidData,
        }
    }
}

impl<P: Producer> ErrorType for Sender<P> {
    type Error = SendError;
}

impl<P: Producer> Write for Sender<P> {
    /// Sends as much of `bytes` as fits a buffer as one message; nothing for no bytes.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, SendError> {
        let len = bytes.len().min(self.max_message_size());
        if let Some(message) = bytes.get(..len).filter(|message| !message.is_empty()) {
            self.send(message, &mut Spin)?;
        }
        Ok(len)
    }

    /// Everything is published already.
    fn flush(&mut self) -> Result<(), SendError> {
        Ok(())
    }
}

impl<P: Producer> WriteReady for Sender<P> {
    fn write_ready(&mut self) -> Result<bool, SendError> {
        Ok(self.is_writable())
    }
}

impl<C: Consumer> ErrorType for Receiver<C> {
    type Error = RecvError;
}

impl<C: Consumer> Read for Receiver<C> {
    /// As [`Receiver::read`]; 0 when the sender has closed its half.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        match Self::read(self, buffer, &mut Spin) {
            Err(RecvError::Disconnected) => Ok(0),
            result => result,
        }
    }
}

impl<C: Consumer> ReadReady for Receiver<C> {
    fn read_ready(&mut self) -> Result<bool, RecvError> {
        Ok(self.is_readable())
    }
}
