//! Calls COUNT times with SIZE bytes both ways in one thread, for counting instructions:
//! docs/performance.md, "Instructions".

use std::error::Error;
use std::hint::black_box;

use hqq_core::advanced::{self, Event, SessionOptions};
use hqq_core::ring::{Consumer, Producer};
use hqq_core::{Format, Role, StaticRegion};
use hqq_std::{AdvancedLink, AdvancedOptions, LinkOptions};

const USAGE: &str = "usage: call_answer SIZE COUNT [polled|std|call]";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(size), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err(USAGE.into());
    };
    let (body, count): (Vec<u8>, u32) = (vec![1; size.parse()?], count.parse()?);
    match arguments.next().as_deref().unwrap_or("std") {
        "polled" => polled(&body, count),
        "std" => std(&body, count),
        "call" => call(&body, count),
        _ => Err(USAGE.into()),
    }
}

fn std(body: &[u8], count: u32) -> Result<(), Box<dyn Error>> {
    let (near, far) = LinkOptions::new().count(64).size(256).pair()?;
    let options = AdvancedOptions::new();
    let (near, far) = (
        AdvancedLink::new(near, options),
        AdvancedLink::new(far, options),
    );
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| far.wait_for_negotiation(None));
        near.negotiate(None)?;
        asked.join().map_err(|_| "the other end panicked")??;
        for _ in 0..count {
            let call = near.start_call(7, black_box(body))?;
            let request = far.receive_request(None)?;
            far.respond(&request, request.body())?;
            black_box(call.wait()?);
        }
        Ok(())
    })
}

/// As programs do it, in two threads: what is counted depends on how long they wait for each other.
fn call(body: &[u8], count: u32) -> Result<(), Box<dyn Error>> {
    let (near, far) = LinkOptions::new().count(64).size(256).pair()?;
    let options = AdvancedOptions::new();
    let (near, far) = (
        AdvancedLink::new(near, options),
        AdvancedLink::new(far, options),
    );
    std::thread::scope(|scope| {
        let answering = scope.spawn(|| -> std::io::Result<()> {
            far.wait_for_negotiation(None)?;
            for _ in 0..count {
                let request = far.receive_request(None)?;
                far.respond(&request, request.body())?;
            }
            Ok(())
        });
        near.negotiate(None)?;
        for _ in 0..count {
            black_box(near.call(7, black_box(body))?);
        }
        answering.join().map_err(|_| "the other end panicked")??;
        Ok(())
    })
}

type Machine<P, C> = advanced::AdvancedLink<P, C, 4, 1024, 4, 2>;

static REGION: StaticRegion<64, 256> = StaticRegion::new();

fn polled(body: &[u8], count: u32) -> Result<(), Box<dyn Error>> {
    let (near, far) = REGION.take().ok_or("taken only once")?;
    let machine = |halves, role| Machine::new(halves, role, Format::V2, SessionOptions::new());
    let mut near = machine(near.split(), Role::Primary);
    let mut far = machine(far.split(), Role::Secondary);
    near.negotiate(u64::MAX)?;
    for _ in 0..4 {
        near.poll(0)?;
        far.poll(0)?;
    }
    let mut copy = [0; 256];
    for _ in 0..count {
        near.try_request(7, black_box(body))?;
        let (key, len) = next(&mut far, &mut copy)?;
        far.try_respond(&key, 0, false, &copy[..len])?;
        black_box(next(&mut near, &mut copy)?);
    }
    Ok(())
}

fn next<P: Producer, C: Consumer>(
    machine: &mut Machine<P, C>,
    copy: &mut [u8],
) -> Result<(advanced::MessageKey, usize), Box<dyn Error>> {
    loop {
        if let Some(Event::Message { key, body, .. }) = machine.poll(0)? {
            return Ok((key, body.copy_to(0, copy)));
        }
    }
}
