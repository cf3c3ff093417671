//! Notices deaths when they happen: one thread of this process sleeps until one of the processes ends that
//! the others' records name, and then has it looked whether a member has died.
//!
//! A process's end is a reason to look and proves nothing: ids may be a liar's, another namespace's, or used
//! again. What proves a death is the locks. Where ids say nothing, whoever waits looks by itself from time
//! to time.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod portable;

use std::sync::Weak;
use std::sync::atomic::{AtomicU32, Ordering};

#[cfg(any(target_os = "linux", target_os = "android"))]
use linux::Watched;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
use portable::Watched;

use crate::attach::Attachment;

/// What the thread knows of an endpoint's peers, and has to tell it.
pub(crate) struct Lookout {
    watched: Watched,
    /// How often one of them has ended.
    news: AtomicU32,
    /// The epochs of the peer's sides when it was last seen who they are.
    epochs: [AtomicU32; 2],
}

impl Lookout {
    pub(crate) fn new() -> Self {
        Self {
            watched: Watched::new(),
            news: AtomicU32::new(0),
            // No side has it: epochs have 28 bits.
            epochs: [const { AtomicU32::new(u32::MAX) }; 2],
        }
    }

    /// Has it noticed when these processes end. `attachment` is whose lookout this is.
    pub(crate) fn watch(
        &self,
        attachment: &Weak<Attachment>,
        epochs: [u32; 2],
        processes: impl Iterator<Item = u32>,
    ) {
        for (kept, epoch) in self.epochs.iter().zip(epochs) {
            // Relaxed: a hint.
            kept.store(epoch, Ordering::Relaxed);
        }
        self.watched.watch(attachment, processes);
    }

    /// Whether these epochs are those of the last [`Lookout::watch`]. There is none before the first.
    pub(crate) fn is_current(&self, epochs: [u32; 2]) -> bool {
        self.epochs.iter().zip(epochs).all(|(kept, epoch)| {
            // Relaxed: as in `watch`.
            let kept = kept.load(Ordering::Relaxed);
            kept == epoch || kept == u32::MAX
        })
    }

    /// One of the processes has ended: to be said before anybody is woken for it.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn tell(&self) {
        // Release: pairs with the Acquire in `has_told`.
        self.news.fetch_add(1, Ordering::Release);
    }

    /// Whether a process has ended since `seen`, which is brought up to date.
    pub(crate) fn has_told(&self, seen: &mut u32) -> bool {
        // Acquire: pairs with the Release in `tell`.
        let news = self.news.load(Ordering::Acquire);
        std::mem::replace(seen, news) != news
    }
}
