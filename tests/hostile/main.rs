//! Everything at once beside a process that writes into all of it: no signal, no panic, no call that
//! does not end, no memory without bound.
//!
//! Calls that nobody disturbs are the control: the same ones, in regions beside those, by threads of the
//! same process.
//!
//! `HQQ_HOSTILE_SECONDS` says how long, 20 without it; `HQQ_ROGUE` which program writes, for one that is not
//! built as slow as this is.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a helper that fails fails the test; it prints its figures"
)]

mod advanced;
mod keeper;
mod outside;
mod standard;
mod tally;

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hqq_std::Format;
use hqq_tests::{Process, rogue};

use keeper::Keeper;
use tally::Tally;

/// Bytes that the process may grow by once all is under way.
const GROWTH: u64 = 64 << 20;

fn seconds() -> u64 {
    let seconds = std::env::var("HQQ_HOSTILE_SECONDS").ok();
    seconds.map_or(20, |seconds| seconds.parse().unwrap())
}

/// Writes a second below which the regions were hardly written into. In a short run the regions are made anew more
/// than they are used, and what AddressSanitizer looks at is slower.
fn least_writes() -> u64 {
    let is_long = seconds() >= 600 && std::env::var_os("ASAN_OPTIONS").is_none();
    if is_long { 1_000_000 } else { 100_000 }
}

/// Bytes of this process that are in memory, those of the regions not counted.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let anonymous = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .unwrap();
    let kibibytes: u64 = anonymous
        .trim()
        .strip_suffix("kB")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    kibibytes * 1024
}

#[test]
fn a_process_that_writes_into_everything() {
    let keepers = [
        Keeper::new(Format::V2, 256, 512),
        Keeper::at_least_once(256, 512),
        Keeper::new(Format::V2, 64, 4096),
        Keeper::new(Format::V1, 256, 512),
        Keeper::new(Format::V1, 64, 4096),
    ];
    let [exclusive, shared, advanced, format_1, advanced_1] = &keepers;
    let left_alone = [
        Keeper::new(Format::V2, 256, 512),
        Keeper::at_least_once(256, 512),
        Keeper::new(Format::V2, 64, 4096),
    ];
    let (tally, control) = (Tally::default(), Tally::default());
    let stop = AtomicBool::new(false);
    let mut command = std::env::var_os("HQQ_ROGUE").map_or_else(|| rogue![], Command::new);
    command.args(["scribble", "1"]);
    command.args(keepers.iter().map(|keeper| keeper.victim().to_argument()));
    let mut scribbler = Process::start_with(&mut command, Stdio::piped());
    scribbler.wait_for_output("writing");
    let length = Duration::from_secs(seconds());
    let (early, late) = std::thread::scope(|scope| {
        let (tally, control, stop) = (&tally, &control, &stop);
        let mut threads = Vec::new();
        for keeper in [exclusive, format_1] {
            threads.push(scope.spawn(move || standard::ends(keeper, tally, stop)));
        }
        threads.push(scope.spawn(move || standard::sharing(shared, tally, stop)));
        for keeper in [advanced, advanced_1] {
            threads.push(scope.spawn(move || advanced::calls(keeper, tally, stop)));
        }
        let [alone, alone_shared, alone_advanced] = &left_alone;
        threads.push(scope.spawn(move || standard::ends(alone, control, stop)));
        threads.push(scope.spawn(move || standard::sharing(alone_shared, control, stop)));
        threads.push(scope.spawn(move || advanced::calls(alone_advanced, control, stop)));
        threads.push(scope.spawn(|| outside::inspect(&left_alone, control, stop)));
        threads.push(scope.spawn(|| outside::inspect(&keepers, tally, stop)));
        threads.push(scope.spawn(|| outside::commands(&keepers, tally, stop)));
        threads.push(scope.spawn(move || control.sleeps(stop)));
        let started = Instant::now();
        let mut early = 0;
        while started.elapsed() < length && threads.iter().all(|thread| !thread.is_finished()) {
            std::thread::sleep(Duration::from_millis(50));
            if started.elapsed() < length / 4 {
                early = resident();
            }
        }
        let late = resident();
        // Relaxed: only ends the threads.
        stop.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().unwrap();
        }
        (early, late)
    });
    assert!(scribbler.is_running(), "{}", scribbler.stderr());
    scribbler.end_input();
    let written = scribbler.wait().text();
    println!("{written}");
    let rate = written
        .lines()
        .find_map(|line| line.split_once(' ')?.1.parse::<u64>().ok());
    tally.print(&control);
    for keeper in &keepers {
        println!(
            "{}: made anew {} times",
            keeper.victim().to_argument(),
            keeper.times()
        );
    }
    println!(
        "memory: {} KiB early, {} KiB at the end",
        early >> 10,
        late >> 10
    );
    assert!(late < early + GROWTH, "{early} bytes became {late}");
    tally.check(&control);
    let rate = rate.unwrap();
    assert!(rate >= least_writes(), "{rate} writes a second");
}
