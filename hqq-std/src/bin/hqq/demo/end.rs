//! One end of the demonstration's link, the same in both processes.
//!
//! What belongs together travels as a series: messages of at least a byte, then an empty one.

use hqq_std::{RecvError, SendError, StandardLink};

use crate::failure::Failure;
use crate::signals::{self, SLICE};

/// A link, and how to find out that the process at its other end is gone.
pub struct End<G> {
    link: StandardLink,
    gone: G,
    max: usize,
}

impl<G: FnMut(&mut StandardLink) -> Result<(), Failure>> End<G> {
    /// `gone` is called while nothing moves, and fails once nothing will.
    pub fn new(mut link: StandardLink, gone: G) -> Self {
        let max = link.receiver().max_message_size();
        Self { link, gone, max }
    }

    /// The longest message.
    pub const fn max(&self) -> usize {
        self.max
    }

    fn check(&mut self) -> Result<(), Failure> {
        signals::check()?;
        (self.gone)(&mut self.link)
    }

    /// Waits until the other process has attached.
    pub fn wait_for_peer(&mut self) -> Result<(), Failure> {
        while !self.link.sender().wait_for_peer(Some(SLICE)) {
            self.check()?;
        }
        Ok(())
    }

    /// Sends a message.
    pub fn send(&mut self, message: &[u8]) -> Result<(), Failure> {
        // Here as well, since `check` is not called while everything moves.
        signals::check()?;
        loop {
            match self.link.send_timeout(message, SLICE) {
                Ok(()) => return Ok(()),
                Err(SendError::TimedOut | SendError::PeerStalled(_)) => self.check()?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Receives a message and says how long it is; `None` once the other end has closed its half.
    pub fn recv_or_end(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Failure> {
        loop {
            match self.link.recv_timeout(buffer, SLICE) {
                Ok(len) => return Ok(Some(len)),
                Err(RecvError::TimedOut | RecvError::PeerStalled(_)) => self.check()?,
                Err(RecvError::Disconnected) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Receives a message and says how long it is.
    pub fn recv(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        self.recv_or_end(buffer)?
            .ok_or_else(|| RecvError::Disconnected.into())
    }

    /// Sends bytes as a series.
    pub fn send_series(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        for message in bytes.chunks(self.max) {
            self.send(message)?;
        }
        self.send(&[])
    }

    /// Receives a series and says how many bytes it has: at most `longest`. `buffer` keeps them,
    /// and what space it has for the next one.
    pub fn recv_series(&mut self, buffer: &mut Vec<u8>, longest: usize) -> Result<usize, Failure> {
        buffer.resize(longest + self.max, 0);
        let mut filled = 0;
        loop {
            let Some(room) = buffer.get_mut(filled..filled + self.max) else {
                return Err(Failure::Failed(format!(
                    "the other process sent more than {longest} bytes at once"
                )));
            };
            match self.recv(room)? {
                0 => return Ok(filled),
                len => filled += len,
            }
        }
    }
}
