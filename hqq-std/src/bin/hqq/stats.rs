//! `hqq stats`: totals of a region's rings and members.

use std::fmt::Write as _;
use std::time::Duration;

use crate::failure::Failure;
use crate::output;
use crate::signals;
use crate::view::{Look, View, arrow, life, short_count, short_rate};

/// Show what was sent and received through a region, and by whom, without taking part
///
/// Members record their totals in the region now and then: when half a ring was received, when they
/// wait, when they leave. Rings count packets, which may hold several small messages each.
#[derive(clap::Args)]
pub struct Args {
    /// The region's name (/dev/shm/NAME)
    name: String,
    /// Look twice, so many seconds apart, and show rates, too
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    interval: Option<Duration>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A time from a hundredth of a second to an hour.
pub fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|time| (Duration::from_millis(10)..=Duration::from_secs(3600)).contains(time))
        .ok_or_else(|| "give a number of seconds from 0.01 to 3600".to_owned())
}

pub fn run(args: Args) -> Result<(), Failure> {
    let view = look(&args.name, args.interval)?;
    if args.json {
        output::json(&view)
    } else {
        output::text(&to_text(&view))
    }
}

/// A view of a region, with rates over `interval`, if there is one.
pub fn look(name: &str, interval: Option<Duration>) -> Result<View, Failure> {
    let first = Look::at(name)?;
    let Some(interval) = interval else {
        return Ok(View::new(name, &first, None));
    };
    pause(interval)?;
    Ok(View::new(name, &Look::at(name)?, Some(&first)))
}

/// Sleeps so long, unless a signal comes.
pub fn pause(time: Duration) -> Result<(), Failure> {
    let mut left = time;
    while !left.is_zero() {
        signals::check()?;
        let slice = left.min(signals::SLICE);
        std::thread::sleep(slice);
        left = left.saturating_sub(slice);
    }
    signals::check()
}

/// A view as text.
pub fn to_text(view: &View) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "{}  format {}, {} buffers of {} bytes each way, {} bytes",
        view.name, view.format, view.count, view.size, view.bytes
    );
    for ring in &view.rings {
        let _ = writeln!(
            text,
            "  {:20}  {:>5} of {} unread, {} packets published ({}/s), {} taken ({}/s)",
            arrow(ring.direction),
            ring.unread,
            ring.capacity,
            ring.published,
            short_rate(ring.published_per_second),
            ring.taken,
            short_rate(ring.taken_per_second),
        );
    }
    for member in &view.members {
        let _ = writeln!(
            text,
            "  {} {}, process {}, {}, {}",
            member.role,
            member.member,
            member.pid,
            member.mode.as_deref().unwrap_or("no mode"),
            life(member.alive),
        );
        for (what, totals) in [("sent", &member.sent), ("received", &member.received)] {
            let _ = writeln!(
                text,
                "    {what:8}  {} messages ({}/s), {} bytes ({}/s), waited {}, tombstones {}, errors {}",
                short_count(totals.messages),
                short_rate(totals.messages_per_second),
                short_count(totals.bytes),
                short_rate(totals.bytes_per_second),
                short_count(totals.blocked),
                totals.tombstones,
                totals.errors,
            );
        }
        if let Some(latency) = member.call_latency_us {
            let _ = writeln!(
                text,
                "    calls     half take up to {:.1} µs, 99 in 100 up to {:.1} µs",
                latency.p50, latency.p99
            );
        }
    }
    text
}
