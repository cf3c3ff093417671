//! Must not compile where there are no 64-bit atomics: the message says why.
#![no_std]
#![no_main]

use hqq_core::{Fixed, SharedLink};

pub fn shared(_: SharedLink<Fixed<8, 64>>) {}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
