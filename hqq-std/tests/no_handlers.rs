//! A system that has no memory for handlers of `fork`.

#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(unsafe_code, reason = "stands in for a function of the system's")]

use std::ffi::c_int;
use std::io;

use hqq_std::{LinkOptions, OpenError};

const ENOMEM: c_int = 12;

type Handler = Option<unsafe extern "C" fn()>;

/// In place of the C library's, which each program has within itself.
// SAFETY: of the same signature; whoever calls it has to bear that it fails.
#[unsafe(no_mangle)]
extern "C" fn pthread_atfork(_: Handler, _: Handler, _: Handler) -> c_int {
    ENOMEM
}

/// Children would keep its locks.
#[test]
fn nothing_is_opened_where_forks_cannot_be_handled() {
    for _ in 0..2 {
        match LinkOptions::new().anonymous() {
            Err(OpenError::Io { error, .. }) => {
                assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
            }
            other => panic!("{:?}", other.map(|_| ())),
        }
    }
}
