//! A message that arrives: what has come of it and was not read yet.

use std::collections::VecDeque;

use hqq_core::advanced::MessageKey;

use super::error::BodyFailure;
use super::spare::{Loan, Piece};
use crate::sys;

/// A part of what is read as it comes has as many bytes at least, but for the last one.
const PART: usize = 4096;

/// Memory of a part that was read is kept for the next one of the link, up to so many bytes: as long as a chunk, mostly.
const KEPT: usize = 1 << 20;
/// What comes takes no memory that is more than so many times as long: short chunks must not hold much of it.
const WASTE: usize = 4;

/// From so many bytes on the rest of a message is given room in one piece, and asked for in huge pages.
const HUGE: usize = 2 << 20;

/// The bytes of a message, by what bounds them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    /// They stop the message's stream.
    pub(super) stream: usize,
    /// Those of a message that is not put together, and that nobody reads as it comes.
    pub(super) loose: usize,
    /// They are part of a message that is put together.
    pub(super) assembly: usize,
    /// One, where such a message is no request.
    pub(super) unfinished: usize,
    /// They are a request that waits to be received.
    pub(super) request: usize,
}

/// Bytes that came one after the other.
///
/// # Invariants
/// `len` ≤ `bytes.len()`: the rest is of what came earlier, and is never given out.
#[derive(Debug, Default)]
struct Part {
    bytes: Vec<u8>,
    len: usize,
}

impl Part {
    /// Room for `len` bytes more, of `expected` in all.
    fn room(&mut self, len: usize, expected: usize) -> &mut [u8] {
        let start = self.len;
        self.len += len;
        if self.bytes.len() < self.len {
            if (HUGE..expected).contains(&self.len) && self.bytes.capacity() < self.len {
                // No more than a few times what has come, whatever was announced.
                self.reserve(expected.min(self.len.saturating_mul(8)));
            }
            self.bytes.resize(self.len, 0);
        }
        self.bytes.get_mut(start..self.len).unwrap_or_default()
    }

    /// Addresses for `expected` bytes. The system gives memory for them when they are written, page by page:
    /// with huge pages it does so some hundred times more rarely.
    fn reserve(&mut self, expected: usize) {
        let more = expected.saturating_sub(self.bytes.len());
        // Where there are no addresses it grows as it does otherwise.
        if self.bytes.try_reserve_exact(more).is_ok() {
            sys::advise_huge_pages_within(&mut self.bytes);
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.truncate(self.len);
        self.bytes
    }
}

/// A message of which something has come.
///
/// # Invariants
/// `buffered` is how many bytes `parts` have, from `read` on in the first.
#[derive(Debug)]
pub(super) struct Arriving {
    pub(super) key: MessageKey,
    pub(super) aux: u64,
    pub(super) error: bool,
    /// Bytes in the message, where its sender knew.
    pub(super) total: Option<u64>,
    parts: VecDeque<Part>,
    read: usize,
    buffered: usize,
    pub(super) complete: bool,
    pub(super) failed: Option<BodyFailure>,
    /// A reader takes it as it comes.
    pub(super) taken: bool,
    /// More than its first part came.
    pub(super) progressed: bool,
    /// What it was counted as.
    pub(super) accounted: Share,
    /// Bytes in it, if it will be put together; else none.
    expected: usize,
    /// Of the memory of an earlier message that it is put together in.
    loan: Option<Loan>,
}

impl Arriving {
    pub(super) fn new(key: MessageKey, aux: u64, error: bool, total: Option<u64>) -> Self {
        Self {
            key,
            aux,
            error,
            total,
            parts: VecDeque::new(),
            read: 0,
            buffered: 0,
            complete: false,
            failed: None,
            taken: false,
            progressed: false,
            accounted: Share::default(),
            expected: 0,
            loan: None,
        }
    }

    /// It has so many bytes and will be put together, unless it is taken before.
    pub(super) const fn expect(&mut self, len: usize) {
        self.expected = len;
    }

    /// It is put together in memory of an earlier one.
    pub(super) fn reuse(&mut self, piece: Option<Piece>) {
        if let Some(Piece { memory, loan }) = piece {
            self.parts.push_back(Part {
                bytes: memory,
                len: 0,
            });
            self.loan = Some(loan);
        }
    }

    pub(super) const fn buffered(&self) -> usize {
        self.buffered
    }

    /// Whether nothing more will come.
    pub(super) const fn is_over(&self) -> bool {
        self.complete || self.failed.is_some()
    }

