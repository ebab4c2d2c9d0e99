//! An attempt to log in, as part of an exchange.

use serde::{Serialize, Serializer};

use crate::identity::KeyedHash;

/// How the server answered an attempt to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LoginOutcome {
    /// It let the user in.
    Success,
    /// It refused the credentials.
    Failure,
    /// Neither can be told: no response was seen, the server failed, or its answer says nothing.
    Unknown,
}

impl LoginOutcome {
    /// All outcomes.
    pub const ALL: [Self; 3] = [Self::Success, Self::Failure, Self::Unknown];

    /// The name in records and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Unknown => "unknown",
        }
    }
}

/// An attempt to log in. Names and passwords are keyed hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Login {
    /// The account; none where the request names none that could be read.
    #[serde(serialize_with = "as_text")]
    pub user: Option<KeyedHash>,
    /// The password, for telling equal ones. It is in no record.
    #[serde(skip)]
    pub password: Option<KeyedHash>,
    /// How the server answered.
    pub outcome: LoginOutcome,
    /// What the request looks like: a hash of the order of its header names and of its User-Agent. Equal for the
    /// requests of one program, which an attack that is spread over many addresses mostly is.
    #[serde(skip)]
    pub fingerprint: u64,
}

fn as_text<S: Serializer>(hash: &Option<KeyedHash>, serializer: S) -> Result<S::Ok, S::Error> {
    match hash {
        Some(hash) => serializer.collect_str(hash),
        None => serializer.serialize_none(),
    }
}
