//! What repairing costs: a ring full of claims of one that has died.

use std::path::Path;
use std::process;
use std::time::{Duration, Instant};

use hqq_std::LinkOptions;

use crate::error::BenchError;
use crate::measure::{Measure, Nothing, Part, Place};
use crate::memory::Lines;
use crate::patience::Patience;
use crate::process::this_program;

const COUNT: usize = 4096;
const SIZE: usize = 64;

/// A repair of a region of 4096 buffers, all claimed by a process that has ended: from the proof of its death
/// to the last slot. A death itself is noticed when the kernel tells of it, or at the end of a slice of waiting.
pub(crate) struct Repair;

impl Measure for Repair {
    fn id(&self) -> &'static str {
        "repair-4096"
    }

    fn name(&self) -> &'static str {
        "repairing 4096 claims of a dead process"
    }

    fn first(&self, _: Lines) -> Result<Box<dyn Part>, BenchError> {
        Ok(Box::new(Repairing {
            name: format!("hqq-bench-repair-{}", process::id()),
            figure: None,
        }))
    }

    fn second(&self, _: Lines) -> Result<Box<dyn Part>, BenchError> {
        Ok(Box::new(Nothing))
    }

    fn place(&self) -> Place {
        Place::Alone
    }

    fn most(&self) -> u32 {
        2
    }
}

struct Repairing {
    name: String,
    figure: Option<f64>,
}

impl Drop for Repairing {
    fn drop(&mut self) {
        // There is one only where a turn has failed.
        let _ = hqq_std::unlink(&self.name);
    }
}

impl Repairing {
    /// The time that one repair takes.
    fn repair(&self) -> Result<Duration, BenchError> {
        let options = LinkOptions::new().count(COUNT).size(SIZE);
        options.create_region(&self.name)?;
        let caretaker = options.caretaker(&self.name)?;
        let mut claiming = this_program(&["claim"])?;
        claiming.arg(caretaker.path());
        let status = claiming.status().map_err(BenchError::Start)?;
        if !status.success() {
            return Err(BenchError::SecondEnded(status));
        }
        let start = Instant::now();
        let repaired = caretaker.repair()?;
        let elapsed = start.elapsed();
        hqq_std::unlink(&self.name)?;
        if repaired.tombstones == COUNT {
            Ok(elapsed)
        } else {
            Err(BenchError::Changed { measure: "repair" })
        }
    }
}

impl Part for Repairing {
    fn run(&mut self, operations: u32, _: &mut Patience<'_>) -> Result<(), BenchError> {
        let mut elapsed = Duration::ZERO;
        for _ in 0..operations {
            elapsed += self.repair()?;
        }
        self.figure = Some(elapsed.as_secs_f64() * 1e9 / f64::from(operations));
        Ok(())
    }

    fn figure(&mut self) -> Option<f64> {
        self.figure.take()
    }
}

/// Claims every buffer of a region, and ends with them.
pub(crate) fn claim(path: &Path) -> Result<(), BenchError> {
    let link = LinkOptions::new().shared().open_path(path)?;
    let mut sender = link.sender();
    for _ in 0..sender.capacity() {
        std::mem::forget(sender.try_reserve()?);
    }
    // Nothing is dropped: it would be given back.
    process::exit(0)
}
