//! A message that arrives: what has come of it and was not read yet.

use std::collections::VecDeque;

use hqq_core::advanced::MessageKey;

use super::error::BodyFailure;
use super::spare::{Loan, Piece};
use crate::sys;

/// A part of what is read as it comes has as many bytes at least, but for the last one.
const PART: usize = 4096;

/// Memory of a part that was read is kept for the next one, up to so many bytes: as long as a chunk, mostly.
const KEPT: usize = 1 << 20;

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
/// `len` ≤ `bytes.len()`: the rest is of an earlier message, and is never given out.
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
    /// Of a part that was read: what is to come finds it in the cache, and need not be given zeros first.
    kept: Vec<u8>,
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
            kept: Vec::new(),
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
    /// they count for. Memory grows with what came, not with what was announced.
    pub(super) fn room(&mut self, len: usize) -> &mut [u8] {
        self.buffered += len;
        let is_full = |part: &Part| self.taken && part.len >= PART;
        if self.parts.back().is_none_or(is_full) {
            self.parts.push_back(Part {
                bytes: std::mem::take(&mut self.kept),
                len: 0,
            });
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

    /// Copies what was not read yet into `to`, as much as fits; says how much.
    pub(super) fn read(&mut self, to: &mut [u8]) -> usize {
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
                && (self.kept.capacity()..=KEPT).contains(&bytes.capacity())
            {
                self.kept = bytes;
            }
        }
        self.buffered -= filled;
        filled
    }
}
