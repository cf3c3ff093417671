//! A guest without an operating system and its host share a region: messages, calls and a stream
//! between hqq-core alone in a virtual machine and hqq-std here. Under KVM where there is one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails fails the test"
)]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use hqq_std::{
    AdvancedLink, AdvancedOptions, Incoming, LinkOptions, Receiver, Role, Sender, StandIn,
    StandardLink,
};
use hqq_tests::foreign::{Foreign, emulator};
use hqq_tests::{Name, eventually};

/// What the device shares; a power of two, as the size of every PCI memory.
const SHARED: usize = 4 << 20;
/// The exit code of a guest that did all it was asked to, as the emulator passes it on.
const DONE: i32 = 0x10 << 1 | 1;
/// The methods of `tests/guest/src/main.rs`.
const INCREMENT: u64 = 1;
const STREAM: u64 = 2;

const PINGS: usize = 20_000;
/// Enough for a median, however busy the machine.
const PINGING: Duration = Duration::from_secs(2);

/// How much is exchanged.
struct Amounts {
    messages: u64,
    calls: u64,
    stream: u64,
}

impl Amounts {
    /// A million messages, 10,000 calls and 64 MiB; less in proportion where `HQQ_GUEST_MESSAGES`
    /// says fewer messages, or without KVM.
    fn new(kvm: bool) -> Self {
        let asked = std::env::var("HQQ_GUEST_MESSAGES").ok();
        let messages = match asked.and_then(|number| number.parse().ok()) {
            Some(messages) => messages,
            None if kvm => 1_000_000,
            None => 50_000,
        };
        Self {
            messages,
            calls: messages / 100,
            stream: messages * (64 << 20) / 1_000_000,
        }
    }
}

fn options() -> LinkOptions {
    LinkOptions::new().count(256).size(4096).role(Role::Primary)
}

/// The emulator's process, killed when the test ends before it does.
struct Machine(std::process::Child);

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
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
    let kvm = File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_ok();
    let amounts = Amounts::new(kvm);

    let name = Name::new();
    let mut file = File::create_new(name.path()).unwrap();
    file.write_all(&vec![0; SHARED]).unwrap();
    drop(file);
    let host = options().create_or_open(&name).unwrap();
    // The emulator's process has the locks of the guest: while it runs, the guest lives.
    let stand_in = StandIn::for_role(&name, Role::Secondary).unwrap();
    let machine = emulator("qemu-system-x86_64", "qemu-system-x86")
        .args(if kvm {
            ["-accel", "kvm", "-smp", "1"]
        } else {
            // On one virtual processor its atomics would not be atomic towards the host.
            ["-accel", "tcg,thread=multi", "-smp", "2"]
        })
        .args([
            "-M",
            "q35",
            "-m",
            "64",
            "-display",
            "none",
            "-monitor",
            "none",
            "-no-reboot",
        ])
        .args(["-serial", "file:/dev/stdout"])
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=1"])
        .arg("-object")
        .arg(format!(
            "memory-backend-file,id=m,size={SHARED},mem-path={},share=on",
            name.path().display()
        ))
        .args(["-device", "ivshmem-plain,memdev=m"])
        .arg("-kernel")
        .arg(program)
        .stdin(stand_in)
        .spawn()
        .unwrap();
    let mut machine = Machine(machine);
    let how = if kvm { "KVM" } else { "TCG" };

    let (mut sender, mut receiver) = host.split();
    eventually("the guest", || {
        assert!(
            machine.0.try_wait().unwrap().is_none(),
            "the machine has ended"
        );
        sender.is_peer_open().then_some(())
    });
    let took = echo(&mut sender, &mut receiver, amounts.messages);
    println!("{how}: {} messages echoed in {took:.1?}", amounts.messages);
    let guest = round_trip(&mut sender, &mut receiver);
    drop((sender, receiver));
    println!(
        "{how}: round trip of 8 bytes, median: guest and host {guest:.2?}, two threads of the host {:.2?}",
        host_round_trip()
    );

    advanced(&name, &amounts, how);
    let status = eventually("the machine to end", || machine.0.try_wait().unwrap());
    assert_eq!(status.code(), Some(DONE), "the guest has failed: {status}");
}

/// Byte `at` of message `number`.
fn byte(number: u64, at: usize) -> u8 {
    (number.wrapping_mul(31) as usize + at * 7) as u8
}

fn fill(number: u64, message: &mut Vec<u8>, longest: usize) {
    let len = (number.wrapping_mul(2_654_435_761) >> 7) as usize % (longest + 1);
    message.clear();
    message.extend((0..len).map(|at| byte(number, at)));
}

/// Sends messages of up to 300 bytes, and now and then of a whole buffer, and checks what comes back.
fn echo(sender: &mut Sender, receiver: &mut Receiver, messages: u64) -> Duration {
    let longest = |number: u64| {
        if number.is_multiple_of(1000) {
            4096
        } else {
            300
        }
    };
    let started = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut message = Vec::new();
            for number in 0..messages {
                fill(number, &mut message, longest(number));
                sender.send(&message).unwrap();
            }
        });
        let (mut expected, mut buffer) = (Vec::new(), vec![0; 4096]);
        for number in 0..messages {
            fill(number, &mut expected, longest(number));
            let len = receiver.recv(&mut buffer).unwrap();
            assert_eq!(buffer[..len], expected, "echo {number}");
        }
    });
    started.elapsed()
}

/// The median time from sending 8 bytes to having them back.
fn round_trip(sender: &mut Sender, receiver: &mut Receiver) -> Duration {
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

/// Calls of up to 8 KiB, then a message that the guest sends.
fn advanced(name: &Name, amounts: &Amounts, how: &str) {
    let link = options().create_or_open(name).unwrap();
    let link = AdvancedLink::new(link, AdvancedOptions::new());
    let limit = Instant::now() + hqq_tests::LIMIT;
    link.negotiate(Some(limit)).unwrap();
    let started = Instant::now();
    let mut body = Vec::new();
    for number in 0..amounts.calls {
        fill(number, &mut body, 8192);
        let answer = link.call(INCREMENT, &body).unwrap();
        assert_eq!(answer.len(), body.len());
        let wrong = answer
            .iter()
            .zip(&body)
            .position(|(got, sent)| *got != sent.wrapping_add(1));
        assert_eq!(wrong, None, "call {number}");
    }
    println!(
        "{how}: {} calls in {:.1?}",
        amounts.calls,
        started.elapsed()
    );

    let started = Instant::now();
    assert_eq!(
        link.call(STREAM, &amounts.stream.to_le_bytes()).unwrap(),
        b""
    );
    let Incoming::Plain { mut body, .. } = link.receive_stream(Some(limit)).unwrap() else {
        panic!("a request where a stream was expected");
    };
    let (mut received, mut buffer) = (0_u64, vec![0; 1 << 16]);
    loop {
        let len = body.read(&mut buffer).unwrap();
        if len == 0 {
            break;
        }
        for (at, byte) in buffer[..len].iter().enumerate() {
            assert_eq!(
                u64::from(*byte),
                (received + at as u64) % 251,
                "byte {}",
                received + at as u64
            );
        }
        received += len as u64;
    }
    assert_eq!(received, amounts.stream);
    println!(
        "{how}: a stream of {received} bytes in {:.1?}",
        started.elapsed()
    );
}
