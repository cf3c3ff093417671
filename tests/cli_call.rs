//! `hqq serve` and `hqq call`; `--large` of `hqq send` and `hqq recv`.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use hqq_std::{AdvancedLink, AdvancedOptions, LinkOptions};
use hqq_tests::{LIMIT, Name, Outcome, Process, eventually, hqq};
use rustix::process::{Pid, Signal, test_kill_process};

const MIB: usize = 1 << 20;

/// A server with these methods, in a region of this format.
fn serve(name: &Name, format: &str, methods: &[&str]) -> Process {
    let mut command = hqq!["serve", &**name, "--create", "--format", format];
    for method in methods {
        command.args(["--method", method]);
    }
    let process = Process::start(&mut command);
    eventually("the region to appear", || name.exists().then_some(()));
    process
}

/// Ends a server in order.
#[track_caller]
fn end(process: Process, name: &Name) -> String {
    process.signal(Signal::TERM);
    let outcome = process.wait().with_code(0);
    assert!(!name.exists());
    outcome.stderr
}

/// A file to read from, with these bytes.
fn input(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

/// A pipe to read from, with these bytes and then its end.
fn piped(bytes: Vec<u8>) -> io::PipeReader {
    let (reader, mut writer) = io::pipe().unwrap();
    // Nobody reads all of it where a call fails.
    std::thread::spawn(move || writer.write_all(&bytes));
    reader
}

fn call(name: &Name, method: &str, body: impl Into<Stdio>) -> Outcome {
    Process::start_with(&mut hqq!["call", &**name, method], body).wait()
}

/// `len` bytes without a pattern.
fn random(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let mut source = File::open("/dev/urandom").unwrap();
    source.read_exact(&mut bytes).unwrap();
    bytes
}

/// What `sha256sum` prints of a file.
fn sha256(file: File) -> String {
    Process::start_with(&mut Command::new("sha256sum"), file)
        .wait()
        .text()
}

#[test]
fn commands_answer_caller_after_caller() {
    for format in ["2", "1"] {
        let name = Name::new();
        let methods = ["1=wc -c", "2=cat", "3=echo $HQQ_METHOD", "4=true"];
        let server = serve(&name, format, &methods);
        for len in [0, 1, 70_000] {
            let bytes = random(len);
            let text = call(&name, "1", input(&bytes)).text();
            assert_eq!(text.trim(), len.to_string());
            // A pipe, of which nobody knows how long it is.
            let text = call(&name, "1", piped(bytes.clone())).text();
            assert_eq!(text.trim(), len.to_string());
            assert!(call(&name, "2", input(&bytes)).ok() == bytes);
            assert_eq!(call(&name, "3", input(&bytes)).text(), "3\n");
            assert_eq!(call(&name, "4", input(&bytes)).ok(), b"");
        }
        assert_eq!(end(server, &name), "");
    }
}

#[test]
fn a_hundred_mebibytes_go_in_and_come_out() {
    let bytes = random(100 * MIB);
    let expected = sha256(input(&bytes));
    for format in ["2", "1"] {
        let name = Name::new();
        let server = serve(&name, format, &["1=sha256sum", "2=cat"]);
        assert_eq!(call(&name, "1", input(&bytes)).text(), expected);
        assert!(call(&name, "2", input(&bytes)).ok() == bytes);
        if format == "2" {
            let answer = call(&name, "1", piped(bytes.clone()));
            assert_eq!(answer.text(), expected);
        }
        assert_eq!(end(server, &name), "");
    }
}

#[test]
fn failures_are_error_responses() {
    for format in ["2", "1"] {
        let name = Name::new();
        let methods = ["1=echo partly; exit 3", "2=kill -9 $$", "3=cat"];
        let server = serve(&name, format, &methods);
        let outcome = call(&name, "1", Stdio::null()).with_code(1);
        outcome.complains(&["status 3", "partly"]);
        assert_eq!(outcome.stdout, b"");
        let outcome = call(&name, "2", Stdio::null()).with_code(1);
        outcome.complains(&["status 137"]);
        // Also while the request is still being sent.
        for len in [0, 10 * MIB] {
            let outcome = call(&name, "9", input(&vec![0; len])).with_code(1);
            outcome.complains(&["status 6", "no such method"]);
        }
        assert_eq!(call(&name, "3", input(b"go on")).ok(), b"go on");
        assert_eq!(end(server, &name), "");
    }
}

#[test]
fn a_command_that_fails_after_much_output_breaks_the_answer_off() {
    let name = Name::new();
    let server = serve(&name, "2", &["1=head -c 3000000 /dev/zero; exit 4"]);
    let outcome = call(&name, "1", Stdio::null()).with_code(1);
    outcome.complains(&["broke off"]);
    assert!(end(server, &name).contains("status 4"));
}

#[test]
fn a_command_need_not_read_its_input() {
    for format in ["2", "1"] {
        let name = Name::new();
        let server = serve(&name, format, &["1=echo enough", "2=head -c 3"]);
        let bytes = vec![b'x'; 5 * MIB];
        assert_eq!(call(&name, "1", input(&bytes)).text(), "enough\n");
        assert_eq!(call(&name, "2", input(&bytes)).text(), "xxx");
        assert_eq!(end(server, &name), "");
    }
}

/// The id of a process that has written it to this file.
fn process_in(file: &std::path::Path) -> Pid {
    eventually("the command to begin", || {
        let text = std::fs::read_to_string(file).ok()?;
        let line = text.strip_suffix('\n')?;
        Pid::from_raw(line.parse().unwrap())
    })
}

/// Waits until there is no such process.
fn ends(process: Pid) {
    eventually("the end of the command", || {
        test_kill_process(process).is_err().then_some(())
    });
}

#[test]
fn nothing_of_a_command_is_left_when_its_caller_gives_up() {
    for format in ["2", "1"] {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("process");
        let name = Name::new();
        // What the shell starts is to end, too.
        let command = format!("1=sleep 1000 & echo $! > {}; wait", file.display());
        let server = serve(&name, format, &[&command, "2=cat"]);

        // By its timeout, by a signal, by its death.
        let timeout = &mut hqq!["call", &*name, "1", "--timeout", "0.3"];
        Process::start(timeout)
            .wait()
            .with_code(1)
            .complains(&["in time"]);
        ends(process_in(&file));

        if format == "2" {
            for signal in [Signal::TERM, Signal::KILL] {
                std::fs::remove_file(&file).unwrap();
                let caller = Process::start(&mut hqq!["call", &*name, "1"]);
                let process = process_in(&file);
                caller.signal(signal);
                assert!(!caller.wait().status.success());
                ends(process);
            }
        }
        assert_eq!(call(&name, "2", input(b"next")).ok(), b"next");

        // The server's end is theirs, too.
        std::fs::remove_file(&file).unwrap();
        let caller = Process::start(&mut hqq!["call", &*name, "1", "--timeout", "5"]);
        let process = process_in(&file);
        let _ = end(server, &name);
        ends(process);
        let _ = caller.wait().with_code(1);
    }
}

/// This command with no more than 64 MiB of memory to write.
fn in_little_memory(command: &Command) -> Command {
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -d 65536; exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args());
    limited
}

