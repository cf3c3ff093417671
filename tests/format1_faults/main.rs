//! Format 1 when something is wrong. Every call ends, with an error that says what it met.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

mod opening;
mod running;

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use hqq_core::Layout;
use hqq_std::{Format, LinkOptions, StandardLink};
use hqq_tests::{LIMIT, Name, Process, c_peer};

const SHORT: Duration = Duration::from_millis(50);

/// Options that say the format and the geometry of these regions.
fn options() -> LinkOptions {
    LinkOptions::new().format(Format::V1).count(4).size(64)
}

fn layout() -> Layout {
    Layout::format_1(4, 64, 4096).unwrap()
}

fn region() -> Name {
    let name = Name::new();
    options().create_region(&name).unwrap();
    name
}

fn file(name: &Name) -> File {
    let options = File::options().read(true).write(true).open(name.path());
    options.unwrap()
}

fn put(name: &Name, offset: impl TryInto<u64>, word: u64) {
    let offset = offset.try_into().ok().unwrap();
    file(name)
        .write_all_at(&word.to_le_bytes(), offset)
        .unwrap();
}

/// The other implementation, with the geometry of these regions.
fn c(command: &str, name: &Name, arguments: &[&str]) -> Process {
    let mut process = c_peer![command, &**name, "--count", "4", "--size", "64"];
    Process::start(process.args(arguments))
}

/// What `call` gives, which it may not do before its time is up.
fn not_before<T>(call: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = call();
    assert!(started.elapsed() >= SHORT, "{:?}", started.elapsed());
    result
}

/// With an end to all its waiting.
fn patient(mut link: StandardLink) -> StandardLink {
    link.set_read_timeout(Some(LIMIT)).unwrap();
    link.set_write_timeout(Some(LIMIT)).unwrap();
    link
}
