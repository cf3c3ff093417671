//! What no region or geometry is made of, and which error says so.

use std::error::Error;
use std::ptr::NonNull;

use crate::common::Memory;
use hqq_core::ring::Corruption;
use hqq_core::ring::stamp;
use hqq_core::superblock::{STATE_INITIALISING, format1};
use hqq_core::{
    AttachError, AttachOptions, Delivery, Direction, DynamicLink, Format, FormatError, Identity,
    InitOptions, Layout, LayoutError, Position, Region, RegionError, Role, StandardLink,
    initialise,
};

const STATE: usize = 8;
const CHECKSUM: usize = 44;

/// The identity of a good region of 4 buffers of 64 bytes, and its length.
fn good() -> ([u8; 128], u64) {
    let memory = Memory::new(4, 64, 0);
    let image = memory.image();
    (*image.first_chunk().unwrap(), image.len() as u64)
}

fn put(bytes: &mut [u8; 128], offset: usize, value: &[u8]) {
    bytes[offset..offset + value.len()].copy_from_slice(value);
}

/// CRC-32/IEEE of the identity with state and checksum as zero, as PROTOCOL.md has it.
fn checksum(bytes: &[u8; 128]) -> u32 {
    let mut plain = *bytes;
    put(&mut plain, STATE, &[0; 4]);
    put(&mut plain, CHECKSUM, &[0; 4]);
    !plain.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 0 { 0 } else { 0xedb8_8320 }
        })
    })
}

/// A good identity with `value` at `offset`, its checksum made to fit.
fn with(offset: usize, value: &[u8]) -> Result<Identity, FormatError> {
    let (mut bytes, len) = good();
    put(&mut bytes, offset, value);
    let sum = checksum(&bytes);
    put(&mut bytes, CHECKSUM, &sum.to_le_bytes());
    Identity::parse(&bytes, len)
}

fn le(value: u32) -> [u8; 4] {
    value.to_le_bytes()
}

#[test]
fn a_good_identity_says_what_it_was_made_with() {
    let options = InitOptions::new()
        .session(0xfeed)
        .delivery(Delivery::AtLeastOnce);
    let layout = Layout::new(8, 24, 128, 3).unwrap();
    let memory = Memory::with(layout, &options);
    let identity = Identity::read(&memory.region()).unwrap();
    assert_eq!(identity.layout, layout);
    assert_eq!(identity.session, 0xfeed);
    assert_eq!(identity.delivery, Delivery::AtLeastOnce);
    assert_eq!((identity.minor, identity.compatible), (0, 0));
    memory.assert_canaries();
}

#[test]
fn every_field_of_the_identity_has_its_error() {
    let (bytes, len) = good();
    assert!(Identity::parse(&bytes, len).is_ok());
    assert_eq!(Identity::parse(&[0; 128], len), Err(FormatError::Empty));
    assert_eq!(
        with(0, &format1::MAGIC.to_le_bytes()),
        Err(FormatError::State { found: 0x0202 }),
        "the state of format 2 is none of format 1"
    );
    assert_eq!(
        with(STATE, &le(STATE_INITIALISING)),
        Err(FormatError::Initialising { format: Format::V2 })
    );
    assert_eq!(
        with(0, &7_u64.to_le_bytes()),
        Err(FormatError::Magic { found: 7 })
    );
    assert_eq!(with(STATE, &le(1)), Err(FormatError::State { found: 1 }));
    assert_eq!(with(STATE, &le(0)), Err(FormatError::State { found: 0 }));
    assert_eq!(
        with(16, &le(3)),
        Err(FormatError::Version { major: 3, minor: 0 })
    );
    assert_eq!(
        with(28, &le(0x8001)),
        Err(FormatError::Incompatible { features: 0x8001 })
    );
    assert_eq!(with(12, &le(1)), Err(FormatError::Reserved));
    assert_eq!(with(127, &[1]), Err(FormatError::Reserved));
    assert_eq!(
        with(48, &1_u64.to_le_bytes()),
        Err(FormatError::Length {
            recorded: 1,
            computed: len
        })
    );
    assert_eq!(with(68, &le(2)), Err(FormatError::Delivery { found: 2 }));
    assert_eq!(
        Identity::parse(&bytes, len - 1),
        Err(FormatError::Truncated {
            needed: len,
            found: len - 1
        })
    );
}

#[test]
fn what_later_versions_may_add_is_let_pass() {
    assert_eq!(with(24, &le(0x70)).unwrap().compatible, 0x70);
    let (mut bytes, len) = good();
    put(&mut bytes, 20, &le(1));
    put(&mut bytes, 127, &[9]);
    let sum = checksum(&bytes);
    put(&mut bytes, CHECKSUM, &le(sum));
    assert_eq!(Identity::parse(&bytes, len).unwrap().minor, 1);
}

