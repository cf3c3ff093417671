//! What every packet's wire struct shares: its layout checks, its words, its unused operands.

use super::PacketError;

/// Checks a wire struct's layout to the byte and gives the packet its operands.
///
/// Expects the file to have `$packet::write`, to operands, and `$packet::read`, from them: the two
/// places that say which operand a field is. Everything else about words and bytes follows from here.
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
                Self::read(operands)
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
                Self::read(&operands.map(::zerocopy::little_endian::U64::get))
            }
        }
    };
}
pub(super) use packet_layout;

/// Registers have 64 bits.
pub(super) const WIDE: bool = cfg!(target_pointer_width = "64");

/// Unused words, which must be zero; `first_word` is the number of the first in the packet.
#[inline]
pub(super) fn require_zero<const N: usize>(
    first_word: u8,
    words: &[u64; N],
) -> Result<(), PacketError> {
    // One branch for all of them: which one it was matters only when it fails. Where programs have to
    // be small, one function does it for all packets.
    if WIDE && words.iter().fold(0, |bits, word| bits | word) == 0 {
        return Ok(());
    }
    report_non_zero(first_word, words)
}

#[cold]
fn report_non_zero(first_word: u8, words: &[u64]) -> Result<(), PacketError> {
    for (word, value) in (first_word..).zip(words) {
        if *value != 0 {
            return Err(PacketError::ReservedBits {
                word,
                value: *value,
            });
        }
    }
    Ok(())
}
