//! The ConnectionCopy packet: one chunk of a message, request or response.

use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::bits::bit_set;
use super::standard::check_size;
use super::wire::{WIDE, packet_layout};
use super::{OPERANDS, Opcode, PacketError, Whole, whole};

bit_set! {
    /// What a chunk is to its message, operand 5 of [`ConnectionCopy`].
    ///
    /// Any combination of known bits is a value of this type; which ones a chunk may carry is
    /// checked by [`ConnectionCopy::new`].
    CopyFlags {
        /// The first chunk of its message.
        BEGIN = 1,
        /// The last chunk of its message.
        END = 2,
        /// The sender gives the message up. Excludes `BEGIN` and `END`.
        ABORT = 4,
        /// The message is a request. Excludes `RESPONSE`.
        REQUEST = 8,
        /// The message is a response. Excludes `REQUEST`.
        RESPONSE = 16,
        /// The response reports a failure. Needs `RESPONSE`.
        ERROR = 32,
    }
}

impl CopyFlags {
    /// The flags in `bits`.
    ///
    /// # Errors
    ///
    /// [`PacketError::UnknownFlags`] with the bits that have no meaning.
    #[inline]
    pub const fn from_bits(bits: u64) -> Result<Self, PacketError> {
        let unknown = bits & !Self::KNOWN.bits();
        if unknown != 0 {
            return Err(PacketError::UnknownFlags(unknown));
        }
        Ok(Self(bits))
    }
}

/// What a message is for. Messages of one id but different kinds are different messages.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum MessageKind {
    /// Neither request nor response.
    Plain,
    /// Asks for a response with the same message id.
    Request,
    /// Answers the request with the same message id.
    Response,
}

impl From<MessageKind> for CopyFlags {
    #[inline]
    fn from(kind: MessageKind) -> Self {
        match kind {
            MessageKind::Plain => Self::EMPTY,
            MessageKind::Request => Self::REQUEST,
            MessageKind::Response => Self::RESPONSE,
        }
    }
}

/// The 64 bytes of a [`ConnectionCopy`].
///
/// ```text
///      0       8       16      24      32      40      48      56      64
///     +-------+-------+-------+-------+-------+-------+-------+-------+
///     | 0x04  |conn id| msg id| total |offset | size  | flags |  aux  |
///     +-------+-------+-------+-------+-------+-------+-------+-------+
/// ```
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ConnectionCopyWire {
    /// Word 0: [`Opcode::ConnectionCopy`].
    pub header: U64,
    /// Operand 0: the stream, or 0 for the link itself.
    pub connection_id: U64,
    /// Operand 1: the message.
    pub message_id: U64,
    /// Operand 2: size of the whole message, in bytes.
    pub total_size: U64,
    /// Operand 3: where the chunk begins in the message, in bytes.
    pub chunk_offset: U64,
    /// Operand 4: bytes of the chunk in the slot's buffer.
    pub chunk_size: U64,
    /// Operand 5: [`CopyFlags`].
    pub flags: U64,
    /// Operand 6: method id of a request, status of a response.
    pub aux: U64,
}

packet_layout!(
    ConnectionCopy,
    ConnectionCopyWire {
        header: 0,
        connection_id: 8,
        message_id: 16,
        total_size: 24,
        chunk_offset: 32,
        chunk_size: 40,
        flags: 48,
        aux: 56,
    }
);

/// The total size of a message that was begun before its size was known.
pub const UNKNOWN_SIZE: u64 = u64::MAX;

/// The fields of a [`ConnectionCopy`], not yet checked against its rules.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Chunk {
    /// The stream, or 0 for the link itself.
    pub connection_id: u64,
    /// The message. Ids count up from 1 per sender; a response carries its request's id.
    pub message_id: u64,
    /// Size of the whole message, in bytes; [`UNKNOWN_SIZE`] where it was begun without one.
    pub total_size: u64,
    /// Where the chunk begins in the message, in bytes.
    pub chunk_offset: u64,
    /// Size of the chunk, which lies at the start of the slot's buffer, in bytes.
    pub chunk_size: u64,
    /// What the chunk is to its message.
    pub flags: CopyFlags,
    /// Method id of a request or status of a response, on its first chunk; otherwise 0.
    pub aux: u64,
}

