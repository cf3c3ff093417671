//! Any 64 bytes as a packet: an error or a packet that encodes to the same bytes.
#![no_main]

use hqq_core::packet::{INLINE_MAX, Opcode, Packet, PacketError, SIZE, standard};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: [u8; SIZE]| {
    let (chunks, _) = bytes.as_chunks();
    let mut words = [0; 8];
    for (word, chunk) in words.iter_mut().zip(chunks) {
        *word = u64::from_le_bytes(*chunk);
    }
    let [header, operands @ ..] = words;

    let decoded = Packet::from_bytes(&bytes);
    assert_eq!(decoded, Packet::decode(words));
    match decoded {
        Ok(packet) => {
            let (mut bytes, mut words, mut operands) = (bytes, words, operands);
            if let Packet::StandardRun(_) = packet {
                // What lies behind its only operand is no part of it.
                bytes[16..].fill(0);
                words[2..].fill(0);
                operands[1..].fill(0);
            }
            assert_eq!(packet.to_bytes(), bytes);
            assert_eq!(packet.encode(), words);
            assert_eq!(packet.operands(), operands);
            assert_eq!(packet.opcode().as_word(), header);
            assert_eq!(Packet::decode_parts(packet.opcode(), &operands), Ok(packet));
            check_sizes(&packet);
            // Formatting must not panic either.
            let _ = format!("{packet:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }

    // What a ring of format 1 hands to the link: all of word 0 as it lies there. Format 2 has taken
    // its stamp out.
    let narrow = standard::decode(header, &operands).map(Packet::from);
    let wide = Opcode::from_word(header).and_then(|op| Packet::decode_parts(op, &operands));
    match narrow {
        Err(PacketError::NotStandard(other)) => assert_eq!(other.as_word(), header),
        narrow => assert_eq!(narrow, wide),
    }
});

/// What the packet says about bytes elsewhere stays inside any buffer it is checked against.
fn check_sizes(packet: &Packet) {
    for buffer_size in [0, 8, 64, 4096, usize::MAX] {
        match packet {
            Packet::StandardCopy(copy) => {
                if let Ok(len) = copy.check_bounds(buffer_size) {
                    assert!(len >= 1 && len <= buffer_size);
                }
            }
            Packet::StandardRun(run) => {
                if let Ok(len) = run.check_bounds(buffer_size) {
                    assert!(len >= 1 && run.count() as usize <= buffer_size / len);
                }
            }
            Packet::ConnectionCopy(copy) => {
                let _ = copy.check_bounds(buffer_size);
            }
            _ => {}
        }
    }
    if let Packet::StandardInline(inline) = packet {
        assert!(inline.payload().len() <= INLINE_MAX);
    }
}
