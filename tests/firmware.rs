//! Firmware for a Cortex-M3 on an emulator: its messages and calls, its logs decoded, its region's
//! image read and answered here; and the sizes of images for a Cortex-M4 within their budgets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails fails the test"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use hqq_std::{LinkOptions, RecvError, Role, StandIn};
use hqq_tests::foreign::{Foreign, emulator};
use hqq_tests::{Process, eventually, hqq};

/// The emulator's exit code is the firmware's.
fn board(machine: &str, program: &Path, directory: &Path) -> Command {
    let mut command = emulator("qemu-system-arm", "qemu-system-arm");
    command
        .args([
            "-M",
            machine,
            "-nographic",
            "-monitor",
            "none",
            "-serial",
            "none",
        ])
        .args(["-semihosting-config", "enable=on,target=native"])
        .arg("-kernel")
        .arg(program)
        .current_dir(directory);
    command
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The `hqq` command with `hqq defmt`, which the tests' own has not: its decoder is large.
fn hqq_with_decoder() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (profile, directory) = if cfg!(debug_assertions) {
        ("dev", "debug")
    } else {
        ("release", "release")
    };
    let output = Command::new("cargo")
        .args([
            "build",
            "--profile",
            profile,
            "--locked",
            "--workspace",
            "--bin",
            "hqq",
        ])
        // As `cargo test --workspace` does: with all packages, and the example for what tests need, its
        // dependencies have the features that were built already.
        .args(["--example", "poll_loop"])
        .args(["--features", "hqq-std/cli,hqq-std/defmt"])
        .env("CARGO_TARGET_DIR", root.join("target"))
        .current_dir(&root)
        .output()
        .unwrap();
    succeeded(&output);
    root.join("target").join(directory).join("hqq")
}

/// Decoded by `defmt-print`, where `HQQ_DEFMT_PRINT` says which; by `hqq defmt` alone otherwise.
fn printed(elf: &Path, frames: &Path) -> Option<String> {
    let Some(program) = std::env::var_os("HQQ_DEFMT_PRINT") else {
        println!(
            "defmt-print did not decode the logs: `cargo install defmt-print`, HQQ_DEFMT_PRINT=defmt-print"
        );
        return None;
    };
    let frames = std::fs::File::open(frames).unwrap();
    let output = Command::new(&program)
        .arg("-e")
        .arg(elf)
        .stdin(frames)
        .output()
        .unwrap_or_else(|error| panic!("{program:?}: {error}; cargo install defmt-print"));
    Some(succeeded(&output))
}

/// Decoded by `hqq defmt`.
fn decoded(hqq: &Path, elf: &Path, arguments: &[&str], input: Stdio) -> String {
    let output = Command::new(hqq)
        .args(["defmt", "--elf"])
        .arg(elf)
        .args(arguments)
        .stdin(input)
        .output()
        .unwrap();
    succeeded(&output)
}

#[test]
fn firmware() {
    let elf = Foreign {
        package: "firmware",
        target: "thumbv7m-none-eabi",
        program: "firmware",
        profile: "dev",
        features: "logs",
    }
    .build();
    let hqq = hqq_with_decoder();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let mut board = Process::start(&mut board("mps2-an385", &elf, directory.path()));

    // Messages and calls are behind it when it hands its region over; then we take part.
    let image = path("region.bin");
    eventually("the image of the region", || {
        assert!(board.is_running(), "{}: {}", board.stdout(), board.stderr());
        let len = image.metadata().map_or(0, |found| found.len());
        (len == hqq_core::size_of_link(8, 64).unwrap() as u64).then_some(())
    });
    inspect(&image);
    take_part(&image);
    std::fs::rename(&image, path("answer.bin")).unwrap();

    let ended = board.wait();
    let frames = std::fs::File::open(path("defmt.bin")).unwrap();
    let logs = decoded(&hqq, &elf, &["-"], frames.into());
    println!("{logs}");
    assert!(ended.status.success(), "{ended:?}");
    let printed = printed(&elf, &path("defmt.bin"));
    for expected in [
        "5000 messages echoed by the interrupt handler",
        "200 calls answered by the interrupt handler",
        "the handler leaves after",
        "5 messages of the host",
        "all is well, 0 frames dropped",
    ] {
        for logs in [Some(&logs), printed.as_ref()].into_iter().flatten() {
            assert!(logs.contains(expected), "`{expected}` in {logs}");
        }
    }
    // What it left in the region of its logs is there, too.
    let logs = path("logs.bin");
    let left = decoded(
        &hqq,
        &elf,
        &["--file", logs.to_str().unwrap()],
        Stdio::null(),
    );
    assert!(left.contains("left in the region"), "{left}");
}

/// The image is a region like any other: `hqq inspect` says what is in it.
fn inspect(image: &Path) {
    let output = hqq!("inspect", "--file", image, "--json").output().unwrap();
    let text = succeeded(&output);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["superblock"]["count"], 8, "{text}");
    assert_eq!(json["superblock"]["size"], 64, "{text}");
    assert_eq!(json["rings"][0]["unread"], 3, "{text}");
    let next = json["rings"][0]["slots"][0]["packet"].as_str().unwrap();
    assert!(next.contains("17 bytes: from the firmware"), "{text}");
}

