//! A core with a cache that sees nothing of other cores' writes.

use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::rc::Rc;

use hqq_core::{Direction, Platform, Region};

use super::Geometry;

pub(crate) const LINE: usize = 64;
const LEN: usize = Geometry::LAYOUT.len();

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Clean(usize, usize),
    Invalidate(usize, usize),
    Barrier,
}

/// What lies in the memory that both cores reach.
pub(crate) type Memory = Rc<RefCell<Vec<u8>>>;

/// One core: its view of the memory, which is all its link works on.
#[derive(Clone)]
pub(crate) struct Core {
    view: NonNull<u8>,
    /// The view as it was when each line was last cleaned or invalidated: what differs is dirty.
    clean: Rc<RefCell<Vec<u8>>>,
    pub(crate) memory: Memory,
    done: Rc<RefCell<Vec<Done>>>,
    has_cache: Rc<Cell<bool>>,
}

#[repr(align(64))]
struct Bytes([u8; LEN]);

impl Core {
    pub(crate) fn new(memory: &Memory) -> (Self, Region) {
        let bytes = &mut Box::leak(Box::new(Bytes([0; LEN]))).0;
        let view = NonNull::from(bytes).cast();
        let core = Self {
            view,
            clean: Rc::new(RefCell::new(vec![0; LEN])),
            memory: memory.clone(),
            done: Rc::default(),
            has_cache: Rc::new(Cell::new(true)),
        };
        // SAFETY: leaked, so valid for ever. This test is one thread, and looks at the bytes only
        // between the link's own accesses.
        let region = unsafe { Region::from_raw(view, LEN) }.unwrap();
        (core, region)
    }

    fn view(&self) -> Vec<u8> {
        // SAFETY: as in `new`.
        unsafe { std::slice::from_raw_parts(self.view.as_ptr(), LEN) }.to_vec()
    }

    /// Whether all that was written is in memory.
    #[cfg(not(hqq_narrow))]
    pub(crate) fn is_clean(&self) -> bool {
        *self.clean.borrow() == self.view()
    }

    fn set_line(&self, at: usize, line: &[u8]) {
        assert_eq!((at % LINE, line.len()), (0, LINE));
        // SAFETY: as in `new`; a line of the view.
        let to = unsafe { self.view.add(at) };
        // SAFETY: the two do not overlap.
        unsafe { to.copy_from_nonoverlapping(NonNull::from(line).cast(), LINE) };
    }

    /// What a core without a cache sees: the memory as it is.
    #[cfg(not(hqq_narrow))]
    pub(crate) fn refresh(&self) {
        self.has_cache.set(false);
        let memory = self.memory.borrow().clone();
        for (index, line) in memory.chunks_exact(LINE).enumerate() {
            self.set_line(index * LINE, line);
        }
        *self.clean.borrow_mut() = memory;
    }

    /// The lines of a range, which has to be made of whole ones.
    fn lines(&self, start: NonNull<u8>, len: usize) -> (usize, impl Iterator<Item = usize>) {
        let offset = start.addr().get() - self.view.addr().get();
        assert!(offset.is_multiple_of(LINE) && len.is_multiple_of(LINE));
        assert!(len > 0 && offset + len <= LEN);
        (offset, (offset..offset + len).step_by(LINE))
    }

    /// A cache gives its lines back when it likes: what says that a slot is free must not be able to get to memory
    /// before what the slot itself says, as a producer could be overwritten then.
    fn check_order(&self) {
        let (view, clean) = (self.view(), self.clean.borrow());
        let is_dirty = |at: usize| view[at..at + LINE] != clean[at..at + LINE];
        for direction in Direction::BOTH {
            let released = Geometry::LAYOUT.released(direction).unwrap();
            if self.has_cache.get() && is_dirty(released) {
                let slots = Geometry::LAYOUT.slots(direction);
                for at in (slots..Geometry::LAYOUT.buffers(direction)).step_by(LINE) {
                    assert!(!is_dirty(at), "the slot at {at} may come after `released`");
                }
            }
        }
    }

    pub(crate) fn take_done(&self) -> Vec<Done> {
        std::mem::take(&mut *self.done.borrow_mut())
    }
}

impl Platform for Core {
    fn clean(&self, start: NonNull<u8>, len: usize) {
        self.check_order();
        let (offset, lines) = self.lines(start, len);
        self.done.borrow_mut().push(Done::Clean(offset, len));
        let view = self.view();
        for at in lines {
            let line = &view[at..at + LINE];
            if self.clean.borrow()[at..at + LINE] != *line {
                self.clean.borrow_mut()[at..at + LINE].copy_from_slice(line);
                self.memory.borrow_mut()[at..at + LINE].copy_from_slice(line);
            }
        }
    }

    fn invalidate(&self, start: NonNull<u8>, len: usize) {
        let (offset, lines) = self.lines(start, len);
        self.done.borrow_mut().push(Done::Invalidate(offset, len));
        let view = self.view();
        for at in lines {
            let dirty = self.clean.borrow()[at..at + LINE] != view[at..at + LINE];
            assert!(!dirty, "what was written to the line at {at} is lost");
            let line = self.memory.borrow()[at..at + LINE].to_vec();
            self.set_line(at, &line);
            self.clean.borrow_mut()[at..at + LINE].copy_from_slice(&line);
        }
    }

    fn barrier(&self) {
        self.done.borrow_mut().push(Done::Barrier);
    }
}
