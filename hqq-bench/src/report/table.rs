//! A report as lines for people.

use std::fmt::Write;

use super::{Entry, Report};

/// The longest name that is printed whole.
const NAME: usize = 58;

impl Report {
    /// Tables of what is asked for and of what else was measured; sweeps only where `sweeps`.
    pub(crate) fn table(&self, sweeps: bool) -> String {
        let mut text = String::new();
        let others: Vec<_> = self
            .others
            .iter()
            .filter(|entry| sweeps || !entry.sweep)
            .collect();
        for (title, entries) in [
            ("asked for", self.goals.iter().collect()),
            ("also measured", others),
        ] {
            lines(&mut text, title, &entries);
        }
        self.latencies_table(&mut text);
        if sweeps {
            self.heats_table(&mut text);
        }
        text += "ratio: median over the rounds of a row by the one that it is compared with, in the \
                 same round; spread: its quartiles.\nA goal is met when the lower quartile meets it. \
                 Of both processes: cpu, processor time an operation; switches, changes of\nthe running \
                 thread an operation; peak, the most memory that either has had for the row: what the row \
                 shares, and what it grew by.\n";
        if let Some(note) = self.note() {
            let _ = writeln!(text, "{note}");
        }
        let hidden = self.others.iter().filter(|entry| entry.sweep).count();
        if hidden > 0 && !sweeps {
            let _ = writeln!(
                text,
                "{hidden} rows of sweeps are in the plots and in the JSON."
            );
        }
        let machine = &self.machine;
        let _ = writeln!(
            text,
            "{}, {} cores, {}, {}; load before: {}",
            machine.processor, machine.cores, machine.system, machine.compiler, machine.load
        );
        text
    }

    /// What competed for a group and what it came to, of which only the fastest is in the other tables.
    fn heats_table(&self, text: &mut String) {
        let mut last = "";
        for heat in &self.heats {
            if last.is_empty() {
                text.push_str("heats, better quartiles of a few rounds\n");
            }
            if heat.group != last {
                let _ = writeln!(text, "{}:", heat.group);
            }
            last = heat.group;
            let _ = writeln!(text, "    {:<36}{:>12}", heat.id, heat.figure);
        }
        if !last.is_empty() {
            text.push('\n');
        }
    }
}

fn lines(text: &mut String, title: &str, entries: &[&Entry]) {
    if entries.is_empty() {
        return;
    }
    let id = entries.iter().map(|entry| entry.row.id.len()).max();
    let id = id.unwrap_or(0).max(title.len()) + 1;
    let name = entries.iter().map(|entry| entry.row.name.len()).max();
    let name = name.unwrap_or(0).min(NAME) + 1;
    let met = entries.iter().map(|entry| entry.verdict().len()).max();
    let met = met.unwrap_or(0).max("met".len()) + 2;
    let _ = writeln!(
        text,
        "{title:<id$}{:<name$}{:>15}{:>9}{:>14}{:>9}  {:<met$}{:>10}{:>10}{:>10}",
        "", "median", "ratio", "spread", "goal", "met", "cpu", "switches", "peak"
    );
    for entry in entries {
        let row = &entry.row;
        let sign = if entry.at_least { "≥" } else { "≤" };
        let goal = row.goal.map(|goal| format!("{sign} {}", short(goal)));
        let verdict = match (row.goal, row.met) {
            (Some(_), None) => "not judged: one core",
            _ => entry.verdict(),
        };
        let label = row.name.trim_end_matches(" (at least)");
        let label: String = label.chars().take(NAME).collect();
        let [lower, upper] = row.spread;
        let used = entry.used.map_or_else(String::new, |used| {
            let (cpu, peak) = (time(used.cpu), memory(used.peak));
            format!("{cpu:>10}{:>10.3}{peak:>10}", used.switches)
        });
        let line = format!(
            "{:<id$}{label:<name$}{:>15}{:>9}{:>14}{:>9}  {verdict:<met$}{used}",
            row.id,
            figure(row.value, row.unit),
            short(row.ratio),
            format!("{}-{}", short(lower), short(upper)),
            goal.unwrap_or_default(),
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push('\n');
}

/// Three digits or so.
pub(crate) fn short(ratio: f64) -> String {
    match ratio.abs() {
        0.0 => "0".to_owned(),
        100.0.. => format!("{ratio:.0}"),
        10.0.. => format!("{ratio:.1}"),
        0.01.. => format!("{ratio:.2}"),
        _ => format!("{ratio:.1e}"),
    }
}

/// A value in a unit that fits.
pub(crate) fn figure(value: f64, unit: &str) -> String {
    match unit {
        "ns" => time(value),
        "messages/s" if value >= 1e6 => format!("{:.2} M/s", value / 1e6),
        "messages/s" => format!("{:.1} k/s", value / 1e3),
        _ => format!("{} {unit}", short(value)),
    }
}

/// KiB in a unit that fits.
pub(crate) fn memory(kib: u64) -> String {
    match kib {
        10_240.. => format!("{} MiB", kib / 1024),
        1024.. => format!("{:.1} MiB", kib as f64 / 1024.0),
        _ => format!("{kib} KiB"),
    }
}

/// Nanoseconds in a unit that fits.
pub(crate) fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        1e9.. => format!("{:.2} s", nanoseconds / 1e9),
        1e6.. => format!("{:.2} ms", nanoseconds / 1e6),
        1e3.. => format!("{:.2} us", nanoseconds / 1e3),
        _ => format!("{nanoseconds:.1} ns"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        assert_eq!(short(1.234), "1.23");
        assert_eq!(short(1234.5), "1234");
        assert_eq!(short(0.000_012), "1.2e-5");
        assert_eq!(time(123.4), "123.4 ns");
        assert_eq!(time(45_600.0), "45.60 us");
        assert_eq!(memory(96), "96 KiB");
        assert_eq!(memory(1536), "1.5 MiB");
        assert_eq!(memory(65_536), "64 MiB");
        assert_eq!(figure(12_345_678.0, "messages/s"), "12.35 M/s");
    }
}
