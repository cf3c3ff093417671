//! A region's file from its descriptor to memory that is known to hold a region: locked, measured,
//! mapped and, where that is asked for, initialised (PROTOCOL.md A1).

#![allow(unsafe_code, reason = "looks at a region while its mapping is at hand")]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hqq_core::{
    AttachError, Format, FormatError, Identity, InitOptions, Layout, Region, RegionError,
    initialise,
};

use crate::attach::lock;
use crate::error::OpenError;
use crate::mapping::Mapping;
use crate::sys::ByteLocks;
use crate::wait::{Backoff, poll};

/// What the options ask of a region.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The format, where the caller said which.
    pub(crate) format: Option<Format>,
    /// Buffers, where the caller said how many.
    pub(crate) count: Option<usize>,
    /// Bytes a buffer, where the caller said how many.
    pub(crate) size: Option<usize>,
    /// How to initialise a region that is not ready, where that is allowed.
    pub(crate) initialise: Option<(Layout, InitOptions)>,
    pub(crate) prefault: bool,
    pub(crate) huge_pages: bool,
    pub(crate) patience: Duration,
}

/// A region's file with ATTACH held, ready to use. Dropping it frees the locks.
///
/// # Invariants
/// `mapping` has the length of `identity`'s layout.
pub(crate) struct Ready {
    pub(crate) path: PathBuf,
    pub(crate) locks: ByteLocks,
    pub(crate) mapping: Mapping,
    pub(crate) identity: Identity,
    /// Whether this call made the region ready.
    pub(crate) initialised: bool,
}

/// Locks, measures, maps and, where that is asked for, initialises a region's file.
pub(crate) fn prepare(file: File, path: PathBuf, request: &Request) -> Result<Ready, OpenError> {
    let started = Instant::now();
    let locks = ByteLocks::new(file);
    match lock(&locks, Backoff::within(Some(request.patience))) {
        Ok(true) => {}
        Ok(false) => {
            let waited = started.elapsed();
            return Err(OpenError::Busy { path, waited });
        }
        Err(error) => return Err(OpenError::of_io(path, "lock", error)),
    }
    let backoff = Backoff::within(Some(request.patience.saturating_sub(started.elapsed())));
    let mut last = None;
    let identified = poll(backoff, || {
        let result = identify(locks.file(), &path, request);
        match &result {
            // An HQQ-Go process may be at it: it does not know of ATTACH.
            Err(error) if is_under_way(error, request) => {
                last = Some(result);
                None
            }
            _ => Some(result),
        }
    });
    let (identity, initialised) = match (identified, last) {
        (Some(result), _) | (None, Some(result)) => result?,
        (None, None) => {
            let waited = started.elapsed();
            return Err(OpenError::Busy { path, waited });
        }
    };
    check_geometry(&identity, &path, request)?;
    let len = identity.layout.len();
    let of_io = |action| {
        let path = path.clone();
        move |error| OpenError::of_io(path, action, error)
    };
    let mapping = Mapping::new(locks.file(), len, request.prefault).map_err(of_io("map"))?;
    if request.huge_pages {
        mapping
            .advise_huge_pages()
            .map_err(of_io("get huge pages for"))?;
    }
    Ok(Ready {
        path,
        locks,
        mapping,
        identity,
        initialised,
    })
}

/// Whether a process that does not know of ATTACH may be making the region: one of HQQ-Go makes an
/// empty file, gives it its length, and then initialises it.
const fn is_under_way(error: &OpenError, request: &Request) -> bool {
    match error {
        OpenError::Attach {
            error:
                AttachError::Format(FormatError::Initialising {
                    format: Format::V1, ..
                }),
            ..
        } => true,
        OpenError::Truncated { found: 0, .. }
        | OpenError::Attach {
            error: AttachError::Format(FormatError::Empty),
            ..
        } => matches!(request.format, Some(Format::V1)),
        _ => false,
    }
}

