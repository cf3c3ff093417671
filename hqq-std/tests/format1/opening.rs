//! Roles, geometries, and regions without a name.

use hqq_core::{Layout, LayoutError};
use hqq_std::link::HasRegion as _;
use hqq_std::{Format, LinkOptions, OpenError, Role, SharedLink};

use crate::common::Name;
use crate::{patient, small};

#[test]
fn roles_where_none_is_asked_for() {
    let name = Name::new();
    assert_eq!(small().create(&name).unwrap().role(), Role::Primary);
    // Whoever opens it is secondary, be it free or not, and however often.
    let first = small().open(&name).unwrap();
    let second = small().shared().open(&name).unwrap();
    let third = LinkOptions::new().open(&name).unwrap();
    let roles = [first.role(), second.role(), third.role()];
    assert_eq!(roles, [Role::Secondary; 3]);

    let name = Name::new();
    for expected in [Role::Primary, Role::Secondary, Role::Secondary] {
        let link = small().create_or_open(&name).unwrap();
        assert_eq!(link.role(), expected);
    }
    let name = Name::new();
    small().create_region(&name).unwrap();
    let link = small().create_or_open(&name).unwrap();
    assert_eq!(link.role(), Role::Secondary);

    let name = Name::new();
    std::fs::File::create_new(name.path()).unwrap();
    let options = small().shared();
    let link = options.create_or_open_path(name.path()).unwrap();
    assert_eq!(link.role(), Role::Primary);
    let link = options.create_or_open_path(name.path()).unwrap();
    assert_eq!(link.role(), Role::Secondary);
}

#[test]
fn roles_that_are_asked_for() {
    let name = Name::new();
    let near = small().role(Role::Secondary).create(&name).unwrap();
    assert_eq!(near.role(), Role::Secondary);
    // Several of the same, as the other processes of a side are not recorded.
    for _ in 0..2 {
        let link = small().role(Role::Primary).open(&name).unwrap();
        assert_eq!(link.role(), Role::Primary);
        let link = small()
            .shared()
            .role(Role::Primary)
            .create_or_open(&name)
            .unwrap();
        assert_eq!(link.role(), Role::Primary);
    }
}

#[test]
fn every_part_tells_the_format() {
    for format in [Format::V1, Format::V2] {
        let options = LinkOptions::new().format(format).count(2).size(8);
        let (mut link, far) = options.pair().unwrap();
        assert_eq!(link.format(), format);
        assert_eq!(link.sender().format(), format);
        assert_eq!(link.receiver().format(), format);
        drop((link, far));
        let (link, _far): (SharedLink, _) = options.shared().pair().unwrap();
        assert_eq!(link.format(), format);
        assert_eq!(link.sender().format(), format);
        assert_eq!(link.receiver().format(), format);
    }
}

#[test]
fn geometries() {
    let name = Name::new();
    let mut link = LinkOptions::new().format(Format::V1).create(&name).unwrap();
    assert_eq!(link.sender().capacity(), 64);
    assert_eq!(link.receiver().max_message_size(), 16384);
    let len = Layout::format_1(64, 16384, 4096).unwrap().len() as u64;
    assert_eq!(name.path().metadata().unwrap().len(), len);
    let error = small().create(&name).err().unwrap();
    assert!(matches!(error, OpenError::Exists { .. }), "{error:?}");

    // More buffers than format 2 can have.
    let (near, far) = small().count(1 << 15).size(8).pair().unwrap();
    let (mut near, mut far) = (patient(near), patient(far));
    near.send(b"first").unwrap();
    assert_eq!(far.recv_vec().unwrap(), b"first");
    assert_eq!(near.sender().capacity(), 1 << 15);

    let name = Name::new();
    let error = small().count(3).create(&name).err().unwrap();
    assert!(
        matches!(
            error,
            OpenError::Layout(LayoutError::CountOfFormat1 { count: 3 })
        ),
        "{error:?}"
    );
    let error = small().size(12).create(&name).err().unwrap();
    assert!(
        matches!(
            error,
            OpenError::Layout(LayoutError::SizeOfFormat1 { size: 12 })
        ),
        "{error:?}"
    );
    assert!(!name.exists());
}

#[test]
fn regions_without_a_name_are_handed_on() {
    let mut near = patient(small().anonymous().unwrap());
    assert_eq!(near.role(), Role::Primary);
    let far = LinkOptions::new().from_fd(near.region_fd().unwrap());
    let mut far = patient(far.unwrap());
    assert_eq!((far.role(), far.format()), (Role::Secondary, Format::V1));
    near.send(b"by descriptor").unwrap();
    assert_eq!(far.recv_vec().unwrap(), b"by descriptor");
    near.send(b"kept").unwrap();
    let shared = small().shared().from_fd(near.into_fd().unwrap()).unwrap();
    let again = small().from_fd(shared.region_fd().unwrap());
    let mut again = patient(again.unwrap());
    drop((far, shared));
    assert_eq!(again.recv_vec().unwrap(), b"kept");
    let error = small().size(8).from_fd(again.into_fd().unwrap());
    assert!(matches!(error, Err(OpenError::Attach { .. })));
}

#[test]
fn a_region_without_its_name_goes_on() {
    let name = Name::new();
    let mut near = patient(small().create(&name).unwrap());
    let mut far = patient(small().open(&name).unwrap());
    hqq_std::unlink(&name).unwrap();
    near.send(b"still here").unwrap();
    assert_eq!(far.recv_vec().unwrap(), b"still here");
}
