//! Creating and opening regions: by name, by path, by descriptor; what is made, and with what
//! rights.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

mod common;

use std::fs::File;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};

use common::{LIMIT, Name};
use hqq_core::{AttachError, FormatError, Layout};
use hqq_std::error::NameError;
use hqq_std::options::{DEFAULT_COUNT, DEFAULT_SIZE};
use hqq_std::{LinkOptions, OpenError, RegionName, Role, StandardLink};

fn small() -> LinkOptions {
    LinkOptions::new().count(4).size(64)
}

fn work(near: &mut StandardLink, far: &mut StandardLink) {
    near.set_read_timeout(Some(LIMIT)).unwrap();
    far.set_read_timeout(Some(LIMIT)).unwrap();
    near.send(b"ping").unwrap();
    assert_eq!(far.recv_vec().unwrap(), b"ping");
    far.send(b"pong").unwrap();
    assert_eq!(near.recv_vec().unwrap(), b"pong");
}

#[test]
fn create_makes_a_region_of_its_geometry_once() {
    let name = Name::new();
    let mut near = small().create(&name).unwrap();
    let metadata = name.path().metadata().unwrap();
    assert_eq!(metadata.len(), Layout::file(4, 64).unwrap().len() as u64);
    assert_eq!(metadata.mode() & 0o777, 0o600);
    // Allocated, so that a full file system cannot end a process later.
    assert!(metadata.blocks() * 512 >= metadata.len());
    assert_eq!(near.sender().capacity(), 4);
    assert_eq!(near.sender().max_message_size(), 64);
    assert!(matches!(
        small().create(&name),
        Err(OpenError::Exists { path }) if path == name.path()
    ));
    let mut far = LinkOptions::new().open(&name).unwrap();
    work(&mut near, &mut far);
}

#[test]
fn defaults() {
    let (mut near, _far) = hqq_std::pair().unwrap();
    assert_eq!(near.sender().capacity(), DEFAULT_COUNT);
    assert_eq!(near.sender().max_message_size(), DEFAULT_SIZE);
}

#[test]
fn open_takes_any_geometry_unless_told_which() {
    let name = Name::new();
    small().create_region(&name).unwrap();
    drop(LinkOptions::new().open(&name).unwrap());
    drop(LinkOptions::new().size(64).open(&name).unwrap());
    assert!(matches!(
        LinkOptions::new().count(8).open(&name),
        Err(OpenError::Attach {
            error: AttachError::Count {
                expected: 8,
                found: 4
            },
            ..
        })
    ));
    assert!(matches!(
        LinkOptions::new().size(128).open(&name),
        Err(OpenError::Attach {
            error: AttachError::Size {
                expected: 128,
                found: 64
            },
            ..
        })
    ));
    // A refusal leaves the region as it was.
    drop(small().open(&name).unwrap());
}

#[test]
fn create_or_open_creates_then_opens() {
    let name = Name::new();
    let mut near = small().create_or_open(&name).unwrap();
    let mut far = small().create_or_open(&name).unwrap();
    work(&mut near, &mut far);
    assert!(matches!(
        small().create_or_open(&name),
        Err(OpenError::RolesTaken { .. })
    ));
    assert!(name.exists(), "being refused removes nothing of others");
}

#[test]
fn permissions_are_as_asked_whatever_the_umask() {
    for mode in [0o600, 0o660, 0o666, 0o640] {
        let name = Name::new();
        let link = small().permissions(mode).create(&name).unwrap();
        assert_eq!(name.path().metadata().unwrap().mode() & 0o7777, mode);
        drop(link);
    }
}

#[test]
fn owners_are_checked_unless_any_will_do() {
    let name = Name::new();
    small().create_region(&name).unwrap();
    let owner = name.path().metadata().unwrap().uid();
    let stranger = owner + 1;
    assert!(matches!(
        small().owner(stranger).open(&name),
        Err(OpenError::ForeignOwner { owner: found, expected, .. })
            if found == owner && expected == stranger
    ));
    drop(small().owner(owner).open(&name).unwrap());
    drop(small().owner(stranger).any_owner().open(&name).unwrap());
}

#[test]
fn unlink_removes_a_name_once() {
    let name = Name::new();
    small().create_region(&name).unwrap();
    hqq_std::unlink(&name).unwrap();
    assert!(!name.exists());
    assert!(matches!(
        hqq_std::unlink(&name),
        Err(OpenError::NotFound { path }) if path == name.path()
    ));
}

