//! Regions of format 1 that are refused, and which error says so; regions of one format that meet a
//! link of the other.

use crate::common::Memory;
use hqq_core::superblock::format1::{MAGIC, STATE_INITIALISING, VERSION};
use hqq_core::{
    AttachError, AttachOptions, Format, FormatError, Identity, InitOptions, Layout, LayoutError,
    Link, Role, initialise,
};

const STATE: usize = 8;
const MAJOR: usize = 16;
const MINOR: usize = 24;
const PAGE: usize = 32;
const COUNT: usize = 40;
const SIZE: usize = 48;
const LENGTH: usize = 56;

fn layout() -> Layout {
    Layout::format_1(4, 64, 4096).unwrap()
}

/// The superblock that HQQ-Go writes, with `changes` at these offsets.
fn superblock(memory: &Memory, changes: &[(usize, u64)]) {
    let layout = layout();
    let fields = [
        (0, MAGIC),
        (STATE, 2),
        (MAJOR, 1),
        (PAGE, 4096),
        (COUNT, 4),
        (SIZE, 64),
        (LENGTH, layout.len() as u64),
    ];
    for (offset, value) in fields.iter().chain(changes) {
        memory.set64(*offset, *value);
    }
}

fn with(changes: &[(usize, u64)]) -> Result<Identity, FormatError> {
    let memory = Memory::zeroed(layout());
    superblock(&memory, changes);
    let read = Identity::read(&memory.region());
    let parsed = Identity::parse(memory.image().first_chunk().unwrap(), layout().len() as u64);
    assert_eq!(read, parsed);
    read
}

#[test]
fn a_good_identity_is_taken() {
    let identity = with(&[]).unwrap();
    assert_eq!(identity.layout, layout());
    assert_eq!(VERSION, (1, 0));
}

#[test]
fn every_field_of_the_superblock_has_its_error() {
    let initialising = FormatError::Initialising { format: Format::V1 };
    assert_eq!(with(&[(STATE, 1)]), Err(initialising));
    // As long as the magic is not there, or only its second half.
    assert_eq!(with(&[(STATE, 1), (0, 0)]), Err(initialising));
    assert_eq!(
        with(&[(STATE, 1), (0, MAGIC & !0xffff_ffff)]),
        Err(initialising)
    );
    assert_eq!(with(&[(0, 0)]), Err(FormatError::Magic { found: 0 }));
    assert_eq!(with(&[(0, 7)]), Err(FormatError::Magic { found: 7 }));
    assert_eq!(with(&[(STATE, 0)]), Err(FormatError::State { found: 0 }));
    assert_eq!(with(&[(STATE, 3)]), Err(FormatError::State { found: 3 }));
    let found = u32::MAX;
    assert_eq!(with(&[(STATE, 1 << 32)]), Err(FormatError::State { found }));
    for (major, minor) in [(0, 0), (2, 0), (2, 9)] {
        let version = [(MAJOR, u64::from(major)), (MINOR, u64::from(minor))];
        assert_eq!(with(&version), Err(FormatError::Version { major, minor }));
    }
    let refused = |error| Err(FormatError::Layout(error));
    for count in [0, 1, 3, 12] {
        let error = LayoutError::CountOfFormat1 { count };
        assert_eq!(with(&[(COUNT, count as u64)]), refused(error));
    }
    for size in [0, 4, 12, 65] {
        let error = LayoutError::SizeOfFormat1 { size };
        assert_eq!(with(&[(SIZE, size as u64)]), refused(error));
    }
    for page in [0, 64, 2048, 4097, 1 << 31] {
        let error = LayoutError::Page { page };
        assert_eq!(with(&[(PAGE, page as u64)]), refused(error));
    }
    let computed = layout().len() as u64;
    for recorded in [0, computed - 1, computed + 4096] {
        let error = FormatError::Length { recorded, computed };
        assert_eq!(with(&[(LENGTH, recorded)]), Err(error));
    }
    // Another page size makes another length.
    let computed = 5 * 16_384;
    let recorded = layout().len() as u64;
    let error = FormatError::Length { recorded, computed };
    assert_eq!(with(&[(PAGE, 16_384)]), Err(error));
}

