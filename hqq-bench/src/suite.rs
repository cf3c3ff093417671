//! What belongs together in a report: rows that are measured in turn, and what is asked of them.

use crate::error::BenchError;
use crate::measure::Measure;
use crate::process::CONTROL_LINES;

/// How a row's figures are to be read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Compared with the fastest of the rows of this kind.
    Floor,
    /// Compared with the fastest floor; the goal is a ratio that must not be exceeded.
    AgainstFloor { goal: Option<f64> },
    /// Others name it to be compared with it.
    Reference,
    /// Compared with the row of this id or group; the goal as above.
    Against {
        reference: &'static str,
        goal: Option<f64>,
    },
}

/// A plot that a figure is a point of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Plot {
    /// Bytes a second, by the bytes of a message.
    Size,
    /// Bytes a second of copies of 64 MiB, by the bytes of a buffer.
    Geometry,
    /// Messages a second, by the threads on either side.
    Threads,
    /// Nanoseconds a message, by the buffers of a ring.
    Depth,
    /// Nanoseconds a message, by what carries it.
    Cost,
}

/// A point of a plot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) plot: Plot,
    pub(crate) series: &'static str,
    pub(crate) x: u64,
}

/// A measure and how to read it.
pub(crate) struct Row {
    pub(crate) measure: Box<dyn Measure>,
    pub(crate) kind: Kind,
    /// Rows of one group compete in a few rounds of their own, and only the fastest goes on: goals
    /// and other rows name it by its group.
    pub(crate) group: Option<&'static str>,
    /// Whether each operation by itself is timed, too.
    pub(crate) latency: bool,
    pub(crate) point: Option<Point>,
    /// Bytes that an operation moves, where that is of interest.
    pub(crate) bytes: Option<u64>,
    /// What [`Part::figure`](crate::measure::Part::figure) gives, where it is no time.
    pub(crate) unit: &'static str,
}

impl Row {
    fn new(measure: Box<dyn Measure>, kind: Kind) -> Self {
        Self {
            measure,
            kind,
            group: None,
            latency: false,
            point: None,
            bytes: None,
            unit: "ns",
        }
    }

    pub(crate) fn floor(measure: Box<dyn Measure>) -> Self {
        Self::new(measure, Kind::Floor)
    }

    pub(crate) fn against_floor(measure: Box<dyn Measure>, goal: Option<f64>) -> Self {
        Self::new(measure, Kind::AgainstFloor { goal })
    }

    pub(crate) fn reference(measure: Box<dyn Measure>) -> Self {
        Self::new(measure, Kind::Reference)
    }

    pub(crate) fn against(
        measure: Box<dyn Measure>,
        reference: &'static str,
        goal: Option<f64>,
    ) -> Self {
        Self::new(measure, Kind::Against { reference, goal })
    }

    /// One of several of which the fastest stands for the group.
    pub(crate) fn group(mut self, group: &'static str) -> Self {
        self.group = Some(group);
        self
    }

    /// With a distribution of latencies.
    pub(crate) fn latency(mut self) -> Self {
        self.latency = true;
        self
    }

    pub(crate) fn point(mut self, plot: Plot, series: &'static str, x: u64) -> Self {
        self.point = Some(Point { plot, series, x });
        self
    }

    pub(crate) fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = Some(bytes as u64);
        self
    }

    pub(crate) fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    /// Whether it is a point of a sweep over sizes or depths: there are many, and plots show them.
    pub(crate) fn sweeps(&self) -> bool {
        let plot = self.point.map(|point| point.plot);
        matches!(plot, Some(Plot::Size | Plot::Depth))
    }
}

/// What a ratio must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Limit {
    /// Of times: not more.
    AtMost(f64),
    /// Of rates, which are the inverse of times: not less.
    AtLeast(f64),
    /// Of times: whatever it is.
    None,
}

