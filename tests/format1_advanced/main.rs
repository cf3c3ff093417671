//! The Advanced protocol of format 1 between this implementation and another one,
//! `format1/advanced.c`, which ends with a complaint at whatever breaks a rule of the format.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

mod calls;
mod faults;
mod messages;
mod negotiation;
mod streams;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hqq_std::{AdvancedLink, AdvancedOptions, Format, LinkOptions, Message, Request, Role, Server};
use hqq_tests::{LIMIT, Name, Outcome, Process, c_peer, eventually};

/// What the other implementation says once both have agreed on all there is.
const AGREED: &str = "negotiated version=1.0 features=3 capabilities=7\n";

/// Slots and bytes in a buffer.
type Geometry = (usize, usize);

/// Long enough for everything here.
fn soon() -> Option<Instant> {
    Instant::now().checked_add(LIMIT)
}

/// What a message of this length has in it.
fn content(len: usize) -> Vec<u8> {
    let byte = |at: usize| (len * 17 + at * 31 + (at >> 8) * 7) as u8;
    (0..len).map(byte).collect()
}

fn reversed(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().rev().copied().collect()
}

/// The other implementation's command.
fn start(name: &Name, (count, size): Geometry, arguments: &[&str]) -> Process {
    let mut command = c_peer![arguments[0], &**name];
    command.args(["--count", &count.to_string(), "--size", &size.to_string()]);
    Process::start(command.args(&arguments[1..]))
}

/// A region that both implementations take part in.
struct Meeting {
    link: AdvancedLink,
    name: Name,
    geometry: Geometry,
}

impl Meeting {
    /// Of a region that this implementation creates, for the others to be started.
    fn as_primary(geometry: Geometry, options: AdvancedOptions) -> Self {
        let name = Name::new();
        let link = AdvancedLink::create(&name, &region(geometry), options).unwrap();
        assert_eq!(link.role(), Role::Primary);
        Self {
            link,
            name,
            geometry,
        }
    }

    /// Both ends, this one in this role; the other implementation does what these arguments say.
    fn new(role: Role, geometry: Geometry, arguments: &[&str]) -> (Self, Process) {
        if role == Role::Primary {
            let meeting = Self::as_primary(geometry, AdvancedOptions::new());
            let peer = meeting.start(arguments);
            return (meeting, peer);
        }
        let name = Name::new();
        let creating = [arguments, &["--create", "--as", "primary"]].concat();
        let peer = start(&name, geometry, &creating);
        eventually("the region to appear", || name.exists().then_some(()));
        let link = AdvancedLink::open(&name, &region(geometry), AdvancedOptions::new()).unwrap();
        assert_eq!(link.role(), Role::Secondary);
        let meeting = Self {
            link,
            name,
            geometry,
        };
        (meeting, peer)
    }

    /// Another process of the other implementation, at the other end.
    fn start(&self, arguments: &[&str]) -> Process {
        start(&self.name, self.geometry, arguments)
    }

    /// As [`Meeting::start`], of one that ends by itself.
    fn run(&self, arguments: &[&str]) -> Outcome {
        self.start(arguments).wait()
    }

    /// Drives the link, which has nothing to receive, until a process has ended.
    fn wait_idly(&self, mut peer: Process) -> Outcome {
        eventually("the end of the peer", || {
            let found = self.link.receive_timeout(Duration::from_millis(2));
            assert!(found.is_err(), "{found:?}");
            (!peer.is_running()).then_some(())
        });
        peer.wait()
    }

    /// Puts a packet into the ring, as the other end.
    fn put(&self, words: [u64; 8]) {
        let words = words.map(|word| word.to_string());
        let mut arguments = vec!["raw"];
        arguments.extend(words.iter().map(String::as_str));
        assert_eq!(self.run(&arguments).text(), "raw\n");
    }

    /// Nothing was dropped, and nothing is left over.
    #[track_caller]
    fn assert_clean(&self) {
        let stats = self.link.stats();
        assert_eq!(stats.dropped, Default::default());
        assert_eq!((stats.pending_calls, stats.arriving), (0, 0));
        assert_eq!((stats.buffered_bytes, stats.streams), (0, 0));
    }

    /// Takes `messages` messages and answers `calls` calls of method 7 with their bodies reversed.
    #[track_caller]
    fn serve(&self, mut messages: Vec<usize>, calls: usize) {
        for _ in 0..messages.len() + calls {
            match self.link.receive_until(soon()).unwrap() {
                Message::Request(request) => self.answer(&request),
                message => {
                    let body = message.body();
                    let found = messages.iter().position(|len| *len == body.len());
                    messages.swap_remove(found.unwrap());
                    assert!(body == content(body.len()), "damaged");
                }
            }
        }
    }

    #[track_caller]
    fn answer(&self, request: &Request) {
        assert_eq!(request.method(), 7);
        assert!(request.body() == content(request.body().len()), "damaged");
        self.link
            .respond(request, &reversed(request.body()))
            .unwrap();
    }

    /// Lets a server answer while `work` is done.
    fn served_by<T>(&self, server: &Server<'_>, work: impl FnOnce() -> T) -> T {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let serving = scope.spawn(|| server.serve_until(&self.link, &stop));
            let result = {
                let _end = SetAtEnd(&stop);
                work()
            };
            serving.join().unwrap().unwrap();
            result
        })
    }
}

/// Sets a flag when it is dropped, whatever the reason.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        // Relaxed: nothing hangs on when exactly it is seen.
        self.0.store(true, Ordering::Relaxed);
    }
}

fn region((count, size): Geometry) -> LinkOptions {
    let options = LinkOptions::new().format(Format::V1);
    options.count(count).size(size)
}
