//! A child that is stepped through one call, instruction by instruction, and what the region holds after
//! each: what a kill there would leave.
#![allow(unsafe_code, reason = "ptrace is an unsafe call")]

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use hqq_tests::{Name, Sheet};
use nix::libc;
use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// A child that stands still between two instructions.
pub(crate) struct Stepper {
    child: Child,
    _together: Together,
}

/// This thread on the one core that it is on, with the children that it starts: one of the two waits for the
/// other at each step, and waking another core takes longer than the rest of it.
struct Together(CpuSet);

impl Together {
    fn new() -> Self {
        let before = sched_getaffinity(None).unwrap();
        let mut one = CpuSet::new();
        one.set(sched_getcpu());
        sched_setaffinity(None, &one).unwrap();
        Self(before)
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        // It was so before.
        let _ = sched_setaffinity(None, &self.0);
    }
}

impl Stepper {
    /// Starts a child, up to where it asks to be stepped.
    pub(crate) fn start(arguments: &[&str], sheet: &Path) -> Self {
        let together = Together::new();
        let mut command = Command::new(env!("CARGO_BIN_EXE_victim"));
        command
            .arg("step")
            .args(arguments)
            .arg(sheet)
            .stdin(Stdio::null());
        let child = Self {
            child: command.spawn().unwrap(),
            _together: together,
        };
        assert_eq!(child.wait(), Some(libc::SIGSTOP), "it did not get there");
        child
    }

    fn id(&self) -> libc::pid_t {
        self.child.id().try_into().unwrap()
    }

    /// The signal that it has stopped for.
    fn wait(&self) -> Option<i32> {
        let mut status = 0;
        // SAFETY: waits for a child of this thread.
        let waited = unsafe { libc::waitpid(self.id(), &raw mut status, libc::__WALL) };
        (waited == self.id() && libc::WIFSTOPPED(status)).then(|| libc::WSTOPSIG(status))
    }

    /// One instruction; `false` where it has come to the end of its call.
    pub(crate) fn step(&self) -> bool {
        self.go_on(libc::PTRACE_SINGLESTEP)
    }

    /// To the next beginning or end of a system call; `false` as above.
    pub(crate) fn to_system_call(&self) -> bool {
        self.go_on(libc::PTRACE_SYSCALL)
    }

    fn go_on(&self, request: libc::c_uint) -> bool {
        self.resume(request);
        match self.wait() {
            Some(libc::SIGTRAP) => true,
            Some(libc::SIGSTOP) => false,
            other => panic!("it stopped for {other:?}"),
        }
    }

    fn resume(&self, request: libc::c_uint) {
        let none = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: has a child go on that is traced by this thread and stands still.
        let resumed = unsafe { libc::ptrace(request, self.id(), none, none) };
        assert_eq!(resumed, 0, "{}", std::io::Error::last_os_error());
    }

    /// Lets it go on by itself until it ends; `is_within` its call it is, or at the end of that.
    pub(crate) fn finish(mut self, is_within: bool) {
        if is_within {
            assert!(!self.go_on(libc::PTRACE_CONT), "it stopped amid its call");
        }
        self.resume(libc::PTRACE_DETACH);
        let ended = self.child.wait().unwrap();
        assert!(ended.success(), "{ended}");
    }
}

impl Drop for Stepper {
    fn drop(&mut self) {
        // Both fail where it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The bytes of a region's file.
pub(crate) fn image(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// A region with these bytes, in which nobody lives.
pub(crate) fn region_of(image: &[u8]) -> Name {
    let name = Name::new();
    let file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(name.path());
    std::io::Write::write_all(&mut file.unwrap(), image).unwrap();
    name
}

/// A region that the child works on while it is watched, and what it held when it was last looked at.
struct Watched {
    memory: memmap2::MmapRaw,
    last: Vec<u8>,
}

impl Watched {
    /// `None` as long as nothing has the name.
    fn new(path: &Path) -> Option<Self> {
        let file = match File::options().read(true).write(true).open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            file => file.unwrap(),
        };
        let memory = memmap2::MmapRaw::map_raw(&file).unwrap();
        Some(Self {
            memory,
            last: image(path),
        })
    }

    /// Whether it holds anything else than it did.
    fn has_changed(&mut self) -> bool {
        // SAFETY: the mapping has as many bytes; its only other user stands still.
        let now = unsafe { std::slice::from_raw_parts(self.memory.as_ptr(), self.last.len()) };
        let changed = now != self.last;
        if changed {
            self.last.copy_from_slice(now);
        }
        changed
    }
}

/// How far a child got, and what it left there.
pub(crate) struct State {
    /// Instructions.
    pub(crate) at: u64,
    pub(crate) image: Vec<u8>,
    /// What it had noted: messages sent, or received.
    pub(crate) noted: u64,
}

/// Steps a child through its call: how many instructions that takes, and every state it leaves, one for
/// each change of the region and of what it notes; the first one when there is a region.
pub(crate) fn states(name: Name, arguments: &[&str]) -> (u64, Vec<State>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sheet");
    let sheet = Sheet::create(&path);
    let arguments: Vec<&str> = [arguments[0], &*name]
        .into_iter()
        .chain(arguments[1..].iter().copied())
        .collect();
    let child = Stepper::start(&arguments, &path);
    let region = name.path();
    let mut watched = None;
    let mut states: Vec<State> = Vec::new();
    let (mut at, mut goes_on) = (0, true);
    loop {
        let noted = sheet.count(0);
        let is_new = match &mut watched {
            None => {
                watched = Watched::new(&region);
                watched.is_some()
            }
            Some(watched) => {
                watched.has_changed() || states.last().is_some_and(|last| last.noted != noted)
            }
        };
        if let Some(Watched { last, .. }) = &watched
            && is_new
        {
            let image = last.clone();
            states.push(State { at, image, noted });
        }
        if !goes_on {
            return (at, states);
        }
        goes_on = child.step();
        at += 1;
    }
}
