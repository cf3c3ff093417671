//! The bytes of a request. Short ones lie in memory that the thread uses for one request after the other.

use std::cell::Cell;
use std::fmt;

/// Longest body that is a short one.
const SHORT: usize = 64;

thread_local! {
    /// Memory for a short body that no request of this thread has: that many bytes, or none.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// See the module.
///
/// # Invariants
/// `len` ≤ `bytes.len()`.
#[derive(Default)]
pub(super) struct Body {
    bytes: Vec<u8>,
    len: usize,
}

impl Body {
    /// A body of `len` bytes, which `fill` copies.
    #[inline]
    pub(super) fn filled(len: usize, fill: impl FnOnce(&mut [u8])) -> Self {
        let mut bytes = if len <= SHORT {
            SPARE.try_with(Cell::take).unwrap_or_default()
        } else {
            Vec::new()
        };
        if bytes.len() < len {
            bytes = fresh(len);
        }
        if let Some(bytes) = bytes.get_mut(..len) {
            fill(bytes);
        }
        Self { bytes, len }
    }

    #[inline]
    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// In memory of its own; none of it stays here.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.truncate(self.len);
        self.len = 0;
        bytes
    }
}

/// Room for a body of `len` bytes, or for any short one.
#[cold]
#[inline(never)]
fn fresh(len: usize) -> Vec<u8> {
    vec![0; len.max(SHORT)]
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        let len = bytes.len();
        Self { bytes, len }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

impl Drop for Body {
    #[inline]
    fn drop(&mut self) {
        if self.bytes.len() == SHORT {
            let bytes = std::mem::take(&mut self.bytes);
            // Where the thread ends, the memory goes back to where it came from.
            let _ = SPARE.try_with(|spare| spare.set(bytes));
        }
    }
}
