//! What both halves of a link have in common: where they are, and how long they wait.

use std::io;
use std::ops::Deref;
use std::time::Duration;

use hqq_core::position::Position;
use hqq_core::ring::Corruption;
use hqq_core::{Format, Role};

use super::watch::Watch;
use crate::attach::Attachment;
use crate::datagram::LinkAddr;
use crate::kept::Kept;
use crate::wait::Backoff;

/// What calls that do not wait say where memory is missing.
pub(crate) const MISSING: Corruption = Corruption {
    position: Position::new(0),
    stamp: 0,
};

/// A half of a link: a [`Sender`](super::Sender) or a [`Receiver`](super::Receiver).
pub struct Half<T> {
    pub(super) core: Kept<T>,
    timeout: Option<Duration>,
}

impl<T> Half<T> {
    pub(super) const fn new(core: Kept<T>) -> Self {
        Self {
            core,
            timeout: None,
        }
    }

    /// The half itself, for the Advanced protocol.
    pub(crate) fn core(&mut self) -> &mut T {
        &mut self.core
    }

    pub(crate) fn attachment(&self) -> &Attachment {
        self.core.attachment()
    }

    /// The role this end has.
    #[must_use]
    pub fn role(&self) -> Role {
        self.attachment().role()
    }

    /// The format of the region.
    #[must_use]
    pub fn format(&self) -> Format {
        self.attachment().format()
    }

    /// Where this end is.
    #[must_use]
    pub fn local_addr(&self) -> LinkAddr {
        LinkAddr::new(self.attachment().path(), self.role())
    }

    /// Where the other end is.
    #[must_use]
    pub fn peer_addr(&self) -> LinkAddr {
        LinkAddr::new(self.attachment().path(), self.role().peer())
    }

    /// How long calls without a timeout of their own wait; `None` is for ever.
    ///
    /// # Errors
    /// `InvalidInput` for a timeout of zero, as in [`std::net::TcpStream`].
    pub fn set_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a timeout of zero: give a longer one, or use the try_ calls",
            ));
        }
        self.timeout = timeout;
        Ok(())
    }

    /// How long calls without a timeout of their own wait.
    #[must_use]
    pub const fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// Whether the region's file was made shorter and this end has come upon that: what was read
    /// since may be zeros, and no call works any more. Only with
    /// [`LinkOptions::guard_truncation`](crate::LinkOptions::guard_truncation).
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.attachment().is_cut()
    }

    pub(super) fn backoff(&self) -> Backoff {
        Backoff::within(self.timeout)
    }

    /// The half itself, and a way for it to wait.
    pub(super) fn watched(&mut self, backoff: Backoff) -> (&mut T, Watch<'_>) {
        let (core, attachment) = self.core.parts();
        (core, Watch::new(backoff, attachment))
    }
}

// No `DerefMut`: what is kept could be exchanged for what another region keeps.
impl<T> Deref for Half<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.core
    }
}
