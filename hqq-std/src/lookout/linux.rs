//! Linux: descriptors of processes, which are readable once a process has ended, in one epoll set.
//!
//! The kernel frees a process's locks before it says that the process has ended.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::attach::Attachment;
use crate::fork::Generation;

/// Most processes that are watched for one endpoint: what it may cost that records can say anything.
const MOST: usize = 64;
/// How often it is looked for a death where ATTACH was in other hands, or something else kept the locks.
const TRIES: u32 = 5;

/// This process's thread; `None` until it is needed.
static WATCHER: Mutex<Option<Arc<Watcher>>> = Mutex::new(None);

/// What the thread sleeps on.
struct Watcher {
    generation: Generation,
    epoll: OwnedFd,
    watches: Mutex<HashMap<u64, Watch>>,
    next: AtomicU64,
}

/// A process, and who wants to know of its end.
struct Watch {
    process: u32,
    descriptor: OwnedFd,
    attachment: Weak<Attachment>,
}

impl Watcher {
    /// This process's, which is started where there is none; `None` where that fails, or another thread is
    /// at it.
    fn current() -> Option<Arc<Self>> {
        // In a forked child a thread may hold it that is not there.
        let mut current = match WATCHER.try_lock() {
            Ok(current) => current,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let generation = Generation::current();
        match current.as_ref() {
            Some(watcher) if watcher.generation == generation => return Some(Arc::clone(watcher)),
            // The parent's, which a thread may have been changing when it forked: not to be touched.
            Some(_) => std::mem::forget(current.take()),
            None => {}
        }
        let watcher = Arc::new(Self {
            generation,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).ok()?,
            watches: Mutex::new(HashMap::new()),
            next: AtomicU64::new(0),
        });
        let thread = std::thread::Builder::new().name("hqq-lookout".to_owned());
        let of_thread = Arc::clone(&watcher);
        thread.spawn(move || of_thread.run()).ok()?;
        *current = Some(Arc::clone(&watcher));
        Some(watcher)
    }

    fn watches(&self) -> MutexGuard<'_, HashMap<u64, Watch>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches a process until it ends; `None` where there is none of this id.
    fn add(&self, process: u32, attachment: &Weak<Attachment>) -> Option<u64> {
        let pid = Pid::from_raw(i32::try_from(process).ok()?)?;
        let descriptor = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        // Relaxed: no two are the same, which is all.
        let key = self.next.fetch_add(1, Ordering::Relaxed);
        let mut watches = self.watches();
        // Once only: descriptors that a forked child has of it could not be taken off the set again.
        let flags = EventFlags::IN | EventFlags::ONESHOT;
        epoll::add(&self.epoll, &descriptor, EventData::new_u64(key), flags).ok()?;
        let attachment = Weak::clone(attachment);
        watches.insert(
            key,
            Watch {
                process,
                descriptor,
                attachment,
            },
        );
        Some(key)
    }

    fn remove(&self, key: u64) -> Option<Watch> {
        let watch = self.watches().remove(&key)?;
        // It goes with the descriptor at the latest.
        let _ = epoll::delete(&self.epoll, &watch.descriptor);
        Some(watch)
    }

    /// What the thread does, for as long as the process lives.
    fn run(&self) {
        let mut events = Vec::with_capacity(16);
        let mut ended: Vec<Ended> = Vec::new();
        loop {
            let due = ended.iter().map(|ended| ended.due).min();
            let left = due.map(|due| due.saturating_duration_since(Instant::now()));
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            match epoll::wait(&self.epoll, spare_capacity(&mut events), left.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                // Whoever waits looks by itself from time to time.
                Err(_) => return,
            }
            let now = Instant::now();
            for event in events.drain(..) {
                if let Some(watch) = self.remove(event.data.u64()) {
                    ended.push(Ended {
                        process: watch.process,
                        attachment: watch.attachment,
                        due: now,
                        tries: 0,
                    });
                }
            }
            ended.retain_mut(|ended| ended.due > now || ended.look(now));
        }
    }
}

/// A process that has ended, of whose members not all are known to have left or died.
struct Ended {
    process: u32,
    attachment: Weak<Attachment>,
    due: Instant,
    tries: u32,
}

impl Ended {
    /// Looks for deaths; `true` where it is to be done once more.
    fn look(&mut self, now: Instant) -> bool {
        let Some(attachment) = self.attachment.upgrade() else {
            return false;
        };
        if attachment.has_ended(self.process) {
            return false;
        }
        self.due = now + Duration::from_millis(1 << (2 * self.tries));
        self.tries += 1;
        self.tries < TRIES
    }
}

/// The processes that are watched for one endpoint.
pub(super) struct Watched(Mutex<Option<Known>>);

struct Known {
    watcher: Arc<Watcher>,
    /// With the keys of their watches.
    processes: Vec<(u32, u64)>,
}

impl Watched {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Watches these processes and no others; those that cannot be watched are left out.
    pub(super) fn watch(
        &self,
        attachment: &Weak<Attachment>,
        processes: impl Iterator<Item = u32>,
    ) {
        // Another thread is at it.
        let Ok(mut known) = self.0.try_lock() else {
            return;
        };
        let own = std::process::id();
        let mut wanted: Vec<u32> = Vec::new();
        for process in processes.filter(|process| *process != own) {
            if wanted.len() < MOST && !wanted.contains(&process) {
                wanted.push(process);
            }
        }
        if wanted.is_empty() && known.is_none() {
            return;
        }
        if known.is_none() {
            *known = Watcher::current().map(|watcher| Known {
                watcher,
                processes: Vec::new(),
            });
        }
        let Some(Known { watcher, processes }) = known.as_mut() else {
            return;
        };
        processes.retain(|(process, key)| {
            let stays = wanted.contains(process) && watcher.watches().contains_key(key);
            if !stays {
                watcher.remove(*key);
            }
            stays
        });
        for process in wanted {
            if processes.iter().all(|(known, _)| *known != process)
                && let Some(key) = watcher.add(process, attachment)
            {
                processes.push((process, key));
            }
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let Ok(Some(Known { watcher, processes })) = self.0.get_mut().map(Option::take) else {
            return;
        };
        if watcher.generation.is_over() {
            // A forked child's copy of what a thread of the parent's may have been changing.
            std::mem::forget(watcher);
            return;
        }
        for (_, key) in processes {
            watcher.remove(key);
        }
    }
}
