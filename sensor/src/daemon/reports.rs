//! The daemon's reports about itself and its clients.

use ipnet::IpNet;
use sensor_common::abi::{Dimension, Event, Verdict};
use sensor_common::packet::Problem;

use super::engine::Engine;
use super::incidents::open_about;
use crate::clock::Timestamp;
use crate::control::wire::{
    ClientRow, Explanation, HttpReport, InterfaceReport, LimitRow, Losses, PendingRow, Site, StatusReport,
    Within,
};
use crate::enforce::{Limit, Origin, Scope};
use crate::kernel::{KernelError, LabelledCounter, LinkLayer};
use crate::metrics::{Detection, MIRROR_LOSSES, Snapshot, mirror_losses};
use crate::notify::{DenyFile, Notifier};
use crate::store::EventStore;

/// What is reported besides losses.
const EVENTS: [Event; 23] = [
    Event::ClientAdmitted,
    Event::ClientEvicted,
    Event::ClientProven,
    Event::ClientDisplaced,
    Event::CookieAccepted,
    Event::TooManyAnswered,
    Event::TooManyShape,
    Event::TooManySocket,
    Event::TooManyFailed,
    Event::TableFull,
    Event::AdmissionContended,
    Event::SiteUncounted,
    Event::NoticeLost,
    Event::NoticeSuppressed,
    Event::MirroredIngress,
    Event::MirroredEgress,
    Event::MirroredIngressBytes,
    Event::MirroredEgressBytes,
    Event::MirrorSkipped,
    Event::MirrorTruncated,
    Event::MirrorBadIp,
    Event::MirrorOtherHost,
    Event::MirroredDatagrams,
];

impl Engine {
    /// Everything for one scrape.
    pub(super) fn snapshot(&self) -> Result<Snapshot, KernelError> {
        let counters = self.dataplane.counters();
        let mut interfaces = Vec::new();
        for attachment in self.dataplane.attachments() {
            let found = counters.of_interface(attachment.slot)?;
            interfaces.push((attachment.interface.clone(), attachment.mode, found));
        }
        let events = EVENTS.into_iter().chain(MIRROR_LOSSES.map(|(_, event)| event));
        Ok(Snapshot {
            mode: self.policy.mode(),
            interfaces,
            presence: self.presence(),
            clock_steps: self.counts.clock_steps,
            events: events
                .map(|event| Ok((event, counters.event(event)?)))
                .collect::<Result<_, KernelError>>()?,
            problems: Problem::ALL
                .into_iter()
                .map(|problem| Ok((problem, counters.problem(problem)?)))
                .collect::<Result<_, KernelError>>()?,
            clients_tracked: self.dataplane.clients().count(),
            clients_max: u64::from(self.config.capacities.clients),
            blocks_active: count(self.policy.block_count()),
            blocks_by_command: self.counts.blocks_by_command,
            state_write_errors: self.counts.state_write_errors,
            reload_success: self.counts.reload_success,
            last_reload: Some(self.counts.last_reload),
            kernel_memory_bytes: self.dataplane.memory().total(),
            http: self.sensing.as_ref().map(|sensing| sensing.look(|told| told.snapshot.clone())),
            detection: Some(self.detection()),
            degraded: self.degraded(),
            fleet: self.fleet_stats(),
            crowdsec: self.crowdsec_stats(),
            ..Snapshot::default()
        })
    }

    fn detection(&self) -> Detection {
        let responder = &self.responder;
        let counts = responder.counts.clone();
        let seen =
            self.sensing.as_ref().map(|sensing| sensing.look(|told| (told.detectors, told.signals_lost)));
        let (detectors, signals_lost) = seen.unwrap_or_default();
        Detection {
            alerts: counts.alerts,
            open: responder.decider.open_incidents(),
            blocks: counts.blocks,
            limits: counts.limits,
            refused: counts.refused,
            connections_closed: counts.connections_closed,
            detection: counts.detection,
            enforcement: counts.enforcement,
            decider: responder.decider_stats(),
            detectors,
            signals_lost,
            store: responder.events.as_ref().map(EventStore::stats),
            notify: responder.notifier.as_ref().map(Notifier::stats).unwrap_or_default(),
            deny_file: responder.deny_file.as_ref().map(DenyFile::stats),
        }
    }

