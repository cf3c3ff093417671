//! The budget of the Advanced protocol with small bounds, on top of a Standard link: a call and its
//! answer between both ends over a `StaticRegion`.
#![no_std]
#![no_main]

mod common;

use core::hint::black_box;
use core::mem::ManuallyDrop;

use hqq_core::advanced::{AdvancedLink, Event, SessionOptions};
use hqq_core::ring::exclusive::{ExclusiveConsumer, ExclusiveProducer};
use hqq_core::{Fixed, Format, Role, StandardLink, StaticRegion};

type Geometry = Fixed<8, 64>;
type End = AdvancedLink<ExclusiveProducer<Geometry>, ExclusiveConsumer<Geometry>, 1, 128, 2, 2>;

static REGION: StaticRegion<8, 64> = StaticRegion::new();

fn end(link: StandardLink<8, 64>, role: Role) -> End {
    End::new(link.split(), role, Format::V2, SessionOptions::new())
}

#[cortex_m_rt::entry]
fn main() -> ! {
    common::exit(run().is_some())
}

fn run() -> Option<()> {
    let (near, far) = REGION.take()?;
    // For ever, as firmware keeps them.
    let mut near = ManuallyDrop::new(end(near, Role::Primary));
    let mut far = ManuallyDrop::new(end(far, Role::Secondary));
    near.negotiate(100).ok()?;
    let mut body = [0_u8; 100];
    for (at, byte) in body.iter_mut().enumerate() {
        *byte = at as u8;
    }
    let mut call = None;
    for now in 0..50 {
        let mut request = None;
        let mut got = [0_u8; 100];
        let mut sound = false;
        let used = common::stack_of(&mut || match far.poll(now) {
            Ok(Some(Event::Message { key, body, .. })) => {
                request = Some((key, body.copy_to(0, &mut got)));
                sound = true;
            }
            Ok(_) => sound = true,
            Err(_) => {}
        });
        common::tell("receive.bin\0", used);
        if !sound {
            return None;
        }
        if let Some((key, len)) = request {
            let mut answer = far.begin_response(&key, 0, false, len as u64).ok()?;
            far.advance(&mut answer, got.get(..len)?, 8).ok()?;
        }
        if call.is_none() && near.session().agreement().is_some() {
            let mut request = near.begin_request(0, 1, 100).ok()?;
            let used = common::stack_of(&mut || {
                let _ = near.advance(&mut request, black_box(&body), 8);
            });
            common::tell("send.bin\0", used);
            call = Some(request.key().id);
        }
        match near.poll(now).ok()? {
            Some(Event::Message {
                key, body: answer, ..
            }) if Some(key.id) == call => {
                let mut got = [0_u8; 100];
                let len = answer.copy_to(0, &mut got);
                return (len == 100 && got == body).then_some(());
            }
            _ => {}
        }
    }
    None
}
