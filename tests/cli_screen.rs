//! What `hqq top` draws, on a terminal that is none.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "a helper that fails fails the test; modules of the command, of which this uses a part"
)]

#[path = "../hqq-std/src/bin/hqq/top/screen.rs"]
mod screen;
#[path = "../hqq-std/src/bin/hqq/view.rs"]
mod view;

use hqq_std::LinkOptions;
use hqq_tests::Name;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};
use view::{LatencyView, Look, MemberView, RingView, TotalsView, View};

/// A screen of this size with these regions on it.
fn drawn((width, height): (u16, u16), views: &[View], alone: bool) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| screen::draw(frame, views, alone))
        .unwrap();
    terminal
}

/// What is on the screen, line by line, in single spaces.
fn lines(terminal: &Terminal<TestBackend>) -> Vec<String> {
    let buffer = terminal.backend().buffer();
    let width = usize::from(buffer.area.width);
    let lines = buffer.content.chunks(width).map(|line| {
        let line: String = line.iter().map(ratatui::buffer::Cell::symbol).collect();
        let words: Vec<&str> = line.split_whitespace().collect();
        words.join(" ")
    });
    lines.collect()
}

fn ring(direction: u8, unread: usize, rate: Option<f64>) -> RingView {
    RingView {
        direction,
        capacity: 8,
        unread,
        published: 1_234_567,
        taken: 1_234_000,
        published_per_second: rate,
        taken_per_second: rate,
    }
}

fn totals(state: &'static str, messages: u64) -> TotalsView {
    TotalsView {
        state,
        messages,
        bytes: 64 * messages,
        tombstones: 0,
        blocked: 1,
        errors: 0,
        messages_per_second: Some(1500.0),
        bytes_per_second: Some(96e3),
        blocked_per_second: None,
    }
}

fn member(role: &str, pid: u32, alive: bool) -> MemberView {
    MemberView {
        role: role.to_owned(),
        member: 1,
        pid,
        mode: Some("shared".to_owned()),
        alive: Some(alive),
        sent: totals("open", 7),
        received: totals("closed", 2_500_000),
        call_latency_us: Some(LatencyView {
            p50: 2.25,
            p99: 30.0,
        }),
    }
}

fn view(name: &str) -> View {
    View {
        name: name.to_owned(),
        format: 2,
        count: 8,
        size: 64,
        bytes: 8192,
        rings: vec![ring(0, 2, Some(20e6)), ring(1, 8, None)],
        members: vec![member("primary", 41, true), member("secondary", 42, false)],
    }
}

#[test]
fn one_region_with_its_rings_and_members() {
    let terminal = drawn((120, 16), &[view("seen")], true);
    let lines = lines(&terminal);
    let has = |line: &str| assert!(lines.iter().any(|it| it == line), "{line} in {lines:#?}");
    assert_eq!(lines[0], "seen format 2, 8 buffers of 64 bytes each way");
    assert!(lines[1].contains("rings (packets)"), "{lines:#?}");
    has("│RING FILL UNREAD PUBLISHED/s TAKEN/s TAKEN │");
    has("│primary to secondary #####............... 2/8 20.0M 20.0M 1.2M │");
    has("│secondary to primary #################### 8/8 - - 1.2M │");
    has("│ROLE ID PID MODE LIFE DOES STATE MSG/s B/s WAITS/s MESSAGES CALLS µs │");
    has("│primary 1 41 shared alive sends open 1.5k 96.0k - 7 2.2/30.0 │");
    has("│primary 1 41 shared alive receives closed 1.5k 96.0k - 2.5M │");
    has("│secondary 1 42 shared gone sends open 1.5k 96.0k - 7 2.2/30.0 │");
    assert!(lines[15].starts_with("q, Esc, Ctrl-C: end"), "{lines:#?}");
    // The dead are red, and no others; headings are bold.
    let buffer = terminal.backend().buffer();
    for (row, line) in (0_u16..).zip(&lines) {
        let cell = &buffer[(1, row)];
        assert_eq!(cell.fg == Color::Red, line.contains("gone"), "{line}");
        let is_bold = cell.modifier.contains(Modifier::BOLD);
        let is_heading = row == 0 || line.contains("PID") || line.contains("FILL");
        assert_eq!(is_bold, is_heading, "{line}");
    }
}

#[test]
fn all_regions_and_none() {
    let shown = lines(&drawn((100, 10), &[view("one"), view("two")], false));
    assert_eq!(shown[0], "2 regions");
    let has = |line: &str| assert!(shown.iter().any(|it| it == line), "{line} in {shown:#?}");
    has("│NAME FORMAT GEOMETRY MEMBERS UNREAD PACKETS/s │");
    has("│one 2 8x64 1 2/8 8/8 20.0M │");
    has("│two 2 8x64 1 2/8 8/8 20.0M │");
    assert_eq!(lines(&drawn((80, 5), &[], false))[0], "0 regions");
    assert_eq!(lines(&drawn((80, 5), &[], true))[0], "the region is gone");
}

/// However small, and however little of it there is room for.
#[test]
fn any_terminal() {
    for width in (1..130).step_by(7) {
        for height in 1..14 {
            let views = [view("seen")];
            let _ = drawn((width, height), &views, true);
            let _ = drawn((width, height), &views, false);
        }
    }
}

/// From a region in use to the screen.
#[test]
fn a_region_in_use() {
    let name = Name::new();
    let options = LinkOptions::new().count(8).size(64);
    let mut near = options.create(&name).unwrap();
    let mut far = options.open(&name).unwrap();
    let before = Look::at(&name).unwrap();
    for _ in 0..3 {
        near.send(b"seen").unwrap();
    }
    far.recv(&mut [0; 64]).unwrap();
    let now = Look::at(&name).unwrap();
    let view = View::new(&name, &now, Some(&before));
    let lines = lines(&drawn((120, 16), &[view], true));
    let ring = lines.iter().find(|line| line.contains("primary to"));
    assert!(
        ring.unwrap().contains("#####............... 2/8"),
        "{lines:#?}"
    );
    let pid = std::process::id();
    let member = format!("│primary 1 {pid} exclusive alive sends open");
    assert!(
        lines.iter().any(|line| line.starts_with(&member)),
        "{lines:#?}"
    );
}