#[test]
fn every_geometry_field_has_its_error() {
    let refused = |error| Err(FormatError::Layout(error));
    assert_eq!(with(36, &le(3)), refused(LayoutError::Count { count: 3 }));
    assert_eq!(with(40, &le(12)), refused(LayoutError::Size { size: 12 }));
    assert_eq!(
        with(32, &le(96)),
        refused(LayoutError::Alignment { alignment: 96 })
    );
    assert_eq!(
        with(64, &le(255)),
        refused(LayoutError::Members { members: 255 })
    );
    assert_eq!(
        with(64, &le(0)),
        refused(LayoutError::Members { members: 0 })
    );
}

#[test]
#[cfg(target_pointer_width = "32")]
fn a_geometry_may_be_too_large_for_the_address_space() {
    let max = hqq_core::layout::MAX_SIZE;
    assert_eq!(
        Layout::compact(16384, max),
        Err(LayoutError::TooLarge {
            count: 16384,
            size: max
        })
    );
}

#[test]
fn any_changed_byte_of_the_identity_is_noticed() {
    let (bytes, len) = good();
    for index in 0..bytes.len() {
        let mut changed = bytes;
        changed[index] ^= 0x40;
        assert!(
            Identity::parse(&changed, len).is_err(),
            "byte {index} may be changed unnoticed"
        );
    }
}

#[test]
fn a_damaged_identity_names_both_checksums() {
    let (mut bytes, len) = good();
    let found = checksum(&bytes);
    put(&mut bytes, 56, &[1]);
    let computed = checksum(&bytes);
    let error = Identity::parse(&bytes, len).unwrap_err();
    assert_eq!(error, FormatError::Checksum { found, computed });
    let text = error.to_string();
    assert!(text.contains(&format!("{found:08x}")), "{text}");
    assert!(text.contains(&format!("{computed:08x}")), "{text}");
}

#[test]
fn attaching_refuses_what_is_no_region() {
    let memory = Memory::zeroed(Layout::compact(2, 8).unwrap());
    let options = AttachOptions::new(Role::Primary);
    let error = DynamicLink::attach(memory.region(), &options)
        .err()
        .unwrap();
    assert_eq!(error, AttachError::Format(FormatError::Empty));
    assert_eq!(error.source().unwrap().to_string(), error.to_string());
    assert_eq!(memory.image(), vec![0; memory.layout.len()]);
}

#[test]
fn attaching_refuses_a_region_cut_short() {
    let memory = Memory::new(4, 64, 0);
    let len = memory.layout.len();
    let cut = memory.truncated(len - 64);
    let truncated = FormatError::Truncated {
        needed: len as u64,
        found: len as u64 - 64,
    };
    let options = AttachOptions::new(Role::Primary);
    let error = DynamicLink::attach(cut.clone(), &options).err().unwrap();
    assert_eq!(error, AttachError::Format(truncated));
    let again = initialise(&cut, &memory.layout, &InitOptions::new());
    assert_eq!(again, Err(truncated));
    memory.assert_canaries();
}

#[test]
fn another_geometry_is_named_with_the_one_found() {
    let memory = Memory::new(4, 64, 0);
    let options = AttachOptions::new(Role::Primary);
    let error = StandardLink::<8, 64>::attach(memory.region(), &options)
        .err()
        .unwrap();
    assert_eq!(
        error,
        AttachError::Count {
            expected: 8,
            found: 4
        }
    );
    assert!(error.to_string().contains("4 buffers"), "{error}");
    assert!(error.to_string().contains("not 8"), "{error}");
    let error = StandardLink::<4, 72>::attach(memory.region(), &options)
        .err()
        .unwrap();
    assert_eq!(
        error,
        AttachError::Size {
            expected: 72,
            found: 64
        }
    );
    assert!(error.to_string().contains("64 bytes"), "{error}");
    assert!(error.to_string().contains("not 72"), "{error}");
    // Refusing took nothing.
    assert!(StandardLink::<4, 64>::attach(memory.region(), &options).is_ok());
}

