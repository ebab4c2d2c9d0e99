//! The audit trail: each change of policy, with who or what caused it.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::id::RecordId;
use crate::clock::Timestamp;
use crate::detect::Threat;

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A prefix is blocked.
    BlockAdded,
    /// It was unblocked by a person.
    BlockRemoved,
    /// The block expired.
    BlockExpired,
    /// A prefix is allowed.
    AllowAdded,
    /// The allow rule was removed.
    AllowRemoved,
    /// The allow rule expired.
    AllowExpired,
    /// A limit was set.
    LimitSet,
    /// A limit was removed.
    LimitUnset,
    /// A limit expired.
    LimitExpired,
    /// A limit was not confirmed in time, and the previous one is in force again.
    LimitRolledBack,
    /// A client behind a proxy was put into the deny file.
    DenyAdded,
    /// It was removed from it.
    DenyRemoved,
    /// Its entry expired.
    DenyExpired,
    /// Limits awaiting confirmation were confirmed.
    LimitConfirmed,
    /// The address of an operator's ssh session is protected from now on.
    OperatorProtected,
    /// It is no longer protected: the session has ended.
    OperatorProtectionEnded,
    /// The mode changed.
    ModeSet,
    /// A configuration was loaded.
    ConfigurationLoaded,
    /// Blocks became limits because there were too many (the kill switch).
    KillSwitch,
    /// A host of the fleet was enrolled or expelled, or its decisions were undone.
    FleetChanged,
    /// Decisions of CrowdSec were carried out or lifted: one entry for all of an answer.
    CrowdsecChanged,
}

/// Who or what caused it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "lowercase")]
pub enum Cause {
    /// A detector's signal.
    Detector {
        /// Which.
        detector: Threat,
    },
    /// A command.
    Command {
        /// The user who gave it.
        uid: u32,
        /// The process that gave it.
        pid: i32,
        /// The user's name then, where it was known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    },
    /// The configuration's files.
    Configuration,
    /// Time.
    Expiry,
    /// The daemon itself, such as its kill switches.
    Daemon,
    /// Another host of the fleet.
    Fleet {
        /// Its name, where one host decided it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
    },
    /// CrowdSec.
    Crowdsec,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Sorts by time.
    pub id: RecordId,
    /// When it happened.
    pub ts: Timestamp,
    /// When the change happened.
    pub what: Change,
    /// What the change applies to: a prefix, a scope, or nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// Who or what caused it.
    pub cause: Cause,
    /// The alert that led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_id: Option<RecordId>,
    /// When it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// More, for a person: the limit that was set, the reason that was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl AuditEntry {
    /// The addresses meant; none if it is about no address.
    #[must_use]
    pub fn prefix(&self) -> Option<IpNet> {
        crate::prefix::parse(&self.subject).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_as_they_are_written() {
        let at = Timestamp::from_unix_micros(5);
        for (cause, expected) in [
            (Cause::Detector { detector: Threat::Scanner }, r#"{"by":"detector","detector":"scanner"}"#),
            (Cause::Command { uid: 0, pid: 77, user: None }, r#"{"by":"command","uid":0,"pid":77}"#),
            (
                Cause::Command { uid: 1_000, pid: 77, user: Some("alice".to_owned()) },
                r#"{"by":"command","uid":1000,"pid":77,"user":"alice"}"#,
            ),
            (Cause::Configuration, r#"{"by":"configuration"}"#),
            (Cause::Expiry, r#"{"by":"expiry"}"#),
            (Cause::Daemon, r#"{"by":"daemon"}"#),
            (Cause::Crowdsec, r#"{"by":"crowdsec"}"#),
            (Cause::Fleet { host: Some("web1".to_owned()) }, r#"{"by":"fleet","host":"web1"}"#),
        ] {
            assert_eq!(serde_json::to_string(&cause).unwrap(), expected);
            let entry = AuditEntry {
                id: RecordId::new(at, 0, 0),
                ts: at,
                what: Change::BlockAdded,
                subject: "192.0.2.7".to_owned(),
                cause,
                alert_id: None,
                until: Some(at),
                detail: None,
            };
            let text = serde_json::to_string(&entry).unwrap();
            assert_eq!(serde_json::from_str::<AuditEntry>(&text).unwrap(), entry);
            assert_eq!(entry.prefix(), "192.0.2.7/32".parse().ok());
        }
    }
}
