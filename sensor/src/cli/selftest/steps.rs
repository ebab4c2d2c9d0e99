//! The test itself: the checks, in order.

use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use caps::{CapSet, Capability};
use serde_json::{Value, json};

use super::client::{self, ACCOUNTS, Attack, Legitimate, Tally};
use super::network::{ATTACKER, FLOODER, INTERFACE, LEGITIMATE, Network, joined};
use super::pace::wait_for;
use super::report::{Check, Outcome};
use super::server::Servers;
use super::subject::{A_SECOND, AT_ONCE, Daemon};
use crate::cli::doctor;
use crate::decide::{Action, Alert};
use crate::enforce::Origin;
use crate::kernel::{self, probe};

/// Progress output of the test.
pub(super) enum News {
    Check(Check),
    /// The end of the daemon's log.
    Log(Vec<String>),
}

/// For information that the daemon has a moment later: a separate thread stores events.
const SOON: Duration = Duration::from_secs(3);
/// For an answer that must not come.
const SILENCE: Duration = Duration::from_millis(500);
/// Answers that the legitimate client must have before the attacks start.
const WARM: u64 = 3;
/// Minimum percentage of the burst that must be dropped. The limit lets 3% pass if the burst lasts a second, and 7% on
/// a machine that takes five seconds.
const DROPPED_PERCENT: u64 = 80;

/// The remedy if a check fails.
mod remedy {
    pub(super) const NAMESPACES: &str = "run it as root on the host itself; a container needs CAP_SYS_ADMIN, and may not be allowed to create namespaces";
    pub(super) const DAEMON: &str = "see the daemon's log below, and `sensor doctor`";
    pub(super) const CLIENT: &str = "nothing was limited yet: see the daemon's log below; the machine may have been too busy, so try again";
    pub(super) const BURST: &str = "limits are not enforced on this host: see the daemon's log below and report it with the output of `sensor doctor --json`";
    pub(super) const LEGITIMATE: &str =
        "others were hit too, or this machine was too busy: try again when it is less busy";
    pub(super) const ATTACK: &str =
        "HTTP is not read or not evaluated on this host: see the warning in the daemon's log below";
    pub(super) const BLOCK: &str = "the attack was seen but not stopped: see the daemon's log below and report it with the output of `sensor doctor --json`";
}

/// What a check observed.
struct Seen {
    holds: bool,
    what: String,
    figures: Value,
}

impl Seen {
    fn good(what: impl Into<String>, figures: Value) -> Self {
        Self { holds: true, what: what.into(), figures }
    }
}

/// Runs all checks that can be run. What they create ends with this thread and its process.
pub(super) fn run(news: &Sender<News>) {
    let steps = Steps { news };
    if steps.host().is_none() {
        return;
    }
    let Some((network, servers)) = steps.namespaces() else { return };
    let Some(daemon) = steps.daemon(&network) else { return };
    steps.attacks(&network, &servers, &daemon);
    steps.tell(News::Log(daemon.log()));
}

struct Steps<'a> {
    news: &'a Sender<News>,
}

