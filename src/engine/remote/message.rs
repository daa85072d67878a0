//! What the two ends say to each other, in JSON.

use serde::{Deserialize, Serialize};

/// Changes whenever an older end would misunderstand a newer one.
pub(super) const PROTOCOL: u32 = 1;

/// The longest message of a server. It takes memory only as it comes in.
pub(super) const LONGEST: usize = 1 << 30;

/// What a viewer says. There is no `Debug`, since the token is in it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromViewer<R> {
    /// First of all.
    Hello(Hello),
    /// Asks for something; the answer has the same number.
    Request { number: u64, request: R },
}

/// Who a viewer is. The token comes in a place where every version of the protocol finds it.
#[derive(Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) protocol: u32,
    #[serde(default)]
    pub(super) token: String,
    /// The version of the viewer's program.
    pub(super) program: String,
    /// Drawn by the viewer, and the same after a loss: a connection that the server has not missed yet gives up its place.
    pub(super) viewer: u64,
    /// Whether the viewer would like to make requests.
    pub(super) write: bool,
    /// What it has read already.
    pub(super) have: Option<Position>,
}

/// A place in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Which log: that of a server that was started again is another one.
    pub(super) log: u64,
    /// How often the log had begun again.
    pub(super) generation: u64,
    /// How many kept messages were read since.
    pub(super) next: usize,
}

/// What a server says: messages of type `M`, answers of type `A`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToViewer<M, A> {
    /// The token was right. The log goes on where the viewer was, or else with `Begin`.
    Welcome { program: String, log: u64, writes: bool },
    /// The connection ends. `again` tells whether another attempt may do better.
    Refused { reason: String, again: bool },
    /// What follows has happened since the viewer has come.
    CaughtUp,
    /// All that was told before is over.
    Begin { generation: u64 },
    /// The next message of the log.
    Kept(M),
    /// A message that only matters now.
    Passing(M),
    /// What a request led to.
    Answer { number: u64, answer: A },
    /// A request led to nothing.
    Declined { number: u64, reason: String },
    /// Whether this viewer's requests are taken has changed.
    Writes(bool),
}
