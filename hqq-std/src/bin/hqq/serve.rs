//! `hqq serve`: requests answered by commands.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use hqq_core::packet::{ErrorCode, Features};
use hqq_std::advanced::error::{NegotiationError, ReceiveError, TransferError};
use hqq_std::{AdvancedLink, BodyReader, Format, Incoming, Request};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::failure::Failure;
use crate::open::{Create, Geometry, Opened, Target, streaming};
use crate::signals::{self, SLICE};
use crate::spool::spool;

/// Bytes of an answer that are kept until the command has ended, so that its status can go first.
const KEPT: usize = 1 << 20;
/// Bytes of a request that are given to a command at a time.
const PART: usize = 1 << 16;
/// The exit code of a command that could not be started or waited for.
const LOST: u64 = 127;
/// How often a command's caller is looked after.
const WATCH: Duration = Duration::from_millis(50);
/// How long answers that are being sent may take when a signal asks to stop; less than the signal's own
/// patience.
const LAST: Duration = Duration::from_secs(1);

/// Answer requests with commands
///
/// A command gets the request on its standard input, and the method in HQQ_METHOD; what it writes to
/// standard output is the response. It is killed where its caller gives up or dies, before it could see an end of a
/// request that had not all come. An exit code other than 0 makes it an error response with that
/// status; after the first MiB of output the response has begun, and is given up instead. In regions of
/// format 1, which have to know how long a response is, more than that is kept in a temporary file until the
/// command has ended. Goes on with the next caller when one leaves; SIGINT or SIGTERM ends it with exit code
/// 0, and gives up responses that were not taken a second later.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    create: Create,
    /// A method's number and the shell command that answers it; repeatable
    #[arg(long = "method", value_name = "METHOD=COMMAND", value_parser = method, required = true)]
    methods: Vec<(u64, String)>,
    /// End when the first caller has left, which a region of format 1 does not tell
    #[arg(long)]
    once: bool,
    /// Requests that are answered at a time
    #[arg(long, value_name = "JOBS", default_value_t = 4)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    #[command(flatten)]
    geometry: Geometry,
}

fn method(text: &str) -> Result<(u64, String), String> {
    let (number, command) = text
        .split_once('=')
        .ok_or_else(|| "give a method and its command, such as 7='wc -c'".to_owned())?;
    let number = number
        .trim()
        .parse()
        .map_err(|_| format!("`{number}` is no method: give a number"))?;
    Ok((number, command.to_owned()))
}

pub fn run(args: Args) -> Result<(), Failure> {
    match serve(&args) {
        // How it is meant to end.
        Err(Failure::Signal(_)) => Ok(()),
        result => result,
    }
}

fn serve(args: &Args) -> Result<(), Failure> {
    let deadline = args.target.deadline();
    let options = args.geometry.options();
    let Opened { link, created } = args.target.open(options, args.create, deadline)?;
    if args.once && link.format() == Format::V1 {
        return Err(Failure::Failed(
            "--once needs to see the caller leave, which format 1 does not tell: stop hqq serve with a signal"
                .to_owned(),
        ));
    }
    let link = AdvancedLink::new(link, streaming().successors(true));
    let commands: HashMap<u64, &str> = args
        .methods
        .iter()
        .map(|(method, command)| (*method, command.as_str()))
        .collect();
    let result = loop {
        if let Err(signal) = signals::check() {
            break Err(signal);
        }
        if !link.wait_for_peer(Some(SLICE)) {
            continue;
        }
        match link.wait_for_negotiation(soon()) {
            Ok(_) => {
                serve_caller(&link, &commands, args.jobs);
                if args.once {
                    break signals::check();
                }
            }
            Err(NegotiationError::TimedOut) => continue,
            Err(NegotiationError::Link(_)) => {}
            Err(error) => eprintln!("hqq: note: {error}"),
        }
        link.renew();
    };
    drop(created);
    result
}

fn soon() -> Option<Instant> {
    Instant::now().checked_add(SLICE)
}

/// One of so many who work; who waits for the last of them learns of its end, also where it panics.
struct Working<'a>(&'a AtomicU16, &'a Thread);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        // Relaxed, as the load in `serve_caller`: the scope there waits for the thread itself.
        self.0.fetch_sub(1, Ordering::Relaxed);
        self.1.unpark();
    }
}

/// Answers the requests of one caller until it leaves or a signal comes.
fn serve_caller(link: &AdvancedLink, commands: &HashMap<u64, &str>, jobs: u16) {
    let (working, main) = (AtomicU16::new(jobs), std::thread::current());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                let _working = Working(&working, &main);
                work(link, commands);
            });
        }
        let mut stopped = None;
        // Relaxed: see `Working`.
        while working.load(Ordering::Relaxed) > 0 {
            std::thread::park_timeout(SLICE);
            if signals::check().is_err() {
                let since = *stopped.get_or_insert_with(Instant::now);
                if since.elapsed() >= LAST {
                    // Who takes no answer, or sends no request to its end, is not waited for.
                    link.close();
                }
            }
        }
    });
}

/// Answers requests, one at a time, until the caller leaves or a signal comes.
fn work(link: &AdvancedLink, commands: &HashMap<u64, &str>) {
    while signals::check().is_ok() {
        match link.receive_stream(soon()) {
            Ok(Incoming::Request { request, body }) => {
                let command = commands.get(&request.method()).copied();
                if let Err(error) = answer(link, &request, body, command) {
                    eprintln!("hqq: note: method {}: {error}", request.method());
                }
            }
            Err(ReceiveError::TimedOut) => {}
            Err(_) => return,
            // Nobody asked for other messages.
            Ok(_) => {}
        }
    }
}

