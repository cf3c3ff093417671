//! `hqq create`, `ls`, `inspect`, `rm`, and what all commands have in common.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use hqq_core::Layout;
use hqq_std::LinkOptions;
use hqq_tests::{Name, Outcome, Process, hqq};
use serde_json::Value;

fn run(mut command: Command) -> Outcome {
    Process::start(&mut command).wait()
}

fn json(command: Command) -> Value {
    serde_json::from_str(&run(command).text()).unwrap()
}

#[test]
fn create_makes_a_region_that_stays() {
    let name = Name::new();
    let text = run(hqq![
        "create", &*name, "--count", "8", "--size", "256", "--mode", "640"
    ])
    .text();
    assert_eq!(text, "");
    let metadata = name.path().metadata().unwrap();
    assert_eq!(metadata.len(), Layout::file(8, 256).unwrap().len() as u64);
    assert_eq!(metadata.permissions().mode() & 0o777, 0o640);
    let mut link = LinkOptions::new().open(&name).unwrap();
    assert_eq!(link.sender().capacity(), 8);
    assert_eq!(link.sender().max_message_size(), 256);
}

#[test]
fn create_says_what_becomes_of_messages_whose_receiver_dies() {
    for (argument, text) in [
        ("at-most-once", "at most once"),
        ("at-least-once", "at least once"),
    ] {
        let name = Name::new();
        let _ = run(hqq!["create", &*name, "--delivery", argument]).ok();
        let seen = json(hqq!["inspect", &*name, "--json"]);
        assert!(
            seen.to_string()
                .contains(&format!("\"delivery\":\"{text}\""))
        );
    }
    let name = Name::new();
    let refused = run(hqq![
        "create",
        &*name,
        "--format",
        "1",
        "--delivery",
        "at-least-once"
    ]);
    refused.with_code(1).complains(&["--delivery"]);
    assert!(!name.exists());
}

#[test]
fn buffers_is_another_name_for_count() {
    let name = Name::new();
    let _ = run(hqq!["create", &*name, "--buffers", "2", "--size", "8"]).ok();
    assert_eq!(
        name.path().metadata().unwrap().len(),
        Layout::file(2, 8).unwrap().len() as u64
    );
}

#[test]
fn rm_removes_regions_and_their_users_go_on() {
    let names = [Name::new(), Name::new()];
    for name in &names {
        let _ = run(hqq!["create", &**name]).ok();
    }
    let mut near = LinkOptions::new().open(&names[0]).unwrap();
    let mut far = LinkOptions::new().open(&names[0]).unwrap();
    let _ = run(hqq!["rm", &*names[0], &*names[1]]).ok();
    assert!(!names[0].exists() && !names[1].exists());
    near.send(b"still here").unwrap();
    assert_eq!(far.recv_vec().unwrap(), b"still here");
}

#[test]
fn rm_removes_nothing_that_is_no_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, "kept").unwrap();
    let outcome = run(hqq!["rm", path]).with_code(2);
    outcome.complains(&["cannot name a region"]);
    assert_eq!(std::fs::read_to_string(path).unwrap(), "kept");
}

#[test]
fn ls_shows_geometry_roles_and_unread_messages() {
    let name = Name::new();
    let _ = run(hqq!["create", &*name, "--count", "8", "--size", "256"]).ok();
    let mut near = LinkOptions::new().open(&name).unwrap();
    near.send(b"one").unwrap();
    near.send(b"two").unwrap();

    let text = run(hqq!["ls"]).text();
    let row = text.lines().find(|line| line.starts_with(&*name)).unwrap();
    let columns: Vec<&str> = row.split_whitespace().collect();
    let bytes = Layout::file(8, 256).unwrap().len().to_string();
    assert_eq!(
        columns,
        [&*name, "2", "8x256", &bytes, "primary", "2", "/", "0"]
    );

    let list = json(hqq!["ls", "--json"]);
    let row = list
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["name"] == *name)
        .unwrap();
    assert_eq!(row["format"], 2);
    assert_eq!(row["count"], 8);
    assert_eq!(row["size"], 256);
    assert_eq!(row["bytes"].to_string(), bytes);
    assert_eq!(row["roles"], serde_json::json!(["primary"]));
    assert_eq!(row["unread"], serde_json::json!([2, 0]));
}

#[test]
fn ls_tells_what_is_wrong_with_a_damaged_region() {
    let name = Name::new();
    let _ = run(hqq!["create", &*name]).ok();
    let file = std::fs::File::options()
        .write(true)
        .open(name.path())
        .unwrap();
    file.set_len(4096).unwrap();
    let text = run(hqq!["ls"]).text();
    let row = text.lines().find(|line| line.starts_with(&*name)).unwrap();
    assert!(row.contains("4096"), "{row}");
    let list = json(hqq!["ls", "--json"]);
    let rows = list.as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == *name).unwrap();
    assert!(row["error"].as_str().unwrap().contains("4096"), "{row}");
}