/// One chunk of a message, request or response (PROTOCOL.md, Packets).
///
/// # Invariants
///
/// - `ERROR` comes with `RESPONSE`; `REQUEST` and `RESPONSE` exclude each other; `ABORT`
///   excludes `BEGIN` and `END`.
/// - An abort carries no chunk: `total_size`, `chunk_offset`, `chunk_size` and `aux` are 0.
/// - Every other chunk lies in its message: `chunk_offset + chunk_size <= total_size` without
///   overflow. It is empty only if the message is.
/// - `BEGIN` is set exactly at offset 0, `END` exactly where the chunk reaches `total_size`. The
///   one chunk of an empty message therefore has both.
/// - In a message of [`UNKNOWN_SIZE`], which only peers that agreed on it may send, `END` is set on
///   the last chunk, and only that may be empty.
/// - `aux` is 0 except on the `BEGIN` chunk of a request or response.
///
/// What takes more than one packet to know (that chunks come in order, the largest message) is
/// the advanced protocol's to check; that the chunk fits a buffer is
/// [`check_bounds`](Self::check_bounds).
///
/// ```
/// use hqq_core::packet::{Chunk, ConnectionCopy, CopyFlags, PacketError};
///
/// let last = Chunk {
///     connection_id: 7,
///     message_id: 1,
///     total_size: 36,
///     chunk_offset: 32,
///     chunk_size: 4,
///     flags: CopyFlags::END,
///     aux: 0,
/// };
/// assert_eq!(ConnectionCopy::new(last)?.operands(), [7, 1, 36, 32, 4, 2, 0]);
///
/// let too_long = Chunk { chunk_size: 5, ..last };
/// assert!(matches!(ConnectionCopy::new(too_long), Err(PacketError::ChunkRange { .. })));
/// # Ok::<(), PacketError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ConnectionCopy(Chunk);

impl ConnectionCopy {
    /// The opcode of this packet.
    pub const OPCODE: Opcode = Opcode::ConnectionCopy;

    /// The packet with these fields.
    ///
    /// # Errors
    ///
    /// [`PacketError::FlagConflict`], [`PacketError::ChunkRange`], [`PacketError::ChunkEdges`]
    /// or [`PacketError::Aux`], in this order: the first rule above that is broken.
    #[inline]
    pub fn new(chunk: Chunk) -> Result<Self, PacketError> {
        match chunk_fault(&chunk) {
            Some(fault) => Err(fault),
            None => Ok(Self(chunk)),
        }
    }

    /// The packet that gives up the message of this id and kind.
    #[inline]
    #[must_use]
    pub fn abort(connection_id: u64, message_id: u64, kind: MessageKind) -> Self {
        // Holds the invariants: no begin, end or error, one kind at most, and no chunk.
        Self(Chunk {
            connection_id,
            message_id,
            total_size: 0,
            chunk_offset: 0,
            chunk_size: 0,
            flags: CopyFlags::ABORT | kind.into(),
            aux: 0,
        })
    }

    /// The fields.
    #[inline]
    #[must_use]
    pub const fn chunk(&self) -> &Chunk {
        &self.0
    }

    /// What the message is for.
    #[inline]
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        if self.0.flags.contains(CopyFlags::REQUEST) {
            MessageKind::Request
        } else if self.0.flags.contains(CopyFlags::RESPONSE) {
            MessageKind::Response
        } else {
            MessageKind::Plain
        }
    }

    /// Whether the sender gives the message up.
    #[inline]
    #[must_use]
    pub const fn is_abort(&self) -> bool {
        self.0.flags.contains(CopyFlags::ABORT)
    }

    /// The chunk's size, once it is known to lie in a buffer of `buffer_size` bytes.
    ///
    /// # Errors
    ///
    /// [`PacketError::Size`] unless `chunk_size <= buffer_size`.
    #[inline]
    pub fn check_bounds(&self, buffer_size: usize) -> Result<usize, PacketError> {
        check_size(self.0.chunk_size, 0, buffer_size)
    }
}

impl From<Whole> for ConnectionCopy {
    fn from(whole: Whole) -> Self {
        let failure = if whole.is_failure() {
            CopyFlags::ERROR
        } else {
            CopyFlags::EMPTY
        };
        // Holds the invariants: one kind, begins at 0 and ends where the message does.
        Self(Chunk {
            connection_id: 0,
            message_id: whole.message_id(),
            total_size: whole.len(),
            chunk_offset: 0,
            chunk_size: whole.len(),
            flags: CopyFlags::BEGIN | CopyFlags::END | whole.kind().into() | failure,
            aux: whole.aux(),
        })
    }
}

