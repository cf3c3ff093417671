//! The inline datagram of format 2: up to 40 bytes inside the packet itself.

use core::fmt;

use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::standard::check_size;
use super::wire::{packet_layout, require_zero};
use super::{INLINE_MAX, Opcode, PacketError};

/// Words that the payload of an inline datagram takes.
const PAYLOAD_WORDS: usize = INLINE_MAX / size_of::<u64>();

/// The 64 bytes of a [`StandardInline`].
///
/// ```text
///      0       8       16      24                                      64
///     +-------+-------+-------+---------------------------------------+
///     | 0xFD  |copy id| size  | payload in memory order, then zero    |
///     +-------+-------+-------+---------------------------------------+
/// ```
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct StandardInlineWire {
    /// Word 0: [`Opcode::StandardInline`].
    pub header: U64,
    /// Operand 0: the datagram's id.
    pub copy_id: U64,
    /// Operand 1: bytes in `payload`, 0..=40.
    pub data_size: U64,
    /// Operands 2–6: the datagram, and zeros after it.
    pub payload: [U64; PAYLOAD_WORDS],
}

packet_layout!(
    StandardInline,
    StandardInlineWire {
        header: 0,
        copy_id: 8,
        data_size: 16,
        payload: 24,
    }
);

/// A datagram of at most [`INLINE_MAX`] bytes inside the packet (PROTOCOL.md, Packets).
///
/// Format 2 only: a peer of format 1 does not know its opcode. An empty datagram is legal here.
///
/// # Invariants
///
/// `size <= INLINE_MAX`, and every byte of `payload` from `size` on is zero.
///
/// ```
/// use hqq_core::packet::{Packet, PacketError, StandardInline};
///
/// let pong = StandardInline::new(1, b"pong")?;
/// assert_eq!(pong.payload(), b"pong");
/// assert_eq!(pong.operands(), [1, 4, 0x676e_6f70, 0, 0, 0, 0]);
/// assert!(matches!(
///     StandardInline::new(1, &[0; 41]),
///     Err(PacketError::Size { size: 41, minimum: 0, maximum: 40 }),
/// ));
/// # Ok::<(), PacketError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StandardInline {
    copy_id: u64,
    size: u8,
    payload: [U64; PAYLOAD_WORDS],
}

impl StandardInline {
    /// The opcode of this packet.
    pub const OPCODE: Opcode = Opcode::StandardInline;

    /// A datagram with this id (counts up from 1 per endpoint) and these bytes.
    ///
    /// # Errors
    ///
    /// [`PacketError::Size`] for more than [`INLINE_MAX`] bytes.
    #[inline]
    pub fn new(copy_id: u64, payload: &[u8]) -> Result<Self, PacketError> {
        let size = check_inline_size(payload.len() as u64)?;
        let mut words = [U64::ZERO; PAYLOAD_WORDS];
        let (chunks, tail) = payload.as_chunks();
        // At most 40 bytes: with five full chunks the tail is empty, with fewer a word is left
        // for it. `chunks` comes first in the zip, so that its end takes no word.
        let mut rest = words.iter_mut();
        for (chunk, word) in chunks.iter().zip(rest.by_ref()) {
            *word = U64::from_bytes(*chunk);
        }
        if let Some(word) = rest.next() {
            *word = U64::new(partial_word(tail));
        }
        Ok(Self {
            copy_id,
            size,
            payload: words,
        })
    }

    /// Id of the datagram.
    #[inline]
    #[must_use]
    pub const fn copy_id(&self) -> u64 {
        self.copy_id
    }

    /// The datagram.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        // The minimum changes nothing (see Invariants); with it the compiler sees the bound.
        &self.payload.as_bytes()[..usize::from(self.size).min(INLINE_MAX)]
    }

    /// Copies the datagram, or as much of it as fits, to the start of `buffer`, and returns how
    /// many bytes that is.
    ///
    /// The same as copying from [`payload`](Self::payload), without a call to `memcpy`.
    #[inline]
    pub fn copy_to(&self, buffer: &mut [u8]) -> usize {
        let size = buffer.len().min(self.payload().len());
        let (chunks, tail) = buffer[..size].as_chunks_mut();
        let mut rest = self.payload.iter();
        for (chunk, word) in chunks.iter_mut().zip(rest.by_ref()) {
            *chunk = word.to_bytes();
        }
        if let Some(word) = rest.next() {
            store_partial_word(word.get(), tail);
        }
        size
    }
}

