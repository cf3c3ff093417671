//! A message that arrives: what has come of it and was not read yet.

use std::collections::VecDeque;

use hqq_core::advanced::MessageKey;

use super::error::BodyFailure;

/// A part of what is read as it comes has as many bytes at least, but for the last one.
const PART: usize = 4096;

/// The bytes of a message, by what bounds them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    /// They stop the message's stream.
    pub(super) stream: usize,
    /// They are part of a message that is put together.
    pub(super) assembly: usize,
    /// They are a request that waits to be received.
    pub(super) request: usize,
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
    parts: VecDeque<Vec<u8>>,
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
        let is_full = |part: &Vec<u8>| self.taken && part.len() >= PART;
        if self.parts.back().is_none_or(is_full) {
            self.parts.push_back(Vec::new());
        }
        let Some(part) = self.parts.back_mut() else {
            return &mut [];
        };
        let start = part.len();
        part.resize(start + len, 0);
        part.get_mut(start..).unwrap_or_default()
    }

    /// Takes what was not read yet.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.buffered = 0;
        let mut whole = self.parts.pop_front().unwrap_or_default();
        whole.drain(..self.read.min(whole.len()));
        self.read = 0;
        for part in self.parts.drain(..) {
            whole.extend_from_slice(&part);
        }
        whole
    }

    /// Copies what was not read yet into `to`, as much as fits; says how much.
    pub(super) fn read(&mut self, to: &mut [u8]) -> usize {
        let mut filled = 0;
        while let Some(part) = self.parts.front() {
            let from = part.get(self.read..).unwrap_or_default();
            let rest = to.get_mut(filled..).unwrap_or_default();
            let len = from.len().min(rest.len());
            if let (Some(to), Some(from)) = (rest.get_mut(..len), from.get(..len)) {
                to.copy_from_slice(from);
            }
            filled += len;
            self.read += len;
            if self.read < part.len() {
                break;
            }
            self.parts.pop_front();
            self.read = 0;
        }
        self.buffered -= filled;
        filled
    }
}
