//! `hqq call`: one request, answered by `hqq serve` or any other server.

use std::io::{Write, stdout};
use std::time::{Duration, Instant};

use hqq_core::packet::Features;
use hqq_std::advanced::error::{CallError, LinkFailure, NegotiationError};
use hqq_std::{AdvancedLink, AdvancedOptions, BodyReader, Format, LinkOptions};

use crate::failure::Failure;
use crate::input::{Input, Replay};
use crate::large;
use crate::open::{Create, Opened, Target, seconds};
use crate::signals;

/// Send a request and print the response
///
/// Standard input is the request, the response goes to standard output; both of any length, but for
/// regions of format 1. An error response is reported on standard error with its status, exit code 1.
/// Where the peer dies before it took the request, the next one that comes within --wait seconds gets it,
/// unless more than a MiB of it was read.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// The method's number
    method: u64,
    /// Give up when the response has not come in this many seconds [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let deadline = args.target.deadline();
    let never = Create { create: false };
    let Opened { link, .. } = args.target.open(LinkOptions::new(), never, deadline)?;
    let link = AdvancedLink::new(link, AdvancedOptions::new());
    let input = Input::new()?;
    let len = large::length(input.file());
    let input = Replay::new(input);
    let limit = args
        .timeout
        .and_then(|timeout| Instant::now().checked_add(timeout));
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
        deadline = args.target.deadline();
    };
    body.set_timeout(limit.map(|limit| limit.saturating_duration_since(Instant::now())));
    print(&mut body)
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
    let asked = if agreement.features.contains(Features::UNKNOWN_SIZE) {
        link.call_stream(args.method, input.reader(), len, limit)
    } else {
        debug_assert_eq!(link.format(), Format::V1);
        let request = input.all()?;
        let len = request.len() as u64;
        link.call_stream(args.method, std::io::Cursor::new(request), Some(len), limit)
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

fn print(body: &mut BodyReader) -> Result<(), Failure> {
    use std::io::Read as _;
    let mut buffer = vec![0; 1 << 17];
    let mut output = stdout().lock();
    loop {
        signals::check()?;
        let read = body
            .read(&mut buffer)
            .map_err(|error| Failure::Failed(format!("the response broke off: {error}")))?;
        if read == 0 {
            break;
        }
        let bytes = buffer.get(..read).unwrap_or_default();
        output.write_all(bytes).map_err(Failure::of_output)?;
    }
    output.flush().map_err(Failure::of_output)
}
