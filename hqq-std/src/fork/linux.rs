//! Linux: the mapping is not inherited, and a handler of `fork` fills its place in the child.

#![allow(
    unsafe_code,
    reason = "replaces mappings and descriptors in a forked child"
)]

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence,
};
use std::time::{Duration, Instant};

use hqq_core::{Direction, Format, Layout};
use nix::libc;

use super::{FORKS, Generation};
use crate::wait::{Backoff, poll};

mod memory;
mod wiped;

pub(crate) use memory::Memory;

/// All entries there ever were; they are used again, and never freed.
static ENTRIES: AtomicPtr<Entry> = AtomicPtr::new(std::ptr::null_mut());

const UNUSED: u32 = 0;
const CHANGING: u32 = 1;
const USED: u32 = 2;

/// How many forks this process has begun, and how many of them are over.
static BEGUN: AtomicU32 = AtomicU32::new(0);
static ENDED: AtomicU32 = AtomicU32::new(0);

/// How many threads want to open something. A hint: whoever forks lets them.
static OPENING: AtomicU32 = AtomicU32::new(0);

/// How long no fork may end while whoever is to fork lets others open, for which forks without a pause would leave no time.
/// They may wait for a fork that cannot go on before this one has.
const GRACE: Duration = Duration::from_millis(10);

/// The process that forked last. This and the next one serve where the kernel [wipes](wiped) nothing.
static PROCESS: AtomicU32 = AtomicU32::new(0);
/// This process is a child, and all was done for that before its handler ran.
static IS_CHILD: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// How many of the forks that are not over are this thread's: it opens something in another library's handler, and a
    /// fork of its own copies nothing while it does.
    static OWN: Cell<u32> = const { Cell::new(0) };
}

/// A thread that wants to open something, until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn(Generation);