    pub(super) fn status(&self, now: Timestamp) -> Result<StatusReport, String> {
        let snapshot = self.snapshot().map_err(|error| error.to_string())?;
        let event = |event| snapshot.events.get(&event).copied().unwrap_or(0);
        let losses = Losses {
            table_full: event(Event::TableFull),
            admission_contended: event(Event::AdmissionContended),
            notices_lost: event(Event::NoticeLost),
            notices_suppressed: event(Event::NoticeSuppressed),
            unparsed: snapshot.problems.values().fold(0, |sum: u64, count| sum.saturating_add(*count)),
            state_write_errors: snapshot.state_write_errors,
            alerts_undelivered: self.responder.undelivered(),
        };
        let interfaces = self.dataplane.attachments().iter().zip(&snapshot.interfaces);
        let open = self.responder.decider.open_incidents();
        let pending = self.pending.iter();
        Ok(StatusReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            mode: snapshot.mode,
            uptime_seconds: now.since(self.started).as_secs(),
            pinned: self.dataplane.is_pinned(),
            interfaces: interfaces
                .map(|(attachment, (_, _, counters))| InterfaceReport {
                    interface: attachment.interface.clone(),
                    xdp_mode: attachment.mode,
                    adopted: attachment.adopted,
                    state: attachment.presence,
                    passed: packets(counters, Verdict::Pass),
                    dropped: packets(counters, Verdict::Drop),
                    would_drop: packets(counters, Verdict::WouldDrop),
                    answered: packets(counters, Verdict::Answer),
                })
                .collect(),
            inner_interfaces: self.inner(),
            clients_tracked: snapshot.clients_tracked,
            clients_max: snapshot.clients_max,
            clients_evicted: event(Event::ClientEvicted),
            clients_proven: event(Event::ClientProven),
            clients_displaced: event(Event::ClientDisplaced),
            connections_closed: self.responder.counts.connections_closed,
            syn_cookies: self.config.tuning.syn_cookies,
            syn_cookies_accepted: event(Event::CookieAccepted),
            too_many: self.too_many(&snapshot),
            blocks_active: snapshot.blocks_active,
            allows_active: count(self.policy.allow_count()),
            scopes: count(self.policy.scopes().len()),
            groups: self.group_rows(),
            kernel_memory_bytes: snapshot.kernel_memory_bytes,
            http: self.http_report(&snapshot),
            losses,
            incidents_open: open.values().fold(0, |sum: u64, count| sum.saturating_add(*count)),
            incidents_worst: open.keys().map(|(_, severity)| *severity).max(),
            pending: pending.map(|row| PendingRow { scope: row.scope, deadline: row.deadline }).collect(),
            kill_switch_tripped: self.responder.decider_stats().tripped,
            confinement: self.confinement.clone(),
            degraded: snapshot.degraded,
            databases: self.config.databases.clone(),
            crowdsec: self.crowdsec_report(),
        })
    }

    fn http_report(&self, snapshot: &Snapshot) -> Option<HttpReport> {
        let (sensing, seen) = (self.sensing.as_ref()?, snapshot.http.as_ref()?);
        let event = |event| snapshot.events.get(&event).copied().unwrap_or(0);
        let (streams, http, totals) = (&seen.streams, &seen.http, &seen.totals);
        Some(sensing.look(|told| {
            HttpReport {
                ports: told.ports.iter().copied().collect(),
                http_ports: told.http_ports.iter().copied().collect(),
                exchanges: totals.exchanges,
                failures: totals.failures,
                connections: streams.active,
                routes: count(seen.routes),
                segments: event(Event::MirroredIngress).saturating_add(event(Event::MirroredEgress)),
                segments_lost: mirror_losses(event, &told.datagrams)
                    .iter()
                    .fold(0, |sum, (_, count)| sum.saturating_add(*count)),
                segments_lost_by: mirror_losses(event, &told.datagrams)
                    .into_iter()
                    .filter(|(_, count)| *count > 0)
                    .map(|(cause, count)| (cause.to_owned(), count))
                    .collect(),
                stream_gaps: streams.gaps,
                lost_bytes: streams.lost_bytes,
                not_http: http.not_http,
                anomalies: http.anomalies().fold(0, |sum: u64, (_, count)| sum.saturating_add(count)),
                refused_instructions: told.refused_instructions,
                failures_uncounted: told.failures_uncounted,
                log_errors: told.log_errors,
                forwarding_untrusted: seen.identities.untrusted(),
                tls: seen.tls_ports.clone(),
                units: told.units.clone(),
                tls_secrets: told.secrets.clone(),
                access_logs: told.access_logs.clone(),
                forwarders: seen.forwarders.clone(),
            }
        }))
    }

    /// The last stored exchanges, oldest first.
    pub(super) fn recent_exchanges(&self, last: usize) -> Result<Vec<serde_json::Value>, String> {
        let Some(sensing) = &self.sensing else {
            return Err("HTTP is not seen; see `sensor status`".to_owned());
        };
        Ok(sensing.look(|told| {
            let from = told.recent.len().saturating_sub(last);
            told.recent.iter().skip(from).filter_map(|line| serde_json::from_str(line).ok()).collect()
        }))
    }

    pub(super) fn limit_rows(&self) -> Vec<LimitRow> {
        self.policy.scopes().into_keys().map(|scope| self.limit_row(scope)).collect()
    }

    fn limit_row(&self, scope: Scope) -> LimitRow {
        let limits = self.policy.limits_in_force(scope);
        let quotas = limits.quotas(self.dataplane.settings().tick_ns).quotas;
        let raised = Dimension::ALL.into_iter().zip(quotas).filter_map(|(dimension, quota)| {
            let Some(Limit::Rate(rate)) = limits.get(dimension) else { return None };
            (quota.burst() > rate.burst()).then(|| (dimension.name().to_owned(), quota.burst()))
        });
        let group = if let Scope::Group(group) = scope { Some(group) } else { None };
        LimitRow {
            scope,
            networks: self.network_count(group),
            origin: self.policy.scope(scope).map_or(Origin::Configuration, |rule| rule.origin),
            limits,
            raised_bursts: raised.collect(),
            unconfirmed_until: self
                .pending
                .iter()
                .find(|pending| pending.scope == scope)
                .map(|pending| pending.deadline),
        }
    }

    pub(super) fn explain(&self, prefix: IpNet) -> Result<Explanation, String> {
        let scope = self.policy.scope_covering(prefix).map_or(Scope::Default, Scope::from);
        let allow = self.policy.allows_covering(prefix).next();
        let block = self.policy.block_covering(&prefix);
        let network = self.config.tuning.prefixes.client_of(prefix.network());
        let client = self.dataplane.clients().get(network.network()).map_err(|error| error.to_string())?;
        let over_limit: Vec<(Timestamp, String)> = self
            .notices
            .iter()
            .filter(|(_, notice)| network.contains(&notice.client))
            .map(|(at, notice)| (*at, notice.reason.label().to_owned()))
            .take(16)
            .collect();
        let protection = self.never_block.conflict(&prefix);
        let is_spared = protection.as_ref().is_some_and(|found| found.prefix.contains(&prefix));
        let scope = self.limit_row(scope);
        let is_limited = scope.limits.iter().any(|(_, limit)| matches!(limit, Limit::Rate(_)));
        let site = self.config.tuning.site_of(prefix).filter(|_| is_limited);
        let mut explanation = Explanation {
            prefix,
            verdict: String::new(),
            mode: self.policy.mode(),
            scope,
            site: site.map(|(network, times)| Site { network, times }),
            allow: allow.map(|(whom, rule)| self.allow_row_of(whom, rule)),
            block: block.map(|(whom, rule)| self.block_row(whom, rule)),
            protected: protection.map(|found| format!("{}, {}", found.prefix, found.why)),
            except: self.exceptions(&prefix),
            client: client.map(|client| {
                let row = self.client_row(&client, None);
                ClientRow { units: self.units_of(&row.client), ..row }
            }),
            within: (prefix.prefix_len() < network.prefix_len()).then(|| self.within(&prefix)).transpose()?,
            over_limit,
            undo: Vec::new(),
            fleet: self.fleet_says(&prefix),
            incidents: open_about(self, &prefix),
            alerts: Vec::new(),
            audit: Vec::new(),
        };
        explanation.conclude(self.config.tuning.prefixes.scope_of(prefix), is_spared);
        Ok(explanation)
    }

    /// What a prefix of many clients contains.
    fn within(&self, prefix: &IpNet) -> Result<Within, String> {
        let mut clients: u64 = 0;
        let counted = self.dataplane.clients().for_each(|client| {
            clients = clients.saturating_add(u64::from(prefix.contains(&client.address)));
        });
        counted.map_err(|error| error.to_string())?;
        Ok(Within { clients, blocks: count(self.policy.blocks_within(prefix)) })
    }
}

impl Engine {
    /// Where the policy does not take effect for a prefix.
    fn exceptions(&self, prefix: &IpNet) -> Vec<String> {
        let mut except = self.unserved();
        let attachments = self.dataplane.attachments();
        if self.never_block.is_of_this_host(prefix)
            && let Some(loopback) = attachments.iter().find(|found| found.layer == LinkLayer::Loopback)
        {
            except.push(format!(
                "{}: traffic from this host to itself is never limited or blocked; on other interfaces its source \
                 addresses are forged",
                loopback.interface
            ));
        }
        for inner in self.dataplane.inner() {
            except.push(format!("{}: inner interface, nothing is limited or blocked there", inner.interface));
        }
        except
    }
}

fn packets(counters: &[LabelledCounter], verdict: Verdict) -> u64 {
    let of_verdict = counters.iter().filter(|found| found.verdict == verdict);
    of_verdict.fold(0, |sum, found| sum.saturating_add(found.counter.packets))
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
