//! `hqq top`, and the rates of `hqq stats`: as a stream, and on a terminal with its keys.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use hqq_std::LinkOptions;
use hqq_tests::{Name, Process, eventually, hqq};
use rustix::process::Signal;
use serde_json::Value;

fn region() -> Name {
    let name = Name::new();
    let options = LinkOptions::new().count(8).size(64);
    options.create_region(&name).unwrap();
    name
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn rates_and_screens() {
    let name = region();
    let mut echo = Process::start(&mut hqq!["echo", &*name]);
    let mut ping = Process::start(&mut hqq![
        "ping",
        &*name,
        "--count",
        "100000000",
        "--size",
        "32"
    ]);
    eventually("messages", || {
        let text = Process::start(&mut hqq!["stats", &*name, "--json"])
            .wait()
            .text();
        let stats = json(&text);
        (stats["rings"][0]["taken"].as_u64().unwrap() > 100).then_some(())
    });
    let text = Process::start(&mut hqq!["stats", &*name, "--json", "--interval", "0.3"])
        .wait()
        .text();
    let stats = json(&text);
    for ring in [0, 1] {
        assert!(
            stats["rings"][ring]["taken_per_second"].as_f64().unwrap() > 0.0,
            "{text}"
        );
    }
    let screen = Process::start(&mut hqq!["top", &*name, "--once", "--interval", "0.3"])
        .wait()
        .text();
    for part in [
        &*name,
        "primary 1, process",
        "secondary 1, process",
        "alive",
        "/s",
    ] {
        assert!(screen.contains(part), "no `{part}` in {screen}");
    }
    let text = Process::start(&mut hqq!["top", "--once", "--json", "--interval", "0.1"])
        .wait()
        .text();
    let regions = json(&text);
    let regions = regions["regions"].as_array().unwrap();
    assert!(
        regions.iter().any(|region| region["name"] == *name),
        "{text}"
    );
    // Without a terminal there is nothing to draw on.
    let outcome = Process::start(&mut hqq!["top", &*name]).wait();
    outcome.with_code(2).complains(&["no terminal", "--once"]);
    // It has not disturbed them.
    assert!(echo.is_running() && ping.is_running());
    ping.signal(Signal::INT);
    let _ = ping.wait();
    echo.signal(Signal::INT);
    let _ = echo.wait();
}

/// What it has printed up to now, object by object; the last line may not be whole yet.
fn objects(top: &Process) -> Vec<Value> {
    let text = top.stdout();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(json).collect()
}

/// One object for each look, until it is told to end; a region that has gone is left out.
#[test]
fn a_stream_of_objects() {
    let name = region();
    let command = &mut hqq!["top", &*name, "--json", "--interval", "0.02"];
    let top = Process::start(command);
    let seen = eventually("three objects", || {
        Some(objects(&top)).filter(|objects| objects.len() > 2)
    });
    assert!(
        seen.iter()
            .all(|object| object["regions"][0]["name"] == *name)
    );
    hqq_std::unlink(&name).unwrap();
    eventually("an object without it", || {
        let last = objects(&top).pop()?;
        (last["regions"] == Value::Array(Vec::new())).then_some(())
    });
    top.signal(Signal::INT);
    top.wait().with_code(1).complains(&["signal 2"]);
}

/// It draws, and gives the terminal back as it was; other keys do nothing.
#[test]
fn keys_on_a_terminal() {
    for key in ["q", "xq", "\x1b", "\x03"] {
        let name = region();
        let top = format!("{:?}", hqq!["top", &*name, "--interval", "0.05"]);
        // `script` makes the terminal.
        let mut command = Command::new("script");
        let run = format!("stty rows 24 cols 80; exec {top}");
        command.args(["--quiet", "--return", "--command", &run, "/dev/null"]);
        let mut screen = Process::start_with(&mut command, Stdio::piped());
        screen.wait_for_output(&name);
        assert!(screen.is_running());
        let keys = screen.child().stdin.as_mut().unwrap();
        keys.write_all(key.as_bytes()).unwrap();
        keys.flush().unwrap();
        let says = screen.wait().text();
        let at = |what: &str| says.rfind(what).unwrap_or_else(|| panic!("{what:?}"));
        // The other screen, and back.
        assert!(at("\x1b[?1049h") < at(&name) && at(&name) < at("\x1b[?1049l"));
    }
}
