//! Many threads of one process that send to many others, through whatever there is to send through.

use std::sync::Barrier;
use std::thread::{self, ScopedJoinHandle};
use std::time::Instant;

use crate::error::BenchError;
use crate::measure::{Measure, Nothing, Part, Place, named};
use crate::memory::Lines;
use crate::patience::Patience;
use crate::process::Cores;

/// Words in a message: 64 bytes.
pub(crate) const WORDS: usize = 8;
/// A message.
pub(crate) type Item = [u64; WORDS];

/// What a sending thread has.
pub(crate) trait Put: Send {
    /// Sends, waiting for room as long as it takes.
    ///
    /// # Errors
    /// [`BenchError`].
    fn put(&mut self, item: &Item) -> Result<(), BenchError>;
}

/// What a receiving thread has.
pub(crate) trait Get: Send {
    /// Receives, waiting as long as it takes.
    ///
    /// # Errors
    /// [`BenchError`].
    fn get(&mut self) -> Result<Item, BenchError>;
}

/// Something that threads share.
pub(crate) trait Crowd: 'static {
    type Put: Put;
    type Get: Get;

    fn put(&self) -> Self::Put;
    fn get(&self) -> Self::Get;
}

/// As many threads that send as threads that receive, on two cores, in the first process.
pub(crate) struct Threads<C> {
    id: &'static str,
    name: &'static str,
    /// On either side.
    threads: usize,
    make: fn() -> Result<C, BenchError>,
}

impl<C: Crowd> Threads<C> {
    /// `id` and `name` are completed with the number of threads.
    pub(crate) fn new(
        id: &str,
        name: &str,
        threads: usize,
        make: fn() -> Result<C, BenchError>,
    ) -> Self {
        Self {
            id: named(format!("{id}-{threads}x{threads}-threads")),
            name: named(format!("{name}, {threads}+{threads} threads, 64 bytes")),
            threads,
            make,
        }
    }
}

impl<C: Crowd> Measure for Threads<C> {
    fn id(&self) -> &'static str {
        self.id
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn lines(&self) -> Result<usize, BenchError> {
        Ok(0)
    }

    fn first(&self, _: Lines) -> Result<Box<dyn Part>, BenchError> {
        Ok(Box::new(Crowded {
            measure: self.id,
            threads: self.threads,
            crowd: (self.make)()?,
            cores: Cores::find()?,
            figure: None,
        }))
    }

    fn second(&self, _: Lines) -> Result<Box<dyn Part>, BenchError> {
        Ok(Box::new(Nothing))
    }

    fn place(&self) -> Place {
        Place::Alone
    }

    fn batch(&self) -> u32 {
        self.threads as u32
    }
}

struct Crowded<C> {
    measure: &'static str,
    threads: usize,
    crowd: C,
    cores: Cores,
    figure: Option<f64>,
}

/// The numbers that one sender's messages begin with.
fn numbers(sender: u64, count: u64) -> std::ops::Range<u64> {
    sender * count..(sender + 1) * count
}

fn send(put: &mut impl Put, numbers: std::ops::Range<u64>) -> Result<(), BenchError> {
    for number in numbers {
        let mut item = [0; WORDS];
        for (word, number) in item.iter_mut().zip(number..) {
            *word = number;
        }
        put.put(&item)?;
    }
    Ok(())
}

/// The sum of the numbers that came.
fn receive(get: &mut impl Get, count: u64, measure: &'static str) -> Result<u64, BenchError> {
    let mut sum = 0;
    for _ in 0..count {
        let item = get.get()?;
        let first = item[0];
        let mut differences = 0;
        for (word, number) in item.iter().zip(first..) {
            differences |= word ^ number;
        }
        if differences != 0 {
            return Err(BenchError::Changed { measure });
        }
        sum += first;
    }
    Ok(sum)
}

impl<C: Crowd> Part for Crowded<C> {
    fn run(&mut self, operations: u32, _: &mut Patience<'_>) -> Result<(), BenchError> {
        let measure = self.measure;
        let (cores, threads) = (self.cores, self.threads);
        let each = u64::from(operations) / threads as u64;
        let barrier = &Barrier::new(2 * threads + 1);
        let (sum, elapsed) = thread::scope(|scope| {
            let mut senders = Vec::new();
            let mut receivers = Vec::new();
            for index in 0..threads as u64 {
                let (mut put, mut get) = (self.crowd.put(), self.crowd.get());
                senders.push(scope.spawn(move || {
                    let unpinned = cores.unpin();
                    barrier.wait();
                    unpinned?;
                    send(&mut put, numbers(index, each))
                }));
                receivers.push(scope.spawn(move || {
                    let unpinned = cores.unpin();
                    barrier.wait();
                    unpinned?;
                    receive(&mut get, each, measure)
                }));
            }
            barrier.wait();
            let start = Instant::now();
            let mut sum = 0;
            for sender in senders {
                join(sender, measure)?;
            }
            for receiver in receivers {
                sum += join(receiver, measure)?;
            }
            Ok::<_, BenchError>((sum, start.elapsed()))
        })?;
        let sent: u64 = (0..each * threads as u64).sum();
        if sum != sent {
            return Err(BenchError::Changed { measure });
        }
        self.figure = Some(elapsed.as_secs_f64() * 1e9 / f64::from(operations));
        Ok(())
    }

    fn figure(&mut self) -> Option<f64> {
        self.figure.take()
    }
}

fn join<T>(
    thread: ScopedJoinHandle<'_, Result<T, BenchError>>,
    measure: &'static str,
) -> Result<T, BenchError> {
    thread
        .join()
        .map_err(|_| BenchError::ThreadEnded { measure })?
}
