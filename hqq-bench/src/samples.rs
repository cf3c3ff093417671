//! What was measured of each row.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::statistics::Quartiles;
use crate::usage::Usage;

/// Of one row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    /// What an operation came to, round by round; nanoseconds where nothing else was measured.
    pub(crate) rounds: Vec<f64>,
    /// Nanoseconds of single operations.
    pub(crate) latencies: Option<Histogram<u64>>,
    /// Nanoseconds of processor time an operation, round by round.
    cpu: Vec<f64>,
    operations: u64,
    switches: u64,
    /// The most memory that either process has had for it, in KiB.
    pub(crate) peak: u64,
}

impl Sample {
    /// Adds what `operations` of it used, in both processes.
    pub(crate) fn used(&mut self, operations: u32, used: Usage, peak: u64) {
        self.cpu
            .push(used.cpu as f64 / f64::from(operations.max(1)));
        self.operations += u64::from(operations);
        self.switches += used.switches;
        self.peak = self.peak.max(peak);
    }

    /// Nanoseconds of processor time an operation: the median of the rounds.
    pub(crate) fn cpu(&self) -> f64 {
        Quartiles::of(self.cpu.iter().copied()).map_or(0.0, |of| of.median)
    }

    /// Changes of the running thread an operation.
    pub(crate) fn switches(&self) -> f64 {
        self.switches as f64 / self.operations.max(1) as f64
    }
}

/// By the row's id. Rows that lost their group's heats are not in it.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    rows: BTreeMap<&'static str, Sample>,
    winners: BTreeMap<&'static str, &'static str>,
    /// What the rows of a group came to in its heats: the better quartile.
    heats: BTreeMap<&'static str, f64>,
}

impl Samples {
    pub(crate) fn of(&mut self, id: &'static str) -> &mut Sample {
        self.rows.entry(id).or_default()
    }

    /// The samples of a row, by its id or group.
    pub(crate) fn get(&self, name: &str) -> Option<(&'static str, &Sample)> {
        let id = self.winners.get(name).copied().unwrap_or(name);
        self.rows.get_key_value(id).map(|(id, row)| (*id, row))
    }

    pub(crate) fn won(&mut self, group: &'static str, id: &'static str) {
        self.winners.insert(group, id);
    }

    pub(crate) fn heat(&mut self, id: &'static str, figure: f64) {
        self.heats.insert(id, figure);
    }

    /// The figure of a row in its heats.
    pub(crate) fn heat_of(&self, id: &str) -> Option<f64> {
        self.heats.get(id).copied()
    }
}
