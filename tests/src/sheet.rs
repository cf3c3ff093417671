//! What a process notes in memory of its own, for the test to read after it was killed: which
//! messages it has sent or received, and what it was doing.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]
#![allow(
    unsafe_code,
    reason = "shares words with another process of the same test"
)]

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::MmapRaw;

/// Threads that a process can have.
pub const THREADS: usize = 4;
/// Messages that a thread can note before the test has to read them.
pub const LOG: usize = 1 << 13;
const HEADER: usize = 64;
const WORDS: usize = HEADER + THREADS * LOG;

/// What a thread was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u64)]
pub enum Phase {
    /// Nothing with the ring.
    Between = 0,
    /// It held a buffer that it was filling.
    Writing = 1,
    /// It was in a call that receives, and may have claimed a message.
    Claiming = 2,
    /// It had a message that it has not noted yet.
    Reading = 3,
    /// It had a message that it has noted.
    Noted = 4,
    /// It was in a call that sends.
    Sending = 5,
}

impl Phase {
    fn of(word: u64) -> Self {
        [
            Self::Between,
            Self::Writing,
            Self::Claiming,
            Self::Reading,
            Self::Noted,
            Self::Sending,
        ][usize::try_from(word).unwrap()]
    }
}

/// A message as it is noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// Which sending thread of which process.
    pub stream: u64,
    /// Its number there.
    pub number: u64,
    /// It was handed over in doubt.
    pub in_doubt: bool,
    /// Its bytes were those that were sent.
    pub whole: bool,
}

/// The words, shared by file.
pub struct Sheet(MmapRaw);

impl Sheet {
    /// A new one, all zero.
    #[must_use]
    pub fn create(path: &Path) -> Self {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .unwrap();
        file.set_len(WORDS as u64 * 8).unwrap();
        Self(MmapRaw::map_raw(&file).unwrap())
    }

    /// One that the test has made.
    ///
    /// # Errors
    /// Where there is none.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        MmapRaw::map_raw(&file).map(Self)
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < WORDS);
        let word = self.0.as_mut_ptr().cast::<AtomicU64>().wrapping_add(index);
        // SAFETY: inside the mapping, aligned, and reached as atomic words only.
        unsafe { &*word }
    }

    fn of(&self, thread: usize, index: usize) -> &AtomicU64 {
        assert!(thread < THREADS && index < 8);
        self.word(8 + thread * 8 + index)
    }

    /// Tells the process to end: 1 once nothing more comes, 2 at once.
    pub fn stop(&self, how: u64) {
        self.word(0).store(how, Ordering::SeqCst);
    }

    /// Whether to end.
    #[must_use]
    pub fn stopped(&self) -> u64 {
        self.word(0).load(Ordering::SeqCst)
    }

    /// The process is attached.
    pub fn set_ready(&self) {
        self.word(1).store(1, Ordering::SeqCst);
    }

    /// Whether it is.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.word(1).load(Ordering::SeqCst) == 1
    }

    /// Notes what a thread is doing.
    pub fn enter(&self, thread: usize, phase: Phase) {
        self.of(thread, 0).store(phase as u64, Ordering::SeqCst);
    }

    /// What a thread is or was doing.
    #[must_use]
    pub fn phase(&self, thread: usize) -> Phase {
        Phase::of(self.of(thread, 0).load(Ordering::SeqCst))
    }

    /// Notes that a thread has sent so many messages.
    pub fn commit(&self, thread: usize, sent: u64) {
        self.of(thread, 1).store(sent, Ordering::SeqCst);
    }

    /// How many messages a thread has sent, or received.
    #[must_use]
    pub fn count(&self, thread: usize) -> u64 {
        self.of(thread, 1).load(Ordering::SeqCst)
    }

    /// Whether a received message can be noted.
    #[must_use]
    pub fn has_room(&self, thread: usize) -> bool {
        let read = self.of(thread, 2).load(Ordering::SeqCst);
        self.count(thread) - read < LOG as u64
    }

    /// Notes a received message.
    pub fn note(&self, thread: usize, note: &Note) {
        let at = self.count(thread);
        let word = note.stream << 40
            | note.number << 2
            | u64::from(note.in_doubt) << 1
            | u64::from(note.whole);
        let slot = HEADER + thread * LOG + usize::try_from(at).unwrap() % LOG;
        self.word(slot).store(word, Ordering::SeqCst);
        self.commit(thread, at + 1);
    }

    /// Takes what a thread has noted since.
    pub fn take(&self, thread: usize) -> Vec<Note> {
        let from = self.of(thread, 2).load(Ordering::SeqCst);
        let to = self.count(thread);
        let notes = (from..to).map(|at| {
            let slot = HEADER + thread * LOG + usize::try_from(at).unwrap() % LOG;
            let word = self.word(slot).load(Ordering::SeqCst);
            Note {
                stream: word >> 40,
                number: word >> 2 & ((1 << 38) - 1),
                in_doubt: word & 2 != 0,
                whole: word & 1 != 0,
            }
        });
        let notes = notes.collect();
        self.of(thread, 2).store(to, Ordering::SeqCst);
        notes
    }
}
