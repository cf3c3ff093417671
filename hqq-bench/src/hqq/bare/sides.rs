//! How one end of a ring by hand claims and publishes: alone on its side, or beside others.

use std::cmp::Ordering::{Equal, Greater, Less};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{AHEAD, FREE, INLINE, PUBLISHED, READING, Ring, WRITING, stamp};

/// After so many messages without a look in vain a receiver that shares its side asks, too, as links do: earlier it
/// would take lines that the sender is about to write.
const STREAK: u64 = 8;
/// Claims in a row of which one that shares its side moves the counter on with the last one only, as links do.
const ROW: u64 = 8;
/// Spin hints for which an end that shares its side leaves a full ring, or an empty one, alone after a streak, as senders of
/// links do: looking, it would take the lines that the other one is about to give back, or to publish.
const REST: usize = 64;

/// How one end of a ring claims and publishes, or claims and gives back.
pub(super) trait Side<const W: usize, const L: usize, const N: usize> {
    /// Sends, or gives the message back where there is no room.
    fn try_send(&mut self, ring: &Ring<W, L, N>, message: [u64; W]) -> bool;
    fn try_recv(&mut self, ring: &Ring<W, L, N>) -> Option<[u64; W]>;
}

/// Alone on its side.
pub(super) struct Exclusive {
    pub(super) position: u64,
    /// A sender may write the positions before this one.
    pub(super) room: u64,
}

impl<const W: usize, const L: usize, const N: usize> Side<W, L, N> for Exclusive {
    #[inline]
    fn try_send(&mut self, ring: &Ring<W, L, N>, message: [u64; W]) -> bool {
        let position = self.position;
        if position == self.room {
            // Pairs with the Release in `try_recv`.
            self.room = ring.released.load(Ordering::Acquire) + N as u64;
            if position == self.room {
                return false;
            }
        }
        ring.write(position, message);
        // Pairs with the Acquire in `try_recv`.
        ring.stamp(position)
            .store(stamp(position, PUBLISHED), Ordering::Release);
        ring.ask(position + AHEAD);
        self.position += 1;
        true
    }

    #[inline]
    fn try_recv(&mut self, ring: &Ring<W, L, N>) -> Option<[u64; W]> {
        let position = self.position;
        // Pairs with the Release in `try_send`.
        if ring.stamp(position).load(Ordering::Acquire) != stamp(position, PUBLISHED) {
            ring.expect(position);
            return None;
        }
        let message = ring.read(position);
        self.position += 1;
        if self.position.is_multiple_of(N as u64 / 2) {
            // Pairs with the Acquire in `try_send`.
            ring.released.store(self.position, Ordering::Release);
        }
        Some(message)
    }
}

/// Others may be on the side.
pub(super) struct Shared {
    /// The position after the last one that was claimed here, or where others are.
    pub(super) next: u64,
    /// Messages since there was none, or no room.
    pub(super) streak: u64,
}

impl Shared {
    /// Claims the next position, where its slot has come to `from`.
    #[inline]
    fn claim<const W: usize, const L: usize, const N: usize>(
        &mut self,
        ring: &Ring<W, L, N>,
        counter: &AtomicU64,
        from: u64,
        to: u64,
    ) -> Option<u64> {
        let position = self.next;
        let (slot, from) = (ring.stamp(position), stamp(position, from));
        // Relaxed: the exchange acquires.
        match slot.load(Ordering::Relaxed).cmp(&from) {
            Less => None,
            Equal => {
                // Pairs with the Release of the other side's stamps.
                let claimed = slot.compare_exchange(
                    from,
                    stamp(position, to),
                    Ordering::Acquire,
                    Ordering::Relaxed,
                );
                if claimed.is_ok() {
                    self.next = position + 1;
                }
                claimed.ok().map(|_| position)
            }
            Greater => {
                // Relaxed: a hint.
                self.next = counter.load(Ordering::Relaxed).max(position + 1);
                None
            }
        }
    }

    /// Leaves the other side to it, until a slot further on has come to `state`.
    fn rest<const W: usize, const L: usize, const N: usize>(
        ring: &Ring<W, L, N>,
        next: u64,
        state: u64,
    ) {
        let last = next + (N / 4).clamp(1, REST) as u64 - 1;
        // Relaxed: a hint.
        let is_far_on = || ring.stamp(last).load(Ordering::Relaxed) == stamp(last, state);
        for _ in (0..REST).take_while(|_| !is_far_on()) {
            std::hint::spin_loop();
        }
    }

    /// This position was claimed, and those before it.
    #[inline]
    fn go_on(counter: &AtomicU64, position: u64) {
        let next = position + 1;
        if !next.is_multiple_of(ROW) {
            return;
        }
        // Where it stands if it was moved on from here before.
        let mut seen = next - ROW;
        // Relaxed: a hint. Who fails finds that another has moved it.
        while seen < next {
            match counter.compare_exchange(seen, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }
}

impl<const W: usize, const L: usize, const N: usize> Side<W, L, N> for Shared {
    #[inline]
    fn try_send(&mut self, ring: &Ring<W, L, N>, message: [u64; W]) -> bool {
        // Both together, before the exchange waits for one of them, as links do; a stream has asked for them before.
        if W > INLINE && !ring.streams {
            ring.ask(self.next);
        }
        let Some(position) = self.claim(ring, ring.w, FREE, WRITING) else {
            if std::mem::take(&mut self.streak) >= STREAK {
                Self::rest(ring, self.next, FREE);
            }
            return false;
        };
        self.streak += 1;
        ring.write(position, message);
        // Pairs with the Acquire in `claim` of the other side.
        ring.stamp(position)
            .store(stamp(position, PUBLISHED), Ordering::Release);
        Self::go_on(ring.w, position);
        if ring.streams {
            ring.ask(position + AHEAD);
        }
        true
    }

    #[inline]
    fn try_recv(&mut self, ring: &Ring<W, L, N>) -> Option<[u64; W]> {
        let Some(position) = self.claim(ring, ring.r, PUBLISHED, READING) else {
            if std::mem::take(&mut self.streak) >= STREAK {
                Self::rest(ring, self.next, PUBLISHED);
            }
            return None;
        };
        let message = ring.read(position);
        // Pairs with the Acquire in `claim` of the other side.
        ring.stamp(position)
            .store(stamp(position + N as u64, FREE), Ordering::Release);
        Self::go_on(ring.r, position);
        self.streak += 1;
        if ring.streams && self.streak >= STREAK {
            ring.ask(position + AHEAD);
        }
        Some(message)
    }
}
