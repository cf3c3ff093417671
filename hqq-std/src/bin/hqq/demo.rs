//! `hqq demo`: two processes, a copy that is verified, a stream of small messages, and pings.

mod end;
pub mod peer;

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use hqq_std::{Role, StandardLink};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::failure::Failure;
use crate::open::Buffers;
use crate::output;
use crate::progress::Progress;
use crate::rtt::{RoundTrips, Summary};
use crate::signals;
use end::End;

/// Bytes copied where no file is given.
const MADE: u64 = 256 << 20;
/// Bytes that are read, copied and added to the checksum at a time.
const BATCH: usize = 4 << 20;
/// Small messages, at most; and for how long at most.
const STREAM: u64 = 1_000_000;
const STREAM_TIME: Duration = Duration::from_secs(1);
/// Pings of each size before those that are measured.
const WARM_UP: u64 = 100;
/// Bytes in a ping, where a buffer has that many.
const PINGS: [usize; 2] = [8, 64];
/// How long the other process may take to end.
const ENDING: Duration = Duration::from_secs(5);

/// Show a link between two processes: copy, verify, measure
///
/// Copies FILE through a link to another process, which must arrive at the same checksum; streams
/// small messages; and measures round-trip times. The region has no name: nothing is left behind.
#[derive(clap::Args)]
pub struct Args {
    /// What to copy [default: 256 MiB of random bytes]
    file: Option<PathBuf>,
    #[command(flatten)]
    buffers: Buffers,
    /// Pings of each size
    #[arg(long, value_name = "PINGS", default_value_t = 10_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pings: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What was measured.
#[derive(Serialize)]
struct Report<'a> {
    file: Option<&'a Path>,
    count: usize,
    size: usize,
    bytes: u64,
    messages: u64,
    /// Of the copying alone.
    mb_per_s: f64,
    /// With reading the file and both checksums.
    overall_mb_per_s: f64,
    sha256: String,
    checksum_match: bool,
    messages_per_s: f64,
    rtt_us: Vec<Pings>,
}

#[derive(Serialize)]
struct Pings {
    size: usize,
    pings: u64,
    #[serde(flatten)]
    times: Summary,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let source = Source::open(args.file.as_deref())?;
    let mut link = args.buffers.options().role(Role::Primary).anonymous()?;
    let (count, size) = (link.sender().capacity(), link.sender().max_message_size());
    let mut peer = Peer::start(&link)?;
    let mut end = End::new(link, |_| peer.check());
    end.wait_for_peer()?;
    let copied = copy(&mut end, source)?;
    let messages_per_s = stream(&mut end)?;
    let mut rtt_us = Vec::new();
    for size in PINGS.into_iter().filter(|ping| *ping <= size) {
        let times = ping(&mut end, size, args.pings)?;
        let pings = args.pings;
        rtt_us.push(Pings { size, pings, times });
    }
    drop(end);
    peer.finish()?;
    let report = Report {
        file: args.file.as_deref(),
        count,
        size,
        bytes: copied.bytes,
        messages: copied.messages,
        mb_per_s: megabytes(copied.bytes, copied.copying),
        overall_mb_per_s: megabytes(copied.bytes, copied.overall),
        sha256: copied.sha256,
        checksum_match: true,
        messages_per_s,
        rtt_us,
    };
    if args.json {
        output::json(&report)
    } else {
        output::text(&report.to_string())
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            count,
            size,
            bytes,
            messages,
            mb_per_s,
            overall_mb_per_s,
            ..
        } = self;
        writeln!(
            f,
            "two processes, {count} buffers of {size} bytes in each direction"
        )?;
        writeln!(
            f,
            "copied {bytes} bytes as {messages} messages: {mb_per_s:.0} MB/s ({overall_mb_per_s:.0} MB/s with reading and checksums)"
        )?;
        writeln!(f, "checksum match sha256:{}", self.sha256)?;
        writeln!(
            f,
            "8-byte messages one way: {:.0} messages/s",
            self.messages_per_s
        )?;
        for Pings { size, times, .. } in &self.rtt_us {
            writeln!(f, "{size}-byte round trips: {times}")?;
        }
        Ok(())
    }
}

/// Millions of bytes a second.
#[allow(clippy::cast_precision_loss, reason = "a rate is a rough number")]
fn megabytes(bytes: u64, time: Duration) -> f64 {
    rate(bytes as f64 / 1e6, time)
}

fn rate(amount: f64, time: Duration) -> f64 {
    if time.is_zero() {
        return 0.0;
    }
    amount / time.as_secs_f64()
}

/// What is copied.
struct Source {
    from: Box<dyn Read>,
    path: PathBuf,
    progress: Progress,
}

impl Source {
    fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let limit = if path.is_some() { u64::MAX } else { MADE };
        let path = path.unwrap_or(Path::new("/dev/urandom"));
        let file = File::open(path)
            .map_err(|error| Failure::Failed(format!("cannot open {}: {error}", path.display())))?;
        let progress = if limit == MADE {
            Progress::new(Some(MADE), false)
        } else {
            Progress::of_file(&file)
        };
        Ok(Self {
            from: Box::new(file.take(limit)),
            path: path.to_owned(),
            progress,
        })
    }

    /// Replaces `batch` by the next bytes, up to [`BATCH`]; none at the end.
    fn next(&mut self, batch: &mut Vec<u8>) -> Result<(), Failure> {
        batch.clear();
        self.from
            .by_ref()
            .take(BATCH as u64)
            .read_to_end(batch)
            .map_err(|error| {
                Failure::Failed(format!("cannot read {}: {error}", self.path.display()))
            })?;
        Ok(())
    }
}

