//! Why 64 bytes are not a packet, or fields not a packet's fields.

use core::fmt;

use super::{CopyFlags, Opcode};

/// Why bytes, words or fields do not make a packet. Carries the values that were refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PacketError {
    /// This byte is no opcode.
    UnknownOpcode(u8),
    /// A known opcode where another one belongs.
    OpcodeMismatch {
        /// The opcode that belongs here.
        expected: Opcode,
        /// The opcode that was found.
        found: Opcode,
    },
    /// A known opcode that the standard link does not take.
    NotStandard(Opcode),
    /// Bits that must be zero are not.
    ReservedBits {
        /// Number of the word in the packet, 0..=7; operand `i` is word `i + 1`.
        word: u8,
        /// Those of its bits that must be zero, in place.
        value: u64,
    },
    /// A number of bytes outside of its bounds.
    Size {
        /// The size, in bytes.
        size: u64,
        /// The smallest legal size, in bytes.
        minimum: u64,
        /// The largest legal size, in bytes.
        maximum: u64,
    },
    /// This number is no error code.
    UnknownErrorCode(u64),
    /// These bits are no copy flags.
    UnknownFlags(u64),
    /// Copy flags that exclude each other, or one without the one it needs.
    FlagConflict(CopyFlags),
    /// A chunk that does not lie in its message, is empty though the message is not, or an
    /// abort that carries a chunk.
    ChunkRange {
        /// Size of the whole message, in bytes.
        total_size: u64,
        /// Where the chunk begins in the message, in bytes.
        chunk_offset: u64,
        /// Size of the chunk, in bytes.
        chunk_size: u64,
    },
    /// The begin and end flags do not say where the chunk lies in its message.
    ChunkEdges {
        /// The flags of the chunk.
        flags: CopyFlags,
        /// Size of the whole message, in bytes.
        total_size: u64,
        /// Where the chunk begins in the message, in bytes.
        chunk_offset: u64,
        /// Size of the chunk, in bytes.
        chunk_size: u64,
    },
    /// A method id or status where none belongs.
    Aux {
        /// The value of operand 6.
        aux: u64,
        /// The flags of the chunk.
        flags: CopyFlags,
    },
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UnknownOpcode(byte) => write!(
                f,
                "{byte:#04x} is no opcode of this version; check that the peer speaks it"
            ),
            Self::OpcodeMismatch { expected, found } => write!(
                f,
                "packet is {found:?}, not {expected:?}; decode it as what its opcode says"
            ),
            Self::NotStandard(opcode) => write!(
                f,
                "the standard link does not take {opcode:?}; receive with the advanced protocol"
            ),
            Self::ReservedBits { word, value } => write!(
                f,
                "word {word} has {value:#x} in bits that must be zero; the peer must clear them"
            ),
            Self::Size {
                size,
                minimum,
                maximum,
            } => write!(
                f,
                "{size} bytes are not within {minimum}..={maximum}; send a size that is"
            ),
            Self::UnknownErrorCode(code) => {
                write!(
                    f,
                    "{code} is no error code; the peer must send one of 1..=7"
                )
            }
            Self::UnknownFlags(bits) => write!(
                f,
                "{bits:#x} are no copy flags; the peer must send known ones only"
            ),
            Self::FlagConflict(flags) => write!(
                f,
                "copy flags {:#x} contradict each other; error needs response, request excludes \
                 response, abort excludes begin and end",
                flags.bits()
            ),
            Self::ChunkRange {
                total_size,
                chunk_offset,
                chunk_size,
            } => write!(
                f,
                "chunk of {chunk_size} bytes at {chunk_offset} is no part of a message of \
                 {total_size}; keep chunks inside it, and empty only where all three are 0"
            ),
            Self::ChunkEdges {
                flags,
                total_size,
                chunk_offset,
                chunk_size,
            } => write!(
                f,
                "copy flags {:#x} do not fit a chunk of {chunk_size} bytes at {chunk_offset} of \
                 {total_size}; set begin exactly at offset 0 and end exactly at the last byte",
                flags.bits()
            ),
            Self::Aux { aux, flags } => write!(
                f,
                "copy flags {:#x} leave no room for aux {aux:#x}; set it on the first chunk of \
                 a request or response only",
                flags.bits()
            ),
        }
    }
}

impl core::error::Error for PacketError {}
