//! The ring of format 1 (PROTOCOL.md, "Format 1") as one would write it by hand for one purpose: what
//! the links are compared with.
//!
//! It claims, publishes and releases as the protocol says, writes whole packets, and checks opcode
//! and size of those it reads. It has no counters, no repair, no way to tell a corrupt ring from one
//! that waits, and its copies take it that nobody writes a buffer that another has claimed.
#![allow(unsafe_code, reason = "copies to and from the buffers")]

use std::sync::atomic::{AtomicU64, Ordering};

use hqq_core::{Direction, Layout, Role};

const WORD: usize = size_of::<u64>();
/// A slot's words: a packet of eight, then the sequence.
const SLOT: usize = 9;
const SEQUENCE: usize = 8;
/// Words of a packet: opcode, copy id, slot index, data size.
const SIZE: usize = 3;

const COPY: u64 = 0xff;
const TOMBSTONE: u64 = 0xfe;

/// Why nothing was sent or received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("full or empty")]
    Blocked,
    #[error("a message or a packet of a size that does not fit, or of another kind")]
    Unfit,
}

/// One direction.
///
/// # Invariants
/// As many slots, a power of two, as there are buffers of `size` bytes in `buffers`.
struct Ring {
    w: &'static AtomicU64,
    r: &'static AtomicU64,
    slots: &'static [[AtomicU64; SLOT]],
    buffers: &'static [AtomicU64],
    size: usize,
}

impl Ring {
    /// `None` where `words` do not have that layout.
    fn new(words: &'static [AtomicU64], layout: &Layout, direction: Direction) -> Option<Self> {
        let (count, size) = (layout.count(), layout.size());
        if layout.slot_len() != SLOT * WORD {
            return None;
        }
        let part = |at: usize, len: usize| words.get(at / WORD..)?.get(..len);
        let (slots, _) = part(layout.slots(direction), SLOT * count)?.as_chunks();
        Some(Self {
            w: words.get(layout.producer_counter(direction) / WORD)?,
            r: words.get(layout.consumer_counter(direction) / WORD)?,
            slots,
            buffers: part(layout.buffers(direction), size / WORD * count)?,
            size,
        })
    }

    /// Claims the position that `counter` says once its slot's sequence is `ahead` of it.
    #[inline]
    fn claim(
        &self,
        counter: &AtomicU64,
        ahead: u64,
    ) -> Option<(u64, usize, &'static [AtomicU64; SLOT])> {
        loop {
            // Pairs with the Release of the exchange below.
            let position = counter.load(Ordering::Acquire);
            let index = position as usize & (self.slots.len() - 1);
            let slot = &self.slots[index];
            // Pairs with the Release of the other side's store of the sequence.
            let sequence = slot[SEQUENCE].load(Ordering::Acquire);
            let distance = sequence
                .wrapping_sub(position)
                .wrapping_sub(ahead)
                .cast_signed();
            if distance < 0 {
                return None;
            }
            if distance == 0
                && counter
                    .compare_exchange_weak(
                        position,
                        position.wrapping_add(1),
                        // Pairs with the Acquire above.
                        Ordering::Release,
                        Ordering::Relaxed,
                    )
                    .is_ok()
            {
                return Some((position, index, slot));
            }
        }
    }

    /// The buffer of the slot `index`.
    #[inline]
    fn buffer(&self, index: usize) -> &'static [AtomicU64] {
        let words = self.size / WORD;
        &self.buffers[index * words..][..words]
    }
}

/// Both directions of an end.
pub(crate) struct HandWritten {
    outgoing: Ring,
    incoming: Ring,
    sent: u64,
}

impl HandWritten {
    /// An end of an initialised region; `None` where `words` do not have that layout.
    pub(crate) fn new(words: &'static [AtomicU64], layout: &Layout, role: Role) -> Option<Self> {
        Some(Self {
            outgoing: Ring::new(words, layout, role.sends())?,
            incoming: Ring::new(words, layout, role.receives())?,
            sent: 0,
        })
    }

    #[inline]
    pub(crate) fn try_send(&mut self, message: &[u8]) -> Result<(), Refused> {
        let ring = &self.outgoing;
        if message.is_empty() || message.len() > ring.size {
            return Err(Refused::Unfit);
        }
        let (position, index, slot) = ring.claim(ring.w, 0).ok_or(Refused::Blocked)?;
        let buffer = ring.buffer(index).as_ptr().cast_mut().cast::<u8>();
        // SAFETY: as many bytes were found to fit the buffer, which is made of atomics and so may be
        // written; the claim keeps everybody else who follows the protocol out of it.
        unsafe { buffer.copy_from_nonoverlapping(message.as_ptr(), message.len()) };
        self.sent += 1;
        let packet = [
            COPY,
            self.sent,
            index as u64,
            message.len() as u64,
            0,
            0,
            0,
            0,
        ];
        for (word, value) in slot.iter().zip(packet) {
            // Relaxed: published by the sequence.
            word.store(value.to_le(), Ordering::Relaxed);
        }
        // Pairs with the Acquire in `claim` of consumers.
        slot[SEQUENCE].store(position.wrapping_add(1), Ordering::Release);
        Ok(())
    }

    #[inline]
    pub(crate) fn try_recv(&mut self, to: &mut [u8]) -> Result<usize, Refused> {
        let ring = &self.incoming;
        loop {
            let (position, index, slot) = ring.claim(ring.r, 1).ok_or(Refused::Blocked)?;
            let release = || {
                let next = position.wrapping_add(ring.slots.len() as u64);
                // Pairs with the Acquire in `claim` of producers.
                slot[SEQUENCE].store(next, Ordering::Release);
            };
            // Relaxed: published by the sequence.
            let [opcode, size] =
                [0, SIZE].map(|word| u64::from_le(slot[word].load(Ordering::Relaxed)));
            if opcode == TOMBSTONE {
                release();
                continue;
            }
            let fits = 1..=ring.size.min(to.len()) as u64;
            if opcode != COPY || !fits.contains(&size) {
                release();
                return Err(Refused::Unfit);
            }
            let len = size as usize;
            let buffer = ring.buffer(index).as_ptr().cast::<u8>();
            // SAFETY: as many bytes were found to fit both; the claim keeps everybody else who
            // follows the protocol from writing the buffer.
            unsafe { buffer.copy_to_nonoverlapping(to.as_mut_ptr(), len) };
            release();
            return Ok(len);
        }
    }
}