#[test]
fn bodies_of_unknown_length_take_no_memory() {
    const LEN: usize = 80 * MIB;
    let zeros = || {
        let mut zeros = Command::new("head");
        let zeros = zeros.args(["-c", &LEN.to_string(), "/dev/zero"]);
        let mut zeros = zeros.stdout(Stdio::piped()).spawn().unwrap();
        let output = zeros.stdout.take().unwrap();
        // Who reads all of it waits for its end.
        std::thread::spawn(move || zeros.wait());
        output
    };
    for format in ["1", "2"] {
        let name = Name::new();
        // Which begins to read when much of it has come.
        let methods = ["1=sleep 0.5; wc -c", "2=head -c 83886080 /dev/zero"];
        let mut command = hqq!["serve", &*name, "--create", "--format", format];
        for method in methods {
            command.args(["--method", method]);
        }
        let server = Process::start(&mut in_little_memory(&command));
        eventually("the region to appear", || name.exists().then_some(()));
        let text = Process::start_with(&mut in_little_memory(&hqq!["call", &*name, "1"]), zeros())
            .wait()
            .text();
        assert_eq!(text.trim(), LEN.to_string());
        let null = File::options().write(true).open("/dev/null").unwrap();
        let call = &mut in_little_memory(&hqq!["call", &*name, "2"]);
        let call = Process::start_between(call, Stdio::null(), null);
        let _ = call.wait().with_code(0);
        assert_eq!(end(server, &name), "");
    }
}

