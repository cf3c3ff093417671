//! Memory of earlier messages that was given back, for messages to come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Pieces of memory that are kept at most.
const MOST: usize = 8;
/// Shorter pieces are not worth it: the allocator has them at hand.
const LEAST: usize = 128 << 10;
/// A message takes no piece that is more than so many times as long as it.
const WASTE: usize = 4;

/// Pieces of memory.
///
/// # Invariants
/// `bytes` is the sum of their capacities.
#[derive(Debug, Default)]
pub(super) struct Spare {
    pieces: Vec<Vec<u8>>,
    bytes: usize,
    /// Bytes of pieces that messages are put together in.
    // Relaxed throughout: changed under one lock, or on the way to nothing.
    lent: Arc<AtomicUsize>,
}

/// A piece that a message is put together in.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) memory: Vec<u8>,
    pub(super) loan: Loan,
}

/// That so many bytes are lent, until it is dropped.
#[derive(Debug)]
pub(super) struct Loan {
    lent: Arc<AtomicUsize>,
    len: usize,
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.lent.fetch_sub(self.len, Ordering::Relaxed);
    }
}

impl Spare {
    /// Keeps `memory`, unless it is short or would make more than `most` bytes with what is kept and what is
    /// lent; then it is the caller's again, to be dropped where nobody waits for that.
    pub(super) fn keep(&mut self, memory: Vec<u8>, most: usize) -> Option<Vec<u8>> {
        let len = memory.capacity();
        if len < LEAST || self.pieces.len() >= MOST || len > self.room(most) {
            return Some(memory);
        }
        self.bytes += len;
        self.pieces.push(memory);
        None
    }

    fn room(&self, most: usize) -> usize {
        let lent = self.lent.load(Ordering::Relaxed);
        most.saturating_sub(self.bytes).saturating_sub(lent)
    }

    /// The shortest piece for `len` bytes, with what is in it.
    pub(super) fn take(&mut self, len: usize) -> Option<Piece> {
        if len < LEAST {
            return None;
        }
        let fits = |piece: &&Vec<u8>| (len..=len.saturating_mul(WASTE)).contains(&piece.capacity());
        let shortest = self.pieces.iter().filter(fits).map(Vec::capacity).min();
        let at = |capacity| {
            self.pieces
                .iter()
                .position(|piece| piece.capacity() == capacity)
        };
        let memory = self.pieces.swap_remove(shortest.and_then(at)?);
        let len = memory.capacity();
        self.bytes -= len;
        self.lent.fetch_add(len, Ordering::Relaxed);
        let lent = Arc::clone(&self.lent);
        Some(Piece {
            memory,
            loan: Loan { lent, len },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    /// The capacity of what is taken for so many bytes.
    fn taken(spare: &mut Spare, len: usize) -> usize {
        spare.take(len).map_or(0, |piece| piece.memory.capacity())
    }

    #[test]
    fn what_is_lent_counts_until_its_message_is_gone() {
        let mut spare = Spare::default();
        assert!(spare.keep(vec![1; 3 * MIB], 4 * MIB).is_none());
        let lent = spare.take(3 * MIB);
        assert!(spare.keep(vec![1; 3 * MIB], 4 * MIB).is_some());
        drop(lent);
        assert!(spare.keep(vec![1; 3 * MIB], 4 * MIB).is_none());
    }

    #[test]
    fn the_shortest_piece_that_fits_is_taken() {
        let mut spare = Spare::default();
        for mib in [8, 2, 4] {
            assert!(spare.keep(vec![1; mib * MIB], 64 * MIB).is_none());
        }
        assert_eq!(taken(&mut spare, 3 * MIB), 4 * MIB);
        assert_eq!(taken(&mut spare, 3 * MIB), 8 * MIB);
        assert_eq!(taken(&mut spare, 3 * MIB), 0);
        assert_eq!(taken(&mut spare, 2 * MIB), 2 * MIB);
        assert_eq!(spare.bytes, 0);
    }

    #[test]
    fn a_short_message_takes_no_long_piece() {
        let mut spare = Spare::default();
        assert!(spare.keep(vec![1; 64 * MIB], 64 * MIB).is_none());
        assert_eq!(taken(&mut spare, MIB), 0);
        assert_eq!(taken(&mut spare, 100), 0);
        assert_eq!(taken(&mut spare, 16 * MIB), 64 * MIB);
    }

    #[test]
    fn no_more_is_kept_than_may_be() {
        let mut spare = Spare::default();
        assert!(spare.keep(vec![1; 3 * MIB], 4 * MIB).is_none());
        assert!(spare.keep(vec![1; 2 * MIB], 4 * MIB).is_some());
        assert!(spare.keep(vec![1; LEAST - 1], 4 * MIB).is_some());
        for _ in 1..MOST {
            assert!(spare.keep(vec![1; LEAST], 64 * MIB).is_none());
        }
        assert!(spare.keep(vec![1; LEAST], 64 * MIB).is_some());
    }
}
