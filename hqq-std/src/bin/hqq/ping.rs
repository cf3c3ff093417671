//! `hqq ping`: round-trip times through `hqq echo`.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use hqq_std::{Format, LinkOptions, RecvError, SendError, StandardLink, TryRecvError};
use serde::Serialize;

use crate::failure::Failure;
use crate::open::{Create, Opened, RETRY, Target};
use crate::output;
use crate::rtt::{RoundTrips, Summary};
use crate::signals::{self, SLICE};

/// Pings before those that are measured: they bring code and memory into the caches.
const WARM_UP: u64 = 100;
/// Bytes of a message that say whose it is and which one.
const HEADER: usize = 16;

/// Measure round-trip times through `hqq echo`
///
/// Answers to an earlier client that are still there are dropped. Each answer may take --wait
/// seconds.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// How many pings
    #[arg(long, value_name = "PINGS", default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// Bytes in a message, 16 to the size of the region's buffers
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    #[arg(value_parser = message_size)]
    size: usize,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn message_size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(size) if size >= HEADER => Ok(size),
        _ => Err(format!("give a number of bytes, {HEADER} or more")),
    }
}

/// What was measured.
#[derive(Serialize)]
struct Report<'a> {
    region: &'a str,
    count: u64,
    size: usize,
    leftovers: u64,
    rtt_us: Summary,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let deadline = args.target.deadline();
    let never = Create { create: false };
    let Opened { link, .. } = args.target.open(LinkOptions::new(), never, deadline)?;
    let mut client = Client::new(link, &args)?;
    client.wait_for_peer(deadline)?;
    let warm_up = WARM_UP.min(args.count);
    let mut times = RoundTrips::new()?;
    for sequence in 0..warm_up {
        client.ping(sequence)?;
    }
    for sequence in 0..args.count {
        times.add(client.ping(warm_up.wrapping_add(sequence))?);
    }
    let report = Report {
        region: &args.target.name,
        count: args.count,
        size: args.size,
        leftovers: client.leftovers,
        rtt_us: times.summary(),
    };
    if args.json {
        return output::json(&report);
    }
    let Report {
        region,
        count,
        size,
        leftovers,
        rtt_us,
    } = report;
    let mut text = format!("{count} pings of {size} bytes through {region}: {rtt_us}\n");
    if leftovers > 0 {
        text += &format!("left over from an earlier client and dropped: {leftovers}\n");
    }
    output::text(&text)
}

/// The asking end.
struct Client {
    link: StandardLink,
    session: u64,
    message: Vec<u8>,
    answer: Vec<u8>,
    /// Messages that were none of this session's.
    leftovers: u64,
    /// A peer has died, and the next one was asked what that one was.
    asked_again: bool,
    wait: Duration,
}

impl Client {
    fn new(mut link: StandardLink, args: &Args) -> Result<Self, Failure> {
        let max = link.receiver().max_message_size();
        let size = args.size;
        if size > max {
            return Err(Failure::Failed(format!(
                "--size {size} is more than the {max} bytes of this region's buffers: give a smaller one"
            )));
        }
        // Random for each process, as the keys of a hash map.
        let session = RandomState::new().build_hasher().finish();
        let mut message: Vec<u8> = (0..=u8::MAX).cycle().take(size).collect();
        put(&mut message, 0, session);
        Ok(Self {
            link,
            session,
            message,
            answer: vec![0; max],
            leftovers: 0,
            asked_again: false,
            wait: args.target.wait,
        })
    }

    fn wait_for_peer(&mut self, deadline: Instant) -> Result<(), Failure> {
        let sender = self.link.sender();
        while !sender.is_peer_open() || sender.is_peer_dead() {
            signals::check()?;
            if Instant::now() >= deadline {
                let wait = self.wait;
                return Err(Failure::Failed(format!(
                    "no peer came within {wait:?}: start `hqq echo` on this region"
                )));
            }
            std::thread::sleep(RETRY);
        }
        Ok(())
    }

    /// Sends a message and waits for its answer; once more with the next peer where this one dies.
    fn ping(&mut self, sequence: u64) -> Result<Duration, Failure> {
        put(&mut self.message, 8, sequence);
        loop {
            if let Some(time) = self.try_ping(sequence)? {
                return Ok(time);
            }
            eprintln!(
                "hqq: note: the peer died before it answered ping {sequence}: waiting for the next one"
            );
            self.asked_again = true;
            self.wait_for_peer(Instant::now() + self.wait)?;
        }
    }

    /// As [`Client::ping`]; `None` where the peer dies first.
    fn try_ping(&mut self, sequence: u64) -> Result<Option<Duration>, Failure> {
        let started = Instant::now();
        loop {
            signals::check()?;
            match self.link.send_timeout(&self.message, SLICE) {
                Ok(()) => break,
                // Leftovers may be what keeps the peer from going on.
                Err(SendError::TimedOut | SendError::PeerStalled(_)) => self.drop_leftovers()?,
                Err(SendError::PeerDead) => return Ok(None),
                Err(SendError::Disconnected) => return Err(left(sequence)),
                Err(error) => return Err(error.into()),
            }
            self.check(sequence, started)?;
        }
        loop {
            match self.link.recv_timeout(&mut self.answer, SLICE) {
                Ok(len) => {
                    let time = started.elapsed();
                    let answer = self.answer.get(..len).unwrap_or_default();
                    if answer == self.message {
                        return Ok(Some(time));
                    }
                    // A peer that died may have been asked the same before.
                    if get(answer, 0) == Some(self.session) && !self.asked_again {
                        return Err(Failure::Failed(format!(
                            "the answer to ping {sequence} differs from it: is the other end `hqq echo`?"
                        )));
                    }
                    self.leftovers += 1;
                }
                Err(RecvError::TimedOut | RecvError::PeerStalled(_)) => {}
                Err(RecvError::PeerDead) => return Ok(None),
                Err(RecvError::Disconnected) => return Err(left(sequence)),
                Err(error) => return Err(error.into()),
            }
            signals::check()?;
            self.check(sequence, started)?;
        }
    }

    /// Takes what is there before a message of this session was sent.
    fn drop_leftovers(&mut self) -> Result<(), Failure> {
        loop {
            match self.link.receiver().try_recv(&mut self.answer) {
                Ok(_) => self.leftovers += 1,
                Err(
                    TryRecvError::Empty
                    | TryRecvError::Busy
                    | TryRecvError::Disconnected
                    | TryRecvError::PeerDead,
                ) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Fails when an answer takes too long.
    fn check(&self, sequence: u64, started: Instant) -> Result<(), Failure> {
        let wait = self.wait;
        if started.elapsed() < wait {
            return Ok(());
        }
        let hint = match self.link.format() {
            Format::V1 => ", in the other role (see --role)",
            Format::V2 => "",
        };
        Err(Failure::Failed(format!(
            "no answer to ping {sequence} within {wait:?}: is the other end `hqq echo`{hint}?"
        )))
    }
}

fn left(sequence: u64) -> Failure {
    Failure::Failed(format!(
        "the peer has left before it answered ping {sequence}"
    ))
}

fn put(message: &mut [u8], at: usize, value: u64) {
    if let Some(field) = message.get_mut(at..at + 8) {
        field.copy_from_slice(&value.to_le_bytes());
    }
}

fn get(message: &[u8], at: usize) -> Option<u64> {
    let field = message.get(at..at + 8)?;
    Some(u64::from_le_bytes(field.try_into().ok()?))
}
