//! `hqq echo` and `hqq ping`.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

use hqq_std::LinkOptions;
use hqq_std::inspect::Snapshot;
use hqq_tests::{LIMIT, Name, Process, eventually, hqq};
use rustix::process::Signal;
use serde_json::Value;

fn echo(name: &Name) -> Process {
    let process = Process::start(&mut hqq![
        "echo", &**name, "--create", "--count", "16", "--size", "256"
    ]);
    eventually("the region to appear", || name.exists().then_some(()));
    process
}

/// Ends an echo in order.
fn end(process: Process, name: &Name) {
    process.signal(Signal::TERM);
    let outcome = process.wait().with_code(0);
    assert_eq!(outcome.stderr, "");
    assert!(!name.exists());
}

fn ping(name: &Name) -> Value {
    let command = &mut hqq!["ping", &**name, "--count", "200", "--json"];
    serde_json::from_str(&Process::start(command).wait().text()).unwrap()
}

#[test]
fn one_peer_after_the_other_is_answered() {
    let name = Name::new();
    let echo = echo(&name);
    for _ in 0..3 {
        let report = ping(&name);
        assert_eq!(report["count"], 200);
        assert_eq!(report["size"], 64);
        assert_eq!(report["leftovers"], 0);
        let times = &report["rtt_us"];
        let time = |name: &str| times[name].as_f64().unwrap();
        assert!(time("min") > 0.0, "{times}");
        assert!(time("min") <= time("p50") && time("p50") <= time("p99"));
        assert!(time("p99") <= time("p99.9") && time("p99.9") <= time("max"));
    }
    end(echo, &name);
}

#[test]
fn ping_prints_for_people_too() {
    let name = Name::new();
    let echo = echo(&name);
    let command = &mut hqq!["ping", &*name, "--count", "10", "--size", "256"];
    let text = Process::start(command).wait().text();
    for part in ["10 pings", "256 bytes", "p50", "p99", "µs"] {
        assert!(text.contains(part), "{text}");
    }
    end(echo, &name);
}

#[test]
fn answers_to_an_earlier_client_are_dropped() {
    let name = Name::new();
    let echo = echo(&name);
    let mut client = LinkOptions::new().open(&name).unwrap();
    for message in [&b"one"[..], b"", &[7; 200]] {
        client.send(message).unwrap();
    }
    client.sender().wait_drained(Some(LIMIT)).unwrap();
    eventually("the answers", || {
        (Snapshot::of_name(&name).unwrap().rings[0].unread == 3).then_some(())
    });
    drop(client);
    assert_eq!(ping(&name)["leftovers"], 3);
    assert_eq!(ping(&name)["leftovers"], 0);
    end(echo, &name);
}

#[test]
fn once_is_enough_where_asked_for() {
    let name = Name::new();
    let echo = Process::start(&mut hqq!["echo", &*name, "--create", "--once"]);
    eventually("the region to appear", || name.exists().then_some(()));
    let _ = ping(&name);
    let outcome = echo.wait().with_code(0);
    assert_eq!(outcome.stderr, "");
    assert!(!name.exists());
}

#[test]
fn once_gives_up_where_nobody_comes() {
    let name = Name::new();
    let command = &mut hqq!["echo", &*name, "--create", "--once", "--wait", "0.1"];
    let outcome = Process::start(command).wait().with_code(1);
    outcome.complains(&["no peer"]);
    assert!(!name.exists());
}

#[test]
fn an_echo_in_a_region_that_was_there_leaves_it() {
    let name = Name::new();
    LinkOptions::new()
        .count(4)
        .size(64)
        .create_region(&name)
        .unwrap();
    let echo = Process::start(&mut hqq!["echo", &*name]);
    let _ = ping(&name);
    echo.signal(Signal::INT);
    let _ = echo.wait().ok();
    assert!(name.exists());
}

#[test]
fn ping_without_an_echo_ends() {
    let name = Name::new();
    LinkOptions::new()
        .count(4)
        .size(64)
        .create_region(&name)
        .unwrap();
    let command = &mut hqq!["ping", &*name, "--wait", "0.1"];
    let outcome = Process::start(command).wait().with_code(1);
    outcome.complains(&["no peer", "hqq echo"]);

    // One that is there and does not answer.
    let silent = LinkOptions::new().open(&name).unwrap();
    let outcome = Process::start(command).wait().with_code(1);
    outcome.complains(&["no answer"]);
    drop(silent);
}

#[test]
fn ping_longer_than_a_buffer_is_refused() {
    let name = Name::new();
    let echo = echo(&name);
    let command = &mut hqq!["ping", &*name, "--size", "257"];
    let outcome = Process::start(command).wait().with_code(1);
    outcome.complains(&["257", "256"]);
    end(echo, &name);
}

#[test]
fn a_ping_that_is_stopped_says_so() {
    let name = Name::new();
    let echo = echo(&name);
    let process = Process::start(&mut hqq!["ping", &*name, "--count", "100000000"]);
    eventually("pings to flow", || {
        let snapshot = Snapshot::of_name(&name).unwrap();
        (snapshot.rings[1].consumer_counter.get() > 500).then_some(())
    });
    process.signal(Signal::INT);
    process.wait().with_code(1).complains(&["signal"]);
    end(echo, &name);
}
