//! Bad input gets an error that says what is wrong, and nothing is lost or left behind.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

use std::fs::{File, Permissions};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use hqq_core::{AttachError, FormatError, Layout, LayoutError, superblock};
use hqq_std::{LinkOptions, OpenError, RecvError, Role, SendError};
use hqq_tests::{LIMIT, Name, Process, hqq, peer};

/// A user that owns nothing here.
const NOBODY: u32 = 65_534;

fn small() -> LinkOptions {
    LinkOptions::new().count(4).size(64)
}

fn region() -> Name {
    let name = Name::new();
    small().create_region(&name).unwrap();
    name
}

fn file(name: &Name) -> File {
    let options = File::options().read(true).write(true).open(name.path());
    options.unwrap()
}

/// Checks the library's error, that the command fails with the same words, and that the file stays
/// as it was.
fn refused(name: &Name, expected: impl Fn(&OpenError) -> bool, says: &[&str]) {
    let before = std::fs::read(name.path()).unwrap();
    for options in [small(), LinkOptions::new()] {
        let error = options.open(name).err().unwrap();
        assert!(expected(&error), "{error:?}");
    }
    let error = LinkOptions::new().open(name).err().unwrap().to_string();
    for part in says {
        assert!(error.contains(part), "`{error}` does not say `{part}`");
    }
    let outcome = Process::start(&mut hqq!["recv", &**name, "--wait", "0"]).wait();
    outcome.with_code(1).complains(&["hqq: ", &error]);
    assert_eq!(std::fs::read(name.path()).unwrap(), before);
}

#[test]
fn wrong_magic() {
    let name = region();
    file(&name).write_all_at(b"GARBAGE!", 0).unwrap();
    let garbage = u64::from_le_bytes(*b"GARBAGE!");
    refused(
        &name,
        |error| {
            matches!(error, OpenError::Attach {
                error: AttachError::Format(FormatError::Magic { found }), ..
            } if *found == garbage)
        },
        &["not an HQQ region", &format!("{garbage:#018x}")],
    );
    // Nothing was lost: with its magic it works.
    file(&name)
        .write_all_at(&superblock::MAGIC.to_le_bytes(), 0)
        .unwrap();
    drop(small().open(&name).unwrap());
}

#[test]
fn a_region_of_format_1() {
    let name = region();
    file(&name)
        .write_all_at(&superblock::MAGIC_FORMAT_1.to_le_bytes(), 0)
        .unwrap();
    refused(
        &name,
        |error| {
            matches!(
                error,
                OpenError::Attach {
                    error: AttachError::Format(FormatError::Format1),
                    ..
                }
            )
        },
        &["format 1", "HQQ-Go"],
    );
}

#[test]
fn a_later_version_and_unknown_features() {
    let name = region();
    file(&name).write_all_at(&9_u32.to_le_bytes(), 16).unwrap();
    refused(
        &name,
        |error| {
            matches!(
                error,
                OpenError::Attach {
                    error: AttachError::Format(FormatError::Version { major: 9, minor: 0 }),
                    ..
                }
            )
        },
        &["version 9.0", "2.x"],
    );
}

#[test]
fn a_damaged_superblock() {
    let name = region();
    // The number of buffers no longer fits its checksum.
    file(&name).write_all_at(&8_u32.to_le_bytes(), 36).unwrap();
    refused(
        &name,
        |error| {
            matches!(
                error,
                OpenError::Attach {
                    error: AttachError::Format(FormatError::Checksum { .. }),
                    ..
                }
            )
        },
        &["checksum", "damaged"],
    );
}

#[test]
fn a_truncated_file() {
    let name = region();
    let full = Layout::file(4, 64).unwrap().len() as u64;
    for len in [full - 1, full / 2] {
        file(&name).set_len(len).unwrap();
        refused(
            &name,
            |error| {
                matches!(error, OpenError::Truncated { found, needed, .. }
                    if *found == len && *needed <= full)
            },
            &[&len.to_string(), "cut short"],
        );
    }
    for len in [1, 127] {
        file(&name).set_len(len).unwrap();
        let error = small().open(&name).err().unwrap();
        assert!(
            matches!(error, OpenError::Truncated { found, .. } if found == len),
            "{error:?}"
        );
    }
}

#[test]
fn another_geometry() {
    let name = region();
    for (options, says) in [
        (LinkOptions::new().count(8), ["8", "4"]),
        (LinkOptions::new().size(128), ["128", "64"]),
    ] {
        let error = options.open(&name).err().unwrap().to_string();
        for part in says.into_iter().chain(["same geometry"]) {
            assert!(error.contains(part), "{error}");
        }
    }
    let command = &mut hqq!["recv", &*name, "--buffers", "8", "--wait", "0"];
    let outcome = Process::start(command).wait();
    outcome
        .with_code(1)
        .complains(&["4 buffers", "not 8", "same geometry"]);
    drop(small().open(&name).unwrap());
}

#[test]
fn an_impossible_geometry() {
    let name = Name::new();
    for (count, size, error) in [
        (3, 64, LayoutError::Count { count: 3 }),
        (1, 64, LayoutError::Count { count: 1 }),
        (32_768, 64, LayoutError::Count { count: 32_768 }),
        (4, 0, LayoutError::Size { size: 0 }),
        (4, 63, LayoutError::Size { size: 63 }),
    ] {
        let result = LinkOptions::new().count(count).size(size).create(&name);
        let found = result.err().unwrap();
        assert!(
            matches!(&found, OpenError::Layout(layout) if *layout == error),
            "{found:?}"
        );
        let (count, size) = (count.to_string(), size.to_string());
        let command = &mut hqq!["create", &*name, "--count", count, "--size", size];
        let outcome = Process::start(command).wait().with_code(2);
        outcome.complains(&[&found.to_string()]);
    }
    assert!(!name.exists());
}

