//! What can be measured, and what each process does of it.

use crate::error::BenchError;
use crate::memory::Lines;
use crate::patience::Patience;

/// Places of a ring or a queue, where a row does not say otherwise.
pub(crate) const DEPTH: usize = 256;
/// What competes with that where messages go one way. Here a message becomes much cheaper once more than 128 KiB
/// are in use from end to end of a ring.
pub(crate) const DEEP: usize = 2048;
/// The same for what takes half as much room: messages of a word, and items without a slot of their own.
pub(crate) const DEEPER: usize = 4096;

/// What one process does of a measure.
pub(crate) trait Part {
    /// Gets ready to do this many operations, where that needs more than the other process.
    ///
    /// # Errors
    /// [`BenchError`].
    fn begin(&mut self, _operations: u32) -> Result<(), BenchError> {
        Ok(())
    }

    /// Does `operations` of it, together with the part of the other process.
    ///
    /// # Errors
    /// [`BenchError`], within the bounds of `patience`.
    fn run(&mut self, operations: u32, patience: &mut Patience<'_>) -> Result<(), BenchError>;

    /// Waits until everything that was begun is done.
    ///
    /// # Errors
    /// [`BenchError`].
    fn end(&mut self) -> Result<(), BenchError> {
        Ok(())
    }

    /// What an operation of the last run came to, where that is not the time from its start to its
    /// end.
    fn figure(&mut self) -> Option<f64> {
        None
    }
}

/// Where the work of a measure is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// Each process on a core of its own.
    #[default]
    TwoCores,
    /// Both processes on the first core.
    OneCore,
    /// In the first process alone; the second one sleeps.
    Alone,
}

/// Something that is done and timed by the first process.
pub(crate) trait Measure {
    /// For programs: never changes.
    fn id(&self) -> &'static str;

    /// For people.
    fn name(&self) -> &'static str;

    /// Lines of shared memory it needs.
    fn lines(&self) -> Result<usize, BenchError> {
        Ok(0)
    }

    /// The part of the first process, made before the second one starts.
    fn first(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError>;

    /// The part of the second process.
    fn second(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError>;

    /// Where it is done.
    fn place(&self) -> Place {
        Place::TwoCores
    }

    /// Operations that only go together.
    fn batch(&self) -> u32 {
        1
    }

    /// The most operations of a turn, where time is not what limits them.
    fn most(&self) -> u32 {
        u32::MAX
    }
}

/// The part of a process that has nothing to do.
pub(crate) struct Nothing;

impl Part for Nothing {
    fn run(&mut self, _: u32, _: &mut Patience<'_>) -> Result<(), BenchError> {
        Ok(())
    }
}

/// A name that is put together, for as long as the program runs: there are some hundred of them.
pub(crate) fn named(name: String) -> &'static str {
    name.leak()
}
