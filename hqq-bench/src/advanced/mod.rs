//! The suite `advanced`: what a call of the Advanced protocol costs, next to a message that is sent
//! there and back over the Standard link.

pub(crate) mod lent;
mod polled;
mod system;

use crate::areas::peers;
use crate::error::BenchError;
use crate::hqq::link::CoreLink;
use crate::runner::{Row, Suite};
use crate::suite::{Against, Goal};
use polled::PolledCalls;
use system::{Calls, StandardRoundTrip};

/// Bytes in a request, in its answer and in a message.
const SIZE: usize = 64;
/// Buffers in each direction.
const COUNT: usize = 64;
/// Bytes in a buffer.
const BUFFER: usize = 256;
/// What is asked for.
const METHOD: u64 = 7;
/// What a call may cost, as a multiple of the Standard link's round trip.
const GOAL: f64 = 1.35;
/// The rows that calls are compared with, of `hqq-core` and of `hqq-std`.
const CORE: &str = "standard-64";
const SYSTEM: &str = "standard-std-64";

/// The Standard link's round trip, then calls, all of 64 bytes both ways.
pub(crate) fn suite() -> Suite {
    let standard = CoreLink::round_trip(CORE, "hqq-core, link, 64 bytes there and back", SIZE);
    let mut rows = vec![
        Row::reference(Box::new(standard)).latency(),
        Row::against(Box::new(PolledCalls), CORE, None).latency(),
        Row::reference(Box::new(StandardRoundTrip)).latency(),
        Row::against(Box::new(Calls::RESPOND), SYSTEM, None).latency(),
        Row::against(Box::new(Calls::OWNED), SYSTEM, None),
        Row::against(Box::new(Calls::SERVER), SYSTEM, None),
    ];
    let goal = |id, against| {
        let name = "call with 64 bytes both ways";
        Goal::at_most(id, name, id, Against::Row(against), GOAL)
    };
    let mut goals = vec![goal("call-link", SYSTEM)];
    peers::calls(&mut rows, &mut goals);
    goals.push(goal("call-core", CORE));
    Suite {
        rows,
        goals,
        operations: 0,
        most_rounds: u32::MAX,
    }
}

/// The requests of one end, and what is compared with them.
struct Bodies {
    measure: &'static str,
    number: u64,
    body: [u8; SIZE],
}

impl Bodies {
    const fn new(measure: &'static str) -> Self {
        Self {
            measure,
            number: 0,
            body: [0; SIZE],
        }
    }

    /// The next one, which differs from the last in every word.
    fn next(&mut self) -> &[u8; SIZE] {
        self.number += 1;
        let (words, _) = self.body.as_chunks_mut();
        for (word, number) in words.iter_mut().zip(self.number..) {
            *word = number.to_ne_bytes();
        }
        &self.body
    }

    /// That an answer is the last request again.
    fn check(&self, answer: &[u8]) -> Result<(), BenchError> {
        if answer == self.body {
            Ok(())
        } else {
            Err(BenchError::Changed {
                measure: self.measure,
            })
        }
    }
}
