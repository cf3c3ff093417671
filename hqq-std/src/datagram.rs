//! The datagram form, in the manner of [`std::net::UdpSocket`]: messages with addresses.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use hqq_core::Role;
use hqq_core::ring::{Consumer, Producer};

use crate::link::{Receiver, Sender, StandardLink};

/// One end of a region: where it lies, and the role.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LinkAddr {
    region: Arc<Path>,
    role: Role,
}

impl LinkAddr {
    /// The end that has `role` in the region at `path`.
    #[must_use]
    pub fn new(path: &Path, role: Role) -> Self {
        Self {
            region: Arc::from(path),
            role,
        }
    }

    /// Where the region lies.
    #[must_use]
    pub fn region(&self) -> &Path {
        &self.region
    }

    /// Which end it is.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }
}

impl fmt::Display for LinkAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.region.display(), self.role)
    }
}

impl<P: Producer> Sender<P> {
    /// Sends a message to the other end, which `to` must be; says how many bytes it has.
    ///
    /// # Errors
    /// `AddrNotAvailable` for any other address; else as [`Sender::send`].
    pub fn send_to(&mut self, message: &[u8], to: &LinkAddr) -> io::Result<usize> {
        let peer = self.peer_addr();
        if *to != peer {
            return Err(io::Error::new(
                io::ErrorKind::AddrNotAvailable,
                format!("{to} is not reached by this link: send to {peer}"),
            ));
        }
        self.send(message)?;
        Ok(message.len())
    }
}

impl<C: Consumer> Receiver<C> {
    /// Receives a message and says where it came from.
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    pub fn recv_from(&mut self, buffer: &mut [u8]) -> io::Result<(usize, LinkAddr)> {
        let len = self.recv(buffer)?;
        Ok((len, self.peer_addr()))
    }
}

impl StandardLink {
    /// As [`Sender::send_to`].
    ///
    /// # Errors
    /// As there.
    pub fn send_to(&mut self, message: &[u8], to: &LinkAddr) -> io::Result<usize> {
        self.sender().send_to(message, to)
    }

    /// As [`Receiver::recv_from`].
    ///
    /// # Errors
    /// As there.
    pub fn recv_from(&mut self, buffer: &mut [u8]) -> io::Result<(usize, LinkAddr)> {
        self.receiver().recv_from(buffer)
    }

    /// Where this end is.
    #[must_use]
    pub fn local_addr(&mut self) -> LinkAddr {
        self.sender().local_addr()
    }

    /// Where the other end is.
    #[must_use]
    pub fn peer_addr(&mut self) -> LinkAddr {
        self.sender().peer_addr()
    }
}
