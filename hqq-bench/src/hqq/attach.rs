//! What taking a role in a region costs that exists.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use hqq_std::{LinkOptions, Role, StandardLink};

use crate::error::BenchError;
use crate::measure::{Measure, Nothing, Part, Place};
use crate::memory::Lines;
use crate::patience::Patience;

const COUNT: usize = 1024;
const SIZE: usize = 4096;

/// Attaching to a region of 1024 x 4096 bytes by a descriptor; leaving it again is not timed.
pub(crate) struct Attach;

impl Measure for Attach {
    fn id(&self) -> &'static str {
        "attach-fd"
    }

    fn name(&self) -> &'static str {
        "attaching to a region of 1024 x 4096"
    }

    fn first(&self, _: Lines) -> Result<Box<dyn Part>, BenchError> {
        let options = LinkOptions::new().count(COUNT).size(SIZE);
        let near = options.clone().role(Role::Primary).anonymous()?;
        Ok(Box::new(Attaching {
            options: options.role(Role::Secondary),
            near,
            figure: None,
        }))
    }

    fn second(&self, _: Lines) -> Result<Box<dyn Part>, BenchError> {
        Ok(Box::new(Nothing))
    }

    fn place(&self) -> Place {
        Place::Alone
    }
}

struct Attaching {
    options: LinkOptions,
    near: StandardLink,
    figure: Option<f64>,
}

impl Part for Attaching {
    fn run(&mut self, operations: u32, _: &mut Patience<'_>) -> Result<(), BenchError> {
        let mut elapsed = Duration::ZERO;
        for _ in 0..operations {
            let fd: OwnedFd = self.near.region_fd().map_err(BenchError::Lend)?;
            let start = Instant::now();
            let far = self.options.from_fd(fd)?;
            elapsed += start.elapsed();
            drop(far);
        }
        self.figure = Some(elapsed.as_secs_f64() * 1e9 / f64::from(operations));
        Ok(())
    }

    fn figure(&mut self) -> Option<f64> {
        self.figure.take()
    }
}
