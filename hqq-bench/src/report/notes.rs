//! How many goals are met, and what "met" leaves out: rows that would not be met if their goals were read otherwise.

use std::fmt::Write;

use super::{Entry, Report, Standing};

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
    /// How many goals are met: the same words wherever it is told.
    pub(crate) fn sum(&self) -> String {
        let (met, judged, left) = self.tally(Standing::Asked);
        let mut text = format!("{met} of the {judged} goals met in this run");
        let (besides, of) = (self.tally(Standing::OfItsOwn), "that rows have besides");
        if besides.1 > 0 {
            let _ = write!(text, "; {} of {} {of}", besides.0, besides.1);
        }
        let left = left + besides.2;
        if left > 0 {
            let _ = write!(text, "; {left} not judged: one core");
        }
        text
    }

    /// How many goals of this standing are met, how many are judged, and how many are not.
    fn tally(&self, standing: Standing) -> (usize, usize, usize) {
        self.of(standing)
            .fold((0, 0, 0), |(met, judged, left), entry| {
                match entry.row.met {
                    Some(true) => (met + 1, judged + 1, left),
                    Some(false) => (met, judged + 1, left),
                    None => (met, judged, left + 1),
                }
            })
    }

    /// A sentence with the rows that are met only as they are judged, if there are any.
    pub(crate) fn note(&self) -> Option<String> {
        let met = self
            .entries
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
            standing: Standing::Asked,
            used: None,
        }
    }

    #[test]
    fn rows_that_other_readings_miss_are_named() {
        let mut report = Report::new(true);
        assert_eq!(report.note(), None);
        let mut missed = entry("slow", false, 3.0, [2.5, 3.5]);
        missed.row.met = Some(false);
        report.entries = vec![
            entry("fast", false, 1.0, [0.5, 1.5]),
            entry("lucky", false, 2.5, [1.9, 3.0]),
            entry("fast-rate", true, 2.5, [2.0, 2.6]),
            missed,
        ];
        let verdicts: Vec<_> = report.entries.iter().map(Entry::verdict).collect();
        assert_eq!(verdicts, ["yes", "yes, lower quartile", "yes", "no"]);
        let note = report.note().unwrap();
        assert!(note.ends_with("the median: lucky."), "{note}");
    }

    #[test]
    fn goals_of_rows_and_comparisons_are_not_among_those_that_count() {
        let mut report = Report::new(true);
        assert_eq!(report.sum(), "0 of the 0 goals met in this run");
        let mut missed = entry("missed", false, 3.0, [2.5, 3.5]);
        missed.row.met = Some(false);
        let mut own = entry("own", false, 1.0, [0.5, 1.5]);
        own.standing = Standing::OfItsOwn;
        let mut told = entry("told", false, 1.0, [0.5, 1.5]);
        (told.standing, told.row.goal, told.row.met) = (Standing::Told, None, None);
        let mut left = entry("left", false, 1.0, [0.5, 1.5]);
        left.row.met = None;
        report.entries = vec![entry("met", false, 1.0, [0.5, 1.5]), missed, told];
        assert_eq!(report.sum(), "1 of the 2 goals met in this run");
        report.entries.extend([own, left]);
        let all = "1 of the 2 goals met in this run; 1 of 1 that rows have besides; 1 not judged: one core";
        assert_eq!(report.sum(), all);
    }
}