#[test]
#[cfg(target_pointer_width = "64")]
fn a_geometry_may_be_too_large_for_the_address_space() {
    for (count, size) in [(2, usize::MAX - 7), (1 << 20, 1 << 60)] {
        let error = LayoutError::TooLarge { count, size };
        let fields = [(COUNT, count as u64), (SIZE, size as u64)];
        assert_eq!(with(&fields), Err(FormatError::Layout(error)));
        assert!(error.to_string().contains(&size.to_string()));
    }
}

#[test]
fn what_hqq_go_does_not_compare_is_let_pass() {
    assert_eq!(with(&[(MINOR, 7)]).unwrap().minor, 7);
    let beyond = (64..128).step_by(8).map(|offset| (offset, u64::MAX));
    assert!(with(&beyond.collect::<Vec<_>>()).is_ok());
}

#[test]
fn a_region_cut_short_is_refused() {
    let memory = Memory::zeroed(layout());
    superblock(&memory, &[]);
    let needed = layout().len() as u64;
    let truncated = FormatError::Truncated {
        needed,
        found: needed - 4096,
    };
    let cut = memory.truncated(layout().len() - 4096);
    assert_eq!(Identity::read(&cut), Err(truncated));
}

/// A link of format 2 on a region of format 1 touches nothing.
#[test]
fn a_link_of_format_2_refuses_it() {
    let memory = Memory::zeroed(layout());
    superblock(&memory, &[]);
    let image = memory.image();
    let options = AttachOptions::new(Role::Secondary);
    let expected = AttachError::Format(FormatError::OtherFormat {
        expected: Format::V2,
        found: Format::V1,
    });
    let error = Link::<hqq_core::Dynamic>::attach(memory.region(), &options).err();
    assert_eq!(error, Some(expected));
    assert!(
        expected.to_string().contains("format 1, not 2"),
        "{expected}"
    );
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    {
        let error = hqq_core::SharedLink::<hqq_core::Dynamic>::attach(memory.region(), &options);
        assert_eq!(error.err(), Some(expected));
    }
    assert!(memory.image() == image);
}

#[test]
#[cfg(not(all(target_has_atomic = "64", not(hqq_narrow))))]
fn it_is_not_made_without_64_bit_atomics() {
    let memory = Memory::zeroed(layout());
    let error = FormatError::OtherFormat {
        expected: Format::V2,
        found: Format::V1,
    };
    let made = initialise(&memory.region(), &layout(), &InitOptions::new());
    assert_eq!(made, Err(error));
    assert_eq!(memory.image(), vec![0; layout().len()]);
}

#[test]
#[cfg(target_has_atomic = "32")]
fn an_empty_region_is_claimed_once() {
    let memory = Memory::zeroed(layout());
    assert_eq!(Identity::read(&memory.region()), Err(FormatError::Empty));
    assert!(hqq_core::try_claim(&memory.region(), Format::V1));
    assert_eq!(memory.get64(STATE), u64::from(STATE_INITIALISING));
    for format in [Format::V1, Format::V2] {
        assert!(!hqq_core::try_claim(&memory.region(), format));
    }
    let initialising = FormatError::Initialising { format: Format::V1 };
    assert_eq!(Identity::read(&memory.region()), Err(initialising));
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    {
        initialise(&memory.region(), &layout(), &InitOptions::new()).unwrap();
        assert_eq!(memory.get64(STATE), 2);
        assert!(!hqq_core::try_claim(&memory.region(), Format::V1));
    }
}

#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
mod attaching {
    use super::*;
    use hqq_core::superblock::RingField;
    use hqq_core::superblock::format1::{RING_INITIALISED, RING_MAGIC};
    use hqq_core::{Direction, Dynamic, Fixed, Format1Link, Geometry};

    fn attach<G: Geometry>(memory: &Memory, role: Role) -> Result<Format1Link<G>, AttachError> {
        Format1Link::attach(memory.region(), &AttachOptions::new(role))
    }

