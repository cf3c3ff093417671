//! Two processes, of which one dies.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use hqq_core::packet::Features;
use hqq_std::advanced::error::{CallError, LinkFailure, ReceiveError, TransferError};
use hqq_std::{AdvancedLink, AdvancedOptions, Incoming, LinkOptions, Server};

use super::common::{Name, bounded, eventually};
use super::memory;
use super::support::{body, limit};

/// What the other process is to do: a task, a region and numbers.
const TASK: &str = "HQQ_TEST_TASK";
/// Before what the other process says, among what the test harness prints.
const SAYS: &str = "> ";

/// The next peer answers, and ends with the link.
pub(super) fn is_served(name: &Name, link: AdvancedLink) {
    let peer = Other::start(&format!("serve {}", &**name));
    let _ = link.negotiate(limit()).unwrap();
    let request = body(1, 1000);
    assert_eq!(link.call_on(0, 1, &request, limit()).unwrap(), request);
    drop(link);
    peer.ends_well();
}

/// The other process of the tests below and of others, which run it with a task; without one it checks that a task
/// that cannot be done is an error there.
#[test]
fn other_process() {
    let Ok(task) = std::env::var(TASK) else {
        let mut other = Other::start("hang hqq-no-such-region");
        assert!(!other.child.wait().unwrap().success());
        return;
    };
    let words: Vec<&str> = task.split(' ').collect();
    let options = AdvancedOptions::new();
    let link = AdvancedLink::open(words[1], &LinkOptions::new(), options).unwrap();
    match words[0] {
        "receive" => memory::receive(&link, Duration::from_micros(words[2].parse().unwrap())),
        "hang" => {
            let _ = link.wait_for_negotiation(limit()).unwrap();
            let _requests = [(); 4].map(|()| link.receive_request(limit()).unwrap());
            say("holding");
            // Until it is killed.
            let _ = io::stdin().read_to_end(&mut Vec::new());
        }
        "begin" => {
            let _ = link.wait_for_negotiation(limit()).unwrap();
            let incoming = link.receive_stream(limit()).unwrap();
            let Incoming::Request { mut body, request } = incoming else {
                panic!("not a request");
            };
            // All that came, so that more is sent; the rest stays in the ring.
            assert!(body.read(&mut [0; 1 << 16]).unwrap() > 0);
            say("begun");
            let _ = io::stdin().read_to_end(&mut Vec::new());
            drop(request);
        }
        "fill" => {
            let _ = link.wait_for_negotiation(limit()).unwrap();
            let mut sent = 0;
            let soon = || Instant::now().checked_add(Duration::from_millis(200));
            while link.send_large_until(b"unread", soon()).is_ok() {
                sent += 1;
            }
            say(&sent.to_string());
            let _ = io::stdin().read_to_end(&mut Vec::new());
        }
        "deaf" => {
            let _ = link.wait_for_negotiation(limit()).unwrap();
            say("deaf");
            let _ = io::stdin().read_to_end(&mut Vec::new());
        }
        "ask" => {
            let _ = link.negotiate(limit()).unwrap();
            let _ = link.call_on(0, 1, b"", limit()).unwrap();
            say("answered");
            let _ = io::stdin().read_to_end(&mut Vec::new());
        }
        "serve" => {
            let _ = link.wait_for_negotiation(limit()).unwrap();
            let server = Server::new().method(1, |request| Ok(request.body().to_vec()));
            server.serve(&link).unwrap();
        }
        other => panic!("no such task: {other}"),
    }
}

pub(super) fn say(text: &str) {
    println!("{SAYS}{text}");
}

/// The other process; killed, if it still runs, when this is dropped.
pub(super) struct Other {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Other {
    pub(super) fn start(task: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "processes::other_process", "--nocapture"])
            .env(TASK, task)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// What it says next.
    pub(super) fn says(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "it has ended");
            // The harness begins a line of its own for each test.
            if let Some((_, text)) = line.split_once(SAYS) {
                return text.trim().to_owned();
            }
        }
    }

    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        let _ = self.child.wait().unwrap();
    }

    pub(super) fn ends_well(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // Both fail where it was reaped already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn created(name: &Name) -> AdvancedLink {
    let region = LinkOptions::new().count(8).size(64);
    AdvancedLink::create(name, &region, AdvancedOptions::new()).unwrap()
}

