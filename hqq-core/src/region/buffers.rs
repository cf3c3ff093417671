//! The buffers of one direction, and what may be done with the bytes of one.

#[cfg(not(loom))]
use super::bytes;
use super::{Part, Region, View};
#[cfg(not(loom))]
use crate::layout::LINE;
use crate::layout::{Direction, Geometry, Layout};
use crate::position::Position;

/// The buffers of one direction.
///
/// # Invariants
/// `geometry.count()` buffers of `geometry.size()` bytes from the start of `part` on lie inside the
/// region; the count is a power of two, the size and where the part starts are multiples of 8.
#[derive(Clone)]
pub(crate) struct Buffers<G> {
    pub(super) part: Part,
    geometry: G,
}

impl<G: Geometry> Buffers<G> {
    /// The buffers of `direction`; `None` where `layout` is larger than the region or not of this
    /// geometry.
    // Always: nothing of it is left where the compiler knows the layout.
    #[inline(always)]
    pub(super) fn new(region: &Region, layout: &Layout, direction: Direction) -> Option<Self> {
        let geometry = G::matching(layout.count(), layout.size())?;
        if layout.len() > region.len() {
            return None;
        }
        Some(Self {
            part: Part::new(region, layout.buffers(direction))?,
            geometry,
        })
    }

    /// Buffers, and slots, in the ring; a power of two.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.geometry.count()
    }

    /// Bytes in a buffer.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.geometry.size()
    }

    /// The buffer that belongs to the slot of `position`.
    #[inline]
    pub(crate) fn at(&self, position: Position) -> Buffer<'_> {
        self.at_index(self.index(position))
    }

    /// The buffer of this index, which [`Buffers::index`] gave.
    #[inline]
    pub(super) fn at_index(&self, index: usize) -> Buffer<'_> {
        let size = self.geometry.size();
        Buffer {
            part: self.part.view(),
            offset: index * size,
            len: size,
        }
    }

    /// The index of the slot, and buffer, of `position`.
    #[inline]
    pub(crate) fn index(&self, position: Position) -> usize {
        position.index_by_mask(self.geometry.mask())
    }

    /// As [`Buffers::index`], of the position `count` further on.
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    #[inline]
    pub(super) fn index_after(&self, position: Position, count: usize) -> usize {
        let mask = self.geometry.mask();
        position.index_by_mask(usize::MAX).wrapping_add(count) & mask
    }
}

/// One buffer.
///
/// # Invariants
/// `len` bytes from `offset` on, counted from the start of `part`, lie inside the region; where they
/// start and how many they are are multiples of 8.
#[derive(Clone, Copy)]
pub(crate) struct Buffer<'a> {
    pub(super) part: View<'a>,
    pub(super) offset: usize,
    pub(super) len: usize,
}

impl Buffer<'_> {
    /// Copies `from` into the buffer from byte `at` on; what does not fit is left out. Says how
    /// many bytes were copied.
    #[inline]
    pub(crate) fn copy_in(self, at: usize, from: &[u8]) -> usize {
        let at = at.min(self.len);
        // Not by index: builds for size leave the bound's panic in.
        let from = from.get(..self.len - at).unwrap_or(from);
        #[cfg(not(loom))]
        {
            // SAFETY: that many bytes from `at` on lie inside the buffer, whose start and length are
            // multiples of 8, so the words around them do too.
            unsafe { bytes::copy_in(self.as_ptr(), at, from) };
        }
        #[cfg(loom)]
        self.part.copy_in(self.offset + at, from);
        from.len()
    }

    /// Copies bytes from byte `at` on into `to`; what is past the buffer's end is left out. Says
    /// how many bytes were copied.
    #[inline]
    pub(crate) fn copy_out(self, at: usize, to: &mut [u8]) -> usize {
        let at = at.min(self.len);
        let len = to.len().min(self.len - at);
        // Not by index, as above.
        let to = to.get_mut(..len).unwrap_or_default();
        #[cfg(not(loom))]
        {
            // SAFETY: `len` bytes from `at` on lie inside the buffer, whose start and length are
            // multiples of 8, so the words around them do too.
            unsafe { bytes::copy_out(self.as_ptr(), at, to) };
        }
        #[cfg(loom)]
        self.part.copy_out(self.offset + at, to);
        len
    }

    /// Asks for the buffer's first line ahead of its use.
    #[inline]
    pub(crate) fn prefetch(self) {
        #[cfg(not(loom))]
        bytes::prefetch(self.as_ptr());
    }

    /// As [`Buffer::prefetch`], of the lines that have the first `len` bytes, or as many as the buffer has.
    #[cfg(not(loom))]
    #[inline]
    pub(crate) fn prefetch_lines(self, len: usize) {
        for offset in (0..len.min(self.len)).step_by(LINE) {
            // SAFETY: inside the buffer, and so inside the region.
            let line = unsafe { self.part.at(self.offset + offset) };
            bytes::prefetch(line);
        }
    }

    /// As [`Slot::prefetch_fourth`](super::Slot::prefetch_fourth), of buffers of `size` bytes each.
    #[inline]
    pub(crate) fn prefetch_fourth(self, size: usize) {
        #[cfg(not(loom))]
        bytes::prefetch_fourth_to_write(self.as_ptr(), size);
        #[cfg(loom)]
        let _ = size;
    }

    /// As [`Buffer::prefetch`], where it is about to be written.
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    #[inline]
    pub(crate) fn prefetch_to_write(self) {
        #[cfg(not(loom))]
        {
            // SAFETY: where the part starts.
            let base = unsafe { self.part.at(0) };
            bytes::prefetch_to_write::<0>(base, self.offset);
        }
    }

    /// Where the buffer starts, for trusted slices.
    #[cfg(not(loom))]
    #[inline]
    pub(crate) fn as_ptr(self) -> core::ptr::NonNull<u8> {
        // SAFETY: inside the region, by the invariant.
        unsafe { self.part.at(self.offset) }
    }

    /// Bytes in the buffer.
    #[inline]
    pub(crate) const fn len(self) -> usize {
        self.len
    }
}
