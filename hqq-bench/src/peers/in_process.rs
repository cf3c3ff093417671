//! Queues between two threads of one process: the first one sends, on its core, and a thread on the
//! second core receives.

use std::array;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use crate::error::BenchError;
use crate::measure::{Measure, Nothing, Part, Place};
use crate::memory::Lines;
use crate::patience::{Hint, Patience, Watch};
use crate::process::Cores;
use crate::work::{Receiving, Sending, Sink, Source};

/// A message of `W` words, as a queue holds it: where it begins is up to the queue.
pub(crate) type Words<const W: usize> = [u64; W];

/// The same, which begins a cache line of its own. Which is faster depends on what a queue puts beside it.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Lined<const W: usize>(Words<W>);

impl<const W: usize> From<Words<W>> for Lined<W> {
    fn from(words: Words<W>) -> Self {
        Self(words)
    }
}

impl<const W: usize> From<Lined<W>> for Words<W> {
    fn from(lined: Lined<W>) -> Self {
        lined.0
    }
}

/// What a queue holds.
pub(crate) trait Item: Copy + Debug + Send + Sync + 'static {
    /// The message of a number.
    fn of(number: u64) -> Self;

    fn words(&self) -> &[u64];
}

impl<const W: usize> Item for Words<W> {
    #[inline]
    fn of(number: u64) -> Self {
        array::from_fn(|word| number + word as u64)
    }

    #[inline]
    fn words(&self) -> &[u64] {
        self
    }
}

impl<const W: usize> Item for Lined<W> {
    #[inline]
    fn of(number: u64) -> Self {
        Self(Item::of(number))
    }

    #[inline]
    fn words(&self) -> &[u64] {
        &self.0
    }
}

/// That these are the words of the message of a number.
#[inline]
pub(crate) fn check(measure: &'static str, words: &[u64], number: u64) -> Result<(), BenchError> {
    let mut differences = 0;
    for (word, number) in words.iter().zip(number..) {
        differences |= word ^ number;
    }
    if differences == 0 {
        Ok(())
    } else {
        Err(BenchError::Changed { measure })
    }
}

/// A queue, made by `make`, which is given the id for errors.
pub(crate) struct InProcess<S, K> {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) make: fn(&'static str) -> (S, K),
}

impl<S: Source + 'static, K: Sink + Send + 'static> Measure for InProcess<S, K> {
    fn id(&self) -> &'static str {
        self.id
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn first(&self, _: Lines) -> Result<Box<dyn Part>, BenchError> {
        let (source, sink) = (self.make)(self.id);
        Ok(Box::new(Near {
            measure: self.id,
            sending: Sending::new(source),
            worker: Worker::start(sink)?,
        }))
    }

    fn second(&self, _: Lines) -> Result<Box<dyn Part>, BenchError> {
        Ok(Box::new(Nothing))
    }

    fn place(&self) -> Place {
        Place::Alone
    }

    fn batch(&self) -> u32 {
        S::BATCH.max(K::BATCH)
    }
}

/// What the threads tell each other by spinning: how many orders were begun and done.
#[derive(Default)]
struct Progress {
    begun: AtomicU64,
    done: AtomicU64,
}

/// The receiving thread; it ends when this is dropped.
struct Worker {
    orders: Sender<u32>,
    results: Receiver<Result<(), BenchError>>,
    progress: Arc<Progress>,
    given: u64,
}

/// Threads of one process live and die together.
struct SameProcess;

impl Watch for SameProcess {
    fn check(&mut self) -> Result<(), BenchError> {
        Ok(())
    }
}

impl Worker {
    fn start<K: Sink + Send + 'static>(sink: K) -> Result<Self, BenchError> {
        let (orders, given) = mpsc::channel();
        let (told, results) = mpsc::channel();
        let progress = Arc::new(Progress::default());
        let cores = Cores::find()?;
        let ours = Arc::clone(&progress);
        let thread = thread::Builder::new().name("receiver".to_owned());
        let worker = move || {
            let mut receiving = Receiving::new(sink);
            let mut pinned = cores.pin_second();
            while let Ok(operations) = given.recv() {
                // Pairs with the Acquire in `begin`.
                ours.begun.fetch_add(1, Ordering::Release);
                let mut watch = SameProcess;
                let mut patience = Patience::new(&mut watch, cores.is_single());
                let result = std::mem::replace(&mut pinned, Ok(()));
                let result = result.and_then(|()| receiving.run(operations, &mut patience));
                // Pairs with the Acquire in `end`.
                ours.done.fetch_add(1, Ordering::Release);
                if told.send(result).is_err() {
                    return;
                }
            }
        };
        thread.spawn(worker).map_err(BenchError::Start)?;
        Ok(Self {
            orders,
            results,
            progress,
            given: 0,
        })
    }

    fn until(&self, count: &AtomicU64) -> Result<(), BenchError> {
        let mut watch = SameProcess;
        let mut patience = Patience::new(&mut watch, false);
        patience.until(Hint::SpinLoop, || {
            // Pairs with the Release of the worker.
            (count.load(Ordering::Acquire) == self.given).then_some(())
        })
    }
}

/// The sending half.
struct Near<S> {
    measure: &'static str,
    sending: Sending<S>,
    worker: Worker,
}

impl<S: Source> Part for Near<S> {
    fn begin(&mut self, operations: u32) -> Result<(), BenchError> {
        let measure = self.measure;
        self.worker.given += 1;
        let ordered = self.worker.orders.send(operations);
        ordered.map_err(|_| BenchError::ThreadEnded { measure })?;
        self.worker.until(&self.worker.progress.begun)
    }

    fn run(&mut self, operations: u32, _: &mut Patience<'_>) -> Result<(), BenchError> {
        // The other process sleeps, and has nothing to do with it.
        let mut watch = SameProcess;
        self.sending
            .run(operations, &mut Patience::new(&mut watch, false))
    }

    fn end(&mut self) -> Result<(), BenchError> {
        self.worker.until(&self.worker.progress.done)?;
        let measure = self.measure;
        let told = self.worker.results.recv();
        told.map_err(|_| BenchError::ThreadEnded { measure })?
    }
}