/// Whether this is all of a request or response, and keeps every rule: enough of the rules to say so,
/// for messages of a known size.
#[inline]
fn is_whole(chunk: &Chunk) -> bool {
    let bits = chunk.flags.bits();
    whole::has_its_flags(bits)
        && chunk.chunk_offset == 0
        && chunk.total_size == chunk.chunk_size
        && chunk.total_size != UNKNOWN_SIZE
}

/// The rule that `chunk` breaks.
#[inline]
fn chunk_fault(chunk: &Chunk) -> Option<PacketError> {
    // Most messages have one chunk, which takes few looks. Where programs have to be small, all take the
    // same ones.
    if WIDE && is_whole(chunk) {
        return None;
    }
    other_chunk_fault(chunk)
}

#[inline(never)]
fn other_chunk_fault(chunk: &Chunk) -> Option<PacketError> {
    let Chunk {
        total_size,
        chunk_offset,
        chunk_size,
        flags,
        aux,
        ..
    } = *chunk;
    let has = |other| flags.contains(other);
    let aborts = has(CopyFlags::ABORT);
    let conflict = (has(CopyFlags::ERROR) && !has(CopyFlags::RESPONSE))
        || has(CopyFlags::REQUEST | CopyFlags::RESPONSE)
        || (aborts && (has(CopyFlags::BEGIN) || has(CopyFlags::END)));
    if conflict {
        return Some(PacketError::FlagConflict(flags));
    }
    let is_unknown = total_size == UNKNOWN_SIZE;
    let inside = match chunk_offset.checked_add(chunk_size) {
        _ if aborts => total_size | chunk_offset | chunk_size == 0,
        // The end of such a message never reaches its size.
        Some(end) if is_unknown => end < UNKNOWN_SIZE && (chunk_size != 0 || has(CopyFlags::END)),
        Some(end) => end <= total_size && (chunk_size != 0 || total_size == 0),
        None => false,
    };
    if !inside {
        return Some(PacketError::ChunkRange {
            total_size,
            chunk_offset,
            chunk_size,
        });
    }
    // No overflow: the chunk is inside, so the difference is what follows it.
    let begins = chunk_offset == 0;
    let ends = if is_unknown {
        has(CopyFlags::END)
    } else {
        total_size - chunk_offset == chunk_size
    };
    if !aborts && (begins != has(CopyFlags::BEGIN) || ends != has(CopyFlags::END)) {
        return Some(PacketError::ChunkEdges {
            flags,
            total_size,
            chunk_offset,
            chunk_size,
        });
    }
    let takes_aux = has(CopyFlags::BEGIN) && (has(CopyFlags::REQUEST) || has(CopyFlags::RESPONSE));
    if aux != 0 && !takes_aux {
        return Some(PacketError::Aux { aux, flags });
    }
    None
}

impl Chunk {
    #[inline]
    pub(super) const fn operands(&self) -> [u64; OPERANDS] {
        [
            self.connection_id,
            self.message_id,
            self.total_size,
            self.chunk_offset,
            self.chunk_size,
            self.flags.bits(),
            self.aux,
        ]
    }
}

impl ConnectionCopy {
    #[inline]
    const fn write(&self) -> [u64; OPERANDS] {
        self.0.operands()
    }

    #[inline]
    pub(super) fn fault(operands: &[u64; OPERANDS]) -> Option<PacketError> {
        let [.., flags, _] = *operands;
        match CopyFlags::from_bits(flags) {
            Ok(_) => chunk_fault(&Self::sound(operands).0),
            Err(fault) => Some(fault),
        }
    }

    #[inline]
    pub(crate) fn sound(operands: &[u64; OPERANDS]) -> Self {
        let [
            connection_id,
            message_id,
            total_size,
            chunk_offset,
            chunk_size,
            flags,
            aux,
        ] = *operands;
        Self(Chunk {
            connection_id,
            message_id,
            total_size,
            chunk_offset,
            chunk_size,
            flags: CopyFlags(flags),
            aux,
        })
    }
}