#[test]
fn calls_fail_when_the_peer_is_killed_and_the_next_peer_answers() {
    bounded(|| {
        let name = Name::new();
        let link = created(&name);
        for asleep in [0, 60].map(Duration::from_millis) {
            let mut peer = Other::start(&format!("hang {}", &*name));
            let _ = link.negotiate(limit()).unwrap();
            let killed = std::thread::scope(|scope| {
                let waiting: Vec<_> = (0..4)
                    .map(|method| {
                        let link = &link;
                        scope.spawn(move || link.call_on(0, method, &[1; 100], limit()))
                    })
                    .collect();
                let receiving = scope.spawn(|| link.receive_until(limit()));
                assert_eq!(peer.says(), "holding");
                // Calls that have only begun look by themselves first.
                std::thread::sleep(asleep);
                peer.kill();
                let killed = Instant::now();
                for call in waiting {
                    let failed = call.join().unwrap().unwrap_err();
                    assert!(
                        matches!(failed, CallError::Link(LinkFailure::PeerDead)),
                        "{failed}"
                    );
                }
                let failed = receiving.join().unwrap().unwrap_err();
                assert_eq!(failed, ReceiveError::Link(LinkFailure::PeerDead));
                killed
            });
            println!(
                "calls of {asleep:?}: noticed after {:.2?}",
                killed.elapsed()
            );
            let sent = link.send_large(b"to nobody").unwrap_err();
            assert!(
                matches!(sent, TransferError::Link(LinkFailure::PeerDead)),
                "{sent}"
            );
            link.renew();
        }
        is_served(&name, link);
    });
}

#[test]
fn a_server_notices_that_its_peer_was_killed() {
    bounded(|| {
        let name = Name::new();
        let link = created(&name);
        let server = Server::new().threads(2).method(1, |_| Ok(Vec::new()));
        for _ in 0..2 {
            let mut peer = Other::start(&format!("ask {}", &*name));
            let _ = link.wait_for_negotiation(limit()).unwrap();
            std::thread::scope(|scope| {
                let serving = scope.spawn(|| server.serve(&link));
                assert_eq!(peer.says(), "answered");
                peer.kill();
                let killed = Instant::now();
                assert_eq!(serving.join().unwrap(), Err(LinkFailure::PeerDead));
                println!("noticed after {:.2?}", killed.elapsed());
            });
            link.renew();
        }
    });
}

#[test]
fn a_request_that_a_dead_peer_has_not_taken_is_known_not_to_be_executed() {
    bounded(|| {
        let name = Name::new();
        let options = LinkOptions::new().count(16).size(256);
        let link = AdvancedLink::create(&name, &options, AdvancedOptions::new()).unwrap();
        let mut peer = Other::start(&format!("deaf {}", &*name));
        let _ = link.negotiate(limit()).unwrap();
        assert_eq!(peer.says(), "deaf");
        std::thread::scope(|scope| {
            // One chunk, and several.
            let waiting: Vec<_> = [100, 1000]
                .map(|len| {
                    let link = &link;
                    scope.spawn(move || link.call_on(0, 1, &body(1, len), limit()))
                })
                .into_iter()
                .collect();
            // All of both.
            eventually("five chunks", || (link.unread() == 5).then_some(()));
            peer.kill();
            for call in waiting {
                let failed = call.join().unwrap().unwrap_err();
                assert!(matches!(failed, CallError::NotExecuted), "{failed}");
            }
        });
        link.renew();
        // The next one finds nothing of them.
        is_served(&name, link);
    });
}

#[test]
fn a_request_that_never_began_is_known_not_to_be_executed() {
    bounded(|| {
        // One waits for credit, and the other one for room.
        for features in [None, Some(Features::FORMAT_1)] {
            let name = Name::new();
            let region = LinkOptions::new().count(16).size(256);
            let options = AdvancedOptions::new();
            let options = features.map_or(options, |features| options.features(features));
            let link = AdvancedLink::create(&name, &region, options).unwrap();
            let mut peer = Other::start(&format!("deaf {}", &*name));
            let _ = link.negotiate(limit()).unwrap();
            assert_eq!(peer.says(), "deaf");
            // The ring is full.
            link.send_large(&[0; 16 * 256]).unwrap();
            std::thread::scope(|scope| {
                let waiting = [100, 1000].map(|len| {
                    let link = &link;
                    scope.spawn(move || link.call_on(0, 1, &body(1, len), limit()))
                });
                eventually("both calls", || {
                    (link.stats().requests_sent == 2).then_some(())
                });
                peer.kill();
                for call in waiting {
                    let failed = call.join().unwrap().unwrap_err();
                    assert!(matches!(failed, CallError::NotExecuted), "{failed}");
                }
            });
        }
    });
}

