//! The bytes of a region after a fixed sequence of calls: the worked example of PROTOCOL.md.

use crate::common::Memory;
use hqq_core::{InitOptions, Layout, Role};

/// Every 16 bytes that are not all zero: offset, bytes in hex.
const GOLDEN: &str = "\
0000: 32 4c 54 53 5f 51 51 48 02 02 00 00 00 00 00 00
0010: 02 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
0020: 40 00 00 00 02 00 00 00 30 00 00 00 5c 9d 7e 16
0030: 00 08 00 00 00 00 00 00 88 77 66 55 44 33 22 11
0040: 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
0080: 15 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
00c0: 15 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
0100: 15 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
0140: 15 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
0200: 15 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
0240: 15 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
0280: 15 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00
0290: 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
02a0: 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
02c0: 15 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
0380: 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
0400: 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
0480: fd 00 01 00 00 00 00 00 01 00 00 00 00 00 00 00
0490: 09 00 00 00 00 00 00 00 68 65 6c 6c 6f 20 68 71
04a0: 71 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
04c0: fc 00 02 00 00 00 00 00 2c 00 00 00 00 00 00 00
0530: 30 31 32 33 34 35 36 37 38 39 30 31 32 33 34 35
0540: 36 37 38 39 30 31 32 33 34 35 36 37 38 39 30 31
0550: 32 33 34 35 36 37 38 39 30 31 32 33 00 00 00 00
0700: fd 00 01 00 00 00 00 00 01 00 00 00 00 00 00 00
0740: fe 00 02 00 00 00 00 00 02 00 00 00 00 00 00 00
0750: 01 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00
";

/// The region right after the sequence, both endpoints still attached.
fn image() -> Vec<u8> {
    let layout = Layout::compact(2, 48).unwrap();
    let options = InitOptions::new().session(0x1122_3344_5566_7788);
    let memory = Memory::with(layout, &options);
    let mut primary = memory.exclusive(Role::Primary);
    let mut secondary = memory.exclusive(Role::Secondary);
    primary.try_send(b"hello hqq").unwrap();
    primary
        .try_send(b"01234567890123456789012345678901234567890123")
        .unwrap();
    let mut message = [0; 48];
    assert_eq!(secondary.try_recv(&mut message), Ok(9));
    secondary.try_send(b"").unwrap();
    secondary.sender().try_reserve().unwrap().abort(2);
    memory.assert_canaries();
    memory.image()
}

#[test]
fn a_region_is_these_bytes() {
    let image = image();
    assert_eq!(image.len(), 2048);
    let (lines, rest) = image.as_chunks::<16>();
    assert!(rest.is_empty());
    let dump: String = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| **line != [0; 16])
        .map(|(index, line)| {
            let hex: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{:04x}: {}\n", index * 16, hex.join(" "))
        })
        .collect();
    assert_eq!(dump, GOLDEN, "the region is now\n{dump}");
}
