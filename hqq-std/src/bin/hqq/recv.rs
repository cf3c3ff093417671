//! `hqq recv`: messages to standard output.

use std::fs::File;
use std::io::{IsTerminal, Write, stdout};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use hqq_std::{Format, LinkOptions, Receiver, RecvError, TryRecvError};

use crate::failure::Failure;
use crate::large;
use crate::open::{Buffers, Create, Kind, Opened, RETRY, SameKind, Target, seconds};
use crate::progress::Progress;
use crate::signals::{self, SLICE};

/// Write messages to standard output
///
/// Ends when the sender has closed its half and everything was received, or after --count
/// messages. In format 1, which has no end-of-file, it ends when something was received and then
/// nothing for --wait seconds, unless --count or --timeout is given.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    create: Create,
    /// End after this many messages (buffers are --buffers here)
    #[arg(long, value_name = "MESSAGES", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Fail when no message comes for this many seconds [default: --wait until a sender is there,
    /// then none]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// Messages of any length, as `hqq send --large` sends them; one, unless --count says more: then of
    /// the senders that come one after the other, for each of which it waits for --wait seconds (in
    /// format 1, which does not tell when one has left, for the next one without end)
    #[arg(long, conflicts_with_all = ["lines", "timeout"])]
    large: bool,
    /// Write a newline after each message
    #[arg(long)]
    lines: bool,
    /// Buffers in each direction, a power of two from 2 to 16384 (2^20 in format 1) [default when
    /// creating: 64]
    #[arg(long)]
    buffers: Option<usize>,
    /// Bytes in a buffer, a multiple of 8 [default when creating: 16384]
    #[arg(long, value_name = "BYTES")]
    size: Option<usize>,
    #[command(flatten)]
    kind: Kind,
}

impl Args {
    fn options(&self) -> LinkOptions {
        let Self { buffers, size, .. } = *self;
        let buffers = Buffers {
            count: buffers,
            size,
        };
        self.kind.options(buffers)
    }
}

pub fn run(args: Args) -> Result<(), Failure> {
    let deadline = args.target.deadline();
    let Opened { link, created } = args.target.open(args.options(), args.create, deadline)?;
    if args.large {
        large::recv(link, &args.target, deadline, args.count.unwrap_or(1))?;
        drop(created);
        return Ok(());
    }
    // Closing the other direction tells a peer that receives, too, that nobody sends here.
    let (_, receiver) = link.split();
    let mut output = Output::new(receiver.max_message_size(), args.lines)?;
    let ends_unseen = receiver.format() == Format::V1;
    let mut patience = Patience {
        ends_unseen,
        waited_for: deadline,
        wait: args.target.wait,
        timeout: args.timeout,
        has_sender: false,
        receivers: SameKind::new(&args.target.name, receiver.role(), true),
        received: 0,
        quiet_since: Instant::now(),
    };
    let mut receiver = receiver;
    let count = args.count.unwrap_or(u64::MAX);
    let received = receive(&mut receiver, &mut output, &mut patience, count);
    // What was received is written whatever ended it.
    output.flush()?;
    received?;
    drop(created);
    Ok(())
}

