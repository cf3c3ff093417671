//! Who takes over what a dead receiver had reads on behind it, and learns what comes there.

use std::io::Read as _;
use std::process::Command;

use hqq_core::packet::{ErrorCode, ErrorPacket};
use hqq_std::{Delivery, LinkOptions, RecvError, Role};
use hqq_tests::{LIMIT, Name, Process, RawPeer, eventually};

const SIZE: usize = 64;

/// `read` passes over empty messages, and waits on.
#[test]
fn an_error_behind_an_empty_message_of_the_dead_is_told() {
    let name = Name::new();
    let options = LinkOptions::new()
        .count(4)
        .size(SIZE)
        .delivery(Delivery::AtLeastOnce);
    options.create_region(&name).unwrap();
    let living = options.shared().role(Role::Primary).open(&name).unwrap();
    let mut peer = RawPeer::new(&name);
    peer.link.sender().try_send(b"").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_victim"));
    command.args(["step", "hold", &name, "primary"]);
    let _ = Process::start(&mut command).wait().ok();
    std::thread::scope(|scope| {
        let mut receiver = living.receiver();
        receiver.set_timeout(Some(LIMIT)).unwrap();
        let reading = scope.spawn(move || receiver.read(&mut [0; SIZE]));
        eventually("the message to be taken over", || {
            (peer.link.sender().unread() == 0).then_some(())
        });
        peer.send(ErrorPacket {
            context_id: 0,
            code: ErrorCode::InvalidOperation,
        });
        let failed = reading.join().unwrap().unwrap_err();
        let told = hqq_core::RecvError::Peer(ErrorCode::InvalidOperation);
        assert_eq!(
            failed.downcast::<RecvError>().unwrap(),
            RecvError::Peer(told)
        );
    });
}
