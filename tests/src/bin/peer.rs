//! The other process of a test. The first argument says what it does:
//!
//! ```text
//! exchange NAME ROLE SENDS RECEIVES COUNT   both ways on two threads; SENDS, RECEIVES: seeds
//! interleave NAME ROLE SENDS RECEIVES COUNT both ways on one thread that never waits in a call
//! produce NAME ROLE MODE STREAM THREADS COUNT   numbered messages, after `go` on its input
//! consume NAME ROLE MODE THREADS            the numbers, little-endian, to its output
//! numbered NAME ROLE MODE THREADS ID MESSAGES STOPS UNTIL   in format 1, what `exchange` of
//!     `format1/peer.c` does: each of so many pairs of threads sends the messages of ID, ID + 1, …
//!     and STOPS stops, and receives until it has UNTIL stops
//! send NAME COUNT                           then stays
//! recv NAME COUNT                           then stays
//! open NAME ROLE MODE                       then stays
//! create NAME PERMISSIONS                   a region without taking part in it
//! create-path PATH COUNT SIZE
//! anonymous COUNT SIZE                      a region without a name
//! lock PATH                                 the ATTACH byte, then stays
//! no-thread                                 a task on an Advanced link, without room for a thread and then with
//! ```
//!
//! Those that stay print `ready` and end at the end of their input. What goes wrong is printed to
//! standard error for people and then for tests, and the exit code is 1.

use std::error::Error;
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::pin::pin;
use std::process::ExitCode;
use std::str::FromStr;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use hqq_core::ring::{Consumer, Producer};
use hqq_std::{
    AdvancedLink, AdvancedOptions, Format, LinkOptions, Receiver, RecvError, Role, Sender,
    SharedLink, StandardLink, TryRecvError, TrySendError,
};
use hqq_tests::{Traffic, receive_numbered, send_numbered};
use rustix::process::{Resource, Rlimit};

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Only a hang takes so long.
const PATIENCE: Duration = Duration::from_secs(100);

fn main() -> ExitCode {
    hqq_tests::obey(run)
}

fn run(arguments: &[&str]) -> Result {
    match *arguments {
        ["no-thread"] => no_thread(),
        ["exchange", name, role, sends, receives, count] => exchange(
            open(name, role)?,
            number(sends)?,
            number(receives)?,
            number(count)?,
        ),
        ["interleave", name, role, sends, receives, count] => interleave(
            &mut open(name, role)?,
            number(sends)?,
            number(receives)?,
            number(count)?,
        ),
        ["produce", name, role, "exclusive", stream, "1", count] => {
            let (sender, _) = open(name, role)?.split();
            produce(sender, number(stream)?, number(count)?)
        }
        ["produce", name, role, "shared", stream, threads, count] => {
            let (stream, count): (u64, u64) = (number(stream)?, number(count)?);
            let link = open_shared(name, role)?;
            on_threads(number(threads)?, &link, move |link, thread| {
                produce(link.sender(), stream + thread, count)
            })
        }
        ["consume", name, role, "exclusive", "1"] => {
            let (_, receiver) = open(name, role)?.split();
            consume(receiver)
        }
        ["consume", name, role, "shared", threads] => {
            let link = open_shared(name, role)?;
            on_threads(number(threads)?, &link, |link, _| consume(link.receiver()))
        }
        ["numbered", name, role, mode, threads, ref numbers @ ..] => {
            let &[id, messages, stops, until] = numbers else {
                return Err(format!("no such task: {arguments:?}").into());
            };
            let numbers = [
                number(id)?,
                number(messages)?,
                number(stops)?,
                number(until)?,
            ];
            let options = options(role)?.format(Format::V1);
            match (mode, threads) {
                ("exclusive", "1") => {
                    let (sender, receiver) = options.open(name)?.split();
                    numbered(vec![(sender, receiver)], numbers)
                }
                ("shared", _) => {
                    let link = options.shared().open(name)?;
                    let pairs = (0..number::<u64>(threads)?).map(|_| link.clone().split());
                    numbered(pairs.collect(), numbers)
                }
                _ => Err(format!("no such task: {arguments:?}").into()),
            }
        }
        ["send", name, count] => {
            let count: u64 = number(count)?;
            let mut link = LinkOptions::new().open(name)?;
            let traffic = Traffic::new(0, link.sender().max_message_size());
            for index in 0..count {
                link.send_timeout(traffic.message(index), PATIENCE)?;
            }
            stay()
        }
        ["recv", name, count] => {
            let count: u64 = number(count)?;
            let mut link = LinkOptions::new().open(name)?;
            let mut received = Check::new(0, link.receiver());
            for _ in 0..count {
                received.next(link.receiver())?;
            }
            stay()
        }
        ["open", name, role, "exclusive"] => {
            let _link = options(role)?.open(name)?;
            stay()
        }
        ["open", name, role, "shared"] => {
            let _link = options(role)?.shared().open(name)?;
            stay()
        }
        ["create", name, permissions] => {
            let mode = u32::from_str_radix(permissions, 8)?;
            Ok(LinkOptions::new()
                .count(2)
                .size(8)
                .permissions(mode)
                .create_region(name)?)
        }
        ["create-path", path, count, size] => {
            LinkOptions::new()
                .count(number(count)?)
                .size(number(size)?)
                .create_path(path)?;
            Ok(())
        }
        ["anonymous", count, size] => {
            let options = LinkOptions::new().count(number(count)?);
            options.size(number(size)?).anonymous()?;
            Ok(())
        }
        ["lock", path] => {
            let _lock = lock(path)?;
            stay()
        }
        _ => Err(format!("no such task: {arguments:?}").into()),
    }
}

