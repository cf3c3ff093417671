//! Running measures: both processes stay alive, and the measures take turns round by round, so that
//! what disturbs the machine disturbs all of them alike.

use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use crate::error::BenchError;
use crate::memory::{self, Lines};
use crate::patience::Patience;
use crate::process::{CONTROL_LINES, Cores, Orders, SecondProcess, inherited, this_program};

/// What one process does of a measure.
pub(crate) trait Part {
    /// Does `operations` of it, together with the part of the other process.
    ///
    /// # Errors
    /// [`BenchError`], within the bounds of `patience`.
    fn run(&mut self, operations: u32, patience: &mut Patience<'_>) -> Result<(), BenchError>;
}

/// Something that two processes do together and the first one times.
pub(crate) trait Measure {
    /// For programs: never changes.
    fn id(&self) -> &'static str;

    /// For people.
    fn name(&self) -> &'static str;

    /// Lines of shared memory it needs.
    fn lines(&self) -> Result<usize, BenchError>;

    /// The part of the first process, made before the second one starts.
    fn first(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError>;

    /// The part of the second process.
    fn second(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError>;
}

/// How a row's figures are to be read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// The fastest of these rows is what others are compared with; `duplex` where each direction
    /// has a line of its own, as in a link.
    Floor { duplex: bool },
    /// Compared with the floor; the goal is a ratio that must not be exceeded.
    AgainstFloor { goal: Option<f64> },
    /// Others name it to be compared with it.
    Reference,
    /// Compared with the row of this id; the goal as above.
    Against {
        reference: &'static str,
        goal: Option<f64>,
    },
}

impl Kind {
    pub(crate) fn goal(self) -> Option<f64> {
        match self {
            Self::Floor { .. } | Self::Reference => None,
            Self::AgainstFloor { goal } | Self::Against { goal, .. } => goal,
        }
    }
}

/// A measure and how to read it.
pub(crate) struct Row {
    pub(crate) measure: Box<dyn Measure>,
    pub(crate) kind: Kind,
}

impl Row {
    pub(crate) fn floor(measure: Box<dyn Measure>, duplex: bool) -> Self {
        let kind = Kind::Floor { duplex };
        Self { measure, kind }
    }

    pub(crate) fn against_floor(measure: Box<dyn Measure>, goal: Option<f64>) -> Self {
        let kind = Kind::AgainstFloor { goal };
        Self { measure, kind }
    }

    pub(crate) fn reference(measure: Box<dyn Measure>) -> Self {
        let kind = Kind::Reference;
        Self { measure, kind }
    }

    pub(crate) fn against(
        measure: Box<dyn Measure>,
        reference: &'static str,
        goal: Option<f64>,
    ) -> Self {
        let kind = Kind::Against { reference, goal };
        Self { measure, kind }
    }
}

/// Rows that are measured together.
pub(crate) struct Suite {
    pub(crate) rows: Vec<Row>,
    /// How many operations of each row a round times. They take less than a time slice, so that
    /// what else runs on the machine spoils some turns and leaves others alone.
    pub(crate) operations: u32,
}

impl Suite {
    /// Where each row's lines start, and how many lines there are in all. Both processes come to
    /// the same result.
    fn plan_memory(&self) -> Result<(Vec<std::ops::Range<usize>>, usize), BenchError> {
        let mut end = CONTROL_LINES;
        let mut ranges = Vec::new();
        for row in &self.rows {
            let range = end..end + row.measure.lines()?;
            end = range.end.next_multiple_of(CONTROL_LINES);
            ranges.push(range);
        }
        Ok((ranges, end))
    }
}

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    rounds: u32,
    warm_up: u32,
}

impl Plan {
    /// For a verdict.
    pub(crate) const FULL: Self = Self {
        rounds: 501,
        warm_up: 200,
    };
    /// For a look.
    pub(crate) const QUICK: Self = Self {
        rounds: 31,
        ..Self::FULL
    };
}

/// Nanoseconds an operation, by row and round.
pub(crate) type Samples = Vec<Vec<f64>>;

/// Measures all rows; `name` tells the second process which suite it is.
///
/// # Errors
/// [`BenchError`]; the second process has been ended then.
pub(crate) fn measure(
    suite: &Suite,
    plan: &Plan,
    cores: &Cores,
    name: &str,
) -> Result<Samples, BenchError> {
    let (ranges, len) = suite.plan_memory()?;
    let file = memory::anonymous(len)?;
    let lines = memory::map(&file, len)?;
    let mut parts = Vec::new();
    for (row, range) in suite.rows.iter().zip(ranges) {
        parts.push(row.measure.first(&lines[range])?);
    }
    let id = std::process::id().to_string();
    let command = this_program(&[name, "--second-process-of", &id])?;
    // Pinned after the start, as the second process inherits what this one may run on.
    let mut second = SecondProcess::start(command, &file, lines, cores.is_single())?;
    cores.pin_first()?;
    let mut samples = vec![Vec::new(); parts.len()];
    let progress = progress(plan.rounds);
    for _ in 0..plan.rounds {
        for ((index, part), samples) in (0..).zip(&mut parts).zip(&mut samples) {
            second.order(index, plan.warm_up + suite.operations);
            part.run(plan.warm_up, &mut second.patience())?;
            let start = Instant::now();
            part.run(suite.operations, &mut second.patience())?;
            let elapsed = start.elapsed();
            second.await_answer()?;
            samples.push(elapsed.as_secs_f64() * 1e9 / f64::from(suite.operations));
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    second.stop()?;
    Ok(samples)
}

/// The second process: runs its parts as it is told.
///
/// # Errors
/// [`BenchError`], in particular where the first process has ended.
pub(crate) fn serve(suite: &Suite, cores: &Cores, first: u32) -> Result<(), BenchError> {
    cores.pin_second()?;
    let (ranges, len) = suite.plan_memory()?;
    let lines = memory::map(&inherited()?, len)?;
    let mut parts = Vec::new();
    for (row, range) in suite.rows.iter().zip(ranges) {
        parts.push(row.measure.second(&lines[range])?);
    }
    let mut orders = Orders::new(lines, first, cores.is_single());
    orders.done();
    while let Some((index, operations)) = orders.next()? {
        let part = usize::try_from(index)
            .ok()
            .and_then(|index| parts.get_mut(index))
            .ok_or(BenchError::NoSuchMeasure(index))?;
        part.run(operations, &mut orders.patience())?;
        orders.done();
    }
    Ok(())
}

/// A bar on standard error, where that is a terminal.
fn progress(rounds: u32) -> ProgressBar {
    let bar = ProgressBar::new(rounds.into());
    match ProgressStyle::with_template("{wide_bar} {pos}/{len} rounds, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
