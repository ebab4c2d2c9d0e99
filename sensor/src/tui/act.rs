//! Actions of the operator, as text and as requests.

use std::time::Duration;

use humantime::format_duration as lasting;
use ipnet::IpNet;

use crate::control::wire::Request;
use crate::decide::RecordId;
use crate::duration::{self, milliseconds};
use crate::enforce::{Limit, Limits, Mode, Scope, parse_bits};
use crate::groups::Whom;

/// The reason stored with a rule, for whoever asks later.
const REASON: &str = "sensor top";

/// Something that changes the policy.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Deed {
    /// Permanent without a duration.
    Block {
        prefix: IpNet,
        time: Option<Duration>,
    },
    Unblock {
        prefix: Whom,
    },
    Allow {
        prefix: IpNet,
    },
    Disallow {
        prefix: Whom,
    },
    /// Rolled back after the duration, if given, unless confirmed.
    Limit {
        prefix: IpNet,
        limits: Limits,
        confirm: Option<Duration>,
    },
    Unlimit {
        prefix: Whom,
    },
    /// Confirms limits awaiting confirmation.
    Keep {
        scopes: Vec<Scope>,
    },
}

/// The request to the daemon.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ask {
    Explain { prefix: IpNet },
    ExplainAlert { id: RecordId },
    Deed(Deed),
}

/// The daemon's answer.
#[derive(Debug)]
pub(super) enum Told {
    Explained(Result<String, String>),
    Done(Deed, Result<(), String>),
}

impl Deed {
    /// The equivalent command.
    pub(super) fn request(&self) -> Request {
        let reason = || Some(REASON.to_owned());
        match self {
            Self::Block { prefix, time } => Request::BlockAdd {
                prefix: (*prefix).into(),
                for_ms: time.map(milliseconds),
                reason: reason(),
                fleet: false,
            },
            Self::Unblock { prefix } => Request::BlockRemove { prefix: *prefix, fleet: false },
            Self::Allow { prefix } => Request::AllowAdd { prefix: (*prefix).into(), reason: reason() },
            Self::Disallow { prefix } => Request::AllowRemove { prefix: *prefix },
            Self::Limit { prefix, limits, confirm } => Request::LimitSet {
                scope: Scope::Prefix(*prefix),
                limits: *limits,
                confirm_ms: confirm.map(milliseconds),
            },
            Self::Unlimit { prefix } => Request::LimitUnset { scope: (*prefix).into() },
            Self::Keep { .. } => Request::Confirm,
        }
    }

    /// The question before it.
    pub(super) fn question(&self) -> String {
        match self {
            Self::Block { prefix, time: Some(time) } => format!("Block {prefix} for {}?", lasting(*time)),
            Self::Block { prefix, time: None } => format!("Block {prefix} permanently?"),
            Self::Unblock { prefix } => format!("Lift the block of {prefix}?"),
            Self::Allow { prefix } => format!("Allow {prefix}?"),
            Self::Disallow { prefix } => format!("Remove the allow rule for {prefix}?"),
            Self::Limit { prefix, limits, .. } => format!("Limit {prefix} to {}?", told(limits)),
            Self::Unlimit { prefix } => format!("Remove the limits of {prefix}?"),
            Self::Keep { scopes } => {
                let scopes: Vec<String> = scopes.iter().map(ToString::to_string).collect();
                format!("Keep the limits of {}?", scopes.join(", "))
            }
        }
    }

