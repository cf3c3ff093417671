//! The second process: this program again, with the shared memory as its standard input.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::parent_id;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::futex::{self, Flags};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::Timespec;

use crate::error::BenchError;
use crate::measure::Place;
use crate::memory::{CacheLine, Lines, low_half};
use crate::patience::{Hint, Patience, Watch};
use crate::usage::{Held, Usage};

/// Lines at the start of the shared memory that the processes talk to each other through.
pub(crate) const CONTROL_LINES: usize = 64;

/// Not neighbours of each other: cores fetch lines in pairs.
const ORDER: usize = 0;
const ANSWER: usize = 2;
const STARTED: usize = 4;
const USAGE: usize = 6;

/// How long a process without orders spins before it sleeps: a little longer than the other one
/// takes from one turn to the next.
const AWAKE: Duration = Duration::from_micros(200);
/// Sleeps end now and then, to see whether the other process lives.
const SLICE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};

/// The measure that means "end".
const STOP: u64 = u64::MAX;
/// The first answer: "ready for orders".
const READY: u64 = 1;

/// The cores that the two processes run on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    first: usize,
    second: usize,
}

impl Cores {
    /// The first two cores that this process may run on, or the only one twice.
    pub(crate) fn find() -> Result<Self, BenchError> {
        let allowed = sched_getaffinity(None).map_err(|error| BenchError::Cores(error.into()))?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let first = cores.next().ok_or(BenchError::NoCore)?;
        let second = cores.next().unwrap_or(first);
        Ok(Self { first, second })
    }

    /// Whether both processes run on one core.
    pub(crate) fn is_single(&self) -> bool {
        self.first == self.second
    }

    pub(crate) fn pin_first(&self) -> Result<(), BenchError> {
        pin(self.first)
    }

    pub(crate) fn pin_second(&self) -> Result<(), BenchError> {
        pin(self.second)
    }

    /// Lets the calling thread run on either core.
    pub(crate) fn unpin(&self) -> Result<(), BenchError> {
        let mut set = CpuSet::new();
        set.set(self.first);
        set.set(self.second);
        sched_setaffinity(None, &set).map_err(|error| BenchError::Cores(error.into()))
    }
}

fn pin(core: usize) -> Result<(), BenchError> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).map_err(|error| BenchError::Cores(error.into()))
}