#[test]
fn inspect_shows_a_live_region_and_changes_nothing() {
    let name = Name::new();
    let _ = run(hqq!["create", &*name, "--count", "4", "--size", "64"]).ok();
    let mut near = LinkOptions::new().open(&name).unwrap();
    near.send(b"legible").unwrap();
    near.send(&[7; 50]).unwrap();
    let before = std::fs::read(name.path()).unwrap();

    let text = run(hqq!["inspect", &*name]).text();
    for part in [
        &name.path().display().to_string(),
        "4 buffers of 64 bytes",
        "legible",
        "50 bytes",
        &std::process::id().to_string(),
    ] {
        assert!(text.contains(part), "`{part}` in {text}");
    }

    let object = json(hqq!["inspect", &*name, "--json"]);
    assert_eq!(object["superblock"]["count"], 4);
    assert_eq!(object["superblock"]["size"], 64);
    assert_eq!(object["rings"][0]["unread"], 2);
    assert_eq!(object["rings"][1]["unread"], 0);
    assert_eq!(object["rings"][0]["slots"].as_array().unwrap().len(), 2);
    assert_eq!(object["members"][0]["pid"], std::process::id());
    assert_eq!(object["members"][0]["alive"], true);

    assert_eq!(std::fs::read(name.path()).unwrap(), before);
    let mut far = LinkOptions::new().open(&name).unwrap();
    assert_eq!(far.recv_vec().unwrap(), b"legible");
}

#[test]
fn inspect_reads_images() {
    let name = Name::new();
    let _ = run(hqq!["create", &*name, "--count", "2", "--size", "8"]).ok();
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("image");
    std::fs::copy(name.path(), &image).unwrap();
    let path = image.display().to_string();
    let text = run(hqq!["inspect", "--file", path]).text();
    assert!(text.contains("2 buffers of 8 bytes"), "{text}");

    std::fs::write(&image, [b'x'; 20_000]).unwrap();
    let outcome = run(hqq!["inspect", "--file", path]).with_code(1);
    outcome.complains(&[&path, "not an HQQ region"]);
    std::fs::write(&image, b"short").unwrap();
    let outcome = run(hqq!["inspect", "--file", path]).with_code(1);
    outcome.complains(&[&path, "5 bytes"]);
}

#[test]
fn a_closed_output_pipe_is_no_complaint() {
    let name = Name::new();
    let _ = run(hqq!["create", &*name]).ok();
    for mut command in [
        hqq!["ls"],
        hqq!["inspect", &*name],
        hqq!["ls", "--json"],
        hqq!["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let process = Process::start_between(&mut command, std::process::Stdio::null(), writer);
        let outcome = process.wait();
        assert_eq!(outcome.stderr, "", "{command:?}");
        let _ = outcome.with_code(0);
    }
}

#[test]
fn usage_errors_have_an_exit_code_of_their_own() {
    for command in [
        hqq![],
        hqq!["frobnicate"],
        hqq!["create"],
        hqq!["create", "x", "--count", "3"],
        hqq!["create", "x", "--count", "many"],
        hqq!["create", "x", "--size", "7"],
        hqq!["create", "x", "--mode", "8"],
        hqq!["create", "x", "--mode", "7777"],
        hqq!["rm"],
        hqq!["inspect"],
        hqq!["inspect", "x", "--file", "y"],
        hqq!["send", "x", "--wait", "-1"],
        hqq!["send", "x", "--wait", "soon"],
        hqq!["recv", "x", "--count", "0"],
        hqq!["recv", "x", "--role", "third"],
        hqq!["ping", "x", "--size", "15"],
        hqq!["ping", "x", "--count", "0"],
        hqq!["ping", "x", "--create"],
    ] {
        let label = format!("{command:?}");
        let outcome = run(command).with_code(2);
        assert!(!outcome.stderr.is_empty(), "{label} says nothing");
        assert!(outcome.stdout.is_empty(), "{label}");
    }
}

#[test]
fn help_is_no_error_and_names_the_commands() {
    let text = run(hqq!["--help"]).text();
    for command in [
        "demo", "create", "ls", "inspect", "send", "recv", "echo", "ping", "rm",
    ] {
        assert!(text.contains(command), "{text}");
        let help = run(hqq!["help", command]).text();
        assert!(help.contains(&format!(" {command} ")), "{help}");
    }
    assert!(!text.contains("demo-peer"), "{text}");
    let version = run(hqq!["--version"]).text();
    assert_eq!(version.trim(), format!("hqq {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn rm_goes_on_and_spares_what_is_no_region() {
    let (first, second, other) = (Name::new(), Name::new(), Name::new());
    for name in [&first, &second] {
        LinkOptions::new()
            .count(2)
            .size(8)
            .create_region(name)
            .unwrap();
    }
    std::fs::write(other.path(), "somebody's").unwrap();
    let missing = Name::new();
    let names = hqq!["rm", &*first, &*missing, &*other, &*second];
    let outcome = Process::start(&mut { names }).wait().with_code(1);
    outcome.complains(&[&missing, "does not exist", &other, "--force"]);
    assert!(!first.exists() && !second.exists() && other.exists());
    let _ = Process::start(&mut hqq!["rm", "--force", &*other])
        .wait()
        .with_code(0);
    assert!(!other.exists());
}
