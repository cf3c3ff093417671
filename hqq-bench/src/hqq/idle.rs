//! What a process costs that waits for a message for long.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use hqq_std::StandardLink;
use rustix::time::{ClockId, clock_gettime};

use crate::advanced::lent;
use crate::error::BenchError;
use crate::measure::{Measure, Part};
use crate::memory::Lines;
use crate::patience::Patience;

/// How long it waits.
const IDLE: Duration = Duration::from_millis(500);
/// The line in which the second process says what it used; after those of `lent`.
const USED: usize = lent::LINES;

/// A receiver that waits half a second for a message.
pub(crate) struct Idle;

impl Measure for Idle {
    fn id(&self) -> &'static str {
        "idle"
    }

    fn name(&self) -> &'static str {
        "processor time of a receiver that waits for half a second"
    }

    fn lines(&self) -> Result<usize, BenchError> {
        Ok(USED + 1)
    }

    fn first(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        let (link, lent) = lent::create(&lines[..USED])?;
        Ok(Box::new(Keeping {
            link,
            used: &lines[USED].0[0],
            figure: None,
            _lent: lent,
        }))
    }

    fn second(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        Ok(Box::new(Waiting {
            link: lent::open(&lines[..USED])?,
            used: &lines[USED].0[0],
        }))
    }

    fn most(&self) -> u32 {
        1
    }
}

/// Keeps the other process waiting.
struct Keeping {
    link: StandardLink,
    used: &'static AtomicU64,
    figure: Option<f64>,
    _lent: OwnedFd,
}

impl Part for Keeping {
    fn run(&mut self, operations: u32, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let mut all = 0;
        for _ in 0..operations {
            self.used.store(u64::MAX, Ordering::Relaxed);
            thread::sleep(IDLE);
            self.link.send(&[1])?;
            let mut since = None;
            // Acquire: pairs with the Release of the other process.
            while self.used.load(Ordering::Acquire) == u64::MAX {
                patience.pause(&mut since)?;
            }
            // Relaxed: as loaded before.
            all += self.used.load(Ordering::Relaxed);
        }
        self.figure = Some(all as f64 / (IDLE.as_nanos() as f64 * f64::from(operations)));
        Ok(())
    }

    fn figure(&mut self) -> Option<f64> {
        self.figure.take()
    }
}

struct Waiting {
    link: StandardLink,
    used: &'static AtomicU64,
}

/// Processor time of this thread, in nanoseconds.
fn used() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    (time.tv_sec * 1_000_000_000 + time.tv_nsec).unsigned_abs()
}

impl Part for Waiting {
    fn run(&mut self, operations: u32, _: &mut Patience<'_>) -> Result<(), BenchError> {
        for _ in 0..operations {
            let before = used();
            self.link.recv(&mut [0])?;
            // Release: pairs with the Acquire of the other process.
            self.used.store(used() - before, Ordering::Release);
        }
        Ok(())
    }
}
