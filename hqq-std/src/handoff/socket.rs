//! A connected socket: one message at a time, with or without a descriptor, until a deadline.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

use super::message::{LEN, Message};
use super::{Credentials, HandoffError};

/// When a step has to be done, and how long it had.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    at: Option<Instant>,
    patience: Duration,
}

impl Deadline {
    /// `None`, and what no clock can hold, is never.
    pub(super) fn within(patience: Option<Duration>) -> Self {
        Self {
            at: patience.and_then(|patience| Instant::now().checked_add(patience)),
            patience: patience.unwrap_or(Duration::MAX),
        }
    }

    /// What is left of it; `None` is for ever.
    pub(super) fn left(&self) -> Option<Duration> {
        self.at
            .map(|at| at.saturating_duration_since(Instant::now()))
    }

    pub(super) const fn passed(&self) -> HandoffError {
        HandoffError::TimedOut {
            waited: self.patience,
        }
    }

    /// Waits until `fd` is ready for `what`, or has failed.
    pub(super) fn wait(&self, fd: BorrowedFd<'_>, what: PollFlags) -> Result<(), HandoffError> {
        loop {
            let left = self.left();
            // As long as a wait can be, where the time left is longer than that.
            let timeout = left.map(|left| {
                Timespec::try_from(left).unwrap_or(Timespec {
                    tv_sec: i64::MAX,
                    tv_nsec: 0,
                })
            });
            let mut polled = [PollFd::from_borrowed_fd(fd, what)];
            match rustix::event::poll(&mut polled, timeout.as_ref()) {
                Ok(0) if left.is_some_and(|left| left.is_zero()) => return Err(self.passed()),
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(HandoffError::of_io("wait for a socket")(error.into())),
            }
        }
    }
}

/// Who is at the other end of a connected socket.
pub(super) fn credentials(socket: &impl AsFd) -> Result<Credentials, HandoffError> {
    // rustix reads the process id as one that is not 0, which it is in another name space.
    let credentials = getsockopt(socket, PeerCredentials)
        .map_err(|error| HandoffError::of_io("ask who is at the other end")(error.into()))?;
    let pid = u32::try_from(credentials.pid()).unwrap_or(0);
    Ok(Credentials::new(credentials.uid(), credentials.gid(), pid))
}

/// Sends a message, with a descriptor if there is one.
pub(super) fn send(
    socket: &impl AsFd,
    message: Message,
    descriptor: Option<BorrowedFd<'_>>,
    deadline: &Deadline,
) -> Result<(), HandoffError> {
    let bytes = message.encode();
    let descriptors: Vec<BorrowedFd<'_>> = descriptor.into_iter().collect();
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    loop {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        match rustix::net::sendmsg(socket, &[IoSlice::new(&bytes)], &mut ancillary, flags) {
            Ok(_) => return Ok(()),
            Err(Errno::AGAIN) => deadline.wait(socket.as_fd(), PollFlags::OUT)?,
            Err(Errno::INTR) => {}
            Err(Errno::PIPE | Errno::CONNRESET) => return Err(HandoffError::HungUp),
            Err(error) => return Err(HandoffError::of_io("send over a socket")(error.into())),
        }
    }
}

/// The next message and the descriptors that came with it: `expected` of them, or it is refused.
pub(super) fn receive(
    socket: &impl AsFd,
    expected: impl Fn(Message) -> usize,
    deadline: &Deadline,
) -> Result<(Message, Option<OwnedFd>), HandoffError> {
    // One byte more than a message has, and room for more descriptors than one: what is too much is
    // seen to be, and what has no room the kernel closes.
    let mut bytes = [0; LEN + 1];
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    loop {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let received = match rustix::net::recvmsg(socket, &mut parts, &mut ancillary, flags) {
            Ok(received) => received,
            Err(Errno::AGAIN) => {
                deadline.wait(socket.as_fd(), PollFlags::IN)?;
                continue;
            }
            Err(Errno::INTR) => continue,
            Err(Errno::CONNRESET) => return Err(HandoffError::HungUp),
            Err(error) => return Err(HandoffError::of_io("receive from a socket")(error.into())),
        };
        // Whatever came is owned here, and closed with this list.
        let mut descriptors: Vec<OwnedFd> = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        let len = received.bytes;
        if len == 0 && descriptors.is_empty() {
            return Err(HandoffError::HungUp);
        }
        let message = bytes.get(..len).and_then(Message::decode);
        let message = match message {
            Some(message) if !received.flags.contains(ReturnFlags::TRUNC) => message,
            _ => return Err(HandoffError::Malformed { len }),
        };
        let (found, expected) = (descriptors.len(), expected(message));
        if found != expected || received.flags.contains(ReturnFlags::CTRUNC) {
            return Err(HandoffError::Descriptors { found, expected });
        }
        return Ok((message, descriptors.pop()));
    }
}
