//! `hqq serve` and `hqq call`; `--large` of `hqq send` and `hqq recv`.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

mod answers;
mod endings;
mod transfers;

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::process::{Command, Stdio};

use hqq_tests::{Name, Outcome, Process, eventually, hqq};
use rustix::process::Signal;

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
