//! The tables of the page.

use std::fmt::Write;

use super::html::escape;
use super::table::{figure, memory, short, time};
use super::{Entry, Report, Standing, Used};

/// The head of the columns that say what was used.
const USED: &str = "<th class=n>cpu<th class=n>switches<th class=n>peak";

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
    /// What is asked for, then what else has a goal or is compared, then what the words "met" leave out.
    pub(super) fn goals_tables(&self, page: &mut String) {
        for (title, standing) in [
            ("What is asked for", Standing::Asked),
            ("Rows with goals of their own", Standing::OfItsOwn),
        ] {
            goals_table(page, title, self.of(standing));
        }
        if self.of(Standing::Told).next().is_some() {
            *page += "<section><h2>The same figures, compared with other limits</h2>";
            table(page, self.of(Standing::Told));
            *page += "</section>";
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
        *page += "<section><details><summary>Everything else that was measured</summary>";
        let measured = self.of(Standing::Measured);
        table(page, measured.chain(self.of(Standing::Sweep)));
        *page += "</details></section>";
    }

    /// What competed, each group by itself.
    pub(super) fn heats_table(&self, page: &mut String) {
        if self.heats.is_empty() {
            return;
        }
        *page += "<section><details><summary>What competed for a place in these tables</summary><p>The \
                 fastest of each group went on; these are better quartiles of a few rounds.</p><table><thead>\
                 <tr><th>group<th>id<th class=n>figure</thead><tbody>";
        for heat in &self.heats {
            let _ = write!(
                page,
                "<tr><td><code>{}</code><td><code>{}</code><td class=n>{}",
                heat.group,
                heat.id,
                figure(heat.value, heat.unit)
            );
        }
        *page += "</tbody></table></details></section>";
    }
}

/// Rows without goals.
fn table<'a>(page: &mut String, entries: impl Iterator<Item = &'a Entry>) {
    let _ = write!(
        page,
        "<table><thead><tr><th>id<th>what<th class=n>figure<th class=n>ratio<th class=n>spread\
         <th>against{USED}</thead><tbody>"
    );
    for entry in entries {
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
    *page += "</tbody></table>";
}

fn goals_table<'a>(page: &mut String, title: &str, entries: impl Iterator<Item = &'a Entry>) {
    let mut entries = entries.peekable();
    if entries.peek().is_none() {
        return;
    }
    let _ = write!(
        page,
        "<section><h2>{title}</h2><table><thead><tr><th>id<th>what<th class=n>figure<th class=n>ratio\
         <th>of goal<th>met<th class=n>goal<th class=n>spread<th>against{USED}</thead><tbody>"
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
