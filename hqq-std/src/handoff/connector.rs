//! The end that asks for a region, and checks what it gets.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::SealFlags;
use rustix::io::Errno;
use rustix::net::SocketFlags;
use rustix::net::sockopt::{Timeout, set_socket_timeout};

use super::listener::{address, socket};
use super::message::{LEN, Message};
use super::socket::{Deadline, credentials, receive, send};
use super::{Allow, HandoffError};
use crate::options::{Access, LinkOptions};
use crate::sys;

/// Bytes in the largest region that is taken, unless asked otherwise: 1 GiB.
pub const DEFAULT_MOST: u64 = 1 << 30;

/// Asks a [`Listener`](super::Listener) for a region.
#[derive(Clone, Debug)]
pub struct Connector {
    allow: Allow,
    most: u64,
}

impl Connector {
    /// Asks listeners that `allow` names, and nobody else.
    #[must_use]
    pub const fn new(allow: Allow) -> Self {
        Self {
            allow,
            most: DEFAULT_MOST,
        }
    }

    /// Bytes in the largest region to take. All of it becomes this process's memory in time.
    #[must_use]
    pub const fn most(mut self, bytes: u64) -> Self {
        self.most = bytes;
        self
    }

    /// Connects to `path`, gets a region there and takes a role in it as `options` say: without
    /// [`LinkOptions::role`], the one that is free.
    ///
    /// # Errors
    /// [`HandoffError`]; the listener is told.
    pub fn connect<A: Access>(
        &self,
        path: impl AsRef<Path>,
        options: &LinkOptions<A>,
        patience: Duration,
    ) -> Result<A::Link, HandoffError> {
        let deadline = Deadline::within(Some(patience));
        let socket = connect(path.as_ref(), &deadline)?;
        let peer = credentials(&socket)?;
        let link = if self.allow.lets_in(&peer) {
            self.receive(&socket, options, &deadline)
        } else {
            Err(HandoffError::Unauthorised { peer })
        };
        match link {
            Ok(link) => {
                send(&socket, Message::Taken, None, &deadline)?;
                Ok(link)
            }
            Err(error) => {
                let now = Deadline::within(Some(Duration::ZERO));
                // Nothing hangs on its hearing it: it sees that this end hangs up.
                let _ = send(&socket, Message::Refused(error.refusal()), None, &now);
                Err(error)
            }
        }
    }

    fn receive<A: Access>(
        &self,
        socket: &OwnedFd,
        options: &LinkOptions<A>,
        deadline: &Deadline,
    ) -> Result<A::Link, HandoffError> {
        let expected = |message| usize::from(matches!(message, Message::Offer { .. }));
        let (said, region) = match receive(socket, expected, deadline)? {
            (Message::Offer { len }, Some(region)) => (len, region),
            (Message::Refused(refusal), _) => return Err(HandoffError::Refused { refusal }),
            _ => return Err(HandoffError::Malformed { len: LEN }),
        };
        let found = check_memory(&region)?;
        if found != said {
            return Err(HandoffError::OtherLength { found, said });
        }
        if found > self.most {
            let most = self.most;
            return Err(HandoffError::TooLarge { found, most });
        }
        let options = match deadline.left() {
            Some(left) => options.clone().attach_timeout(left),
            None => options.clone(),
        };
        Ok(options.from_fd(region)?)
    }
}

/// A socket that is connected to whoever listens at `path`.
fn connect(path: &Path, deadline: &Deadline) -> Result<OwnedFd, HandoffError> {
    let address = address(path)?;
    // Connecting waits while so many have not been accepted that there is no room for one more.
    let socket = socket(SocketFlags::empty())?;
    loop {
        let left = deadline.left();
        if left.is_some_and(|left| left.is_zero()) {
            return Err(deadline.passed());
        }
        set_socket_timeout(&socket, Timeout::Send, left)
            .map_err(|error| HandoffError::of_io("set a timeout")(error.into()))?;
        match rustix::net::connect(&socket, &address) {
            Ok(()) => return Ok(socket),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(Errno::NOENT | Errno::CONNREFUSED) => {
                let path = path.to_owned();
                return Err(HandoffError::NobodyListens { path });
            }
            Err(Errno::ACCESS | Errno::PERM) => {
                let path = path.to_owned();
                return Err(HandoffError::PermissionDenied { path });
            }
            Err(error) => return Err(HandoffError::of_io("connect to a socket")(error.into())),
        }
    }
}

/// That a descriptor is one of memory whose length is what it is for good; gives that length.
pub(super) fn check_memory(region: &OwnedFd) -> Result<u64, HandoffError> {
    // First of all: only memory has seals, and asking anything else for them does not wait for it,
    // as its length would on a file system that a process of the peer's serves.
    let seals = match rustix::fs::fcntl_get_seals(region) {
        Ok(seals) => seals,
        Err(Errno::INVAL) => return Err(HandoffError::NotMemory),
        Err(error) => return Err(HandoffError::of_io("look at seals")(error.into())),
    };
    // Huge pages have seals, too, but whoever else has them can give them away.
    if !sys::is_in_memory(region).map_err(HandoffError::of_io("measure memory"))? {
        return Err(HandoffError::NotMemory);
    }
    let duplicate = region
        .try_clone()
        .map_err(HandoffError::of_io("duplicate a descriptor"))?;
    let metadata = File::from(duplicate)
        .metadata()
        .map_err(HandoffError::of_io("measure memory"))?;
    // Files of a file system in memory have the seal against seals, and a name.
    if metadata.nlink() != 0 || !metadata.is_file() {
        return Err(HandoffError::NotMemory);
    }
    if !seals.contains(SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL) {
        let seals = seals.bits();
        return Err(HandoffError::Unsealed { seals });
    }
    if seals.intersects(SealFlags::WRITE | SealFlags::FUTURE_WRITE) {
        let seals = seals.bits();
        return Err(HandoffError::ReadOnly { seals });
    }
    Ok(metadata.len())
}