/// A file that arrived whole.
struct Copied {
    bytes: u64,
    messages: u64,
    sha256: String,
    copying: Duration,
    overall: Duration,
}

/// Copies everything, a batch at a time. Only the time from the first message of a batch to the
/// word that all of it is there counts as copying.
fn copy(
    end: &mut End<impl FnMut(&mut StandardLink) -> Result<(), Failure>>,
    mut source: Source,
) -> Result<Copied, Failure> {
    let mut hash = Sha256::new();
    let mut batch = Vec::with_capacity(BATCH);
    let mut word = vec![0; end.max()];
    let (mut bytes, mut messages) = (0, 0);
    let mut copying = Duration::ZERO;
    let started = Instant::now();
    source.next(&mut batch)?;
    while !batch.is_empty() {
        let batch_started = Instant::now();
        end.send_series(&batch)?;
        end.recv(&mut word)?;
        copying += batch_started.elapsed();
        bytes += batch.len() as u64;
        messages += batch.len().div_ceil(end.max()) as u64;
        source.progress.add(batch.len());
        hash.update(&batch);
        source.next(&mut batch)?;
        end.recv(&mut word)?;
    }
    end.send_series(&[])?;
    let len = end.recv_series(&mut batch, BATCH)?;
    let overall = started.elapsed();
    let sent = hex(&hash.finalize());
    let received = hex(batch.get(..len).unwrap_or_default());
    if sent != received {
        return Err(Failure::Failed(format!(
            "checksum mismatch: sent sha256:{sent}, received sha256:{received}"
        )));
    }
    Ok(Copied {
        bytes,
        messages,
        sha256: sent,
        copying,
        overall,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sends small messages one way; says how many arrived in a second.
#[allow(clippy::cast_precision_loss, reason = "a rate is a rough number")]
fn stream(
    end: &mut End<impl FnMut(&mut StandardLink) -> Result<(), Failure>>,
) -> Result<f64, Failure> {
    let started = Instant::now();
    let mut sent = 0_u64;
    // The clock is looked at rarely: that takes longer than a message.
    while sent < STREAM && (!sent.is_multiple_of(1024) || started.elapsed() < STREAM_TIME) {
        end.send(&sent.to_le_bytes())?;
        sent += 1;
    }
    end.send(&[])?;
    let mut word = vec![0; end.max()];
    let len = end.recv(&mut word)?;
    let took = started.elapsed();
    if word.get(..len) != Some(&sent.to_le_bytes()) {
        return Err(Failure::Failed(format!(
            "not all of the {sent} small messages arrived"
        )));
    }
    Ok(rate(sent as f64, took))
}

fn ping(
    end: &mut End<impl FnMut(&mut StandardLink) -> Result<(), Failure>>,
    size: usize,
    pings: u64,
) -> Result<Summary, Failure> {
    let mut times = RoundTrips::new()?;
    let mut message = vec![0; size];
    let mut answer = vec![0; end.max()];
    for sequence in 0..WARM_UP.saturating_add(pings) {
        message[..8].copy_from_slice(&sequence.to_le_bytes());
        let started = Instant::now();
        end.send(&message)?;
        let len = end.recv(&mut answer)?;
        let time = started.elapsed();
        if answer.get(..len) != Some(&message) {
            return Err(Failure::Failed(format!(
                "the answer to ping {sequence} differs from it"
            )));
        }
        if sequence >= WARM_UP {
            times.add(time);
        }
    }
    Ok(times.summary())
}

/// The other process. It is ended and reaped when this is dropped.
struct Peer(Child);

impl Peer {
    /// Starts this program again, with the region as its standard input.
    fn start(link: &StandardLink) -> Result<Self, Failure> {
        let failure = |error| Failure::Failed(format!("cannot start the other process: {error}"));
        let region = link.region_fd().map_err(failure)?;
        let program = std::env::current_exe().map_err(failure)?;
        Command::new(program)
            .arg("demo-peer")
            .stdin(Stdio::from(region))
            .stdout(Stdio::null())
            .spawn()
            .map(Self)
            .map_err(failure)
    }

    fn status(&mut self) -> Result<Option<ExitStatus>, Failure> {
        self.0
            .try_wait()
            .map_err(|error| Failure::Failed(format!("cannot watch the other process: {error}")))
    }

    /// Fails once it has ended.
    fn check(&mut self) -> Result<(), Failure> {
        match self.status()? {
            None => Ok(()),
            Some(status) => Err(Failure::Failed(format!(
                "the other process has ended early: {status}"
            ))),
        }
    }

    /// Waits until it has ended well.
    fn finish(mut self) -> Result<(), Failure> {
        let started = Instant::now();
        while started.elapsed() < ENDING {
            match self.status()? {
                Some(status) if status.success() => return Ok(()),
                Some(_) => break,
                None => std::thread::sleep(Duration::from_millis(1)),
            }
            signals::check()?;
        }
        self.check()?;
        Err(Failure::Failed(format!(
            "the other process has not ended within {ENDING:?}"
        )))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Both fail where it has ended and was reaped already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
