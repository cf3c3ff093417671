//! Packets: the 64 bytes that pass through a ring, as typed values.
//!
//! A packet is eight little-endian `u64` words. Word 0 has the [`Opcode`] in its low byte and
//! zeros above it; words 1–7 are operands 0–6, and what they mean depends on the opcode.
//!
//! ```text
//!      0    1                8                                          64
//!     +----+----------------+--------+--------+-- ... --+--------------+
//!     | op | zero           | operand 0       |         | operand 6    |
//!     +----+----------------+--------+--------+-- ... --+--------------+
//!       word 0                word 1                      word 7
//! ```
//!
//! This module is pure: bytes in, values or a [`PacketError`] out. It decides every rule that one
//! packet's bytes decide, never panics, and what decodes encodes to the same bytes again. Rules
//! that depend on the region (a buffer's size) or on earlier packets (a chunk's order) are for
//! its callers. The bytes are described in PROTOCOL.md, Packets.
//!
//! A ring of format 2 keeps its stamp in the upper bits of word 0 and strips it before words come
//! here.
//!
//! ```
//! use hqq_core::packet::{ConnectionAccept, Packet, PacketError};
//!
//! let packet = Packet::decode([0x02, 7, 0, 0, 0, 0, 0, 0])?;
//! assert_eq!(packet, Packet::ConnectionAccept(ConnectionAccept { connection_id: 7 }));
//! assert_eq!(packet.to_bytes()[..16], [2, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
//! # Ok::<(), PacketError>(())
//! ```
#![forbid(unsafe_code)]

pub mod connection;
pub mod connection_copy;
pub mod credit;
pub mod error;
pub mod error_code;
pub mod error_packet;
pub mod inline;
pub mod negotiate;
pub mod opcode;
pub mod run;
pub mod standard;
pub mod whole;

mod bits;
mod wire;

#[cfg(test)]
mod tests;

use zerocopy::little_endian::U64;
use zerocopy::transmute;

pub use connection::{ConnectionAccept, ConnectionClose, ConnectionCreate};
pub use connection_copy::{Chunk, ConnectionCopy, CopyFlags, MessageKind, UNKNOWN_SIZE};
pub use credit::ConnectionCredit;
pub use error::PacketError;
pub use error_code::{ErrorCode, Reason};
pub use error_packet::ErrorPacket;
pub use inline::StandardInline;
pub use negotiate::{Capabilities, Features, Negotiate, NegotiateAck, ProtocolVersion};
pub use opcode::Opcode;
pub use run::StandardRun;
pub use standard::{Standard, StandardCopy, StandardTombstone};
pub use whole::Whole;

/// Size of a packet, in bytes.
pub const SIZE: usize = 64;

/// Words in a packet.
pub const WORDS: usize = 8;

/// Operands in a packet: its words but the first.
pub const OPERANDS: usize = 7;

/// Bytes of payload that fit into a [`StandardInline`] packet.
pub const INLINE_MAX: usize = 40;

/// Any packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Packet {
    /// Something that the peer asked for failed.
    Error(ErrorPacket),
    /// Opens a stream.
    ConnectionCreate(ConnectionCreate),
    /// Accepts a stream.
    ConnectionAccept(ConnectionAccept),
    /// Ends a stream.
    ConnectionClose(ConnectionClose),
    /// One chunk of a message.
    ConnectionCopy(ConnectionCopy),
    /// Offers a version and features.
    Negotiate(Negotiate),
    /// Accepts a version and features.
    NegotiateAck(NegotiateAck),
    /// Room for more of a stream.
    ConnectionCredit(ConnectionCredit),
    /// Datagrams of one size in the slot's buffer.
    StandardRun(StandardRun),
    /// A datagram in the packet.
    StandardInline(StandardInline),
    /// A slot without a datagram.
    StandardTombstone(StandardTombstone),
    /// A datagram in the slot's buffer.
    StandardCopy(StandardCopy),
}

impl Packet {
    /// Decodes eight words, given as host-order values.
    ///
    /// # Errors
    ///
    /// The rule that the words break; [`decode_parts`](Self::decode_parts) lists more.
    #[inline]
    pub fn decode(words: [u64; WORDS]) -> Result<Self, PacketError> {
        let [header, operands @ ..] = words;
        Self::decode_parts(Opcode::from_word(header)?, &operands)
    }