    fn refused<G: Geometry>(memory: &Memory, expected: AttachError) {
        let image = memory.image();
        for role in Role::BOTH {
            assert_eq!(attach::<G>(memory, role).err(), Some(expected));
        }
        assert!(memory.image() == image);
        memory.assert_canaries();
    }

    #[test]
    fn a_ring_that_is_not_initialised_is_refused() {
        let damages = [
            (0, RingField::Magic, 0, RING_MAGIC, "magic"),
            (0, RingField::Magic, !0, RING_MAGIC, "magic"),
            (8, RingField::Size, 8, 4, "size"),
            (8, RingField::Size, 1 << 32 | 4, 4, "size"),
            (16, RingField::Flags, 0, RING_INITIALISED, "flags"),
        ];
        for direction in Direction::BOTH {
            for (offset, field, found, expected, name) in damages {
                let memory = Memory::format_1(4, 64);
                memory.set64(layout().ring(direction) + offset, found);
                let error = AttachError::Format(FormatError::Ring {
                    direction,
                    field,
                    found,
                    expected,
                });
                refused::<Dynamic>(&memory, error);
                let text = error.to_string();
                assert!(
                    text.contains(name) && text.contains(&direction.to_string()),
                    "{text}"
                );
            }
            // Flags that are not known are no damage.
            let memory = Memory::format_1(4, 64);
            memory.set64(layout().ring(direction) + 16, !0);
            assert!(attach::<Dynamic>(&memory, Role::Primary).is_ok());
        }
    }

    #[test]
    fn what_is_no_region_yet_is_refused() {
        let memory = Memory::zeroed(layout());
        refused::<Dynamic>(&memory, FormatError::Empty.into());
        memory.set64(STATE, 1);
        let initialising = FormatError::Initialising { format: Format::V1 };
        refused::<Dynamic>(&memory, initialising.into());
    }

    #[test]
    fn another_geometry_is_named_with_the_one_found() {
        let memory = Memory::format_1(4, 64);
        let (expected, found) = (8, 4);
        refused::<Fixed<8, 64>>(&memory, AttachError::Count { expected, found });
        let (expected, found) = (72, 64);
        refused::<Fixed<4, 72>>(&memory, AttachError::Size { expected, found });
        assert!(attach::<Fixed<4, 64>>(&memory, Role::Primary).is_ok());
    }

    #[test]
    fn a_region_of_format_2_is_refused() {
        let expected = FormatError::OtherFormat {
            expected: Format::V1,
            found: Format::V2,
        };
        refused::<Dynamic>(&Memory::new(4, 64, 0), expected.into());
    }

    #[test]
    fn an_identity_that_was_checked_before_must_fit_the_bytes() {
        let memory = Memory::format_1(4, 64);
        let identity = Identity::read(&memory.region()).unwrap();
        let options = AttachOptions::new(Role::Primary).identity(identity);
        // What the region says now does not matter any more.
        memory.set64(0, 0);
        assert!(Format1Link::<Dynamic>::attach(memory.region(), &options).is_ok());
        let cut = memory.truncated(memory.layout.len() - 8);
        let truncated = FormatError::Truncated {
            needed: memory.layout.len() as u64,
            found: memory.layout.len() as u64 - 8,
        };
        let error = Format1Link::<Dynamic>::attach(cut.clone(), &options).err();
        assert_eq!(error, Some(truncated.into()));
        let made = initialise(&cut, &memory.layout, &InitOptions::new());
        assert_eq!(made, Err(truncated));
    }

    #[test]
    fn any_number_of_processes_take_either_role() {
        let memory = Memory::format_1(4, 64);
        {
            let [near, far] =
                Role::BOTH.map(|role| [(); 3].map(|()| attach::<Dynamic>(&memory, role).unwrap()));
            for near in &near {
                near.sender().try_send(b"to any").unwrap();
            }
            for far in &far {
                assert_eq!(far.receiver().try_recv(&mut [0; 64]), Ok(6));
            }
        }
        // Leaving is not noticed.
        let near = attach::<Dynamic>(&memory, Role::Primary).unwrap();
        assert!(near.sender().is_peer_open() && !near.sender().is_peer_closed());
        assert!(near.receiver().is_peer_open());
    }
}