    /// Room for `len` bytes more, to be filled by the caller. Where nobody reads it as it comes it
    /// stays in one piece, else in some that are not short: short chunks must not cost more memory than
    /// they count for. Memory grows with what came, not with what was announced. `kept` is of what was read.
    pub(super) fn room(&mut self, len: usize, kept: &mut Vec<u8>) -> &mut [u8] {
        self.buffered += len;
        let is_full = |part: &Part| self.taken && part.len >= PART;
        if self.parts.back().is_none_or(is_full) {
            let fits = self.taken && kept.capacity() <= len.saturating_mul(WASTE);
            let bytes = if fits {
                std::mem::take(kept)
            } else {
                Vec::new()
            };
            self.parts.push_back(Part { bytes, len: 0 });
        }
        let expected = if self.taken { 0 } else { self.expected };
        let part = self.parts.back_mut();
        part.map(|part| part.room(len, expected))
            .unwrap_or_default()
    }

    /// Takes what was not read yet.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.buffered = 0;
        self.loan = None;
        let mut whole = self.parts.pop_front().unwrap_or_default().into_bytes();
        whole.drain(..self.read.min(whole.len()));
        self.read = 0;
        for part in self.parts.drain(..) {
            whole.extend_from_slice(part.bytes());
        }
        whole
    }

    /// Copies what was not read yet into `to`, as much as fits; says how much. Memory that is free then becomes `kept`, for
    /// what is to come: it is in the cache, and need not be given zeros first.
    pub(super) fn read(&mut self, to: &mut [u8], kept: &mut Vec<u8>) -> usize {
        let mut filled = 0;
        while let Some(part) = self.parts.front() {
            let from = part.bytes().get(self.read..).unwrap_or_default();
            let rest = to.get_mut(filled..).unwrap_or_default();
            let len = from.len().min(rest.len());
            if let (Some(to), Some(from)) = (rest.get_mut(..len), from.get(..len)) {
                to.copy_from_slice(from);
            }
            filled += len;
            self.read += len;
            if self.read < part.len {
                break;
            }
            let part = self.parts.pop_front();
            self.read = 0;
            if let Some(Part { bytes, .. }) = part
                && (PART..=KEPT).contains(&bytes.capacity())
            {
                *kept = bytes;
            }
        }
        self.buffered -= filled;
        filled
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use hqq_core::packet::MessageKind;

    use super::*;

    fn random(seed: &mut u64) -> usize {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (*seed >> 40) as usize
    }

    /// What comes of several messages is read as it came, whatever memory it comes in, and no byte is of another.
    #[test]
    fn memory_of_what_was_read_gives_nothing_of_that_out() {
        let key = |id| MessageKey {
            connection: 0,
            id,
            kind: MessageKind::Plain,
        };
        let mut messages = [1, 2, 3].map(|id| {
            let mut arriving = Arriving::new(key(id), 0, false, None);
            arriving.taken = id != 3;
            (arriving, VecDeque::new())
        });
        let (mut kept, mut seed, mut reused, mut next) = (vec![0xee; 10_000], 1, 0, 0_u8);
        for _ in 0..4000 {
            let (arriving, sent) = &mut messages[random(&mut seed) % 3];
            if random(&mut seed).is_multiple_of(2) {
                let len = [1, 100, 4096, 6000][random(&mut seed) % 4];
                let before = kept.capacity();
                let room = arriving.room(len, &mut kept);
                assert_eq!(room.len(), len);
                for byte in room {
                    next = next.wrapping_add(1) % 0xee;
                    *byte = next;
                    sent.push_back(next);
                }
                if kept.capacity() < before {
                    assert!(before <= WASTE * len, "{before} bytes for {len}");
                    reused += 1;
                }
            } else if random(&mut seed).is_multiple_of(16) {
                assert_eq!(arriving.take(), sent.drain(..).collect::<Vec<_>>());
            } else {
                let mut to = vec![0; random(&mut seed) % 9000];
                let len = arriving.read(&mut to, &mut kept);
                assert_eq!(len, to.len().min(sent.len()));
                assert_eq!(to[..len], sent.drain(..len).collect::<Vec<_>>());
            }
            assert_eq!(arriving.buffered(), sent.len());
        }
        assert!(reused > 100, "{reused}");
    }

    #[test]
    fn no_more_memory_than_a_mebibyte_is_kept() {
        let key = MessageKey {
            connection: 0,
            id: 1,
            kind: MessageKind::Plain,
        };
        let mut kept = Vec::new();
        for len in [1 << 10, 1 << 20, (1 << 20) + 1, 1 << 10] {
            let mut arriving = Arriving::new(key, 0, false, None);
            let _ = arriving.room(len, &mut Vec::new());
            assert_eq!(arriving.read(&mut vec![0; len], &mut kept), len);
        }
        assert_eq!(kept.capacity(), 1 << 20);
    }
}