impl Steps<'_> {
    fn tell(&self, news: News) {
        // Nobody listens any more where the time was up.
        let _told = self.news.send(news);
    }

    /// Runs a check and reports it; returns its value if it passed.
    fn check<T>(
        &self,
        check: &'static str,
        remedy: &str,
        work: impl FnOnce() -> Result<(T, Seen)>,
    ) -> Option<T> {
        match work() {
            Ok((value, Seen { holds, what, figures })) => {
                let outcome = if holds { Outcome::Passed } else { Outcome::Failed };
                let remedy = if holds { String::new() } else { remedy.to_owned() };
                self.tell(News::Check(Check { check, outcome, what, remedy, figures }));
                holds.then_some(value)
            }
            Err(error) => {
                self.tell(News::Check(Check::failed(check, format!("{error:#}"), remedy)));
                None
            }
        }
    }

    fn host(&self) -> Option<()> {
        let obstacles = doctor::obstacles();
        let remedies: Vec<&str> = obstacles.iter().map(|(_, remedy)| remedy.as_str()).collect();
        self.check("host", &remedies.join("; "), || {
            let what: Vec<&str> = obstacles.iter().map(|(what, _)| what.as_str()).collect();
            ensure!(what.is_empty(), "{}", what.join("; "));
            let release = probe::kernel_release();
            Ok(((), Seen::good(format!("kernel {release}, all privileges"), json!({"kernel": release.text}))))
        })
    }

    fn namespaces(&self) -> Option<(Network, Servers)> {
        self.check("namespaces", remedy::NAMESPACES, || {
            let may = caps::has_cap(None, CapSet::Effective, Capability::CAP_SYS_ADMIN)?;
            ensure!(may, "missing privilege: CAP_SYS_ADMIN");
            let network = Network::new()?;
            let servers = Servers::start().context("the server of the test")?;
            let what = "a server and its clients, joined by a veth pair; no real clients";
            let figures = json!({"network_namespaces": network.numbers()?});
            Ok(((network, servers), Seen::good(what, figures)))
        })
    }

    fn daemon(&self, network: &Network) -> Option<Daemon> {
        let mut log = Vec::new();
        let daemon = self.check("daemon", remedy::DAEMON, || {
            let start = crate::clock::monotonic();
            let mut daemon = Daemon::start(network.scratch())?;
            let status = daemon.ready().inspect_err(|_| log = daemon.log())?;
            let took = crate::clock::monotonic().saturating_sub(start);
            let facts = kernel::interface_index(INTERFACE).and_then(kernel::link_facts)?;
            let mode = status.interfaces.first().map_or("no", |interface| interface.xdp_mode.label());
            let figures = json!({
                "pid": daemon.pid(),
                "program_id": facts.program_id,
                "xdp_mode": mode,
                "ready_seconds": took.as_secs_f64(),
            });
            let what = format!("ready after {took:.1?}, {mode} XDP, mode {}", status.mode);
            Ok((daemon, Seen { holds: facts.program_id.is_some(), what, figures }))
        });
        if daemon.is_none() {
            self.tell(News::Log(log));
        }
        daemon
    }

    fn attacks(&self, network: &Network, servers: &Servers, daemon: &Daemon) {
        let legitimate = Legitimate::start(network);
        let answered = self.check("client", remedy::CLIENT, || {
            let warm = wait_for(SOON, || (legitimate.answered() >= WARM).then_some(()));
            Ok(((), judged(&legitimate.take(), warm.is_some())))
        });
        if answered.is_none() {
            return;
        }
        self.burst(network, servers, daemon);
        self.check("client-during-burst", remedy::LEGITIMATE, || Ok(((), judged(&legitimate.take(), true))));
        if let Some((attack, alert)) = self.login_attack(network, daemon) {
            self.block(network, daemon, attack, &alert);
        }
        self.check("client-during-attack", remedy::LEGITIMATE, || Ok(((), judged(&legitimate.take(), true))));
    }

    fn burst(&self, network: &Network, servers: &Servers, daemon: &Daemon) {
        self.check("burst", remedy::BURST, || {
            let (sent, took) = joined(client::burst(network))?.context("sending")?;
            let seen = wait_for(SOON, || {
                let row = daemon.client(FLOODER).ok().flatten()?;
                (row.packets.saturating_add(row.packets / 20) >= sent).then_some(row)
            });
            let seen = seen.context("the data plane did not see the datagrams")?;
            // The client's drops must all be hypothetical.
            let dropped = seen.drops.min(daemon.status()?.interfaces.iter().map(|row| row.dropped).sum());
            let arrived = servers.datagrams();
            let enough = dropped.saturating_mul(100) >= sent.saturating_mul(DROPPED_PERCENT);
            let figures = json!({
                "sent": sent, "seen": seen.packets, "over_limit": seen.drops, "dropped": dropped, "arrived": arrived,
                "seconds": took.as_secs_f64(), "limit": format!("{A_SECOND}/s:{AT_ONCE}"),
            });
            let what = format!(
                "{sent} datagrams in {took:.1?}: {} over the limit, {dropped} dropped by XDP, {arrived} reached the server; the limit \
                 is {AT_ONCE} at once and {A_SECOND} a second",
                seen.drops
            );
            let consistent = arrived.saturating_add(dropped) <= sent;
            Ok(((), Seen { holds: enough && consistent, what, figures }))
        });
    }

    fn login_attack(&self, network: &Network, daemon: &Daemon) -> Option<(Attack, Alert)> {
        self.check("login-attack", remedy::ATTACK, || {
            let attack = joined(client::attack(network))?.context("logging in")?;
            let refused = attack.refused;
            let told = || daemon.login_alert(ATTACKER).ok().flatten();
            let alert = wait_for(SOON, || told().filter(|alert| alert.action == Action::Block)).or_else(told);
            let alert = alert.with_context(|| format!("no alert after {refused} failed logins"))?;
            let (detector, severity) = (alert.detector.slug(), alert.severity.label());
            let figures = json!({
                "accounts": ACCOUNTS, "failed_logins": refused, "alert": alert,
            });
            let what = format!("{detector} ({severity}): {}", alert.summary);
            Ok(((attack, alert), Seen::good(what, figures)))
        })
    }

    fn block(&self, network: &Network, daemon: &Daemon, attack: Attack, alert: &Alert) {
        self.check("block", remedy::BLOCK, || {
            let reason = alert.reason_no_action.as_deref().unwrap_or("no reason given");
            ensure!(alert.action == Action::Block, "no block: {reason}");
            ensure!(attack.cut_off, "all {} of the attacker's logins were answered", attack.refused);
            let block = daemon.block(ATTACKER)?.context("the attacker is not blocked")?;
            ensure!(block.origin == Origin::Detector, "the block is not a detector's");
            let latency = daemon.enforcement_latency()?;
            let ask = |who| network.spawn(move || client::gets_through(who, SILENCE));
            let (attacker, legitimate) = (joined(ask(ATTACKER))??, joined(ask(LEGITIMATE))??);
            let figures = json!({
                "latency_seconds": latency.as_secs_f64(),
                "attacker_answered": attacker,
                "legitimate_answered": legitimate,
                "until": block.until,
            });
            let word = |answered| if answered { "an answer" } else { "no answer" };
            let what = format!(
                "in the kernel {latency:.1?} after the deciding response; now the attacker gets {}, others {}",
                word(attacker),
                word(legitimate)
            );
            Ok(((), Seen { holds: !attacker && legitimate, what, figures }))
        });
    }
}

/// Whether every request was answered.
fn judged(tally: &Tally, enough: bool) -> Seen {
    let Tally { sent, answered, slowest, why } = tally;
    let figures = json!({"requests": sent, "answered": answered, "slowest_seconds": slowest.as_secs_f64(), "error": why});
    let mut what = format!("{answered} of {sent} requests answered, the slowest after {slowest:.1?}");
    if let Some(why) = why {
        what.push_str(&format!("; {why}"));
    }
    Seen { holds: enough && *answered > 0 && answered == sent, what, figures }
}
