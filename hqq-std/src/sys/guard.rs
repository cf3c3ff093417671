//! Turns the SIGBUS of a mapped file that was made shorter into a mark (Linux).
//!
//! A handler for the whole process, installed at the first use, looks whether the fault lies in one of
//! the mappings that are guarded. If so, it puts memory of zeros over the rest of that mapping and
//! marks it: the access goes on and finds zeros, which is no worse than what a peer can write, and
//! calls find the mark. Any other SIGBUS goes to the handler that was there before.

#![allow(unsafe_code, reason = "signal handlers and fixed mappings are unsafe")]

use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::libc;
use rustix::mm::{MapFlags, ProtFlags};

/// Bits of a range that hold its length in pages; those above hold its first page.
const LENGTH_BITS: u32 = 28;

/// A mapping that is guarded, or was. Nodes are made once and used again, never freed, so that a
/// handler can look at all of them whenever it runs.
///
/// # Invariants
/// `range` is 0, or the range of a mapping that exists for as long as it stays there.
struct Node {
    next: AtomicPtr<Node>,
    /// Pages, as one word: a handler never sees half of a change.
    range: AtomicU64,
    is_cut: AtomicBool,
    is_used: AtomicBool,
}

/// All nodes there are.
static NODES: AtomicPtr<Node> = AtomicPtr::new(std::ptr::null_mut());
/// What was done about a SIGBUS before, and the flags of that.
static EARLIER: AtomicUsize = AtomicUsize::new(libc::SIG_DFL);
static EARLIER_FLAGS: AtomicI32 = AtomicI32::new(0);
/// Whether the handler is installed.
static INSTALLED: Mutex<bool> = Mutex::new(false);

/// A mapping under guard, until this is dropped.
pub(crate) struct Guard(&'static Node);

impl Guard {
    /// Guards `len` bytes from `base` on, whole pages.
    ///
    /// # Safety
    /// They are one mapping, which lives until the guard is dropped and which nothing but accesses
    /// that bear a change of its contents reach.
    pub(crate) unsafe fn new(base: *const u8, len: usize) -> io::Result<Self> {
        let range = pack(base as usize, len).ok_or(io::ErrorKind::Unsupported)?;
        install()?;
        let node = unused().unwrap_or_else(add);
        // Relaxed: the handler reads it after `range`, or not at all.
        node.is_cut.store(false, Ordering::Relaxed);
        // Release, pairs with the handler's Acquire.
        node.range.store(range, Ordering::Release);
        Ok(Self(node))
    }

    /// Whether memory was missing: what was read since then may be zeros.
    #[inline]
    pub(crate) fn is_cut(&self) -> bool {
        // Relaxed: a fault is handled on the thread that then looks, and other threads may be late.
        self.0.is_cut.load(Ordering::Relaxed)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Release: before the mapping goes, on this thread. Pairs with the handler's Acquire.
        self.0.range.store(0, Ordering::Release);
        // Release, pairs with the Acquire in `unused`.
        self.0.is_used.store(false, Ordering::Release);
    }
}

/// A node that was used before, taken.
fn unused() -> Option<&'static Node> {
    nodes().find(|node| {
        // Acquire, pairs with the Release in the drop of a guard.
        node.is_used
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    })
}

/// A new node, taken.
fn add() -> &'static Node {
    let node: &'static Node = Box::leak(Box::new(Node {
        next: AtomicPtr::new(std::ptr::null_mut()),
        range: AtomicU64::new(0),
        is_cut: AtomicBool::new(false),
        is_used: AtomicBool::new(true),
    }));
    // Acquire, pairs with the Release below.
    let mut first = NODES.load(Ordering::Acquire);
    loop {
        // Relaxed: nobody else sees the node yet.
        node.next.store(first, Ordering::Relaxed);
        // Release: whoever sees the node sees what is in it; pairs with the Acquire in `nodes`.
        let node_now = std::ptr::from_ref(node).cast_mut();
        match NODES.compare_exchange(first, node_now, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return node,
            Err(found) => first = found,
        }
    }
}

/// All nodes; for signal handlers, too.
fn nodes() -> impl Iterator<Item = &'static Node> {
    // Acquire, pairs with the Release in `add`.
    let mut next: *const Node = NODES.load(Ordering::Acquire);
    std::iter::from_fn(move || {
        // SAFETY: nodes are never freed, and change through atomics only.
        let node = unsafe { next.as_ref() }?;
        // Relaxed: it was written before the node was published, which the load above saw.
        next = node.next.load(Ordering::Relaxed);
        Some(node)
    })
}

/// The pages of a mapping in one word; `None` where they do not fit, or are none.
fn pack(base: usize, len: usize) -> Option<u64> {
    let page = rustix::param::page_size();
    let (first, pages) = ((base / page) as u64, len.div_ceil(page) as u64);
    let fits = pages > 0 && pages >> LENGTH_BITS == 0 && first >> (u64::BITS - LENGTH_BITS) == 0;
    fits.then_some(first << LENGTH_BITS | pages)
}

