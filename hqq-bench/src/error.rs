//! What can go wrong while measuring.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use hqq_core::advanced::{AdvanceError, BeginError, NegotiateError, PollError};
use hqq_core::{
    AttachError, FormatError, GrantError, LayoutError, RecvError, RegionError, SendError,
    TryRecvError, TrySendError,
};

use hqq_std::OpenError;
use hqq_std::advanced::error::{
    CallError, LinkFailure, NegotiationError, ReceiveError, TransferError,
};

use crate::hqq::hand_written::Refused;
use crate::instructions::OutOfBudget;

/// Why there are no figures. A goal that is missed is not an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum BenchError {
    #[error("cannot learn or set the cores to run on: {0}")]
    Cores(#[source] io::Error),
    #[error("this process may run on no core: look at its cpuset")]
    NoCore,
    #[error("cannot share memory between the processes: {0}")]
    Memory(#[source] io::Error),
    #[error("cannot start the second process: {0}")]
    Start(#[source] io::Error),
    #[error("the second process has ended ({0}); what it said is above")]
    SecondEnded(ExitStatus),
    #[error("the second process was asked for measure {0}, which it does not have")]
    NoSuchMeasure(u64),
    #[error("cannot watch the second process: {0}")]
    Watch(#[source] io::Error),
    #[error("the first process has ended")]
    FirstEnded,
    #[error("no answer within {0:?}: is the machine overloaded?")]
    NoAnswer(Duration),
    #[error("{measure}: what came back is not what was sent")]
    Changed { measure: &'static str },
    #[error("{measure}: the memory given to it is not laid out as it needs")]
    NotLaidOut { measure: &'static str },
    #[error("the ring written by hand: {0}")]
    HandWritten(#[from] Refused),
    #[error("cannot lay out a region: {0}")]
    Layout(#[from] LayoutError),
    #[error("cannot use the shared memory as a region: {0}")]
    Region(#[from] RegionError),
    #[error("cannot initialise the region: {0}")]
    Initialise(#[from] FormatError),
    #[error("cannot attach to the region: {0}")]
    Attach(#[from] AttachError),
    #[error("sending failed: {0}")]
    Send(#[from] SendError),
    #[error("receiving failed: {0}")]
    Receive(#[from] RecvError),
    #[error("sending failed: {0}")]
    TrySend(#[from] TrySendError),
    #[error("receiving failed: {0}")]
    TryReceive(#[from] TryRecvError),
    #[error("a grant was refused: {0}")]
    Grant(#[from] GrantError),
    #[error("cannot keep latencies: the histogram refused its digits")]
    Histogram,
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the example send_receive cannot be built or run ({0}); what it said is above")]
    Example(ExitStatus),
    #[error("callgrind counted no {function}")]
    NotCounted { function: &'static str },
    #[error("no row has the id {0}: the tables have all, such as that of `hqq-bench rtt --quick`")]
    NoSuchRow(String),
    #[error(
        "cannot run {tool}, which this needs (Debian: linux-perf and binutils, or any kernel's perf): {source}"
    )]
    Tool {
        tool: &'static str,
        source: io::Error,
    },
    #[error("{tool} failed ({status}): {said}")]
    ToolFailed {
        tool: &'static str,
        status: ExitStatus,
        said: String,
    },
    #[error(transparent)]
    OutOfBudget(#[from] OutOfBudget),
    #[error("cannot draw a plot: {0}")]
    Plot(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot hand a region to the second process: {0}")]
    Lend(#[source] io::Error),
    #[error("cannot open a region: {0}")]
    Open(#[from] OpenError),
    #[error("sending over hqq-std failed: {0}")]
    StdSend(#[from] hqq_std::SendError),
    #[error("receiving over hqq-std failed: {0}")]
    StdReceive(#[from] hqq_std::RecvError),
    #[error("cannot negotiate: {0}")]
    Negotiate(#[from] NegotiateError),
    #[error("cannot negotiate: {0}")]
    Negotiation(#[from] NegotiationError),
    #[error("the link cannot be polled: {0}")]
    Poll(#[from] PollError),
    #[error("cannot begin a message: {0}")]
    Begin(#[from] BeginError),
    #[error("cannot send a message: {0}")]
    Advance(#[from] AdvanceError),
    #[error("a message could not be sent at once, though the ring has room")]
    Busy,
    #[error("a call failed: {0}")]
    Call(#[from] CallError),
    #[error("no request came: {0}")]
    Request(#[from] ReceiveError),
    #[error("cannot answer a request: {0}")]
    Transfer(#[from] TransferError),
    #[error("the server ended: {0}")]
    Serve(#[from] LinkFailure),
    #[error("the system refused: {0}")]
    System(#[source] io::Error),
    #[cfg(feature = "peers")]
    #[error("{peer}: {source}")]
    Peer {
        peer: &'static str,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("a thread of {measure} has ended")]
    ThreadEnded { measure: &'static str },
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("cannot print the report: {0}")]
    Print(#[source] io::Error),
}
