//! `hqq demo`.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

use std::path::PathBuf;

use hqq_tests::{Process, eventually, hqq};
use rustix::process::{Pid, Signal};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A file with these bytes, and its checksum.
fn file(bytes: &[u8]) -> (tempfile::TempPath, String) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
    let digest = Sha256::digest(bytes);
    let hex = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    (file.into_temp_path(), hex)
}

#[test]
fn a_file_is_copied_and_verified() {
    let bytes: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let (path, hex) = file(&bytes);
    let command = &mut hqq!["demo", path, "--pings", "100"];
    let text = Process::start(command).wait().text();
    for part in [
        &format!("checksum match sha256:{hex}"),
        "4000000 bytes",
        "MB/s",
        "messages/s",
        "p50",
        "p99.9",
    ] {
        assert!(text.contains(part), "`{part}` in {text}");
    }
}

#[test]
fn figures_are_there_for_programs() {
    let (path, hex) = file(b"a few bytes");
    let command = &mut hqq![
        "demo", path, "--pings", "50", "--json", "--count", "4", "--size", "64"
    ];
    let report: Value = serde_json::from_str(&Process::start(command).wait().text()).unwrap();
    assert_eq!(report["bytes"], 11);
    assert_eq!(report["messages"], 1);
    assert_eq!((&report["count"], &report["size"]), (&4.into(), &64.into()));
    assert_eq!(report["sha256"], hex);
    assert_eq!(report["checksum_match"], true);
    assert!(report["messages_per_s"].as_f64().unwrap() > 0.0);
    for pings in report["rtt_us"].as_array().unwrap() {
        assert_eq!(pings["pings"], 50);
        assert!(pings["p50"].as_f64().unwrap() > 0.0, "{pings}");
    }
}

#[test]
fn an_empty_file_is_a_file() {
    let (path, hex) = file(b"");
    let text = Process::start(&mut hqq!["demo", path, "--pings", "10"])
        .wait()
        .text();
    assert!(
        text.contains(&format!("checksum match sha256:{hex}")),
        "{text}"
    );
}

#[test]
fn a_file_that_is_not_there() {
    let path = "/nowhere/to/be/found";
    let outcome = Process::start(&mut hqq!["demo", path]).wait().with_code(1);
    outcome.complains(&[path]);
}

/// Starts a demo that does not end, and waits for its other process.
fn endless() -> (tempfile::TempPath, Process, Pid) {
    let (path, _) = file(b"x");
    let process = Process::start(&mut hqq!["demo", path, "--pings", "1000000000"]);
    let id = process.id();
    let list = PathBuf::from(format!("/proc/{id}/task/{id}/children"));
    let child = eventually("the other process", || {
        let children = std::fs::read_to_string(&list).unwrap();
        Pid::from_raw(children.split_whitespace().next()?.parse().unwrap())
    });
    (path, process, child)
}

fn is_gone(process: Pid) -> bool {
    rustix::process::test_kill_process(process).is_err()
}

#[test]
fn a_signal_ends_both_processes() {
    for signal in [Signal::TERM, Signal::INT] {
        let (_path, process, child) = endless();
        process.signal(signal);
        process.wait().with_code(1).complains(&["signal"]);
        assert!(is_gone(child), "reaped before its parent ended");
    }
}

#[test]
fn a_demo_whose_other_process_dies_ends() {
    let (_path, process, child) = endless();
    rustix::process::kill_process(child, Signal::KILL).unwrap();
    process.wait().with_code(1).complains(&["other process"]);
}