    /// Its effect.
    pub(super) fn consequence(&self, mode: Mode) -> String {
        let monitor = "Mode is MONITOR: packets are counted, not dropped.";
        let drops = match self {
            Self::Block { .. } => "Mode is ENFORCE: its packets are dropped from now on.",
            Self::Limit { .. } => "Mode is ENFORCE: packets over the limit are dropped from now on.",
            Self::Unblock { .. } => return "Its packets pass up to the limits.".to_owned(),
            Self::Allow { .. } => {
                return "No block or limit will affect it. `u` undoes this.".to_owned();
            }
            Self::Disallow { .. } => return "Blocks and limits apply to it again.".to_owned(),
            Self::Unlimit { .. } => return "The limits of the enclosing scope apply again.".to_owned(),
            Self::Keep { .. } => return "They stay until changed.".to_owned(),
        };
        let verdict = if mode == Mode::Enforce { drops } else { monitor };
        let undone = match self {
            Self::Limit { confirm: Some(time), .. } => {
                format!(" Rolled back after {} unless you keep it with `c`.", lasting(*time))
            }
            Self::Limit { confirm: None, .. } => " It stays until changed; `u` undoes it.".to_owned(),
            Self::Block { .. }
            | Self::Unblock { .. }
            | Self::Allow { .. }
            | Self::Disallow { .. }
            | Self::Unlimit { .. }
            | Self::Keep { .. } => " `u` undoes it.".to_owned(),
        };
        format!("{verdict}{undone}")
    }

    /// The confirmation that it was done.
    pub(super) fn report(&self) -> String {
        match self {
            Self::Block { prefix, time: Some(time) } => format!("blocked {prefix} for {}", lasting(*time)),
            Self::Block { prefix, time: None } => format!("blocked {prefix} permanently"),
            Self::Unblock { prefix } => format!("lifted the block of {prefix}"),
            Self::Allow { prefix } => format!("allowed {prefix}"),
            Self::Disallow { prefix } => format!("{prefix} is no longer allowed"),
            Self::Limit { prefix, limits, .. } => format!("limited {prefix} to {}", told(limits)),
            Self::Unlimit { prefix } => format!("removed the limits of {prefix}"),
            Self::Keep { .. } => "kept the limits".to_owned(),
        }
    }
}

fn told(limits: &Limits) -> String {
    let set = limits.iter().map(|(dimension, limit)| format!("{} {limit}", dimension.name()));
    set.collect::<Vec<_>>().join(", ")
}

/// Parses `requests 100/min:20`.
pub(super) fn parse_limit(text: &str) -> Result<Limits, String> {
    let expected =
        "expected packets, bits, connections or requests and a rate, such as `requests 100/min:20`";
    let (name, rate) = text.trim().split_once(char::is_whitespace).ok_or(expected)?;
    let limit = || rate.trim().parse::<Limit>().map(Some).map_err(|error| format!("{name}: {error}"));
    let none = Limits::default();
    match name {
        "packets" => Ok(Limits { packets: limit()?, ..none }),
        "bits" => Ok(Limits { bits: Some(parse_bits(rate.trim())?), ..none }),
        "connections" => Ok(Limits { connections: limit()?, ..none }),
        "requests" => Ok(Limits { requests: limit()?, ..none }),
        _ => Err(format!("`{name}`: {expected}")),
    }
}

/// Parses `10m`; `forever` is none.
pub(super) fn parse_time(text: &str) -> Result<Option<Duration>, String> {
    let text = text.trim();
    if text == "forever" {
        return Ok(None);
    }
    duration::parse(text, "expected 30s, 10m, 1h30m or forever").map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_as_they_are_typed() {
        for (text, expected) in [
            ("requests 100/min:20", r#"{"requests":"100/min:20"}"#),
            ("  packets   5k/s ", r#"{"packets":"5k/s:5k"}"#),
            ("bits 200M", r#"{"bits":"200M/s:200M"}"#),
            ("connections off", r#"{"connections":"off"}"#),
        ] {
            let limits = parse_limit(text).map(|limits| serde_json::to_string(&limits).unwrap());
            assert_eq!(limits.as_deref(), Ok(expected), "{text}");
        }
        for (text, part) in [
            ("", "such as"),
            ("requests", "such as"),
            ("speed 1/s", "`speed`"),
            ("requests fast", "requests:"),
            ("bits 1", "1k"),
        ] {
            let error = parse_limit(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn times_as_they_are_typed() {
        assert_eq!(parse_time(" 10m "), Ok(Some(Duration::from_secs(600))));
        assert_eq!(parse_time("forever"), Ok(None));
        for bad in ["", "0s", "soon", "-1m"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }
}
