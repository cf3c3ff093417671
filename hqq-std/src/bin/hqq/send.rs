//! `hqq send`: standard input as messages.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

use hqq_std::{DrainError, Format, SendError, Sender};

use crate::failure::Failure;
use crate::input::{self, Input};
use crate::large;
use crate::open::{Create, Geometry, Opened, RETRY, SameKind, Target};
use crate::progress::Progress;
use crate::signals::{self, SLICE};
use crate::stall::Stall;

/// Send standard input as messages
///
/// A message is what one read gives, at most a buffer; with --lines it is a line without its
/// newline. Ends when the input has ended and a receiver has received every message; fails when
/// none receives any for --wait seconds.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    create: Create,
    /// One message for each line, empty ones included (which a region of format 1 refuses)
    #[arg(long)]
    lines: bool,
    /// All of the input as one message, of any length, for `hqq recv --large`
    #[arg(long, conflicts_with = "lines")]
    large: bool,
    #[command(flatten)]
    geometry: Geometry,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let deadline = args.target.deadline();
    let options = args.geometry.options();
    let Opened { link, created } = args.target.open(options, args.create, deadline)?;
    if args.large {
        large::send(link, deadline, args.target.wait)?;
        drop(created);
        return Ok(());
    }
    // Closing the other direction tells a peer that sends, too, that nobody listens here.
    let (sender, _) = link.split();
    let input = Input::new()?;
    let mut sending = Sending {
        progress: Progress::of_file(input.file()),
        senders: SameKind::new(&args.target.name, sender.role(), false),
        sender,
        wait: args.target.wait,
        sent: 0,
    };
    if sending.sender.unread() > 0 {
        eprintln!(
            "hqq: note: before these come {} of an earlier sender",
            sending.unread()
        );
    }
    if args.lines {
        send_lines(&mut sending, input)?;
    } else {
        send_reads(&mut sending, input)?;
    }
    sending.finish()?;
    drop(created);
    Ok(())
}

fn send_reads(sending: &mut Sending, mut input: Input) -> Result<(), Failure> {
    let mut buffer = vec![0; sending.sender.max_message_size()];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(len) => sending.send(buffer.get(..len).unwrap_or_default())?,
            Err(error) => return Err(input::failure(&error)),
        }
    }
}

fn send_lines(sending: &mut Sending, input: Input) -> Result<(), Failure> {
    let max = sending.sender.max_message_size();
    // A line that is too long is known by having a byte more than a buffer and its newline.
    let longest = max as u64 + 1;
    let mut input = BufReader::with_capacity(max.max(1 << 16), input);
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let read = (&mut input).take(longest).read_until(b'\n', &mut line);
        if read.map_err(|error| input::failure(&error))? == 0 {
            break;
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        if line.len() > max {
            return Err(Failure::Failed(format!(
                "line {number} has more than the {max} bytes of a buffer: make the region with a larger --size, or send without --lines ({})",
                sending.unread(),
            )));
        }
        if line.is_empty() && sending.sender.format() == Format::V1 {
            return Err(Failure::Failed(format!(
                "line {number} is empty, which format 1 cannot carry ({})",
                sending.unread(),
            )));
        }
        sending.send(&line)?;
    }
    Ok(())
}

/// Messages on their way.
struct Sending {
    sender: Sender,
    /// Peers that send, too.
    senders: SameKind,
    progress: Progress,
    /// How long the receiver may receive nothing while this end waits for it.
    wait: Duration,
    sent: u64,
}

impl Sending {
    fn send(&mut self, message: &[u8]) -> Result<(), Failure> {
        let mut stall = Stall::default();
        loop {
            signals::check()?;
            match self.sender.send_timeout(message, SLICE) {
                Ok(()) => break,
                Err(SendError::TimedOut | SendError::PeerStalled(_)) => {
                    self.check(&mut stall, " and the rest of the input not sent")?
                }
                Err(SendError::PeerDead) => {
                    std::thread::sleep(RETRY);
                    self.check(&mut stall, " and the rest of the input not sent")?;
                }
                Err(SendError::Disconnected) if self.senders.is_met() => {
                    std::thread::sleep(RETRY);
                    self.check(&mut stall, " and the rest of the input not sent")?;
                }
                Err(SendError::Disconnected) => {
                    return Err(Failure::Failed(format!(
                        "the receiver has left: {} and the rest of the input not sent",
                        self.unread()
                    )));
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.sent += 1;
        self.progress.add(message.len());
        Ok(())
    }

    /// Waits until everything was received, and by somebody where there was nothing.
    fn finish(&mut self) -> Result<(), Failure> {
        let mut stall = Stall::default();
        loop {
            signals::check()?;
            match self.sender.wait_drained(Some(SLICE)) {
                Ok(()) if self.has_receiver() => return Ok(()),
                Ok(()) => {
                    std::thread::sleep(RETRY);
                    self.check(&mut stall, "")?;
                }
                Err(DrainError::Disconnected { .. }) if self.senders.is_met() => {
                    std::thread::sleep(RETRY);
                    self.check(&mut stall, "")?;
                }
                Err(DrainError::Disconnected { .. }) => {
                    return Err(Failure::Failed(format!(
                        "the receiver has left: {}",
                        self.unread()
                    )));
                }
                Err(DrainError::PeerDead { .. }) => {
                    std::thread::sleep(RETRY);
                    self.check(&mut stall, "")?;
                }
                Err(_) => self.check(&mut stall, "")?,
            }
        }
    }

    /// Whether a receiver is or was there.
    fn has_receiver(&mut self) -> bool {
        (self.sender.is_peer_closed() && !self.senders.is_met())
            || (self.sender.is_peer_open() && !self.sender.is_peer_dead())
            || self.sent > 0
    }

    /// Fails when the receiver has received nothing for too long.
    fn check(&mut self, stall: &mut Stall<usize>, rest: &str) -> Result<(), Failure> {
        self.progress.show();
        if stall.lasts(self.sender.unread()) < self.wait {
            return Ok(());
        }
        let what = if self.sender.format() == Format::V1 {
            "nobody has received anything (is the other end in the other role, see --role?)"
        } else if self.sender.is_peer_open() && !self.sender.is_peer_dead() {
            "the receiver has received nothing"
        } else if self.senders.is_met() {
            "there was no receiver, only another sender,"
        } else {
            "there was no receiver"
        };
        let unread = self.unread();
        let wait = self.wait;
        Err(Failure::Failed(format!(
            "{what} for {wait:?}: {unread}{rest}"
        )))
    }

    fn unread(&self) -> Unread {
        Unread(self.sender.unread())
    }
}

/// How many messages wait, as a text.
struct Unread(usize);

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 message unread"),
            count => write!(f, "{count} messages unread"),
        }
    }
}
