//! Format 1 between this implementation and another one, `format1/peer.c`: the same bytes, and
//! everything that is sent arrives once, in order, with its contents.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use hqq_core::Layout;
use hqq_std::{Format, LinkOptions, Role, SharedLink, StandardLink};
use hqq_tests::{
    LIMIT, Name, Process, Sums, c_peer, eventually, parse_sums, peer, receive_numbered,
    send_numbered,
};

fn options(count: usize, size: usize) -> LinkOptions {
    let options = LinkOptions::new().format(Format::V1);
    options.count(count).size(size)
}

/// The other implementation's command with a region's geometry.
fn c_exchange(name: &Name, (count, size): (usize, usize)) -> Command {
    let (count, size) = (count.to_string(), size.to_string());
    c_peer!["exchange", &**name, "--count", count, "--size", size]
}

fn appears(name: &Name) {
    eventually("the region to appear", || name.exists().then_some(()));
}

/// The sums of one sender's first messages.
fn only(id: u64, messages: u64) -> BTreeMap<u64, Sums> {
    BTreeMap::from([(id, Sums::of_first(messages))])
}

/// Sends as sender 2 and receives what sender 1 sends, on two threads.
fn exchange(link: StandardLink, messages: u64) {
    let (sender, receiver) = link.split();
    let sending = std::thread::spawn(move || send_numbered(sender, 2, messages, 1));
    let received = receive_numbered(receiver, 1).unwrap();
    sending.join().unwrap().unwrap();
    assert_eq!(received.sums(), only(1, messages));
}

/// The geometries, and how many messages each way: many through the usual ones, fewer where almost
/// each one waits for the other process.
const EXCHANGES: [((usize, usize), u64); 2] = [((64, 4096), 100_000), ((2, 24), 20_000)];

fn finish(peer: Process, role: &str, messages: u64) {
    let text = peer.wait().text();
    assert_eq!(parse_sums(&text).unwrap(), only(2, messages), "{text}");
    assert!(text.contains(&format!("role={role} ")), "{text}");
}

#[test]
fn the_other_implementation_creates_and_this_one_joins() {
    for (geometry @ (count, size), messages) in EXCHANGES {
        let name = Name::new();
        let mut command = c_exchange(&name, geometry);
        command.args(["--create", "--as", "primary", "--messages"]);
        let peer = Process::start(command.arg(messages.to_string()));
        appears(&name);
        let link = options(count, size).open(&name).unwrap();
        assert_eq!(link.role(), Role::Secondary);
        exchange(link, messages);
        finish(peer, "primary", messages);
    }
}

#[test]
fn this_implementation_creates_and_the_other_one_joins() {
    for (geometry @ (count, size), messages) in EXCHANGES {
        let name = Name::new();
        let link = options(count, size).create(&name).unwrap();
        assert_eq!(link.role(), Role::Primary);
        let mut command = c_exchange(&name, geometry);
        command.args(["--as", "secondary", "--messages"]);
        let peer = Process::start(command.arg(messages.to_string()));
        exchange(link, messages);
        finish(peer, "secondary", messages);
    }
}

/// A process that takes part in a role.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Member {
    /// The other implementation.
    C,
    /// This one with a `StandardLink`.
    Standard,
    /// This one with a `SharedLink` and so many senders and receivers.
    Shared(u64),
}

impl Member {
    const fn threads(self) -> u64 {
        match self {
            Self::C | Self::Standard => 1,
            Self::Shared(threads) => threads,
        }
    }
}

/// Who creates the region.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Creator {
    /// The first of the primary's side, which is of the other implementation.
    C,
    /// This process.
    Rust,
}

