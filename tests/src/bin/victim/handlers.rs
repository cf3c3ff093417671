//! A process that opens links while it forks: in handlers of `fork`, and beside threads that fork without a pause.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use hqq_std::{LinkOptions, Role, SharedSender, StandardLink};

use crate::{LIFE, Result};

/// Regions to open before the fork, and after it in the parent and in the child; and one that is open before.
static NAMES: OnceLock<[String; 4]> = OnceLock::new();
static LINKS: Mutex<Vec<StandardLink>> = Mutex::new(Vec::new());
static EARLIER: Mutex<Option<StandardLink>> = Mutex::new(None);
/// Handles of a shared side, with messages that its totals do not have yet.
static HANDLES: Mutex<Vec<SharedSender>> = Mutex::new(Vec::new());
/// The child's handler forks, too, first and last; and it is doing so, which these handlers have no part in.
static FORKS: AtomicBool = AtomicBool::new(false);
static IS_FORKING: AtomicBool = AtomicBool::new(false);

/// Opens the region of that number, and says what came of it.
fn open(number: usize) {
    let name = NAMES.get().and_then(|names| names.get(number));
    let options = LinkOptions::new().role(Role::Primary);
    match options.open(name.map_or("", String::as_str)) {
        Ok(link) => {
            println!("opened {number}");
            LINKS
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(link);
        }
        Err(error) => {
            eprintln!("{number}: {error}");
            std::process::exit(1);
        }
    }
}

/// Makes a child of the child's, which ends at once.
#[allow(unsafe_code, reason = "fork is an unsafe call")]
fn fork_again() {
    if FORKS.load(Ordering::Relaxed) {
        IS_FORKING.store(true, Ordering::Relaxed);
        // SAFETY: the child ends at once.
        if unsafe { nix::libc::fork() } == 0 {
            // SAFETY: as above.
            unsafe { nix::libc::_exit(0) };
        }
        IS_FORKING.store(false, Ordering::Relaxed);
    }
}

extern "C" fn before() {
    if !IS_FORKING.load(Ordering::Relaxed) {
        open(0);
    }
}

extern "C" fn after() {
    if !IS_FORKING.load(Ordering::Relaxed) {
        open(1);
    }
}

extern "C" fn in_child() {
    if IS_FORKING.load(Ordering::Relaxed) {
        return;
    }
    fork_again();
    HANDLES
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clear();
    drop(
        EARLIER
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(),
    );
    open(2);
    fork_again();
}

/// Has handlers before hqq-std has its own, which run within those: all open a link each, and the child's drops some of its
/// parent's first. The child sends through the one that it has opened. `forks`: its handler forks before and after that.
#[allow(unsafe_code, reason = "fork is an unsafe call")]
pub(crate) fn fork_handlers(names: &[&str], forks: bool) -> Result {
    FORKS.store(forks, Ordering::Relaxed);
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    NAMES
        .set(names.try_into().map_err(|_| "four names are needed")?)
        .map_err(|_| "twice")?;
    // SAFETY: the handlers run in this process's only thread.
    if unsafe { nix::libc::pthread_atfork(Some(before), Some(after), Some(in_child)) } != 0 {
        return Err("no handlers".into());
    }
    let name = NAMES.get().and_then(|names| names.last());
    let earlier = LinkOptions::new().role(Role::Primary);
    let earlier = earlier.open(name.map_or("", String::as_str))?;
    *EARLIER.lock().unwrap_or_else(PoisonError::into_inner) = Some(earlier);
    let (near, far) = LinkOptions::new().count(64).size(8).shared().pair()?;
    let (mut handles, mut receiver) = (Vec::new(), far.receiver());
    // As many as make it record them.
    for _ in 0..64 {
        let mut handle = near.sender();
        for _ in 0..60 {
            handle.send(b"counted")?;
            receiver.recv(&mut [0; 8])?;
        }
        handles.push(handle);
    }
    *HANDLES.lock().unwrap_or_else(PoisonError::into_inner) = handles;
    // SAFETY: as above.
    let child = unsafe { nix::libc::fork() };
    if child == 0 {
        let mut links = LINKS.lock().unwrap_or_else(PoisonError::into_inner);
        let sent: Vec<_> = links.iter_mut().map(|link| link.send(b"child")).collect();
        println!("sent {sent:?}");
    } else {
        println!("child {child}");
    }
    std::thread::sleep(LIFE);
    Ok(())
}

/// Opens and drops links while other threads fork, which takes long; says how often that failed.
#[allow(unsafe_code, reason = "fork is an unsafe call")]
pub(crate) fn fork_beside(name: &str) -> Result {
    let memory = std::hint::black_box(vec![1_u8; 64 << 20]);
    // Children are nobody's to wait for: there is no pause in the forks.
    // SAFETY: nothing is called.
    unsafe { nix::libc::signal(nix::libc::SIGCHLD, nix::libc::SIG_IGN) };
    let (is_over, forks) = (AtomicBool::new(false), AtomicUsize::new(0));
    let failed = std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    // SAFETY: the child ends at once.
                    let child = unsafe { nix::libc::fork() };
                    if child == 0 {
                        // SAFETY: as above.
                        unsafe { nix::libc::_exit(0) };
                    }
                    forks.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while forks.load(Ordering::Relaxed) < 8 {
            std::thread::yield_now();
        }
        let mut failed = Vec::new();
        for _ in 0..10 {
            if failed.is_empty() {
                failed.extend(LinkOptions::new().open(name).err());
            }
        }
        is_over.store(true, Ordering::Relaxed);
        failed
    });
    drop(memory);
    println!("{failed:?}");
    Ok(())
}
