//! The least that the layout of a ring of format 2 lets a message cost (PROTOCOL.md, "Ring"), by hand: what
//! is left between these rows and those of the links is what the links could still gain.
//!
//! A message takes one slot of a line, whose stamp publishes it; up to 40 bytes are in the slot, longer ones in
//! a buffer of their own. Who receives alone gives half a ring back at a time, who shares its side stamps each
//! slot. Sizes are known at compile time. There is no check of what a peer could do, no opcode, no length, no
//! `r` of an exclusive side, nothing counted and nobody woken; messages are made where they go.
#![allow(unsafe_code, reason = "copies to and from the buffers")]

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};

use hqq_core::Role;

use crate::error::BenchError;
use crate::measure::{Measure, Part};
use crate::memory::{CacheLine, Lines};
use crate::patience::{Hint, Patience};
use crate::work::{Echo, Messages, Sink, Source, Way};

mod sides;

use sides::{Exclusive, Shared, Side};

/// Words of a message that a slot has room for, and the one where it begins.
const INLINE: usize = 5;
const FIRST: usize = 3;
/// Lines before the slots: a line each for `w`, `r` and `released`, none next to another.
const HEAD: usize = 6;
/// How many messages ahead lines are asked for, as links do.
const AHEAD: u64 = 4;

/// What happens to a slot for a position: the lower bits of its stamp, which only counts up.
const FREE: u64 = 0;
const WRITING: u64 = 1;
const PUBLISHED: u64 = 2;
const READING: u64 = 3;

const fn stamp(position: u64, state: u64) -> u64 {
    position << 2 | state
}

/// Messages of `W` words through `N` slots, a power of two, with buffers of `L` lines where a slot has no room.
pub(crate) struct Bare<const W: usize, const L: usize, const N: usize> {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) way: Way,
    /// Claims are exchanges, as other threads might be on the side.
    pub(crate) shared: bool,
    /// Spin hints of a receiver between two looks.
    pub(crate) pace: u32,
}

impl<const W: usize, const L: usize, const N: usize> Bare<W, L, N> {
    const LINES: usize = HEAD + N + N * L;

    fn end<S>(
        &self,
        lines: Lines,
        role: Role,
        side: fn(u64) -> S,
    ) -> Result<End<S, W, L, N>, BenchError> {
        let messages = Messages::new(self.id, W * size_of::<u64>());
        let ring = |at: usize| {
            let lines = lines.get(at * Self::LINES..)?.get(..Self::LINES)?;
            Ring::new(lines, self.way == Way::OneWay)
        };
        let rings = (ring(0), ring(1));
        let (Some(there), Some(back)) = rings else {
            return Err(messages.changed());
        };
        let (outgoing, incoming) = match role {
            Role::Primary => (there, back),
            Role::Secondary => (back, there),
        };
        Ok(End {
            outgoing: (outgoing, side(0)),
            incoming: (incoming, side(0)),
            messages,
            pace: self.pace,
        })
    }

    fn part(&self, lines: Lines, role: Role) -> Result<Box<dyn Part>, BenchError> {
        fn moving<S: Side<W, L, N> + 'static, const W: usize, const L: usize, const N: usize>(
            way: Way,
            end: End<S, W, L, N>,
            role: Role,
        ) -> Box<dyn Part> {
            match role {
                Role::Primary => way.first(end),
                Role::Secondary => way.second(end),
            }
        }
        Ok(if self.shared {
            let side = |next| Shared { next, streak: 0 };
            moving(self.way, self.end(lines, role, side)?, role)
        } else {
            let side = |position| Exclusive {
                position,
                room: N as u64,
            };
            moving(self.way, self.end(lines, role, side)?, role)
        })
    }
}

impl<const W: usize, const L: usize, const N: usize> Measure for Bare<W, L, N> {
    fn id(&self) -> &'static str {
        self.id
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn lines(&self) -> Result<usize, BenchError> {
        Ok(2 * Self::LINES)
    }

    fn first(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        for ring in lines.chunks_exact(Self::LINES) {
            for (position, slot) in (0..N as u64).zip(ring.iter().skip(HEAD)) {
                // Relaxed: the second process is started after this.
                slot.0[0].store(stamp(position, FREE), Ordering::Relaxed);
            }
        }
        self.part(lines, Role::Primary)
    }

    fn second(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        self.part(lines, Role::Secondary)
    }
}

/// One direction.
struct Ring<const W: usize, const L: usize, const N: usize> {
    w: &'static AtomicU64,
    r: &'static AtomicU64,
    released: &'static AtomicU64,
    slots: &'static [CacheLine; N],
    buffers: &'static [[CacheLine; L]; N],
    /// Many messages one after the other: lines ahead are of use.
    streams: bool,
}

