//! What every packet's wire struct shares: its layout checks, its words, its unused operands.

use zerocopy::little_endian::U64;

use super::PacketError;

/// Checks a wire struct's layout to the byte and gives the packet its operands.
///
/// Expects the file to have `From<$packet> for $wire` and `TryFrom<$wire> for $packet`: the two
/// places where fields are named. Everything else about words and bytes follows from here.
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
                let words: [::zerocopy::little_endian::U64; $crate::packet::WORDS] =
                    ::zerocopy::transmute!($wire::from(*self));
                // One by one: builds for size would call a loop over them.
                let [_, a, b, c, d, e, f, g] = words;
                [a.get(), b.get(), c.get(), d.get(), e.get(), f.get(), g.get()]
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
                use ::zerocopy::little_endian::U64;
                let [a, b, c, d, e, f, g] = *operands;
                // One by one, as above.
                let words: [U64; $crate::packet::WORDS] = [
                    U64::new(Self::OPCODE.as_word()),
                    U64::new(a),
                    U64::new(b),
                    U64::new(c),
                    U64::new(d),
                    U64::new(e),
                    U64::new(f),
                    U64::new(g),
                ];
                let wire: $wire = ::zerocopy::transmute!(words);
                Self::try_from(wire)
            }
        }
    };
}
pub(super) use packet_layout;

/// Unused words, which must be zero; `first_word` is the number of the first in the packet.
#[inline]
pub(super) fn require_zero<const N: usize>(
    first_word: u8,
    words: &[U64; N],
) -> Result<(), PacketError> {
    // One branch for all of them: which one it was matters only when it fails.
    if words.iter().fold(0, |bits, word| bits | word.get()) == 0 {
        return Ok(());
    }
    report_non_zero(first_word, words)
}

/// The first non-zero word as an error.
#[cold]
fn report_non_zero(first_word: u8, words: &[U64]) -> Result<(), PacketError> {
    for (word, value) in (first_word..).zip(words) {
        let value = value.get();
        if value != 0 {
            return Err(PacketError::ReservedBits { word, value });
        }
    }
    Ok(())
}
