//! The messages of a handoff, as bytes: 24 of them each (PROTOCOL.md, "Handing a region over").

use super::error::Refusal;

/// Bytes in a message.
pub(super) const LEN: usize = 24;
/// "HQQHAND1" in the order of memory.
const MAGIC: u64 = u64::from_le_bytes(*b"HQQHAND1");

const OFFER: u32 = 1;
const TAKEN: u32 = 2;
const REFUSED: u32 = 3;

/// What one end says to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// Here is a region of so many bytes; its descriptor comes with the message.
    Offer {
        /// Bytes in the region.
        len: u64,
    },
    /// The region is mapped and a role taken in it.
    Taken,
    /// There will be no link.
    Refused(Refusal),
}

impl Message {
    pub(super) fn encode(self) -> [u8; LEN] {
        let (kind, code, len) = match self {
            Self::Offer { len } => (OFFER, 0, len),
            Self::Taken => (TAKEN, 0, 0),
            Self::Refused(refusal) => (REFUSED, refusal.code(), 0),
        };
        let mut bytes = [0; LEN];
        let fields: [&[u8]; 4] = [
            &MAGIC.to_le_bytes(),
            &kind.to_le_bytes(),
            &code.to_le_bytes(),
            &len.to_le_bytes(),
        ];
        for (byte, value) in bytes.iter_mut().zip(fields.into_iter().flatten()) {
            *byte = *value;
        }
        bytes
    }

    /// What `bytes` say; `None` where they are no message.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LEN] = bytes.try_into().ok()?;
        let (words, _) = bytes.as_chunks::<4>();
        let &[magic_low, magic_high, kind, code, len_low, len_high] = words else {
            return None;
        };
        let long = |low: [u8; 4], high: [u8; 4]| {
            u64::from(u32::from_le_bytes(low)) | u64::from(u32::from_le_bytes(high)) << 32
        };
        if long(magic_low, magic_high) != MAGIC {
            return None;
        }
        let (code, len) = (u32::from_le_bytes(code), long(len_low, len_high));
        match (u32::from_le_bytes(kind), code, len) {
            (OFFER, 0, len) => Some(Self::Offer { len }),
            (TAKEN, 0, 0) => Some(Self::Taken),
            (REFUSED, code, 0) => Some(Self::Refused(Refusal::of_code(code))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_bytes() {
        let offer = Message::Offer {
            len: 0x0102_0304_0506_0708,
        };
        assert_eq!(
            &offer.encode(),
            b"HQQHAND1\x01\0\0\0\0\0\0\0\x08\x07\x06\x05\x04\x03\x02\x01"
        );
        assert_eq!(
            &Message::Taken.encode(),
            b"HQQHAND1\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
        );
        assert_eq!(
            &Message::Refused(Refusal::Unsealed).encode(),
            b"HQQHAND1\x03\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0"
        );
    }

    #[test]
    fn what_is_said_is_understood() {
        let codes = (0..9).map(Refusal::of_code).map(Message::Refused);
        let offers = [0, 1, u64::MAX].map(|len| Message::Offer { len });
        for message in codes.chain(offers).chain([Message::Taken]) {
            assert_eq!(Message::decode(&message.encode()), Some(message));
        }
    }

    #[test]
    fn other_bytes_are_no_message() {
        let taken = Message::Taken.encode();
        for len in 0..LEN {
            assert_eq!(Message::decode(&taken[..len]), None);
        }
        assert_eq!(Message::decode(&[&taken[..], b"x"].concat()), None);
        for at in 0..LEN {
            for bit in 0..8 {
                let mut bytes = taken;
                bytes[at] ^= 1 << bit;
                let decoded = Message::decode(&bytes);
                // One bit makes a refusal of it.
                assert!(
                    matches!(decoded, None | Some(Message::Refused(_))),
                    "byte {at}, bit {bit}: {decoded:?}"
                );
            }
        }
    }
}