/// What a figure is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Against {
    /// The row of this id or group, in the same round.
    Row(&'static str),
    /// The fastest floor, in the same round.
    Floor,
    /// A figure, described.
    Figure(f64, &'static str),
}

/// How a figure is printed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Quantity {
    /// As it was measured.
    Time,
    /// Operations a second.
    Messages,
    /// Bytes a second, of this many an operation.
    Bytes(u64),
}

/// Something that is asked of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goal {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    /// The row, by its id or group.
    pub(crate) row: &'static str,
    pub(crate) against: Against,
    pub(crate) limit: Limit,
    pub(crate) quantity: Quantity,
}

impl Goal {
    /// That `row` takes at most `limit` times as long as another.
    pub(crate) const fn at_most(
        id: &'static str,
        name: &'static str,
        row: &'static str,
        against: Against,
        limit: f64,
    ) -> Self {
        Self {
            id,
            name,
            row,
            against,
            limit: Limit::AtMost(limit),
            quantity: Quantity::Time,
        }
    }

    /// How many times as long `row` takes as another.
    pub(crate) const fn told(
        id: &'static str,
        name: &'static str,
        row: &'static str,
        against: Against,
    ) -> Self {
        Self {
            id,
            name,
            row,
            against,
            limit: Limit::None,
            quantity: Quantity::Time,
        }
    }

    /// That `row` does at least `limit` times as many operations a second as another.
    pub(crate) const fn at_least(
        id: &'static str,
        name: &'static str,
        row: &'static str,
        against: Against,
        limit: f64,
    ) -> Self {
        Self {
            id,
            name,
            row,
            against,
            limit: Limit::AtLeast(limit),
            quantity: Quantity::Messages,
        }
    }

    /// The same, told in bytes a second.
    pub(crate) const fn bytes(mut self, bytes: u64) -> Self {
        self.quantity = Quantity::Bytes(bytes);
        self
    }
}

/// Rows that are measured together.
pub(crate) struct Suite {
    pub(crate) rows: Vec<Row>,
    pub(crate) goals: Vec<Goal>,
    /// How many operations of each row a round times; 0 for as many as take a few milliseconds.
    /// They take less than a time slice, so that what else runs on the machine spoils some turns and
    /// leaves others alone.
    pub(crate) operations: u32,
    /// The most rounds that it takes, whatever is planned.
    pub(crate) most_rounds: u32,
}

impl Suite {
    /// Where each row's lines start, and how many lines there are in all. Both processes come to
    /// the same result.
    pub(crate) fn plan_memory(&self) -> Result<(Vec<std::ops::Range<usize>>, usize), BenchError> {
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
    pub(crate) rounds: u32,
    pub(crate) warm_up: u32,
    /// Nanoseconds that a turn takes, where the suite does not say how many operations.
    pub(crate) turn: f64,
    /// Nanoseconds that the operations take which are timed one by one.
    pub(crate) latency: f64,
    /// Rounds in which the rows of a group compete.
    pub(crate) heats: u32,
    pub(crate) points: Points,
}

/// Which sizes, depths, geometries and numbers of threads are measured.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Points {
    All,
    /// Those in which something is the fastest, and some between them.
    Chosen,
    Few,
}

impl Points {
    /// The points of a list that are measured.
    pub(crate) const fn of<T>(
        self,
        all: &'static [T],
        chosen: &'static [T],
        few: &'static [T],
    ) -> &'static [T] {
        match self {
            Self::All => all,
            Self::Chosen => chosen,
            Self::Few => few,
        }
    }
}

impl Plan {
    /// For a verdict.
    pub(crate) const FULL: Self = Self {
        rounds: 301,
        warm_up: 200,
        turn: 3e6,
        latency: 2e9,
        heats: 21,
        points: Points::All,
    };
    /// For a look.
    pub(crate) const QUICK: Self = Self {
        rounds: 31,
        turn: 2e6,
        latency: 2e8,
        heats: 9,
        points: Points::Chosen,
        ..Self::FULL
    };
    /// That everything runs.
    pub(crate) const BRIEF: Self = Self {
        rounds: 3,
        warm_up: 20,
        turn: 3e5,
        latency: 5e6,
        heats: 1,
        points: Points::Few,
    };
}
