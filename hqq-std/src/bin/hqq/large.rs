//! `--large` of `hqq send` and `hqq recv`: all of standard input as one message.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::time::Instant;

use hqq_core::packet::Features;
use hqq_std::advanced::error::{NegotiationError, ReceiveError};
use hqq_std::{AdvancedLink, Incoming, StandardLink};

use crate::failure::Failure;
use crate::input::{self, Input};
use crate::open::streaming;
use crate::output;
use crate::progress::Progress;
use crate::signals::{self, SLICE};

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

/// A reader that shows how much of it was read.
struct Shown<R> {
    reader: R,
    progress: Progress,
}

impl<R: Read> Read for Shown<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.progress.add(read);
        Ok(read)
    }
}

/// Sends standard input as one message.
pub fn send(link: StandardLink, deadline: Instant) -> Result<(), Failure> {
    let link = AdvancedLink::new(link, streaming());
    wait_for_peer(&link, deadline, "start `hqq recv --large` on this region")?;
    let agreement = link.negotiate(Some(deadline))?;
    let input = Input::new()?;
    let progress = Progress::of_file(input.file());
    let len = length(input.file());
    if len.is_some() || agreement.features.contains(Features::UNKNOWN_SIZE) {
        let reader = Shown {
            reader: input,
            progress,
        };
        link.send_stream(reader, len)?;
    } else {
        let (reader, len) = input::with_length(input)?;
        link.send_stream(Shown { reader, progress }, Some(len))?;
    }
    while !link.wait_drained(Instant::now().checked_add(SLICE)) {
        signals::check()?;
        if !link.wait_for_peer(Some(SLICE)) {
            return Err(Failure::Failed(
                "the receiver left before it had received everything".to_owned(),
            ));
        }
    }
    Ok(())
}

/// Writes the next `count` messages to standard output.
pub fn recv(link: StandardLink, deadline: Instant, count: u64) -> Result<(), Failure> {
    let link = AdvancedLink::new(link, streaming());
    wait_for_peer(&link, deadline, "start `hqq send --large` on this region")?;
    loop {
        signals::check()?;
        match link.wait_for_negotiation(Instant::now().checked_add(SLICE)) {
            Ok(_) => break,
            Err(NegotiationError::TimedOut) if Instant::now() < deadline => {}
            Err(error) => return Err(error.into()),
        }
    }
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
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
