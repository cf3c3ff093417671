//! The link of `hqq-std` between two processes, waiting as it does: adaptively, or asleep from the start.

use std::os::fd::OwnedFd;

use hqq_std::StandardLink;
use hqq_std::wait::Backoff;

use crate::advanced::lent;
use crate::error::BenchError;
use crate::measure::{Measure, Part, Place};
use crate::memory::Lines;
use crate::patience::Patience;
use crate::work::{Buffered, End, Messages, Way};

/// How a call waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// As links do by themselves.
    Adaptive,
    /// Asleep at once.
    Park,
}

/// Round trips, or messages one way, over a link of `hqq-std`.
pub(crate) struct SystemLink {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) way: Way,
    pub(crate) policy: Policy,
    pub(crate) place: Place,
    pub(crate) size: usize,
}

impl SystemLink {
    fn end(&self, link: StandardLink, lent: Option<OwnedFd>) -> Buffered<SystemEnd> {
        let end = SystemEnd {
            link,
            policy: self.policy,
            _lent: lent,
        };
        Buffered::new(end, Messages::new(self.id, self.size))
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
        let (link, lent) = lent::create(lines)?;
        Ok(self.way.first(self.end(link, Some(lent))))
    }

    fn second(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        let link = lent::open(lines)?;
        Ok(self.way.second(self.end(link, None)))
    }

    fn place(&self) -> Place {
        self.place
    }
}

struct SystemEnd {
    link: StandardLink,
    policy: Policy,
    /// For the second process to find.
    _lent: Option<OwnedFd>,
}

/// Rounds of waiting that a link spends awake.
const AWAKE: u32 = 500;

impl End for SystemEnd {
    #[inline]
    fn send(&mut self, message: &[u8], _: &mut Patience<'_>) -> Result<(), BenchError> {
        match self.policy {
            Policy::Adaptive => Ok(self.link.send(message)?),
            Policy::Park => loop {
                match self.link.sender().try_send(message) {
                    Err(hqq_core::TrySendError::Full) => std::thread::yield_now(),
                    result => return Ok(result?),
                }
            },
        }
    }

    #[inline]
    fn recv(&mut self, buffer: &mut [u8], _: &mut Patience<'_>) -> Result<usize, BenchError> {
        match self.policy {
            Policy::Adaptive => Ok(self.link.recv(buffer)?),
            Policy::Park => {
                let mut round = AWAKE;
                loop {
                    match self.link.receiver().try_recv(buffer) {
                        Err(hqq_core::TryRecvError::Empty) => {
                            round += 1;
                            // Without a deadline it never gives up.
                            let _ = Backoff::new().pause(round);
                        }
                        result => return Ok(result?),
                    }
                }
            }
        }
    }
}
