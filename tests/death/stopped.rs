//! A peer that is stopped is not robbed: callers learn of it at their deadlines, and nothing is lost.

use std::cell::Cell;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hqq_core::ring::{Consumer, Producer};
use hqq_std::{Delivery, LinkOptions, Mode, Receiver, RecvError, Role, SendError, Sender};
use hqq_tests::{
    LIMIT, Name, Phase, Process, Sheet, attached, eventually, fill_message, is_message,
};
use rustix::process::Signal;

const RING: usize = 16;
const SIZE: usize = 128;
/// How long a peer is stopped.
const STOP: Duration = Duration::from_secs(3);
/// The deadline of each call meanwhile.
const CALL: Duration = Duration::from_millis(150);
/// How much later than the control's the latest call may be: which of two threads has a core when is not the same.
const SLACK: Duration = Duration::from_millis(150);
/// Threads that only sleep, beside the one that calls.
const SLEEPERS: usize = 4;

/// How often each test stops its peer; 20 in the long form.
fn stops() -> u64 {
    let stops = std::env::var("HQQ_STOPS").ok();
    stops.and_then(|stops| stops.parse().ok()).unwrap_or(2)
}

/// Some microseconds, never the same: at the end of them the peer may be anywhere.
fn somewhen() -> Duration {
    Duration::from_micros(RandomState::new().build_hasher().finish() % 2000)
}

/// A peer, and what it notes.
struct Peer {
    process: Process,
    sheet: Sheet,
    _directory: tempfile::TempDir,
}

fn peer(name: &Name, task: &str, mode: Mode) -> Peer {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sheet");
    let sheet = Sheet::create(&path);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_victim"));
    command
        .args([task, name, &mode.to_string(), "1"])
        .arg(&path)
        .arg("1");
    let process = Process::start(&mut command);
    eventually("it to attach", || sheet.is_ready().then_some(()));
    Peer {
        process,
        sheet,
        _directory: directory,
    }
}

fn region(delivery: Delivery) -> Name {
    let name = Name::new();
    let options = LinkOptions::new().count(RING).size(SIZE);
    options.delivery(delivery).create_region(&name).unwrap();
    name
}

impl Peer {
    /// Stops it, and waits until it stands.
    fn stop(&self) {
        self.process.signal(Signal::STOP);
        let stat = format!("/proc/{}/stat", self.process.id());
        eventually("it to stop", || {
            let text = std::fs::read_to_string(&stat).unwrap();
            let (_, after_name) = text.rsplit_once(')').unwrap();
            after_name.trim_start().starts_with('T').then_some(())
        });
    }
}

/// Threads of this process that sleep to the deadlines of the calls: how much later than those the last of them wakes,
/// any call may be here. There are several, as what takes a core away seldom hits a caller and one thread alike.
struct Control {
    sleepers: [(mpsc::Sender<Instant>, JoinHandle<Duration>); SLEEPERS],
}

impl Control {
    fn start() -> Self {
        let sleeper = || {
            let (deadlines, told) = mpsc::channel::<Instant>();
            let thread = std::thread::spawn(move || {
                let mut latest = Duration::ZERO;
                for deadline in told {
                    std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
                    latest = latest.max(deadline.elapsed());
                }
                latest
            });
            (deadlines, thread)
        };
        Self {
            sleepers: std::array::from_fn(|_| sleeper()),
        }
    }

    /// The deadline of a call that begins now.
    fn deadline(&self) -> Instant {
        let deadline = Instant::now() + CALL;
        for (deadlines, _) in &self.sleepers {
            deadlines.send(deadline).unwrap();
        }
        deadline
    }

    /// Prints how late calls were, next to a thread that only slept.
    fn compare(self, what: &str, late: &[Duration]) {
        let threads = self.sleepers.map(|(deadlines, thread)| {
            drop(deadlines);
            thread
        });
        let control = threads.map(|thread| thread.join().unwrap());
        let control = control.into_iter().max().unwrap_or_default();
        let latest = late.iter().max().copied().unwrap_or_default();
        println!(
            "{what}: {} calls came back at most {latest:?} after their deadlines, {SLEEPERS} threads that slept to the same ones {control:?}",
            late.len()
        );
        assert!(
            latest < control + SLACK,
            "{latest:?} late, and {control:?} where threads slept"
        );
    }
}

#[test]
fn a_stopped_sender_keeps_its_slot() {
    let name = region(Delivery::AtMostOnce);
    let options = LinkOptions::new().role(Role::Secondary);
    let link = attached(|| options.clone().shared().open(&name)).unwrap();
    let stalled = stop_sender(link.receiver(), &name, Mode::Shared);
    assert!(stalled > 0, "it was stopped with a buffer in its hand");
}

#[test]
fn a_stopped_exclusive_sender_keeps_its_slot() {
    let name = region(Delivery::AtLeastOnce);
    let options = LinkOptions::new().role(Role::Secondary);
    let (_sender, receiver) = attached(|| options.open(&name)).unwrap().split();
    // What it writes is seen by nobody until it publishes: calls only time out.
    stop_sender(receiver, &name, Mode::Exclusive);
}

