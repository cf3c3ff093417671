//! What was measured, as rows for people and for programs.

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
use crate::samples::{Sample, Samples};
use crate::statistics::Quartiles;
use crate::suite::{Against, Goal, Kind, Limit, Plot, Quantity, Row as SuiteRow, Suite};

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

/// A row and what people want to see beside it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) row: Row,
    /// The goal is one that the ratio must reach, not keep under.
    pub(crate) at_least: bool,
    /// Asked for by an area, not by a row of its own accord.
    pub(crate) asked: bool,
    pub(crate) used: Option<Used>,
    /// A point of a sweep, which plots show.
    pub(crate) sweep: bool,
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
pub(crate) struct Heat {
    pub(crate) group: &'static str,
    pub(crate) id: &'static str,
    pub(crate) figure: String,
}

/// All that was measured.
pub(crate) struct Report {
    pub(crate) machine: Machine,
    /// What is asked for, then what else was measured.
    pub(crate) goals: Vec<Entry>,
    pub(crate) others: Vec<Entry>,
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
    rows: Vec<Line<'a>>,
}

/// A row, and what was used for it where that was measured.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    row: &'a Row,
    used: Option<Used>,
}

impl Report {
    /// Nothing yet.
    pub(crate) fn new(judged: bool) -> Self {
        Self {
            machine: Machine::find(),
            goals: Vec::new(),
            others: Vec::new(),
            figures: BTreeMap::new(),
            latencies: Vec::new(),
            heats: Vec::new(),
            judged,
        }
    }

    /// Adds a figure that was measured otherwise, against a figure that is given.
    pub(crate) fn add_figure(&mut self, entry: Entry) {
        let list = if entry.row.goal.is_some() {
            &mut self.goals
        } else {
            &mut self.others
        };
        list.push(entry);
    }

    /// Adds all rows of an area: its goals, and each row compared with what it names.
    pub(crate) fn add(&mut self, area: &'static str, suite: &Suite, samples: &Samples) {
        let comparison = Comparison { suite, samples };
        for goal in &suite.goals {
            self.goals.extend(comparison.goal(goal, self.judged));
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
            if let (Some(group), Some(heat)) = (row.group, samples.heat_of(id)) {
                let figure = table::figure(heat, row.unit);
                self.heats.push(Heat { group, id, figure });
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
            let Some(entry) = entry.filter(|_| !self.has(id)) else {
                continue;
            };
            if entry.row.goal.is_some() {
                self.goals.push(entry);
            } else {
                self.others.push(entry);
            }
        }
    }

    fn has(&self, id: &str) -> bool {
        self.entries().any(|entry| entry.row.id == id)
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.goals.iter().chain(&self.others)
    }

    /// The report for programs.
    ///
    /// # Errors
    /// [`BenchError::Json`].
    pub(crate) fn json(&self) -> Result<String, BenchError> {
        let document = Document {
            machine: &self.machine,
            rows: self
                .entries()
                .map(|entry| Line {
                    row: &entry.row,
                    used: entry.used,
                })
                .collect(),
        };
        Ok(serde_json::to_string_pretty(&document)? + "\n")
    }
}

/// A suite and what was measured of it.
struct Comparison<'a> {
    suite: &'a Suite,
    samples: &'a Samples,
}

