//! `hqq doctor` and `hqq stats`: what they say of regions that are well, and of others.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::process::Stdio;

use hqq_core::{Direction, Layout};
use hqq_std::{
    AdvancedLink, AdvancedOptions, Delivery, Format, LinkOptions, Role, Server, StandardLink,
};
use hqq_tests::{Name, Outcome, Process, eventually, hqq, peer, rogue};
use rustix::process::Signal;
use serde_json::Value;

fn small() -> LinkOptions {
    LinkOptions::new().count(8).size(64)
}

fn region() -> Name {
    let name = Name::new();
    small().create_region(&name).unwrap();
    name
}

fn doctor(name: &str, more: &[&str]) -> Outcome {
    let mut command = hqq!["doctor", name, "--watch", "0.05"];
    command.args(more);
    Process::start(&mut command).wait()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The kinds of what is found to be wrong.
fn findings(name: &str) -> Vec<String> {
    let outcome = doctor(name, &["--json"]);
    let value = json(&String::from_utf8(outcome.stdout.clone()).unwrap());
    let kinds: Vec<String> = value["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(value["ok"], kinds.is_empty());
    let code = i32::from(!kinds.is_empty());
    let _ = outcome.with_code(code);
    kinds
}

#[test]
fn a_region_that_is_well() {
    let name = region();
    assert!(doctor(&name, &[]).text().contains("nobody is attached"));
    let _near = small().open(&name).unwrap();
    let says = doctor(&name, &[]).text();
    let attached = format!("attached: primary 1, process {}", std::process::id());
    assert!(says.contains(&attached), "{says}");
    assert!(says.contains("nothing is wrong"), "{says}");
    let says = doctor(&name, &["--fix"]).text();
    assert!(says.contains("repaired: 0 members"), "{says}");
    assert!(findings(&name).is_empty());
}

#[test]
fn a_member_that_was_killed() {
    let name = region();
    let peer = peer!["open", &*name, "secondary", "shared"];
    let mut peer = Process::start_with(&mut { peer }, Stdio::piped());
    peer.wait_for_output("ready");
    let pid = peer.id();
    peer.kill();
    assert_eq!(findings(&name), ["dead-member", "dead-side", "dead-side"]);
    let outcome = doctor(&name, &[]).with_code(1);
    let says = String::from_utf8(outcome.stdout.clone()).unwrap();
    for part in [
        &*format!("wrong: secondary 1, process {pid}, shared has died, for 0.05 s at least"),
        "nobody who lives receives as secondary",
    ] {
        assert!(says.contains(part), "{says}");
    }
    outcome.complains(&["3 things are wrong"]);
    // Looking has changed nothing.
    let says = doctor(&name, &["--fix"]).text();
    assert!(
        says.contains("repaired: 1 members closed, 2 sides"),
        "{says}"
    );
    assert!(findings(&name).is_empty());
}

#[test]
fn a_claim_that_stands_still() {
    let name = region();
    let shared = small().shared().role(Role::Primary).open(&name).unwrap();
    let mut sender = shared.sender();
    let grant = sender.reserve().unwrap();
    assert_eq!(findings(&name), ["stuck-claim"]);
    // Nobody takes it from one that lives.
    let outcome = doctor(&name, &["--fix"]).with_code(1);
    let says = String::from_utf8(outcome.stdout.clone()).unwrap();
    let pid = std::process::id();
    assert!(
        says.contains(&format!(
            "by primary 1 (process {pid}), who lives, for 0.05 s at least"
        )),
        "{says}"
    );
    drop(grant);
    assert!(findings(&name).is_empty());
}

/// A region with messages and a process that has to do with them until it is killed. The sender's link stays.
fn left_by_the_dead(delivery: Delivery, task: &str) -> (Name, StandardLink) {
    let name = Name::new();
    small().delivery(delivery).create_region(&name).unwrap();
    let mut near = small().role(Role::Primary).open(&name).unwrap();
    near.send(b"one").unwrap();
    if task == "hold" {
        // Its place is for the one that holds a buffer.
        drop(near);
        near = small().role(Role::Secondary).open(&name).unwrap();
    }
    let mut process = Process::start_with(&mut rogue![task, &*name, "1"], Stdio::piped());
    process.wait_for_output("holds");
    process.kill();
    (name, near)
}

/// What the dead have claimed is named with what will become of it, and becomes that.
#[test]
fn claims_of_the_dead() {
    let lost = Delivery::AtMostOnce;
    for (delivery, task, remedy, fixed) in [
        (
            lost,
            "hold",
            "it becomes a tombstone",
            "1 slots made tombstones, 0 freed, 0 messages in doubt",
        ),
        (
            lost,
            "take",
            "the message is lost",
            "0 slots made tombstones, 1 freed, 0 messages in doubt",
        ),
        (
            Delivery::AtLeastOnce,
            "take",
            "the next receiver gets the message",
            "0 freed, 1 messages in doubt",
        ),
    ] {
        let (name, _near) = left_by_the_dead(delivery, task);
        let found = ["dead-member", "dead-side", "dead-side", "dead-claim"];
        assert_eq!(findings(&name), found, "{task}");
        let outcome = doctor(&name, &[]).with_code(1);
        let says = String::from_utf8(outcome.stdout).unwrap();
        assert!(says.contains(remedy), "{says}");
        let is_left = delivery == Delivery::AtLeastOnce;
        let outcome = doctor(&name, &["--fix"]).with_code(i32::from(is_left));
        let says = String::from_utf8(outcome.stdout).unwrap();
        assert!(says.contains(fixed), "{says}");
        if is_left {
            assert_eq!(findings(&name), ["dead-member", "dead-claim"]);
            let mut heir = small().role(Role::Secondary).open(&name).unwrap();
            let message = heir.receiver().next().unwrap();
            assert!(message.is_in_doubt());
            drop(message);
            assert!(findings(&name).is_empty());
        } else {
            assert!(findings(&name).is_empty());
        }
    }
}

/// The process that sends on need not end: what it left where it received is for others.
#[test]
fn a_claim_of_a_member_that_has_left_and_sends_on() {
    let name = Name::new();
    let options = small().delivery(Delivery::AtLeastOnce);
    options.create_region(&name).unwrap();
    let mut near = small().role(Role::Primary).open(&name).unwrap();
    near.send(b"one").unwrap();
    let shared = small().role(Role::Secondary).shared();
    let stays = shared.open(&name).unwrap();
    let mut killed = Process::start_with(&mut rogue!["take", &*name, "1"], Stdio::piped());
    killed.wait_for_output("holds");
    killed.kill();
    // It has the killed one's id, and so what that one had.
    let (_sender, receiver) = shared.open(&name).unwrap().split();
    assert_eq!(findings(&name), ["stuck-claim"]);
    drop(receiver);
    assert_eq!(findings(&name), ["dead-claim"]);
    let mut receiver = stays.receiver();
    assert!(receiver.next().unwrap().is_in_doubt());
    assert!(findings(&name).is_empty());
}

/// Since when something is wrong, it tells from what it saw first; and it says of a process that it is
/// stopped.
#[test]
fn a_holder_that_is_stopped_and_then_dies() {
    let name = region();
    let mut holder = Process::start_with(&mut rogue!["hold", &*name, "1"], Stdio::piped());
    holder.wait_for_output("holds");
    holder.signal(Signal::STOP);
    let pid = holder.id();
    eventually("the process is stopped", || {
        let says = doctor(&name, &[]).with_code(1).stdout;
        let says = String::from_utf8(says).unwrap();
        says.contains(&format!("(process {pid}, stopped), who lives"))
            .then_some(())
    });
    holder.kill();
    let says = doctor(&name, &["--json"]).with_code(1).stdout;
    assert_eq!(
        since(&json(&String::from_utf8(says).unwrap())),
        [(Some(0.05), None); 4]
    );
}

/// For how long each finding has been so, at least and at most.
fn since(diagnosis: &Value) -> Vec<(Option<f64>, Option<f64>)> {
    let findings = diagnosis["findings"].as_array().unwrap().iter();
    let seconds = |finding: &Value, name: &str| finding[name].as_f64();
    findings
        .map(|found| {
            (
                seconds(found, "at_least_seconds"),
                seconds(found, "at_most_seconds"),
            )
        })
        .collect()
}

/// Looking needs no lock, so that who is stopped with it can be found.
#[test]
fn one_that_is_stopped_while_it_attaches() {
    let name = region();
    let _near = small().open(&name).unwrap();
    let path = name.path().display().to_string();
    let mut holder = Process::start_with(&mut peer!["lock", path], Stdio::piped());
    holder.wait_for_output("ready");
    holder.signal(Signal::STOP);
    let pid = holder.id();
    let says = eventually("the process is stopped", || {
        let says = doctor(&name, &[]).with_code(1).stdout;
        let says = String::from_utf8(says).unwrap();
        says.contains(&format!("process {pid} (stopped) is attaching"))
            .then_some(says)
    });
    assert!(says.contains("attached: primary 1"), "{says}");
    assert_eq!(findings(&name), ["busy"]);
    // Repairing does need the lock, and what is wrong is said nevertheless.
    let outcome = doctor(&name, &["--fix"]).with_code(1);
    let says = String::from_utf8(outcome.stdout.clone()).unwrap();
    assert!(says.contains(&format!("process {pid} (stopped)")), "{says}");
    outcome.complains(&["nothing was repaired"]);
    holder.kill();
    assert!(findings(&name).is_empty());
}

/// Who was in the way of the repair and let it pass is no longer wrong.
#[test]
fn one_that_goes_on_while_the_repair_waits_for_it() {
    let name = region();
    let path = name.path().display().to_string();
    let mut holder = Process::start_with(&mut peer!["lock", path], Stdio::piped());
    holder.wait_for_output("ready");
    let fixing = Process::start(&mut hqq!["doctor", &*name, "--fix", "--watch", "0.05"]);
    eventually("it has looked twice and asks for the lock", || {
        // It sleeps once between its looks, and again and again while it asks.
        let status = std::fs::read_to_string(format!("/proc/{}/status", fixing.id())).unwrap();
        let sleeps = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        (sleeps.trim().parse::<u32>().unwrap() > 200).then_some(())
    });
    holder.kill();
    let says = fixing.wait().text();
    assert!(says.contains("repaired: 0 members"), "{says}");
    assert!(says.contains("nothing is wrong"), "{says}");
}

#[test]
fn a_holder_that_dies_while_it_is_looked() {
    // Again where it died before the first look: when that was, nobody tells.
    eventually("a death between two looks", || {
        let name = region();
        let mut holder = Process::start_with(&mut rogue!["hold", &*name, "1"], Stdio::piped());
        holder.wait_for_output("holds");
        let mut watching = Process::start(&mut hqq!["doctor", &*name, "--json", "--watch", "0.5"]);
        let maps = format!("/proc/{}/maps", watching.id());
        eventually("it has opened the region", || {
            let maps = std::fs::read_to_string(&maps).unwrap();
            (maps.contains(&*name) || !watching.is_running()).then_some(())
        });
        holder.kill();
        let says = watching.wait().with_code(1).stdout;
        let since = since(&json(&String::from_utf8(says).unwrap()));
        (since == [(None, Some(0.5)); 4]).then_some(())
    });
}

#[test]
fn damage() {
    let name = region();
    let layout = Layout::file(8, 64).unwrap();
    let slot = layout.slots(Direction::ToPrimary) + 3 * layout.slot_len();
    let file = File::options().write(true).open(name.path()).unwrap();
    file.write_all_at(&[0xff; 8], slot as u64).unwrap();
    assert_eq!(findings(&name), ["damaged-slot"]);
    // Its superblock: an error that says so.
    file.write_all_at(&[0xff; 4], 40).unwrap();
    doctor(&name, &[]).with_code(1).complains(&["checksum"]);
    doctor("hqq-test-none", &[])
        .with_code(1)
        .complains(&["does not exist"]);
    doctor("a/b", &[]).with_code(2).complains(&["cannot name"]);
}

#[test]
fn format_1_has_no_members() {
    let name = Name::new();
    small().format(Format::V1).create_region(&name).unwrap();
    let says = doctor(&name, &["--fix"]).text();
    assert!(says.contains("nobody can tell"), "{says}");
}

#[test]
fn totals_of_members() {
    let name = region();
    let mut near = small().open(&name).unwrap();
    let mut far = small().open(&name).unwrap();
    for round in 0..100_u8 {
        near.send(&[round; 10]).unwrap();
        near.send(&[round; 20]).unwrap();
        assert_eq!(far.recv_vec().unwrap().len(), 10);
        assert_eq!(far.recv_vec().unwrap().len(), 20);
    }
    // Both are recorded at the latest when they leave.
    drop((near, far));
    let text = Process::start(&mut hqq!["stats", &*name, "--json"])
        .wait()
        .text();
    let stats = json(&text);
    let member = |role: &str| {
        let members = stats["members"].as_array().unwrap().iter();
        members
            .clone()
            .find(|member| member["role"] == role)
            .unwrap()
            .clone()
    };
    for totals in [&member("primary")["sent"], &member("secondary")["received"]] {
        assert_eq!(totals["messages"], 200, "{text}");
        assert_eq!(totals["bytes"], 3000, "{text}");
        assert_eq!(totals["state"], "closed", "{text}");
    }
    assert_eq!(member("primary")["received"]["messages"], 0, "{text}");
    assert_eq!(stats["rings"][0]["unread"], 0, "{text}");
    // A member that comes anew begins anew.
    let _near = small().open(&name).unwrap();
    let text = Process::start(&mut hqq!["stats", &*name]).wait().text();
    assert!(text.contains("sent      0 messages"), "{text}");
}

/// A caller records how long its calls take, until the next member takes its place.
#[test]
fn how_long_calls_take() {
    let latencies = |name: &str| -> Vec<Value> {
        let text = Process::start(&mut hqq!["stats", name, "--json"]).wait();
        let members = json(&text.text())["members"].clone();
        let members = members.as_array().unwrap().iter();
        members
            .map(|member| member["call_latency_us"].clone())
            .collect()
    };
    let name = region();
    let options = AdvancedOptions::new();
    let near = AdvancedLink::open(&name, &small(), options).unwrap();
    let far = AdvancedLink::open(&name, &small(), options).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = far.wait_for_negotiation(None).unwrap();
            let server = Server::new().method(1, |_| Ok(Vec::new()));
            let _ = server.serve(&far);
        });
        let _ = near.negotiate(None).unwrap();
        for _ in 0..100 {
            assert_eq!(near.call(1, b"").unwrap(), b"");
        }
        let found = latencies(&name);
        let [calls, none] = found.as_slice() else {
            panic!("two members: {found:?}");
        };
        let time = |name: &str| calls[name].as_f64().unwrap();
        assert!(time("p50") > 0.0 && time("p50") <= time("p99"), "{calls}");
        assert!(none.is_null(), "{none}");
        let shown = Process::start(&mut hqq!["top", &*name, "--once", "--interval", "0.05"]);
        let text = shown.wait().text();
        assert!(text.contains("calls     half take up to"), "{text}");
        drop(near);
    });
    // A process that another test starts just now has the last member's lock, too, until it begins: then the
    // next one takes another place.
    eventually("the next member in its place", || {
        let _next = small().role(Role::Primary).open(&name).unwrap();
        latencies(&name)[0].is_null().then_some(())
    });
}
