//! Format 1 as bytes: sizes, offsets, and a region after a fixed sequence of calls (the example of
//! PROTOCOL.md), both written and read.
#![cfg(all(target_has_atomic = "64", not(hqq_narrow)))]

use crate::common::{Memory, receive};
use hqq_core::{Delivery, Direction, Format, Identity, InitOptions, Layout, Role, TryRecvError};

/// Every 16 bytes that are not all zero: offset, bytes in hex.
const GOLDEN: &str = "\
000000 314c54535f5151480200000000000000
000010 01000000000000000000000000000000
000020 00100000000000000200000000000000
000030 10000000000000000050000000000000
001000 0167093fd4c1d8c90200000000000000
001010 02000000000000000000000000000000
001080 02000000000000000000000000000000
001100 ff000000000000000100000000000000
001110 00000000000000000900000000000000
001140 0100000000000000fe00000000000000
001150 02000000000000000100000000000000
001160 02000000000000000000000000000000
001180 00000000000000000200000000000000
002000 68656c6c6f2068717100000000000000
003000 0167093fd4c1d8c90200000000000000
003010 02000000000000000000000000000000
003080 01000000000000000000000000000000
003100 ff000000000000000100000000000000
003110 00000000000000000400000000000000
003140 01000000000000000000000000000000
003180 00000000000000000100000000000000
004000 706f6e67000000000000000000000000
";

fn layout() -> Layout {
    Layout::format_1(2, 16, 4096).unwrap()
}

fn dump(memory: &Memory) -> String {
    let image = memory.image();
    let (lines, rest) = image.as_chunks::<16>();
    assert!(rest.is_empty());
    lines
        .iter()
        .enumerate()
        .filter(|(_, line)| **line != [0; 16])
        .map(|(index, line)| {
            let hex: String = line.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{:06x} {hex}\n", index * 16)
        })
        .collect()
}

/// A region of the bytes that `dump` says.
fn from_dump(dump: &str) -> Memory {
    let memory = Memory::zeroed(layout());
    for line in dump.lines() {
        let (offset, hex) = line.split_once(' ').unwrap();
        let offset = usize::from_str_radix(offset, 16).unwrap();
        let value = u128::from_str_radix(hex, 16).unwrap().to_be_bytes();
        let (words, _) = value.as_chunks::<8>();
        for (index, word) in words.iter().enumerate() {
            memory.set64(offset + index * 8, u64::from_le_bytes(*word));
        }
    }
    memory
}

#[test]
fn regions_have_the_sizes_that_hqq_go_gives_them() {
    for (count, size, len) in [
        (2, 8, 20_480),
        (4, 64, 20_480),
        (16, 256, 20_480),
        (64, 4096, 544_768),
        (1024, 4096, 8_548_352),
    ] {
        let layout = Layout::format_1(count, size, 4096).unwrap();
        assert_eq!(layout.len(), len, "{count} buffers of {size} bytes");
    }
}

#[test]
fn parts_lie_where_hqq_go_looks_for_them() {
    let layout = layout();
    assert_eq!(layout.format(), Format::V1);
    assert_eq!((layout.count(), layout.size()), (2, 16));
    assert_eq!((layout.alignment(), layout.members()), (4096, 0));
    assert_eq!(layout.slot_len(), 72);
    for (direction, ring) in Direction::BOTH.into_iter().zip([0x1000, 0x3000]) {
        assert_eq!(layout.ring(direction), ring);
        assert_eq!(layout.consumer_counter(direction), ring + 24);
        assert_eq!(layout.producer_counter(direction), ring + 128);
        assert_eq!(layout.slots(direction), ring + 256);
        assert_eq!(layout.buffers(direction), ring + 0x1000);
        assert_eq!(layout.released(direction), None);
        assert_eq!(layout.side(direction, false), None);
    }
    // 512 bytes and 64 slots are more than a page.
    let larger = Layout::format_1(64, 64, 4096).unwrap();
    assert_eq!(larger.buffers(Direction::ToSecondary), 0x3000);
    // Pages as some ARM systems have them.
    assert_eq!(Layout::format_1(4, 64, 16_384).unwrap().len(), 5 * 16_384);
}

#[test]
fn a_region_is_these_bytes() {
    let memory = Memory::zeroed(layout());
    // What was there before is wiped: the slots of both rings, a buffer.
    let used = [(0x1100..0x1190), (0x3100..0x3190), (0x2000..0x2020)];
    for offset in used.into_iter().flat_map(|part| part.step_by(8)) {
        memory.set64(offset, u64::MAX);
    }
    hqq_core::initialise(&memory.region(), &layout(), &InitOptions::new()).unwrap();
    let primary = memory.format_1_link(Role::Primary);
    primary.sender().try_send(b"hello hqq").unwrap();
    let secondary = memory.format_1_link(Role::Secondary);
    secondary.sender().try_send(b"pong").unwrap();
    primary.sender().try_reserve().unwrap().abort(2);
    memory.assert_canaries();
    let dump = dump(&memory);
    assert_eq!(dump, GOLDEN, "the region is now\n{dump}");
}

#[test]
fn these_bytes_are_a_region_that_goes_on() {
    let memory = from_dump(GOLDEN);
    let identity = Identity::read(&memory.region()).unwrap();
    assert_eq!(identity.layout, layout());
    assert_eq!((identity.minor, identity.compatible), (0, 0));
    assert_eq!(identity.session, 0);
    assert_eq!(identity.delivery, Delivery::AtMostOnce);

    let primary = memory.format_1_link(Role::Primary);
    let secondary = memory.format_1_link(Role::Secondary);
    let (mut to_secondary, mut at_secondary) = (primary.sender(), secondary.receiver());
    assert_eq!(to_secondary.unread(), 2);
    assert_eq!(
        to_secondary.try_send(b"more"),
        Err(hqq_core::TrySendError::Full)
    );
    assert_eq!(receive(&mut at_secondary), Ok(b"hello hqq".to_vec()));
    assert_eq!(receive(&mut at_secondary), Err(TryRecvError::Empty));
    assert_eq!(at_secondary.counters().tombstones, 1);
    assert_eq!(to_secondary.unread(), 0);
    assert_eq!(receive(&mut primary.receiver()), Ok(b"pong".to_vec()));
    for number in 0..9_u8 {
        to_secondary.try_send(&[number; 16]).unwrap();
        secondary.sender().try_send(&[number]).unwrap();
        assert_eq!(receive(&mut at_secondary), Ok(vec![number; 16]));
        assert_eq!(receive(&mut primary.receiver()), Ok(vec![number]));
    }
    // Counters and sequences went on from what was read: w = r = 11, slot 0 free for 12.
    let direction = Direction::ToSecondary;
    assert_eq!(memory.get64(layout().producer_counter(direction)), 11);
    assert_eq!(memory.get64(layout().consumer_counter(direction)), 11);
    assert_eq!((memory.sequence(0), memory.sequence(1)), (12, 11));
    memory.assert_canaries();
}
