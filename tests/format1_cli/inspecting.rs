//! What `hqq ls` and `hqq inspect` show of a region of format 1.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use hqq_core::{Direction, Layout};
use hqq_std::Role;
use hqq_tests::{Name, hqq};
use serde_json::{Value, json};

use crate::{options, region, run, write};

/// The row of a region in `hqq ls`, in words, and as JSON.
fn listed(name: &Name) -> (Vec<String>, Value) {
    let text = run(hqq!["ls"]).text();
    let row = text.lines().find(|line| line.starts_with(&**name)).unwrap();
    let words = row.split_whitespace().map(str::to_owned).collect();
    let rows: Value = serde_json::from_str(&run(hqq!["ls", "--json"]).text()).unwrap();
    let rows = rows.as_array().unwrap();
    let object = rows.iter().find(|row| row["name"] == **name).unwrap();
    (words, object.clone())
}

fn inspect(name: &Name) -> (String, Value) {
    let object = run(hqq!["inspect", &**name, "--json"]).text();
    let text = run(hqq!["inspect", &**name]).text();
    (text, serde_json::from_str(&object).unwrap())
}

#[test]
fn ls_and_inspect_show_a_region_that_is_idle() {
    let name = region();
    let (words, row) = listed(&name);
    assert_eq!(
        words,
        [&*name, "1", "64x4096", "544768", "?", "0", "/", "0"]
    );
    let expected = json!({
        "name": *name, "format": 1, "count": 64, "size": 4096, "bytes": 544_768,
        "roles": [], "roles_known": false, "unread": [0, 0],
    });
    assert_eq!(row, expected);

    let (text, object) = inspect(&name);
    for part in [
        "format      1.0",
        "64 buffers of 4096 bytes",
        "544768",
        "w 0  r 0  unread 0",
    ] {
        assert!(text.contains(part), "{text}");
    }
    for part in ["members", "session", "delivery", "epoch", "slot "] {
        assert!(!text.contains(part), "{text}");
    }
    let superblock = &object["superblock"];
    assert_eq!(superblock["format"], 1);
    assert_eq!(superblock["minor"], 0);
    assert_eq!(superblock["count"], 64);
    assert_eq!(superblock["size"], 4096);
    assert_eq!(superblock["alignment"], 4096);
    assert_eq!(superblock["layout_bytes"], 544_768);
    assert_eq!(superblock["members"], 0);
    assert_eq!(object["members"], json!([]));
    for side in object["sides"].as_array().unwrap() {
        // Nobody of this implementation is there; of the other one that cannot be told.
        assert_eq!(side["alive"], Value::Null, "{side}");
        assert_eq!(side["state"], Value::Null, "{side}");
    }
    for ring in object["rings"].as_array().unwrap() {
        assert_eq!(ring["released"], Value::Null, "{ring}");
        assert_eq!(ring["slots"], json!([]), "{ring}");
    }
}

#[test]
fn ls_and_inspect_show_who_is_there_and_what_is_unread() {
    let name = region();
    let mut link = options().role(Role::Primary).open(&name).unwrap();
    link.send(b"hello hqq").unwrap();
    link.send(b"second").unwrap();
    link.sender().reserve().unwrap().abort(7);
    write(&name, "pong");
    let before = std::fs::read(name.path()).unwrap();

    let (words, row) = listed(&name);
    let expected = [&*name, "1", "64x4096", "544768", "primary+?", "3", "/", "1"];
    assert_eq!(words, expected);
    assert_eq!(row["roles"], json!(["primary"]));
    assert_eq!(row["unread"], json!([3, 1]));

    let (text, object) = inspect(&name);
    for part in [
        "primary sends",
        "alive",
        "w 3  r 0  unread 3",
        "w 1  r 0  unread 1",
        "0 published",
        "message 1, 9 bytes in its buffer",
        "message 2, 6 bytes",
        "tombstone 3, reason 7",
        "message 1, 4 bytes",
    ] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    for side in object["sides"].as_array().unwrap() {
        let is_known = side["role"] == "primary";
        let alive = if is_known { json!(true) } else { Value::Null };
        assert_eq!(side["alive"], alive, "{side}");
    }
    let ring = &object["rings"][0];
    assert_eq!((&ring["w"], &ring["r"]), (&json!(3), &json!(0)));
    assert_eq!(ring["unread"], 3);
    let slot = &ring["slots"][1];
    assert_eq!(slot["slot"], 1);
    assert_eq!(slot["state"], "published");
    assert_eq!(slot["position"], 1);
    assert_eq!(slot["member"], Value::Null);
    assert_eq!(slot["stamp"], "0x0000000000000002");
    assert!(std::fs::read(name.path()).unwrap() == before, "every byte");
}

#[test]
fn inspect_shows_slots_whose_owner_died() {
    let name = region();
    let layout = Layout::format_1(64, 4096, 4096).unwrap();
    let file = File::options().write(true).open(name.path()).unwrap();
    let one = 1_u64.to_le_bytes();
    let [out, back] = Direction::BOTH;
    let counter = layout.producer_counter(out) as u64;
    file.write_all_at(&one, counter).unwrap();
    write(&name, "pong");
    let counter = layout.consumer_counter(back) as u64;
    file.write_all_at(&one, counter).unwrap();

    let (text, object) = inspect(&name);
    for part in ["0 writing", "0 reading", "message 1, 4 bytes"] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    let [out, back] = [0, 1].map(|ring| &object["rings"][ring]);
    assert_eq!(out["slots"][0]["state"], "writing");
    assert_eq!(out["unread"], 0);
    assert_eq!(back["slots"][0]["state"], "reading");
    assert_eq!(back["unread"], 1);
}

#[test]
fn ls_and_inspect_tell_what_is_wrong() {
    let len = 544_768;
    for (word, at, says) in [
        (1, 8, "being initialised"),
        (9, 8, "state is 0x9"),
        (3, 40, "3"),
        (7, 56, "7 bytes"),
    ] {
        let name = region();
        let file = File::options().write(true).open(name.path()).unwrap();
        file.write_all_at(&u64::to_le_bytes(word), at).unwrap();
        tells(&name, says);
    }
    let name = region();
    let file = File::options().write(true).open(name.path()).unwrap();
    file.set_len(len - 1).unwrap();
    tells(&name, "544767");
}

fn tells(name: &Name, says: &str) {
    let (words, row) = listed(name);
    assert_eq!(words[1], "1");
    assert!(words.join(" ").contains(says), "{words:?}");
    assert_eq!(row["format"], 1);
    assert!(row["error"].as_str().unwrap().contains(says), "{row}");
    let outcome = run(hqq!["inspect", &**name]).with_code(1);
    outcome.complains(&["hqq: ", says]);
}