impl<const W: usize, const L: usize, const N: usize> Ring<W, L, N> {
    const FITS: () = assert!(W <= 8 * L && N.is_power_of_two());

    fn new(lines: Lines, streams: bool) -> Option<Self> {
        let () = Self::FITS;
        let (head, rest) = lines.split_at_checked(HEAD)?;
        let (slots, buffers) = rest.split_at_checked(N)?;
        let (buffers, _) = buffers.as_chunks();
        Some(Self {
            w: &head[0].0[0],
            r: &head[2].0[0],
            released: &head[4].0[0],
            slots: slots.try_into().ok()?,
            buffers: buffers.try_into().ok()?,
            streams,
        })
    }

    #[inline]
    const fn index(position: u64) -> usize {
        position as usize & (N - 1)
    }

    #[inline]
    fn stamp(&self, position: u64) -> &'static AtomicU64 {
        &self.slots[Self::index(position)].0[0]
    }

    /// Writes the message of `position`, which the caller has claimed.
    #[inline]
    fn write(&self, position: u64, message: [u64; W]) {
        let index = Self::index(position);
        if W <= INLINE {
            for (word, value) in self.slots[index].0[FIRST..].iter().zip(message) {
                // Relaxed: published by the stamp.
                word.store(value, Ordering::Relaxed);
            }
        } else {
            let buffer = self.buffers[index].as_ptr().cast_mut().cast();
            // SAFETY: `FITS` says that the buffer has room for it; it is made of atomics and so may be written,
            // and is aligned to a line. The claim keeps the other process out of it.
            unsafe { std::ptr::write(buffer, message) };
        }
    }

    /// Reads it.
    #[inline]
    fn read(&self, position: u64) -> [u64; W] {
        let index = Self::index(position);
        if W <= INLINE {
            let slot = &self.slots[index].0;
            // Relaxed: published by the stamp.
            array::from_fn(|word| slot[FIRST + word].load(Ordering::Relaxed))
        } else {
            let buffer = self.buffers[index].as_ptr().cast();
            // SAFETY: as in `write`.
            unsafe { std::ptr::read(buffer) }
        }
    }

    /// Asks for the buffer of a message that is not there yet, to read it; not for one line of many.
    #[inline]
    fn expect(&self, position: u64) {
        if W > INLINE && L == 1 {
            expect(self.buffers[Self::index(position)].as_ptr().cast());
        }
    }

    /// Asks for the lines of a message, to write them.
    #[inline]
    fn ask(&self, position: u64) {
        let index = Self::index(position);
        ask(self.slots[index].0.as_ptr().cast());
        if W > INLINE {
            ask(self.buffers[index].as_ptr().cast());
        }
    }
}

#[inline]
fn expect(line: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: asks for a line that exists and changes nothing.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

#[inline]
fn ask(line: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: asks for a line that exists and changes nothing.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) line, options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

/// Both directions of a process.
struct End<S, const W: usize, const L: usize, const N: usize> {
    outgoing: (Ring<W, L, N>, S),
    incoming: (Ring<W, L, N>, S),
    messages: Messages,
    pace: u32,
}

impl<S: Side<W, L, N>, const W: usize, const L: usize, const N: usize> End<S, W, L, N> {
    #[inline]
    fn put(&mut self, message: [u64; W], patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let (ring, side) = &mut self.outgoing;
        patience.until(Hint::SpinLoop, || {
            side.try_send(ring, message).then_some(())
        })
    }

    #[inline]
    fn get(&mut self, patience: &mut Patience<'_>) -> Result<[u64; W], BenchError> {
        let (ring, side) = &mut self.incoming;
        let rest = self.pace.saturating_sub(1);
        patience.until(Hint::SpinLoop, || {
            let message = side.try_recv(ring);
            if message.is_none() {
                for _ in 0..rest {
                    std::hint::spin_loop();
                }
            }
            message
        })
    }
}

impl<S: Side<W, L, N>, const W: usize, const L: usize, const N: usize> Source for End<S, W, L, N> {
    #[inline]
    fn send(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        self.put(array::from_fn(|word| number + word as u64), patience)
    }
}

impl<S: Side<W, L, N>, const W: usize, const L: usize, const N: usize> Sink for End<S, W, L, N> {
    #[inline]
    fn take(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let message = self.get(patience)?;
        let mut differences = 0;
        for (word, number) in message.iter().zip(number..) {
            differences |= word ^ number;
        }
        if differences == 0 {
            Ok(())
        } else {
            Err(self.messages.changed())
        }
    }
}

impl<S: Side<W, L, N>, const W: usize, const L: usize, const N: usize> Echo for End<S, W, L, N> {
    #[inline]
    fn echo(&mut self, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let message = self.get(patience)?;
        self.put(message, patience)
    }
}