    /// Decodes operands 0–6, given as host-order values, of a packet whose opcode is known.
    ///
    /// # Errors
    ///
    /// The rule that the operands break, see each packet. None depends on the region's geometry:
    /// a [`StandardCopy`] or [`ConnectionCopy`] has a `check_bounds` for that.
    #[inline]
    pub fn decode_parts(opcode: Opcode, operands: &[u64; OPERANDS]) -> Result<Self, PacketError> {
        match fault(opcode, operands) {
            Some(fault) => Err(fault),
            None => Ok(Self::sound(opcode, operands)),
        }
    }

    /// The packet of operands in which [`fault`] finds nothing wrong.
    #[inline]
    fn sound(opcode: Opcode, operands: &[u64; OPERANDS]) -> Self {
        match opcode {
            Opcode::Error => ErrorPacket::sound(operands).into(),
            Opcode::ConnectionCreate => ConnectionCreate::sound(operands).into(),
            Opcode::ConnectionAccept => ConnectionAccept::sound(operands).into(),
            Opcode::ConnectionClose => ConnectionClose::sound(operands).into(),
            Opcode::ConnectionCopy => ConnectionCopy::sound(operands).into(),
            Opcode::Negotiate => Negotiate::sound(operands).into(),
            Opcode::NegotiateAck => NegotiateAck::sound(operands).into(),
            Opcode::ConnectionCredit => ConnectionCredit::sound(operands).into(),
            Opcode::StandardRun => StandardRun::sound(operands).into(),
            Opcode::StandardInline => StandardInline::sound(operands).into(),
            Opcode::StandardTombstone => StandardTombstone::sound(operands).into(),
            Opcode::StandardCopy => StandardCopy::sound(operands).into(),
        }
    }

    /// The eight words, as host-order values.
    #[inline]
    #[must_use]
    pub fn encode(&self) -> [u64; WORDS] {
        let [a, b, c, d, e, f, g] = self.operands();
        [self.opcode().as_word(), a, b, c, d, e, f, g]
    }

    /// Decodes the 64 bytes as they lie in memory.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode).
    #[inline]
    pub fn from_bytes(bytes: &[u8; SIZE]) -> Result<Self, PacketError> {
        let words: [U64; WORDS] = transmute!(*bytes);
        Self::decode(words.map(U64::get))
    }

    /// The 64 bytes as they lie in memory.
    #[inline]
    #[must_use]
    pub fn to_bytes(&self) -> [u8; SIZE] {
        transmute!(self.encode().map(U64::new))
    }

    /// The opcode.
    #[inline]
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        match self {
            Self::Error(_) => ErrorPacket::OPCODE,
            Self::ConnectionCreate(_) => ConnectionCreate::OPCODE,
            Self::ConnectionAccept(_) => ConnectionAccept::OPCODE,
            Self::ConnectionClose(_) => ConnectionClose::OPCODE,
            Self::ConnectionCopy(_) => ConnectionCopy::OPCODE,
            Self::Negotiate(_) => Negotiate::OPCODE,
            Self::NegotiateAck(_) => NegotiateAck::OPCODE,
            Self::ConnectionCredit(_) => ConnectionCredit::OPCODE,
            Self::StandardRun(_) => StandardRun::OPCODE,
            Self::StandardInline(_) => StandardInline::OPCODE,
            Self::StandardTombstone(_) => StandardTombstone::OPCODE,
            Self::StandardCopy(_) => StandardCopy::OPCODE,
        }
    }

    /// Operands 0–6, as host-order values.
    #[inline]
    #[must_use]
    pub fn operands(&self) -> [u64; OPERANDS] {
        match self {
            Self::Error(packet) => packet.operands(),
            Self::ConnectionCreate(packet) => packet.operands(),
            Self::ConnectionAccept(packet) => packet.operands(),
            Self::ConnectionClose(packet) => packet.operands(),
            Self::ConnectionCopy(packet) => packet.operands(),
            Self::Negotiate(packet) => packet.operands(),
            Self::NegotiateAck(packet) => packet.operands(),
            Self::ConnectionCredit(packet) => packet.operands(),
            Self::StandardRun(packet) => packet.operands(),
            Self::StandardInline(packet) => packet.operands(),
            Self::StandardTombstone(packet) => packet.operands(),
            Self::StandardCopy(packet) => packet.operands(),
        }
    }
}

