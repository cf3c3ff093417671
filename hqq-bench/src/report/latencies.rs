//! How long single operations took, as tables.

use std::fmt::Write;

use super::table::time;
use super::{Latencies, Report};

/// The percentiles that are shown.
const SHOWN: [f64; 3] = [50.0, 99.0, 99.99];

/// Of rows whose figures are many and of less interest: told where nothing else is.
const IN_DETAIL: &str = "format1";

impl Latencies {
    /// What is shown of it.
    pub(super) fn shown(&self) -> [String; 3] {
        SHOWN.map(|percentile| time(self.histogram.value_at_percentile(percentile) as f64))
    }
}

impl Report {
    fn shown_latencies(&self) -> Vec<&Latencies> {
        let all = || self.latencies.iter();
        let only = all().all(|of| of.area == IN_DETAIL);
        all().filter(|of| only || of.area != IN_DETAIL).collect()
    }

    /// For the terminal.
    pub(super) fn latencies_table(&self, text: &mut String) {
        let shown = self.shown_latencies();
        let Some(id) = shown.iter().map(|of| of.id.len()).max() else {
            return;
        };
        let title = "one by one";
        let id = id.max(title.len()) + 1;
        let _ = writeln!(
            text,
            "{title:<id$}{:>12}{:>12}{:>12}",
            "p50", "p99", "p99.99"
        );
        for of in shown {
            let [half, most, nearly_all] = of.shown();
            let _ = writeln!(text, "{:<id$}{half:>12}{most:>12}{nearly_all:>12}", of.id);
        }
        text.push_str(
            "Of single operations, each timed by itself: reading the clock is in each figure.\n\n",
        );
    }

    /// For docs/performance.md.
    pub(super) fn latencies_markdown(&self, text: &mut String) {
        let shown = self.shown_latencies();
        if shown.is_empty() {
            return;
        }
        text.push_str(
            "\nSingle operations, each timed by itself: reading the clock is in each figure.\n\n\
             | id | operation | p50 | p99 | p99.99 |\n|---|---|---|---|---|\n",
        );
        for of in shown {
            let _ = writeln!(
                text,
                "| {} | {} | {} |",
                of.id,
                of.name,
                of.shown().join(" | ")
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;

    use super::*;

    fn of(area: &'static str, id: &'static str) -> Latencies {
        let mut histogram = Histogram::new_with_bounds(1, 1_000_000, 3).unwrap();
        for nanoseconds in 1..=1000 {
            histogram.record(nanoseconds).unwrap();
        }
        Latencies {
            area,
            id,
            name: "an operation",
            peer: false,
            histogram,
        }
    }

    #[test]
    fn percentiles_are_told_row_by_row() {
        let mut report = Report::new(true);
        let mut text = String::new();
        report.latencies_table(&mut text);
        report.latencies_markdown(&mut text);
        assert_eq!(text, "");
        report.latencies.push(of(IN_DETAIL, "detail"));
        report.latencies_markdown(&mut text);
        assert!(
            text.ends_with("| detail | an operation | 500.0 ns | 990.0 ns | 1.00 us |\n"),
            "{text}"
        );
        report.latencies.push(of("rtt", "line"));
        let mut text = String::new();
        report.latencies_table(&mut text);
        assert!(text.contains("\nline "), "{text}");
        assert!(!text.contains("detail"), "{text}");
    }
}
