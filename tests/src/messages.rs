//! Messages that say whose they are and can be told from damaged ones; and attaching with patience.

use std::time::{Duration, Instant};

use hqq_std::OpenError;

/// The message of this number in a stream: up to 40 bytes long, or longer, by turns.
#[must_use]
pub fn fill_message(stream: u64, number: u64, max: usize) -> Vec<u8> {
    let len = match number % 2 {
        0 => 16 + usize::try_from(number % 5).unwrap_or(0),
        _ => max - usize::try_from(number % 7).unwrap_or(0),
    };
    let mut message = Vec::with_capacity(len);
    message.extend_from_slice(&stream.to_le_bytes());
    message.extend_from_slice(&number.to_le_bytes());
    let mut at = stream ^ number;
    message.extend(
        std::iter::repeat_with(|| {
            at = at.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            at.to_le_bytes()[7]
        })
        .take(len - 16),
    );
    message
}

/// Which stream and number a message has, and whether all of it is as it was sent.
#[must_use]
pub fn is_message(message: &[u8]) -> (u64, u64, bool) {
    let field = |at: usize| {
        let bytes = message
            .get(at..at + 8)
            .and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(u64::MAX, u64::from_le_bytes)
    };
    let (stream, number) = (field(0), field(8));
    let max = message.len() + usize::try_from(number % 7).unwrap_or(0);
    let whole = message.len() >= 16 && message == fill_message(stream, number, max.max(32));
    (stream, number, whole)
}

/// Opens what somebody who died may still seem to have.
///
/// # Errors
/// What opening says after ten seconds, or what time does not change.
pub fn attached<T>(mut open: impl FnMut() -> Result<T, OpenError>) -> Result<T, OpenError> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match open() {
            Err(error) if error.is_transient() && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(1));
            }
            result => return result,
        }
    }
}