#[test]
fn a_ring_that_no_rule_leads_to_is_refused() {
    // Unknown; the right state of another slot; a ring ahead; two slots that do not go together.
    let damages: [(u64, u64); 4] = [
        (2, 0x00e1),
        (2, stamp::free(Position::new(1))),
        (0, stamp::free(Position::new(1 << 20))),
        (1, stamp::published(Position::new(9), 0xfd)),
    ];
    for (position, word) in damages {
        let memory = Memory::new(4, 64, 0);
        memory.set_stamp(position, word);
        let options = AttachOptions::new(Role::Primary);
        let error = DynamicLink::attach(memory.region(), &options)
            .err()
            .unwrap();
        let AttachError::Corrupt {
            direction: Direction::ToSecondary,
            corruption: Corruption { stamp, .. },
        } = error
        else {
            panic!("{error:?}");
        };
        assert!(
            error.to_string().contains(&format!("{stamp:016x}")),
            "{error}"
        );
        assert!(
            error.to_string().contains("primary to secondary"),
            "{error}"
        );
    }
}

#[test]
fn a_consumer_refuses_a_stamp_that_no_rule_leads_to() {
    let memory = Memory::new(4, 64, 0);
    let damaged = stamp::free(Position::new(3));
    memory.set_stamp(0, damaged);
    let options = AttachOptions::new(Role::Secondary);
    let error = DynamicLink::attach(memory.region(), &options)
        .err()
        .unwrap();
    assert_eq!(
        error,
        AttachError::Corrupt {
            direction: Direction::ToSecondary,
            corruption: Corruption {
                position: Position::new(0),
                stamp: damaged
            },
        }
    );
}

#[test]
fn bytes_must_be_aligned_and_enough() {
    #[repr(align(64))]
    struct Bytes([u8; 4096]);
    let bytes: &'static mut Bytes = Box::leak(Box::new(Bytes([0; 4096])));
    let (_, odd) = bytes.0.split_at_mut(8);
    let address = odd.as_ptr().addr();
    let error = Region::from_static(odd).unwrap_err();
    assert_eq!(error, RegionError::Misaligned { address });
    assert!(error.to_string().contains(&format!("{address:#x}")));

    let needed = hqq_core::size_of_link(2, 8).unwrap();
    let bytes: &'static mut Bytes = Box::leak(Box::new(Bytes([0; 4096])));
    let (few, _) = bytes.0.split_at_mut(needed - 1);
    let found = few.len();
    let error = Region::pair_from_static(few).unwrap_err();
    assert_eq!(error, RegionError::TooSmall { needed, found });
    assert!(error.to_string().contains(&needed.to_string()), "{error}");

    // SAFETY: no byte of an empty region is ever accessed.
    let empty = unsafe { Region::from_raw(NonNull::without_provenance(64.try_into().unwrap()), 0) };
    assert_eq!(
        empty.err(),
        Some(RegionError::TooSmall { needed, found: 0 })
    );
}

#[test]
#[cfg(target_has_atomic = "32")]
fn an_empty_region_is_claimed_once() {
    let memory = Memory::zeroed(Layout::compact(2, 8).unwrap());
    assert!(hqq_core::try_claim(&memory.region(), Format::V2));
    // Not 0, which HQQ-Go takes for empty; nor 1 or 2, which mean something to it.
    assert_eq!(memory.get32(8), 0x0201);
    assert!(!hqq_core::try_claim(&memory.region(), Format::V2));
    assert_eq!(
        Identity::read(&memory.region()),
        Err(FormatError::Initialising { format: Format::V2 })
    );
    initialise(&memory.region(), &memory.layout, &InitOptions::new()).unwrap();
    assert!(Identity::read(&memory.region()).is_ok());
    assert!(!hqq_core::try_claim(&memory.region(), Format::V2));
}

#[test]
fn initialising_wipes_what_was_there_but_buffers() {
    let used = Memory::new(2, 16, 0);
    for offset in (0..used.layout.len()).step_by(8) {
        used.set64(offset, u64::MAX);
    }
    initialise(&used.region(), &used.layout, &InitOptions::new()).unwrap();
    let fresh = Memory::new(2, 16, 0);
    let (used_image, fresh_image) = (used.image(), fresh.image());
    for direction in Direction::BOTH {
        let ring = used.layout.ring(direction)..used.layout.buffers(direction);
        assert!(used_image[ring.start + 384..ring.end] == fresh_image[ring.start + 384..ring.end]);
    }
    let (identity_and_sides, members) = (0..384, 512..512 + 8 * 128);
    assert!(used_image[identity_and_sides.clone()] == fresh_image[identity_and_sides]);
    assert!(used_image[members.clone()] == fresh_image[members]);
    let (mut near, mut far) = used.pair();
    near.try_send(b"works").unwrap();
    assert_eq!(far.try_recv(&mut [0; 16]), Ok(5));
    used.assert_canaries();
}
