//! Regions whose files are made shorter while they are in use: with the guard an error, and no signal
//! that is somebody else's business is lost.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use hqq_std::advanced::error::{CallError, LinkFailure, ReceiveError};
use hqq_std::repair::Repaired;
use hqq_std::{
    AdvancedLink, AdvancedOptions, DrainError, Format, LinkOptions, OpenError, RecvError,
    SendError, StandardLink, TryRecvError, TrySendError,
};
use hqq_tests::{LIMIT, Name, Process, bounded, eventually, hqq, rogue};
use rustix::process::Signal;

/// Larger than a page, so that the ring and the buffers lie on several.
const SIZE: usize = 8192;

fn guarded(format: Format) -> LinkOptions {
    let options = LinkOptions::new().format(format).count(4).size(SIZE);
    options.guard_truncation(true)
}

fn cut(name: &Name, len: u64) {
    let file = File::options().write(true).open(name.path()).unwrap();
    file.set_len(len).unwrap();
}

fn pair(format: Format) -> (Name, StandardLink, StandardLink) {
    let name = Name::new();
    let near = guarded(format).create(&name).unwrap();
    let far = guarded(format).open(&name).unwrap();
    (name, near, far)
}

#[test]
fn a_sender_and_a_receiver_get_errors() {
    for format in [Format::V2, Format::V1] {
        // From the superblock on, the second page, and the buffers.
        for len in [0, 4096, 3 * 4096] {
            let (name, mut near, mut far) = pair(format);
            near.send(&[1; SIZE]).unwrap();
            near.send(&[2; SIZE]).unwrap();
            assert_eq!(far.recv_vec().unwrap(), [1; SIZE]);
            cut(&name, len);
            // What it finds first depends on where the file ends; it finds it within a ring.
            let error = (0..8).find_map(|_| near.send_timeout(&[3; SIZE], LIMIT).err());
            assert_eq!(error, Some(SendError::Truncated), "{format:?}, {len}");
            let error = far.recv_timeout(&mut [0; SIZE], LIMIT).err();
            assert_eq!(error, Some(RecvError::Truncated), "{format:?}, {len}");
            assert!(near.sender().is_truncated() && far.receiver().is_truncated());
            // And ever after.
            assert_eq!(near.send(b"x"), Err(SendError::Truncated));
            assert_eq!(far.recv_vec(), Err(RecvError::Truncated));
            assert_eq!(near.sender().reserve().err(), Some(SendError::Truncated));
            assert_eq!(far.receiver().next().err(), Some(RecvError::Truncated));
            assert_eq!(near.wait_drained(Some(LIMIT)), Err(DrainError::Truncated));
            let sender = near.sender();
            let corrupt =
                |error| matches!(error, Some(TrySendError::Corrupt(found)) if found.stamp == 0);
            assert!(corrupt(sender.try_send(b"x").err()));
            assert!(corrupt(sender.try_send_batch(&[b"x"]).err()));
            assert!(corrupt(sender.try_reserve().err()));
            let receiver = far.receiver();
            let corrupt =
                |error| matches!(error, Some(TryRecvError::Corrupt(found)) if found.stamp == 0);
            assert!(corrupt(receiver.try_recv(&mut [0; SIZE]).err()));
            assert!(corrupt(receiver.try_next().err()));
            assert!(corrupt(receiver.try_recv_batch(1, |_| {}).err()));
            // The same region made anew works beside them.
            hqq_std::unlink(&name).unwrap();
            let mut near = guarded(format).create(&name).unwrap();
            let mut far = guarded(format).open(&name).unwrap();
            near.send(b"anew").unwrap();
            assert_eq!(far.recv_vec().unwrap(), b"anew");
        }
    }
}

#[test]
fn whoever_waits_is_told() {
    for format in [Format::V2, Format::V1] {
        let (name, near, mut far) = pair(format);
        let waiting = std::thread::spawn(move || far.recv_timeout(&mut [0; SIZE], LIMIT));
        cut(&name, 0);
        let error = bounded(move || waiting.join().unwrap()).err();
        assert_eq!(error, Some(RecvError::Truncated));
        drop(near);
    }
}

#[test]
fn nobody_waits_for_a_peer_where_no_region_is() {
    let name = Name::new();
    let (sender, receiver) = guarded(Format::V2).create(&name).unwrap().split();
    // The one finds it out while it waits.
    let waiting = std::thread::spawn(move || sender.wait_for_peer(None));
    cut(&name, 0);
    assert!(!bounded(move || waiting.join().unwrap()));
    assert!(!bounded(move || receiver.wait_for_peer(None)));
    let name = Name::new();
    let link = guarded(Format::V2).create(&name).unwrap();
    let link = AdvancedLink::new(link, AdvancedOptions::new());
    let waiting = std::thread::spawn(move || link.wait_for_peer(None));
    cut(&name, 0);
    assert!(!bounded(move || waiting.join().unwrap()));
}

