//! A large message: what is written into it before it is copied, and checked after.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use crate::error::BenchError;

/// Bytes in it.
pub(crate) const BULK: usize = 64 << 20;
/// One word in this many bytes differs from message to message: enough to tell a page that was not
/// copied, and little beside the copy.
const STRIDE: usize = 4096;

/// Every page of it is present, from its first use on; all measures use the same.
static MEMORY: LazyLock<Mutex<Vec<u8>>> = LazyLock::new(|| Mutex::new(vec![1; BULK]));

/// The memory of this process for a large message.
pub(crate) fn memory() -> MutexGuard<'static, Vec<u8>> {
    MEMORY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes `bytes` the message of this number.
pub(crate) fn write(bytes: &mut [u8], number: u64) {
    for (page, number) in bytes.chunks_mut(STRIDE).zip(number..) {
        if let Some(word) = page.first_chunk_mut() {
            *word = number.to_ne_bytes();
        }
    }
}

/// That `bytes` are the message of this number.
pub(crate) fn check(measure: &'static str, bytes: &[u8], number: u64) -> Result<(), BenchError> {
    let mut pages = bytes.chunks(STRIDE).zip(number..);
    let same = pages.all(|(page, number)| page.first_chunk() == Some(&number.to_ne_bytes()));
    if bytes.len() == BULK && same {
        Ok(())
    } else {
        Err(BenchError::Changed { measure })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_was_not_copied_is_noticed() -> Result<(), BenchError> {
        let mut bytes = memory();
        write(&mut bytes, 5);
        check("test", &bytes, 5)?;
        assert!(check("test", &bytes, 6).is_err());
        assert!(check("test", &bytes[STRIDE..], 6).is_err());
        bytes[BULK - STRIDE] ^= 1;
        assert!(check("test", &bytes, 5).is_err());
        Ok(())
    }
}