#[test]
fn names_are_checked() {
    let long = "n".repeat(256);
    for (name, expected) in [
        ("", NameError::Empty),
        (long.as_str(), NameError::TooLong { len: 256 }),
        ("a/b", NameError::Slash),
        ("/a", NameError::Slash),
        // Files that there are.
        ("../null", NameError::Slash),
        ("../shm", NameError::Slash),
        ("a\0b", NameError::Nul),
        (".", NameError::Dots),
        ("..", NameError::Dots),
    ] {
        for result in [
            RegionName::new(name).map(drop),
            small().create(name).map(drop),
            small().open(name).map(drop),
            small().create_or_open(name).map(drop),
            small().create_region(name),
            hqq_std::unlink(name),
        ] {
            assert!(
                matches!(&result, Err(OpenError::Name { name: given, reason })
                    if given == name && *reason == expected),
                "{name:?}: {result:?}"
            );
        }
    }
    assert_eq!(
        RegionName::new(&"n".repeat(255)).unwrap().as_str().len(),
        255
    );
}

#[test]
fn regions_are_listed_by_name() {
    let names = [Name::new(), Name::new()];
    let other = Name::new();
    for name in &names {
        small().create_region(name).unwrap();
    }
    std::fs::write(
        other.path(),
        b"this is not a region, and long enough to tell",
    )
    .unwrap();
    let listed = hqq_std::list().unwrap();
    assert!(listed.is_sorted());
    let has = |name: &str| listed.iter().any(|listed| listed.as_str() == name);
    assert!(has(&names[0]) && has(&names[1]));
    assert!(!has(&other), "other files are not");
}

#[test]
fn regions_in_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("region");
    let mut near = small().create_path(&path).unwrap();
    assert!(matches!(
        small().create_path(&path),
        Err(OpenError::Exists { path: found }) if found == path
    ));
    let mut far = LinkOptions::new().open_path(&path).unwrap();
    work(&mut near, &mut far);
    drop((near, far));
    drop(small().create_or_open_path(&path).unwrap());
    assert!(matches!(
        small().open_path(directory.path().join("other")),
        Err(OpenError::NotFound { .. })
    ));
}

#[test]
fn empty_and_zeroed_files_are_initialised_in_place() {
    let directory = tempfile::tempdir().unwrap();
    let needed = Layout::file(4, 64).unwrap().len() as u64;
    for len in [0, needed, needed + 4096] {
        let path = directory.path().join(len.to_string());
        File::create(&path).unwrap().set_len(len).unwrap();
        // Who only opens initialises nothing.
        assert!(
            matches!(
                small().open_path(&path),
                Err(OpenError::Truncated { .. }
                    | OpenError::Attach {
                        error: AttachError::Format(FormatError::Empty),
                        ..
                    })
            ),
            "{len}"
        );
        let mut near = small().create_or_open_path(&path).unwrap();
        let mut far = small().open_path(&path).unwrap();
        work(&mut near, &mut far);
        assert_eq!(path.metadata().unwrap().len(), len.max(needed));
    }
}

#[test]
fn a_zeroed_file_too_short_for_the_geometry_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("short");
    let needed = Layout::file(4, 64).unwrap().len() as u64;
    File::create(&path).unwrap().set_len(needed - 1).unwrap();
    let error = small().create_or_open_path(&path).err().unwrap();
    assert!(
        matches!(error, OpenError::Truncated { found, needed: wanted, .. }
            if found == needed - 1 && wanted == needed),
        "{error:?}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), vec![0; needed as usize - 1]);
}

#[test]
fn a_region_of_another_kind_of_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("region");
    drop(small().create_path(&path).unwrap());
    let link = directory.path().join("link");
    symlink(&path, &link).unwrap();
    for path in [link.as_path(), directory.path(), "/dev/null".as_ref()] {
        assert!(
            matches!(
                small().any_owner().open_path(path),
                Err(OpenError::NotAFile { path: found }) if found == path
            ),
            "{}",
            path.display()
        );
    }
}

/// Who makes a link at a name before the region is there would choose what is opened, or made.
#[test]
fn a_link_at_the_name_is_refused_whatever_it_leads_to() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("target");
    for is_there in [false, true] {
        if is_there {
            drop(small().create_path(&target).unwrap());
        }
        let name = Name::new();
        symlink(&target, name.path()).unwrap();
        let opened = small().any_owner().open(&name).err().unwrap();
        let created = small().create(&name).err().unwrap();
        let either = small().any_owner().create_or_open(&name).err().unwrap();
        assert!(matches!(opened, OpenError::NotAFile { .. }), "{opened:?}");
        assert!(matches!(created, OpenError::Exists { .. }), "{created:?}");
        assert!(matches!(either, OpenError::NotAFile { .. }), "{either:?}");
        assert_eq!(target.exists(), is_there, "nothing was made through it");
    }
}