#[test]
fn calls_say_so_too() {
    for format in [Format::V2, Format::V1] {
        let (name, near, far) = pair(format);
        let near = AdvancedLink::new(near, AdvancedOptions::new());
        let far = AdvancedLink::new(far, AdvancedOptions::new());
        let until = Instant::now() + LIMIT;
        std::thread::scope(|scope| {
            scope.spawn(|| far.wait_for_negotiation(Some(until)).unwrap());
            near.negotiate(Some(until)).unwrap();
        });
        let serving = std::thread::spawn(move || far.receive_request(None).map(drop));
        cut(&name, 0);
        let error = near.call_until(1, &[7; SIZE], Some(until)).unwrap_err();
        assert!(
            matches!(error, CallError::Link(LinkFailure::Truncated)),
            "{format:?}: {error:?}"
        );
        let served = bounded(move || serving.join().unwrap());
        assert!(
            matches!(served, Err(ReceiveError::Link(LinkFailure::Truncated))),
            "{format:?}: {served:?}"
        );
    }
}

#[test]
fn a_message_that_was_cut_off_is_not_received() {
    let (name, mut near, mut far) = pair(Format::V2);
    near.send(&[7; SIZE]).unwrap();
    // The stamp is there, half of the buffer is not.
    let layout = hqq_core::Layout::file(4, SIZE).unwrap();
    let buffers = layout.buffers(hqq_core::Direction::ToSecondary);
    cut(&name, (buffers + SIZE / 2) as u64);
    assert_eq!(far.recv_vec(), Err(RecvError::Truncated));
    // In place: the message is there, and what is missing reads as zeros.
    let (name, mut near, mut far) = pair(Format::V2);
    near.send(&[7; SIZE]).unwrap();
    let message = far.receiver().next().unwrap();
    cut(&name, (buffers + SIZE / 2) as u64);
    let mut bytes = [9; SIZE];
    assert_eq!(message.copy_to(0, &mut bytes), SIZE);
    drop(message);
    assert!(bytes[..SIZE / 2].iter().all(|byte| *byte == 7));
    assert!(bytes[SIZE / 2..].iter().all(|byte| *byte == 0));
    assert!(far.receiver().is_truncated());
}

#[test]
fn anonymous_regions_cannot_be_cut() {
    let link = LinkOptions::new().count(4).size(64).anonymous().unwrap();
    let file = File::from(link.region_fd().unwrap());
    assert!(file.set_len(0).is_err());
    assert!(file.set_len(1 << 30).is_err());
}

#[test]
fn a_file_that_is_short_already() {
    let name = Name::new();
    guarded(Format::V2).create_region(&name).unwrap();
    cut(&name, 4096);
    let error = guarded(Format::V2).open(&name).err().unwrap();
    assert!(matches!(error, OpenError::Truncated { .. }), "{error:?}");
}

/// Waits until the process has the region's file in its memory.
fn wait_until_mapped(process: &mut Process, name: &Name) {
    let maps = format!("/proc/{}/maps", process.id());
    eventually("the region in its memory", || {
        let maps = std::fs::read_to_string(&maps).unwrap();
        assert!(process.is_running(), "{}", process.stderr());
        maps.contains(&**name).then_some(())
    });
}

/// At whatever moment of opening: what is found in it says nothing then.
#[test]
fn a_file_that_becomes_short_while_it_is_opened() {
    for round in 0..200 {
        let name = Name::new();
        guarded(Format::V2).create_region(&name).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..round * 20 {
                    std::hint::spin_loop();
                }
                cut(&name, 4096);
            });
            let error = loop {
                match guarded(Format::V2).open(&name) {
                    Ok(link) => drop(link),
                    Err(error) => break error,
                }
            };
            // Sparse: between being asked for its length and for its blocks.
            assert!(
                matches!(
                    error,
                    OpenError::Truncated { .. } | OpenError::Sparse { .. }
                ),
                "{error:?}"
            );
        });
    }
}

/// Whoever makes a file may cut it while somebody else looks: no signal for that one.
#[test]
fn commands_end_with_an_error() {
    for command in [&["echo", "--wait", "1"][..], &["recv", "--wait", "1"]] {
        for len in [0, 4096, 3 * 4096] {
            let name = Name::new();
            guarded(Format::V2).create_region(&name).unwrap();
            let mut process = Process::start(hqq![command[0], &*name].args(&command[1..]));
            wait_until_mapped(&mut process, &name);
            cut(&name, len);
            process.wait().with_code(1).complains(&["short"]);
        }
    }
}

