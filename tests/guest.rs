//! A guest without an operating system and its host share a region: messages, calls and a stream
//! between hqq-core alone in a virtual machine and hqq-std here.
//!
//! Under KVM where `/dev/kvm` opens, and in a short form emulated (TCG); without KVM emulated only. On a
//! machine whose processor does not virtualise, KVM interprets most guests one instruction at a time,
//! hundreds of times slower than TCG, which translates: there, the short form is KVM's.
//! `HQQ_GUEST_MESSAGES` is how many messages (a million), and the rest in proportion.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails fails the test"
)]

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hqq_std::{LinkOptions, Receiver, Role, StandIn, StandardLink};
use hqq_tests::foreign::{Foreign, emulator};
use hqq_tests::hosting::{Amounts, advanced, echo, options, part};
use hqq_tests::{Name, eventually};

/// What the device shares; a power of two, as the size of every PCI memory.
const SHARED: usize = 4 << 20;
/// The exit code of a guest that did all it was asked to, as the emulator passes it on.
const DONE: i32 = 0x10 << 1 | 1;

const PINGS: usize = 20_000;
/// Enough for a median, however busy the machine.
const PINGING: Duration = Duration::from_secs(1);

/// What the short form is divided by: where it is emulated, and where it is interpreted.
const EMULATED: u64 = 20;
const INTERPRETED: u64 = 500;

/// What runs the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accelerator {
    Kvm,
    Tcg,
}

impl Accelerator {
    const fn name(self) -> &'static str {
        match self {
            Self::Kvm => "KVM",
            Self::Tcg => "TCG",
        }
    }

    const fn arguments(self) -> [&'static str; 4] {
        match self {
            Self::Kvm => ["-accel", "kvm", "-smp", "1"],
            // On one virtual processor its atomics would not be atomic towards the host.
            Self::Tcg => ["-accel", "tcg,thread=multi", "-smp", "2"],
        }
    }
}

/// What this machine has, and how much is asked of each.
fn runs(messages: u64) -> Vec<(Accelerator, Amounts)> {
    let kvm = File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_ok();
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    let virtualises = processor
        .split_whitespace()
        .any(|flag| flag == "vmx" || flag == "svm");
    let part = |accelerator, divisor| (accelerator, Amounts::of(messages / divisor));
    match (kvm, virtualises) {
        (true, true) => vec![part(Accelerator::Kvm, 1), part(Accelerator::Tcg, EMULATED)],
        (true, false) => {
            println!("KVM: it interprets, as this machine's processor does not virtualise");
            vec![
                part(Accelerator::Tcg, 1),
                part(Accelerator::Kvm, INTERPRETED),
            ]
        }
        (false, _) => vec![part(Accelerator::Tcg, 1)],
    }
}

/// A guest that takes longer than this for all of it hangs.
const BOUND: Duration = Duration::from_secs(600);

/// The emulator's process, killed when the test ends before it does, or after [`BOUND`]: then the guest is
/// dead, and every call that waits for it says so.
struct Machine {
    process: Arc<Mutex<Child>>,
    /// Dropped when the machine is.
    _watched: Sender<()>,
}

impl Machine {
    /// Boots the guest with the region as a device; it carries the guest's locks: while it runs, the
    /// guest lives.
    fn boot(accelerator: Accelerator, program: &Path, region: &Name, locks: StandIn) -> Self {
        let machine = emulator("qemu-system-x86_64", "qemu-system-x86")
            .args(accelerator.arguments())
            .args([
                "-M",
                "q35",
                "-m",
                "64",
                "-nodefaults",
                "-display",
                "none",
                "-bios",
                "qboot.rom",
            ])
            .arg("-no-reboot")
            // Appends: what was written before stays.
            .args(["-chardev", "file,id=log,path=/dev/stdout,append=on"])
            .args(["-serial", "chardev:log"])
            .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=1"])
            .arg("-object")
            .arg(format!(
                "memory-backend-file,id=m,size={SHARED},mem-path={},share=on",
                region.path().display()
            ))
            .args(["-device", "ivshmem-plain,memdev=m"])
            .arg("-kernel")
            .arg(program)
            .stdin(locks)
            .spawn();
        let process = Arc::new(Mutex::new(machine.unwrap()));
        let (watched, end) = channel();
        let watching = Arc::clone(&process);
        std::thread::spawn(move || {
            if end.recv_timeout(BOUND) == Err(RecvTimeoutError::Timeout) {
                // It may have ended just now.
                let _ = watching.lock().unwrap().kill();
            }
        });
        Self {
            process,
            _watched: watched,
        }
    }