#[test]
fn a_call_ends_in_time_however_its_answer_comes() {
    let name = Name::new();
    // All the time, and now and then.
    let server = serve(
        &name,
        "2",
        &[
            "1=cat /dev/zero",
            "2=head -c 1048576 /dev/zero; while sleep 0.05; do echo; done",
        ],
    );
    for method in ["1", "2"] {
        let null = File::options().write(true).open("/dev/null").unwrap();
        let call = &mut hqq!["call", &*name, method, "--timeout", "0.5"];
        let outcome = Process::start_between(call, Stdio::null(), null).wait();
        outcome.with_code(1).complains(&["in time"]);
    }
    end(server, &name);
}

#[test]
fn serving_ends_in_order_while_a_caller_stalls() {
    for format in ["2", "1"] {
        let name = Name::new();
        let server = serve(&name, format, &["1=head -c 9000000 /dev/zero"]);
        let (mut answer, answering) = io::pipe().unwrap();
        let call = &mut hqq!["call", &*name, "1"];
        let _stalls = Process::start_between(call, Stdio::null(), answering);
        // It has begun to get its answer, and takes no more.
        answer.read_exact(&mut [0; 9]).unwrap();
        end(server, &name);
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("request");
    let name = Name::new();
    let server = serve(&name, "2", &[&format!("1=cat > {}", file.display())]);
    let (request, mut requesting) = io::pipe().unwrap();
    let _stalls = Process::start_with(&mut hqq!["call", &*name, "1"], request);
    requesting.write_all(b"not all").unwrap();
    eventually("the request to begin", || {
        std::fs::metadata(&file)
            .ok()
            .filter(|file| file.len() == 7)
            .map(drop)
    });
    end(server, &name);
}

#[test]
fn requests_are_answered_at_the_same_time() {
    let name = Name::new();
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    // Either waits for the other.
    let (writes, reads) = (
        format!("1=echo met > {}", pipe.display()),
        format!("2=cat {}", pipe.display()),
    );
    let server = serve(&name, "2", &[&writes, &reads]);
    let link = AdvancedLink::open(&name, &LinkOptions::new(), AdvancedOptions::new()).unwrap();
    let deadline = || Instant::now().checked_add(LIMIT);
    let _ = link.negotiate(deadline()).unwrap();
    let second = link.start_call(2, b"").unwrap();
    let first = link.start_call(1, b"").unwrap();
    assert_eq!(second.wait_until(deadline()).unwrap(), b"met\n");
    assert_eq!(first.wait_until(deadline()).unwrap(), b"");
    drop(link);
    assert_eq!(end(server, &name), "");
}

#[test]
fn serving_ends_with_its_only_caller_where_that_is_asked_for() {
    let name = Name::new();
    let command = &mut hqq!["serve", &*name, "--create", "--once", "--method", "1=cat"];
    let server = Process::start(command);
    eventually("the region to appear", || name.exists().then_some(()));
    assert_eq!(call(&name, "1", input(b"once")).ok(), b"once");
    let outcome = server.wait().with_code(0);
    assert_eq!(outcome.stderr, "");
    assert!(!name.exists());
}

#[test]
fn a_call_to_nobody_ends() {
    let name = Name::new();
    let command = &mut hqq!["call", &*name, "1", "--wait", "0.1"];
    let _ = Process::start(command).wait().with_code(1);
    LinkOptions::new().create_region(&name).unwrap();
    let outcome = Process::start(command).wait().with_code(1);
    outcome.complains(&["no peer", "hqq serve"]);
}

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

#[test]
fn what_is_written_arrives_before_more_is() {
    let name = Name::new();
    let (reader, mut writer) = io::pipe().unwrap();
    let command = &mut hqq!["send", &*name, "--large", "--create"];
    let sender = Process::start_with(command, reader);
    eventually("the region to appear", || name.exists().then_some(()));
    let mut receiver = Process::start(&mut hqq!["recv", &*name, "--large"]);
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
    let (reader, mut writer) = io::pipe().unwrap();
    let command = &mut hqq!["send", &*name, "--large", "--create"];
    let sender = Process::start_with(command, reader);
    eventually("the region to appear", || name.exists().then_some(()));
    let mut receiver = Process::start(&mut hqq!["recv", &*name, "--large"]);
    writer.write_all(&vec![b'a'; 100_000]).unwrap();
    receiver.wait_for_output("aaaa");
    sender.kill();
    let outcome = receiver.wait().with_code(1);
    outcome.complains(&["broke off"]);
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
