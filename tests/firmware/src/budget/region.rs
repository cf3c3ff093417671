//! What making a region and both its ends takes, without sending or receiving.
#![no_std]
#![no_main]

mod common;

use core::hint::black_box;

use hqq_core::StaticRegion;

static REGION: StaticRegion<8, 64> = StaticRegion::new();

#[cortex_m_rt::entry]
fn main() -> ! {
    let Some((mut near, mut far)) = REGION.take() else {
        common::exit(false)
    };
    let mut message = [0_u8; 64];
    for (at, byte) in message.iter_mut().enumerate() {
        *byte = at as u8;
    }
    let used = common::stack_of(&mut || {
        black_box(&mut near);
    });
    common::tell("send.bin\0", used);
    let received = black_box([0_u8; 64]);
    let used = common::stack_of(&mut || {
        black_box(&mut far);
    });
    common::tell("receive.bin\0", used);
    common::exit(received != message)
}
