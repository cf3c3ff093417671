//! What was measured, as rows for people and for programs.

use std::fmt::Write;

use serde::Serialize;

use crate::error::BenchError;
use crate::runner::{Kind, Samples, Suite};
use crate::statistics::Quartiles;

/// How to write a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Lines for people.
    Table,
    /// One JSON object a row, each on a line.
    Json,
}

/// One measure's result.
#[derive(Debug, Serialize)]
struct Row {
    id: &'static str,
    name: &'static str,
    /// Median of the rounds.
    value: f64,
    unit: &'static str,
    /// Median of the ratios to `against` in the same round.
    ratio: f64,
    against: &'static str,
    /// As `ratio`, to the fastest bare round trip with a line for each direction.
    duplex_ratio: f64,
    /// The ratio must not exceed it.
    goal: Option<f64>,
    /// `None` without a goal, and where the machine cannot show it.
    met: Option<bool>,
    /// Quartiles of the ratios.
    spread: [f64; 2],
}

/// All rows.
#[derive(Debug)]
pub(crate) struct Report(Vec<Row>);

impl Report {
    /// Compares every row with the floor whose median is the smallest, round by round. Goals are
    /// judged where the machine has two cores for it (`comparable`).
    pub(crate) fn new(suite: &Suite, samples: &Samples, comparable: bool) -> Self {
        let measured = || suite.0.iter().zip(samples);
        let median = |figures: &[f64]| Quartiles::of(figures.iter().copied());
        let fastest = |kinds: &[Kind]| {
            measured()
                .filter(|(row, _)| kinds.contains(&row.kind))
                .filter_map(|(row, figures)| Some((median(figures)?.median, row, figures)))
                .min_by(|(one, ..), (other, ..)| one.total_cmp(other))
        };
        let duplex = Kind::Floor { duplex: true };
        let (Some((_, floor, floors)), Some((_, _, duplex_floors))) = (
            fastest(&[Kind::Floor { duplex: false }, duplex]),
            fastest(&[duplex]),
        ) else {
            return Self(Vec::new());
        };
        let rows = measured().filter_map(|(row, figures)| {
            let to = |floors: &[f64]| {
                let ratios = figures.iter().zip(floors).map(|(one, floor)| one / floor);
                Quartiles::of(ratios)
            };
            let ratio = to(floors)?;
            let goal = match row.kind {
                Kind::Floor { .. } => None,
                Kind::AgainstFloor { goal } => goal,
            };
            Some(Row {
                id: row.measure.id(),
                name: row.measure.name(),
                value: median(figures)?.median,
                unit: "ns",
                ratio: ratio.median,
                against: floor.measure.id(),
                duplex_ratio: to(duplex_floors)?.median,
                goal,
                met: goal.filter(|_| comparable).map(|goal| ratio.median <= goal),
                spread: [ratio.lower, ratio.upper],
            })
        });
        Self(rows.collect())
    }

    /// The report as text.
    ///
    /// # Errors
    /// [`BenchError::Json`].
    pub(crate) fn render(&self, style: Style) -> Result<String, BenchError> {
        match style {
            Style::Table => Ok(self.table()),
            Style::Json => self.json(),
        }
    }

    fn json(&self) -> Result<String, BenchError> {
        let mut text = String::new();
        for row in &self.0 {
            text += &serde_json::to_string(row)?;
            text.push('\n');
        }
        Ok(text)
    }

    fn table(&self) -> String {
        let mut text = format!(
            "{:<28}{:>10}{:>9}{:>14}{:>8}  {:<4}{:>9}\n",
            "round trip", "median", "ratio", "spread", "goal", "met", "2 lines"
        );
        for row in &self.0 {
            let goal = row.goal.map(|goal| format!("{goal:.2}"));
            let met = match (row.goal, row.met) {
                (Some(_), Some(true)) => "yes",
                (Some(_), Some(false)) => "no",
                (Some(_), None) => "not judged: one core",
                (None, _) => "",
            };
            let [lower, upper] = row.spread;
            // Writing to a `String` cannot fail.
            let _ = writeln!(
                text,
                "{:<28}{:>7.1} {}{:>9.2}{:>14}{:>8}  {met:<4}{:>9.2}",
                row.name,
                row.value,
                row.unit,
                row.ratio,
                format!("{lower:.2}-{upper:.2}"),
                goal.unwrap_or_default(),
                row.duplex_ratio,
            );
        }
        if let Some(row) = self.0.first() {
            let floor = self.0.iter().find(|other| other.id == row.against);
            let _ = writeln!(
                text,
                "ratio: median over the rounds of one row by \"{}\" in the same round; spread: its quartiles\n\
                 2 lines: the same by the fastest round trip with a line for each direction, as a link has",
                floor.map_or(row.against, |floor| floor.name)
            );
        }
        text
    }
}