/// Whoever reads a request as it comes begins to execute it with its first part.
#[test]
fn a_request_of_which_a_dead_peer_took_the_beginning_may_be_half_executed() {
    bounded(|| {
        let name = Name::new();
        let options = LinkOptions::new().count(16).size(256);
        let link = AdvancedLink::create(&name, &options, AdvancedOptions::new()).unwrap();
        let mut peer = Other::start(&format!("begin {}", &*name));
        let _ = link.negotiate(limit()).unwrap();
        std::thread::scope(|scope| {
            let call = scope.spawn(|| link.call_on(0, 1, &[1; 100_000], limit()));
            assert_eq!(peer.says(), "begun");
            eventually("more in the ring", || (link.unread() > 0).then_some(()));
            peer.kill();
            let failed = call.join().unwrap().unwrap_err();
            assert!(
                matches!(failed, CallError::Link(LinkFailure::PeerDead)),
                "{failed}"
            );
        });
    });
}

/// A link that takes little in, and whose peers cannot be told to stop a single stream.
pub(super) fn easily_full() -> (Name, AdvancedLink) {
    let name = Name::new();
    let region = LinkOptions::new().count(8).size(64);
    let options = AdvancedOptions::new()
        .features(Features::FORMAT_1)
        .incoming_queue(4);
    let link = AdvancedLink::create(&name, &region, options).unwrap();
    (name, link)
}

/// The ring stays full of what nobody receives.
#[test]
fn a_call_ends_with_its_peer_beside_messages_that_nobody_has_received() {
    bounded(|| {
        let (name, link) = easily_full();
        let mut peer = Other::start(&format!("fill {}", &*name));
        let _ = link.negotiate(limit()).unwrap();
        std::thread::scope(|scope| {
            let call = scope.spawn(|| link.call(1, b"?"));
            let sent: usize = peer.says().parse().unwrap();
            peer.kill();
            let failed = call.join().unwrap().unwrap_err();
            assert!(
                matches!(failed, CallError::Link(LinkFailure::PeerDead)),
                "{failed}"
            );
            // Whoever receives later gets all that had come.
            for _ in 0..sent {
                assert_eq!(link.receive_until(limit()).unwrap().body(), b"unread");
            }
            let failed = link.receive_until(limit()).unwrap_err();
            assert_eq!(failed, ReceiveError::Link(LinkFailure::PeerDead));
        });
    });
}

/// As before, of calls that are being sent: the peer takes nothing of them, and there is no room.
#[test]
fn a_call_that_waits_for_room_ends_with_its_peer_beside_messages_that_nobody_has_received() {
    bounded(|| {
        let (name, link) = easily_full();
        for is_task in [false, true] {
            let mut peer = Other::start(&format!("fill {}", &*name));
            let _ = link.negotiate(limit()).unwrap();
            std::thread::scope(|scope| {
                let receiving = scope.spawn(|| link.receive_request(limit()));
                let _ = peer.says();
                let request = body(1, 100_000);
                let link = &link;
                let call = scope.spawn(move || {
                    if is_task {
                        pollster::block_on(link.call_async(1, &request))
                    } else {
                        link.call(1, &request)
                    }
                });
                eventually("a full ring", || (link.unread() == 8).then_some(()));
                peer.kill();
                let failed = call.join().unwrap().unwrap_err();
                assert!(matches!(failed, CallError::NotExecuted), "{failed}");
                // Whoever waits for more waits on, as what came before was not received.
                while let Ok(message) = link.receive_until(limit()) {
                    assert_eq!(message.body(), b"unread");
                }
                let failed = receiving.join().unwrap().unwrap_err();
                assert_eq!(failed, ReceiveError::Link(LinkFailure::PeerDead));
            });
            link.renew();
        }
    });
}
