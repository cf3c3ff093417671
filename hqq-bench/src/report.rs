//! What was measured, as rows for people and for programs.

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
    /// As `ratio`, to the fastest bare round trip with a line for each direction; `None` where
    /// `against` is no bare round trip.
    duplex_ratio: Option<f64>,
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
    /// Compares every row with the one that it names, or with the floor whose median is the
    /// smallest, round by round. Goals are judged where the machine has two cores for it
    /// (`comparable`).
    pub(crate) fn new(suite: &Suite, samples: &Samples, comparable: bool) -> Self {
        let measured = || suite.rows.iter().zip(samples);
        let median = |figures: &[f64]| Quartiles::of(figures.iter().copied());
        let fastest = |kinds: &[Kind]| {
            measured()
                .filter(|(row, _)| kinds.contains(&row.kind))
                .filter_map(|(row, figures)| Some((median(figures)?.median, (row, figures))))
                .min_by(|(one, _), (other, _)| one.total_cmp(other))
                .map(|(_, measured)| measured)
        };
        let duplex = Kind::Floor { duplex: true };
        let floor = fastest(&[Kind::Floor { duplex: false }, duplex]);
        let duplex_floor = fastest(&[duplex]);
        let rows = measured().filter_map(|(row, figures)| {
            let (against, floors) = match row.kind {
                Kind::Floor { .. } | Kind::AgainstFloor { .. } => (floor?, duplex_floor),
                Kind::Reference => ((row, figures), None),
                Kind::Against { reference, .. } => {
                    let named = measured().find(|(other, _)| other.measure.id() == reference);
                    (named?, None)
                }
            };
            let to = |others: &[f64]| {
                let ratios = figures.iter().zip(others).map(|(one, other)| one / other);
                Quartiles::of(ratios)
            };
            let (against, others) = against;
            let ratio = to(others)?;
            let goal = row.kind.goal();
            Some(Row {
                id: row.measure.id(),
                name: row.measure.name(),
                value: median(figures)?.median,
                unit: "ns",
                ratio: ratio.median,
                against: against.measure.id(),
                duplex_ratio: floors.and_then(|(_, floors)| Some(to(floors)?.median)),
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
        let width = self.0.iter().map(|row| row.name.len()).max().unwrap_or(0) + 2;
        let with_floor = self.0.iter().any(|row| row.duplex_ratio.is_some());
        let mut text = format!(
            "{:<width$}{:>10}{:>9}{:>14}{:>8}  {:<4}{:>9}",
            "messages",
            "median",
            "ratio",
            "spread",
            "goal",
            "met",
            if with_floor { "2 lines" } else { "" }
        );
        text.truncate(text.trim_end().len());
        text.push('\n');
        for row in &self.0 {
            let goal = row.goal.map(|goal| format!("{goal:.2}"));
            let met = match (row.goal, row.met) {
                (Some(_), Some(true)) => "yes",
                (Some(_), Some(false)) => "no",
                (Some(_), None) => "not judged: one core",
                (None, _) => "",
            };
            let duplex = row.duplex_ratio.map(|ratio| format!("{ratio:.2}"));
            let [lower, upper] = row.spread;
            let line = format!(
                "{:<width$}{:>7.1} {}{:>9.2}{:>14}{:>8}  {met:<4}{:>9}",
                row.name,
                row.value,
                row.unit,
                row.ratio,
                format!("{lower:.2}-{upper:.2}"),
                goal.unwrap_or_default(),
                duplex.unwrap_or_default(),
            );
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text += &self.legend(with_floor);
        text
    }

    fn legend(&self, with_floor: bool) -> String {
        let spread = "in the same round; spread: its quartiles\n";
        let floor = self
            .0
            .first()
            .and_then(|row| self.0.iter().find(|other| other.id == row.against));
        match floor {
            None => String::new(),
            Some(floor) if with_floor => format!(
                "ratio: median over the rounds of one row by \"{}\" {spread}\
                 2 lines: the same by the fastest round trip with a line for each direction, as a link has\n",
                floor.name
            ),
            Some(_) => format!(
                "ratio: median over the rounds of one row by the nearest above it whose ratio is 1 {spread}"
            ),
        }
    }
}
