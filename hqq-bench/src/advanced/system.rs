//! Calls over the `AdvancedLink` of `hqq-std`, and a round trip over its `StandardLink`. Both ends spin.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use hqq_std::wait::Policy;
use hqq_std::{AdvancedLink, AdvancedOptions, Server, StandardLink};

use super::{Bodies, METHOD, SIZE, SYSTEM, lent};
use crate::error::BenchError;
use crate::memory::Lines;
use crate::patience::Patience;
use crate::runner::{Measure, Part};

/// One end of a link that spins.
fn create(lines: Lines) -> Result<(StandardLink, OwnedFd), BenchError> {
    let (mut link, file) = lent::create(lines)?;
    link.set_wait_policy(Policy::Spin);
    Ok((link, file))
}

/// The other one.
fn open(lines: Lines) -> Result<StandardLink, BenchError> {
    let mut link = lent::open(lines)?;
    link.set_wait_policy(Policy::Spin);
    Ok(link)
}

/// Who answers.
#[derive(Clone, Copy, Debug)]
enum By {
    /// `receive_request` and `respond`, in a loop.
    Respond,
    /// A `Server` with one handler and one thread.
    Server,
}

/// Calls of 64 bytes both ways, one at a time.
pub(super) struct Calls {
    id: &'static str,
    name: &'static str,
    by: By,
    /// Each answer gets memory of its own.
    owned: bool,
}

impl Calls {
    pub(super) const RESPOND: Self = Self {
        id: "call-link",
        name: "hqq-std, call_into, answered by respond",
        by: By::Respond,
        owned: false,
    };
    pub(super) const OWNED: Self = Self {
        id: "call-owned",
        name: "hqq-std, call, each answer in memory of its own",
        by: By::Respond,
        owned: true,
    };
    pub(super) const SERVER: Self = Self {
        id: "call-server",
        name: "hqq-std, call_into, answered by a Server",
        by: By::Server,
        owned: false,
    };
}

impl Measure for Calls {
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
        let (link, file) = create(lines)?;
        Ok(Box::new(Calling {
            link: AdvancedLink::new(link, AdvancedOptions::new()),
            bodies: Bodies::new(self.id),
            owned: self.owned,
            _lent: file,
        }))
    }

    fn second(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        let link = AdvancedLink::new(open(lines)?, AdvancedOptions::new());
        Ok(match self.by {
            By::Respond => Box::new(Responding(link)),
            By::Server => Box::new(Serving(link)),
        })
    }
}

struct Calling {
    link: AdvancedLink,
    bodies: Bodies,
    owned: bool,
    _lent: OwnedFd,
}

impl Part for Calling {
    fn run(&mut self, operations: u32, _: &mut Patience<'_>) -> Result<(), BenchError> {
        let Self {
            link,
            bodies,
            owned,
            ..
        } = self;
        if link.agreement().is_none() {
            link.negotiate(None)?;
        }
        let mut answer = Vec::new();
        for _ in 0..operations {
            if *owned {
                answer = link.call(METHOD, bodies.next())?;
            } else {
                link.call_into(METHOD, bodies.next(), &mut answer, None)?;
            }
            bodies.check(&answer)?;
        }
        Ok(())
    }
}

struct Responding(AdvancedLink);

impl Part for Responding {
    fn run(&mut self, operations: u32, _: &mut Patience<'_>) -> Result<(), BenchError> {
        for _ in 0..operations {
            let request = self.0.receive_request(None)?;
            self.0.respond(&request, request.body())?;
        }
        Ok(())
    }
}

struct Serving(AdvancedLink);

impl Part for Serving {
    fn run(&mut self, operations: u32, _: &mut Patience<'_>) -> Result<(), BenchError> {
        let (stop, left) = (AtomicBool::new(false), AtomicU32::new(operations));
        let server = Server::new().method(METHOD, |request| {
            // Relaxed: one thread.
            if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                stop.store(true, Ordering::Relaxed);
            }
            Ok(request.body().to_vec())
        });
        server.serve_until(&self.0, &stop)?;
        Ok(())
    }
}

/// Messages of 64 bytes there and back.
pub(super) struct StandardRoundTrip;

impl Measure for StandardRoundTrip {
    fn id(&self) -> &'static str {
        SYSTEM
    }

    fn name(&self) -> &'static str {
        "hqq-std, link, 64 bytes there and back"
    }

    fn lines(&self) -> Result<usize, BenchError> {
        Ok(lent::LINES)
    }

    fn first(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        let (link, file) = create(lines)?;
        Ok(Box::new(Asking {
            link,
            bodies: Bodies::new(self.id()),
            _lent: file,
        }))
    }

    fn second(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        Ok(Box::new(Echoing(open(lines)?)))
    }
}

struct Asking {
    link: StandardLink,
    bodies: Bodies,
    _lent: OwnedFd,
}

impl Part for Asking {
    fn run(&mut self, operations: u32, _: &mut Patience<'_>) -> Result<(), BenchError> {
        let mut answer = [0; SIZE];
        for _ in 0..operations {
            self.link.send(self.bodies.next())?;
            let len = self.link.recv(&mut answer)?;
            self.bodies.check(&answer[..len])?;
        }
        Ok(())
    }
}

struct Echoing(StandardLink);

impl Part for Echoing {
    fn run(&mut self, operations: u32, _: &mut Patience<'_>) -> Result<(), BenchError> {
        let mut message = [0; SIZE];
        for _ in 0..operations {
            let len = self.0.recv(&mut message)?;
            self.0.send(&message[..len])?;
        }
        Ok(())
    }
}
