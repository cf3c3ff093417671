//! What the system refuses: permission, owners, space, threads. Nothing is left behind.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use hqq_core::Layout;
use hqq_std::{LinkOptions, OpenError};
use hqq_tests::{Name, Process, hqq, peer};

/// A user that owns nothing here.
const NOBODY: u32 = 65_534;

fn small() -> LinkOptions {
    LinkOptions::new().count(4).size(64)
}

/// Whether tests may act as another user.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The peer as a user that owns nothing, from where that user can reach it.
struct Stranger {
    _directory: tempfile::TempDir,
    program: PathBuf,
}

impl Stranger {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("peer");
        // By another process: a descriptor of this one that writes it would be inherited by
        // whatever another test starts meanwhile, and nobody could start the program until then.
        let mut copy = Command::new("cp");
        copy.arg(env!("CARGO_BIN_EXE_peer")).arg(&program);
        let _ = Process::start(&mut copy).wait().ok();
        for path in [directory.path(), &program] {
            std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        }
        Self {
            _directory: directory,
            program,
        }
    }

    fn run(&self, arguments: &[&str]) -> Process {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir("/");
        command.uid(NOBODY).gid(NOBODY);
        Process::start_with(&mut command, Stdio::piped())
    }
}

#[test]
fn no_permission() {
    let name = Name::new();
    small().create_region(&name).unwrap();
    let path = name.path();
    if is_root() {
        let stranger = Stranger::new();
        let outcome = stranger.run(&["open", &name, "any", "exclusive"]).wait();
        outcome.with_code(1).complains(&[
            &path.display().to_string(),
            "permission denied",
            "PermissionDenied",
        ]);
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let inside = directory.path().join("region").display().to_string();
        let outcome = stranger.run(&["create-path", &inside, "4", "64"]).wait();
        outcome
            .with_code(1)
            .complains(&["PermissionDenied", &inside]);
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    } else {
        std::fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
        let error = small().open(&name).err().unwrap();
        assert!(
            matches!(&error, OpenError::PermissionDenied { path: found } if *found == path),
            "{error:?}"
        );
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    drop(small().open(&name).unwrap());
}

#[test]
fn a_foreign_owner() {
    let name = Name::new();
    let (owner, expected) = if is_root() {
        let outcome = Stranger::new().run(&["create", &name, "666"]).wait();
        let _ = outcome.ok();
        // Even to root: a region that somebody else planted.
        (NOBODY, 0)
    } else {
        small().create_region(&name).unwrap();
        let owner = rustix::process::geteuid().as_raw();
        (owner, owner + 1)
    };
    let options = LinkOptions::new();
    let error = options.owner(expected).open(&name).err().unwrap();
    assert!(
        matches!(&error, OpenError::ForeignOwner { path, owner: found, expected: wanted }
            if *path == name.path() && (*found, *wanted) == (owner, expected)),
        "{error:?}"
    );
    let says = error.to_string();
    for part in [owner.to_string(), expected.to_string()] {
        assert!(says.contains(&part), "{says}");
    }
    if is_root() {
        let error = LinkOptions::new().create_or_open(&name).err().unwrap();
        assert!(matches!(error, OpenError::ForeignOwner { .. }), "{error:?}");
        let outcome = Process::start(&mut hqq!["recv", &*name, "--wait", "0"]).wait();
        outcome.with_code(1).complains(&[&says]);
        let doctor = || hqq!["doctor", &*name, "--watch", "0.05"];
        let outcome = Process::start(&mut doctor()).wait();
        outcome.with_code(1).complains(&[&says]);
        let outcome = Process::start(doctor().arg("--any-owner")).wait();
        assert!(outcome.text().contains("nothing is wrong"));
    }
    drop(LinkOptions::new().owner(owner).open(&name).unwrap());
    drop(LinkOptions::new().any_owner().open(&name).unwrap());
}

#[test]
fn a_file_system_that_is_full() {
    // 2 TiB: more than there is, and refused before any of it is taken.
    let options = LinkOptions::new().count(16_384).size(64 << 20);
    let needed = Layout::file(16_384, 64 << 20).unwrap().len() as u64;
    let name = Name::new();
    for error in [
        options.create(&name).err().unwrap(),
        options.create_or_open(&name).err().unwrap(),
    ] {
        assert!(
            matches!(error, OpenError::NoSpace { needed: found, .. } if found == needed),
            "{error:?}"
        );
        assert!(error.to_string().contains(&needed.to_string()), "{error}");
    }
    assert!(!name.exists(), "nothing is left");
    let command = &mut hqq!["create", &*name, "--count", "16384", "--size", "67108864"];
    let outcome = Process::start(command).wait().with_code(1);
    outcome.complains(&["no space", &needed.to_string()]);
    assert!(!name.exists(), "nothing is left");
}

#[test]
fn a_small_file_system_that_is_full() {
    // Who is not root may mount one where the system gives a name space of users.
    let unshare: &[&str] = if is_root() {
        &["--mount"]
    } else {
        &["--user", "--map-root-user", "--mount"]
    };
    let mut may_mount = Command::new("unshare");
    may_mount.args(unshare).arg("true").stderr(Stdio::null());
    if !is_root() && !may_mount.status().is_ok_and(|status| status.success()) {
        // What is printed would be kept from who runs the tests.
        let told = "not tried: a small file system that is full, which takes root or a name space of users";
        writeln!(std::io::stderr(), "{told}").unwrap();
        return;
    }
    // In a name space of mounts of its own, where the directory of regions has 64 KiB.
    let script = "mount -t tmpfs -o size=64k none /dev/shm || exit 9
        \"$@\"; code=$?; ls -A /dev/shm; exit $code";
    let run = |peer: Command| {
        let mut command = Command::new("unshare");
        command
            .args(unshare)
            .args(["sh", "-c", script, "sh"])
            .arg(peer.get_program())
            .args(peer.get_args());
        Process::start(&mut command).wait()
    };
    let outcome = run(hqq!["create", "large", "--count", "64", "--size", "4096"]).with_code(1);
    outcome.complains(&["no space"]);
    assert_eq!(outcome.stdout, b"", "nothing is left");
    let outcome = run(peer!["create-path", "/dev/shm/large", "64", "4096"]).with_code(1);
    outcome.complains(&["NoSpace"]);
    assert_eq!(outcome.stdout, b"", "nothing is left");
    // What fits is made.
    let made = run(hqq!["create", "small", "--count", "2", "--size", "8"]).text();
    assert!(made.contains("small"), "{made}");
}

#[test]
fn anonymous_memory_that_is_not_there() {
    // Under a limit on what it may take, so that a failure of this test is not one of the machine.
    let peer = peer!["anonymous", "16384", "67108864"];
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -f 2000000 && exec \"$@\"", "sh"])
        .arg(peer.get_program())
        .args(peer.get_args());
    let outcome = Process::start(&mut command).wait().with_code(1);
    let needed = Layout::file(16_384, 64 << 20).unwrap().len();
    outcome.complains(&["no space", "NoSpace", &needed.to_string()]);
}

#[test]
fn an_empty_file_on_a_full_file_system_stays_empty() {
    let name = Name::new();
    File::create_new(name.path()).unwrap();
    let options = LinkOptions::new().count(16_384).size(64 << 20);
    let error = options.create_or_open(&name).err().unwrap();
    assert!(matches!(error, OpenError::NoSpace { .. }), "{error:?}");
    assert_eq!(name.path().metadata().unwrap().len(), 0);
    // With what fits it is made.
    drop(small().create_or_open(&name).unwrap());
}

#[test]
fn a_task_learns_that_there_is_no_thread_for_it() {
    let text = Process::start(&mut peer!["no-thread"]).wait().text();
    // That a stack does not fit is told as a lack of threads (EAGAIN), and the link goes on.
    assert_eq!(text, "Ready(Err(Link(NoThread(WouldBlock))))\nPending\n");
}