/// Stops a sender again and again; says how often a call learned that it stood in the way.
fn stop_sender<C: Consumer>(mut receiver: Receiver<C>, name: &Name, mode: Mode) -> u32 {
    let peer = peer(name, "send", mode);
    let mut buffer = [0; SIZE];
    let next = Cell::new(0);
    let mut receive = |deadline: Instant| {
        let result = receiver.recv_deadline(&mut buffer, deadline);
        if let Ok(len) = result {
            assert_eq!(is_message(&buffer[..len]), (1, next.get(), true));
            next.set(next.get() + 1);
        }
        result.map(|_| ())
    };
    let (mut stalled, mut timed_out) = (0_u32, 0_u32);
    for round in 0..stops() {
        let begun = Instant::now();
        for _ in 0..50 {
            receive(Instant::now() + LIMIT).unwrap();
        }
        let until = begun.elapsed() + somewhen();
        while begun.elapsed() < until {
            let _ = receive(Instant::now());
        }
        // Half of the time while it holds a buffer.
        if round % 2 == 0 {
            eventually("it to write", || {
                let _ = receive(Instant::now());
                peer.stop();
                let writing = peer.sheet.phase(0) == Phase::Writing;
                if !writing {
                    peer.process.signal(Signal::CONT);
                }
                writing.then_some(())
            });
        } else {
            peer.stop();
        }
        let (control, end) = (Control::start(), Instant::now() + STOP);
        let mut late = Vec::new();
        while Instant::now() < end {
            let deadline = control.deadline();
            match receive(deadline) {
                Ok(()) => {}
                Err(error) => {
                    late.push(deadline.elapsed());
                    match error {
                        RecvError::PeerStalled(obstacle) => {
                            assert!(obstacle.writing);
                            stalled += 1;
                        }
                        RecvError::TimedOut => timed_out += 1,
                        error => panic!("{error}"),
                    }
                }
            }
        }
        // It may have sent one without noting it.
        let unnoted = next.get() - peer.sheet.count(0);
        assert!(unnoted <= 1, "{unnoted}");
        control.compare("a stopped sender", &late);
        peer.process.signal(Signal::CONT);
    }
    println!("a stopped {mode} sender: stalled {stalled}, timed out {timed_out}");
    assert!(stalled + timed_out > 0);
    // It goes on where it was, and nothing is missing: `receive` counts.
    peer.sheet.stop(1);
    loop {
        match receive(Instant::now() + LIMIT) {
            Ok(()) => {}
            Err(RecvError::Disconnected) => break,
            Err(error) => panic!("{error}"),
        }
    }
    let _ = peer.process.wait().ok();
    assert_eq!(next.get(), peer.sheet.count(0));
    stalled
}

#[test]
fn a_stopped_receiver_keeps_its_slot() {
    let name = region(Delivery::AtMostOnce);
    let options = LinkOptions::new().role(Role::Primary);
    let link = attached(|| options.clone().shared().open(&name)).unwrap();
    let stalled = stop_receiver(link.sender(), &name, Mode::Shared);
    assert!(stalled > 0, "it was stopped with a message in its hand");
}

#[test]
fn a_stopped_exclusive_receiver_keeps_its_slot() {
    let name = region(Delivery::AtLeastOnce);
    let options = LinkOptions::new().role(Role::Primary);
    let (sender, _receiver) = attached(|| options.open(&name)).unwrap().split();
    stop_receiver(sender, &name, Mode::Exclusive);
}

/// Stops a receiver again and again; says how often a call learned that it stood in the way.
fn stop_receiver<P: Producer>(mut sender: Sender<P>, name: &Name, mode: Mode) -> u32 {
    let peer = peer(name, "read", mode);
    let (mut sent, mut received) = (0, 0);
    let (mut stalled, mut timed_out) = (0_u32, 0_u32);
    let mut check = || {
        for note in peer.sheet.take(0) {
            assert_eq!(
                (note.number, note.whole, note.in_doubt),
                (received, true, false)
            );
            received += 1;
        }
        received
    };
    for round in 0..stops() {
        let begun = Instant::now();
        let until = somewhen();
        while sent < 50 * (round + 1) || begun.elapsed() < until {
            sender
                .send_timeout(&fill_message(1, sent, SIZE), LIMIT)
                .unwrap();
            sent += 1;
            check();
        }
        if round % 2 == 0 {
            eventually("it to read", || {
                if sender.try_send(&fill_message(1, sent, SIZE)).is_ok() {
                    sent += 1;
                }
                check();
                peer.stop();
                let reading = peer.sheet.phase(0) == Phase::Reading;
                if !reading {
                    peer.process.signal(Signal::CONT);
                }
                reading.then_some(())
            });
        } else {
            peer.stop();
        }
        let (control, end) = (Control::start(), Instant::now() + STOP);
        let mut late = Vec::new();
        while Instant::now() < end {
            let deadline = control.deadline();
            match sender.send_deadline(&fill_message(1, sent, SIZE), deadline) {
                Ok(()) => sent += 1,
                Err(error) => {
                    late.push(deadline.elapsed());
                    match error {
                        SendError::PeerStalled(obstacle) => {
                            assert!(!obstacle.writing);
                            stalled += 1;
                        }
                        SendError::TimedOut => timed_out += 1,
                        error => panic!("{error}"),
                    }
                }
            }
        }
        control.compare("a stopped receiver", &late);
        peer.process.signal(Signal::CONT);
    }
    println!("a stopped {mode} receiver: stalled {stalled}, timed out {timed_out}");
    assert!(stalled + timed_out > 0);
    eventually("all to come", || (check() == sent).then_some(()));
    peer.sheet.stop(2);
    let _ = peer.process.wait().ok();
    stalled
}
