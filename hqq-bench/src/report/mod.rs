//! What was measured, as rows for people and for programs.

mod comparison;
mod html;
mod html_tables;
mod latencies;
mod markdown;
mod notes;
mod plot;
mod table;

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::error::BenchError;
use crate::machine::Machine;
use crate::samples::Samples;
use crate::statistics::Quartiles;
use crate::suite::{Kind, Plot, Suite};
use comparison::Comparison;

/// One figure, as programs read it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) id: &'static str,
    pub(crate) name: String,
    /// Median of the rounds.
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// Median of the ratios to `against` in the same round.
    pub(crate) ratio: f64,
    pub(crate) against: String,
    /// What the ratio must be at most, or at least where `name` says so.
    pub(crate) goal: Option<f64>,
    /// `None` without a goal, and where the machine cannot show it.
    pub(crate) met: Option<bool>,
    /// Quartiles of the ratios.
    pub(crate) spread: [f64; 2],
}

/// What was used for an operation, in both processes.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Used {
    /// Nanoseconds of processor time.
    #[serde(rename = "cpu_ns")]
    pub(crate) cpu: f64,
    /// Changes of the running thread.
    pub(crate) switches: f64,
    /// The most memory that either process has had for it, in KiB.
    #[serde(rename = "peak_kib")]
    pub(crate) peak: u64,
}

/// What a row is to those who read the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A goal that an area has: what "x of y goals" counts, wherever it is told.
    Asked,
    /// A goal that a row has by itself.
    OfItsOwn,
    /// Compared with something else, without a goal.
    Told,
    Measured,
    /// A point of a sweep, which plots show.
    Sweep,
}

/// A row and what people want to see beside it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) row: Row,
    /// The goal is one that the ratio must reach, not keep under.
    pub(crate) at_least: bool,
    pub(crate) standing: Standing,
    pub(crate) used: Option<Used>,
}

/// A point of a plot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    pub(crate) series: &'static str,
    pub(crate) x: u64,
    /// Nanoseconds an operation.
    pub(crate) value: f64,
}

/// How long single operations took.
pub(crate) struct Latencies {
    pub(crate) area: &'static str,
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    /// Neither a link nor what a link is compared with by its layout: what could be used instead.
    pub(crate) peer: bool,
    /// Nanoseconds.
    pub(crate) histogram: Histogram<u64>,
}

/// What a row came to in the heats of its group.
#[derive(Debug, Serialize)]
pub(crate) struct Heat {
    pub(crate) group: &'static str,
    pub(crate) id: &'static str,
    /// The better quartile.
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// Of a point of a sweep.
    #[serde(skip)]
    pub(crate) sweep: bool,
}

/// All that was measured.
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) entries: Vec<Entry>,
    pub(crate) figures: BTreeMap<Plot, Vec<Figure>>,
    pub(crate) latencies: Vec<Latencies>,
    pub(crate) heats: Vec<Heat>,
    /// Whether the machine has two cores for it: goals are judged only then.
    judged: bool,
}

/// What a report looks like to programs.
#[derive(Serialize)]
struct Document<'a> {
    machine: &'a Machine,
    /// What is asked for, then what else was measured.
    rows: Vec<Line<'a>>,
    heats: &'a [Heat],
}

/// A row, whether its goal is one that counts, and what was used for it where that was measured.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    row: &'a Row,
    asked: bool,
    used: Option<Used>,
}

impl Report {
    /// Nothing yet.
    pub(crate) fn new(judged: bool) -> Self {
        Self {
            machine: Machine::find(),
            entries: Vec::new(),
            figures: BTreeMap::new(),
            latencies: Vec::new(),
            heats: Vec::new(),
            judged,
        }
    }

    /// Adds a figure that was measured otherwise, against a figure that is given.
    pub(crate) fn add_figure(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Adds all rows of an area: its goals, and each row compared with what it names.
    pub(crate) fn add(&mut self, area: &'static str, suite: &Suite, samples: &Samples) {
        let comparison = Comparison { suite, samples };
        for goal in &suite.goals {
            self.entries.extend(comparison.goal(goal, self.judged));
        }
        for row in &suite.rows {
            let id = row.measure.id();
            if let Some(point) = row.point {
                // Of what competes, that plot shows everything, others what was the fastest.
                let heat = samples.heat_of(id).filter(|_| point.plot == Plot::Geometry);
                let value = heat.or_else(|| {
                    let (_, sample) = samples.get(id)?;
                    Some(Quartiles::of(sample.rounds.iter().copied())?.median)
                });
                self.figures
                    .entry(point.plot)
                    .or_default()
                    .extend(value.map(|value| Figure {
                        series: point.series,
                        x: point.x,
                        value,
                    }));
            }
            if let (Some(group), Some(value)) = (row.group, samples.heat_of(id)) {
                let (unit, sweep) = (row.unit, row.sweeps());
                self.heats.push(Heat {
                    group,
                    id,
                    value,
                    unit,
                    sweep,
                });
            }
            if let Some((_, sample)) = samples.get(id) {
                let histogram = sample.latencies.clone();
                self.latencies.extend(histogram.map(|histogram| Latencies {
                    area,
                    id,
                    name: row.measure.name(),
                    peer: area == "rtt" && row.kind == Kind::Reference,
                    histogram,
                }));
            }
            let entry = comparison.row(row, self.judged);
            self.entries.extend(entry.filter(|_| !self.has(id)));
        }
    }

    fn has(&self, id: &str) -> bool {
        self.entries.iter().any(|entry| entry.row.id == id)
    }

    /// The rows of this standing.
    fn of(&self, standing: Standing) -> impl Iterator<Item = &Entry> {
        let all = self.entries.iter();
        all.filter(move |entry| entry.standing == standing)
    }

    /// The report for programs.
    ///
    /// # Errors
    /// [`BenchError::Json`].
    pub(crate) fn json(&self) -> Result<String, BenchError> {
        let in_order = [
            Standing::Asked,
            Standing::OfItsOwn,
            Standing::Told,
            Standing::Measured,
            Standing::Sweep,
        ];
        let entries = in_order.into_iter().flat_map(|standing| self.of(standing));
        let document = Document {
            machine: &self.machine,
            rows: entries
                .map(|entry| Line {
                    row: &entry.row,
                    asked: entry.standing == Standing::Asked,
                    used: entry.used,
                })
                .collect(),
            heats: &self.heats,
        };
        Ok(serde_json::to_string_pretty(&document)? + "\n")
    }
}
