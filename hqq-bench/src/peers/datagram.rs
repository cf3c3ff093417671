//! A Unix datagram socket at each end, connected to each other.
//!
//! unix(7): "SOCK_DGRAM, for a datagram-oriented socket that preserves message boundaries (as on most UNIX
//! implementations, UNIX domain datagram sockets are always reliable and don't reorder datagrams)". How many
//! wait is `net.unix.max_dgram_qlen`, which only root sets. "The SO_SNDBUF socket option does have an effect
//! for UNIX domain sockets, but the SO_RCVBUF option does not": its default and 1 MiB compete.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use super::between::{Carrier, Room, some};
use super::many_messages::ManyMessages;
use super::{failed, give_room};
use crate::error::BenchError;
use crate::memory::Lines;

const NAME: &str = "Unix datagram socket";

/// One end, and the peer's address until it is connected.
pub(crate) struct Datagram {
    socket: UnixDatagram,
    peer: Option<SocketAddr>,
    many: ManyMessages,
}

fn address(name: &str, end: &str) -> Result<SocketAddr, BenchError> {
    SocketAddr::from_abstract_name(format!("{name}-{end}")).map_err(failed(NAME))
}

fn bound(name: &str, end: &str, peer: &str, room: Room) -> Result<Datagram, BenchError> {
    let socket = UnixDatagram::bind_addr(&address(name, end)?).map_err(failed(NAME))?;
    give_room(&socket, room).map_err(failed(NAME))?;
    Ok(Datagram {
        socket,
        peer: Some(address(name, peer)?),
        many: ManyMessages::new(),
    })
}

impl Datagram {
    #[inline]
    fn connect(&mut self) -> Result<(), BenchError> {
        match self.peer.take() {
            Some(peer) => self.socket.connect_addr(&peer).map_err(failed(NAME)),
            None => Ok(()),
        }
    }
}

impl Carrier for Datagram {
    fn first(name: &str, _: usize, room: Room, _: Lines) -> Result<Self, BenchError> {
        bound(name, "first", "second", room)
    }

    fn second(name: &str, _: usize, room: Room, _: Lines) -> Result<Self, BenchError> {
        bound(name, "second", "first", room)
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), BenchError> {
        self.connect()?;
        self.socket.send(bytes).map_err(failed(NAME))?;
        Ok(())
    }

    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, BenchError> {
        self.connect()?;
        some(NAME, self.socket.recv(buffer).map_err(failed(NAME))?)
    }

    #[inline]
    fn write_batch(&mut self, bytes: &[u8], size: usize) -> Result<(), BenchError> {
        self.connect()?;
        self.many.send(NAME, &self.socket, bytes, size)
    }

    #[inline]
    fn read_batch(&mut self, buffer: &mut [u8], size: usize) -> Result<usize, BenchError> {
        self.connect()?;
        self.many.receive(NAME, &self.socket, buffer, size)
    }
}
