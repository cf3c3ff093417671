//! What a process costs that waits for a message for long.

use std::os::fd::OwnedFd;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hqq_std::StandardLink;
use hqq_std::wait::Policy;
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

use crate::advanced::lent;
use crate::error::BenchError;
use crate::measure::{Measure, Part};
use crate::memory::Lines;
use crate::patience::Patience;

/// How long it waits.
const IDLE: Duration = Duration::from_millis(500);
/// A process whose processor time stood still for this long sleeps.
const SETTLED: Duration = Duration::from_millis(5);
/// So many times it may not; then it counts as one that does not sleep.
const SETTLING: u32 = 40;
/// The line in which the second process says which one it is; after those of `lent`.
const PROCESS: usize = lent::LINES;

/// A receiver that sleeps for half a second, from its first sleep on: what it looks for before that is
/// over once, however long it waits.
pub(crate) struct Idle;

impl Measure for Idle {
    fn id(&self) -> &'static str {
        "idle"
    }

    fn name(&self) -> &'static str {
        "a parked receiver, from its first sleep on"
    }

    fn lines(&self) -> Result<usize, BenchError> {
        Ok(PROCESS + 1)
    }

    fn first(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        let (link, lent) = lent::create(&lines[..PROCESS])?;
        Ok(Box::new(Keeping {
            link,
            process: &lines[PROCESS].0[0],
            figure: None,
            _lent: lent,
        }))
    }

    fn second(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        let mut link = lent::open(&lines[..PROCESS])?;
        link.set_wait_policy(Policy::Park);
        // Relaxed: published when this process says that it is ready.
        lines[PROCESS].0[0].store(process::id().into(), Ordering::Relaxed);
        Ok(Box::new(Waiting { link }))
    }

    fn most(&self) -> u32 {
        1
    }
}

/// Keeps the other process waiting.
struct Keeping {
    link: StandardLink,
    process: &'static AtomicU64,
    figure: Option<f64>,
    _lent: OwnedFd,
}

/// Processor time of all threads of a process.
struct Clock(ClockId);

impl Clock {
    fn of(process: u64) -> Result<Self, BenchError> {
        let process = i32::try_from(process).unwrap_or_default();
        let clock = clock_getcpuclockid(Pid::from_raw(process));
        clock
            .map(Self)
            .map_err(|error| BenchError::Watch(error.into()))
    }

    fn now(&self) -> Result<Duration, BenchError> {
        let now = self.0.now();
        now.map(Duration::from)
            .map_err(|error| BenchError::Watch(error.into()))
    }
}

impl Part for Keeping {
    fn run(&mut self, operations: u32, _: &mut Patience<'_>) -> Result<(), BenchError> {
        // Relaxed: stored before the other process was ready.
        let clock = Clock::of(self.process.load(Ordering::Relaxed))?;
        let mut share = 0.0;
        for _ in 0..operations {
            let mut before = clock.now()?;
            for _ in 0..SETTLING {
                thread::sleep(SETTLED);
                let now = clock.now()?;
                if now == before {
                    break;
                }
                before = now;
            }
            let start = Instant::now();
            thread::sleep(IDLE);
            let used = clock.now()?.saturating_sub(before);
            share += used.as_secs_f64() / start.elapsed().as_secs_f64();
            self.link.send(&[1])?;
        }
        self.figure = Some(share / f64::from(operations));
        Ok(())
    }

    fn figure(&mut self) -> Option<f64> {
        self.figure.take()
    }
}

struct Waiting {
    link: StandardLink,
}

impl Part for Waiting {
    fn run(&mut self, operations: u32, _: &mut Patience<'_>) -> Result<(), BenchError> {
        for _ in 0..operations {
            self.link.recv(&mut [0])?;
        }
        Ok(())
    }
}
