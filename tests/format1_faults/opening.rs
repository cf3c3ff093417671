//! A creator that is late or dead, files that are damaged or of another kind.

use std::fs::File;

use hqq_core::superblock::{RingField, STATE_INITIALISING, format1};
use hqq_core::{AttachError, Direction, FormatError, Layout, LayoutError};
use hqq_std::{Format, LinkOptions, OpenError, Role};
use hqq_tests::{LIMIT, Name, Process, c_peer, eventually};
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use crate::{SHORT, c, file, layout, not_before, options, patient, put, region};

/// Where the state lies.
const STATE: u64 = 8;

/// A file of zeros.
fn zeros(len: u64) -> Name {
    let name = Name::new();
    let file = File::create_new(name.path()).unwrap();
    file.set_len(len).unwrap();
    name
}

/// That opening fails in this way, whether or not the format is said, and leaves the file as it is
/// and free for others.
fn refused(name: &Name, says: &[&str], expected: impl Fn(&OpenError) -> bool) {
    let before = std::fs::read(name.path()).unwrap();
    for options in [LinkOptions::new(), options()] {
        let options = options.attach_timeout(SHORT);
        for error in [
            options.open(name).err().unwrap(),
            options.shared().open(name).err().unwrap(),
            options.create_or_open(name).err().unwrap(),
            options.open_path(name.path()).err().unwrap(),
        ] {
            assert!(expected(&error), "{error:?}");
            for part in says {
                assert!(error.to_string().contains(part), "{error}");
            }
        }
    }
    assert_eq!(std::fs::read(name.path()).unwrap(), before);
}

fn is_format(error: &OpenError, expected: FormatError) -> bool {
    matches!(error, OpenError::Attach { error: AttachError::Format(found), .. } if *found == expected)
}

#[test]
fn a_creator_that_died_while_it_initialised_the_region() {
    let died = FormatError::Initialising { format: Format::V1 };
    for magic in [0, format1::MAGIC >> 32 << 32, format1::MAGIC] {
        let name = zeros(layout().len() as u64);
        put(&name, 0_u64, magic);
        put(&name, STATE, format1::STATE_INITIALISING.into());
        refused(&name, &["being initialised"], |error| {
            is_format(error, died) && error.is_transient()
        });
        let options = options().attach_timeout(SHORT);
        let error = not_before(|| options.open(&name).err().unwrap());
        assert!(is_format(&error, died), "{error:?}");
    }
}

/// Waits until somebody holds the byte that is locked while a region is opened.
fn is_being_opened(name: &Name) {
    let file = file(name);
    eventually("somebody to open the region", || {
        let mut record = libc::flock {
            l_type: i16::try_from(libc::F_WRLCK).unwrap(),
            l_whence: i16::try_from(libc::SEEK_SET).unwrap(),
            l_start: 0,
            l_len: 1,
            l_pid: 0,
        };
        fcntl(&file, FcntlArg::F_OFD_GETLK(&mut record)).unwrap();
        (i32::from(record.l_type) != libc::F_UNLCK).then_some(())
    });
}

#[test]
fn a_creator_that_is_late_is_waited_for() {
    let len = layout().len() as u64;
    // As it leaves the file before it goes on: without a length, short, and without contents.
    for start in [0, 4096, len] {
        let name = zeros(start);
        let waiting = {
            let (options, name) = (options().attach_timeout(LIMIT), name.to_string());
            std::thread::spawn(move || options.open(&name))
        };
        is_being_opened(&name);
        file(&name).set_len(len).unwrap();
        let text = c("write", &name, &["--as", "primary", "--text", "hello"])
            .wait()
            .text();
        assert_eq!(text, "written=5\n");
        let mut link = patient(waiting.join().unwrap().unwrap());
        assert_eq!(link.role(), Role::Secondary);
        assert_eq!(link.recv_vec().unwrap(), b"hello");
    }
}

#[test]
fn a_creator_that_does_not_come() {
    let needed = layout().len() as u64;
    let options = options().attach_timeout(SHORT);
    let error = options.open(&Name::new()).err().unwrap();
    assert!(matches!(error, OpenError::NotFound { .. }), "{error:?}");
    let error = not_before(|| options.open(&zeros(0)).err().unwrap());
    assert!(
        matches!(error, OpenError::Truncated { found: 0, .. }),
        "{error:?}"
    );
    for len in [4096, needed] {
        let error = not_before(|| options.open(&zeros(len)).err().unwrap());
        assert!(is_format(&error, FormatError::Empty), "{error:?}");
        // Who did not say that such a creator is awaited is told at once, and may ask again.
        let error = LinkOptions::new().open(&zeros(len)).err().unwrap();
        assert!(is_format(&error, FormatError::Empty), "{error:?}");
        assert!(error.is_transient());
    }
}

