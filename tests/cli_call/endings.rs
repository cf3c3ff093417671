//! How calls and servers end: with their caller, in time, in order; and in what memory.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Instant;

use hqq_std::{AdvancedLink, AdvancedOptions, LinkOptions};
use hqq_tests::{LIMIT, Name, Process, eventually, hqq};
use rustix::process::{Pid, Signal, test_kill_process};

use crate::{MIB, call, end, input, serve};

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

/// A command must not take what came for all of it.
#[test]
fn a_command_does_not_see_the_end_of_a_request_that_was_given_up() {
    for signal in [Signal::TERM, Signal::KILL] {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name);
        let name = Name::new();
        let command = format!(
            "1=cd {}; echo $$ > process; cat > part && mv part whole",
            directory.path().display()
        );
        let server = serve(&name, "2", &[&command]);
        let (request, mut requesting) = io::pipe().unwrap();
        let caller = Process::start_with(&mut hqq!["call", &*name, "1"], request);
        requesting.write_all(b"not all").unwrap();
        eventually("the request to begin", || {
            let part = std::fs::metadata(file("part")).ok()?;
            (part.len() == 7).then_some(())
        });
        let process = process_in(&file("process"));
        caller.signal(signal);
        assert!(!caller.wait().status.success());
        ends(process);
        assert!(!file("whole").exists(), "half a request was taken for all");
        end(server, &name);
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
fn a_call_ends_in_time_whatever_it_waits_for() {
    let name = Name::new();
    let call = || {
        let call = &mut hqq!["call", &*name, "1", "--wait", "3600", "--timeout", "0.3"];
        let _ = Process::start(call).wait().with_code(1);
    };
    // For the region, for the peer, for its answer to the offer.
    call();
    LinkOptions::new().create_region(&name).unwrap();
    call();
    let _silent = LinkOptions::new().open(&name).unwrap();
    call();
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