impl Comparison<'_> {
    /// The floor whose median is the smallest.
    fn floor(&self) -> Option<(&'static str, &Sample)> {
        let floors = self.suite.rows.iter().filter(|row| row.kind == Kind::Floor);
        floors
            .filter_map(|row| {
                let (id, sample) = self.samples.get(row.measure.id())?;
                let of = Quartiles::of(sample.rounds.iter().copied())?;
                Some((of.median, (id, sample)))
            })
            .min_by(|(one, _), (other, _)| one.total_cmp(other))
            .map(|(_, found)| found)
    }

    fn name(&self, id: &str) -> &'static str {
        let mut rows = self.suite.rows.iter();
        let row = rows.find(|row| row.measure.id() == id);
        row.map_or("", |row| row.measure.name())
    }

    fn goal(&self, goal: &Goal, judged: bool) -> Option<Entry> {
        let (id, sample) = self.samples.get(goal.row)?;
        let (against, other) = match goal.against {
            Against::Row(name) => {
                let (id, other) = self.samples.get(name)?;
                (id.to_owned(), other.rounds.clone())
            }
            Against::Floor => {
                let (id, other) = self.floor()?;
                (id.to_owned(), other.rounds.clone())
            }
            Against::Figure(figure, name) => (name.to_owned(), vec![figure; sample.rounds.len()]),
        };
        let name = format!("{}: {}", goal.name, self.name(id));
        let unit = self.unit(id);
        entry(goal, name, unit, sample, against, &other, judged)
    }

    fn unit(&self, id: &str) -> &'static str {
        let mut rows = self.suite.rows.iter();
        let row = rows.find(|row| row.measure.id() == id);
        row.map_or("ns", |row| row.unit)
    }

    fn row(&self, row: &SuiteRow, judged: bool) -> Option<Entry> {
        let id = row.measure.id();
        let (_, sample) = self.samples.get(id).filter(|(found, _)| *found == id)?;
        let (against, limit) = match row.kind {
            Kind::Floor => (Against::Floor, None),
            Kind::AgainstFloor { goal } => (Against::Floor, goal),
            Kind::Reference => (Against::Row(id), None),
            Kind::Against { reference, goal } => (Against::Row(reference), goal),
        };
        let (against, other) = match against {
            Against::Floor => self.floor()?,
            Against::Row(name) => self.samples.get(name)?,
            Against::Figure(..) => return None,
        };
        let goal = Goal {
            id,
            name: row.measure.name(),
            row: id,
            against: Against::Floor,
            limit: limit.map_or(Limit::None, Limit::AtMost),
            quantity: Quantity::Time,
        };
        let name = row.measure.name().to_owned();
        let other = &other.rounds;
        let mut entry = entry(
            &goal,
            name,
            row.unit,
            sample,
            against.to_owned(),
            other,
            judged,
        )?;
        entry.sweep = row.point.is_some();
        entry.asked = false;
        Some(entry)
    }
}

/// Compares the rounds of two rows.
fn entry(
    goal: &Goal,
    name: String,
    unit: &'static str,
    sample: &Sample,
    against: String,
    other: &[f64],
    judged: bool,
) -> Option<Entry> {
    let rounds = sample.rounds.iter().zip(other);
    let ratio = match goal.limit {
        Limit::AtLeast(_) => Quartiles::of(rounds.map(|(one, other)| other / one)),
        Limit::AtMost(_) | Limit::None => Quartiles::of(rounds.map(|(one, other)| one / other)),
    }?;
    let median = Quartiles::of(sample.rounds.iter().copied())?.median;
    let (value, unit) = match goal.quantity {
        Quantity::Time => (median, unit),
        Quantity::Messages => (1e9 / median, "messages/s"),
        Quantity::Bytes(bytes) => (bytes as f64 / median, "GB/s"),
    };
    // The lower quartile decides.
    let (limit, met) = match goal.limit {
        Limit::AtMost(limit) => (Some(limit), Some(ratio.lower <= limit)),
        Limit::AtLeast(limit) => (Some(limit), Some(ratio.lower >= limit)),
        Limit::None => (None, None),
    };
    let at_least = matches!(goal.limit, Limit::AtLeast(_));
    let row = Row {
        id: goal.id,
        name: if at_least {
            format!("{name} (at least)")
        } else {
            name
        },
        value,
        unit,
        ratio: ratio.median,
        against,
        goal: limit,
        met: met.filter(|_| judged),
        spread: [ratio.lower, ratio.upper],
    };
    Some(Entry {
        row,
        at_least,
        asked: true,
        used: Some(Used {
            cpu: sample.cpu(),
            switches: sample.switches(),
            peak: sample.peak,
        }),
        sweep: false,
    })
}