impl Turn {
    /// # Errors
    /// Where there is no memory for handlers of `fork`.
    pub(crate) fn take() -> io::Result<Self> {
        handle_forks()?;
        notice_child();
        OPENING.fetch_add(1, Ordering::Relaxed);
        Ok(Self(Generation::current()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // In a child that was forked since, nobody was opening anything.
        if !self.0.is_over() {
            OPENING.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Forks that were over at some time, and those of this thread's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended(u32);

impl Ended {
    /// While somebody has a turn.
    pub(crate) fn now(_: &Turn) -> Self {
        // Acquire, with the Release in `after`: those children were made before what follows, and are among those that
        // have begun.
        Self(ENDED.load(Ordering::Acquire).wrapping_add(OWN.get()))
    }

    /// Whether there are no others by now: none was under way then, and none has begun since. A descriptor that was
    /// opened and [noted](NotInherited::descriptor) meanwhile is no child's.
    pub(crate) fn are_all(self) -> bool {
        // Pairs with the fence in `before`: a fork that is not counted here finds the entries that were made before.
        fence(Ordering::SeqCst);
        BEGUN.load(Ordering::Relaxed) == self.0
    }
}

/// Does what `in_child` does where that has yet to run: in another library's handler, in the child. Before anything is opened
/// or dropped there.
pub(crate) fn notice_child() {
    if became_child_if_new() {
        return;
    }
    // A child that has its parent's number, as in another namespace, is not noticed; what is opened is taken for its
    // parent's then.
    if OWN.get() > 0 && PROCESS.load(Ordering::Relaxed) != std::process::id() {
        become_child();
        IS_CHILD.store(true, Ordering::Relaxed);
    }
}

/// Has forks run the handlers below from now on.
fn handle_forks() -> io::Result<()> {
    static HANDLED: AtomicBool = AtomicBool::new(false);
    // Acquire, with the Release below: whoever finds it so has handlers.
    if HANDLED.load(Ordering::Acquire) {
        return Ok(());
    }
    wiped::make();
    // Two threads may do this, and each fork counts twice then, which is as good. Who waited for the other would do so
    // for ever in a child that is forked meanwhile.
    // SAFETY: the handlers are functions of this program that need no state but statics and what each thread has.
    match unsafe { libc::pthread_atfork(Some(before), Some(after), Some(in_child)) } {
        0 => HANDLED.store(true, Ordering::Release),
        error => return Err(io::Error::from_raw_os_error(error)),
    }
    Ok(())
}

/// Runs before each fork.
extern "C" fn before() {
    // A child whose other handlers fork.
    notice_child();
    let own = OWN.get();
    if own == 0 {
        let begun = Instant::now();
        let mut last = (ENDED.load(Ordering::Relaxed), Instant::now());
        let _ = poll(Backoff::new(), || {
            let ended = ENDED.load(Ordering::Relaxed);
            if ended != last.0 {
                last = (ended, Instant::now());
            }
            let is_time = OPENING.load(Ordering::Relaxed) == 0
                || last.1.elapsed() >= GRACE
                || begun.elapsed() >= 10 * GRACE;
            is_time.then_some(())
        });
    }
    OWN.set(own.wrapping_add(1));
    PROCESS.store(std::process::id(), Ordering::Relaxed);
    // What is forked by a handler of a child's is one of its own.
    IS_CHILD.store(false, Ordering::Relaxed);
    BEGUN.fetch_add(1, Ordering::Relaxed);
    // Pairs with the fence in `Ended::are_all`.
    fence(Ordering::SeqCst);
}

/// Runs in the parent after each fork, also after one that has failed.
extern "C" fn after() {
    // A child that another handler forked amid this fork begins with as many over as had begun, this one among them.
    if let Some(left) = OWN.get().checked_sub(1) {
        OWN.set(left);
        // Release, for `Ended::now`.
        ENDED.fetch_add(1, Ordering::Release);
    }
}

/// A mapping, or a descriptor.
#[derive(Debug)]
struct Entry {
    state: AtomicU32,
    base: AtomicPtr<u8>,
    /// 0 where there is no mapping.
    len: AtomicUsize,
    /// The kernel leaves a hole there in children; what is there all the same is somebody else's.
    is_hole: AtomicBool,
    /// -1 where there is none.
    descriptor: AtomicI32,
    /// Words that say in private memory that everybody has left: where, and what.
    words: [(AtomicUsize, AtomicU32); 4],
    next: AtomicPtr<Self>,
}

/// A mapping, or a descriptor, that forked children do not get; until this is dropped, before what it is of.
#[derive(Debug)]
pub(crate) struct NotInherited(&'static Entry);

impl NotInherited {
    /// Maps the first `len` bytes of `file`; `populate`: touches each page now. A mapping is of the description, as a
    /// descriptor is: its place is noted before it is made, so that no child keeps it, and with it the locks.
    pub(crate) fn map(file: &File, len: usize, populate: bool) -> io::Result<(Self, Memory)> {
        handle_forks()?;
        let memory = Memory::reserve(file, len)?;
        // Goes before the memory, where what follows fails, too.
        let noted = Self::of(memory.as_mut_ptr(), memory.whole(), -1);
        memory.fill(file, populate)?;
        noted.leave_hole(&memory);
        Ok((noted, memory))
    }

    /// Has children not get at all what was mapped.
    fn leave_hole(&self, memory: &Memory) {
        // SAFETY: the pages are of `memory`; what they hold does not change.
        let advised = unsafe {
            libc::madvise(
                memory.as_mut_ptr().cast(),
                memory.whole(),
                libc::MADV_DONTFORK,
            )
        };
        // Release: a child that finds it so was forked after that.
        self.0.is_hole.store(advised == 0, Ordering::Release);
    }

    /// Children have something else under its number, once somebody has [had a turn](Turn). One that was forked before has the
    /// descriptor: see [`Ended`].
    pub(crate) fn descriptor(file: &impl AsRawFd) -> Self {
        Self::of(std::ptr::null_mut(), 0, file.as_raw_fd())
    }

    fn of(base: *mut u8, len: usize, descriptor: RawFd) -> Self {
        let entry = entry();
        entry.base.store(base, Ordering::Relaxed);
        entry.len.store(len, Ordering::Relaxed);
        entry.is_hole.store(false, Ordering::Relaxed);
        entry.descriptor.store(descriptor, Ordering::Relaxed);
        for (offset, _) in &entry.words {
            offset.store(usize::MAX, Ordering::Relaxed);
        }
        // Release: whoever sees it used, sees what it is used for.
        entry.state.store(USED, Ordering::Release);
        Self(entry)
    }

    /// What a child's calls find there.
    pub(crate) fn describe(&self, layout: &Layout) {
        let words: [(usize, u32); 4] = match layout.format() {
            // Each side closed, in an epoch that none of them has had.
            Format::V2 => [(0, false), (0, true), (1, false), (1, true)].map(|(at, consumer)| {
                let direction = Direction::BOTH[at];
                (layout.side(direction, consumer).unwrap_or(usize::MAX), !1)
            }),
            // Counters to which no sequence fits.
            Format::V1 => {
                let [first, second] = Direction::BOTH.map(|direction| layout.ring(direction));
                [first + 24, first + 128, second + 24, second + 128].map(|counter| (counter + 4, 1))
            }
        };
        for ((offset, word), (at, value)) in self.0.words.iter().zip(words) {
            word.store(value, Ordering::Relaxed);
            // Release: no place without its word, whenever another thread forks.
            offset.store(at, Ordering::Release);
        }
    }
}

impl Drop for NotInherited {
    fn drop(&mut self) {
        // Release: the next user of the entry comes after this one.
        self.0.state.store(UNUSED, Ordering::Release);
    }
}

/// An entry for this call alone.
fn entry() -> &'static Entry {
    let mut at = ENTRIES.load(Ordering::Acquire);
    // SAFETY: entries are never freed, and published complete.
    while let Some(entry) = unsafe { at.as_ref() } {
        let taken =
            entry
                .state
                .compare_exchange(UNUSED, CHANGING, Ordering::Acquire, Ordering::Relaxed);
        if taken.is_ok() {
            return entry;
        }
        at = entry.next.load(Ordering::Relaxed);
    }
    let fresh: &'static Entry = Box::leak(Box::new(Entry {
        state: AtomicU32::new(CHANGING),
        base: AtomicPtr::new(std::ptr::null_mut()),
        len: AtomicUsize::new(0),
        is_hole: AtomicBool::new(false),
        descriptor: AtomicI32::new(-1),
        words: std::array::from_fn(|_| (AtomicUsize::new(usize::MAX), AtomicU32::new(0))),
        next: AtomicPtr::new(std::ptr::null_mut()),
    }));
    let mut first = ENTRIES.load(Ordering::Relaxed);
    loop {
        fresh.next.store(first, Ordering::Relaxed);
        // Release: whoever sees the entry sees what it holds.
        let pointer = std::ptr::from_ref(fresh).cast_mut();
        match ENTRIES.compare_exchange(first, pointer, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return fresh,
            Err(found) => first = found,
        }
    }
}

/// Runs in a forked child, where it is the only thread, before anything else of the program does.
/// Async-signal-safe: system calls and atomics only.
extern "C" fn in_child() {
    // Where it was done before, what another library's handler has opened since is this process's.
    if !became_child_if_new() && !IS_CHILD.swap(false, Ordering::Relaxed) {
        become_child();
    }
}

/// Takes from a child what is its parent's, once in each; `false` where it cannot be told whether this is one.
fn became_child_if_new() -> bool {
    let is_new = wiped::is_new_child();
    if is_new == Some(true) {
        become_child();
    }
    is_new.is_some()
}

/// Takes from a child what is its parent's. Relaxed throughout: there is no other thread.
fn become_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    // Forks that other threads of the parent had begun never end here, nor do they open anything.
    ENDED.store(BEGUN.load(Ordering::Relaxed), Ordering::Relaxed);
    OWN.set(0);
    OPENING.store(0, Ordering::Relaxed);
    let stand_in = stand_in();
    let mut at = ENTRIES.load(Ordering::Acquire);
    // SAFETY: entries are never freed, and published complete.
    while let Some(entry) = unsafe { at.as_ref() } {
        if entry.state.load(Ordering::Acquire) == USED {
            replace(entry, stand_in);
        }
        at = entry.next.load(Ordering::Relaxed);
    }
    if stand_in >= 0 {
        // SAFETY: made above, and nobody else's.
        unsafe { libc::close(stand_in) };
    }
}

/// A file that nobody else has.
fn stand_in() -> RawFd {
    // SAFETY: a system call with a static name.
    let made = unsafe { libc::memfd_create(c"hqq-forked".as_ptr(), libc::MFD_CLOEXEC) };
    if made >= 0 {
        return made;
    }
    // SAFETY: as above.
    let made = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
    if made >= 0 {
        return made;
    }
    // SAFETY: a system call without memory.
    unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) }
}