impl fmt::Debug for StandardInline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StandardInline")
            .field("copy_id", &self.copy_id)
            .field("payload", &self.payload())
            .finish()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for StandardInline {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "StandardInline {{ copy_id: {=u64}, payload: {=[u8]} }}",
            self.copy_id,
            self.payload()
        );
    }
}

impl From<StandardInline> for StandardInlineWire {
    #[inline]
    fn from(packet: StandardInline) -> Self {
        Self {
            header: U64::new(StandardInline::OPCODE.as_word()),
            copy_id: U64::new(packet.copy_id),
            data_size: U64::new(u64::from(packet.size)),
            payload: packet.payload,
        }
    }
}

impl TryFrom<StandardInlineWire> for StandardInline {
    type Error = PacketError;

    #[inline]
    fn try_from(wire: StandardInlineWire) -> Result<Self, PacketError> {
        Self::OPCODE.require(wire.header.get())?;
        let size = check_inline_size(wire.data_size.get())?;
        if has_bits_past(size, &wire.payload) {
            check_past(size, wire.payload)?;
        }
        Ok(Self {
            copy_id: wire.copy_id.get(),
            size,
            payload: wire.payload,
        })
    }
}

/// `size` as a byte, once it is known to be within `0..=INLINE_MAX`.
#[inline]
fn check_inline_size(size: u64) -> Result<u8, PacketError> {
    // The mask changes nothing: a checked size is at most 40.
    check_size(size, 0, INLINE_MAX).map(|size| (size & 0xFF) as u8)
}

/// Whether any bit past `size` bytes of payload is set.
#[inline]
fn has_bits_past(size: u8, payload: &[U64; PAYLOAD_WORDS]) -> bool {
    let (full, bits) = (usize::from(size / 8), u32::from(size % 8) * 8);
    let mut rest = payload.iter().skip(full).map(|word| word.get());
    let partial = rest.next().map_or(0, |word| word >> bits);
    rest.fold(partial, |past, word| past | word) != 0
}

/// Which word has bits past `size` bytes of payload.
#[cold]
#[inline(never)]
fn check_past(size: u8, mut payload: [U64; PAYLOAD_WORDS]) -> Result<(), PacketError> {
    for (index, word) in payload.iter_mut().enumerate() {
        *word &= U64::new(mask_past(size, index));
    }
    require_zero(3, &payload)
}

/// The bits of payload word `index` that lie past `size` bytes of payload.
fn mask_past(size: u8, index: usize) -> u64 {
    let used_bytes = usize::from(size)
        .saturating_sub(index * size_of::<u64>())
        .min(size_of::<u64>());
    // Twice half of the shift: a full word is a shift by 64, which one shift may not do.
    (u64::MAX << (used_bytes * 4)) << (used_bytes * 4)
}

/// The word whose first bytes in memory are `bytes`, fewer than 8, and whose others are zero.
#[inline]
fn partial_word(bytes: &[u8]) -> u64 {
    // Two reads that may overlap instead of a loop: where they do, both say the same.
    let size = bytes.len();
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let first = u64::from(u32::from_le_bytes(*first));
        let last = u64::from(u32::from_le_bytes(*last));
        return first | last << (8 * (size - size_of::<u32>()));
    }
    // 0 to 3 bytes.
    match *bytes {
        [a, b, c] => u64::from_le_bytes([a, b, c, 0, 0, 0, 0, 0]),
        [a, b] => u64::from_le_bytes([a, b, 0, 0, 0, 0, 0, 0]),
        [a] => u64::from(a),
        _ => 0,
    }
}

/// Stores the first bytes in memory of `word` to all of `bytes`, fewer than 8.
#[inline]
fn store_partial_word(word: u64, bytes: &mut [u8]) {
    // As in `partial_word`: two writes that may overlap.
    let size = bytes.len();
    let [a, b, c, d, ..] = word.to_le_bytes();
    if let Some(first) = bytes.first_chunk_mut() {
        *first = [a, b, c, d];
        if let Some(last) = bytes.last_chunk_mut() {
            *last = ((word >> (8 * (size - size_of::<u32>()))) as u32).to_le_bytes();
        }
        return;
    }
    match bytes {
        [x, y, z] => [*x, *y, *z] = [a, b, c],
        [x, y] => [*x, *y] = [a, b],
        [x] => *x = a,
        _ => {}
    }
}
