//! Other processes: started, watched, and ended whatever happens to the test.
#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "a helper that fails fails the test"
)]

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal};

use crate::support::eventually;

/// A process that is killed and reaped when this is dropped.
///
/// What it prints goes to files, so that it never waits for the test.
#[derive(Debug)]
pub struct Process {
    label: String,
    child: Child,
    stdout: File,
    stderr: File,
}

/// How a process ended.
#[derive(Debug)]
pub struct Outcome {
    label: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed, as bytes.
    pub stdout: Vec<u8>,
    /// What it complained about.
    pub stderr: String,
}

impl Process {
    /// Starts a process with nothing to read.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        Self::spawn(command, Stdio::null(), None)
    }

    /// Starts a process that reads from `input`.
    #[must_use]
    pub fn start_with(command: &mut Command, input: impl Into<Stdio>) -> Self {
        Self::spawn(command, input.into(), None)
    }

    /// Starts a process whose standard input is `input` and whose standard output is `output`.
    #[must_use]
    pub fn start_between(
        command: &mut Command,
        input: impl Into<Stdio>,
        output: impl Into<Stdio>,
    ) -> Self {
        Self::spawn(command, input.into(), Some(output.into()))
    }

    fn spawn(command: &mut Command, input: Stdio, output: Option<Stdio>) -> Self {
        let file = || tempfile::tempfile().expect("a temporary file");
        let (stdout, stderr) = (file(), file());
        let copy = |file: &File| Stdio::from(file.try_clone().expect("a descriptor"));
        command
            .stdin(input)
            .stdout(output.unwrap_or_else(|| copy(&stdout)))
            .stderr(copy(&stderr));
        let label = format!("{command:?}");
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{label} does not start: {error}"));
        Self {
            label,
            child,
            stdout,
            stderr,
        }
    }

    /// The process, for its pipes.
    pub const fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed up to now.
    #[must_use]
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&contents(&self.stdout)).into_owned()
    }

    /// What it has complained about up to now.
    #[must_use]
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&contents(&self.stderr)).into_owned()
    }

    /// Waits until it has printed `text`.
    pub fn wait_for_output(&mut self, text: &str) {
        eventually(&format!("`{text}` from {}", self.label), || {
            if self.stdout().contains(text) {
                return Some(());
            }
            if let Some(status) = self.child.try_wait().expect("its state") {
                // It may have printed that and ended since.
                assert!(
                    self.stdout().contains(text),
                    "{} ended ({status}) without printing `{text}`: {}",
                    self.label,
                    self.stderr()
                );
                return Some(());
            }
            None
        });
    }

    /// Says `line` to it, through a standard input that is [`Stdio::piped`].
    pub fn say(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("a piped input");
        writeln!(input, "{line}").unwrap_or_else(|error| panic!("{}: {error}", self.label));
    }

    /// Closes its standard input.
    pub fn end_input(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("a process id");
        let process = Pid::from_raw(id).expect("not 0");
        rustix::process::kill_process(process, signal).expect("it was not reaped yet");
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_none()
    }

    /// Kills it and waits for its end.
    pub fn kill(mut self) {
        self.child.kill().expect("it was not reaped yet");
        eventually(&format!("the end of {}", self.label), || {
            self.child.try_wait().expect("its state")
        });
    }

    /// Waits for its end; fails the test if that does not come.
    #[must_use]
    pub fn wait(mut self) -> Outcome {
        let status = eventually(&format!("the end of {}", self.label), || {
            self.child.try_wait().expect("its state")
        });
        Outcome {
            label: std::mem::take(&mut self.label),
            status,
            stdout: contents(&self.stdout),
            stderr: self.stderr(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail where it was reaped already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything in a file that somebody else is writing; leaves their offset alone.
fn contents(file: &File) -> Vec<u8> {
    let len = file.metadata().expect("its length").len();
    let mut bytes = vec![0; usize::try_from(len).expect("a short file")];
    file.read_exact_at(&mut bytes, 0).expect("its bytes");
    bytes
}

impl Outcome {
    /// Fails the test unless the process ended with this exit code.
    #[track_caller]
    #[must_use]
    pub fn with_code(self, code: i32) -> Self {
        assert_eq!(
            self.status.code(),
            Some(code),
            "{} ended with {}: {}",
            self.label,
            self.status,
            self.stderr
        );
        self
    }

    /// Fails the test unless the process ended well; gives what it printed.
    #[track_caller]
    #[must_use]
    pub fn ok(self) -> Vec<u8> {
        self.with_code(0).stdout
    }

    /// As [`Outcome::ok`], of a process that prints text.
    #[track_caller]
    #[must_use]
    pub fn text(self) -> String {
        String::from_utf8(self.ok()).expect("text")
    }

    /// Fails the test unless each of these is in what the process complained about.
    #[track_caller]
    pub fn complains(&self, parts: &[&str]) {
        for part in parts {
            assert!(
                self.stderr.contains(part),
                "{} does not say `{part}`: {}",
                self.label,
                self.stderr
            );
        }
    }
}
