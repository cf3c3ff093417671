//! Commands whose other end dies and comes back: `hqq echo` and `hqq ping`, `hqq serve` and `hqq call`.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

use std::io::{self, Write as _};

use hqq_std::inspect::Snapshot;
use hqq_tests::{Name, Outcome, Process, eventually, hqq};
use rustix::process::Signal;

/// An echo that has made the region.
fn echo(name: &Name) -> Process {
    let process = Process::start(&mut hqq!["echo", &**name, "--create", "--size", "256"]);
    eventually("the region to appear", || name.exists().then_some(()));
    process
}

/// Ends a command in order.
fn end(process: Process) {
    process.signal(Signal::TERM);
    let _ = process.wait().ok();
}

fn call(name: &Name, method: &str, body: &str) -> Outcome {
    let (request, mut input) = io::pipe().unwrap();
    input.write_all(body.as_bytes()).unwrap();
    drop(input);
    Process::start_with(&mut hqq!["call", &**name, method], request).wait()
}

#[test]
fn a_client_that_is_killed_is_followed_by_the_next() {
    let name = Name::new();
    let echo = echo(&name);
    for _ in 0..3 {
        let killed = Process::start(&mut hqq!["ping", &*name, "--count", "100000000"]);
        eventually("pings to flow", || {
            let snapshot = Snapshot::of_name(&name).unwrap();
            let before = snapshot.rings[1].consumer_counter.get();
            (before > 500).then_some(())
        });
        killed.kill();
        let next = &mut hqq!["ping", &*name, "--count", "200"];
        assert!(Process::start(next).wait().text().contains("200 pings"));
    }
    end(echo);
}

/// How many answers the clients of a region have taken.
fn answers(name: &Name) -> u64 {
    let snapshot = Snapshot::of_name(name).unwrap();
    snapshot.rings[0].consumer_counter.get()
}

/// The answering end is killed and started again, twice: pings go on, and the one that got no answer is
/// asked again.
#[test]
fn a_ping_goes_on_with_the_next_echo() {
    let name = Name::new();
    let mut echo = echo(&name);
    let ping = Process::start(&mut hqq!["ping", &*name, "--count", "100000000"]);
    for deaths in 1..=2 {
        let before = answers(&name);
        eventually("pings to flow", || {
            (answers(&name) > before + 500).then_some(())
        });
        echo.kill();
        let note = "the peer died before it answered";
        eventually("the ping to notice", || {
            (ping.stderr().matches(note).count() >= deaths).then_some(())
        });
        echo = Process::start(&mut hqq!["echo", &*name]);
    }
    let before = answers(&name);
    eventually("pings to flow again", || {
        (answers(&name) > before + 500).then_some(())
    });
    ping.signal(Signal::INT);
    ping.wait().with_code(1).complains(&["stopped by signal"]);
    end(echo);
}

/// The state of a process, as the kernel has it.
fn state(process: &Process) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    rest.chars().next().unwrap()
}

/// Packets that wait for the server.
fn waiting(name: &Name) -> usize {
    Snapshot::of_name(name).unwrap().rings[1].unread
}

/// A caller has agreed with a server, which is then stopped, gets the request and is killed: the next
/// server answers it. One that has begun to answer is another matter.
#[test]
fn a_request_that_a_server_has_not_taken_goes_to_the_next() {
    let name = Name::new();
    let server = Process::start(&mut hqq!["serve", &*name, "--create", "--method", "1=cat"]);
    eventually("the region to appear", || name.exists().then_some(()));
    let (request, mut body) = io::pipe().unwrap();
    let caller = Process::start_with(&mut hqq!["call", &*name, "1"], request);
    eventually("both ends to agree", || {
        let snapshot = Snapshot::of_name(&name).unwrap();
        let taken = |ring: usize| snapshot.rings[ring].consumer_counter.get();
        (taken(0) > 0 && taken(1) > 0).then_some(())
    });
    server.signal(Signal::STOP);
    eventually("the server to stop", || {
        (state(&server) == 'T').then_some(())
    });
    body.write_all(b"to whom it may concern").unwrap();
    drop(body);
    eventually("the request", || (waiting(&name) > 0).then_some(()));
    server.kill();
    eventually("the caller to notice", || {
        caller
            .stderr()
            .contains("waiting for the next one")
            .then_some(())
    });
    let server = Process::start(&mut hqq![
        "serve",
        &*name,
        "--method",
        "1=cat",
        "--method",
        "2=kill -9 $PPID"
    ]);
    let outcome = caller.wait().with_code(0);
    assert_eq!(outcome.stdout, b"to whom it may concern");

    let outcome = call(&name, "2", "").with_code(1);
    outcome.complains(&["whether it executed the request is unknown"]);
    assert!(!server.wait().status.success());
    // The next server, and a caller that is killed before it.
    let server = Process::start(&mut hqq![
        "serve",
        &*name,
        "--method",
        "1=cat",
        "--method",
        "3=sleep 1000"
    ]);
    let taken = || {
        Snapshot::of_name(&name).unwrap().rings[1]
            .consumer_counter
            .get()
    };
    let before = taken();
    let dying = Process::start(&mut hqq!["call", &*name, "3"]);
    // What it offers, and what it asks.
    eventually("the request to be taken", || {
        (taken() > before + 1).then_some(())
    });
    dying.kill();
    assert_eq!(call(&name, "1", "next").ok(), b"next");
    end(server);
}
