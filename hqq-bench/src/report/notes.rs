//! What "met" leaves out: rows that would not be met if their goals were read otherwise.

use super::{Entry, Report};

impl Entry {
    /// Whether the goal is met; and by what, where not by the median of times, or by the lower quartile of rates.
    pub(crate) fn verdict(&self) -> &'static str {
        let (Some(goal), Some(met)) = (self.row.goal, self.row.met) else {
            return "";
        };
        let meets = |ratio: f64| {
            if self.at_least {
                ratio >= goal
            } else {
                ratio <= goal
            }
        };
        match (met, self.at_least) {
            (false, _) => "no",
            (true, true) if meets(self.row.spread[0]) => "yes",
            (true, true) if meets(self.row.ratio) => "yes, median",
            (true, true) => "yes, upper quartile",
            (true, false) if meets(self.row.ratio) => "yes",
            (true, false) => "yes, lower quartile",
        }
    }
}

impl Report {
    /// A sentence for each other way to read the goals, with the rows that are met only as they are judged.
    pub(crate) fn notes(&self) -> Vec<String> {
        let by_median = self.only_met(|entry, goal| {
            let ratio = entry.row.ratio;
            if entry.at_least {
                ratio >= goal
            } else {
                ratio <= goal
            }
        });
        let by_lower = self.only_met(|entry, goal| !entry.at_least || entry.row.spread[0] >= goal);
        [
            ("by the better quartile only, not by the median", by_median),
            (
                "by the upper quartile of a ratio of rates, not by the lower one",
                by_lower,
            ),
        ]
        .into_iter()
        .filter(|(_, ids)| !ids.is_empty())
        .map(|(how, ids)| format!("Met {how}: {}.", ids.join(", ")))
        .collect()
    }

    /// The rows that are met, but not as `otherwise` reads their goals.
    fn only_met(&self, otherwise: impl Fn(&Entry, f64) -> bool) -> Vec<&'static str> {
        let met = self
            .goals
            .iter()
            .filter(|entry| entry.row.met == Some(true));
        met.filter(|entry| entry.row.goal.is_some_and(|goal| !otherwise(entry, goal)))
            .map(|entry| entry.row.id)
            .collect()
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
        assert!(report.notes().is_empty());
        let mut missed = entry("slow", false, 3.0, [2.5, 3.5]);
        missed.row.met = Some(false);
        report.goals = vec![
            entry("fast", false, 1.0, [0.5, 1.5]),
            entry("lucky", false, 2.5, [1.9, 3.0]),
            entry("rate", true, 2.5, [1.9, 3.0]),
            entry("lucky-rate", true, 1.9, [1.5, 2.1]),
            entry("fast-rate", true, 2.5, [2.0, 2.6]),
            missed,
        ];
        let verdicts: Vec<_> = report.goals.iter().map(Entry::verdict).collect();
        assert_eq!(
            verdicts,
            [
                "yes",
                "yes, lower quartile",
                "yes, median",
                "yes, upper quartile",
                "yes",
                "no"
            ]
        );
        let notes = report.notes();
        assert_eq!(notes.len(), 2);
        assert!(
            notes[0].ends_with("the median: lucky, lucky-rate."),
            "{notes:?}"
        );
        assert!(
            notes[1].ends_with("the lower one: rate, lucky-rate."),
            "{notes:?}"
        );
    }
}