/// Lets all members of the one side exchange messages with all of the other, some 100,000 each way;
/// what each sender sent must have arrived once, and at each receiver in its order, which they
/// check themselves.
fn flow(creator: Creator, primary: &[Member], secondary: &[Member]) {
    let geometry @ (count, size) = (64, 512);
    let name = Name::new();
    if creator == Creator::Rust {
        options(count, size).create_region(&name).unwrap();
    }
    let threads =
        |members: &[Member]| -> u64 { members.iter().map(|member| member.threads()).sum() };
    let mut id = 1;
    let mut expected = BTreeMap::new();
    let mut processes = Vec::new();
    for (role, mine, others) in [
        ("primary", primary, threads(secondary)),
        ("secondary", secondary, threads(primary)),
    ] {
        let messages = 100_000 / threads(mine);
        for (index, member) in mine.iter().enumerate() {
            // A stop for each receiver of the others, which waits for one of each sender.
            let numbers = [id, messages, others, others].map(|number| number.to_string());
            let [own, sent, stops, until] = &numbers;
            let mut command = match member {
                Member::C => {
                    let mut command = c_exchange(&name, geometry);
                    command.args(["--id", own, "--messages", sent]);
                    command.args(["--stops", stops, "--until-stops", until]);
                    match (role, creator, index) {
                        ("primary", Creator::C, 0) => {
                            command.args(["--create", "--as", "primary"]);
                        }
                        ("primary", ..) => {
                            command.arg("--take-primary");
                        }
                        _ => {}
                    }
                    command
                }
                Member::Standard => peer!["numbered", &*name, role, "exclusive", "1"],
                Member::Shared(threads) => {
                    peer!["numbered", &*name, role, "shared", threads.to_string()]
                }
            };
            if *member != Member::C {
                command.args(&numbers);
            }
            processes.push(Process::start(&mut command));
            appears(&name);
            for sender in id..id + member.threads() {
                expected.insert(sender, Sums::of_first(messages));
            }
            id += member.threads();
        }
    }
    let text: String = processes
        .into_iter()
        .map(|process| process.wait().text())
        .collect();
    assert_eq!(parse_sums(&text).unwrap(), expected, "{text}");
}

#[test]
fn both_implementations_share_the_secondary_side_of_the_other_one() {
    let secondary = [Member::C, Member::C, Member::Standard];
    flow(Creator::C, &[Member::C], &secondary);
}

#[test]
fn both_implementations_share_the_secondary_side_of_this_one() {
    let secondary = [Member::C, Member::Standard, Member::C];
    flow(Creator::Rust, &[Member::Standard], &secondary);
}

#[test]
fn both_implementations_share_the_primary_side() {
    let primary = [Member::C, Member::C, Member::Standard];
    flow(Creator::C, &primary, &[Member::C]);
    flow(Creator::Rust, &primary, &[Member::Standard]);
}

#[test]
fn threads_and_processes_share_both_sides() {
    let members = [Member::Shared(2), Member::Standard, Member::Shared(2)];
    flow(Creator::Rust, &members, &[Member::C]);
    flow(Creator::Rust, &[Member::C, Member::Shared(2)], &members);
}

/// Both links of this process on one side, beside each other and the other implementation.
#[test]
fn links_of_one_process_share_a_side() {
    const EACH: u64 = 20_000;
    let name = Name::new();
    let mut command = c_exchange(&name, (64, 512));
    command.args(["--create", "--messages", "100000", "--stops", "5"]);
    let peer = Process::start(command.args(["--until-stops", "5"]));
    appears(&name);
    let open = || options(64, 512).open(&name).unwrap();
    let shared: SharedLink = options(64, 512).shared().open(&name).unwrap();
    let mut received = BTreeMap::<u64, Sums>::new();
    std::thread::scope(|scope| {
        let mut sending = Vec::new();
        let mut receiving = Vec::new();
        for id in 10..12 {
            let (sender, receiver) = open().split();
            sending.push(scope.spawn(move || send_numbered(sender, id, EACH, 1)));
            receiving.push(scope.spawn(move || receive_numbered(receiver, 1)));
        }
        for id in 12..15 {
            let (sender, receiver) = shared.clone().split();
            sending.push(scope.spawn(move || send_numbered(sender, id, EACH, 1)));
            receiving.push(scope.spawn(move || receive_numbered(receiver, 1)));
        }
        for thread in sending {
            thread.join().unwrap().unwrap();
        }
        for thread in receiving {
            for (id, sums) in thread.join().unwrap().unwrap().sums() {
                *received.entry(id).or_default() += sums;
            }
        }
    });
    assert_eq!(received, only(1, 100_000));
    let text = peer.wait().text();
    let expected = (10..15).map(|id| (id, Sums::of_first(EACH))).collect();
    assert_eq!(parse_sums(&text).unwrap(), expected, "{text}");
}

/// What lies in a region of 2 buffers of 16 bytes after `hello hqq`, a message that was given up
/// with reason 2, and the answer `pong`; all the rest is zero.
const EXAMPLE: [(usize, [u64; 2]); 21] = [
    (0x0000, [0x4851_515f_5354_4c31, 2]),
    (0x0010, [1, 0]),
    (0x0020, [4096, 2]),
    (0x0030, [16, 0x5000]),
    (0x1000, [0xc9d8_c1d4_3f09_6701, 2]),
    (0x1010, [2, 0]),
    (0x1080, [2, 0]),
    (0x1100, [0xff, 1]),
    (0x1110, [0, 9]),
    (0x1140, [1, 0xfe]),
    (0x1150, [2, 1]),
    (0x1160, [2, 0]),
    (0x1180, [0, 2]),
    (0x2000, [0x7168_206f_6c6c_6568, 0x71]),
    (0x3000, [0xc9d8_c1d4_3f09_6701, 2]),
    (0x3010, [2, 0]),
    (0x3080, [1, 0]),
    (0x3100, [0xff, 1]),
    (0x3110, [0, 4]),
    (0x3140, [1, 0]),
    (0x3180, [0, 1]),
];