    /// How it has ended, if it has.
    fn ended(&self) -> Option<ExitStatus> {
        self.process.lock().unwrap().try_wait().unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let mut process = self.process.lock().unwrap();
        // It may have ended by itself.
        let _ = process.kill();
        let _ = process.wait();
    }
}

#[test]
fn guest() {
    let program = Foreign {
        package: "guest",
        target: "x86_64-unknown-none",
        program: "hqq-guest",
        profile: "dev",
        features: "",
    }
    .build();
    let messages = std::env::var("HQQ_GUEST_MESSAGES");
    let messages = messages.map_or(1_000_000, |messages| messages.parse().unwrap());
    for (accelerator, amounts) in runs(messages) {
        run(&program, accelerator, amounts);
    }
}

/// A guest from its boot to its end.
fn run(program: &Path, accelerator: Accelerator, amounts: Amounts) {
    let how = accelerator.name();
    let name = Name::new();
    let mut file = File::create_new(name.path()).unwrap();
    file.write_all(&vec![0; SHARED]).unwrap();
    drop(file);
    let host = options().create_or_open(&name).unwrap();
    let locks = StandIn::for_role(&name, Role::Secondary).unwrap();
    let machine = Machine::boot(accelerator, program, &name, locks);

    let (mut sender, mut receiver) = host.split();
    eventually("the guest", || {
        assert!(machine.ended().is_none(), "the machine has ended");
        sender.is_peer_open().then_some(())
    });
    let took = echo(&mut sender, &mut receiver, amounts.messages);
    println!("{how}: {} messages echoed in {took:.1?}", amounts.messages);
    let guest = round_trip(&mut sender, &mut receiver);
    part(sender, receiver);
    println!(
        "{how}: round trip of 8 bytes, median: guest and host {guest:.2?}, two threads of the host {:.2?}",
        host_round_trip()
    );
    let (calls, stream) = advanced(&name, amounts);
    println!("{how}: {} calls in {calls:.1?}", amounts.calls);
    println!(
        "{how}: a stream of {} bytes in {stream:.1?}",
        amounts.stream
    );

    let status = eventually("the machine to end", || machine.ended());
    assert_eq!(status.code(), Some(DONE), "the guest has failed: {status}");
}

/// The median time from sending 8 bytes to having them back.
fn round_trip(sender: &mut hqq_std::Sender, receiver: &mut Receiver) -> Duration {
    let started = Instant::now();
    let mut times = Vec::with_capacity(PINGS);
    while times.len() < PINGS && started.elapsed() < PINGING {
        let sent = Instant::now();
        sender.send(&[7; 8]).unwrap();
        assert_eq!(receiver.recv(&mut [0; 64]).unwrap(), 8);
        times.push(sent.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2]
}

/// The same between two threads here, each with an endpoint of its own.
fn host_round_trip() -> Duration {
    let (near, mut far): (StandardLink, StandardLink) =
        LinkOptions::new().count(256).size(4096).pair().unwrap();
    let echo = std::thread::spawn(move || {
        let mut message = [0; 64];
        while let Ok(len) = far.recv(&mut message) {
            far.send(&message[..len]).unwrap();
        }
    });
    let (mut sender, mut receiver) = near.split();
    let median = round_trip(&mut sender, &mut receiver);
    drop((sender, receiver));
    echo.join().unwrap();
    median
}