/// Where it finds that out while it watches, and not while it opens the region.
#[test]
fn the_doctor_says_what_is_wrong() {
    for more in [&[] as &[&str], &["--fix"], &["--json"]] {
        for len in [0, 4096, 3 * 4096] {
            let says = eventually("a finding", || {
                let name = Name::new();
                guarded(Format::V2).create_region(&name).unwrap();
                let mut command = hqq!["doctor", &*name, "--watch", "0.5"];
                let mut process = Process::start(command.args(more));
                wait_until_mapped(&mut process, &name);
                cut(&name, len);
                let outcome = process.wait().with_code(1);
                let says = String::from_utf8(outcome.stdout.clone()).unwrap();
                if says.is_empty() {
                    // Cut while it was opened: it is short, or has holes.
                    let error = &outcome.stderr;
                    assert!(
                        error.contains("short") || error.contains("are there"),
                        "{error}"
                    );
                    return None;
                }
                outcome.complains(&[match more {
                    ["--fix"] => "nothing was repaired",
                    _ => "1 thing is wrong",
                }]);
                Some(says)
            });
            assert!(
                says.contains("the region's file was made shorter"),
                "{says}"
            );
            assert!(says.contains("remove the region"), "{says}");
        }
    }
}

/// With the guard, and without it where the file was short before.
#[test]
fn a_caretaker_says_so() {
    for guard in [true, false] {
        for len in [0, 4096, 3 * 4096] {
            let name = Name::new();
            guarded(Format::V2).create_region(&name).unwrap();
            let options = LinkOptions::new().guard_truncation(guard);
            let caretaker = options.caretaker(&name).unwrap();
            let report = caretaker.examine();
            assert!(!report.truncated && report.sides.len() == 4);
            assert_eq!(caretaker.repair().unwrap(), Repaired::default());
            cut(&name, len);
            let report = caretaker.examine();
            assert!(report.truncated && report.sides.is_empty() && !report.needs_repair());
            let error = caretaker.repair().unwrap_err();
            let is_truncated = matches!(error, OpenError::Truncated { found, needed, .. } if found == len && len < needed);
            assert!(is_truncated, "{error:?}");
        }
    }
}

/// A process that guards a link, has a handler of its own or not, and then gets a SIGBUS that the guard
/// is not for.
fn foreign(handler: &str, cause: &str) -> std::process::ExitStatus {
    let name = Name::new();
    guarded(Format::V2).create_region(&name).unwrap();
    let mut process = Process::start_with(
        &mut rogue!["sigbus", &*name, handler, cause],
        Stdio::piped(),
    );
    if cause == "sent" {
        process.wait_for_output("ready");
        process.signal(Signal::BUS);
    }
    process.wait().status
}

#[test]
fn other_signals_reach_whom_they_reached_before() {
    for cause in ["fault", "sent"] {
        // The handler ends the process with this code.
        for handler in ["plain", "info"] {
            assert_eq!(
                foreign(handler, cause).code(),
                Some(42),
                "{handler}, {cause}"
            );
        }
        let status = foreign("default", cause);
        assert_eq!(
            status.signal(),
            Some(Signal::BUS.as_raw()),
            "{cause}: {status}"
        );
    }
    let status = foreign("ignored", "fault");
    assert_eq!(status.signal(), Some(Signal::BUS.as_raw()), "{status}");
}

#[test]
fn many_links_and_threads() {
    let workers: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(|| {
                for _ in 0..20 {
                    let (name, mut near, mut far) = pair(Format::V2);
                    near.send(b"before").unwrap();
                    assert_eq!(far.recv_vec().unwrap(), b"before");
                    cut(&name, 4096);
                    let cut = (0..8).find_map(|_| near.send_timeout(&[1; SIZE], LIMIT).err());
                    assert_eq!(cut, Some(SendError::Truncated));
                }
            })
        })
        .collect();
    // One that nobody cuts is not disturbed.
    let (_name, mut near, mut far) = pair(Format::V2);
    while !workers.iter().all(std::thread::JoinHandle::is_finished) {
        near.send(&[5; SIZE]).unwrap();
        assert_eq!(far.recv_vec().unwrap(), [5; SIZE]);
        std::thread::sleep(Duration::from_micros(100));
    }
    for worker in workers {
        worker.join().unwrap();
    }
}
