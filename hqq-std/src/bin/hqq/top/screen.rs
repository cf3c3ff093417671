//! How `hqq top` draws what it sees.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Style, Stylize as _};
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph, Row, Table};

use crate::view::{
    MemberView, RingView, TotalsView, View, arrow, life, short_count, short_latency, short_rate,
};

/// Cells of a bar that shows how full a ring is.
const BAR: usize = 20;

/// Draws all regions, or one with its members.
pub fn draw(frame: &mut Frame<'_>, views: &[View], alone: bool) {
    let [title, body, help] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let help_text = "q, Esc, Ctrl-C: end   packets may hold several small messages each";
    frame.render_widget(Paragraph::new(help_text).dim(), help);
    match views {
        [view] if alone => {
            frame.render_widget(Paragraph::new(heading(view)).bold(), title);
            let [rings, members] =
                Layout::vertical([Constraint::Length(5), Constraint::Fill(1)]).areas(body);
            frame.render_widget(ring_table(view), rings);
            frame.render_widget(member_table(view), members);
        }
        _ => {
            let text = match (views.len(), alone) {
                (0, true) => "the region is gone".to_owned(),
                (count, _) => format!("{count} regions"),
            };
            frame.render_widget(Paragraph::new(text).bold(), title);
            frame.render_widget(region_table(views), body);
        }
    }
}

fn heading(view: &View) -> Line<'static> {
    Line::from(format!(
        "{}   format {}, {} buffers of {} bytes each way",
        view.name, view.format, view.count, view.size
    ))
}

fn header(names: &[&'static str]) -> Row<'static> {
    Row::new(names.to_vec()).style(Style::new().bold())
}

fn bar(ring: &RingView) -> String {
    let full = ring.unread.min(ring.capacity) * BAR;
    let cells = full.div_ceil(ring.capacity.max(1)).min(BAR);
    format!("{}{}", "#".repeat(cells), ".".repeat(BAR - cells))
}

fn ring_table(view: &View) -> Table<'static> {
    let rows = view.rings.iter().map(|ring| {
        Row::new([
            arrow(ring.direction),
            bar(ring),
            format!("{}/{}", ring.unread, ring.capacity),
            short_rate(ring.published_per_second),
            short_rate(ring.taken_per_second),
            short_count(ring.taken),
        ])
    });
    let widths = [
        Constraint::Length(20),
        Constraint::Length(22),
        Constraint::Length(12),
        Constraint::Length(12),
        Constraint::Length(10),
        Constraint::Fill(1),
    ];
    Table::new(rows, widths)
        .header(header(&[
            "RING",
            "FILL",
            "UNREAD",
            "PUBLISHED/s",
            "TAKEN/s",
            "TAKEN",
        ]))
        .block(Block::bordered().title("rings (packets)"))
}

fn member_table(view: &View) -> Table<'static> {
    let mut rows = Vec::new();
    for member in &view.members {
        for (what, totals) in [("sends", &member.sent), ("receives", &member.received)] {
            rows.push(member_row(member, what, totals));
        }
    }
    let widths = [
        Constraint::Length(10),
        Constraint::Length(4),
        Constraint::Length(8),
        Constraint::Length(10),
        Constraint::Length(8),
        Constraint::Length(9),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Fill(1),
    ];
    let names = [
        "ROLE",
        "ID",
        "PID",
        "MODE",
        "LIFE",
        "DOES",
        "STATE",
        "MSG/s",
        "B/s",
        "WAITS/s",
        "MESSAGES",
        "CALLS µs",
    ];
    Table::new(rows, widths)
        .header(header(&names))
        .block(Block::bordered().title("members (as they record themselves)"))
}

fn member_row(member: &MemberView, what: &'static str, totals: &TotalsView) -> Row<'static> {
    let style = match member.alive {
        Some(false) => Style::new().red(),
        _ => Style::new(),
    };
    Row::new([
        member.role.clone(),
        member.member.to_string(),
        member.pid.to_string(),
        member.mode.clone().unwrap_or_else(|| "-".to_owned()),
        life(member.alive).to_owned(),
        what.to_owned(),
        totals.state.to_owned(),
        short_rate(totals.messages_per_second),
        short_rate(totals.bytes_per_second),
        short_rate(totals.blocked_per_second),
        short_count(totals.messages),
        match what {
            "sends" => short_latency(member.call_latency_us),
            _ => String::new(),
        },
    ])
    .style(style)
}

fn region_table(views: &[View]) -> Table<'static> {
    let rows = views.iter().map(|view| {
        let unread: Vec<String> = view
            .rings
            .iter()
            .map(|ring| format!("{}/{}", ring.unread, ring.capacity))
            .collect();
        let alive = view
            .members
            .iter()
            .filter(|member| member.alive == Some(true));
        Row::new([
            view.name.clone(),
            view.format.to_string(),
            format!("{}x{}", view.count, view.size),
            alive.count().to_string(),
            unread.join("  "),
            short_rate(Some(view.rate())),
        ])
    });
    let widths = [
        Constraint::Fill(2),
        Constraint::Length(7),
        Constraint::Length(14),
        Constraint::Length(8),
        Constraint::Fill(1),
        Constraint::Length(10),
    ];
    Table::new(rows, widths)
        .header(header(&[
            "NAME",
            "FORMAT",
            "GEOMETRY",
            "MEMBERS",
            "UNREAD",
            "PACKETS/s",
        ]))
        .block(Block::bordered().title("regions"))
}
