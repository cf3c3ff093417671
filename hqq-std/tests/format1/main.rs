//! Links over regions of format 1: what they do as those of format 2, and what they do not.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

#[path = "../common/mod.rs"]
mod common;
mod messages;
mod opening;
mod sharing;
mod waiting;

use std::time::{Duration, Instant};

use common::LIMIT;
use hqq_std::{Format, LinkOptions, RecvError, StandardLink};

const SHORT: Duration = Duration::from_millis(30);

fn small() -> LinkOptions {
    LinkOptions::new().format(Format::V1).count(4).size(16)
}

/// With an end to all its waiting.
fn patient(mut link: StandardLink) -> StandardLink {
    link.set_read_timeout(Some(LIMIT)).unwrap();
    link.set_write_timeout(Some(LIMIT)).unwrap();
    link
}

fn ends() -> (StandardLink, StandardLink) {
    let (near, far) = small().pair().unwrap();
    (patient(near), patient(far))
}

/// What `call` gives, which it may not do before its deadline.
fn not_before<T>(call: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = call();
    assert!(started.elapsed() >= SHORT, "{:?}", started.elapsed());
    result
}

fn nothing_more(link: &mut StandardLink) {
    let received = link.recv_timeout(&mut [0; 16], SHORT);
    assert_eq!(received, Err(RecvError::TimedOut));
}
