//! `hqq call`: one request, answered by `hqq serve` or any other server.

use std::io::{Read, Write, stdout};
use std::time::{Duration, Instant};

use hqq_core::packet::Features;
use hqq_std::{AdvancedLink, AdvancedOptions, Format, LinkOptions};

use crate::failure::Failure;
use crate::input::{self, Input};
use crate::large;
use crate::open::{Create, Opened, Target, seconds};
use crate::signals;

/// Send a request and print the response
///
/// Standard input is the request, the response goes to standard output; both of any length, but for
/// regions of format 1. An error response is reported on standard error with its status, exit code 1.
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
    large::wait_for_peer(&link, deadline, "start `hqq serve` on this region")?;
    let agreement = link.negotiate(Some(deadline))?;
    let mut input = Input::new()?;
    let limit = args
        .timeout
        .and_then(|timeout| Instant::now().checked_add(timeout));
    let mut body = if agreement.features.contains(Features::UNKNOWN_SIZE) {
        let len = large::length(input.file());
        link.call_stream(args.method, input, len, limit)?
    } else {
        debug_assert_eq!(link.format(), Format::V1);
        let mut request = Vec::new();
        input
            .read_to_end(&mut request)
            .map_err(|error| input::failure(&error))?;
        let len = request.len() as u64;
        link.call_stream(args.method, std::io::Cursor::new(request), Some(len), limit)?
    };
    body.set_timeout(limit.map(|limit| limit.saturating_duration_since(Instant::now())));
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
