//! The budget images' baseline: everything but HQQ.
#![no_std]
#![no_main]

mod common;

use core::hint::black_box;

#[cortex_m_rt::entry]
fn main() -> ! {
    let mut message = [0_u8; 64];
    for (at, byte) in message.iter_mut().enumerate() {
        *byte = at as u8;
    }
    let used = common::stack_of(|| {
        black_box(&mut message);
    });
    common::tell("send.bin\0", used);
    common::tell("receive.bin\0", used);
    common::exit(black_box(&message).first() == Some(&0))
}
