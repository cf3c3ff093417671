//! Forks beside a thread that opens a file.

use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::libc;

use super::{Memory, NotInherited, after, before, handle_forks, in_child};
use crate::attach::ATTACH;
use crate::error::OpenError;
use crate::own_locks::OwnLocks;
use crate::sys::{ByteLocks, LockKind};

/// A forked process, which stays until this is dropped.
pub(crate) struct Child(libc::pid_t);

impl Child {
    /// In the child, where `id` is 0: never comes back.
    fn new(id: libc::pid_t) -> Self {
        assert!(id >= 0, "no child");
        if id != 0 {
            return Self(id);
        }
        loop {
            // SAFETY: a system call that touches no memory.
            unsafe { libc::pause() };
        }
    }

    pub(crate) fn fork() -> Self {
        // SAFETY: the child does nothing but sleep.
        Self::new(unsafe { libc::fork() })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: the child's id is its own until it is waited for.
        unsafe { libc::kill(self.0, libc::SIGKILL) };
        // SAFETY: as above; no status is asked for.
        unsafe { libc::waitpid(self.0, std::ptr::null_mut(), 0) };
    }
}

/// That this process alone has what is locked here. A child of another test's has it until its handler has run.
fn assert_own(locks: &OwnLocks) {
    assert!(locks.try_lock(ATTACH, LockKind::Write).unwrap());
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let holders = locks.holders(ATTACH);
        if holders == [std::process::id()] {
            return;
        }
        assert!(Instant::now() < end, "{holders:?}");
        std::thread::yield_now();
    }
}

/// A fork that has begun and ends when this is dropped, also by a panic: nobody could open anything after it.
struct Begun;

impl Begun {
    fn now() -> Self {
        before();
        Self
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        after();
    }
}

/// By the time that the descriptor is noted, a child has it.
#[test]
fn a_file_is_opened_again_where_a_child_was_forked_before_its_descriptor_was_noted() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut children = Vec::new();
    let locks = OwnLocks::new(file.path(), &mut |earlier| {
        assert_eq!(earlier.is_some(), !children.is_empty());
        let file = file.reopen().unwrap();
        if children.len() < 2 {
            children.push(Child::fork());
        }
        Ok(file)
    });
    assert_own(&locks.unwrap());
    assert_eq!(children.len(), 2);
}

/// The kernel copies the descriptors after it was counted that the fork has begun. Such a fork is made by hand here, step by
/// step; on s390x its arguments have another order.
#[cfg(not(target_arch = "s390x"))]
#[test]
fn no_file_is_opened_while_a_child_is_forked() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let [is_open, is_forked] = [const { AtomicBool::new(false) }; 2];
    let wait_for = |flag: &AtomicBool, time| {
        let end = Instant::now() + time;
        while !flag.load(Ordering::Acquire) && Instant::now() < end {
            std::thread::yield_now();
        }
    };
    let begun = Begun::now();
    std::thread::scope(|scope| {
        let opening = scope.spawn(|| {
            OwnLocks::new(file.path(), &mut |_| {
                let file = file.reopen().unwrap();
                is_open.store(true, Ordering::Release);
                wait_for(&is_forked, Duration::from_secs(10));
                Ok(file)
            })
        });
        // Time for it to do what it must not.
        wait_for(&is_open, Duration::from_millis(200));
        let (flags, none): (libc::c_long, libc::c_long) = (libc::SIGCHLD.into(), 0);
        // SAFETY: the flags are those of `fork`; the child makes system calls only.
        let id = unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, none) };
        if id == 0 {
            in_child();
        }
        let _child = Child::new(id.try_into().unwrap());
        drop(begun);
        is_forked.store(true, Ordering::Release);
        assert_own(&opening.join().unwrap().unwrap());
    });
}

/// A mapping keeps the description that it was made through, and with it the locks.
#[test]
fn no_child_keeps_the_locks_by_memory_that_is_being_mapped() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(4096).unwrap();
    handle_forks().unwrap();
    for is_mapped in [false, true] {
        let locked = file.reopen().unwrap();
        let descriptor = NotInherited::descriptor(&locked);
        let memory = Memory::reserve(&locked, 4096).unwrap();
        let noted = NotInherited::of(memory.as_mut_ptr(), 4096, -1);
        let locks = ByteLocks::new(locked);
        assert!(locks.try_lock(ATTACH, LockKind::Write).unwrap());
        let early = (!is_mapped).then(Child::fork);
        memory.fill(locks.file(), false).unwrap();
        let late = is_mapped.then(Child::fork);
        noted.leave_hole(&memory);
        // All that this process has of the description goes, but for its locks.
        drop((noted, memory, descriptor, locks));
        let other = ByteLocks::new(file.reopen().unwrap());
        let end = Instant::now() + Duration::from_secs(60);
        while !other.try_lock(ATTACH, LockKind::Write).unwrap() {
            assert!(Instant::now() < end, "a child has the lock: {is_mapped}");
            std::thread::yield_now();
        }
        drop((early, late));
    }
}

/// A handler of another library's may wait for a lock that whoever opens has.
#[test]
fn a_fork_that_does_not_end_is_not_waited_for_without_end() {
    const SHORT: Duration = Duration::from_millis(50);
    let (has_begun, is_over) = (Barrier::new(2), Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _begun = Begun::now();
            has_begun.wait();
            is_over.wait();
        });
        has_begun.wait();
        let result = OwnLocks::within(SHORT, Path::new("never"), &mut |_| panic!("opened"));
        is_over.wait();
        let error = result.err().unwrap();
        let forking = |waited| waited >= SHORT;
        assert!(
            matches!(error, OpenError::Forking { waited, .. } if forking(waited)),
            "{error}"
        );
    });
}

/// Another library's handlers run before this one's or after, in the thread that forks.
#[test]
fn a_fork_of_its_own_is_not_waited_for() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let _begun = Begun::now();
    // Other tests fork, too.
    let locks = OwnLocks::new(file.path(), &mut |_| Ok(file.reopen().unwrap())).unwrap();
    assert_own(&locks);
}
