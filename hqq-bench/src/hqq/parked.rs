//! The link of `hqq-std` between two processes, in each of the ways in which its calls wait.

use std::os::fd::OwnedFd;

use hqq_core::Role;
use hqq_std::wait::Policy;
use hqq_std::{LinkOptions, StandardLink};

use crate::advanced::lent;
use crate::error::BenchError;
use crate::measure::{Measure, Part, Place};
use crate::memory::Lines;
use crate::patience::Patience;
use crate::work::{End, Messages, Way, copying};

/// Round trips, or messages one way, over a link of `hqq-std`.
pub(crate) struct SystemLink {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) way: Way,
    pub(crate) policy: Policy,
    pub(crate) place: Place,
    pub(crate) size: usize,
    /// Buffers each way, and bytes in each.
    pub(crate) geometry: (usize, usize),
}

impl SystemLink {
    fn part(&self, mut link: StandardLink, lent: Option<OwnedFd>, role: Role) -> Box<dyn Part> {
        link.set_wait_policy(self.policy);
        let end = SystemEnd { link, _lent: lent };
        copying(end, Messages::new(self.id, self.size), self.way, role)
    }
}

impl Measure for SystemLink {
    fn id(&self) -> &'static str {
        self.id
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn lines(&self) -> Result<usize, BenchError> {
        Ok(lent::LINES)
    }

    fn first(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        let (count, size) = self.geometry;
        let (link, lent) = lent::create_with(lines, LinkOptions::new().count(count).size(size))?;
        Ok(self.part(link, Some(lent), Role::Primary))
    }

    fn second(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        let link = lent::open(lines)?;
        Ok(self.part(link, None, Role::Secondary))
    }

    fn place(&self) -> Place {
        self.place
    }
}

struct SystemEnd {
    link: StandardLink,
    /// For the second process to find.
    _lent: Option<OwnedFd>,
}

impl End for SystemEnd {
    #[inline]
    fn send(&mut self, message: &[u8], _: &mut Patience<'_>) -> Result<(), BenchError> {
        Ok(self.link.send(message)?)
    }

    #[inline]
    fn recv(&mut self, buffer: &mut [u8], _: &mut Patience<'_>) -> Result<usize, BenchError> {
        Ok(self.link.recv(buffer)?)
    }
}
