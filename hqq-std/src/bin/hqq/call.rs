//! `hqq call`: one request, answered by `hqq serve` or any other server.

use std::io;
use std::time::{Duration, Instant};

use hqq_core::packet::Features;
use hqq_std::advanced::error::{CallError, LinkFailure, NegotiationError};
use hqq_std::{AdvancedLink, BodyReader, LinkOptions};

use crate::failure::Failure;
use crate::input::{self, Input, Replay};
use crate::large;
use crate::open::{Create, Opened, Target, seconds, streaming};
use crate::output;

/// Send a request and print the response
///
/// Standard input is the request, the response goes to standard output; both of any length, and written as
/// they come. In regions of format 1, which have to know how long a request is, one that does not come from a
/// file is kept in a temporary file first. An error response is reported on standard error with its status,
/// exit code 1.
/// Where the peer dies before it took the request, the next one that comes within --wait seconds gets it,
/// unless more than a MiB of it was read.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// The method's number
    method: u64,
    /// Give up when not all of the response has come in this many seconds, whatever they are spent on [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let limit = args
        .timeout
        .and_then(|timeout| Instant::now().checked_add(timeout));
    // The whole time bounds what is waited for before the request, too.
    let wait = || {
        let deadline = args.target.deadline();
        limit.map_or(deadline, |limit| deadline.min(limit))
    };
    let deadline = wait();
    let never = Create { create: false };
    let Opened { link, .. } = args.target.open(LinkOptions::new(), never, deadline)?;
    let link = AdvancedLink::new(link, streaming());
    let input = Input::new()?;
    let len = large::length(input.file());
    let input = Replay::new(input);
    let mut deadline = deadline;
    let mut body = loop {
        match ask(&link, &args, &input, len, deadline, limit)? {
            Asked::Answered(body) => break body,
            Asked::NotExecuted if input.is_whole() => eprintln!(
                "hqq: note: the peer died before it took the request: waiting for the next one"
            ),
            Asked::NotExecuted => return Err(CallError::NotExecuted.into()),
            Asked::Left => {
                eprintln!(
                    "hqq: note: the peer has gone before it was asked: waiting for the next one"
                );
            }
        }
        if limit.is_some_and(|limit| Instant::now() >= limit) {
            return Err(CallError::TimedOut.into());
        }
        link.renew();
        deadline = wait();
    };
    body.set_deadline(limit);
    let broken = |error: io::Error| match error.kind() {
        io::ErrorKind::TimedOut => {
            Failure::Failed("not all of the response came in time".to_owned())
        }
        _ => Failure::Failed(format!("the response broke off: {error}")),
    };
    output::copy(&mut body, |_| {}, broken)
}

/// What came of asking one peer.
enum Asked {
    Answered(BodyReader),
    /// It died, and nobody has taken the request.
    NotExecuted,
    /// It has gone, and the request was not sent.
    Left,
}

/// Sends the request to the peer that is there, or comes before `deadline`.
fn ask(
    link: &AdvancedLink,
    args: &Args,
    input: &Replay,
    len: Option<u64>,
    deadline: Instant,
    limit: Option<Instant>,
) -> Result<Asked, Failure> {
    large::wait_for_peer(link, deadline, "start `hqq serve` on this region")?;
    let agreement = match link.negotiate(Some(deadline)) {
        Ok(agreement) => agreement,
        Err(NegotiationError::Link(LinkFailure::PeerDead | LinkFailure::Disconnected)) => {
            return Ok(Asked::Left);
        }
        Err(error) => return Err(error.into()),
    };
    let asked = if len.is_some() || agreement.features.contains(Features::UNKNOWN_SIZE) {
        link.call_stream(args.method, input.reader(), len, limit)
    } else {
        let (request, len) = input::with_length(input.reader())?;
        link.call_stream(args.method, request, Some(len), limit)
    };
    match asked {
        Ok(body) => Ok(Asked::Answered(body)),
        Err(CallError::NotExecuted) => Ok(Asked::NotExecuted),
        Err(CallError::Link(LinkFailure::PeerDead)) => Err(Failure::Failed(
            "the peer died: whether it executed the request is unknown".to_owned(),
        )),
        Err(error) => Err(error.into()),
    }
}
