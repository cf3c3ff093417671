//! The end that waits at a path and hands regions out.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::message::Message;
use super::socket::{Deadline, credentials, receive, send};
use super::{Allow, Credentials, HandoffError};
use crate::link::HasRegion;
use crate::options::{Access, LinkOptions};
use crate::trace::event;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// A socket of packets, one for each message, that is not inherited.
pub(super) fn socket(flags: SocketFlags) -> Result<OwnedFd, HandoffError> {
    let flags = flags | SocketFlags::CLOEXEC;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
        .map_err(|error| HandoffError::of_io("make a socket")(error.into()))
}

/// The address of a path.
pub(super) fn address(path: &Path) -> Result<SocketAddrUnix, HandoffError> {
    SocketAddrUnix::new(path).map_err(|error| match error {
        Errno::NAMETOOLONG => HandoffError::PathTooLong {
            path: path.to_owned(),
        },
        error => HandoffError::of_io("name a socket")(error.into()),
    })
}

/// A socket at a path, where peers ask for a region. Dropping it removes the path.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    path: PathBuf,
    /// Device and number of the socket's file: what else may have the path later is not removed.
    file: (u64, u64),
    allow: Allow,
}

impl Listener {
    /// Listens at `path`, which only this user can reach; `allow` says who is let in.
    ///
    /// # Errors
    /// [`HandoffError::Exists`], [`HandoffError::PathTooLong`], [`HandoffError::PermissionDenied`].
    pub fn bind(path: impl AsRef<Path>, allow: Allow) -> Result<Self, HandoffError> {
        Self::bind_with_permissions(path, allow, 0o600)
    }

    /// As [`Listener::bind`], with these permission bits on the socket, less those of the umask:
    /// who may write it may connect, and then `allow` decides.
    ///
    /// # Errors
    /// As there.
    pub fn bind_with_permissions(
        path: impl AsRef<Path>,
        allow: Allow,
        permissions: u32,
    ) -> Result<Self, HandoffError> {
        let path = path.as_ref().to_owned();
        let socket = socket(SocketFlags::NONBLOCK)?;
        // The file that `bind` makes has the mode of the socket, from the beginning.
        let mode = rustix::fs::Mode::from_raw_mode(permissions & 0o777);
        let of_io = |error: Errno| match error {
            Errno::ADDRINUSE => HandoffError::Exists { path: path.clone() },
            Errno::ACCESS | Errno::PERM => HandoffError::PermissionDenied { path: path.clone() },
            error => HandoffError::of_io("listen at a socket")(error.into()),
        };
        rustix::fs::fchmod(&socket, mode).map_err(of_io)?;
        rustix::net::bind(&socket, &address(&path)?).map_err(of_io)?;
        let listening = rustix::net::listen(&socket, BACKLOG).map_err(of_io);
        let metadata = fs::symlink_metadata(&path);
        let (Ok(()), Ok(metadata)) = (&listening, metadata) else {
            // What `bind` made is taken back; that it is gone already is as good.
            let _ = fs::remove_file(&path);
            listening?;
            let error = io::ErrorKind::NotFound.into();
            return Err(HandoffError::of_io("find the socket")(error));
        };
        let file = (metadata.dev(), metadata.ino());
        Ok(Self {
            socket,
            path,
            file,
            allow,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next peer that is let in; `None` waits for ever. To others it says so and hangs up.
    ///
    /// # Errors
    /// [`HandoffError::Unauthorised`] for a peer that is not let in, [`HandoffError::TimedOut`]; the listener goes on.
    pub fn accept(&self, patience: Option<Duration>) -> Result<Guest, HandoffError> {
        let deadline = Deadline::within(patience);
        let socket = loop {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            match rustix::net::accept_with(&self.socket, flags) {
                Ok(socket) => break socket,
                Err(Errno::AGAIN) => deadline.wait(self.socket.as_fd(), PollFlags::IN)?,
                // It has hung up again.
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(error) => {
                    return Err(HandoffError::of_io("accept a connection")(error.into()));
                }
            }
        };
        let peer = credentials(&socket)?;
        let guest = Guest { socket, peer };
        if self.allow.lets_in(&peer) {
            return Ok(guest);
        }
        event!(WARN, %peer, "not let in");
        Err(guest.refuse(HandoffError::Unauthorised { peer }))
    }
}

impl AsFd for Listener {
    /// Becomes readable when a peer has connected.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| (found.dev(), found.ino()) == self.file) {
            // Nothing can be done about a failure.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A peer that was let in and waits for a region.
#[derive(Debug)]
pub struct Guest {
    socket: OwnedFd,
    peer: Credentials,
}

impl Guest {
    /// Who it is.
    #[must_use]
    pub const fn credentials(&self) -> &Credentials {
        &self.peer
    }

    /// Makes an anonymous region, takes a role in it as `options` say, and hands it over; returns
    /// when the peer has attached to it.
    ///
    /// # Errors
    /// [`HandoffError`]: the region could not be had, or the peer did not take it within `patience`.
    pub fn make_region<A>(
        self,
        options: &LinkOptions<A>,
        patience: Duration,
    ) -> Result<A::Link, HandoffError>
    where
        A: Access<Link: HasRegion>,
    {
        let link = match options.anonymous() {
            Ok(link) => link,
            Err(error) => return Err(self.refuse(error.into())),
        };
        self.hand_over(&link, patience)?;
        Ok(link)
    }

    /// Hands over the region of a link that is there already, such as one whose other side many
    /// peers share. It must be anonymous: see [`LinkOptions::anonymous`].
    ///
    /// # Errors
    /// As [`Guest::make_region`]; [`HandoffError::NotMemory`] for a region with a name.
    pub fn hand_over(self, link: &impl HasRegion, patience: Duration) -> Result<(), HandoffError> {
        let deadline = Deadline::within(Some(patience));
        let region = link
            .region_fd()
            .map_err(HandoffError::of_io("reopen the region"))
            .and_then(|region| {
                let len = super::connector::check_memory(&region)?;
                Ok((region, len))
            });
        let (region, len) = match region {
            Ok(region) => region,
            Err(error) => return Err(self.refuse(error)),
        };
        let offer = Message::Offer { len };
        send(&self.socket, offer, Some(region.as_fd()), &deadline)?;
        match receive(&self.socket, |_| 0, &deadline)? {
            (Message::Taken, _) => Ok(()),
            (Message::Refused(refusal), _) => Err(HandoffError::Refused { refusal }),
            (Message::Offer { .. }, _) => Err(HandoffError::Malformed {
                len: super::message::LEN,
            }),
        }
    }

    /// Tells the peer why there will be no link; gives the error back.
    fn refuse(self, error: HandoffError) -> HandoffError {
        let now = Deadline::within(Some(Duration::ZERO));
        // Nothing hangs on its hearing it: it sees that this end hangs up.
        let _ = send(&self.socket, Message::Refused(error.refusal()), None, &now);
        error
    }
}
