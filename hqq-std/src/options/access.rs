//! Whether a link has its sides alone or shares them.

use hqq_core::Mode;

use crate::attach::Endpoint;
use crate::error::OpenError;
use crate::link::{SharedLink, StandardLink};
use crate::wait::Policy;

/// How a link uses its sides: [`Exclusive`] or [`Shared`].
pub trait Access: sealed::Sealed {
    /// What opening gives.
    type Link;
    #[doc(hidden)]
    const MODE: Mode;
    #[doc(hidden)]
    #[allow(private_interfaces, reason = "sealed, for this crate only")]
    fn link(endpoint: Endpoint, policy: Policy) -> Result<Self::Link, OpenError>;
}

mod sealed {
    pub trait Sealed {}
}

/// One thread at a time, no compare-and-swap: [`StandardLink`].
#[derive(Clone, Copy, Debug)]
pub enum Exclusive {}

/// Any number of threads and processes on this side: [`SharedLink`].
#[derive(Clone, Copy, Debug)]
pub enum Shared {}

impl sealed::Sealed for Exclusive {}
impl sealed::Sealed for Shared {}

impl Access for Exclusive {
    type Link = StandardLink;
    const MODE: Mode = Mode::Exclusive;
    #[allow(private_interfaces, reason = "sealed, for this crate only")]
    fn link(endpoint: Endpoint, policy: Policy) -> Result<StandardLink, OpenError> {
        StandardLink::attach(endpoint, policy)
    }
}

impl Access for Shared {
    type Link = SharedLink;
    const MODE: Mode = Mode::Shared;
    #[allow(private_interfaces, reason = "sealed, for this crate only")]
    fn link(endpoint: Endpoint, policy: Policy) -> Result<SharedLink, OpenError> {
        SharedLink::attach(endpoint, policy)
    }
}
