//! The opcode: the low byte of word 0, which says what a packet's operands mean.

use super::PacketError;

/// The byte of a free slot in a format-2 ring; never an opcode.
pub const RESERVED_FREE: u8 = 0xE0;

/// The byte of a slot that is being written in a format-2 ring; never an opcode.
pub const RESERVED_WRITING: u8 = 0xE1;

/// What a packet is. The discriminant is the byte on the wire.
///
/// Bytes that are not listed are unknown opcodes, [`RESERVED_FREE`] and [`RESERVED_WRITING`]
/// among them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum Opcode {
    /// [`ErrorPacket`](super::ErrorPacket): something that the peer asked for failed.
    Error = 0x00,
    /// [`ConnectionCreate`](super::ConnectionCreate): open a stream.
    ConnectionCreate = 0x01,
    /// [`ConnectionAccept`](super::ConnectionAccept): a stream is open.
    ConnectionAccept = 0x02,
    /// [`ConnectionClose`](super::ConnectionClose): a stream has ended.
    ConnectionClose = 0x03,
    /// [`ConnectionCopy`](super::ConnectionCopy): one chunk of a message.
    ConnectionCopy = 0x04,
    /// [`Negotiate`](super::Negotiate): which version and features the sender offers.
    Negotiate = 0x05,
    /// [`NegotiateAck`](super::NegotiateAck): which of them the answering side accepts.
    NegotiateAck = 0x06,
    /// [`ConnectionCredit`](super::ConnectionCredit): room for more of a stream (format 2 only).
    ConnectionCredit = 0x07,
    /// [`StandardRun`](super::StandardRun): datagrams of one size in the slot's buffer (format 2
    /// only).
    StandardRun = 0xFC,
    /// [`StandardInline`](super::StandardInline): a datagram inside the packet (format 2 only).
    StandardInline = 0xFD,
    /// [`StandardTombstone`](super::StandardTombstone): a slot without a message.
    StandardTombstone = 0xFE,
    /// [`StandardCopy`](super::StandardCopy): a datagram in the slot's buffer.
    StandardCopy = 0xFF,
}

impl Opcode {
    /// Every opcode, in the order of their bytes.
    pub const ALL: [Self; 12] = [
        Self::Error,
        Self::ConnectionCreate,
        Self::ConnectionAccept,
        Self::ConnectionClose,
        Self::ConnectionCopy,
        Self::Negotiate,
        Self::NegotiateAck,
        Self::ConnectionCredit,
        Self::StandardRun,
        Self::StandardInline,
        Self::StandardTombstone,
        Self::StandardCopy,
    ];

    /// The opcode that `byte` stands for.
    ///
    /// # Errors
    ///
    /// [`PacketError::UnknownOpcode`] for a byte without a meaning.
    ///
    /// ```
    /// use hqq_core::packet::{Opcode, PacketError, opcode::RESERVED_FREE};
    ///
    /// assert_eq!(Opcode::from_byte(0xFF), Ok(Opcode::StandardCopy));
    /// assert_eq!(
    ///     Opcode::from_byte(RESERVED_FREE),
    ///     Err(PacketError::UnknownOpcode(RESERVED_FREE)),
    /// );
    /// ```
    #[inline]
    pub const fn from_byte(byte: u8) -> Result<Self, PacketError> {
        Ok(match byte {
            0x00 => Self::Error,
            0x01 => Self::ConnectionCreate,
            0x02 => Self::ConnectionAccept,
            0x03 => Self::ConnectionClose,
            0x04 => Self::ConnectionCopy,
            0x05 => Self::Negotiate,
            0x06 => Self::NegotiateAck,
            0x07 => Self::ConnectionCredit,
            0xFC => Self::StandardRun,
            0xFD => Self::StandardInline,
            0xFE => Self::StandardTombstone,
            0xFF => Self::StandardCopy,
            _ => return Err(PacketError::UnknownOpcode(byte)),
        })
    }

    /// The byte on the wire.
    #[inline]
    #[must_use]
    pub const fn as_byte(self) -> u8 {
        self as u8
    }

    /// Word 0 of a packet on its own: the opcode in the low byte, zeros above it.
    #[inline]
    #[must_use]
    pub const fn as_word(self) -> u64 {
        self as u64
    }

    /// The opcode in word 0 of a packet on its own.
    ///
    /// # Errors
    ///
    /// [`PacketError::UnknownOpcode`], and [`PacketError::ReservedBits`] when the upper 56 bits
    /// are not zero.
    #[inline]
    pub const fn from_word(word: u64) -> Result<Self, PacketError> {
        let [byte, ..] = word.to_le_bytes();
        let reserved = word & !0xFF;
        if reserved != 0 {
            return Err(PacketError::ReservedBits {
                word: 0,
                value: reserved,
            });
        }
        Self::from_byte(byte)
    }

    /// Word 0 of a packet that must be `self`.
    #[inline]
    pub(super) const fn require(self, word: u64) -> Result<(), PacketError> {
        match Self::from_word(word) {
            Ok(found) if found.as_byte() == self.as_byte() => Ok(()),
            Ok(found) => Err(PacketError::OpcodeMismatch {
                expected: self,
                found,
            }),
            Err(error) => Err(error),
        }
    }
}

/// `from_byte` undoes `as_byte` for every opcode and knows no other byte.
const fn bytes_and_opcodes_agree() -> bool {
    let mut index = 0;
    while index < Opcode::ALL.len() {
        let byte = Opcode::ALL[index].as_byte();
        match Opcode::from_byte(byte) {
            Ok(opcode) if opcode.as_byte() == byte => {}
            _ => return false,
        }
        index += 1;
    }
    let mut known = 0;
    let mut byte = 0;
    while byte <= u8::MAX as u16 {
        if Opcode::from_byte(byte as u8).is_ok() {
            known += 1;
        }
        byte += 1;
    }
    known == Opcode::ALL.len()
        && Opcode::from_byte(RESERVED_FREE).is_err()
        && Opcode::from_byte(RESERVED_WRITING).is_err()
}
static_assertions::const_assert!(bytes_and_opcodes_agree());