fn answer(
    link: &AdvancedLink,
    request: &Request,
    body: BodyReader,
    command: Option<&str>,
) -> Result<(), TransferError> {
    let Some(command) = command else {
        drop(body);
        let status = ErrorCode::InvalidOperation.as_code();
        return link.respond_error(request, status, b"no such method");
    };
    let child = Command::new("sh")
        .args(["-c", command])
        .env("HQQ_METHOD", request.method().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // A group of its own: what it starts ends with it.
        .process_group(0)
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            let text = format!("cannot run sh: {error}");
            return link.respond_error(request, LOST, text.as_bytes());
        }
    };
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let job = Job(Mutex::new(State::Running(child)));
    std::thread::scope(|scope| {
        scope.spawn(|| feed(body, input, &job));
        scope.spawn(|| watch(request, &job));
        let result = respond(link, request, output, &job);
        // Whatever came of the answer: no command is left, and the others here end.
        job.end();
        result
    })
}

/// A command that was started.
struct Job(Mutex<State>);

enum State {
    /// Nobody has waited for it: its process id, which is its group's, is no other's.
    Running(Child),
    /// It has ended, with this code.
    Ended(u64),
}

impl Job {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_running(&self) -> bool {
        matches!(*self.state(), State::Running(_))
    }

    /// Kills it, and what it has started, if it still runs.
    fn kill(&self) {
        if let State::Running(child) = &*self.state()
            && let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw)
        {
            // Having ended by itself is as good.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// Waits for its end; its exit code, or 128 + its signal.
    fn wait(&self) -> io::Result<u64> {
        loop {
            let mut state = self.state();
            let child = match &mut *state {
                State::Ended(code) => return Ok(*code),
                State::Running(child) => child,
            };
            match child.try_wait() {
                Ok(Some(status)) => *state = State::Ended(exit_code(status)),
                Ok(None) => {}
                Err(error) => {
                    // Somebody else has waited for it: its id is not to be used any more.
                    *state = State::Ended(LOST);
                    return Err(error);
                }
            }
            drop(state);
            // Let go of, so that it can be killed meanwhile.
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Kills it if it still runs, and waits for its end.
    fn end(&self) {
        self.kill();
        // Its code was needed where it ended by itself.
        let _ = self.wait();
    }
}

fn exit_code(status: ExitStatus) -> u64 {
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u64::from(code.unsigned_abs())
}

/// Gives a command its input; it need not read all of it. Where not all comes the command is killed: it
/// must not take the end of what came for the end of its input.
fn feed(mut body: BodyReader, input: Option<impl Write>, job: &Job) {
    body.set_timeout(None);
    let Some(mut input) = input else {
        return;
    };
    let mut buffer = vec![0; PART];
    loop {
        let part = match body.read(&mut buffer) {
            Ok(0) => return,
            Ok(len) => buffer.get(..len).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => {
                // Before `input` is closed.
                job.kill();
                return;
            }
        };
        if input.write_all(part).is_err() {
            // It has read enough.
            return;
        }
    }
}

/// Kills a command whose caller has given up, or when a signal asks to stop.
fn watch(request: &Request, job: &Job) {
    while job.is_running() {
        if request.is_cancelled() || signals::check().is_err() {
            job.kill();
        }
        std::thread::sleep(WATCH);
    }
}

/// A command's output, which fails at its end where the command did.
struct Output<'a> {
    pipe: ChildStdout,
    job: &'a Job,
}

impl Read for Output<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.pipe.read(buffer)?;
        if read == 0 && !buffer.is_empty() {
            let status = self.job.wait()?;
            if status != 0 {
                return Err(io::Error::other(format!("it ended with status {status}")));
            }
        }
        Ok(read)
    }
}

fn respond(
    link: &AdvancedLink,
    request: &Request,
    output: Option<ChildStdout>,
    job: &Job,
) -> Result<(), TransferError> {
    let Some(mut pipe) = output else {
        return link.respond_error(request, LOST, b"no output");
    };
    let mut kept = Vec::new();
    (&mut pipe)
        .take(KEPT as u64)
        .read_to_end(&mut kept)
        .map_err(TransferError::Input)?;
    if kept.len() < KEPT {
        let status = job.wait().map_err(TransferError::Input)?;
        if status != 0 {
            return link.respond_error(request, status, &kept);
        }
        // Not in one piece, which has a limit.
        let len = kept.len() as u64;
        return link
            .respond_stream(request, kept.as_slice(), Some(len))
            .map(|_| ());
    }
    let streams = link
        .agreement()
        .is_some_and(|agreement| agreement.features.contains(Features::UNKNOWN_SIZE));
    if streams {
        let output = Output { pipe, job };
        return link
            .respond_stream(request, kept.chain(output), None)
            .map(|_| ());
    }
    let (file, len) = match spool(kept.as_slice().chain(pipe)) {
        Ok(spooled) => spooled,
        Err(error) => {
            let text = error.to_string();
            return link.respond_error(request, LOST, text.as_bytes());
        }
    };
    match job.wait().map_err(TransferError::Input)? {
        0 => link.respond_stream(request, file, Some(len)).map(|_| ()),
        status => link.respond_error(request, status, &kept),
    }
}
