//! The tables of the page.

use std::fmt::Write;

use super::html::escape;
use super::table::{figure, memory, short, time};
use super::{Entry, Report, Used};

/// The head of the columns that say what was used.
const USED: &str = "<th class=n>cpu<th class=n>switches<th class=n>peak memory";

fn used(used: Option<Used>) -> String {
    used.map_or_else(
        || "<td><td><td>".to_owned(),
        |used| {
            let (cpu, switches, peak) = (time(used.cpu), short(used.switches), memory(used.peak));
            format!("<td class=n>{cpu}<td class=n>{switches}<td class=n>{peak}")
        },
    )
}

impl Report {
    /// How many goals were met.
    pub(super) fn sum(&self) -> String {
        let count = |asked, met| {
            let judged = self.goals.iter().filter(|entry| entry.row.met == Some(met));
            judged.filter(|entry| entry.asked == asked).count()
        };
        let mut text = format!(
            "<b>{}</b> of the {} goals met in this run",
            count(true, true),
            count(true, true) + count(true, false)
        );
        let (yes, no) = (count(false, true), count(false, false));
        if yes + no > 0 {
            let _ = write!(text, "; {yes} of {} that rows have besides", yes + no);
        }
        text
    }

    /// What is asked for, then what else has a goal, then what the words "met" leave out.
    pub(super) fn goals_tables(&self, page: &mut String) {
        for (title, asked) in [
            ("What is asked for", true),
            ("Rows with goals of their own", false),
        ] {
            let entries = self.goals.iter().filter(|entry| entry.asked == asked);
            goals_table(page, title, entries);
        }
        if let Some(note) = self.note() {
            let _ = write!(
                page,
                "<section><h2>How far \u{201c}met\u{201d} goes</h2><p>{}</p></section>",
                escape(&note)
            );
        }
    }

    pub(super) fn others_table(&self, page: &mut String) {
        let _ = write!(
            page,
            "<section><details><summary>Everything else that was measured</summary><table><thead><tr>\
             <th>id<th>what<th class=n>figure<th class=n>ratio<th class=n>spread<th>against{USED}\
             </thead><tbody>"
        );
        for entry in &self.others {
            let row = &entry.row;
            let _ = write!(
                page,
                "<tr><td><code>{}</code><td>{}<td class=n>{}<td class=n>{}{}",
                row.id,
                escape(&row.name),
                figure(row.value, row.unit),
                short(row.ratio),
                spread_and_used(entry),
            );
        }
        *page += "</tbody></table></details></section>";
    }
}

fn goals_table<'a>(page: &mut String, title: &str, entries: impl Iterator<Item = &'a Entry>) {
    let mut entries = entries.peekable();
    if entries.peek().is_none() {
        return;
    }
    let _ = write!(
        page,
        "<section><h2>{title}</h2><table><thead><tr><th>id<th>what<th class=n>figure<th class=n>ratio\
         <th>of the goal<th>met<th class=n>goal<th class=n>spread<th>against{USED}</thead><tbody>"
    );
    for entry in entries {
        let row = &entry.row;
        let (bar, goal) = row.goal.map_or_else(
            || ("<td><td>".to_owned(), String::new()),
            |goal| {
                let sign = if entry.at_least { "≥" } else { "≤" };
                (
                    bar(entry, row.ratio / goal),
                    format!("{sign} {}", short(goal)),
                )
            },
        );
        let _ = write!(
            page,
            "<tr><td><code>{}</code><td>{}<td class=n>{}<td class=n><b>{}</b>{bar}<td class=n>{goal}{}",
            row.id,
            escape(row.name.trim_end_matches(" (at least)")),
            figure(row.value, row.unit),
            short(row.ratio),
            spread_and_used(entry),
        );
    }
    *page += "</tbody></table></section>";
}

/// The cells that end a row: its spread, what it is compared with, and what it used.
fn spread_and_used(entry: &Entry) -> String {
    let [low, high] = entry.row.spread.map(short);
    let against = escape(&entry.row.against);
    format!("<td class=n>{low}–{high}<td>{against}{}", used(entry.used))
}

/// A cell with a bar, of which half is the goal, and whether that is met.
fn bar(entry: &Entry, share: f64) -> String {
    let (class, word) = match entry.row.met {
        Some(true) => ("yes", entry.verdict()),
        Some(false) => ("no", entry.verdict()),
        None => ("none", "not judged"),
    };
    let width = (share * 50.0).clamp(0.5, 100.0);
    format!("<td class=\"bar {class}\"><div><i style=\"width:{width:.1}%\"></i></div><td>{word}")
}