/// The rule that the operands of a packet with this opcode break, see each packet. First whether there
/// is one, then what it says: where programs have to be small, that is shorter than both at once.
#[cfg_attr(target_pointer_width = "64", inline)]
#[cfg_attr(not(target_pointer_width = "64"), inline(never))]
pub(crate) fn fault(opcode: Opcode, operands: &[u64; OPERANDS]) -> Option<PacketError> {
    match opcode {
        Opcode::ConnectionCreate => ConnectionCreate::fault(operands),
        Opcode::ConnectionAccept => ConnectionAccept::fault(operands),
        Opcode::ConnectionClose => ConnectionClose::fault(operands),
        Opcode::ConnectionCopy => ConnectionCopy::fault(operands),
        Opcode::Negotiate => Negotiate::fault(operands),
        Opcode::NegotiateAck => NegotiateAck::fault(operands),
        Opcode::ConnectionCredit => ConnectionCredit::fault(operands),
        standard => standard::fault(standard, operands),
    }
}

/// A packet as it lies in a ring, in which nothing is wrong: where it is handed on and not looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sound {
    pub(crate) opcode: Opcode,
    pub(crate) operands: [u64; OPERANDS],
}

impl Sound {
    /// One that says nothing yet.
    pub(crate) const EMPTY: Self = Self {
        opcode: Opcode::Error,
        operands: [0; OPERANDS],
    };

    /// Makes it one of at most three operands.
    // In place, and one function for all of them where programs have to be small.
    #[cfg_attr(target_pointer_width = "64", inline)]
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    pub(crate) const fn set(&mut self, opcode: Opcode, [a, b, c]: [u64; 3]) {
        self.opcode = opcode;
        self.operands = [a, b, c, 0, 0, 0, 0];
    }

    /// Makes it this chunk, which keeps every rule.
    #[inline]
    pub(crate) const fn set_chunk(&mut self, chunk: &Chunk) {
        self.opcode = Opcode::ConnectionCopy;
        self.operands = chunk.operands();
    }

    /// The typed packet.
    pub(crate) fn packet(&self) -> Packet {
        Packet::sound(self.opcode, &self.operands)
    }
}

impl From<&Packet> for Sound {
    #[inline]
    fn from(packet: &Packet) -> Self {
        Self {
            opcode: packet.opcode(),
            operands: packet.operands(),
        }
    }
}

/// Makes a packet of each of its variants' values.
macro_rules! packet_from {
    ($($variant:ident($packet:ty)),+ $(,)?) => {
        $(impl From<$packet> for Packet {
            #[inline]
            fn from(packet: $packet) -> Self {
                Self::$variant(packet)
            }
        }

        impl From<$packet> for Sound {
            #[inline]
            fn from(packet: $packet) -> Self {
                Self {
                    opcode: Opcode::$variant,
                    operands: packet.operands(),
                }
            }
        })+
    };
}
packet_from!(
    Error(ErrorPacket),
    ConnectionCreate(ConnectionCreate),
    ConnectionAccept(ConnectionAccept),
    ConnectionClose(ConnectionClose),
    ConnectionCopy(ConnectionCopy),
    Negotiate(Negotiate),
    NegotiateAck(NegotiateAck),
    ConnectionCredit(ConnectionCredit),
    StandardRun(StandardRun),
    StandardInline(StandardInline),
    StandardTombstone(StandardTombstone),
    StandardCopy(StandardCopy),
);

impl From<Standard> for Packet {
    #[inline]
    fn from(packet: Standard) -> Self {
        match packet {
            Standard::Copy(packet) => packet.into(),
            Standard::Run(packet) => packet.into(),
            Standard::Inline(packet) => packet.into(),
            Standard::Tombstone(packet) => packet.into(),
            Standard::Error(packet) => packet.into(),
        }
    }
}
