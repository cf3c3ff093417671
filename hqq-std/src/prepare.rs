//! A region's file from its descriptor to memory that is known to hold a region: locked, measured,
//! mapped and, where that is asked for, initialised (PROTOCOL.md A1).

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hqq_core::{AttachError, Format, FormatError, Identity, InitOptions, Layout, RegionError};

use crate::attach::lock;
use crate::error::OpenError;
use crate::identify::{identify, is_under_way};
use crate::mapping::{MapOptions, Mapping};
use crate::own_locks::{Open, OwnLocks};
use crate::wait::{Backoff, poll};

/// Longer patience is as good as none.
const LONGEST: Duration = Duration::from_secs(1 << 30);

/// What the options ask of a region.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The format, where the caller said which.
    pub(crate) format: Option<Format>,
    /// Buffers, where the caller said how many.
    pub(crate) count: Option<usize>,
    /// Bytes a buffer, where the caller said how many.
    pub(crate) size: Option<usize>,
    /// Whether ATTACH is needed: whoever only looks goes without it.
    pub(crate) locked: bool,
    /// This call has created the file, and nobody else knows of it yet.
    pub(crate) created: bool,
    /// How to initialise a region that is not ready, where that is allowed.
    pub(crate) initialise: Option<(Layout, InitOptions)>,
    pub(crate) map: MapOptions,
    pub(crate) huge_pages: bool,
    pub(crate) patience: Duration,
}

/// A region's file, with ATTACH held where that was asked for, ready to use. Dropping it frees the locks.
///
/// # Invariants
/// `mapping` has the length of `identity`'s layout.
pub(crate) struct Ready {
    pub(crate) path: PathBuf,
    pub(crate) mapping: Mapping,
    pub(crate) locks: OwnLocks,
    pub(crate) identity: Identity,
    /// Whether this call made the region ready.
    pub(crate) initialised: bool,
}

/// Opens, measures, maps and, where that is asked for, locks and initialises a region's file.
pub(crate) fn prepare(
    open: &mut Open<'_>,
    path: PathBuf,
    request: &Request,
) -> Result<Ready, OpenError> {
    let locks = OwnLocks::new(&path, open)?;
    let started = Instant::now();
    let patience = Backoff::within(Some(request.patience));
    match request.locked.then(|| lock(&locks, patience)).transpose() {
        Ok(Some(true) | None) => {}
        Ok(Some(false)) => {
            let waited = started.elapsed();
            return Err(OpenError::Busy { path, waited });
        }
        Err(error) => return Err(OpenError::of_io(path, "lock", error)),
    }
    let left = request.patience.saturating_sub(started.elapsed());
    let deadline = started
        .checked_add(request.patience)
        .unwrap_or(started + LONGEST);
    let backoff = Backoff::within(Some(left));
    let mut last = None;
    let identified = poll(backoff, || {
        let result = identify(locks.file(), &path, request, deadline);
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
    let mapping = Mapping::new(locks.file(), len, request.map).map_err(of_io("map"))?;
    mapping.describe(&identity.layout);
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

/// Memory that cannot be a region: no mapping is like that.
pub(crate) fn unusable(path: &Path) -> impl FnOnce(RegionError) -> OpenError {
    move |error| OpenError::Io {
        path: path.to_owned(),
        action: "use",
        error: io::Error::new(io::ErrorKind::InvalidData, error),
    }
}
