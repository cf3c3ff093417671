//! What members have recorded of their traffic (PROTOCOL.md, "Totals").

use std::time::Duration;

use hqq_core::Counters;

use super::CallLatency;
use super::image::Image;
use crate::error::OpenError;

/// Bytes in one half of a member's record.
const HALF: usize = 64;
/// Reads after which totals are taken as they are: a member that died may have been writing them.
const READS: usize = 4;

/// The totals in the half of a member's record that begins at `offset`.
pub(super) fn read(image: &Image, offset: usize) -> Result<Counters, OpenError> {
    let mut found = image.bytes::<HALF>(offset)?;
    for _ in 1..READS {
        let again = image.bytes::<HALF>(offset)?;
        // The version is odd while the totals are being written, and another one afterwards.
        let settled = found == again && word(&found, 8).is_multiple_of(2);
        found = again;
        if settled {
            break;
        }
    }
    let long = |at| u64::from(word(&found, at)) | u64::from(word(&found, at + 4)) << 32;
    let mut totals = Counters::default();
    totals.messages = long(16);
    totals.bytes = long(24);
    totals.tombstones = long(32);
    totals.blocked = long(40);
    totals.errors = long(48);
    Ok(totals)
}

/// How long a member's calls take, by the sending half of its record; `None` where it does not say.
pub(super) fn call_latency(image: &Image, offset: usize) -> Result<Option<CallLatency>, OpenError> {
    let [median, p99] = [image.word32(offset + 56)?, image.word32(offset + 60)?]
        .map(|nanoseconds| Duration::from_nanos(nanoseconds.into()));
    Ok((!median.is_zero()).then_some(CallLatency { median, p99 }))
}

fn word(half: &[u8; HALF], at: usize) -> u32 {
    let bytes = half.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u32::from_le_bytes)
}
