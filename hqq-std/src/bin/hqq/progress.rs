//! How far a long transfer is, on a terminal.

use std::fs::File;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use rustix::process::getpgrp;
use rustix::termios::tcgetpgrp;

/// Shorter transfers show nothing.
const PATIENCE: Duration = Duration::from_millis(500);
/// The bar is told about this many bytes at a time.
const STEP: u64 = 1 << 20;

const OF_TOTAL: &str = "{bytes} of {total_bytes} {wide_bar} {bytes_per_sec}, {eta} left";
const OF_UNKNOWN: &str = "{spinner} {bytes} in {elapsed}, {bytes_per_sec}";

/// Bytes moved, and a bar once that takes a while.
pub struct Progress {
    total: Option<u64>,
    started: Instant,
    moved: u64,
    /// `moved` at which to look at the clock again.
    next: u64,
    bar: Option<ProgressBar>,
    wanted: bool,
}

impl Progress {
    /// For a transfer of `total` bytes, where that is known. Shows nothing unless standard error
    /// is a terminal that this process is in the foreground of, and `data_on_terminal` is false.
    pub fn new(total: Option<u64>, data_on_terminal: bool) -> Self {
        Self {
            total,
            started: Instant::now(),
            moved: 0,
            next: 0,
            bar: None,
            wanted: has_terminal() && !data_on_terminal,
        }
    }

    /// For what is read from `file`: its length is the total where it is a plain file.
    pub fn of_file(file: &File) -> Self {
        let length = file.metadata().ok().filter(|metadata| metadata.is_file());
        Self::new(length.map(|metadata| metadata.len()), file.is_terminal())
    }

    /// Notes `bytes` more.
    #[inline]
    pub fn add(&mut self, bytes: usize) {
        self.moved += bytes as u64;
        if self.moved >= self.next {
            self.show();
        }
    }

    /// Shows what has moved up to now, also where nothing moves.
    #[cold]
    pub fn show(&mut self) {
        self.next = self.moved + STEP;
        if !self.wanted || self.started.elapsed() < PATIENCE {
            return;
        }
        let (total, started) = (self.total, self.started);
        let bar = self.bar.get_or_insert_with(|| bar(total, started));
        bar.set_position(self.moved);
        bar.tick();
    }
}

/// Whether standard error is a terminal that is ours to draw on: the other end of the link often
/// runs in the background of the same one.
fn has_terminal() -> bool {
    stderr().is_terminal() && tcgetpgrp(stderr()).is_ok_and(|group| group == getpgrp())
}

fn bar(total: Option<u64>, started: Instant) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), OF_TOTAL),
        None => (ProgressBar::no_length(), OF_UNKNOWN),
    };
    bar.set_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar.with_elapsed(started.elapsed())
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
