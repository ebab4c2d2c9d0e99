//! This host in a fleet: what it decided goes out, and what others decided comes in, as far as this host permits it.

mod report;
mod together;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ipnet::IpNet;
use report::hosts;
use serde::{Deserialize, Serialize};
pub(super) use together::Joint;
use together::Sharing;
use tracing::{error, info, warn};

use super::commands::Commands;
use super::engine::Engine;
use super::responder::Details;
use crate::clock::{self, Timestamp};
use crate::control::wire::FleetHost;
use crate::decide::{Cause, Change, Measure};
use crate::enforce::{BlockRule, Origin};
use crate::fleet::{self, Effect, Member, Refusal, Saying, Side, SigningKey, Statement, Subject};
use crate::store::StateFile;

/// Files in the state directory: this host's private key, and what it remembers of the fleet.
const KEY: &str = "fleet.key";
const MEMORY: &str = "fleet.json";

/// What survives a restart, in base 64.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Remembered {
    statements: Vec<String>,
    records: Vec<String>,
}

/// The fleet that this host belongs to, if any.
#[derive(Debug, Default)]
pub(super) struct Membership {
    pub(super) member: Option<Member>,
    /// What survives a restart.
    file: Option<StateFile<Remembered>>,
    is_stale: bool,
    /// Why there is no member although a fleet is configured.
    trouble: Option<String>,
    /// What this host and others count together.
    pub(super) sharing: Sharing,
}

/// Joins the fleet that the configuration names.
pub(super) fn start(commands: &Arc<Commands>) {
    let Some(config) = commands.engine().config.fleet.clone() else { return };
    let now = clock::now();
    let mut engine = commands.engine();
    let state_dir = engine.config.paths.state_dir.clone();
    let key = match SigningKey::ensure(&state_dir.join(KEY)) {
        Ok(key) => key,
        Err(error) => {
            error!(%error, "this host takes part in no fleet");
            engine.fleet.trouble = Some(error.to_string());
            return;
        }
    };
    info!(key = %key.public(), name = config.name, "member of a fleet");
    let (mut member, queue) = Member::new(config.clone(), key, now);
    match StateFile::open(&state_dir, MEMORY) {
        Ok(mut file) => {
            let (remembered, _damage) = file.recall(now);
            recall(&mut member, &remembered, now);
            engine.fleet.file = Some(file);
        }
        Err(error) => warn!(%error, "what other hosts decided is not kept over a restart"),
    }
    engine.fleet.sharing = together::start(commands, &config, &engine.config.detect, &state_dir.join(KEY));
    let state = Arc::clone(member.state());
    engine.fleet.member = Some(member);
    engine.agree_with_itself(now);
    engine.settle_all(now);
    drop(engine);
    tokio::spawn(fleet::run(config, queue, state, Door(Arc::clone(commands))));
}

fn recall(member: &mut Member, remembered: &Remembered, now: Timestamp) {
    let blobs = |texts: &[String]| -> Vec<Vec<u8>> {
        texts.iter().filter_map(|text| URL_SAFE_NO_PAD.decode(text).ok()).collect()
    };
    for blob in blobs(&remembered.statements) {
        // One of a former authority is of no use.
        let _refused = member.hear(&blob);
    }
    member.recall(&blobs(&remembered.records), now);
}

/// The daemon as the courier sees it. Each call takes the engine's lock for one record.
struct Door(Arc<Commands>);

impl Side for Door {
    fn take(&self, blob: &[u8]) {
        let now = clock::now();
        let mut engine = self.0.engine();
        let subject = engine.fleet.member.as_mut().and_then(|member| member.take(blob, now));
        if let Some(subject) = subject {
            engine.fleet.is_stale = true;
            engine.settle(&subject, now, true);
        }
    }

    fn hear(&self, blob: &[u8]) {
        let now = clock::now();
        let mut engine = self.0.engine();
        let Some(member) = &mut engine.fleet.member else { return };
        match member.hear(blob) {
            Ok((false, _)) => {}
            Ok((true, concerned)) => {
                engine.fleet.is_stale = true;
                concerned.iter().for_each(|subject| engine.settle(subject, now, false));
            }
            Err(why) => member.refuse(why),
        }
    }

    fn everything(&self) -> Vec<(Saying, bool)> {
        self.0.engine().fleet.member.as_ref().map(Member::everything).unwrap_or_default()
    }

