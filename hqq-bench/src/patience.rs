//! Waiting for the other process: spinning, bounded by its life and by time.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use hqq_core::{Wait, Waiting};

use crate::error::BenchError;

/// Longest wait for one step of the other process.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// Looks in vain between two looks at the clock: a fraction of a millisecond.
const LOOKS: u32 = 1 << 14;

/// How to spin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    /// Look again at once.
    None,
    /// Tell the core that this is a spin loop (`pause` on x86).
    SpinLoop,
}

/// Tells whether the other process lives.
pub(crate) trait Watch {
    /// # Errors
    /// The end of the other process.
    fn check(&mut self) -> Result<(), BenchError>;
}

/// What a process knows of the other one while it waits for it.
pub(crate) struct Patience<'a> {
    watch: &'a mut dyn Watch,
    /// Both processes share a core: spinning would only keep the other one from working.
    yields: bool,
    /// When the wait of a link's call began, and what it ended with.
    since: Option<Instant>,
    failure: Option<BenchError>,
}

impl<'a> Patience<'a> {
    pub(crate) fn new(watch: &'a mut dyn Watch, yields: bool) -> Self {
        Self {
            watch,
            yields,
            since: None,
            failure: None,
        }
    }

    /// Repeats `look` until it gives something.
    ///
    /// # Errors
    /// The other process has ended or has not moved for [`LIMIT`].
    #[inline]
    pub(crate) fn until<T>(
        &mut self,
        hint: Hint,
        mut look: impl FnMut() -> Option<T>,
    ) -> Result<T, BenchError> {
        let mut since = None;
        loop {
            for _ in 0..if self.yields { 1 } else { LOOKS } {
                if let Some(found) = look() {
                    return Ok(found);
                }
                if hint == Hint::SpinLoop {
                    std::hint::spin_loop();
                }
            }
            self.pause(&mut since)?;
        }
    }

    /// A wait of `hqq-core` that does the same, for one call.
    // Little to make: it is made for each message.
    #[inline]
    pub(crate) fn waiting(&mut self, hint: Hint) -> LinkWait<'_, 'a> {
        LinkWait {
            patience: self,
            hint,
        }
    }

    /// Between two looks at something that may still take a while; `since` is when waiting for it began.
    ///
    /// # Errors
    /// As [`Patience::until`].
    #[cold]
    pub(crate) fn pause(&mut self, since: &mut Option<Instant>) -> Result<(), BenchError> {
        if self.yields {
            std::thread::yield_now();
        }
        self.watch.check()?;
        if since.get_or_insert_with(Instant::now).elapsed() > LIMIT {
            return Err(BenchError::NoAnswer(LIMIT));
        }
        Ok(())
    }
}

/// See [`Patience::waiting`].
pub(crate) struct LinkWait<'a, 'b> {
    patience: &'a mut Patience<'b>,
    hint: Hint,
}

impl LinkWait<'_, '_> {
    /// What a call that timed out failed of: of this wait, or of `error`.
    pub(crate) fn explain(self, error: impl Into<BenchError>) -> BenchError {
        self.patience.failure.take().unwrap_or_else(|| error.into())
    }
}

impl Wait for LinkWait<'_, '_> {
    #[inline]
    fn wait(&mut self, waiting: &Waiting) -> ControlFlow<()> {
        if self.hint == Hint::SpinLoop {
            std::hint::spin_loop();
        }
        let patience = &mut *self.patience;
        if waiting.round == 1 {
            patience.since = None;
        }
        if !waiting.round.is_multiple_of(LOOKS) && !patience.yields {
            return ControlFlow::Continue(());
        }
        let mut since = patience.since;
        let paused = patience.pause(&mut since);
        patience.since = since;
        match paused {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                patience.failure = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}
