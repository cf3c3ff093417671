//! `--large` of `hqq send` and `hqq recv`: all of standard input as one message.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hqq_core::packet::Features;
use hqq_std::advanced::error::{LinkFailure, NegotiationError, ReceiveError, TransferError};
use hqq_std::{AdvancedLink, Incoming, StandardLink};

use crate::failure::Failure;
use crate::input::{self, Input};
use crate::open::{Target, streaming};
use crate::output;
use crate::progress::Progress;
use crate::signals::{self, SLICE};
use crate::stall::Stall;

/// Waits until a peer is attached.
pub fn wait_for_peer(link: &AdvancedLink, deadline: Instant, hint: &str) -> Result<(), Failure> {
    while !link.wait_for_peer(Some(SLICE)) {
        signals::check()?;
        if Instant::now() >= deadline {
            return Err(Failure::Failed(format!("no peer came in time: {hint}")));
        }
    }
    Ok(())
}

/// Bytes that are left in a plain file.
pub fn length(mut file: &File) -> Option<u64> {
    let metadata = file.metadata().ok().filter(|metadata| metadata.is_file())?;
    metadata.len().checked_sub(file.stream_position().ok()?)
}

/// A reader that shows how much of it was read, and whether it is being read.
struct Shown<'a, R> {
    reader: R,
    progress: Progress,
    reads: &'a Reads,
}

impl<R: Read> Read for Shown<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads.turn();
        let read = self.reader.read(buffer);
        self.reads.turn();
        let read = read?;
        self.progress.add(read);
        Ok(read)
    }
}

/// Counts beginnings and ends of reads: what was read is being sent while that is even.
#[derive(Default)]
struct Reads(AtomicU64);

// Relaxed, both: looked at now and then, and nothing else hangs on it.
impl Reads {
    fn turn(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Does `send` for as long as the receiver takes something every `wait`, but for when input is waited for,
/// and no signal comes.
fn while_received(
    link: &AdvancedLink,
    reads: &Reads,
    wait: Duration,
    send: impl FnOnce() -> Result<u64, TransferError>,
) -> Result<(), Failure> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut stall = Stall::default();
            // Relaxed: only ends the watching.
            while !over.load(Ordering::Relaxed) {
                let count = reads.count();
                let stands_still = stall.lasts((count, link.unread())) >= wait;
                let is_stalled = stands_still && count > 0 && count.is_multiple_of(2);
                if is_stalled || signals::check().is_err() {
                    // Which ends the sending.
                    link.close();
                    return is_stalled;
                }
                std::thread::park_timeout(SLICE);
            }
            false
        });
        let sent = send();
        // Relaxed: as above.
        over.store(true, Ordering::Relaxed);
        watcher.thread().unpark();
        let is_stalled = watcher.join().unwrap_or(false);
        signals::check()?;
        if is_stalled {
            return Err(stalled(wait, "not all of the message was sent"));
        }
        sent?;
        Ok(())
    })
}

fn stalled(wait: Duration, rest: &str) -> Failure {
    Failure::Failed(format!(
        "the receiver has received nothing for {wait:?}: {rest}"
    ))
}

/// Sends standard input as one message, to a receiver that may stand still for `wait`.
pub fn send(link: StandardLink, deadline: Instant, wait: Duration) -> Result<(), Failure> {
    let link = AdvancedLink::new(link, streaming());
    wait_for_peer(&link, deadline, "start `hqq recv --large` on this region")?;
    let agreement = link.negotiate(Some(deadline))?;
    let input = Input::new()?;
    let progress = Progress::of_file(input.file());
    let len = length(input.file());
    let reads = &Reads::default();
    if len.is_some() || agreement.features.contains(Features::UNKNOWN_SIZE) {
        let reader = Shown {
            reader: input,
            progress,
            reads,
        };
        while_received(&link, reads, wait, || link.send_stream(reader, len))?;
    } else {
        let (reader, len) = input::with_length(input)?;
        let reader = Shown {
            reader,
            progress,
            reads,
        };
        while_received(&link, reads, wait, || link.send_stream(reader, Some(len)))?;
    }
    let mut stall = Stall::default();
    while !link.wait_drained(Instant::now().checked_add(SLICE)) {
        signals::check()?;
        if !link.wait_for_peer(Some(SLICE)) {
            return Err(Failure::Failed(
                "the receiver left before it had received everything".to_owned(),
            ));
        }
        if stall.lasts(link.unread()) >= wait {
            return Err(stalled(wait, "not all of the message was received"));
        }
    }
    Ok(())
}

/// Writes the next `count` messages to standard output: of a sender, and of those that come after it.
pub fn recv(
    link: StandardLink,
    target: &Target,
    deadline: Instant,
    count: u64,
) -> Result<(), Failure> {
    // Where one follows at once, or the last one's leaving is not told (format 1), its offer is what is seen.
    let link = AdvancedLink::new(link, streaming().successors(count > 1));
    meet_sender(&link, deadline)?;
    let mut received = 0;
    while received < count {
        signals::check()?;
        match link.receive_stream(Instant::now().checked_add(SLICE)) {
            Ok(Incoming::Plain { mut body, .. }) => {
                let mut progress = Progress::new(body.len(), false);
                let broken = |error| Failure::Failed(format!("the message broke off: {error}"));
                output::copy(&mut body, |read| progress.add(read), broken)?;
                received += 1;
            }
            Ok(_) | Err(ReceiveError::TimedOut) => {}
            // Each sends one, and leaves.
            Err(ReceiveError::Link(LinkFailure::Disconnected)) if received > 0 => {
                link.renew();
                meet_sender(&link, target.deadline())?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Waits until a sender is there and has negotiated.
fn meet_sender(link: &AdvancedLink, deadline: Instant) -> Result<(), Failure> {
    wait_for_peer(link, deadline, "start `hqq send --large` on this region")?;
    loop {
        signals::check()?;
        match link.wait_for_negotiation(Instant::now().checked_add(SLICE)) {
            Ok(_) => return Ok(()),
            Err(NegotiationError::TimedOut) if Instant::now() < deadline => {}
            Err(error) => return Err(error.into()),
        }
    }
}
