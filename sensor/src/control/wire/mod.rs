//! The wire types of the control socket.

mod clients;
mod crowdsec;
mod explanation;
mod fleet;
mod incident;
mod logs;
mod posture;
mod report;
mod role;
mod routes;
mod ssh;
mod words;

pub use clients::{ClientRow, ClientSort, ClientsBy, ClientsRow, Rates};
pub use crowdsec::{CrowdsecPushes, CrowdsecReport};
pub use explanation::{AlertExplanation, Explanation, Site, Within};
pub use fleet::{FleetEvidence, FleetHost, FleetLimits, FleetReport, FleetSays};
pub use incident::{AccountReport, IncidentBlocks, LeftAlone, Mark, Preview, Target, Typed, WayReport};
pub use logs::AccessLogReport;
pub use posture::PostureReport;
pub use report::{
    AllowRow, BlockAdded, BlockRow, Confirmed, HttpReport, InnerReport, InterfaceReport, LimitRow, Losses,
    ModeReport, PendingRow, Reloaded, Removed, SecretsReport, StatusReport, TooManyReport,
};

pub use role::Role;
pub use routes::{RouteRow, RouteSort, RoutesReport, Standing};
pub use ssh::SshConnection;
pub use words::counted;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::decide::RecordId;
#[cfg(doc)]
use crate::decide::{Alert, AuditEntry, Incident};
use crate::enforce::{Limits, Mode, Scope};
use crate::groups::Whom;

/// Maximum length of a line on either side, in bytes: a list of 100,000 blocks has about 20 MB.
pub const MAX_ANSWER: usize = 64 << 20;
/// Longest request.
pub const MAX_REQUEST: usize = 64 << 10;

/// A request, and the client's claim about its terminal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Envelope {
    /// What is asked.
    pub request: Request,
    /// The connection of the operator's ssh session, if any. It is a claim: the daemon verifies it with the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<SshConnection>,
}

/// What a client may ask.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Request {
    /// [`StatusReport`]
    Status,
    /// [`ModeReport`], after a change where one is given.
    Mode {
        /// The new mode.
        set: Option<Mode>,
    },
    /// [`LimitRow`]s
    LimitList,
    /// [`LimitRow`]s, after the change.
    LimitSet {
        /// Whose limits.
        scope: Scope,
        /// Those that change.
        limits: Limits,
        /// Undo after this many milliseconds, unless confirmed.
        confirm_ms: Option<u64>,
    },
    /// [`LimitRow`]s, after the change.
    LimitUnset {
        /// Whose limits.
        scope: Scope,
    },
    /// [`crate::suggest::Report`]
    LimitSuggest {
        /// Not older than this, in whole days; all that is kept, where absent.
        since: Option<Timestamp>,
        /// Whether clients that went over a limit in force count.
        include_limited: bool,
        /// Limits to judge besides.
        #[serde(default)]
        what_if: Limits,
    },
    /// [`Confirmed`]
    Confirm,
    /// [`BlockRow`]s
    BlockList,
    /// [`BlockAdded`]
    BlockAdd {
        /// What to block.
        prefix: Whom,
        /// For how many milliseconds; for good, where absent.
        for_ms: Option<u64>,
        /// Why.
        reason: Option<String>,
        /// Whether for all hosts of the fleet.
        #[serde(default)]
        fleet: bool,
    },
    /// [`IncidentBlocks`]
    BlockIncident {
        /// Whose offenders to block.
        id: RecordId,
        /// For how many milliseconds; for good, where absent.
        for_ms: Option<u64>,
        /// Why; without, which incident it is.
        reason: Option<String>,
        /// Whether for all hosts of the fleet.
        #[serde(default)]
        fleet: bool,
    },
    /// [`Preview`]
    BlockPreview {
        /// What would be blocked.
        target: Target,
    },
    /// [`WayReport`]s: sends a test alert by every way out.
    AlertsTest,
    /// [`AccountReport`]
    Account {
        /// The account's name.
        name: Typed,
    },
    /// [`Removed`]
    BlockRemove {
        /// What to unblock.
        prefix: Whom,
        /// Whether on all hosts of the fleet.
        #[serde(default)]
        fleet: bool,
    },
    /// [`AllowRow`]s
    AllowList,
    /// [`AllowRow`]
    AllowAdd {
        /// What to allow.
        prefix: Whom,
        /// Why.
        reason: Option<String>,
    },
    /// [`Removed`]
    AllowRemove {
        /// What to allow no more.
        prefix: Whom,
    },
    /// [`ClientRow`]s, from two looks a second apart; [`ClientsRow`]s of clients that are put together.
    Clients {
        /// How many.
        top: usize,
        /// By what they are sorted.
        sort: ClientSort,
        /// By what they are put together, if they are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<ClientsBy>,
    },
    /// [`RoutesReport`], from two looks a second apart.
    Routes {
        /// How many.
        top: usize,
        /// By what.
        sort: RouteSort,
    },
    /// [`PostureReport`]
    Posture {
        /// Only routes that contain this text.
        route: Option<String>,
        /// From when on changes are told.
        since: Option<Timestamp>,
        /// Whether a draft OpenAPI document is wanted.
        draft: bool,
    },
    /// Records of exchanges, the last ones that were remembered, oldest first.
    Exchanges {
        /// How many at most.
        last: usize,
    },
    /// What the [`Question`] names.
    Records {
        /// What is asked.
        question: Question,
    },
    /// [`Reloaded`]
    Reload,
    /// [`FleetReport`]
    Fleet,
    /// [`FleetHost`]: a statement of the fleet's authority, made by the command.
    FleetTell {
        /// In its signed form, in base 64 (RFC 4648, section 5, without padding).
        statement: String,
    },
}

/// What the event store is asked.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// [`Explanation`]
    Explain {
        /// Of whom.
        prefix: IpNet,
    },
    /// [`AlertExplanation`]
    ExplainAlert {
        /// Which.
        id: RecordId,
    },
    /// [`Alert`]s, oldest first.
    Alerts {
        /// Not older than this.
        since: Option<Timestamp>,
        /// Later than this one.
        after: Option<RecordId>,
        /// This one only.
        id: Option<RecordId>,
        /// How many at most: the last ones.
        limit: usize,
    },
    /// [`Incident`]s, oldest first.
    Incidents {
        /// Only those that went on since this moment.
        since: Option<Timestamp>,
        /// Only those that go on.
        open: bool,
        /// Only those of which something was told after this moment.
        told_after: Option<Timestamp>,
        /// This one only.
        id: Option<RecordId>,
        /// Only those that a client or network takes part in.
        client: Option<IpNet>,
        /// How many at most: the last ones.
        limit: usize,
    },
    /// [`AuditEntry`]s, oldest first.
    Audit {
        /// Not older than this.
        since: Option<Timestamp>,
        /// How many at most: the last ones.
        limit: usize,
    },
}

/// An answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It was done; the value is of the type that the request names.
    Done(serde_json::Value),
    /// It was not done, and nothing was changed.
    Refused(String),
}
