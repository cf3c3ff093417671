//! `ipc-channel`: typed channels over sockets; here the channels of bytes, which serialise nothing.
//!
//! `ipc::bytes_channel`: "This sender/receiver type does not serialize/deserialize messages through `serde`,
//! making it more efficient where applicable." A received message is a vector of its own.

use std::sync::atomic::Ordering;

use ipc_channel::ipc::{self, IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender};

use super::between::{Carrier, Room};
use super::failed;
use crate::error::BenchError;
use crate::memory::{Lines, words};

const NAME: &str = "ipc-channel";

/// What the second process makes for the first one.
type Halves = (IpcBytesSender, IpcBytesReceiver);

/// One end.
pub(crate) enum Channel {
    /// The second process has not been waited for yet.
    Waiting(Option<IpcOneShotServer<Halves>>),
    Connected(Halves),
}

impl Channel {
    #[inline]
    fn connected(&mut self) -> Result<&Halves, BenchError> {
        if let Self::Waiting(server) = self {
            let server = server.take().ok_or(BenchError::FirstEnded)?;
            let (_, halves) = server.accept().map_err(failed(NAME))?;
            *self = Self::Connected(halves);
        }
        match self {
            Self::Connected(halves) => Ok(halves),
            Self::Waiting(_) => Err(BenchError::FirstEnded),
        }
    }
}

impl Carrier for Channel {
    fn first(_: &str, _: usize, _: Room, lines: Lines) -> Result<Self, BenchError> {
        let (server, name) = IpcOneShotServer::new().map_err(failed(NAME))?;
        let bytes = name.bytes().map(u64::from).chain([0]);
        for (word, byte) in words(lines).iter().zip(bytes) {
            // Relaxed: the second process is started after this.
            word.store(byte, Ordering::Relaxed);
        }
        Ok(Self::Waiting(Some(server)))
    }

    fn second(_: &str, _: usize, _: Room, lines: Lines) -> Result<Self, BenchError> {
        // Relaxed: stored before this process was started.
        let bytes = words(lines).iter().map(|word| word.load(Ordering::Relaxed));
        let name: String = bytes
            .take_while(|byte| *byte != 0)
            .filter_map(|byte| char::from_u32(u32::try_from(byte).ok()?))
            .collect();
        let hello = IpcSender::connect(name).map_err(failed(NAME))?;
        let (there, ours) = ipc::bytes_channel().map_err(failed(NAME))?;
        let (back, theirs) = ipc::bytes_channel().map_err(failed(NAME))?;
        hello.send((there, theirs)).map_err(failed(NAME))?;
        Ok(Self::Connected((back, ours)))
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), BenchError> {
        self.connected()?.0.send(bytes).map_err(failed(NAME))
    }

    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, BenchError> {
        let bytes = self.connected()?.1.recv().map_err(failed(NAME))?;
        let len = bytes.len().min(buffer.len());
        buffer[..len].copy_from_slice(&bytes[..len]);
        Ok(bytes.len())
    }
}
