//! A report as the table of docs/performance.md.

use std::fmt::Write;

use super::Report;
use super::table::{figure, short};

impl Report {
    /// What is asked for, row by row.
    pub(crate) fn markdown(&self) -> String {
        let machine = &self.machine;
        let mut text = format!(
            "{}, {} cores, {}, {}; load before the run {}.\n\n\
             | id | figure | measured | ratio | spread | goal | met | against |\n|---|---|---|---|---|---|---|---|\n",
            machine.processor, machine.cores, machine.system, machine.compiler, machine.load
        );
        for entry in self.goals.iter().filter(|entry| entry.row.goal.is_some()) {
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
        if let Some(note) = self.note() {
            let _ = write!(text, "\n{note}\n");
        }
        self.latencies_markdown(&mut text);
        text
    }
}