/// The first page that `range` holds, and the first that it no longer holds.
const fn unpack(range: u64) -> (u64, u64) {
    let first = range >> LENGTH_BITS;
    (first, first + (range & ((1 << LENGTH_BITS) - 1)))
}

/// Installs the handler, once for the process.
fn install() -> io::Result<()> {
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if *installed {
        return Ok(());
    }
    // What was there is known before the handler can run.
    let earlier = disposition(None)?;
    remember(&earlier);
    let mut action = empty();
    action.sa_sigaction = on_sigbus as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    remember(&disposition(Some(&action))?);
    *installed = true;
    Ok(())
}

fn remember(earlier: &libc::sigaction) {
    // Relaxed: the handler is installed by a system call afterwards.
    EARLIER.store(earlier.sa_sigaction, Ordering::Relaxed);
    EARLIER_FLAGS.store(earlier.sa_flags, Ordering::Relaxed);
}

/// A disposition that blocks no further signals and does what is filled in.
fn empty() -> libc::sigaction {
    // SAFETY: all zeros are a value of it: no flags, the default action, an empty set.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// What is done about a SIGBUS, and changes that; for signal handlers, too.
fn disposition(new: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    let new = new.map_or(std::ptr::null(), std::ptr::from_ref);
    let mut old = empty();
    // SAFETY: both point to such structures, or to none.
    match unsafe { libc::sigaction(libc::SIGBUS, new, &raw mut old) } {
        0 => Ok(old),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The handler: it uses nothing but atomics and system calls.
extern "C" fn on_sigbus(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let errno = Errno::last_raw();
    // SAFETY: the kernel hands a handler with SA_SIGINFO a valid one.
    let details = unsafe { &*info };
    let code = details.si_code;
    // SAFETY: the field exists for every code; whether it is an address is asked next.
    let address = unsafe { details.si_addr() } as usize;
    if code != libc::BUS_ADRERR || !cover(address) {
        chain(signal, info, context, code);
    }
    Errno::set_raw(errno);
}

/// Puts zeros over a guarded mapping from the page of `address` on, and marks it; `false` where there
/// is none.
fn cover(address: usize) -> bool {
    let page_size = rustix::param::page_size();
    let page = (address / page_size) as u64;
    for node in nodes() {
        // Acquire, pairs with the Release of guarding and of the end of it. The mapping that this
        // thread accesses cannot come or go meanwhile.
        let (first, end) = unpack(node.range.load(Ordering::Acquire));
        if !(first..end).contains(&page) {
            continue;
        }
        // Relaxed: for this thread, after the handler; others may be late.
        node.is_cut.store(true, Ordering::Relaxed);
        let len = usize::try_from(end - page).unwrap_or(1) * page_size;
        let start = address / page_size * page_size;
        // All of the rest: what lies behind is missing, too, and each page apart would cost a mapping.
        // SAFETY: it replaces pages of a mapping that is guarded, whose owner allows that.
        let covered = unsafe {
            rustix::mm::mmap_anonymous(
                start as *mut libc::c_void,
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE | MapFlags::FIXED,
            )
        };
        if let Ok(covered) = covered {
            // A forked child gets private memory in the place of all of the mapping, if nothing is there.
            // SAFETY: the pages that were just mapped; what they hold does not change.
            let _ = unsafe { rustix::mm::madvise(covered, len, rustix::mm::Advice::LinuxDontFork) };
        }
        return covered.is_ok();
    }
    false
}

/// Does what would have been done without the handler.
fn chain(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
    code: libc::c_int,
) {
    // Relaxed: written before the handler was installed.
    let earlier = EARLIER.load(Ordering::Relaxed);
    let takes_info = EARLIER_FLAGS.load(Ordering::Relaxed) & libc::SA_SIGINFO != 0;
    let was_sent = code <= 0;
    match earlier {
        libc::SIG_IGN if was_sent => {}
        // A fault cannot be ignored: it would come again for ever.
        libc::SIG_DFL | libc::SIG_IGN => {
            // It ends the process once this handler returns: the fault comes again.
            let _ = disposition(Some(&empty()));
            if was_sent {
                // SAFETY: a system call that may be made in a handler; the signal is blocked till then.
                unsafe { libc::raise(signal) };
            }
        }
        handler if takes_info => {
            type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
            // SAFETY: the disposition with that flag held a function of this kind.
            let handler = unsafe { std::mem::transmute::<usize, Handler>(handler) };
            handler(signal, info, context);
        }
        handler => {
            // SAFETY: the disposition without that flag held a function of this kind.
            let handler =
                unsafe { std::mem::transmute::<usize, extern "C" fn(libc::c_int)>(handler) };
            handler(signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let page = rustix::param::page_size();
        assert_eq!(pack(0, 0), None);
        assert_eq!(pack(page, page << LENGTH_BITS), None);
        for (base, len, pages) in [
            (7, 1, 1),
            (7, page, 1),
            (7, page + 1, 2),
            (1 << 35, 5 * page, 5),
        ] {
            let range = pack(base * page, len).unwrap();
            assert_eq!(unpack(range), (base as u64, base as u64 + pages));
        }
    }
}
