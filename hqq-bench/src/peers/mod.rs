//! What could be used instead of HQQ, each as its documentation says is fastest: those settings are
//! quoted in its file. All of them write, move and check the same messages.

pub(crate) mod array_queue;
pub(crate) mod between;
pub(crate) mod channel;
pub(crate) mod datagram;
pub(crate) mod ends;
pub(crate) mod heapless_queue;
pub(crate) mod iceoryx;
pub(crate) mod iceoryx_sizes;
pub(crate) mod in_process;
pub(crate) mod ipc_channels;
mod many_messages;
pub(crate) mod message_queue;
pub(crate) mod pipe;
pub(crate) mod ring_buffer;
pub(crate) mod seqpacket;
pub(crate) mod std_channel;
pub(crate) mod stream;

use std::error::Error;
use std::os::fd::AsFd;

use rustix::net::sockopt::set_socket_send_buffer_size;

use between::{LARGE, Room};

use crate::error::BenchError;

/// Removes what peers leave in the system when they end; only the first process has left something.
pub(crate) fn clean_up() {
    iceoryx::clean_up(std::process::id());
}

/// Sets what a socket holds; a system that allows less gives less.
fn give_room(socket: &impl AsFd, room: Room) -> Result<(), rustix::io::Errno> {
    match room {
        Room::Default => Ok(()),
        Room::Large => set_socket_send_buffer_size(socket, LARGE),
    }
}

/// What a peer says went wrong.
pub(crate) fn failed<E: Error + Send + Sync + 'static>(
    peer: &'static str,
) -> impl Fn(E) -> BenchError {
    move |error| BenchError::Peer {
        peer,
        source: Box::new(error),
    }
}