#[test]
fn a_name_that_is_taken() {
    let name = region();
    let error = small().create(&name).err().unwrap();
    assert!(matches!(error, OpenError::Exists { .. }), "{error:?}");
    let outcome = Process::start(&mut hqq!["create", &*name]).wait();
    outcome
        .with_code(1)
        .complains(&[&name.path().display().to_string(), "exists"]);
    drop(small().open(&name).unwrap());
}

#[test]
fn a_name_that_is_not_there() {
    let name = Name::new();
    let path = name.path().display().to_string();
    for arguments in [
        &mut hqq!["rm", &*name],
        &mut hqq!["inspect", &*name],
        &mut hqq!["recv", &*name, "--wait", "0"],
        &mut hqq!["send", &*name, "--wait", "0.05"],
        &mut hqq!["ping", &*name, "--wait", "0"],
    ] {
        let outcome = Process::start(arguments).wait();
        outcome.with_code(1).complains(&[&path, "does not exist"]);
    }
    assert!(!name.exists());
}

#[test]
fn names_that_cannot_be() {
    for (name, says) in [("a/b", "`/`"), ("", "at least one"), ("..", "directory")] {
        for command in ["create", "rm", "recv", "send", "echo", "ping", "inspect"] {
            let outcome = Process::start(&mut hqq![command, name]).wait();
            outcome.with_code(2).complains(&["cannot name", says]);
        }
    }
}

#[test]
fn a_region_being_initialised_by_another_process() {
    let name = Name::new();
    let file = File::create_new(name.path()).unwrap();
    file.set_len(Layout::file(4, 64).unwrap().len() as u64)
        .unwrap();
    file.write_all_at(&superblock::STATE_INITIALISING.to_le_bytes(), 8)
        .unwrap();
    let path = name.path().display().to_string();
    let mut holder = Process::start_with(&mut peer!["lock", path], Stdio::piped());
    holder.wait_for_output("ready");
    let patience = Duration::from_millis(50);
    let options = small().attach_timeout(patience);
    for error in [
        options.open(&name).err().unwrap(),
        options.create_or_open(&name).err().unwrap(),
        options.shared().open(&name).err().unwrap(),
    ] {
        assert!(
            matches!(&error, OpenError::Busy { waited, .. } if *waited >= patience),
            "{error:?}"
        );
    }
    let outcome = Process::start(&mut hqq!["recv", &*name, "--wait", "0.1"]).wait();
    outcome.with_code(1).complains(&[&path, "another process"]);
    // It goes on when the other one is done, or dead.
    let waiting = std::thread::spawn({
        let options = small().attach_timeout(LIMIT);
        let name = name.to_string();
        move || options.create_or_open(&name).map(|link| link.role())
    });
    holder.end_input();
    let _ = holder.wait().ok();
    assert_eq!(waiting.join().unwrap().unwrap(), Role::Primary);
}

#[test]
fn a_message_that_is_too_long() {
    let name = region();
    let mut near = small().open(&name).unwrap();
    assert_eq!(
        near.send(&[0; 65]),
        Err(SendError::TooLong { len: 65, max: 64 })
    );
    drop(near);
    let line = format!("short\n{}\n", "x".repeat(65));
    let input = tempfile::tempfile().unwrap();
    input.write_all_at(line.as_bytes(), 0).unwrap();
    let command = &mut hqq!["send", &*name, "--lines", "--wait", "5"];
    let outcome = Process::start_with(command, input).wait();
    outcome.with_code(1).complains(&["64", "line"]);
}

#[test]
fn a_peer_that_has_closed() {
    let name = region();
    let mut near = small().open(&name).unwrap();
    drop(small().open(&name).unwrap());
    assert_eq!(near.send(b"late"), Err(SendError::Disconnected));
    assert_eq!(
        near.recv_timeout(&mut [0; 64], LIMIT),
        Err(RecvError::Disconnected)
    );
    for error in [
        SendError::Disconnected.to_string(),
        RecvError::Disconnected.to_string(),
    ] {
        assert!(error.contains("closed its half"), "{error}");
    }
}

#[test]
fn a_side_that_is_in_use_in_another_mode() {
    let name = region();
    let exclusive = small().role(Role::Primary).open(&name).unwrap();
    let open = |role: &str, mode: &str| {
        Process::start_with(&mut peer!["open", &*name, role, mode], Stdio::piped())
    };
    let outcome = open("primary", "shared").wait().with_code(1);
    outcome.complains(&["primary", "exclusive", "shared", "in use"]);
    let mut sharing = open("secondary", "shared");
    sharing.wait_for_output("ready");
    let outcome = open("secondary", "exclusive").wait().with_code(1);
    outcome.complains(&["secondary", "in use", "shared"]);
    let outcome = open("any", "exclusive").wait().with_code(1);
    outcome.complains(&["both ends", "in use", "RolesTaken"]);
    drop(exclusive);
    open("primary", "shared").wait_for_output("ready");
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
    let name = region();
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
