//! Files that somebody else makes, or that claim more than they have.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

mod common;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use common::Name;
use hqq_core::{AttachError, FormatError, Layout, LayoutError, Role};
use hqq_std::inspect::Snapshot;
use hqq_std::{Format, LinkOptions, OpenError};

const PAGE: usize = 4096;

fn create(name: &Name) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    options.open(name.path()).unwrap()
}

fn put(file: &File, at: usize, value: u64) {
    file.write_all_at(&value.to_le_bytes(), at as u64).unwrap();
}

/// The superblock and the ring headers of format 1 over holes.
fn holes(name: &Name, count: usize, size: usize, len: u64) {
    let file = create(name);
    file.set_len(len).unwrap();
    let fields = [
        0x4851_515f_5354_4c31,
        2,
        1,
        0,
        PAGE as u64,
        count as u64,
        size as u64,
        len,
    ];
    for (index, value) in fields.into_iter().enumerate() {
        put(&file, 8 * index, value);
    }
}

#[test]
fn a_region_that_is_mostly_holes_is_refused_and_looked_at_in_bounds() {
    let name = Name::new();
    let (count, size) = (1 << 20, 4096);
    let layout = Layout::format_1(count, size, PAGE).unwrap();
    holes(&name, count, size, layout.len() as u64);
    let error = LinkOptions::new().open(&name).err().unwrap();
    assert!(matches!(error, OpenError::Sparse { .. }), "{error:?}");
    assert!(error.to_string().contains("holes"), "{error}");
    let snapshot = Snapshot::of_name(&name).unwrap();
    for ring in &snapshot.rings {
        assert!(ring.slots.len() <= 1 << 14, "{} slots", ring.slots.len());
    }
}

#[test]
fn more_buffers_than_any_call_could_look_at_are_refused() {
    let name = Name::new();
    let count = 1 << 26;
    holes(&name, count, 8, 1 << 34);
    for error in [
        LinkOptions::new().open(&name).err().unwrap(),
        Snapshot::of_name(&name).err().unwrap(),
    ] {
        let expected = LayoutError::CountOfFormat1 { count };
        assert!(
            matches!(
                error,
                OpenError::Attach { error: AttachError::Format(FormatError::Layout(found)), .. }
                    if found == expected
            ),
            "{error:?}"
        );
    }
}

#[test]
fn a_file_that_somebody_else_gives_its_length_is_never_made_shorter() {
    const LEN: u64 = 8_548_352;
    let name = Name::new();
    let file = create(&name);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // As HQQ-Go does, a little late: the length, then the claim, which it never ends.
            std::thread::sleep(Duration::from_millis(50));
            file.set_len(LEN).unwrap();
            put(&file, 8, 1);
        });
        for format in [Format::V2, Format::V1] {
            let error = LinkOptions::new()
                .format(format)
                .count(4)
                .size(64)
                .attach_timeout(Duration::from_millis(500))
                .create_or_open(&name)
                .err()
                .unwrap();
            let format = Format::V1;
            assert!(
                matches!(
                    error,
                    OpenError::Attach { error: AttachError::Format(FormatError::Initialising { format: found }), .. }
                        if found == format
                ),
                "{error:?}"
            );
        }
    });
    assert_eq!(file.metadata().unwrap().len(), LEN);
    assert!(
        hqq_std::list()
            .unwrap()
            .iter()
            .any(|region| region.as_str() == &*name)
    );
}

#[test]
fn zeros_without_end_hold_nobody_up() {
    let name = Name::new();
    create(&name).set_len(1 << 37).unwrap();
    let options = LinkOptions::new().count(4).size(64);
    let mut near = options.create_or_open(&name).unwrap();
    let mut far = options.open(&name).unwrap();
    near.send(b"over there").unwrap();
    assert_eq!(far.recv_vec().unwrap(), b"over there");
}

/// Where files consist of huge pages, and how many are free; `None` where there is no such place, as on most machines.
#[cfg(target_os = "linux")]
fn huge_pages() -> Option<(std::path::PathBuf, usize)> {
    let read = |path| std::fs::read_to_string(path).unwrap();
    let (mounts, memory) = (read("/proc/mounts"), read("/proc/meminfo"));
    let place = mounts.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next().filter(|_| words.next() == Some("hugetlbfs"))
    })?;
    let of = |name: &str| {
        let line = memory.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<usize>().ok()
    };
    let (free, kib) = (of("HugePages_Free:")?, of("Hugepagesize:")?);
    (free >= 2).then(|| (place.into(), kib * 1024))
}

/// What lies beside a mapping stays: a page of such a file is longer than the region's last one.
#[cfg(target_os = "linux")]
#[test]
fn a_region_may_lie_in_huge_pages() {
    let Some((place, page)) = huge_pages() else {
        println!("no huge pages here: nothing was tried");
        return;
    };
    let path = place.join(format!("hqq-test-{}", std::process::id()));
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .unwrap();
    file.set_len(2 * page as u64).unwrap();
    let options = LinkOptions::new().count(64).size(256).prefault(true);
    let far = options.clone().role(Role::Secondary);
    // Where a mapping comes to lie is the system's choice: more than one.
    for number in 0..16_u8 {
        let beside: Vec<Vec<u8>> = (0..64).map(|_| vec![number; 3 * PAGE]).collect();
        let mut near = options.create_or_open_path(&path).unwrap();
        let mut far = far.open_path(&path).unwrap();
        near.send(&[number; 200]).unwrap();
        let mut buffer = [0; 256];
        assert_eq!(far.recv(&mut buffer).unwrap(), 200);
        assert_eq!(buffer[..200], [number; 200]);
        assert!(beside.iter().flatten().all(|byte| *byte == number));
    }
    std::fs::remove_file(&path).unwrap();
}