/// Moves messages until `count` were moved or the sender has closed its half.
fn receive(
    receiver: &mut Receiver,
    output: &mut Output,
    patience: &mut Patience,
    count: u64,
) -> Result<(), Failure> {
    let mut received = 0_u64;
    while received < count {
        let len = match receiver.try_recv(output.room()?) {
            Ok(len) => len,
            Err(TryRecvError::Disconnected) if received > 0 || !patience.receivers.is_met() => {
                return Ok(());
            }
            Err(TryRecvError::Disconnected) => {
                signals::check()?;
                std::thread::sleep(RETRY);
                patience.has_sender = false;
                patience.check(receiver, received)?;
                continue;
            }
            Err(TryRecvError::PeerDead) => {
                signals::check()?;
                std::thread::sleep(RETRY);
                patience.check(receiver, received)?;
                continue;
            }
            Err(TryRecvError::Empty | TryRecvError::Busy) => {
                // Nobody waits for bytes that are here already.
                output.flush()?;
                signals::check()?;
                match receiver.recv_timeout(output.room()?, SLICE) {
                    Ok(len) => len,
                    // Looked at once more above.
                    Err(RecvError::Disconnected | RecvError::PeerDead) => continue,
                    Err(RecvError::TimedOut | RecvError::PeerStalled(_)) => {
                        output.progress.show();
                        patience.check(receiver, received)?;
                        if patience.is_taken_for_end(receiver, count) {
                            return Ok(());
                        }
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) => return Err(error.into()),
        };
        output.add(len);
        received += 1;
        if received == 1 {
            patience.look_for_sender(receiver, received);
        }
    }
    Ok(())
}

/// How long nothing may come.
struct Patience {
    /// The region does not tell when the sender has closed its half.
    ends_unseen: bool,
    /// When waiting for a sender ends.
    waited_for: Instant,
    wait: Duration,
    timeout: Option<Duration>,
    has_sender: bool,
    /// Peers that receive, too.
    receivers: SameKind,
    /// Messages received when that was looked at last, and when it was another number.
    received: u64,
    quiet_since: Instant,
}

impl Patience {
    /// Notes whether a sender is there, which what an earlier one left does not tell; says whether
    /// it died.
    fn look_for_sender(&mut self, receiver: &Receiver, received: u64) -> bool {
        let dead = receiver.is_peer_dead();
        if self.ends_unseen {
            // Only messages prove it.
            self.has_sender = received > 0;
        } else if receiver.is_peer_open() && !dead {
            self.has_sender = true;
            self.receivers.forget();
        }
        dead
    }

    /// Whether silence has to be taken for the end, where the format does not tell and nobody said
    /// what to wait for.
    fn is_taken_for_end(&self, receiver: &Receiver, count: u64) -> bool {
        let unsaid = self.timeout.is_none() && count == u64::MAX;
        let silent = self.quiet_since.elapsed() >= self.wait && !receiver.is_readable();
        let over = self.ends_unseen && unsaid && self.received > 0 && silent;
        if over {
            let wait = self.wait;
            eprintln!(
                "hqq: note: nothing came for {wait:?}, which is taken for the end: format 1 has no end-of-file"
            );
        }
        over
    }

    /// Fails when it is over, or nothing will ever come.
    fn check(&mut self, receiver: &Receiver, received: u64) -> Result<(), Failure> {
        if self.received != received {
            self.received = received;
            self.quiet_since = Instant::now();
        }
        // Messages are looked for after the sender, so that what it sent before it died counts.
        if self.look_for_sender(receiver, received) && self.has_sender && !receiver.is_readable() {
            return Err(Failure::Failed(
                "the sender died before it closed its half: what was received may be incomplete"
                    .to_owned(),
            ));
        }
        let (now, wait) = (Instant::now(), self.wait);
        match self.timeout {
            Some(timeout) if now.duration_since(self.quiet_since) >= timeout => {
                Err(Failure::Failed(format!("no message came for {timeout:?}")))
            }
            _ if !self.has_sender && now >= self.waited_for => {
                let also = if self.ends_unseen {
                    " (is the other end in the other role, see --role?)"
                } else if self.receivers.is_met() {
                    ", only another receiver"
                } else {
                    ""
                };
                Err(Failure::Failed(format!(
                    "no sender came within {wait:?}{also}"
                )))
            }
            _ => Ok(()),
        }
    }
}

/// Standard output behind a buffer that messages are received into.
struct Output {
    file: File,
    buffer: Vec<u8>,
    filled: usize,
    max: usize,
    lines: bool,
    progress: Progress,
}

impl Output {
    /// For messages of up to `max` bytes.
    fn new(max: usize, lines: bool) -> Result<Self, Failure> {
        let file: File = stdout()
            .as_fd()
            .try_clone_to_owned()
            .map_err(Failure::of_output)?
            .into();
        Ok(Self {
            progress: Progress::new(None, file.is_terminal()),
            file,
            buffer: vec![0; (max + 1).max(1 << 17)],
            filled: 0,
            max,
            lines,
        })
    }

    /// Room for a message; its newline fits after it.
    fn room(&mut self) -> Result<&mut [u8], Failure> {
        if self.buffer.len() - self.filled <= self.max {
            self.flush()?;
            signals::check()?;
        }
        let end = self.filled + self.max;
        Ok(self.buffer.get_mut(self.filled..end).unwrap_or_default())
    }

    /// Takes the first `len` bytes of the room.
    fn add(&mut self, len: usize) {
        self.filled += len;
        if self.lines
            && let Some(after) = self.buffer.get_mut(self.filled)
        {
            *after = b'\n';
            self.filled += 1;
        }
        self.progress.add(len);
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let filled = std::mem::take(&mut self.filled);
        let bytes = self.buffer.get(..filled).unwrap_or_default();
        self.file.write_all(bytes).map_err(Failure::of_output)
    }
}
