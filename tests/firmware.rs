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
    let output = Command::new("cargo")
        .args([
            "build",
            "--release",
            "--locked",
            "-p",
            "hqq-std",
            "--bin",
            "hqq",
        ])
        .args(["--features", "cli,defmt"])
        .env("CARGO_TARGET_DIR", root.join("target"))
        .current_dir(&root)
        .output()
        .unwrap();
    succeeded(&output);
    root.join("target/release/hqq")
}

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
    for expected in [
        "5000 messages echoed by the interrupt handler",
        "200 calls answered by the interrupt handler",
        "the handler leaves after",
        "5 messages of the host",
        "all is well, 0 frames dropped",
    ] {
        assert!(logs.contains(expected), "`{expected}` in {logs}");
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
    println!("{text}");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["count"], 8, "{text}");
    assert_eq!(json["size"], 64, "{text}");
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
    receiver.set_timeout(Some(std::time::Duration::from_millis(50)));
    assert_eq!(receiver.recv(&mut message), Err(RecvError::TimedOut));
    for number in 0..5_u8 {
        sender.send(&[number * 3; 60]).unwrap();
    }
}

/// What an image may add to the baseline.
struct Budget {
    program: &'static str,
    text: u64,
    /// Bytes of a region, which are no overhead.
    region: u64,
    /// Bytes of stack that sending may take.
    send: Option<u64>,
}

const BUDGETS: [Budget; 2] = [
    Budget {
        program: "standard",
        text: 4096,
        region: 3584,
        send: Some(256),
    },
    Budget {
        program: "advanced",
        text: 14 * 1024,
        region: 3584,
        send: None,
    },
];

#[test]
fn budgets() {
    let build = |program| {
        Foreign {
            package: "firmware",
            target: "thumbv7em-none-eabihf",
            program,
            profile: "size",
            features: "",
        }
        .build()
    };
    let baseline = Image::measure(&build("baseline"));
    let mut over = Vec::new();
    println!(
        "| image, beside the baseline | text | budget | static RAM beside the region | stack of a send | budget | stack of a receive |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for budget in BUDGETS {
        let image = Image::measure(&build(budget.program));
        let text = image.text - baseline.text;
        let ram = image.ram - baseline.ram - budget.region;
        println!(
            "| {} | {text} | {} | {ram} | {} | {} | {} |",
            budget.program,
            budget.text,
            image.send,
            budget
                .send
                .map_or_else(|| "none".to_owned(), |most| most.to_string()),
            image.receive,
        );
        if text > budget.text {
            over.push(format!(
                "{}: {text} bytes of text, {} allowed",
                budget.program, budget.text
            ));
        }
        // A word for whether the region was taken, on a line of its own as the region's end is one.
        if ram > 64 {
            over.push(format!(
                "{}: {ram} bytes of static RAM beside the region",
                budget.program
            ));
        }
        if let Some(most) = budget.send.filter(|most| image.send > *most) {
            over.push(format!(
                "{}: a send takes {} bytes of stack, {most} allowed",
                budget.program, image.send
            ));
        }
    }
    assert!(over.is_empty(), "{over:#?}");
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
