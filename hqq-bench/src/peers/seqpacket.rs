//! A Unix socket of sequenced packets.
//!
//! unix(7): "SOCK_SEQPACKET, for a sequenced-packet socket that is connection-oriented, preserves message
//! boundaries, and delivers messages in the order that they were sent". "The
//! SO_SNDBUF socket option does have an effect for UNIX domain sockets, but the SO_RCVBUF option does not":
//! its default and 1 MiB compete.

use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with,
    bind, connect, listen, recv, send, socket_with,
};

use super::between::{Carrier, Room, some};
use super::many_messages::ManyMessages;
use super::{failed, give_room};
use crate::error::BenchError;
use crate::memory::Lines;

const NAME: &str = "Unix seqpacket socket";

/// One end.
pub(crate) struct SeqPacket {
    socket: OwnedFd,
    /// The second process has not been waited for yet.
    listening: bool,
    room: Room,
    many: ManyMessages,
}

fn socket(name: &str) -> Result<(OwnedFd, SocketAddrUnix), rustix::io::Errno> {
    let socket = socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    Ok((socket, SocketAddrUnix::new_abstract_name(name.as_bytes())?))
}

impl SeqPacket {
    #[inline]
    fn connect(&mut self) -> Result<(), BenchError> {
        if self.listening {
            self.socket = accept_with(&self.socket, SocketFlags::CLOEXEC).map_err(failed(NAME))?;
            give_room(&self.socket, self.room).map_err(failed(NAME))?;
            self.listening = false;
        }
        Ok(())
    }
}

impl Carrier for SeqPacket {
    fn first(name: &str, _: usize, room: Room, _: Lines) -> Result<Self, BenchError> {
        let (socket, address) = socket(name).map_err(failed(NAME))?;
        bind(&socket, &address).map_err(failed(NAME))?;
        listen(&socket, 1).map_err(failed(NAME))?;
        Ok(Self {
            socket,
            listening: true,
            room,
            many: ManyMessages::new(),
        })
    }

    fn second(name: &str, _: usize, room: Room, _: Lines) -> Result<Self, BenchError> {
        let (socket, address) = socket(name).map_err(failed(NAME))?;
        connect(&socket, &address).map_err(failed(NAME))?;
        give_room(&socket, room).map_err(failed(NAME))?;
        Ok(Self {
            socket,
            listening: false,
            room,
            many: ManyMessages::new(),
        })
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), BenchError> {
        self.connect()?;
        send(&self.socket, bytes, SendFlags::empty()).map_err(failed(NAME))?;
        Ok(())
    }

    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, BenchError> {
        self.connect()?;
        let (len, _) = recv(&self.socket, buffer, RecvFlags::empty()).map_err(failed(NAME))?;
        some(NAME, len)
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
