//! `--large` of `hqq send` and `hqq recv`, and calls beside it.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hqq_std::{AdvancedLink, AdvancedOptions, LinkOptions};
use hqq_tests::{LIMIT, Name, Process, eventually, hqq};
use rustix::process::Signal;

use crate::{MIB, end, input, piped, random, serve};

/// Sends `bytes` as one message; whoever starts first creates the region.
fn transfer(format: &str, from: impl Into<Stdio>, sender_first: bool) -> Vec<u8> {
    let name = Name::new();
    let mut send = hqq!["send", &*name, "--large"];
    let mut recv = hqq!["recv", &*name, "--large"];
    let create = ["--create", "--format", format];
    let (sender, receiver);
    if sender_first {
        sender = Process::start_with(send.args(create), from);
        eventually("the region to appear", || name.exists().then_some(()));
        receiver = Process::start(&mut recv);
    } else {
        receiver = Process::start(recv.args(create));
        eventually("the region to appear", || name.exists().then_some(()));
        sender = Process::start_with(&mut send, from);
    }
    let [received, sent] = [receiver, sender].map(|process| {
        let outcome = process.wait().with_code(0);
        assert_eq!(outcome.stderr, "");
        outcome.stdout
    });
    assert_eq!(sent, b"");
    assert!(!name.exists(), "who created it removes it");
    received
}

#[test]
fn large_messages_from_files_and_pipes() {
    let bytes = random(80 * MIB + 1);
    for format in ["2", "1"] {
        for sender_first in [true, false] {
            assert!(transfer(format, input(&bytes), sender_first) == bytes);
        }
        assert_eq!(transfer(format, Stdio::null(), true), b"");
        assert_eq!(transfer(format, input(b""), false), b"");
    }
    for sender_first in [true, false] {
        assert!(transfer("2", piped(bytes.clone()), sender_first) == bytes);
    }
    let some = bytes[..3 * MIB].to_vec();
    assert!(transfer("1", piped(some.clone()), true) == some);
}

/// What is written into the pipe, who sends it, and who receives it.
fn through_a_pipe(name: &Name) -> (io::PipeWriter, Process, Process) {
    let (reader, writer) = io::pipe().unwrap();
    let command = &mut hqq!["send", &**name, "--large", "--create"];
    let sender = Process::start_with(command, reader);
    eventually("the region to appear", || name.exists().then_some(()));
    let receiver = Process::start(&mut hqq!["recv", &**name, "--large"]);
    (writer, sender, receiver)
}

/// The same, where the receiver is there first, and a sender waits for it for so many seconds; both are at
/// work.
fn begun_through_a_pipe(name: &Name, wait: &str) -> (io::PipeWriter, Process, Process) {
    let (reader, mut writer) = io::pipe().unwrap();
    let mut receiver = Process::start(&mut hqq!["recv", &**name, "--large", "--create"]);
    eventually("the region to appear", || name.exists().then_some(()));
    let command = &mut hqq!["send", &**name, "--large", "--wait", wait];
    let sender = Process::start_with(command, reader);
    writer.write_all(b"begun").unwrap();
    receiver.wait_for_output("begun");
    (writer, sender, receiver)
}

#[test]
fn what_is_written_arrives_before_more_is() {
    let name = Name::new();
    let (mut writer, sender, mut receiver) = through_a_pipe(&name);
    for part in ["one", "two"] {
        writer.write_all(part.as_bytes()).unwrap();
        receiver.wait_for_output(part);
    }
    drop(writer);
    assert_eq!(receiver.wait().text(), "onetwo");
    let _ = sender.wait().with_code(0);
}

#[test]
fn a_sender_that_dies_breaks_its_message_off() {
    let name = Name::new();
    let (mut writer, sender, mut receiver) = through_a_pipe(&name);
    writer.write_all(&vec![b'a'; 100_000]).unwrap();
    receiver.wait_for_output("aaaa");
    sender.kill();
    let outcome = receiver.wait().with_code(1);
    outcome.complains(&["broke off"]);
}

