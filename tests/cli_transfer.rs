//! `hqq send` and `hqq recv`: a pipe between any two programs, whichever starts first.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use hqq_std::LinkOptions;
use hqq_std::inspect::Snapshot;
use hqq_tests::{Name, Outcome, Process, eventually, hqq};
use rustix::process::Signal;

/// A file to read from, with these bytes.
fn input(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

fn appears(name: &Name) {
    eventually("the region to appear", || name.exists().then_some(()));
}

/// Runs a sender and a receiver, the first with `--create`, the second when the region is there.
/// Both must end well and quietly, and the name must be gone.
fn transfer(
    name: &Name,
    mut send: Command,
    from: impl Into<Stdio>,
    mut recv: Command,
    sender_first: bool,
) -> Vec<u8> {
    let (sender, receiver);
    if sender_first {
        sender = Process::start_with(send.arg("--create"), from);
        appears(name);
        receiver = Process::start(&mut recv);
    } else {
        receiver = Process::start(recv.arg("--create"));
        appears(name);
        sender = Process::start_with(&mut send, from);
    }
    let received = quietly(receiver.wait());
    let _ = quietly(sender.wait());
    assert!(!name.exists(), "who created it removes it");
    received
}

fn quietly(outcome: Outcome) -> Vec<u8> {
    let outcome = outcome.with_code(0);
    assert_eq!(outcome.stderr, "");
    outcome.stdout
}

#[test]
fn random_bytes_arrive_whichever_end_starts_first() {
    let mut bytes = vec![0; 50 << 20];
    let mut random = File::open("/dev/urandom").unwrap();
    random.read_exact(&mut bytes).unwrap();
    for sender_first in [true, false] {
        let name = Name::new();
        let received = transfer(
            &name,
            hqq!["send", &*name],
            input(&bytes),
            hqq!["recv", &*name],
            sender_first,
        );
        assert!(received == bytes, "{} bytes", received.len());
    }
}

#[test]
fn lines_arrive_one_by_one_empty_ones_included() {
    let mut text: String = (1..=100_000).map(|number| format!("{number}\n")).collect();
    text.push_str("\n\nafter two empty lines\n\n");
    for sender_first in [true, false] {
        let name = Name::new();
        let received = transfer(
            &name,
            hqq!["send", &*name, "--lines"],
            input(text.as_bytes()),
            hqq!["recv", &*name, "--lines"],
            sender_first,
        );
        assert!(received == text.as_bytes(), "{} bytes", received.len());
    }
}

#[test]
fn a_last_line_without_its_newline_is_a_message() {
    let name = Name::new();
    let send = hqq!["send", &*name, "--lines"];
    let recv = hqq!["recv", &*name, "--lines"];
    let received = transfer(&name, send, input(b"a\nb"), recv, true);
    assert_eq!(received, b"a\nb\n");
}

#[test]
fn no_input_at_all_ends_well_whichever_end_starts_first() {
    for sender_first in [true, false] {
        let name = Name::new();
        let (send, recv) = (hqq!["send", &*name], hqq!["recv", &*name]);
        let received = transfer(&name, send, Stdio::null(), recv, sender_first);
        assert_eq!(received, b"");
    }
}

#[test]
fn both_may_offer_to_create() {
    for _ in 0..5 {
        let name = Name::new();
        let sender = Process::start_with(
            &mut hqq!["send", &*name, "--create"],
            input(b"to whom it may concern"),
        );
        let receiver = Process::start(&mut hqq!["recv", &*name, "--create"]);
        assert_eq!(quietly(receiver.wait()), b"to whom it may concern");
        let _ = quietly(sender.wait());
        assert!(!name.exists());
    }
}

#[test]
fn the_smallest_region_carries_everything_too() {
    let name = Name::new();
    let bytes: Vec<u8> = (0..20_000_u32).map(|index| (index % 251) as u8).collect();
    let send = hqq!["send", &*name, "--count", "2", "--size", "8"];
    let recv = hqq!["recv", &*name];
    let received = transfer(&name, send, input(&bytes), recv, true);
    assert!(received == bytes, "{} bytes", received.len());
}

/// Some files and directories.
fn tree(root: &Path) {
    for directory in ["a/b/c", "d", "empty"] {
        std::fs::create_dir_all(root.join(directory)).unwrap();
    }
    for (index, path) in ["a/1", "a/b/2", "a/b/c/3", "d/4"].into_iter().enumerate() {
        let bytes = vec![b'0' + index as u8; index * 70_000];
        std::fs::write(root.join(path), bytes).unwrap();
    }
}

fn same(left: &Path, right: &Path) {
    let output = Command::new("diff")
        .arg("-r")
        .args([left, right])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn a_tree_is_copied_between_two_tars() {
    for sender_first in [true, false] {
        let name = Name::new();
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        tree(&from);
        std::fs::create_dir(&to).unwrap();

        let packing = |send: &mut Command| {
            let mut tar = Command::new("tar");
            tar.arg("-C").arg(&from).args(["-c", "-f", "-", "."]);
            let (reader, writer) = std::io::pipe().unwrap();
            let tar = Process::start_between(&mut tar, Stdio::null(), writer);
            [tar, Process::start_with(send, reader)]
        };
        let unpacking = |recv: &mut Command| {
            let mut tar = Command::new("tar");
            tar.arg("-C").arg(&to).args(["-x", "-f", "-"]);
            let (reader, writer) = std::io::pipe().unwrap();
            let recv = Process::start_between(recv, Stdio::null(), writer);
            [recv, Process::start_with(&mut tar, reader)]
        };
        let (mut send, mut recv) = (hqq!["send", &*name], hqq!["recv", &*name]);
        let (packing, unpacking) = if sender_first {
            let packing = packing(send.arg("--create"));
            appears(&name);
            (packing, unpacking(&mut recv))
        } else {
            let unpacking = unpacking(recv.arg("--create"));
            appears(&name);
            (packing(&mut send), unpacking)
        };
        for process in packing.into_iter().chain(unpacking) {
            let _ = quietly(process.wait());
        }
        same(&from, &to);
        assert!(!name.exists());
    }
}

#[test]
fn a_region_that_was_there_stays() {
    let name = Name::new();
    LinkOptions::new()
        .count(4)
        .size(64)
        .create_region(&name)
        .unwrap();
    for round in [b"first", b"again"] {
        let sender = Process::start_with(&mut hqq!["send", &*name], input(round));
        let receiver = Process::start(&mut hqq!["recv", &*name]);
        assert_eq!(quietly(receiver.wait()), round);
        let _ = quietly(sender.wait());
        assert!(name.exists());
    }
}

#[test]
fn a_reader_of_the_output_that_leaves_is_no_complaint() {
    let name = Name::new();
    let text = "line\n".repeat(200_000);
    let sender = Process::start_with(
        &mut hqq!["send", &*name, "--lines", "--create"],
        input(text.as_bytes()),
    );
    appears(&name);
    let (reader, writer) = std::io::pipe().unwrap();
    let receiver =
        Process::start_between(&mut hqq!["recv", &*name, "--lines"], Stdio::null(), writer);
    let head = Process::start_with(Command::new("head").args(["-n", "1"]), reader);
    assert_eq!(head.wait().text(), "line\n");
    assert_eq!(quietly(receiver.wait()), b"");
    // The sender, though, could not send everything.
    let outcome = sender.wait().with_code(1);
    outcome.complains(&["receiver has left", "unread"]);
    assert!(!name.exists());
}

#[test]
fn a_receiver_that_has_enough_leaves_and_the_sender_says_so() {
    let name = Name::new();
    let text: String = (0..1000).map(|number| format!("{number}\n")).collect();
    let sender = Process::start_with(
        &mut hqq!["send", &*name, "--lines", "--create", "--count", "16"],
        input(text.as_bytes()),
    );
    appears(&name);
    let command = &mut hqq!["recv", &*name, "--lines", "--count", "5"];
    let receiver = Process::start(command);
    assert_eq!(quietly(receiver.wait()), b"0\n1\n2\n3\n4\n");
    let outcome = sender.wait().with_code(1);
    outcome.complains(&["receiver has left", "unread", "not sent"]);
    assert!(!name.exists());
}

#[test]
fn sending_to_nobody_says_how_much_is_unread() {
    let name = Name::new();
    let command = &mut hqq!["send", &*name, "--create", "--lines", "--wait", "0.2"];
    let outcome = Process::start_with(command, input(b"1\n2\n3\n")).wait();
    outcome.with_code(1).complains(&["3 messages unread"]);
    assert!(!name.exists());

    // More than fits the ring.
    let command = command.args(["--count", "2"]);
    let outcome = Process::start_with(command, input(b"1\n2\n3\n")).wait();
    let outcome = outcome.with_code(1);
    outcome.complains(&["2 messages unread", "not sent"]);
    assert!(!name.exists());
}

#[test]
fn messages_left_unread_in_a_region_that_stays_are_kept() {
    let name = Name::new();
    LinkOptions::new().create_region(&name).unwrap();
    let command = &mut hqq!["send", &*name, "--lines", "--wait", "0.2"];
    let outcome = Process::start_with(command, input(b"kept\n")).wait();
    outcome.with_code(1).complains(&["1 message unread"]);
    assert_eq!(Snapshot::of_name(&name).unwrap().rings[0].unread, 1);
    let mut recv = hqq!["recv", &*name, "--lines", "--role", "secondary"];
    let outcome = Process::start(&mut recv).wait();
    assert_eq!(quietly(outcome), b"kept\n");
}

#[test]
fn receiving_from_nobody_ends() {
    let name = Name::new();
    let command = &mut hqq!["recv", &*name, "--create", "--wait", "0.1"];
    let outcome = Process::start(command).wait().with_code(1);
    outcome.complains(&["no sender"]);
    assert!(!name.exists());
}

#[test]
fn another_receiver_is_not_the_end_of_the_input() {
    let name = Name::new();
    let first = Process::start(&mut hqq![
        "recv", &*name, "--create", "--wait", "20", "--lines"
    ]);
    appears(&name);
    let second = Process::start(&mut hqq!["recv", &*name, "--wait", "0.3"]).wait();
    second
        .with_code(1)
        .complains(&["no sender came", "only another receiver"]);
    // The first one waits for a sender still.
    let send = &mut hqq!["send", &*name, "--lines"];
    let _ = quietly(Process::start_with(send, input(b"late\n")).wait());
    assert_eq!(quietly(first.wait()), b"late\n");
}

#[test]
fn another_sender_is_not_a_receiver_that_left() {
    let name = Name::new();
    let send = &mut hqq!["send", &*name, "--create", "--wait", "20", "--lines"];
    let first = Process::start_with(send, input(b"kept\n"));
    appears(&name);
    let send = &mut hqq!["send", &*name, "--wait", "0.3"];
    let second = Process::start_with(send, input(b"lost")).wait();
    second
        .with_code(1)
        .complains(&["only another sender", "1 message unread"]);
    let received = Process::start(&mut hqq!["recv", &*name, "--lines"]).wait();
    assert_eq!(quietly(received), b"kept\n");
    let _ = quietly(first.wait());
}

#[test]
fn receiving_times_out_when_the_sender_is_silent() {
    let name = Name::new();
    let mut near = LinkOptions::new().count(4).size(64).create(&name).unwrap();
    near.send(b"one").unwrap();
    let command = &mut hqq!["recv", &*name, "--lines", "--timeout", "0.2"];
    let outcome = Process::start(command).wait().with_code(1);
    outcome.complains(&["no message"]);
    assert_eq!(outcome.stdout, b"one\n", "what came is written");
}

#[test]
fn a_sender_that_dies_is_not_the_end_of_its_input() {
    let name = Name::new();
    LinkOptions::new().create_region(&name).unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let sender = Process::start_with(&mut hqq!["send", &*name, "--lines"], reader);
    let mut receiver = Process::start(&mut hqq!["recv", &*name, "--lines"]);
    writer.write_all(b"one\n").unwrap();
    receiver.wait_for_output("one\n");
    sender.kill();
    let outcome = receiver.wait().with_code(1);
    outcome.complains(&["sender died"]);
    assert_eq!(outcome.stdout, b"one\n");
}

#[test]
fn signals_end_commands_and_leave_no_region() {
    for signal in [Signal::TERM, Signal::INT] {
        for command in ["send", "recv"] {
            let name = Name::new();
            // Open input, so that a sender waits for it.
            let (reader, writer) = std::io::pipe().unwrap();
            let mut process = Process::start_with(&mut hqq![command, &*name, "--create"], reader);
            appears(&name);
            assert!(process.is_running());
            process.signal(signal);
            let outcome = process.wait().with_code(1);
            outcome.complains(&["signal"]);
            assert!(!name.exists(), "{command} {signal:?}");
            drop(writer);
        }
    }
}

#[test]
fn a_signal_ends_a_transfer_under_way() {
    let name = Name::new();
    let zeros = File::open("/dev/zero").unwrap();
    let sender = Process::start_with(&mut hqq!["send", &*name, "--create"], zeros);
    appears(&name);
    let sink = File::options().write(true).open("/dev/null").unwrap();
    let receiver = Process::start_between(&mut hqq!["recv", &*name], Stdio::null(), sink);
    eventually("messages to flow", || {
        let snapshot = Snapshot::of_name(&name).ok()?;
        (snapshot.rings[0].consumer_counter.get() > 1000).then_some(())
    });
    sender.signal(Signal::INT);
    sender.wait().with_code(1).complains(&["signal"]);
    assert!(!name.exists());
    // To the receiver it is a sender that has closed its half.
    let _ = receiver.wait().ok();
}