/// The next message, which must be there.
fn next(link: &mut StandardLink) -> Vec<u8> {
    link.set_read_timeout(Some(LIMIT)).unwrap();
    link.recv_vec().unwrap()
}

fn assert_example(path: &Path) {
    let mut expected = vec![0; 0x5000];
    let mut put = |offset: usize, words: [u64; 2]| {
        expected[offset..][..16].copy_from_slice(words.map(u64::to_le_bytes).as_flattened());
    };
    for (offset, words) in EXAMPLE {
        put(offset, words);
    }
    put(0x4000, [u64::from(u32::from_le_bytes(*b"pong")), 0]);
    let found = std::fs::read(path).unwrap();
    assert_eq!(found.len(), expected.len());
    let differs = (0..found.len()).find(|at| found[*at] != expected[*at]);
    assert_eq!(differs, None, "the first byte that differs");
}

#[test]
fn both_implementations_leave_the_same_bytes() {
    let geometry = ["--count", "2", "--size", "16"];
    let c = |command: &mut Command| Process::start(command.args(geometry)).wait().text();

    let name = Name::new();
    let mut near = options(2, 16).create(&name).unwrap();
    near.send_timeout(b"hello hqq", LIMIT).unwrap();
    near.sender().try_reserve().unwrap().abort(2);
    let text = c(&mut c_peer!["write", &*name, "--text", "pong"]);
    assert_eq!(text, "written=4\n");
    assert_example(&name.path());
    // And they are messages, the one given up passed over.
    assert_eq!(next(&mut near), b"pong");
    assert_eq!(c(&mut c_peer!["read", &*name]), "hello hqq\n");
    near.send_timeout(b"after", LIMIT).unwrap();
    assert_eq!(c(&mut c_peer!["read", &*name]), "after\n");

    let name = Name::new();
    let _ = c(&mut c_peer![
        "write",
        &*name,
        "--create",
        "--text",
        "hello hqq"
    ]);
    let _ = c(&mut c_peer![
        "tombstone",
        &*name,
        "--take-primary",
        "--id",
        "2",
        "--copy-id",
        "2"
    ]);
    let mut far = options(2, 16).open(&name).unwrap();
    far.send_timeout(b"pong", LIMIT).unwrap();
    assert_example(&name.path());
    assert_eq!(next(&mut far), b"hello hqq");
    let _ = c(&mut c_peer![
        "write",
        &*name,
        "--take-primary",
        "--text",
        "after"
    ]);
    assert_eq!(next(&mut far), b"after");
    let text = c(&mut c_peer!["read", &*name, "--take-primary"]);
    assert_eq!(text, "pong\n");
}

/// Lets both implementations race for a region, 20 times: one of them is primary, the other
/// secondary, and the link works.
fn race(geometry: (usize, usize), step: Duration, prepare: impl Fn(&Name)) {
    for round in 0..20 {
        let name = Name::new();
        prepare(&name);
        // At first this implementation begins a little earlier, at last the other one.
        let started = Instant::now();
        let begin = move |steps| {
            while started.elapsed() < step * steps {
                std::hint::spin_loop();
            }
        };
        let opening = {
            let (options, region) = (options(geometry.0, geometry.1), name.to_string());
            let path = name.path();
            std::thread::spawn(move || {
                begin(round);
                match round % 2 {
                    0 => options.create_or_open(&region),
                    _ => options.create_or_open_path(path),
                }
            })
        };
        begin(20 - round);
        let mut command = c_exchange(&name, geometry);
        let peer = Process::start(command.args(["--create", "--messages", "9"]));
        let link = opening.join().unwrap().unwrap();
        let role = link.role();
        exchange(link, 9);
        finish(peer, &role.peer().to_string(), 9);
    }
}

#[test]
fn exactly_one_of_two_that_create_or_open_is_primary() {
    race((64, 4096), Duration::from_micros(100), |_| {});
}

#[test]
fn exactly_one_of_two_that_find_a_file_of_zeros_is_primary() {
    // Large, so that looking for data in it takes long enough for the other to begin meanwhile.
    let (count, size) = (64, 16_384);
    let len = Layout::format_1(count, size, 4096).unwrap().len();
    race((count, size), Duration::from_millis(1), |name| {
        let file = File::create_new(name.path()).unwrap();
        file.set_len(len as u64).unwrap();
    });
}
