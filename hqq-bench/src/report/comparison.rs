//! Rows compared with what they name, round by round.

use super::{Entry, Row, Standing, Used};
use crate::samples::{Sample, Samples};
use crate::statistics::Quartiles;
use crate::suite::{Against, Goal, Kind, Limit, Quantity, Row as SuiteRow, Suite};

/// A suite and what was measured of it.
pub(super) struct Comparison<'a> {
    pub(super) suite: &'a Suite,
    pub(super) samples: &'a Samples,
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

    /// What is asked of a row.
    pub(super) fn goal(&self, goal: &Goal, judged: bool) -> Option<Entry> {
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

    /// A row by itself.
    pub(super) fn row(&self, row: &SuiteRow, judged: bool) -> Option<Entry> {
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
        entry.standing = match limit {
            Some(_) => Standing::OfItsOwn,
            None if row.sweeps() => Standing::Sweep,
            None => Standing::Measured,
        };
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
    // What is compared with itself is as much as that, also where it is nothing.
    let itself = against == goal.row;
    let ratio = match goal.limit {
        _ if itself => Quartiles::of(rounds.map(|_| 1.0)),
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
        standing: if limit.is_some() {
            Standing::Asked
        } else {
            Standing::Told
        },
        used: Some(Used {
            cpu: sample.cpu(),
            switches: sample.switches(),
            peak: sample.peak,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hqq::idle::Idle;
    use crate::report::Report;
    use crate::suite::Plot;

    /// Of an idle receiver, as a point of `plot`, that took nothing.
    fn report(plot: Plot) -> Report {
        let row = SuiteRow::reference(Box::new(Idle));
        let suite = Suite {
            rows: vec![row.point(plot, "a series", 64)],
            goals: Vec::new(),
            operations: 0,
            most_rounds: 1,
        };
        let mut samples = Samples::default();
        samples.of("idle").rounds = vec![0.0; 3];
        let mut report = Report::new(true);
        report.add("park", &suite, &samples);
        report
    }

    #[test]
    fn what_takes_nothing_has_a_ratio_to_itself() -> Result<(), Box<dyn std::error::Error>> {
        let document: serde_json::Value = serde_json::from_str(&report(Plot::Cost).json()?)?;
        let row = &document["rows"][0];
        assert_eq!(row["ratio"], 1.0, "{row}");
        assert_eq!(row["spread"], serde_json::json!([1.0, 1.0]), "{row}");
        Ok(())
    }

    #[test]
    fn only_points_of_sweeps_are_left_to_plots() {
        for (plot, told) in [
            (Plot::Size, false),
            (Plot::Depth, false),
            (Plot::Cost, true),
            (Plot::Geometry, true),
            (Plot::Threads, true),
        ] {
            let table = report(plot).table(false);
            let found = table.lines().any(|line| line.starts_with("idle "));
            assert_eq!(found, told, "{plot:?}: {table}");
            let table = report(plot).table(true);
            let found = table.lines().any(|line| line.starts_with("idle "));
            assert!(found, "{plot:?}: {table}");
        }
    }
}
