//! The bytes of a region, and packets in it that no sender makes.

use hqq_core::{Direction, InitOptions, Layout, Region};

/// What a region's address is a multiple of.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u64; 8]);

/// The memory of one region.
///
/// # Invariants
/// `base` points to the `lines`, which are only reached through it and have the layout's bytes.
pub(crate) struct Memory {
    base: *mut Line,
    lines: usize,
    pub(crate) layout: Layout,
}

impl Memory {
    /// An initialised region.
    pub(crate) fn new(layout: Layout) -> Self {
        let lines = vec![Line([0; 8]); layout.len().div_ceil(64)].into_boxed_slice();
        let memory = Self {
            lines: lines.len(),
            base: Box::into_raw(lines).cast(),
            layout,
        };
        let options = InitOptions::new();
        hqq_core::initialise(&memory.region(), &layout, &options).expect("a valid layout");
        memory
    }

    /// A handle to the region.
    pub(crate) fn region(&self) -> Region {
        let base = std::ptr::NonNull::new(self.base.cast()).expect("a box");
        // SAFETY: bytes of this length, by the invariant; `main` drops all links before this memory,
        // and the program has one thread.
        unsafe { Region::from_raw(base, self.layout.len()) }.expect("aligned, and long enough")
    }

    /// Makes the packet in slot `index` another: its opcode and operands.
    pub(crate) fn forge(&self, direction: Direction, index: usize, opcode: u8, operands: [u64; 7]) {
        let slot = self.layout.slots(direction) + index * self.layout.slot_len();
        let base = self.base.cast::<u8>();
        // SAFETY: a slot lies inside the layout.
        let bytes = unsafe { base.add(slot) };
        // SAFETY: as above; slots begin at multiples of 8. One thread: nobody else writes now.
        unsafe { bytes.write(opcode) };
        for (operand, value) in operands.into_iter().enumerate() {
            // SAFETY: operands fill the slot's packet behind its first word.
            let word = unsafe { bytes.add(8 + 8 * operand) }.cast::<u64>();
            // SAFETY: as above.
            unsafe { word.write(value.to_le()) };
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let lines = std::ptr::slice_from_raw_parts_mut(self.base, self.lines);
        // SAFETY: what `new` took out of its box, and the regions are gone.
        drop(unsafe { Box::from_raw(lines) });
    }
}
