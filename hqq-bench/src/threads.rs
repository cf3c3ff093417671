//! Many threads of one process that send to many others, through whatever there is to send through.

use std::any::Any;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Barrier};
use std::thread;
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
    type Put: Put + 'static;
    type Get: Get + 'static;

    fn put(&self) -> Self::Put;
    fn get(&self) -> Self::Get;
}

/// Makes something that threads share.
pub(crate) type Make<C> = fn() -> Result<C, BenchError>;

/// As many threads that send as threads that receive, half of each on either core, in the first process.
pub(crate) struct Threads<C> {
    id: &'static str,
    name: &'static str,
    /// On either side.
    threads: usize,
    make: Make<C>,
}

impl<C: Crowd> Threads<C> {
    /// `id` and `name` are completed with the number of threads.
    pub(crate) fn new(id: &str, name: &str, threads: usize, make: Make<C>) -> Self {
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

    fn first(&self, _: Lines) -> Result<Box<dyn Part>, BenchError> {
        let crowd = (self.make)()?;
        Ok(Box::new(Crowded::start(self.id, self.threads, crowd)?))
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

/// What one thread did of a turn.
struct Done {
    /// Of the numbers that came.
    sum: u64,
    began: Instant,
    ended: Instant,
}

/// A thread that lives as long as its row, and sleeps from one turn to the next.
struct Worker {
    /// How many messages each thread is to send or receive.
    orders: Sender<u64>,
    done: Receiver<Result<Done, BenchError>>,
}

impl Worker {
    /// `work` is given the number of messages.
    fn start(
        cores: Cores,
        on_first: bool,
        begin: Arc<Barrier>,
        mut work: impl FnMut(u64) -> Result<u64, BenchError> + Send + 'static,
    ) -> Result<Self, BenchError> {
        let (orders, given) = mpsc::channel();
        let (told, done) = mpsc::channel();
        let run = move || {
            let mut pinned = if on_first {
                cores.pin_first()
            } else {
                cores.pin_second()
            };
            while let Ok(count) = given.recv() {
                begin.wait();
                let began = Instant::now();
                let pinned = std::mem::replace(&mut pinned, Ok(()));
                let result = pinned.and_then(|()| work(count)).map(|sum| Done {
                    sum,
                    began,
                    ended: Instant::now(),
                });
                if told.send(result).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("crowd".to_owned());
        thread.spawn(run).map_err(BenchError::Start)?;
        Ok(Self { orders, done })
    }
}

struct Crowded {
    measure: &'static str,
    threads: usize,
    workers: Vec<Worker>,
    /// Open for as long as they use it.
    _crowd: Box<dyn Any>,
    figure: Option<f64>,
}

impl Crowded {
    /// Half of those who send and half of those who receive are on either core, so that both cores work
    /// from the first message to the last; left to itself, the system spreads threads later than most turns end.
    fn start<C: Crowd>(
        measure: &'static str,
        threads: usize,
        crowd: C,
    ) -> Result<Self, BenchError> {
        let cores = Cores::find()?;
        let begin = Arc::new(Barrier::new(2 * threads));
        let mut workers = Vec::new();
        for index in 0..threads as u64 {
            let (mut put, mut get) = (crowd.put(), crowd.get());
            let is_even = index.is_multiple_of(2);
            workers.push(Worker::start(
                cores,
                is_even,
                Arc::clone(&begin),
                move |count| {
                    send(&mut put, numbers(index, count))?;
                    Ok(0)
                },
            )?);
            workers.push(Worker::start(
                cores,
                !is_even,
                Arc::clone(&begin),
                move |count| receive(&mut get, count, measure),
            )?);
        }
        Ok(Self {
            measure,
            threads,
            workers,
            _crowd: Box::new(crowd),
            figure: None,
        })
    }
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

impl Part for Crowded {
    fn run(&mut self, operations: u32, _: &mut Patience<'_>) -> Result<(), BenchError> {
        let measure = self.measure;
        let ended = || BenchError::ThreadEnded { measure };
        let each = u64::from(operations) / self.threads as u64;
        for worker in &self.workers {
            worker.orders.send(each).map_err(|_| ended())?;
        }
        let (mut sum, mut span) = (0, None);
        for worker in &self.workers {
            let done = worker.done.recv().map_err(|_| ended())??;
            sum += done.sum;
            let (first, last) = span.unwrap_or((done.began, done.ended));
            span = Some((first.min(done.began), last.max(done.ended)));
        }
        let sent: u64 = (0..each * self.threads as u64).sum();
        if sum != sent {
            return Err(BenchError::Changed { measure });
        }
        self.figure =
            span.map(|(began, ended)| (ended - began).as_secs_f64() * 1e9 / f64::from(operations));
        Ok(())
    }

    fn figure(&mut self) -> Option<f64> {
        self.figure.take()
    }
}
