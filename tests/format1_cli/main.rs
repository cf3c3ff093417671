//! The `hqq` command on regions of format 1, with the other implementation at the other end.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

mod inspecting;

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::process::Command;

use hqq_std::{Format, LinkOptions};
use hqq_tests::{Name, Numbered, Outcome, Process, STOP, c_peer, eventually, hqq};
use rustix::process::Signal;
use serde_json::Value;

fn run(mut command: Command) -> Outcome {
    Process::start(&mut command).wait()
}

fn options() -> LinkOptions {
    LinkOptions::new().format(Format::V1).count(64).size(4096)
}

/// A region of the geometry that the other implementation has unless asked otherwise.
fn region() -> Name {
    let name = Name::new();
    let arguments = ["--format", "1", "--count", "64", "--size", "4096"];
    let mut command = hqq!["create", &*name];
    command.args(arguments);
    assert_eq!(run(command).text(), "");
    name
}

/// Sends `text` to the primary.
fn write(name: &Name, text: &str) {
    let _ = run(c_peer!["write", &**name, "--text", text]).ok();
}

fn appears(name: &Name) {
    eventually("the region to appear", || name.exists().then_some(()));
}

/// A file to read from, with these bytes.
fn input(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

#[test]
fn create_makes_the_region_that_the_other_implementation_makes() {
    let name = region();
    let mut expected = vec![0; 544_768];
    let mut put = |offset: usize, bytes: &[u8]| {
        expected[offset..][..bytes.len()].copy_from_slice(bytes);
    };
    put(
        0,
        &[
            0x31, 0x4c, 0x54, 0x53, 0x5f, 0x51, 0x51, 0x48, 2, 0, 0, 0, 0, 0, 0, 0, //
            1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, //
            0x00, 0x10, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, //
            0x00, 0x10, 0, 0, 0, 0, 0, 0, 0x00, 0x50, 0x08, 0, 0, 0, 0, 0,
        ],
    );
    for ring in [4096, 274_432] {
        put(
            ring,
            &[
                0x01, 0x67, 0x09, 0x3f, 0xd4, 0xc1, 0xd8, 0xc9, 64, 0, 0, 0, 0, 0, 0, 0, //
                2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            ],
        );
        for slot in 0..64_u64 {
            let at = ring + 256 + 72 * slot as usize + 64;
            put(at, &slot.to_le_bytes());
        }
    }
    let same = |name: &Name| {
        let found = std::fs::read(name.path()).unwrap();
        assert_eq!(found.len(), expected.len());
        let differs = (0..found.len()).find(|at| found[*at] != expected[*at]);
        assert_eq!(differs, None, "the first byte that differs");
    };
    same(&name);
    let name = Name::new();
    let _ = run(c_peer!["open", &*name, "--create"]).ok();
    same(&name);
}

#[test]
fn create_refuses_what_no_region_can_be() {
    let name = Name::new();
    for (arguments, says) in [
        (["--format", "3", "--count", "64"], "give 1 or 2"),
        (["--format", "1", "--count", "3"], "3"),
        (["--format", "1", "--size", "12"], "12"),
    ] {
        let mut command = hqq!["create", &*name];
        command.args(arguments);
        run(command).with_code(2).complains(&[says]);
        assert!(!name.exists());
    }
}

#[test]
fn echo_answers_the_other_implementation() {
    let name = Name::new();
    let asking = Process::start(&mut c_peer![
        "ask",
        &*name,
        "--create",
        "--as",
        "primary",
        "--messages",
        "5000"
    ]);
    appears(&name);
    let echo = Process::start(&mut hqq!["echo", &*name]);
    assert_eq!(asking.wait().text(), "asked=5000\n");
    echo.signal(Signal::TERM);
    let outcome = echo.wait().with_code(0);
    assert_eq!(outcome.stderr, "");
    assert!(name.exists(), "it was there before");
}

#[test]
fn an_echo_that_creates_the_region_answers_the_other_implementation() {
    let name = Name::new();
    let create = [
        "--create", "--format", "1", "--count", "64", "--size", "4096",
    ];
    let echo = Process::start(hqq!["echo", &*name].args(create));
    appears(&name);
    for _ in 0..3 {
        let command = c_peer!["ask", &*name, "--as", "secondary", "--messages", "500"];
        assert_eq!(run(command).text(), "asked=500\n");
    }
    let report = ping(&name);
    assert_eq!(report["count"], 200);
    echo.signal(Signal::INT);
    let outcome = echo.wait().with_code(0);
    assert_eq!(outcome.stderr, "");
    assert!(!name.exists());
}

fn ping(name: &Name) -> Value {
    let command = hqq!["ping", &**name, "--count", "200", "--json"];
    serde_json::from_str(&run(command).text()).unwrap()
}

#[test]
fn the_other_implementation_answers_ping() {
    let name = Name::new();
    // Those that are measured, and 100 before them.
    let echo = Process::start(&mut c_peer![
        "echo",
        &*name,
        "--create",
        "--as",
        "primary",
        "--messages",
        "300"
    ]);
    appears(&name);
    let report = ping(&name);
    assert_eq!(report["count"], 200);
    assert_eq!(report["leftovers"], 0);
    assert!(report["rtt_us"]["min"].as_f64().unwrap() > 0.0, "{report}");
    assert_eq!(echo.wait().text(), "echoed=300\n");
}

#[test]
fn ping_that_nobody_answers_names_the_role() {
    let name = region();
    let outcome = run(hqq!["ping", &*name, "--wait", "0.2"]).with_code(1);
    outcome.complains(&["no answer", "--role"]);
}

#[test]
fn echo_once_is_refused_and_leaves_nothing() {
    let name = Name::new();
    let mut command = hqq!["echo", &*name, "--once", "--create", "--format", "1"];
    run(command).with_code(1).complains(&["--once", "format 1"]);
    assert!(!name.exists());
    let name = region();
    command = hqq!["echo", &*name, "--once"];
    run(command).with_code(1).complains(&["--once", "format 1"]);
    assert!(name.exists());
}

#[test]
fn what_send_sends_the_other_implementation_reads() {
    let name = region();
    let mut command = hqq!["send", &*name, "--role", "primary", "--lines"];
    let sender = Process::start_with(&mut command, input(b"first\nsecond, and last"));
    for expected in ["first\n", "second, and last\n"] {
        assert_eq!(run(c_peer!["read", &*name]).text(), expected);
    }
    let outcome = sender.wait().with_code(0);
    assert_eq!(outcome.stderr, "");
}

#[test]
fn what_the_other_implementation_sends_recv_writes() {
    let name = Name::new();
    let create = [
        "--create",
        "--format",
        "1",
        "--buffers",
        "64",
        "--size",
        "4096",
    ];
    let mut command = hqq!["recv", &*name, "--count", "20001"];
    let receiver = Process::start(command.args(create));
    appears(&name);
    let mut command = c_peer!["exchange", &*name, "--as", "secondary", "--id", "5"];
    command.args(["--messages", "20000", "--until-stops", "0"]);
    let text = run(command).text();
    assert!(text.starts_with("role=secondary sent=20000"), "{text}");
    let outcome = receiver.wait().with_code(0);
    assert_eq!(outcome.stderr, "");
    let messages = Numbered::new(5, 4096);
    let expected: Vec<u8> = (0..20_000)
        .chain([STOP])
        .flat_map(|number| messages.message(number))
        .collect();
    assert!(outcome.stdout == expected, "{} bytes", outcome.stdout.len());
    assert!(!name.exists());
}

#[test]
fn an_empty_line_is_refused_where_it_stands() {
    let name = region();
    let mut command = hqq!["send", &*name, "--role", "primary", "--lines"];
    let sender = Process::start_with(&mut command, input(b"one\n\nthree\n"));
    let outcome = sender.wait().with_code(1);
    outcome.complains(&["line 2 is empty", "format 1", "1 message unread"]);
    assert_eq!(run(c_peer!["read", &*name]).text(), "one\n");
}

#[test]
fn send_that_nobody_receives_names_the_role() {
    let name = region();
    let mut command = hqq!["send", &*name, "--wait", "0.2"];
    let sender = Process::start_with(&mut command, input(b"hello"));
    let outcome = sender.wait().with_code(1);
    outcome.complains(&["nobody has received", "--role", "1 message unread"]);
}

/// `hqq recv` as the primary of a region where two messages lie.
fn recv(arguments: &[&str]) -> Outcome {
    let name = region();
    write(&name, "one");
    write(&name, "two");
    let mut command = hqq!["recv", &*name, "--role", "primary", "--lines"];
    command.args(arguments);
    run(command)
}

#[test]
fn recv_takes_silence_for_the_end_and_says_so() {
    let outcome = recv(&["--wait", "0.2"]).with_code(0);
    outcome.complains(&["note", "200ms", "no end-of-file"]);
    assert_eq!(outcome.stdout, b"one\ntwo\n");
}

#[test]
fn recv_takes_silence_for_a_failure_where_asked_to() {
    for arguments in [
        &["--timeout", "0.2"][..],
        &["--timeout", "0.2", "--wait", "0.1"],
        &["--timeout", "0.2", "--count", "3"],
    ] {
        let outcome = recv(arguments).with_code(1);
        outcome.complains(&["no message came", "200ms"]);
        assert_eq!(outcome.stdout, b"one\ntwo\n");
    }
}

#[test]
fn recv_with_a_count_ends_with_the_last_of_them() {
    let outcome = recv(&["--count", "2"]).with_code(0);
    assert_eq!(outcome.stderr, "");
    assert_eq!(outcome.stdout, b"one\ntwo\n");
}

#[test]
fn recv_without_a_sender_fails() {
    let name = region();
    let outcome = run(hqq!["recv", &*name, "--wait", "0.2"]).with_code(1);
    outcome.complains(&["no sender came"]);
}

#[test]
fn another_format_than_asked_for_is_refused() {
    let other = Name::new();
    let _ = run(hqq!["create", &*other]).ok();
    for (name, asked, says) in [
        (region(), "2", "format 1, not 2"),
        (other, "1", "format 2, not 1"),
    ] {
        let before = std::fs::read(name.path()).unwrap();
        for command in ["send", "recv", "echo"] {
            for arguments in [&[][..], &["--create"]] {
                let mut command = hqq![command, &*name, "--format", asked];
                let outcome = run_with(&mut command, arguments).with_code(1);
                outcome.complains(&["hqq: ", says]);
            }
        }
        assert!(std::fs::read(name.path()).unwrap() == before, "every byte");
    }
}

fn run_with(command: &mut Command, arguments: &[&str]) -> Outcome {
    Process::start(command.args(arguments)).wait()
}

#[test]
fn rm_removes_a_region() {
    let name = region();
    let _ = run(hqq!["rm", &*name]).ok();
    assert!(!name.exists());
}
