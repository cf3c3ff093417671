//! The budget of a Standard link: both ends over a `StaticRegion`, a message sent and received.
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
    let mut sent = false;
    let used = common::stack_of(&mut || sent = near.try_send(black_box(&message)).is_ok());
    common::tell("send.bin\0", used);
    let mut received = [0_u8; 64];
    let mut len = 0;
    let used = common::stack_of(&mut || len = far.try_recv(black_box(&mut received)).unwrap_or(0));
    common::tell("receive.bin\0", used);
    common::exit(sent && len == 64 && received == message)
}
