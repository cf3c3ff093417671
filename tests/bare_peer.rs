//! The program of the guest without its machine: hqq-core alone, over the bytes of the region, with
//! hqq-std on the other side. It takes no lock and wakes nobody.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

use std::time::Instant;

use hqq_std::{Role, StandIn};
use hqq_tests::hosting::{Amounts, advanced, echo, options, part};
use hqq_tests::{Name, bare_region, bounded, eventually};

#[path = "guest/src/service.rs"]
mod service;

#[test]
fn messages_calls_and_a_stream() {
    // Several times what the host grants of a stream at once.
    let amounts = Amounts {
        messages: 5000,
        calls: 100,
        stream: 4 << 20,
    };
    bounded(move || {
        let name = Name::new();
        let host = options().create(&name).unwrap();
        let stand_in = StandIn::for_role(&name, Role::Secondary).unwrap();
        let region = bare_region(&name);
        let peer = std::thread::spawn(move || {
            let started = Instant::now();
            let idle = std::thread::yield_now;
            service::echo(&region, idle)?;
            let ticks = || started.elapsed().as_millis() as u64;
            service::serve(&region, ticks, idle)
        });
        let (mut sender, mut receiver) = host.split();
        eventually("the peer", || sender.is_peer_open().then_some(()));
        echo(&mut sender, &mut receiver, amounts.messages);
        part(sender, receiver);
        advanced(&name, amounts);
        assert_eq!(peer.join().unwrap(), Ok(()));
        drop(stand_in);
    });
}
