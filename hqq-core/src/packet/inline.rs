//! The inline datagram of format 2: up to 40 bytes inside the packet itself.

use core::fmt;

use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::standard::{check_size, size_fault};
use super::wire::{WIDE, first_non_zero, packet_layout};
use super::{INLINE_MAX, OPERANDS, Opcode, PacketError};

/// Words that the payload of an inline datagram takes.
const PAYLOAD_WORDS: usize = INLINE_MAX / size_of::<u64>();

/// The operand that the payload begins with.
pub(crate) const PAYLOAD: usize = 2;

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
        Ok(Self {
            copy_id,
            // The mask changes nothing: a checked size is at most 40.
            size: (check_size(payload.len() as u64, 0, INLINE_MAX)? & 0xFF) as u8,
            payload: payload_words(payload).map(U64::new),
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
        store_words(&self.payload.map(U64::get), &mut buffer[..size]);
        size
    }
}

/// The operands of a datagram with this id and these bytes, at most [`INLINE_MAX`]; of more there
/// are none.
#[inline]
pub(crate) fn operands(copy_id: u64, payload: &[u8]) -> [u64; OPERANDS] {
    if !WIDE {
        // In place and byte by byte, which is shorter where programs and stacks have to be.
        let mut operands = [copy_id, payload.len() as u64, 0, 0, 0, 0, 0];
        let [_, _, words @ ..] = &mut operands;
        for (to, from) in words.as_mut_bytes().iter_mut().zip(payload) {
            *to = *from;
        }
        for word in words {
            *word = u64::from_le(*word);
        }
        return operands;
    }
    let [a, b, c, d, e] = payload_words(payload);
    [copy_id, payload.len() as u64, a, b, c, d, e]
}

/// The operands of a datagram with this id and these 8 bytes.
#[inline]
pub(crate) const fn operands_of_word(copy_id: u64, word: u64) -> [u64; OPERANDS] {
    [copy_id, size_of::<u64>() as u64, word, 0, 0, 0, 0]
}

/// As [`copy_out`], of a datagram of 8 bytes, as operand 1 says, which fit into every buffer.
#[inline(always)]
pub(crate) fn copy_word_out(operands: &[u64; OPERANDS], buffer: &mut [u8]) -> Option<usize> {
    let [_, _, word, b, c, d, e] = *operands;
    if b | c | d | e != 0 {
        return None;
    }
    let Some(to) = buffer.first_chunk_mut() else {
        // So that the two comparisons stay two branches: joined they would be twice as many steps.
        core::hint::black_box(());
        return None;
    };
    *to = word.to_le_bytes();
    Some(size_of::<u64>())
}

/// Copies the datagram with these operands to the start of `buffer` and says how many bytes it has,
/// in a region whose buffers have `buffer_size` bytes; `None` where that is more than fit, or the
/// operands break a rule of [`StandardInline`].
///
/// The same rules in fewer steps, for the way that most packets take. Operand 0 does not matter.
// Always: as a function it would get the operands through memory.
#[inline(always)]
pub(crate) fn copy_out(
    operands: &[u64; OPERANDS],
    buffer_size: usize,
    buffer: &mut [u8],
) -> Option<usize> {
    let [_, size, words @ ..] = operands;
    let len = usize::try_from(*size).ok()?;
    if len > INLINE_MAX.min(buffer_size) {
        return None;
    }
    let to = buffer.get_mut(..len)?;
    if let (chunks, []) = to.as_chunks_mut() {
        return copy_words_out(words, chunks).then_some(len);
    }
    if past(*size, words) != 0 {
        return None;
    }
    store_words(words, to);
    Some(len)
}

/// As [`copy_out`], of as many whole words as `to` has; `false` where those after them are not zero.
#[inline]
fn copy_words_out(words: &[u64; PAYLOAD_WORDS], to: &mut [[u8; 8]]) -> bool {
    let [a, b, c, d, e] = *words;
    // Each word by its name, so that none has to go through memory to be found.
    let past = match to {
        [] => a | b | c | d | e,
        [_] => b | c | d | e,
        [_, _] => c | d | e,
        [_, _, _] => d | e,
        [_, _, _, _] => e,
        _ => 0,
    };
    if past != 0 {
        return false;
    }
    let mut next = a;
    for (index, word) in [(0, b), (1, c), (2, d), (3, e), (4, 0)] {
        let Some(chunk) = to.get_mut(index) else {
            break;
        };
        *chunk = next.to_le_bytes();
        next = word;
    }
    true
}