#[test]
fn a_receiver_that_stands_still_is_not_waited_for_without_end() {
    // Less than the ring holds, which ends with the input, and more.
    for (len, rest) in [(1000, "received"), (4 * MIB, "sent")] {
        let name = Name::new();
        let (mut writer, sender, receiver) = begun_through_a_pipe(&name, "1");
        receiver.signal(Signal::STOP);
        let writing = std::thread::spawn(move || writer.write_all(&vec![b'a'; len]));
        let outcome = sender.wait().with_code(1);
        outcome.complains(&["has received nothing for 1s", rest]);
        // The sender's end of the pipe may have been the first to go.
        let _ = writing.join().unwrap();
        receiver.kill();
    }
}

#[test]
fn an_input_that_comes_slowly_is_no_receiver_that_stands_still() {
    let name = Name::new();
    let (mut writer, mut sender, receiver) = begun_through_a_pipe(&name, "1");
    // For longer than a receiver may stand still.
    std::thread::sleep(Duration::from_millis(1300));
    assert!(sender.is_running());
    writer.write_all(b", ended").unwrap();
    drop(writer);
    assert_eq!(receiver.wait().text(), "begun, ended");
    let _ = sender.wait().with_code(0);
}

#[test]
fn a_receiver_of_several_messages_waits_for_one_sender_after_the_other() {
    for format in ["2", "1"] {
        let name = Name::new();
        let mut recv = hqq!["recv", &*name, "--large", "--create", "--count", "3"];
        let receiver = Process::start(recv.args(["--format", format]));
        eventually("the region to appear", || name.exists().then_some(()));
        let mut all = Vec::new();
        for len in [100, 3 * MIB, 0] {
            let bytes = random(len);
            let mut send = hqq!["send", &*name, "--large"];
            let sender = Process::start_with(&mut send, input(&bytes));
            assert_eq!(sender.wait().with_code(0).stderr, "");
            all.extend(bytes);
        }
        assert!(receiver.wait().ok() == all);
        assert!(!name.exists());
    }
    // One that does not come.
    let name = Name::new();
    let mut recv = hqq!["recv", &*name, "--large", "--create", "--count", "2"];
    let receiver = Process::start(recv.args(["--wait", "2"]));
    eventually("the region to appear", || name.exists().then_some(()));
    let mut send = hqq!["send", &*name, "--large"];
    let _ = Process::start_with(&mut send, input(b"one")).wait().ok();
    let outcome = receiver.wait().with_code(1);
    assert_eq!(outcome.stdout, b"one");
    outcome.complains(&["no peer came in time"]);
}

/// How long a call takes while as many bytes as `HQQ_TRANSFER_BYTES` says (64 MiB by default) go
/// through the same link; calls overtake them. Printed, not judged.
#[test]
fn calls_are_answered_during_a_large_transfer() {
    let len = std::env::var("HQQ_TRANSFER_BYTES");
    let len: u64 = len.map_or(64 << 20, |text| text.parse().unwrap());
    let name = Name::new();
    let server = serve(&name, "2", &["1=wc -c", "2=cat"]);
    let link = AdvancedLink::open(&name, &LinkOptions::new(), AdvancedOptions::new()).unwrap();
    let deadline = || Instant::now().checked_add(LIMIT);
    let _ = link.negotiate(deadline()).unwrap();
    let call = || {
        let began = Instant::now();
        let answer = link.call_on(0, 2, &[7; 64], deadline()).unwrap();
        assert_eq!(answer, [7; 64]);
        began.elapsed()
    };
    let mut alone: Vec<_> = (0..10).map(|_| call()).collect();
    alone.sort_unstable();
    let over = AtomicBool::new(false);
    let mut times = std::thread::scope(|scope| {
        let transfer = scope.spawn(|| {
            let zeros = File::open("/dev/zero").unwrap().take(len);
            let mut answer = link.call_stream(1, zeros, Some(len), deadline()).unwrap();
            let mut text = String::new();
            answer.read_to_string(&mut text).unwrap();
            // Relaxed: only ends the calls.
            over.store(true, Ordering::Relaxed);
            text
        });
        let mut times = Vec::new();
        while times.is_empty() || !over.load(Ordering::Relaxed) {
            times.push(call());
        }
        assert_eq!(transfer.join().unwrap().trim(), len.to_string());
        times
    });
    times.sort_unstable();
    println!(
        "{} calls of 64 bytes, each a process: median {:.2?} during {} MiB, longest {:.2?}; alone {:.2?}",
        times.len(),
        times[times.len() / 2],
        len >> 20,
        times[times.len() - 1],
        alone[alone.len() / 2],
    );
    drop(link);
    assert_eq!(end(server, &name), "");
}