fn number<T: FromStr<Err: Error + Send + Sync + 'static>>(text: &str) -> Result<T> {
    Ok(text.parse()?)
}

fn options(role: &str) -> Result<LinkOptions> {
    match role {
        "any" => Ok(LinkOptions::new()),
        "primary" => Ok(LinkOptions::new().role(Role::Primary)),
        "secondary" => Ok(LinkOptions::new().role(Role::Secondary)),
        _ => Err(format!("no such role: {role}").into()),
    }
}

fn open(name: &str, role: &str) -> Result<StandardLink> {
    let mut link = options(role)?.open(name)?;
    link.set_read_timeout(Some(PATIENCE))?;
    link.set_write_timeout(Some(PATIENCE))?;
    await_go()?;
    Ok(link)
}

fn open_shared(name: &str, role: &str) -> Result<SharedLink> {
    let link = options(role)?.shared().open(name)?;
    await_go()?;
    Ok(link)
}

/// Says that this process is attached and waits for the others to be.
fn await_go() -> Result {
    eprintln!("attached");
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    if line == "go\n" {
        return Ok(());
    }
    Err(format!("`{line}` is not `go`").into())
}

fn stay() -> Result {
    println!("ready");
    io::stdin().lock().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Runs `work` on so many threads, each with the link and its number.
fn on_threads(
    threads: u64,
    link: &SharedLink,
    work: impl Fn(&SharedLink, u64) -> Result + Sync,
) -> Result {
    std::thread::scope(|scope| {
        let work = &work;
        let workers: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || work(link, thread)))
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|_| Err("panicked".into())))
    })
}

/// What comes next in one direction, and whether it is what came.
struct Check {
    traffic: Traffic,
    next: u64,
    buffer: Vec<u8>,
}

impl Check {
    fn new<C: Consumer>(seed: u64, receiver: &Receiver<C>) -> Self {
        let max = receiver.max_message_size();
        Self {
            traffic: Traffic::new(seed, max),
            next: 0,
            buffer: vec![0; max],
        }
    }

    fn check(&mut self, len: usize) -> Result {
        let expected = self.traffic.message(self.next);
        if &self.buffer[..len] != expected {
            return Err(format!(
                "message {} has {len} bytes or contents that differ from the {} sent",
                self.next,
                expected.len()
            )
            .into());
        }
        self.next += 1;
        Ok(())
    }

    fn next<C: Consumer>(&mut self, receiver: &mut Receiver<C>) -> Result {
        let len = receiver.recv_timeout(&mut self.buffer, PATIENCE)?;
        self.check(len)
    }
}

fn exchange(link: StandardLink, sends: u64, receives: u64, count: u64) -> Result {
    let (mut sender, mut receiver) = link.split();
    let sending = std::thread::spawn(move || -> Result {
        let traffic = Traffic::new(sends, sender.max_message_size());
        for index in 0..count {
            sender.send(traffic.message(index))?;
        }
        Ok(sender.wait_drained(Some(PATIENCE))?)
    });
    let mut check = Check::new(receives, &receiver);
    for _ in 0..count {
        check.next(&mut receiver)?;
    }
    sending.join().unwrap_or_else(|_| Err("panicked".into()))?;
    match receiver.recv(&mut []) {
        Err(RecvError::Disconnected) => Ok(()),
        other => Err(format!("after everything came {other:?}").into()),
    }
}

/// Fills its ring to the brim before it reads, again and again.
fn interleave(link: &mut StandardLink, sends: u64, receives: u64, count: u64) -> Result {
    let traffic = Traffic::new(sends, link.sender().max_message_size());
    let mut check = Check::new(receives, link.receiver());
    let deadline = Instant::now() + PATIENCE;
    let mut sent = 0;
    while sent < count || check.next < count {
        while sent < count {
            match link.sender().try_send(traffic.message(sent)) {
                Ok(()) => sent += 1,
                Err(TrySendError::Full) => break,
                Err(error) => return Err(error.into()),
            }
        }
        while check.next < count {
            match link.receiver().try_recv(&mut check.buffer) {
                Ok(len) => check.check(len)?,
                Err(TryRecvError::Empty) => break,
                Err(error) => return Err(error.into()),
            }
        }
        if Instant::now() >= deadline {
            return Err(format!("stuck after {sent} sent and {} received", check.next).into());
        }
        std::thread::yield_now();
    }
    Ok(link.sender().wait_drained(Some(PATIENCE))?)
}

