//! Running measures: both processes stay alive, and the measures take turns round by round, so that
//! what disturbs the machine disturbs all of them alike.

use std::time::Instant;

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};

pub(crate) use crate::measure::{Measure, Part, Place};
pub(crate) use crate::suite::{Plan, Row, Suite};

use crate::error::BenchError;
use crate::memory::{self, Lines};
use crate::patience::Patience;
use crate::process::{Cores, Orders, SecondProcess, end_with_first, inherited, this_program};
use crate::samples::Samples;
use crate::statistics::Quartiles;
use crate::usage::{Held, Usage};
use crate::watchdog::Watchdog;

/// Significant digits of latencies.
const DIGITS: u8 = 3;
/// The longest latency that is told from longer ones: a minute.
const LONGEST: u64 = 60_000_000_000;

/// Measures all rows; `arguments` tell the second process which suite it is.
///
/// # Errors
/// [`BenchError`]; the second process has been ended then.
pub(crate) fn measure(
    suite: &Suite,
    plan: &Plan,
    cores: &Cores,
    arguments: &[&str],
) -> Result<Samples, BenchError> {
    let (ranges, len) = suite.plan_memory()?;
    let file = memory::anonymous(len)?;
    let lines = memory::map(&file, len)?;
    let mut turns = Vec::new();
    for ((index, row), range) in (0..).zip(&suite.rows).zip(ranges) {
        let (part, held) = made(&lines[range], |lines| row.measure.first(lines))?;
        turns.push(Turn {
            index,
            row,
            part,
            held,
            operations: suite.operations,
        });
    }
    let id = std::process::id().to_string();
    let mut arguments = arguments.to_vec();
    arguments.extend(["--second-process-of", &id]);
    let command = this_program(&arguments)?;
    // Pinned after the start, as the second process inherits what this one may run on.
    let second = SecondProcess::start(command, &file, lines, cores.is_single())?;
    cores.pin_first()?;
    let mut run = Run {
        plan,
        rounds: plan.rounds.min(suite.most_rounds),
        second,
        samples: Samples::default(),
        watchdog: Watchdog::start(),
    };
    let result = run.all(turns);
    // Also what is measured next starts threads and processes, which inherit it.
    cores.unpin()?;
    result?;
    run.second.stop()?;
    Ok(run.samples)
}

/// A row and what the first process does of it.
struct Turn<'a> {
    index: u64,
    row: &'a Row,
    part: Box<dyn Part>,
    held: Held,
    operations: u32,
}

/// A part and the memory that the process has for it.
fn made(
    lines: Lines,
    make: impl FnOnce(Lines) -> Result<Box<dyn Part>, BenchError>,
) -> Result<(Box<dyn Part>, Held), BenchError> {
    let mut held = Held::sharing(size_of_val(lines));
    held.begin();
    let part = make(lines)?;
    held.end();
    Ok((part, held))
}

struct Run<'a> {
    plan: &'a Plan,
    rounds: u32,
    second: SecondProcess,
    samples: Samples,
    watchdog: Watchdog,
}