#[test]
fn a_superblock_that_is_damaged() {
    let layout_error = FormatError::Layout;
    for (offset, word, says, expected) in [
        (0, 77, "not an HQQ region", FormatError::Magic { found: 77 }),
        (STATE, 0, "state is 0x0", FormatError::State { found: 0 }),
        (STATE, 3, "state is 0x3", FormatError::State { found: 3 }),
        (
            16,
            2,
            "version 2.0",
            FormatError::Version { major: 2, minor: 0 },
        ),
        (
            32,
            100,
            "100",
            layout_error(LayoutError::Page { page: 100 }),
        ),
        (
            40,
            3,
            "3",
            layout_error(LayoutError::CountOfFormat1 { count: 3 }),
        ),
        (
            48,
            65,
            "65",
            layout_error(LayoutError::SizeOfFormat1 { size: 65 }),
        ),
        (
            56,
            4096,
            "4096",
            FormatError::Length {
                recorded: 4096,
                computed: layout().len() as u64,
            },
        ),
    ] {
        let name = region();
        put(&name, offset, word);
        refused(&name, &[says], |error| is_format(error, expected));
    }
}

#[test]
fn a_ring_that_is_damaged() {
    for direction in Direction::BOTH {
        for (field, offset, expected) in [
            (RingField::Magic, 0, format1::RING_MAGIC),
            (RingField::Size, 8, 4),
            (RingField::Flags, 16, format1::RING_INITIALISED),
        ] {
            let name = region();
            let found = 8;
            put(&name, layout().ring(direction) + offset, found);
            // Of the flags only the known one is looked at.
            let found = if field == RingField::Flags { 0 } else { found };
            let damage = FormatError::Ring {
                direction,
                field,
                found,
                expected,
            };
            refused(&name, &[&field.to_string(), "remove the region"], |error| {
                is_format(error, damage)
            });
        }
    }
}

#[test]
fn a_file_that_is_cut_short() {
    let name = region();
    let needed = layout().len() as u64;
    file(&name).set_len(needed - 4096).unwrap();
    refused(&name, &["cut short"], |error| {
        matches!(error, OpenError::Truncated { found, needed: wanted, .. }
            if (*found, *wanted) == (needed - 4096, needed))
    });
}

#[test]
fn another_geometry_or_format_than_asked_for() {
    // All three have a file of the same length.
    let name = Name::new();
    let other = LinkOptions::new().format(Format::V1);
    other.clone().count(2).size(8).create_region(&name).unwrap();
    assert_eq!(name.path().metadata().unwrap().len(), layout().len() as u64);
    let error = options().open(&name).err().unwrap();
    assert!(
        matches!(
            error,
            OpenError::Attach {
                error: AttachError::Count {
                    expected: 4,
                    found: 2
                },
                ..
            }
        ),
        "{error:?}"
    );
    let error = other.clone().count(2).size(64).open(&name).err().unwrap();
    assert!(
        matches!(
            error,
            OpenError::Attach {
                error: AttachError::Size {
                    expected: 64,
                    found: 8
                },
                ..
            }
        ),
        "{error:?}"
    );
    let outcome = c("open", &name, &[]).wait().with_code(5);
    assert_eq!(outcome.stderr, "invalid size\n");

    let error = LinkOptions::new()
        .format(Format::V2)
        .open(&name)
        .err()
        .unwrap();
    let mismatch = |expected, found| FormatError::OtherFormat { expected, found };
    assert!(
        is_format(&error, mismatch(Format::V2, Format::V1)),
        "{error:?}"
    );
    let name = Name::new();
    LinkOptions::new()
        .count(4)
        .size(64)
        .create_region(&name)
        .unwrap();
    let error = options().open(&name).err().unwrap();
    assert!(
        is_format(&error, mismatch(Format::V1, Format::V2)),
        "{error:?}"
    );
    let error = options().create_or_open(&name).err().unwrap();
    assert!(
        is_format(&error, mismatch(Format::V1, Format::V2)),
        "{error:?}"
    );
}

#[test]
fn the_other_implementation_leaves_regions_of_format_2_alone() {
    let len = Layout::format_1(64, 4096, 4096).unwrap().len() as u64;
    let options = LinkOptions::new().count(64).size(2048);
    let magic = hqq_core::superblock::MAGIC;
    let ready = hqq_core::superblock::STATE_READY;
    // The magic is stored last: it may still be missing, or its low half.
    let states = [
        (magic, ready),
        (magic, STATE_INITIALISING),
        (magic >> 32 << 32, STATE_INITIALISING),
        (0, STATE_INITIALISING),
    ];
    let openers: Vec<_> = states
        .into_iter()
        .map(|(magic, state)| {
            let name = Name::new();
            let mut near = options.create(&name).unwrap();
            near.send(b"kept").unwrap();
            drop(near);
            // As long as the other implementation requires; format 2 ignores what is too much.
            assert!(name.path().metadata().unwrap().len() < len);
            file(&name).set_len(len).unwrap();
            put(&name, 0_u64, magic);
            put(&name, STATE, state.into());
            let before = std::fs::read(name.path()).unwrap();
            let opener = Process::start(&mut c_peer!["open", &*name, "--create"]);
            (name, state, before, opener)
        })
        .collect();
    for (name, state, before, opener) in openers {
        let outcome = opener.wait().with_code(4);
        assert_eq!(outcome.stderr, "failed to initialize\n");
        assert!(std::fs::read(name.path()).unwrap() == before, "every byte");
        if state == ready {
            let options = options.clone().role(Role::Secondary);
            let mut far = patient(options.open(&name).unwrap());
            assert_eq!(far.recv_vec().unwrap(), b"kept");
        }
    }
}