/// At most [`INLINE_MAX`] bytes as words, with zeros after them.
// By comparisons that are mostly foreseen, not by a table of places to go on at.
#[inline]
fn payload_words(bytes: &[u8]) -> [u64; PAYLOAD_WORDS] {
    let Some(last) = bytes.last_chunk() else {
        return [partial_word(bytes), 0, 0, 0, 0];
    };
    // Of the last 8 bytes those that are no part of the words before; all, where there are 8.
    let past = bytes.len().wrapping_neg() % size_of::<u64>();
    let last = u64::from_le_bytes(*last) >> (8 * past);
    // Present wherever it is asked for.
    let word = |index: usize| {
        let from = bytes.get(8 * index..).and_then(<[u8]>::first_chunk);
        from.map_or(0, |word| u64::from_le_bytes(*word))
    };
    let len = bytes.len();
    if len <= 8 {
        [last, 0, 0, 0, 0]
    } else if len <= 16 {
        [word(0), last, 0, 0, 0]
    } else if len <= 24 {
        [word(0), word(1), last, 0, 0]
    } else if len <= 32 {
        [word(0), word(1), word(2), last, 0]
    } else if len <= INLINE_MAX {
        [word(0), word(1), word(2), word(3), last]
    } else {
        [0, 1, 2, 3, 4].map(word)
    }
}

/// Fills `bytes`, at most [`INLINE_MAX`], from the words.
#[inline]
fn store_words(words: &[u64; PAYLOAD_WORDS], bytes: &mut [u8]) {
    let (chunks, tail) = bytes.as_chunks_mut();
    // Each word by its name, so that none has to go through memory to be found.
    let [a, b, c, d, e] = *words;
    let mut next = a;
    for (index, word) in [(0, b), (1, c), (2, d), (3, e), (4, 0)] {
        let Some(chunk) = chunks.get_mut(index) else {
            break;
        };
        *chunk = next.to_le_bytes();
        next = word;
    }
    if !tail.is_empty() {
        store_partial_word(next, tail);
    }
}

/// The bits of payload past `size` bytes, a legal size; not where they were.
#[inline]
const fn past(size: u64, words: &[u64; PAYLOAD_WORDS]) -> u64 {
    let [a, b, c, d, e] = *words;
    if size == 0 {
        return a | b | c | d | e;
    }
    // In two steps, as all bits may be payload.
    let last = (8 * size - 1) % u64::BITS as u64;
    if size <= 8 {
        a >> last >> 1 | b | c | d | e
    } else if size <= 16 {
        b >> last >> 1 | c | d | e
    } else if size <= 24 {
        c >> last >> 1 | d | e
    } else if size <= 32 {
        d >> last >> 1 | e
    } else {
        e >> last >> 1
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

impl StandardInline {
    #[inline]
    fn write(&self) -> [u64; OPERANDS] {
        let [a, b, c, d, e] = self.payload.map(U64::get);
        [self.copy_id, u64::from(self.size), a, b, c, d, e]
    }

    #[inline]
    pub(super) fn fault(operands: &[u64; OPERANDS]) -> Option<PacketError> {
        let [_, size, payload @ ..] = operands;
        if let Some(fault) = size_fault(*size, 0, INLINE_MAX as u64) {
            return Some(fault);
        }
        // Where programs have to be small, only the second of these.
        if WIDE && past(*size, payload) == 0 {
            return None;
        }
        past_fault(operands)
    }

    #[inline]
    pub(super) fn sound(operands: &[u64; OPERANDS]) -> Self {
        let [copy_id, size, payload @ ..] = operands;
        Self {
            copy_id: *copy_id,
            // Changes nothing: a checked size is at most 40.
            size: (size & 0xFF) as u8,
            payload: payload.map(U64::new),
        }
    }
}

/// Which word has bits past the payload, whose size is legal.
#[cold]
#[inline(never)]
fn past_fault(operands: &[u64; OPERANDS]) -> Option<PacketError> {
    let mut past = *operands;
    let [_, size, payload @ ..] = &mut past;
    // As bytes, which takes no shifts of 64 bits.
    for word in payload.iter_mut() {
        *word = word.to_le();
    }
    let size = usize::try_from(*size).unwrap_or(INLINE_MAX);
    for byte in payload.as_mut_bytes().iter_mut().take(size) {
        *byte = 0;
    }
    for word in payload.iter_mut() {
        *word = u64::from_le(*word);
    }
    first_non_zero(PAYLOAD, &past)
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
