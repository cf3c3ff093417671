//! Bad input gets an error that says what is wrong, and nothing is lost or left behind.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::process::Stdio;
use std::time::Duration;

use hqq_core::{AttachError, FormatError, Layout, LayoutError, superblock};
use hqq_std::{LinkOptions, OpenError, RecvError, Role, SendError};
use hqq_tests::{LIMIT, Name, Process, hqq, peer};

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

/// As [`refused`], for what is wrong with the bytes of the superblock.
fn no_region(name: &Name, expected: impl Fn(&FormatError) -> bool, says: &[&str]) {
    refused(
        name,
        |error| {
            matches!(error, OpenError::Attach {
                error: AttachError::Format(found), ..
            } if expected(found))
        },
        says,
    );
}

#[test]
fn wrong_magic() {
    let name = region();
    file(&name).write_all_at(b"GARBAGE!", 0).unwrap();
    let garbage = u64::from_le_bytes(*b"GARBAGE!");
    no_region(
        &name,
        |error| matches!(error, FormatError::Magic { found } if *found == garbage),
        &["not an HQQ region", &format!("{garbage:#018x}")],
    );
    // Nothing was lost: with its magic it works.
    file(&name)
        .write_all_at(&superblock::MAGIC.to_le_bytes(), 0)
        .unwrap();
    drop(small().open(&name).unwrap());
}

#[test]
fn the_magic_of_format_1_over_the_state_of_format_2() {
    let name = region();
    file(&name)
        .write_all_at(&superblock::format1::MAGIC.to_le_bytes(), 0)
        .unwrap();
    no_region(
        &name,
        |error| matches!(error, FormatError::State { found: 0x0202 }),
        &["state is 0x202", "damaged"],
    );
}

#[test]
fn a_later_version_and_unknown_features() {
    let name = region();
    file(&name).write_all_at(&9_u32.to_le_bytes(), 16).unwrap();
    no_region(
        &name,
        |error| matches!(error, FormatError::Version { major: 9, minor: 0 }),
        &["version 9.0", "2.x"],
    );
}

#[test]
fn a_damaged_superblock() {
    let name = region();
    // The number of buffers no longer fits its checksum.
    file(&name).write_all_at(&8_u32.to_le_bytes(), 36).unwrap();
    no_region(
        &name,
        |error| matches!(error, FormatError::Checksum { .. }),
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