/// This program again, with `arguments`.
pub(crate) fn this_program(arguments: &[&str]) -> Result<Command, BenchError> {
    let program = std::env::current_exe().map_err(BenchError::Start)?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

/// A process that is given orders, as the first process sees it; ended when dropped.
///
/// # Invariants
/// `orders` is the number of the last order given, [`READY`] before the first.
pub(crate) struct SecondProcess {
    control: Lines,
    child: Running,
    orders: u64,
    yields: bool,
    /// Of the last order.
    place: Place,
}

struct Running(Child);

impl Watch for Running {
    fn check(&mut self) -> Result<(), BenchError> {
        match self.0.try_wait().map_err(BenchError::Watch)? {
            Some(status) => Err(BenchError::SecondEnded(status)),
            None => Ok(()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Neither can fail in a way that matters: a child that has ended cannot be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl SecondProcess {
    /// Starts `command` with `file` for its standard input and waits until it is ready.
    ///
    /// # Errors
    /// [`BenchError`]; the process has been ended then.
    pub(crate) fn start(
        mut command: Command,
        file: &File,
        control: Lines,
        yields: bool,
    ) -> Result<Self, BenchError> {
        let input = file.try_clone().map_err(BenchError::Start)?;
        let child = command
            .stdin(input)
            .stdout(Stdio::null())
            .spawn()
            .map_err(BenchError::Start)?;
        let mut second = Self {
            control,
            child: Running(child),
            orders: READY,
            yields,
            place: Place::TwoCores,
        };
        second.await_answer()?;
        Ok(second)
    }

    /// What to wait for it with.
    pub(crate) fn patience(&mut self) -> Patience<'_> {
        Patience::new(&mut self.child, self.yields || self.place == Place::OneCore)
    }

    /// Lets it run its part of a measure; back when it is about to.
    pub(crate) fn order(
        &mut self,
        measure: u64,
        operations: u32,
        place: Place,
    ) -> Result<(), BenchError> {
        self.tell(measure, operations, place)?;
        let (started, expected) = (&self.control[STARTED].0[0], self.orders);
        self.patience().until(Hint::SpinLoop, || {
            // Pairs with the Release in `Orders::started`.
            (started.load(Ordering::Acquire) == expected).then_some(())
        })
    }

    fn tell(&mut self, measure: u64, operations: u32, place: Place) -> Result<(), BenchError> {
        self.orders += 1;
        self.place = place;
        let CacheLine([number, which, how_many, on_one_core, ..]) = &self.control[ORDER];
        // Relaxed: published by the number.
        which.store(measure, Ordering::Relaxed);
        how_many.store(operations.into(), Ordering::Relaxed);
        on_one_core.store((place == Place::OneCore).into(), Ordering::Relaxed);
        // Pairs with the Acquire in `Orders::next`.
        number.store(self.orders, Ordering::Release);
        futex::wake(low_half(number), Flags::empty(), 1)
            .map_err(|error| BenchError::Watch(error.into()))?;
        Ok(())
    }

    /// What it used for the last order, and the most memory it ever had for that measure, in KiB.
    pub(crate) fn usage(&mut self) -> Result<(Usage, u64), BenchError> {
        let CacheLine([number, cpu, switches, peak, ..]) = &self.control[USAGE];
        let expected = self.orders;
        self.patience().until(Hint::SpinLoop, || {
            // Pairs with the Release in `Orders::done`.
            (number.load(Ordering::Acquire) == expected).then_some(())
        })?;
        // Relaxed: published by the number.
        let [cpu, switches, peak] = [cpu, switches, peak].map(|word| word.load(Ordering::Relaxed));
        Ok((Usage { cpu, switches }, peak))
    }

    /// Waits until it has done what it was last ordered.
    pub(crate) fn await_answer(&mut self) -> Result<(), BenchError> {
        let (answer, expected) = (&self.control[ANSWER].0[0], self.orders);
        self.patience().until(Hint::SpinLoop, || {
            // Pairs with the Release in `Orders::done`.
            (answer.load(Ordering::Acquire) == expected).then_some(())
        })
    }

    /// Lets it end, and waits for that.
    pub(crate) fn stop(mut self) -> Result<(), BenchError> {
        self.tell(STOP, 0, Place::TwoCores)?;
        match self.patience().until(Hint::SpinLoop, || None::<()>) {
            Err(BenchError::SecondEnded(status)) if status.success() => Ok(()),
            Err(error) => Err(error),
            Ok(()) => Ok(()),
        }
    }
}

/// The orders of the first process, as the second one gets them.
///
/// # Invariants
/// `taken` is the number of the last order taken, [`READY`] before the first.
pub(crate) struct Orders {
    control: Lines,
    first: FirstProcess,
    taken: u64,
    cores: Cores,
    place: Place,
    before: Usage,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) measure: u64,
    pub(crate) operations: u32,
}

struct FirstProcess(u32);

impl Watch for FirstProcess {
    fn check(&mut self) -> Result<(), BenchError> {
        // A process whose parent has ended gets another one.
        if parent_id() == self.0 {
            Ok(())
        } else {
            Err(BenchError::FirstEnded)
        }
    }
}

impl Orders {
    pub(crate) fn new(control: Lines, first_process: u32, cores: Cores) -> Self {
        Self {
            control,
            first: FirstProcess(first_process),
            taken: READY,
            cores,
            place: Place::TwoCores,
            before: Usage::default(),
        }
    }

    /// What to wait for the first process with.
    pub(crate) fn patience(&mut self) -> Patience<'_> {
        let yields = self.cores.is_single() || self.place == Place::OneCore;
        Patience::new(&mut self.first, yields)
    }

    /// Says that this process is ready for orders.
    pub(crate) fn ready(&self) {
        // Pairs with the Acquire in `SecondProcess::await_answer`.
        self.control[ANSWER].0[0].store(self.taken, Ordering::Release);
    }

    /// Says that the last order is begun.
    pub(crate) fn started(&mut self, held: &mut Held) {
        held.begin();
        self.before = Usage::now();
        // Pairs with the Acquire in `SecondProcess::order`.
        self.control[STARTED].0[0].store(self.taken, Ordering::Release);
    }

    /// Says that the last order is done.
    pub(crate) fn done(&self, held: &mut Held) {
        self.ready();
        let used = Usage::now() - self.before;
        let CacheLine([number, cpu, switches, peak, ..]) = &self.control[USAGE];
        // Relaxed: published by the number.
        cpu.store(used.cpu, Ordering::Relaxed);
        switches.store(used.switches, Ordering::Relaxed);
        held.end();
        peak.store(held.most(), Ordering::Relaxed);
        // Pairs with the Acquire in `SecondProcess::usage`.
        number.store(self.taken, Ordering::Release);
    }

    /// The next order; `None` for the end. It is taken on the core that it is to be done on.
    pub(crate) fn next(&mut self) -> Result<Option<Order>, BenchError> {
        let CacheLine([number, which, how_many, on_one_core, ..]) = &self.control[ORDER];
        self.taken += 1;
        let expected = self.taken;
        let asleep_from = Instant::now() + AWAKE;
        self.patience().until(Hint::SpinLoop, || {
            // Pairs with the Release in `SecondProcess::tell`.
            (number.load(Ordering::Acquire) == expected
                || asleep_from
                    .saturating_duration_since(Instant::now())
                    .is_zero())
            .then_some(())
        })?;
        loop {
            // As above.
            let seen = number.load(Ordering::Acquire);
            if seen == expected {
                break;
            }
            self.first.check()?;
            // Whether it was woken, saw another value, or the time was over: looking tells. What was seen, not the
            // order before this one: before the first there was none, and where the first process works alone it
            // stays so for long.
            let _ = futex::wait(low_half(number), Flags::empty(), seen as u32, Some(&SLICE));
        }
        // Relaxed: published by the number.
        let measure = which.load(Ordering::Relaxed);
        let operations = how_many.load(Ordering::Relaxed) as u32;
        let place = match on_one_core.load(Ordering::Relaxed) {
            0 => Place::TwoCores,
            _ => Place::OneCore,
        };
        if place != self.place {
            self.place = place;
            match place {
                Place::OneCore => self.cores.pin_first()?,
                Place::TwoCores | Place::Alone => self.cores.pin_second()?,
            }
        }
        Ok((measure != STOP).then_some(Order {
            measure,
            operations,
        }))
    }
}

/// Lets this process end when the first one does, also where it waits for something else.
pub(crate) fn end_with_first(first_process: u32) -> Result<(), BenchError> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| BenchError::Watch(error.into()))?;
    // It may have ended before that.
    FirstProcess(first_process).check()
}

