//! A Unix stream socket: one `write` and one `read` for each message, which is what boundaries cost there.
//!
//! unix(7): "SOCK_STREAM, for a stream-oriented socket". "The SO_SNDBUF socket option does have an effect for
//! UNIX domain sockets, but the SO_RCVBUF option does not": its default and 1 MiB compete.

use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use super::between::{Carrier, Room, some};
use super::{failed, give_room};
use crate::error::BenchError;
use crate::memory::Lines;

const NAME: &str = "Unix stream socket";

/// One end.
pub(crate) enum Stream {
    /// The second process has not been waited for yet.
    Listening(UnixListener, Room),
    Connected(UnixStream),
}

impl Stream {
    #[inline]
    fn connected(&mut self) -> Result<&mut UnixStream, BenchError> {
        if let Self::Listening(listener, room) = self {
            let (stream, _) = listener.accept().map_err(failed(NAME))?;
            give_room(&stream, *room).map_err(failed(NAME))?;
            *self = Self::Connected(stream);
        }
        match self {
            Self::Connected(stream) => Ok(stream),
            Self::Listening(..) => Err(BenchError::FirstEnded),
        }
    }
}

impl Carrier for Stream {
    fn first(name: &str, _: usize, room: Room, _: Lines) -> Result<Self, BenchError> {
        let address = SocketAddr::from_abstract_name(name).map_err(failed(NAME))?;
        let listener = UnixListener::bind_addr(&address).map_err(failed(NAME))?;
        Ok(Self::Listening(listener, room))
    }

    fn second(name: &str, _: usize, room: Room, _: Lines) -> Result<Self, BenchError> {
        let address = SocketAddr::from_abstract_name(name).map_err(failed(NAME))?;
        let stream = UnixStream::connect_addr(&address).map_err(failed(NAME))?;
        give_room(&stream, room).map_err(failed(NAME))?;
        Ok(Self::Connected(stream))
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), BenchError> {
        self.connected()?.write_all(bytes).map_err(failed(NAME))
    }

    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, BenchError> {
        let len = self.connected()?.read(buffer).map_err(failed(NAME))?;
        some(NAME, len)
    }
}