    fn takes_again(&self) -> bool {
        self.0.engine().fleet.member.as_mut().is_some_and(Member::takes_again)
    }
}

impl Engine {
    /// What this host had said before a restart, and what it decides now, become the same.
    fn agree_with_itself(&mut self, now: Timestamp) {
        let active = self.responder.active();
        let own = |(prefix, measure): &Subject| {
            active.contains_key(&(*prefix, *measure))
                || *measure == Measure::Block && self.policy.commands().blocks.contains_key(prefix)
        };
        let Some(member) = &mut self.fleet.member else { return };
        let gone: Vec<Subject> = member.standing().own_holds().filter(|subject| !own(subject)).collect();
        gone.into_iter().for_each(|subject| member.lift(subject, false, now));
        for ((prefix, measure), decision) in active {
            let subject = (*prefix, *measure);
            if *measure != Measure::Limit && decision.is_active(now) && !member.standing().holds(&subject) {
                let reason = format!("{}, alert {}", decision.threat.slug(), decision.alert_id);
                member.hold(subject, decision.until, reason, now);
            }
        }
    }

    /// Says to the fleet that a client is to be held off.
    pub(super) fn fleet_hold(
        &mut self,
        subject: Subject,
        until: Option<Timestamp>,
        reason: String,
        now: Timestamp,
    ) {
        if let Some(member) = &mut self.fleet.member {
            member.hold(subject, until, reason, now);
            self.fleet.is_stale = true;
        }
    }

    /// A person let a client go: on this host, or, if `everyones`, on all. Returns whether anybody had said anything.
    pub(super) fn fleet_lift(&mut self, prefix: &IpNet, everyones: bool, now: Timestamp) -> bool {
        let mut was_said = false;
        for measure in [Measure::Block, Measure::Deny] {
            let subject = (*prefix, measure);
            let Some(member) = &mut self.fleet.member else { return false };
            if member.standing().latest(&subject).is_none() {
                continue;
            }
            was_said |= member.standing().holds(&subject) || member.effect(&subject, now).is_some();
            if !everyones {
                member.decline(subject, now);
            }
            member.lift(subject, everyones, now);
            self.fleet.is_stale = true;
            self.settle(&subject, now, false);
        }
        was_said
    }

    /// For commands with `--fleet`.
    pub(super) fn ensure_fleet(&self) -> Result<&Member, String> {
        let none = || {
            let why = self.fleet.trouble.clone();
            why.unwrap_or_else(|| {
                "this host belongs to no fleet; `[fleet] url` in the configuration names one".to_owned()
            })
        };
        self.fleet.member.as_ref().ok_or_else(none)
    }

    /// Brings the policy to what the other hosts say about a client, as far as this host permits it.
    pub(super) fn settle(&mut self, subject: &Subject, now: Timestamp, is_news: bool) {
        let (prefix, measure) = *subject;
        let Some(member) = &self.fleet.member else { return };
        let mut effect = member.effect(subject, now);
        let is_protected = self.never_block.conflict(&prefix).is_some()
            || self.policy.allows_covering(prefix).next().is_some();
        if is_protected && effect.take().is_some() && is_news {
            self.refuse_record(Refusal::Protected);
        }
        match measure {
            Measure::Block => self.settle_block(prefix, effect),
            Measure::Deny => self.settle_deny(prefix, effect, now),
            Measure::Limit => {}
        }
    }

    fn refuse_record(&mut self, why: Refusal) {
        if let Some(member) = &mut self.fleet.member {
            member.refuse(why);
        }
    }

    fn settle_block(&mut self, prefix: IpNet, effect: Option<Effect>) {
        let before = self.policy.fleet_blocks().get(&prefix).cloned();
        let host = effect.as_ref().map(|effect| self.name_of(effect));
        let rule = effect.map(|effect| BlockRule {
            until: effect.until,
            reason: Some(format!("{}: {}", host.as_deref().unwrap_or_default(), effect.reason)),
            origin: Origin::Fleet,
            since: effect.since,
        });
        if rule == before {
            return;
        }
        let is_own = self.is_decided(&prefix, Measure::Block);
        let until = rule.as_ref().and_then(|rule| rule.until);
        let is_held = rule.is_some();
        match rule {
            Some(rule) => self.policy.set_fleet_block(prefix, rule),
            None => self.policy.lift_fleet_block(&prefix),
        }
        let applied = self.enforcer.apply_block(&mut self.dataplane, &self.policy, &prefix, clock::now());
        if let Err(error) = applied {
            warn!(%prefix, %error, "another host's block could not be applied");
            self.policy.lift_fleet_block(&prefix);
            return self.refuse_record(Refusal::Kernel);
        }
        if let Some(file) = &mut self.responder.deny_file {
            if is_held {
                file.deny(prefix, false, until);
            } else if !is_own {
                file.lift(&prefix);
            }
        }
        let what = match (before.is_some(), is_held) {
            (_, true) => Change::BlockAdded,
            (true, false) => Change::BlockRemoved,
            (false, false) => return,
        };
        // When it was in the kernel.
        self.responder.audit(
            clock::now(),
            what,
            &prefix,
            Cause::Fleet { host },
            Details { until, ..Details::default() },
        );
    }

