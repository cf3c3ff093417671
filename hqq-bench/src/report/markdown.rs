//! A report as the table of docs/performance.md.

use std::fmt::Write;

use super::table::{figure, short};
use super::{Entry, Report, Standing};

impl Report {
    /// What is asked for, row by row, then what else has a goal.
    pub(crate) fn markdown(&self) -> String {
        let machine = &self.machine;
        let mut text = format!(
            "{}, {} cores, {}, {}; load before the run {}.\n\n{}.\n\n",
            machine.processor,
            machine.cores,
            machine.system,
            machine.compiler,
            machine.load,
            self.sum(),
        );
        goals(&mut text, self.of(Standing::Asked));
        if let Some(note) = self.note() {
            let _ = write!(text, "\n{note}\n");
        }
        if self.of(Standing::OfItsOwn).next().is_some() {
            text.push_str("\nGoals that rows have besides:\n\n");
            goals(&mut text, self.of(Standing::OfItsOwn));
        }
        self.latencies_markdown(&mut text);
        text
    }
}

fn goals<'a>(text: &mut String, entries: impl Iterator<Item = &'a Entry>) {
    text.push_str(
        "| id | figure | measured | ratio | spread | goal | met | against |\n|---|---|---|---|---|---|---|---|\n",
    );
    for entry in entries {
        let row = &entry.row;
        let sign = if entry.at_least { "≥" } else { "≤" };
        let met = match entry.verdict() {
            "no" => "**no**",
            verdict => verdict,
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {}–{} | {sign} {} | {met} | {} |",
            row.id,
            row.name.trim_end_matches(" (at least)"),
            figure(row.value, row.unit),
            short(row.ratio),
            short(row.spread[0]),
            short(row.spread[1]),
            short(row.goal.unwrap_or_default()),
            row.against,
        );
    }
}
