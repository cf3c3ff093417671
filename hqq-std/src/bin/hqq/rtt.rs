//! Round-trip times: collected, summarised, printed.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::failure::Failure;

/// The longest time that is told from longer ones: an hour.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// Round-trip times.
pub struct RoundTrips(Histogram<u64>);

impl RoundTrips {
    /// None yet.
    pub fn new() -> Result<Self, Failure> {
        Histogram::new_with_bounds(1, LONGEST_NS, 3)
            .map(Self)
            .map_err(|error| Failure::Failed(format!("cannot collect times: {error}")))
    }

    /// Adds one.
    pub fn add(&mut self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(LONGEST_NS);
        self.0.saturating_record(nanoseconds);
    }

    /// What there is to say about them.
    #[allow(clippy::cast_precision_loss, reason = "an hour is far from 2^53 ns")]
    pub fn summary(&self) -> Summary {
        let micros = |nanoseconds: u64| nanoseconds as f64 / 1e3;
        let quantile = |quantile| micros(self.0.value_at_quantile(quantile));
        Summary {
            min: micros(self.0.min()),
            p50: quantile(0.5),
            p99: quantile(0.99),
            p99_9: quantile(0.999),
            max: micros(self.0.max()),
        }
    }
}

/// Round-trip times in microseconds.
#[derive(Serialize)]
pub struct Summary {
    min: f64,
    p50: f64,
    p99: f64,
    #[serde(rename = "p99.9")]
    p99_9: f64,
    max: f64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            min,
            p50,
            p99,
            p99_9,
            max,
        } = self;
        write!(
            f,
            "min {min:.2}  p50 {p50:.2}  p99 {p99:.2}  p99.9 {p99_9:.2}  max {max:.2} µs"
        )
    }
}
