//! The budget images' baseline: a message goes through a buffer, without HQQ.
#![no_std]
#![no_main]

mod common;

use core::hint::black_box;

#[cortex_m_rt::entry]
fn main() -> ! {
    let mut buffer = black_box([0_u8; 64]);
    let mut message = [0_u8; 64];
    for (at, byte) in message.iter_mut().enumerate() {
        *byte = at as u8;
    }
    let used = common::stack_of(&mut || *black_box(&mut buffer) = *black_box(&message));
    common::tell("send.bin\0", used);
    let mut received = [0_u8; 64];
    let used = common::stack_of(&mut || *black_box(&mut received) = *black_box(&buffer));
    common::tell("receive.bin\0", used);
    common::exit(received == message)
}