impl Run<'_> {
    fn all(&mut self, mut turns: Vec<Turn<'_>>) -> Result<(), BenchError> {
        let progress = progress();
        progress.set_message("warming up");
        for turn in turns.iter_mut().filter(|turn| turn.operations == 0) {
            turn.operations = self.calibrate(turn)?;
            progress.tick();
        }
        progress.set_message("heats");
        self.heats(&mut turns)?;
        progress.set_message("rounds");
        progress.set_length(self.rounds.into());
        for _ in 0..self.rounds {
            for turn in &mut turns {
                let figure = self.turn(turn)?;
                self.samples.of(turn.row.measure.id()).rounds.push(figure);
            }
            progress.inc(1);
        }
        progress.set_message("latencies");
        for turn in turns.iter_mut().filter(|turn| turn.row.latency) {
            self.latencies(turn)?;
            progress.tick();
        }
        progress.finish_and_clear();
        Ok(())
    }

    /// How many operations take as long as a turn should.
    fn calibrate(&mut self, turn: &mut Turn<'_>) -> Result<u32, BenchError> {
        let batch = turn.row.measure.batch();
        let most = turn.row.measure.most();
        // Connections are completed, and pages touched, before anything is timed.
        self.run(turn, 0, batch)?;
        if most <= batch {
            return Ok(batch);
        }
        let mut operations = batch;
        loop {
            // Twice, as something else may run on the machine meanwhile.
            let once = self.run(turn, 0, operations)?.elapsed;
            let again = self.run(turn, 0, operations)?.elapsed;
            let elapsed = once.min(again);
            if elapsed * 4.0 >= self.plan.turn || operations >= most {
                let wanted = f64::from(operations) * self.plan.turn / elapsed.max(1.0);
                let wanted = (wanted as u32).clamp(1, most.min(1 << 20));
                return Ok(wanted.next_multiple_of(batch));
            }
            operations = operations.saturating_mul(4);
        }
    }

    /// Lets the rows of each group compete; those that lose are gone.
    fn heats(&mut self, turns: &mut Vec<Turn<'_>>) -> Result<(), BenchError> {
        for _ in 0..self.plan.heats {
            for turn in turns.iter_mut().filter(|turn| turn.row.group.is_some()) {
                let (id, figure) = (turn.row.measure.id(), self.turn(turn)?);
                self.samples.of(id).rounds.push(figure);
            }
        }
        let mut best: Vec<(&'static str, &'static str, f64)> = Vec::new();
        for turn in turns.iter() {
            let Some(group) = turn.row.group else {
                continue;
            };
            let id = turn.row.measure.id();
            let rounds = std::mem::take(&mut self.samples.of(id).rounds);
            // Not the median: what else the machine does only ever makes a round worse.
            let figure = Quartiles::of(rounds).map_or(f64::INFINITY, |of| of.lower);
            self.samples.heat(id, figure);
            match best.iter_mut().find(|(name, ..)| *name == group) {
                None => best.push((group, id, figure)),
                Some(entry) if figure < entry.2 => *entry = (group, id, figure),
                Some(_) => {}
            }
        }
        turns.retain(|turn| {
            let id = turn.row.measure.id();
            turn.row.group.is_none() || best.iter().any(|(_, winner, _)| *winner == id)
        });
        for (group, id, _) in best {
            self.samples.won(group, id);
        }
        Ok(())
    }

    /// One turn of a round.
    fn turn(&mut self, turn: &mut Turn<'_>) -> Result<f64, BenchError> {
        let batch = turn.row.measure.batch();
        let warm_up = self.plan.warm_up.min(turn.operations.div_ceil(8));
        let warm_up = warm_up
            .min(turn.row.measure.most() - 1)
            .next_multiple_of(batch);
        let done = self.run(turn, warm_up, turn.operations)?;
        let sample = self.samples.of(turn.row.measure.id());
        sample.used(warm_up + turn.operations, done.used, done.peak);
        let figure = done.elapsed / f64::from(turn.operations);
        Ok(turn.part.figure().unwrap_or(figure))
    }

    /// Both processes do their parts, of which the last `operations` are timed.
    fn run(
        &mut self,
        turn: &mut Turn<'_>,
        warm_up: u32,
        operations: u32,
    ) -> Result<Done, BenchError> {
        self.watchdog.alive(turn.row.measure.id());
        let Self { second, .. } = self;
        let (part, place) = (&mut turn.part, turn.row.measure.place());
        let all = warm_up + operations;
        turn.held.begin();
        let before = Usage::now();
        part.begin(all)?;
        if place != Place::Alone {
            second.order(turn.index, all, place)?;
        }
        if warm_up > 0 {
            part.run(warm_up, &mut second.patience())?;
        }
        let start = Instant::now();
        part.run(operations, &mut second.patience())?;
        part.end()?;
        if place != Place::Alone {
            second.await_answer()?;
        }
        let elapsed = start.elapsed().as_secs_f64() * 1e9;
        let mut used = Usage::now() - before;
        turn.held.end();
        let mut peak = turn.held.most();
        if place != Place::Alone {
            let (of_second, peak_of_second) = second.usage()?;
            used = used + of_second;
            peak = peak.max(peak_of_second);
        }
        Ok(Done {
            elapsed,
            used,
            peak,
        })
    }

    /// Operations one by one.
    fn latencies(&mut self, turn: &mut Turn<'_>) -> Result<(), BenchError> {
        let id = turn.row.measure.id();
        let median = Quartiles::of(self.samples.of(id).rounds.iter().copied());
        let typical = median.map_or(1e3, |of| of.median.max(1.0));
        let count = (self.plan.latency / typical).clamp(100.0, 1e6) as u32;
        let histogram = Histogram::new_with_bounds(1, LONGEST, DIGITS);
        let mut histogram = histogram.map_err(|_| BenchError::Histogram)?;
        self.watchdog.alive(id);
        let place = turn.row.measure.place();
        turn.part.begin(count)?;
        if place != Place::Alone {
            self.second.order(turn.index, count, place)?;
        }
        for _ in 0..count {
            let start = Instant::now();
            turn.part.run(1, &mut self.second.patience())?;
            let elapsed = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
            histogram.saturating_record(elapsed.max(1));
        }
        turn.part.end()?;
        if place != Place::Alone {
            self.second.await_answer()?;
            self.second.usage()?;
        }
        self.samples.of(id).latencies = Some(histogram);
        Ok(())
    }
}

/// What a run of a part came to.
struct Done {
    /// Nanoseconds of all its timed operations.
    elapsed: f64,
    used: Usage,
    peak: u64,
}

/// The second process: runs its parts as it is told.
///
/// # Errors
/// [`BenchError`], in particular where the first process has ended.
pub(crate) fn serve(suite: &Suite, cores: &Cores, first: u32) -> Result<(), BenchError> {
    end_with_first(first)?;
    cores.pin_second()?;
    let (ranges, len) = suite.plan_memory()?;
    let lines = memory::map(&inherited()?, len)?;
    let mut parts = Vec::new();
    for (row, range) in suite.rows.iter().zip(ranges) {
        parts.push(made(&lines[range], |lines| row.measure.second(lines))?);
    }
    let mut orders = Orders::new(lines, first, *cores);
    orders.ready();
    while let Some(order) = orders.next()? {
        let (part, held) = usize::try_from(order.measure)
            .ok()
            .and_then(|index| parts.get_mut(index))
            .ok_or(BenchError::NoSuchMeasure(order.measure))?;
        part.begin(order.operations)?;
        orders.started(held);
        run_part(part.as_mut(), order.operations, &mut orders.patience())?;
        orders.done(held);
    }
    Ok(())
}

fn run_part(
    part: &mut dyn Part,
    operations: u32,
    patience: &mut Patience<'_>,
) -> Result<(), BenchError> {
    part.run(operations, patience)?;
    part.end()
}

/// A bar on standard error, where that is a terminal.
fn progress() -> ProgressBar {
    let bar = ProgressBar::new(0);
    match ProgressStyle::with_template("{msg:<12} {wide_bar} {pos}/{len}, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
