//! What `hqq stats` and `hqq top` show of a region: totals, and rates from two looks at it.

use std::time::Instant;

use hqq_core::side::{SideState, SideStatus};
use hqq_std::inspect::{MemberRecord, Snapshot};
use hqq_std::{Counters, OpenError, Role};
use serde::Serialize;

/// A region at one time.
pub struct Look {
    at: Instant,
    snapshot: Snapshot,
}

impl Look {
    /// Reads a region's file; maps nothing and takes no lock, so that nobody is disturbed.
    pub fn at(name: &str) -> Result<Self, OpenError> {
        Ok(Self {
            at: Instant::now(),
            snapshot: Snapshot::of_name(name)?,
        })
    }
}

/// A region, ready to be shown.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    pub name: String,
    pub format: u8,
    pub count: usize,
    pub size: usize,
    pub bytes: u64,
    pub rings: Vec<RingView>,
    pub members: Vec<MemberView>,
}

/// One ring.
#[derive(Clone, Debug, Serialize)]
pub struct RingView {
    /// 0 from primary to secondary, 1 back.
    pub direction: u8,
    pub capacity: usize,
    pub unread: usize,
    /// Packets published and taken since the region was made; a packet may hold several messages.
    pub published: u64,
    pub taken: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_per_second: Option<f64>,
}

/// One member, as it has recorded itself.
#[derive(Clone, Debug, Serialize)]
pub struct MemberView {
    pub role: String,
    pub member: u8,
    pub pid: u32,
    pub mode: Option<String>,
    pub alive: Option<bool>,
    pub sent: TotalsView,
    pub received: TotalsView,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_latency_us: Option<LatencyView>,
}

/// How long a member's calls take, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LatencyView {
    pub p50: f64,
    pub p99: f64,
}

/// What a member did on one side since it attached, and how much of it a second.
#[derive(Clone, Debug, Serialize)]
pub struct TotalsView {
    pub state: &'static str,
    pub messages: u64,
    pub bytes: u64,
    pub tombstones: u64,
    pub blocked: u64,
    pub errors: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_per_second: Option<f64>,
}

/// How much of something came a second; what went back was made anew in between.
#[allow(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(before: u64, now: u64, seconds: f64) -> f64 {
    now.saturating_sub(before) as f64 / seconds
}

impl View {
    /// A view of `now`, with rates since `before` where there is one.
    pub fn new(name: &str, now: &Look, before: Option<&Look>) -> Self {
        let before = before.map(|before| {
            let seconds = now.at.duration_since(before.at).as_secs_f64();
            (&before.snapshot, seconds.max(1e-3))
        });
        let snapshot = &now.snapshot;
        let layout = &snapshot.identity.layout;
        let rings = snapshot
            .rings
            .iter()
            .enumerate()
            .map(|(index, ring)| {
                let (published, taken) = (ring.published.get(), ring.taken.get());
                let earlier = before.and_then(|(snapshot, seconds)| {
                    let ring = snapshot.rings.get(index)?;
                    Some((ring.published.get(), ring.taken.get(), seconds))
                });
                RingView {
                    direction: ring.direction as u8,
                    capacity: layout.count(),
                    unread: ring.unread,
                    published,
                    taken,
                    published_per_second: earlier.map(|(was, _, time)| rate(was, published, time)),
                    taken_per_second: earlier.map(|(_, was, time)| rate(was, taken, time)),
                }
            })
            .collect();
        let members = snapshot
            .members
            .iter()
            .map(|member| {
                let same = |other: &&MemberRecord| {
                    (other.role, other.member, other.pid)
                        == (member.role, member.member, member.pid)
                };
                let earlier = before.and_then(|(snapshot, seconds)| {
                    Some((snapshot.members.iter().find(same)?, seconds))
                });
                MemberView::new(member, earlier)
            })
            .collect();
        Self {
            name: name.to_owned(),
            format: layout.format() as u8,
            count: layout.count(),
            size: layout.size(),
            bytes: snapshot.len,
            rings,
            members,
        }
    }

    /// Packets a second in both directions.
    pub fn rate(&self) -> f64 {
        let rates = self.rings.iter().filter_map(|ring| ring.taken_per_second);
        rates.sum()
    }
}

impl MemberView {
    fn new(member: &MemberRecord, earlier: Option<(&MemberRecord, f64)>) -> Self {
        let mode = member.sending.mode().or_else(|| member.receiving.mode());
        let sent = earlier.map(|(record, seconds)| (&record.sent, seconds));
        let received = earlier.map(|(record, seconds)| (&record.received, seconds));
        Self {
            role: member.role.to_string(),
            member: member.member.get(),
            pid: member.pid,
            mode: mode.map(|mode| mode.to_string()),
            alive: member.alive,
            sent: TotalsView::new(member.sending, &member.sent, sent),
            received: TotalsView::new(member.receiving, &member.received, received),
            call_latency_us: member.call_latency.map(|latency| LatencyView {
                p50: latency.median.as_secs_f64() * 1e6,
                p99: latency.p99.as_secs_f64() * 1e6,
            }),
        }
    }
}

impl TotalsView {
    fn new(status: SideStatus, now: &Counters, before: Option<(&Counters, f64)>) -> Self {
        let rate_of = |of: fn(&Counters) -> u64| {
            before.map(|(before, seconds)| rate(of(before), of(now), seconds))
        };
        Self {
            state: match status.state() {
                SideState::Vacant => "vacant",
                SideState::Open => "open",
                SideState::Closed => "closed",
                SideState::Dead => "dead",
            },
            messages: now.messages,
            bytes: now.bytes,
            tombstones: now.tombstones,
            blocked: now.blocked,
            errors: now.errors,
            messages_per_second: rate_of(|totals| totals.messages),
            bytes_per_second: rate_of(|totals| totals.bytes),
            blocked_per_second: rate_of(|totals| totals.blocked),
        }
    }
}

/// A large number in few characters.
#[allow(clippy::cast_precision_loss, reason = "for people")]
pub fn short(value: f64) -> String {
    const UNITS: [&str; 6] = ["", "k", "M", "G", "T", "P"];
    let mut value = value;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 99.95);
    format!("{value:.digits$}{}", UNITS.get(unit).unwrap_or(&""))
}

/// As [`short`], of a whole number.
#[allow(clippy::cast_precision_loss, reason = "for people")]
pub fn short_count(value: u64) -> String {
    short(value as f64)
}

/// As [`short`], or a dash where nothing is known.
pub fn short_rate(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), short)
}

/// How long calls take, half of them and nearly all, or a dash where nothing is known.
pub fn short_latency(latency: Option<LatencyView>) -> String {
    latency.map_or_else(
        || "-".to_owned(),
        |LatencyView { p50, p99 }| format!("{p50:.1}/{p99:.1}"),
    )
}

/// Which way a ring goes.
pub fn arrow(direction: u8) -> String {
    let (from, to) = match direction {
        0 => (Role::Primary, Role::Secondary),
        _ => (Role::Secondary, Role::Primary),
    };
    format!("{from} to {to}")
}

/// Whether a member lives, in a word.
pub const fn life(alive: Option<bool>) -> &'static str {
    match alive {
        Some(true) => "alive",
        Some(false) => "gone",
        None => "unknown",
    }
}