    fn settle_deny(&mut self, prefix: IpNet, effect: Option<Effect>, now: Timestamp) {
        let is_own = self.is_decided(&prefix, Measure::Deny);
        let host = effect.as_ref().map(|effect| self.name_of(effect));
        let Some(file) = &mut self.responder.deny_file else { return };
        let (what, until) = match effect {
            Some(effect) if file.deny(prefix, true, effect.until) => (Change::DenyAdded, effect.until),
            None if !is_own && file.lift(&prefix) => (Change::DenyRemoved, None),
            Some(_) | None => return,
        };
        file.sync(now);
        self.responder.audit(
            now,
            what,
            &prefix,
            Cause::Fleet { host },
            Details { until, ..Details::default() },
        );
    }

    fn name_of(&self, effect: &Effect) -> String {
        self.fleet.member.as_ref().map(|member| member.name_of(effect.by)).unwrap_or_default()
    }

    /// The same for every client, also of CrowdSec's: what this host permits has changed.
    pub(super) fn settle_all(&mut self, now: Timestamp) {
        self.settle_crowdsec(now);
        let Some(member) = &self.fleet.member else { return };
        let subjects: Vec<Subject> = member.standing().subjects().collect();
        subjects.iter().for_each(|subject| self.settle(subject, now, false));
    }

    /// Runs every half second.
    pub(super) fn tick_fleet(&mut self, now: Timestamp) {
        let Some(member) = &mut self.fleet.member else { return };
        let ended = member.expire(now);
        self.fleet.is_stale |= !ended.is_empty();
        ended.iter().for_each(|subject| self.settle(subject, now, false));
    }

    /// Runs every half minute, and at the end.
    pub(super) fn keep_fleet(&mut self) {
        let (Some(member), Some(file)) = (&self.fleet.member, &self.fleet.file) else { return };
        if !std::mem::take(&mut self.fleet.is_stale) {
            return;
        }
        let text = |blob: &[u8]| URL_SAFE_NO_PAD.encode(blob);
        let remembered = Remembered {
            statements: member.roster().blobs().map(|(_, blob)| text(blob)).collect(),
            records: member.standing().blobs().map(|(.., blob)| text(blob)).collect(),
        };
        if let Err(error) = file.save(&remembered) {
            warn!(%error, "what other hosts decided could not be stored");
            self.fleet.is_stale = true;
        }
    }

    /// Takes what the authority says, from a command.
    pub(super) fn fleet_tell(
        &mut self,
        statement: &str,
        cause: &Cause,
        now: Timestamp,
    ) -> Result<FleetHost, String> {
        self.ensure_fleet()?;
        let blob = URL_SAFE_NO_PAD.decode(statement).map_err(|error| error.to_string())?;
        let Some(member) = &mut self.fleet.member else { return Err("no fleet".to_owned()) };
        let (name, authority) = (member.config().name.clone(), member.config().authority);
        let said = Statement::open(&blob, &name, authority)
            .map_err(|why| format!("refused: {why}; the fleet's authority is {authority}"))?;
        let concerned = member.tell(&said, blob).map_err(|why| format!("refused: {why}"))?;
        let host = hosts(member).into_iter().find(|host| host.key == said.key);
        let host = host.ok_or("the host is not known")?;
        self.fleet.is_stale = true;
        concerned.iter().for_each(|subject| self.settle(subject, now, false));
        let details = Details { detail: Some(said.says.label().to_owned()), ..Details::default() };
        self.responder.audit(now, Change::FleetChanged, &host.host, cause.clone(), details);
        Ok(host)
    }
}
