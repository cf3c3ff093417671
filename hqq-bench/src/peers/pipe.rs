//! A pipe each way: one `write` and one `read` for each message.
//!
//! pipe(7): "the default pipe capacity is 16 pages, but the capacity can be queried and set using the
//! `F_GETPIPE_SZ` and `F_SETPIPE_SZ` operations"; the default and 1 MiB, what every user may have, compete.
//! Up to `PIPE_BUF` bytes "must be atomic".

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::parent_id;

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

use super::between::{Carrier, LARGE, Room, some, tell, told};
use super::failed;
use crate::error::BenchError;
use crate::memory::Lines;

const NAME: &str = "pipe";

/// The ends of two pipes.
pub(crate) struct Pipe {
    outgoing: File,
    incoming: File,
    /// What the second process opens; kept until then.
    _lent: Vec<File>,
}

impl Carrier for Pipe {
    fn first(_: &str, _: usize, room: Room, lines: Lines) -> Result<Self, BenchError> {
        let make = || {
            let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
            if room == Room::Large {
                // A system that allows less leaves it as it is.
                let _ = fcntl_setpipe_size(&write, LARGE);
            }
            Ok::<[File; 2], rustix::io::Errno>([read.into(), write.into()])
        };
        let [theirs, outgoing] = make().map_err(failed(NAME))?;
        let [incoming, back] = make().map_err(failed(NAME))?;
        let descriptors = [&theirs, &back].map(|file| u64::from(file.as_raw_fd().unsigned_abs()));
        tell(lines, &descriptors);
        Ok(Self {
            outgoing,
            incoming,
            _lent: vec![theirs, back],
        })
    }

    fn second(_: &str, _: usize, _: Room, lines: Lines) -> Result<Self, BenchError> {
        let [read, write] = told(lines);
        let path = |descriptor| format!("/proc/{}/fd/{descriptor}", parent_id());
        let mut for_writing = OpenOptions::new();
        for_writing.write(true);
        Ok(Self {
            incoming: File::open(path(read)).map_err(failed(NAME))?,
            outgoing: for_writing.open(path(write)).map_err(failed(NAME))?,
            _lent: Vec::new(),
        })
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), BenchError> {
        self.outgoing.write_all(bytes).map_err(failed(NAME))
    }

    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, BenchError> {
        some(NAME, self.incoming.read(buffer).map_err(failed(NAME))?)
    }
}
