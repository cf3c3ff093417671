//! What a reader has yet to read keeps nothing from others.

use std::io::Read;
use std::sync::mpsc;
use std::time::Duration;

use hqq_std::{Format, Incoming};

use super::common::eventually;
use super::support::{limit, pair};

const CHUNK: usize = 16 << 10;
const CHUNKS: usize = 5;

/// Gives what is sent to it, and its end when nobody sends any more.
struct Fed {
    from: mpsc::Receiver<Vec<u8>>,
    left: Vec<u8>,
}

impl Read for Fed {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        if self.left.is_empty() {
            self.left = self.from.recv().unwrap_or_default();
        }
        let len = self.left.as_slice().read(to)?;
        self.left.drain(..len);
        Ok(len)
    }
}

#[test]
fn a_message_behind_much_that_a_slow_reader_is_to_read_is_found_by_one_look() {
    let (near, far) = pair(Format::V2, 16, CHUNK);
    let (feed, from) = mpsc::channel();
    std::thread::scope(|scope| {
        let sender = near.clone();
        let left = Vec::new();
        let sending = scope.spawn(move || sender.send_stream(Fed { from, left }, None));
        feed.send(vec![1; CHUNK]).unwrap();
        let Incoming::Plain { mut body, .. } = far.receive_stream(limit()).unwrap() else {
            panic!("not a message");
        };
        body.read_exact(&mut [0]).unwrap();
        for _ in 0..CHUNKS {
            feed.send(vec![2; CHUNK]).unwrap();
        }
        eventually("the chunks", || (near.unread() >= CHUNKS).then_some(()));
        near.send_large(b"behind").unwrap();
        let message = far.receive_timeout(Duration::ZERO).unwrap();
        assert_eq!(message.body(), b"behind");

        // Nothing of the slow one is lost.
        drop(feed);
        let mut rest = Vec::new();
        body.read_to_end(&mut rest).unwrap();
        assert_eq!(rest.len(), (CHUNKS + 1) * CHUNK - 1);
        assert!(rest.iter().skip(CHUNK - 1).all(|byte| *byte == 2));
        sending.join().unwrap().unwrap();
    });
}
