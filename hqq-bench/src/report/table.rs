//! A report as lines for people.

use std::fmt::Write;

use super::{Entry, Heat, Report, Standing};

/// The longest name that is printed whole.
const NAME: usize = 58;
/// Where lines of heats end.
const WIDTH: usize = 160;

impl Report {
    /// Tables of what is asked for and of what else was measured; sweeps only where `sweeps`.
    pub(crate) fn table(&self, sweeps: bool) -> String {
        let mut text = String::new();
        let shown = if sweeps { Some(Standing::Sweep) } else { None };
        for (title, standing) in [
            ("asked for", Some(Standing::Asked)),
            ("goals of rows", Some(Standing::OfItsOwn)),
            ("compared", Some(Standing::Told)),
            ("also measured", Some(Standing::Measured)),
            ("sweeps", shown),
        ] {
            let entries: Vec<_> = standing.map_or_else(Vec::new, |of| self.of(of).collect());
            lines(&mut text, title, &entries);
        }
        self.latencies_table(&mut text);
        self.heats_lines(&mut text, sweeps);
        text += "ratio: median over the rounds of a row by the one that it is compared with, in the \
                 same round; spread: its quartiles.\nA goal is met when the lower quartile meets it. \
                 Of both processes: cpu, processor time an operation; switches, changes of\nthe running \
                 thread an operation; peak, the most memory that either has had for the row: what the row \
                 shares, and what it grew by.\n";
        let hidden = self.of(Standing::Sweep).count();
        if hidden > 0 && !sweeps {
            let _ = writeln!(
                text,
                "{hidden} rows of sweeps are in the plots and in the JSON, with their heats."
            );
        }
        let machine = &self.machine;
        let _ = writeln!(
            text,
            "{}, {} cores, {}, {}; load before: {}",
            machine.processor, machine.cores, machine.system, machine.compiler, machine.load
        );
        if self.entries.iter().any(|entry| entry.row.goal.is_some()) {
            let _ = writeln!(text, "{}.", self.sum());
        }
        if let Some(note) = self.note() {
            let _ = writeln!(text, "{note}");
        }
        text
    }

    /// What competed for a group and what it came to, the fastest first, which alone is in the other tables.
    fn heats_lines(&self, text: &mut String, sweeps: bool) {
        let shown = self.heats.iter().filter(|heat| sweeps || !heat.sweep);
        let mut groups: Vec<(&str, Vec<&Heat>)> = Vec::new();
        for heat in shown {
            match groups.iter_mut().find(|(group, _)| *group == heat.group) {
                Some((_, heats)) => heats.push(heat),
                None => groups.push((heat.group, vec![heat])),
            }
        }
        if groups.is_empty() {
            return;
        }
        text.push_str("heats, better quartiles of a few rounds; of each group the fastest first\n");
        for (group, mut heats) in groups {
            heats.sort_by(|one, other| one.value.total_cmp(&other.value));
            let mut line = format!("{group}:");
            for heat in heats {
                let told = format!(" {} {},", heat.id, figure(heat.value, heat.unit));
                if line.len() + told.len() > WIDTH {
                    let _ = writeln!(text, "{line}");
                    line = "   ".to_owned();
                }
                line += &told;
            }
            let _ = writeln!(text, "{}", line.trim_end_matches(','));
        }
        text.push('\n');
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
    let goals = entries.iter().any(|entry| entry.row.goal.is_some());
    let head = if goals {
        format!("{:>9}  {:<met$}", "goal", "met")
    } else {
        String::new()
    };
    let _ = writeln!(
        text,
        "{title:<id$}{:<name$}{:>17}{:>9}{:>16}{head}{:>10}{:>10}{:>10}  against",
        "", "median", "ratio", "spread", "cpu", "switches", "peak"
    );
    for entry in entries {
        let row = &entry.row;
        let sign = if entry.at_least { "≥" } else { "≤" };
        let verdict = match (row.goal, row.met) {
            (Some(_), None) => "not judged: one core",
            _ => entry.verdict(),
        };
        let goal = row.goal.map_or_else(String::new, |goal| {
            let goal = format!("{sign} {}", short(goal));
            format!("{goal:>9}  {verdict:<met$}")
        });
        let label = row.name.trim_end_matches(" (at least)");
        let label: String = label.chars().take(NAME).collect();
        let [lower, upper] = row.spread;
        let used = entry.used.map_or_else(
            || format!("{:30}", ""),
            |used| {
                let (cpu, peak) = (time(used.cpu), memory(used.peak));
                format!("{cpu:>10}{:>10.3}{peak:>10}", used.switches)
            },
        );
        let _ = writeln!(
            text,
            "{:<id$}{label:<name$}{:>17}{:>9}{:>16}{goal}{used}  {}",
            row.id,
            figure(row.value, row.unit),
            short(row.ratio),
            format!("{}-{}", short(lower), short(upper)),
            row.against,
        );
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

    #[test]
    fn heats_are_told_with_the_fastest_first() {
        let heat = |group, id, value, sweep| Heat {
            group,
            id,
            value,
            unit: "ns",
            sweep,
        };
        let mut report = Report::new(true);
        report.heats = vec![
            heat("queue", "queue-deep", 2.0, false),
            heat("size-8", "size-8-deep", 3.0, true),
            heat("queue", "queue-flat", 1.0, false),
        ];
        let told = "\nqueue: queue-flat 1.0 ns, queue-deep 2.0 ns\n";
        let without = report.table(false);
        assert!(without.contains(told), "{without}");
        assert!(!without.contains("size-8"), "{without}");
        let with = report.table(true);
        assert!(with.contains("\nsize-8: size-8-deep 3.0 ns\n"), "{with}");
    }
}
