//! The shape of the typed bit sets: copy flags, features, capabilities.

/// Defines a set of named bits over a `u64`.
macro_rules! bit_set {
    (
        $(#[$meta:meta])*
        $name:ident { $($(#[$bit_meta:meta])* $bit:ident = $value:literal),+ $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub struct $name(u64);

        impl $name {
            $($(#[$bit_meta])* pub const $bit: Self = Self($value);)+

            /// No bit.
            pub const EMPTY: Self = Self(0);

            /// Every bit that this version gives a meaning.
            pub const KNOWN: Self = Self(0 $(| $value)+);

            /// The bits, as they stand in the operand.
            #[inline]
            #[must_use]
            pub const fn bits(self) -> u64 {
                self.0
            }

            /// Whether there is no bit at all.
            #[inline]
            #[must_use]
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// Whether every bit of `other` is in `self`.
            #[inline]
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// The bits that are in either.
            #[inline]
            #[must_use]
            pub const fn union(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// The bits that are in both.
            #[inline]
            #[must_use]
            pub const fn intersection(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }
        }

        impl core::ops::BitOr for $name {
            type Output = Self;

            #[inline]
            fn bitor(self, other: Self) -> Self {
                self.union(other)
            }
        }

        impl core::ops::BitAnd for $name {
            type Output = Self;

            #[inline]
            fn bitand(self, other: Self) -> Self {
                self.intersection(other)
            }
        }
    };
}
pub(super) use bit_set;