/// Messages of 8 bytes or more: `stream << 32 | index`, then bytes that follow from it.
fn produce<P: Producer>(mut sender: Sender<P>, stream: u64, count: u64) -> Result {
    sender.set_timeout(Some(PATIENCE))?;
    let traffic = Traffic::new(stream, sender.max_message_size() - 8);
    for index in 0..count {
        let number = (stream << 32 | index).to_le_bytes();
        sender.send_vectored(&[&number[..], traffic.message(index)])?;
    }
    Ok(())
}

/// Prints the numbers of all messages until the last producer has left; those of a stream come
/// in order.
fn consume<C: Consumer>(mut receiver: Receiver<C>) -> Result {
    receiver.set_timeout(Some(PATIENCE))?;
    let max = receiver.max_message_size();
    let mut streams: Vec<(u64, Traffic, u64)> = Vec::new();
    let mut buffer = vec![0; max];
    let mut numbers = Vec::new();
    loop {
        let len = match receiver.recv(&mut buffer) {
            Ok(len) => len,
            Err(RecvError::Disconnected) => break,
            Err(error) => return Err(error.into()),
        };
        let (number, rest) = buffer[..len]
            .split_first_chunk::<8>()
            .ok_or("a message without a number")?;
        numbers.extend_from_slice(number);
        let number = u64::from_le_bytes(*number);
        let (stream, index) = (number >> 32, number & 0xffff_ffff);
        let at = match streams.iter().position(|(known, ..)| *known == stream) {
            Some(at) => at,
            None => {
                streams.push((stream, Traffic::new(stream, max - 8), 0));
                streams.len() - 1
            }
        };
        let (_, traffic, next) = &mut streams[at];
        if index < *next {
            return Err(
                format!("{index} of stream {stream} came where {next} or later was due").into(),
            );
        }
        *next = index + 1;
        if rest != traffic.message(index) {
            return Err(format!("{index} of stream {stream} has other bytes").into());
        }
    }
    Ok(io::stdout().lock().write_all(&numbers)?)
}

/// Sends and receives through all pairs at once; prints what each receiver received.
fn numbered<P, C>(
    pairs: Vec<(Sender<P>, Receiver<C>)>,
    [first, messages, stops, until]: [u64; 4],
) -> Result
where
    P: Producer,
    C: Consumer,
    Sender<P>: Send,
    Receiver<C>: Send,
{
    std::thread::scope(|scope| {
        let mut sending = Vec::new();
        let mut receiving = Vec::new();
        for (id, (sender, receiver)) in (first..).zip(pairs) {
            sending.push(scope.spawn(move || send_numbered(sender, id, messages, stops)));
            receiving.push(scope.spawn(move || receive_numbered(receiver, until)));
        }
        for thread in sending {
            thread.join().map_err(|_| "panicked")??;
        }
        for thread in receiving {
            print!("{}", thread.join().map_err(|_| "panicked")??);
        }
        Ok(())
    })
}

/// Holds what a process holds that is setting a region up.
fn lock(path: &str) -> Result<std::fs::File> {
    use nix::fcntl::{FcntlArg, fcntl};
    use nix::libc;
    let file = std::fs::File::options().read(true).write(true).open(path)?;
    let record = libc::flock {
        l_type: i16::try_from(libc::F_WRLCK)?,
        l_whence: i16::try_from(libc::SEEK_SET)?,
        l_start: 0,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_OFD_SETLK(&record))?;
    Ok(file)
}

/// What a task is told where the system gives no thread to drive its link, and after that.
fn no_thread() -> Result {
    let (near, _far) = LinkOptions::new().pair()?;
    let link = AdvancedLink::new(near, AdvancedOptions::new());
    let mut context = Context::from_waker(Waker::noop());
    let before = rustix::process::getrlimit(Resource::As);
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = number(pages.split(' ').next().unwrap_or_default())?;
    let taken = pages * rustix::param::page_size() as u64;
    // Whatever a thread's stack is, it is more than is left of the address space then.
    let limit = Rlimit {
        current: Some(taken + (1 << 20)),
        maximum: before.maximum,
    };
    rustix::process::setrlimit(Resource::As, limit)?;
    let without = pin!(link.receive_async()).poll(&mut context);
    rustix::process::setrlimit(Resource::As, before)?;
    let with = pin!(link.receive_async()).poll(&mut context);
    println!("{without:?}\n{with:?}");
    Ok(())
}