/// Closes a descriptor that was the parent's. The number stays taken, as the program will close it, wherever the system
/// lets anything take it.
fn displace(descriptor: RawFd, by: RawFd) {
    // SAFETY: the descriptor is the link's, which has no other use for it here.
    if by >= 0 && unsafe { libc::dup3(by, descriptor, libc::O_CLOEXEC) } >= 0 {
        return;
    }
    // SAFETY: as above.
    unsafe { libc::close(descriptor) };
    // Where all numbers were taken, this is the free one.
    let made = stand_in();
    if made >= 0 && made != descriptor {
        // SAFETY: nobody has that number: it was closed above.
        unsafe { libc::dup3(made, descriptor, libc::O_CLOEXEC) };
        // SAFETY: made above, and nobody else's.
        unsafe { libc::close(made) };
    }
}

/// Puts private memory where a mapping was in the parent, or the stand-in where a descriptor was.
fn replace(entry: &Entry, stand_in: RawFd) {
    let descriptor = entry.descriptor.load(Ordering::Relaxed);
    if descriptor >= 0 {
        displace(descriptor, stand_in);
    }
    let base = entry.base.load(Ordering::Relaxed);
    let len = entry.len.load(Ordering::Relaxed);
    if len == 0 {
        return;
    }
    let map = |fixed| {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | fixed;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: where the kernel left a hole, it replaces nothing; where it did not, what was reserved for the link or
        // mapped by it, which is its alone.
        unsafe { libc::mmap(base.cast(), len, access, flags, -1, 0) }.cast() == base
    };
    // Acquire, with the Release in `leave_hole`.
    let is_hole = entry.is_hole.load(Ordering::Acquire);
    if map(libc::MAP_FIXED_NOREPLACE) || (!is_hole && map(libc::MAP_FIXED)) {
        for (offset, word) in &entry.words {
            let offset = offset.load(Ordering::Relaxed);
            if offset < len {
                let at = base.wrapping_add(offset).cast::<AtomicU32>();
                // SAFETY: inside the fresh mapping; offsets of words are multiples of 4.
                unsafe { &*at }.store(word.load(Ordering::Relaxed).to_le(), Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