/// The memory that this process was started with.
pub(crate) fn inherited() -> Result<File, BenchError> {
    let input = io::stdin().as_fd().try_clone_to_owned();
    Ok(input.map_err(BenchError::Memory)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory;

    fn start(program: &str, arguments: &[&str]) -> Result<SecondProcess, BenchError> {
        let file = memory::anonymous(CONTROL_LINES)?;
        let control = memory::map(&file, CONTROL_LINES)?;
        let mut command = Command::new(program);
        command.args(arguments);
        SecondProcess::start(command, &file, control, true)
    }

    #[test]
    fn a_process_that_ends_is_an_error() {
        assert!(matches!(
            start("false", &[]),
            Err(BenchError::SecondEnded(status)) if status.code() == Some(1)
        ));
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        assert!(matches!(
            start("/nonexistent/program", &[]),
            Err(BenchError::Start(_))
        ));
    }

    #[test]
    fn orders_arrive_and_are_answered() -> Result<(), BenchError> {
        let control: Lines = Box::leak(Box::new([const { CacheLine::new() }; CONTROL_LINES]));
        // A process that lives for longer than the test, and is ended by it.
        let child = Command::new("sleep").arg("60").spawn();
        let mut second = SecondProcess {
            control,
            child: Running(child.map_err(BenchError::Start)?),
            orders: READY,
            yields: true,
            place: Place::TwoCores,
        };
        let cores = Cores::find()?;
        let worker = std::thread::spawn(move || {
            let mut orders = Orders::new(control, parent_id(), cores);
            orders.ready();
            let first = orders.next()?;
            let mut held = Held::default();
            orders.started(&mut held);
            orders.done(&mut held);
            Ok::<_, BenchError>((first, orders.next()?))
        });
        second.await_answer()?;
        second.order(3, 500, Place::TwoCores)?;
        second.await_answer()?;
        second.usage()?;
        second.tell(STOP, 0, Place::TwoCores)?;
        let seen = worker.join().unwrap()?;
        let order = Order {
            measure: 3,
            operations: 500,
        };
        assert_eq!(seen, (Some(order), None));
        Ok(())
    }

    #[test]
    fn orders_end_with_the_first_process() -> Result<(), BenchError> {
        let control: Lines = Box::leak(Box::new([const { CacheLine::new() }; CONTROL_LINES]));
        let nobody = parent_id().wrapping_add(1);
        let mut orders = Orders::new(control, nobody, Cores::find()?);
        assert!(matches!(orders.next(), Err(BenchError::FirstEnded)));
        Ok(())
    }
}