#[test]
fn prefault_and_huge_pages_change_nothing_else() {
    let (mut near, mut far) = small().prefault(true).pair().unwrap();
    work(&mut near, &mut far);
    match small().huge_pages(true).pair() {
        Ok((mut near, mut far)) => work(&mut near, &mut far),
        Err(error) => assert!(
            matches!(
                error,
                OpenError::Io {
                    action: "get huge pages for",
                    ..
                }
            ),
            "{error:?}"
        ),
    }
}

#[test]
fn a_region_is_handed_on_by_descriptor() {
    let mut near = small().anonymous().unwrap();
    assert_eq!(near.role(), Role::Primary);
    let mut far = LinkOptions::new()
        .from_fd(near.region_fd().unwrap())
        .unwrap();
    assert_eq!(far.role(), Role::Secondary);
    work(&mut near, &mut far);

    near.send(b"before leaving").unwrap();
    let fd = near.into_fd().unwrap();
    assert_eq!(far.recv_vec().unwrap(), b"before leaving");
    assert!(far.recv_vec().is_err(), "into_fd closes the link");
    let mut again = LinkOptions::new().from_fd(fd).unwrap();
    assert_eq!(again.role(), Role::Primary);
    work(&mut again, &mut far);
}

#[test]
fn an_anonymous_region_cannot_be_cut_short() {
    let near = small().anonymous().unwrap();
    let file = File::from(near.region_fd().unwrap());
    assert!(file.set_len(0).is_err());
    assert!(file.set_len(1 << 20).is_err());
}

#[test]
fn descriptors_of_other_things_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("text");
    std::fs::write(&path, vec![b'x'; 100_000]).unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let error = LinkOptions::new().from_fd(file.into()).err().unwrap();
    assert!(
        matches!(
            error,
            OpenError::Attach {
                error: AttachError::Format(FormatError::Magic { .. }),
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), vec![b'x'; 100_000]);
}

#[test]
fn a_file_wider_than_its_region_is_as_good() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("region");
    let mut near = small().create_path(&path).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(path.metadata().unwrap().len() + 10_000)
        .unwrap();
    let mut far = small().open_path(&path).unwrap();
    work(&mut near, &mut far);
    file.set_permissions(PermissionsExt::from_mode(0o400))
        .unwrap();
    work(&mut near, &mut far);
}

#[test]
fn a_file_with_data_is_not_taken_for_an_empty_one() {
    let name = Name::new();
    let len = 4 * Layout::file(4, 64).unwrap().len();
    for (at, byte) in [(12, 1), (127, 1), (128, 1), (len - 1, 1)] {
        let mut bytes = vec![0; len];
        bytes[at] = byte;
        std::fs::write(name.path(), &bytes).unwrap();
        let error = small().create_or_open(&name).err().unwrap();
        let expected = match &error {
            OpenError::NotEmpty { offset, .. } => *offset == at as u64,
            OpenError::Attach { .. } => at < 128,
            _ => false,
        };
        assert!(expected, "{error:?}");
        assert_eq!(std::fs::read(name.path()).unwrap(), bytes);
    }
}

#[test]
fn a_pipe_among_the_regions_holds_nobody_up() {
    let name = Name::new();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(
        rustix::fs::CWD,
        name.path(),
        rustix::fs::FileType::Fifo,
        mode,
        0,
    )
    .unwrap();
    let listed = hqq_std::list().unwrap();
    assert!(listed.iter().all(|region| region.as_str() != &*name));
    let error = hqq_std::inspect::Snapshot::of_name(&name).err().unwrap();
    assert!(matches!(error, OpenError::NotAFile { .. }), "{error:?}");
    let error = small().open(&name).err().unwrap();
    assert!(matches!(error, OpenError::NotAFile { .. }), "{error:?}");
}

#[test]
fn a_longer_file_maps_no_more_than_its_region() {
    let name = Name::new();
    small().create_region(&name).unwrap();
    let file = File::options().write(true).open(name.path()).unwrap();
    file.set_len(1 << 30).unwrap();
    let before = name.path().metadata().unwrap().blocks();
    let mut near = small().prefault(true).open(&name).unwrap();
    let mut far = small().open(&name).unwrap();
    work(&mut near, &mut far);
    assert_eq!(name.path().metadata().unwrap().blocks(), before);
}

// A half that could be exchanged for another region's would outlive its memory.
static_assertions::assert_not_impl_any!(hqq_std::Sender: std::ops::DerefMut);
static_assertions::assert_not_impl_any!(hqq_std::Receiver: std::ops::DerefMut);
static_assertions::assert_not_impl_any!(
    hqq_core::Trusted<'static, hqq_std::Sender>: std::ops::DerefMut
);
