//! Large messages over the `AdvancedLink` of `hqq-std`.

use std::io::Read;
use std::os::fd::OwnedFd;

use hqq_std::wait::Policy;
use hqq_std::{AdvancedLink, AdvancedOptions, Incoming, LinkOptions, Message};

use super::How;
use crate::advanced::lent;
use crate::bulk::{self, BULK};
use crate::error::BenchError;
use crate::measure::Part;
use crate::memory::Lines;
use crate::patience::Patience;

pub(super) use crate::advanced::lent::LINES;

/// As the bare copies, and all other rows that do not say otherwise, it spins.
const fn policy(how: How) -> Policy {
    match how {
        How::Adaptive => Policy::Adaptive,
        _ => Policy::Spin,
    }
}

pub(super) fn first(
    lines: Lines,
    options: LinkOptions,
    how: How,
) -> Result<Box<dyn Part>, BenchError> {
    let (link, lent) = lent::create_with(lines, options.wait_policy(policy(how)))?;
    Ok(Box::new(Sending {
        link: AdvancedLink::new(link, AdvancedOptions::new()),
        number: 0,
        _lent: lent,
    }))
}

pub(super) fn second(
    lines: Lines,
    measure: &'static str,
    how: How,
) -> Result<Box<dyn Part>, BenchError> {
    let link = lent::open_with(lines, LinkOptions::new().wait_policy(policy(how)))?;
    Ok(Box::new(Receiving {
        measure,
        link: AdvancedLink::new(link, AdvancedOptions::new()),
        how,
        number: 0,
    }))
}

struct Sending {
    link: AdvancedLink,
    number: u64,
    /// For the second process to find.
    _lent: OwnedFd,
}

impl Part for Sending {
    fn run(&mut self, operations: u32, _: &mut Patience<'_>) -> Result<(), BenchError> {
        if self.link.agreement().is_none() {
            self.link.negotiate(None)?;
        }
        let mut bytes = bulk::memory();
        for _ in 0..operations {
            self.number += 1;
            bulk::write(&mut bytes, self.number);
            self.link.send_large(&bytes)?;
        }
        Ok(())
    }
}

struct Receiving {
    measure: &'static str,
    link: AdvancedLink,
    how: How,
    number: u64,
}

impl Receiving {
    fn streamed(&self, mut to: &mut [u8]) -> Result<(), BenchError> {
        let Incoming::Plain { mut body, .. } = self.link.receive_stream(None)? else {
            return Err(BenchError::Changed {
                measure: self.measure,
            });
        };
        while !to.is_empty() {
            match body.read(to).map_err(BenchError::System)? {
                0 => break,
                len => to = to.split_at_mut(len).1,
            }
        }
        // The end of it, which is read by itself.
        match body.read(&mut [0]).map_err(BenchError::System)? {
            0 => Ok(()),
            _ => Err(BenchError::Changed {
                measure: self.measure,
            }),
        }
    }
}

impl Part for Receiving {
    fn run(&mut self, operations: u32, _: &mut Patience<'_>) -> Result<(), BenchError> {
        let mut bytes = bulk::memory();
        for _ in 0..operations {
            self.number += 1;
            if self.how == How::SystemStreamed {
                self.streamed(&mut bytes[..BULK])?;
                bulk::check(self.measure, &bytes, self.number)?;
                continue;
            }
            let message = self.link.receive()?;
            bulk::check(self.measure, message.body(), self.number)?;
            if let (How::Assembled | How::Adaptive, Message::Plain { body, .. }) =
                (self.how, message)
            {
                self.link.reuse(body);
            }
        }
        Ok(())
    }
}