/// What the file says it is, after initialising it where that is asked for; and whether it was.
fn identify(file: &File, path: &Path, request: &Request) -> Result<(Identity, bool), OpenError> {
    let of_io = |action| move |error| OpenError::of_io(path.to_owned(), action, error);
    let length = || {
        file.metadata()
            .map(|metadata| metadata.len())
            .map_err(of_io("measure"))
    };
    let mut found = length()?;
    if let (0, Some((layout, _))) = (found, &request.initialise) {
        let needed = layout.len() as u64;
        crate::sys::allocate(file, needed).map_err(|error| {
            // Leave it as empty as it was found.
            let _ = rustix::fs::ftruncate(file, 0);
            no_space(path, needed, error)
        })?;
        found = length()?;
    }
    let refused = |error| match error {
        FormatError::Truncated { needed, .. } => OpenError::Truncated {
            path: path.to_owned(),
            found,
            needed,
        },
        error => OpenError::attach(path, error),
    };
    let smallest = hqq_core::size_of_link(2, 8)?;
    if found < smallest as u64 {
        return Err(OpenError::Truncated {
            path: path.to_owned(),
            found,
            needed: smallest as u64,
        });
    }
    // The file may be longer than any region: only what is known to be one gets mapped.
    let start = Mapping::new(file, smallest, false).map_err(of_io("map"))?;
    // SAFETY: `start` lives until this function ends, and nothing made from the region leaves it.
    let region = unsafe { start.region() }.map_err(unusable(path))?;
    match (Identity::read_within(&region, found), &request.initialise) {
        (Ok(identity), _) => Ok((identity, false)),
        // ATTACH is held, so whoever began to initialise a region of format 2 is dead; but an
        // HQQ-Go process, which does not know that lock, may be taking an empty one.
        (
            Err(
                error @ (FormatError::Empty
                | FormatError::Initialising {
                    format: Format::V2, ..
                }),
            ),
            Some((layout, options)),
        ) => {
            let needed = layout.len() as u64;
            if found < needed {
                return Err(refused(FormatError::Truncated { needed, found }));
            }
            if error == FormatError::Empty {
                if let Err(error) = check_zero(file, path, found) {
                    return Err(match Identity::read_within(&region, found) {
                        Err(FormatError::Empty) => error,
                        // What was found is what an HQQ-Go process that has taken it meanwhile wrote.
                        _ => refused(FormatError::Initialising { format: Format::V1 }),
                    });
                }
                if !hqq_core::try_claim(&region, layout.format()) {
                    let format = Format::V1;
                    return Err(refused(FormatError::Initialising { format }));
                }
            }
            let whole = Mapping::new(file, layout.len(), false).map_err(of_io("map"))?;
            // SAFETY: as above, with `whole`.
            let region: Region = unsafe { whole.region() }.map_err(unusable(path))?;
            initialise(&region, layout, options).map_err(refused)?;
            let identity = Identity::read(&region).map_err(refused)?;
            Ok((identity, true))
        }
        (Err(error), _) => Err(refused(error)),
    }
}

/// That a file which looks empty holds nobody's data.
fn check_zero(file: &File, path: &Path, len: u64) -> Result<(), OpenError> {
    let mut bytes = vec![0; 1 << 16];
    let mut at = 0;
    while at < len {
        let read = file
            .read_at(&mut bytes, at)
            .map_err(|error| OpenError::of_io(path.to_owned(), "read", error))?;
        if read == 0 {
            break;
        }
        if let Some(data) = bytes.iter().take(read).position(|byte| *byte != 0) {
            return Err(OpenError::NotEmpty {
                path: path.to_owned(),
                offset: at + data as u64,
            });
        }
        at += read as u64;
    }
    Ok(())
}

/// That the region has the format and the geometry asked for, where one was.
fn check_geometry(identity: &Identity, path: &Path, request: &Request) -> Result<(), OpenError> {
    let (count, size) = (identity.layout.count(), identity.layout.size());
    let found = identity.layout.format();
    if let Some(expected) = request.format.filter(|expected| *expected != found) {
        let error = FormatError::OtherFormat { expected, found };
        return Err(OpenError::attach(path, error));
    }
    if let Some(expected) = request.count.filter(|expected| *expected != count) {
        let found = count;
        return Err(OpenError::attach(
            path,
            AttachError::Count { expected, found },
        ));
    }
    if let Some(expected) = request.size.filter(|expected| *expected != size) {
        let found = size;
        return Err(OpenError::attach(
            path,
            AttachError::Size { expected, found },
        ));
    }
    Ok(())
}

/// A failure to get space, as what it is.
pub(crate) fn no_space(path: &Path, needed: u64, error: io::Error) -> OpenError {
    use rustix::io::Errno;
    match Errno::from_io_error(&error) {
        Some(Errno::NOSPC | Errno::FBIG | Errno::DQUOT) => OpenError::NoSpace {
            path: path.to_owned(),
            needed,
        },
        _ => OpenError::of_io(path.to_owned(), "allocate", error),
    }
}

/// Memory that cannot be a region: no mapping is like that.
pub(crate) fn unusable(path: &Path) -> impl FnOnce(RegionError) -> OpenError {
    move |error| OpenError::Io {
        path: path.to_owned(),
        action: "use",
        error: io::Error::new(io::ErrorKind::InvalidData, error),
    }
}
