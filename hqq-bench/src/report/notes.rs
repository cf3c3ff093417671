//! What "met" leaves out: rows that would not be met if their goals were read otherwise.

use super::{Entry, Report};

impl Entry {
    /// Whether the goal is met, and whether only the lower quartile of times meets it.
    pub(crate) fn verdict(&self) -> &'static str {
        match self.row.met {
            None => "",
            Some(false) => "no",
            Some(true) if self.median_meets() => "yes",
            Some(true) => "yes, lower quartile",
        }
    }

    fn median_meets(&self) -> bool {
        let ratio = self.row.ratio;
        let meets = |goal| {
            if self.at_least {
                ratio >= goal
            } else {
                ratio <= goal
            }
        };
        self.row.goal.is_some_and(meets)
    }
}

impl Report {
    /// A sentence with the rows that are met only as they are judged, if there are any.
    pub(crate) fn note(&self) -> Option<String> {
        let met = self
            .goals
            .iter()
            .filter(|entry| entry.row.met == Some(true) && !entry.median_meets());
        let ids: Vec<_> = met.map(|entry| entry.row.id).collect();
        (!ids.is_empty()).then(|| {
            format!(
                "Met by the lower quartile only, not by the median: {}.",
                ids.join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Row;

    fn entry(id: &'static str, at_least: bool, ratio: f64, spread: [f64; 2]) -> Entry {
        Entry {
            row: Row {
                id,
                name: id.to_owned(),
                value: ratio,
                unit: "ns",
                ratio,
                against: "a figure".to_owned(),
                goal: Some(2.0),
                met: Some(true),
                spread,
            },
            at_least,
            asked: true,
            used: None,
            sweep: false,
        }
    }

    #[test]
    fn rows_that_other_readings_miss_are_named() {
        let mut report = Report::new(true);
        assert_eq!(report.note(), None);
        let mut missed = entry("slow", false, 3.0, [2.5, 3.5]);
        missed.row.met = Some(false);
        report.goals = vec![
            entry("fast", false, 1.0, [0.5, 1.5]),
            entry("lucky", false, 2.5, [1.9, 3.0]),
            entry("fast-rate", true, 2.5, [2.0, 2.6]),
            missed,
        ];
        let verdicts: Vec<_> = report.goals.iter().map(Entry::verdict).collect();
        assert_eq!(verdicts, ["yes", "yes, lower quartile", "yes", "no"]);
        let note = report.note().unwrap();
        assert!(note.ends_with("the median: lucky."), "{note}");
    }
}
