//! `std::io::{Read, Write}` on the halves and on the link.
//!
//! A write is one message, a read takes from one message; a message longer than the reader's
//! buffer leaves its rest for the next read, and empty messages are passed over.

use std::io::{self, IoSlice, Read, Write};

use hqq_core::ring::{Consumer, Producer};

use super::{Receiver, Sender, StandardLink};
use crate::error::RecvError;

impl<P: Producer> Write for Sender<P> {
    /// Sends `bytes` as one message; nothing for no bytes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !bytes.is_empty() {
            self.send(bytes)?;
        }
        Ok(bytes.len())
    }

    /// Sends the slices one after the other as one message; nothing for no bytes.
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let len = slices
            .iter()
            .fold(0, |sum: usize, slice| sum.saturating_add(slice.len()));
        if len > 0 {
            let pieces: Vec<&[u8]> = slices.iter().map(|slice| &**slice).collect();
            self.send_vectored(&pieces)?;
        }
        Ok(len)
    }

    /// Everything is published already.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<C: Consumer> Read for Receiver<C> {
    /// Bytes of the next message; 0 when the sender has closed its half.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.read_by(buffer) {
            Err(RecvError::Disconnected) => Ok(0),
            result => Ok(result?),
        }
    }
}

impl Write for StandardLink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sender.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.sender.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sender.flush()
    }
}

impl Read for StandardLink {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.receiver.read(buffer)
    }
}
