//! What every packet's wire struct shares: its layout checks, its words, its unused operands.

use super::{OPERANDS, PacketError};

/// Checks a wire struct's layout to the byte and gives the packet its operands.
///
/// Expects the file to have `$packet::write`, to operands, and `$packet::sound`, from operands in which
/// `$packet::fault` finds nothing wrong: the places that say which operand a field is, and which rules
/// it has. Everything else about words and bytes follows from here.
macro_rules! packet_layout {
    ($packet:ident, $wire:ident { $($field:ident: $offset:literal),+ $(,)? }) => {
        ::static_assertions::const_assert_eq!(
            ::core::mem::size_of::<$wire>(),
            $crate::packet::SIZE
        );
        ::static_assertions::const_assert_eq!(::core::mem::align_of::<$wire>(), 1);
        $(::static_assertions::const_assert_eq!(
            ::core::mem::offset_of!($wire, $field),
            $offset
        );)+

        impl $packet {
            /// Operands 0–6 of this packet: words 1–7, as host-order values.
            #[inline]
            #[must_use]
            pub fn operands(&self) -> [u64; $crate::packet::OPERANDS] {
                self.write()
            }

            /// The packet that operands 0–6 (words 1–7, as host-order values) stand for.
            ///
            /// # Errors
            ///
            /// The operand that breaks one of this packet's rules, see the type.
            #[inline]
            pub fn from_operands(
                operands: &[u64; $crate::packet::OPERANDS],
            ) -> Result<Self, $crate::packet::PacketError> {
                match Self::fault(operands) {
                    Some(fault) => Err(fault),
                    None => Ok(Self::sound(operands)),
                }
            }
        }

        impl From<$packet> for $wire {
            #[inline]
            fn from(packet: $packet) -> Self {
                let [a, b, c, d, e, f, g] = packet.write();
                let words = [$packet::OPCODE.as_word(), a, b, c, d, e, f, g];
                ::zerocopy::transmute!(words.map(::zerocopy::little_endian::U64::new))
            }
        }

        impl TryFrom<$wire> for $packet {
            type Error = $crate::packet::PacketError;

            #[inline]
            fn try_from(wire: $wire) -> Result<Self, Self::Error> {
                $packet::OPCODE.require(wire.header.get())?;
                let words: [::zerocopy::little_endian::U64; $crate::packet::WORDS] =
                    ::zerocopy::transmute!(wire);
                let [_, operands @ ..] = words;
                Self::from_operands(&operands.map(::zerocopy::little_endian::U64::get))
            }
        }
    };
}
pub(super) use packet_layout;

/// Registers have 64 bits.
pub(super) const WIDE: bool = cfg!(target_pointer_width = "64");

/// What is wrong with operands of which those from number `FROM` on are unused, and must be zero.
#[inline]
pub(super) fn non_zero<const FROM: usize>(operands: &[u64; OPERANDS]) -> Option<PacketError> {
    // One branch for all of them: which one it was matters only when it fails. Where programs have to
    // be small, one function does it for all packets.
    let unused = operands.iter().skip(FROM);
    if WIDE && unused.fold(0, |bits, word| bits | word) == 0 {
        return None;
    }
    first_non_zero(FROM, operands)
}

/// The first operand from number `from` on that is not zero.
#[cold]
#[inline(never)]
pub(super) fn first_non_zero(from: usize, operands: &[u64; OPERANDS]) -> Option<PacketError> {
    // Operand 0 is word 1.
    for (word, value) in (1..).zip(operands).skip(from) {
        if *value != 0 {
            return Some(PacketError::ReservedBits {
                word,
                value: *value,
            });
        }
    }
    None
}