/// As the firmware's peer: its three messages, and five of our own.
fn take_part(image: &Path) {
    // It is there, but no process of this system.
    let _firmware = StandIn::for_role_in(image, Role::Primary).unwrap();
    let link = LinkOptions::new()
        .role(Role::Secondary)
        .open_path(image)
        .unwrap();
    let (mut sender, mut receiver) = link.split();
    let mut message = [0; 64];
    let len = receiver.recv(&mut message).unwrap();
    assert_eq!(&message[..len], b"from the firmware");
    assert_eq!(receiver.recv(&mut message), Ok(64));
    assert_eq!(message, [0xa5; 64]);
    assert_eq!(receiver.recv(&mut message), Ok(4));
    assert_eq!(message[..4], 5000_u32.to_le_bytes());
    let quiet = Some(std::time::Duration::from_millis(50));
    receiver.set_timeout(quiet).unwrap();
    assert_eq!(receiver.recv(&mut message), Err(RecvError::TimedOut));
    for number in 0..5_u8 {
        sender.send(&[number * 3; 60]).unwrap();
    }
}

/// What an image may have beyond another one.
struct Budget {
    program: &'static str,
    beside: &'static str,
    text: u64,
    /// Bytes of stack that sending may take.
    send: Option<u64>,
}

const BUDGETS: [Budget; 3] = [
    Budget {
        program: "standard",
        beside: "region",
        text: 3200,
        send: Some(256),
    },
    Budget {
        program: "standard",
        beside: "baseline",
        text: 4096,
        send: Some(256),
    },
    Budget {
        program: "advanced",
        beside: "baseline",
        text: 14 * 1024,
        send: None,
    },
];

#[test]
fn budgets() {
    let images = ["baseline", "region", "standard", "advanced"].map(|program| {
        let elf = Foreign {
            package: "firmware",
            target: "thumbv7em-none-eabihf",
            program,
            profile: "size",
            features: "",
        }
        .build();
        (program, Image::measure(&elf))
    });
    let image = |name| {
        let found = images.iter().find(|(program, _)| *program == name);
        &found.expect("one of them").1
    };
    let region = hqq_core::size_of_link(8, 64).unwrap() as u64;
    let mut over = Vec::new();
    println!("| image, beside | text, budget | RAM but the region | stack: send, budget | receive");
    for budget in BUDGETS {
        let (program, found, beside) =
            (budget.program, image(budget.program), image(budget.beside));
        let text = found.text - beside.text;
        // All images but the baseline have the region.
        let ram = found.ram - image("baseline").ram - region;
        let send = budget
            .send
            .map_or_else(String::new, |most| format!(", {most}"));
        println!(
            "| {program}, {} | {text}, {} | {ram} | {}{send} | {}",
            budget.beside, budget.text, found.send, found.receive,
        );
        if text > budget.text {
            over.push(format!("{program}: {text} bytes of text, {}", budget.text));
        }
        if ram > 0 {
            over.push(format!(
                "{program}: {ram} bytes of static RAM beside the region"
            ));
        }
        if budget.send.is_some_and(|most| found.send > most) {
            over.push(format!(
                "{program}: a send takes {} bytes of stack",
                found.send
            ));
        }
    }
    assert!(over.is_empty(), "over budget: {over:#?}");
}

/// A linked image, and what it said of itself on the emulator.
struct Image {
    text: u64,
    ram: u64,
    send: u64,
    receive: u64,
}

impl Image {
    fn measure(program: &Path) -> Self {
        let symbols = Command::new("nm")
            .arg(program)
            .output()
            .expect("nm (Debian: binutils)");
        let symbols = succeeded(&symbols);
        let unwanted = |name: &&str| name.contains("panick") || name.contains("4core3fmt");
        // The handler is in no image that links: what it calls does not exist.
        let found: Vec<&str> = symbols.lines().filter(unwanted).collect();
        assert!(found.is_empty(), "{}: {found:#?}", program.display());

        let size = Command::new("size")
            .arg(program)
            .output()
            .expect("size (Debian: binutils)");
        let size = succeeded(&size);
        let numbers: Vec<u64> = size
            .lines()
            .nth(1)
            .unwrap()
            .split_whitespace()
            .map_while(|word| word.parse().ok())
            .collect();
        let &[text, data, bss, ..] = numbers.as_slice() else {
            panic!("{size}");
        };
        let directory = tempfile::tempdir().unwrap();
        let ended = Process::start(&mut board("mps2-an386", program, directory.path())).wait();
        assert!(ended.status.success(), "{}: {ended:?}", program.display());
        let told = |name: &str| {
            let bytes = std::fs::read(directory.path().join(name)).unwrap();
            u64::from(u32::from_le_bytes(bytes.try_into().unwrap()))
        };
        Self {
            text: text + data,
            ram: data + bss,
            send: told("send.bin"),
            receive: told("receive.bin"),
        }
    }
}
