//! From a configuration to a running daemon, and to its end.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use caps::Capability;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

use super::closing;
use super::commands::Commands;
use super::config::{BOTH, Config, LogFormat};
use super::deciding::Signals;
use super::engine::Engine;
use super::logging::LogWriter;
use super::recall::Recalled;
use super::responder::GRACE;
use super::secrets::Secrets;
use super::sensing::Sensing;
use super::source::ConfigSource;
use super::{background, confining, crowdsec, degraded, fleet, key, observing, supervisor, user, web};
use crate::clock;
use crate::confine::{self, Confinement, Reach};
use crate::control::wire::SshConnection;
use crate::control::{Access, Server};
use crate::decide::Cause;
use crate::enforce::Mode;
use crate::kernel::{
    self, Dataplane, InnerInterface, KernelError, LinkLayer, LoadOptions, Notices, Pins, probe,
    signature_checks,
};

/// Command-line settings besides the configuration.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// The mode, overriding the configuration and earlier commands.
    pub mode: Option<Mode>,
    /// The connection of the operator's ssh session.
    pub ssh: Option<SshConnection>,
    /// The user who started it; it may run as another.
    pub started_by: u32,
    /// The user to run as; by default, the owner of the state directory.
    pub user: Option<String>,
}

/// Runs until a signal ends it. Pinned state stays in force afterwards.
///
/// If set-up fails; its effects so far are undone.
/// If set-up fails; what it had done by then is undone.
pub fn run(mut config: Config, mut source: ConfigSource, options: &RunOptions) -> Result<()> {
    start_log(&config)?;
    check_host(&config)?;
    // An operator who wants a log of all exchanges must not find out later that there is none.
    let log = config.sense.open_log()?;
    if config.interfaces.is_empty() {
        config.interfaces.push(default_interface()?);
    }
    source.read = source.describe().unwrap_or_default();
    check_interfaces(&config)?;
    let user = user::wanted(options.user.as_deref(), &config.paths.state_dir)?;
    let lookout = Secrets::lookout(&config, user.as_ref());
    let access = Access { readers: &config.group, administrators: &config.admin_group };
    let server = Server::bind(&config.paths.socket, access)?;
    let listener = TcpListener::bind(config.paths.web).with_context(|| {
        format!("cannot listen on {}; `--web.listen-address` names another", config.paths.web)
    })?;
    web::warn_if_open(config.paths.web, &config.web);
    confining::tell_of_addresses(&config);
    let pins = user::become_user(user.as_ref(), &config, open_pins(&config)?)?;
    let reach = confining::reach(&config, &source, pins.as_ref().map(Pins::directory));
    let (mut engine, notices) = start_dataplane(config, source, options, pins)?;
    if engine.mirror.is_some() {
        engine.secrets = Secrets::probe(&engine.config.sense.tls, lookout);
    }
    engine.exchange_log = log;
    let kernel_log = engine.config.kernel_log_level > 0;
    engine.confinement = give_up(&reach)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve(Arc::new(Commands::new(engine)), server, listener, notices, kernel_log))
}

/// Drops everything no longer needed, for good. No other long-lived thread has been started yet.
fn give_up(reach: &Reach) -> Result<Confinement> {
    probe::drop_capabilities().context("cannot give up capabilities")?;
    nix::sys::prctl::set_no_new_privs().context("cannot forbid new privileges")?;
    // Neither a core file nor another process of the same user can get at the hash key.
    nix::sys::prctl::set_dumpable(false).context("cannot forbid core files")?;
    let confinement = confine::enter(reach);
    confining::tell(&confinement);
    Ok(confinement)
}

fn start_log(config: &Config) -> Result<()> {
    let filter = EnvFilter::try_from_env("SENSOR_LOG").unwrap_or_else(|_| EnvFilter::new(&config.log_level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    let started = match config.log_format {
        LogFormat::Text => log.with_ansi(false).with_writer(|| LogWriter::text(io::stderr())).try_init(),
        LogFormat::Json => log.json().with_writer(|| LogWriter::json(io::stderr())).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))
}

/// Rejects an unsuitable host before anything is changed.
fn check_host(config: &Config) -> Result<()> {
    let release = probe::kernel_release();
    let missing = probe::missing_features(release.version);
    ensure!(
        missing.is_empty(),
        "kernel {release} is too old: it lacks {}; Linux {}.{} or later is needed",
        missing.join(", "),
        probe::OLDEST_KERNEL.0,
        probe::OLDEST_KERNEL.1
    );
    let missing: Vec<String> = probe::missing_capabilities().iter().map(Capability::to_string).collect();
    ensure!(
        missing.is_empty(),
        "missing privileges: {}; run as root, or give them to the service (AmbientCapabilities= in the unit)",
        missing.join(", ")
    );
    if let Some(lockdown) = probe::lockdown() {
        bail!(
            "kernel lockdown is in {lockdown} mode, which refuses BPF; boot with lockdown=integrity or none"
        );
    }
    let prefixes = config.tuning.prefixes;
    info!(kernel = %release, ipv4_prefix = prefixes.v4, ipv6_prefix = prefixes.v6, "starting");
    Ok(())
}

/// Rejects interfaces that do not exist, or have two roles.
fn check_interfaces(config: &Config) -> Result<()> {
    for interface in &config.interfaces {
        kernel::interface_index(interface)?;
    }
    let Config { sense, interfaces, .. } = config;
    if let Some(both) = sense.inner_and(interfaces) {
        bail!("http.inner_interfaces: `{both}` is also an interface to serve (`interfaces`, `-i`): {BOTH}");
    }
    for inner in sense.inner(interfaces).named {
        InnerInterface::named(&inner)?;
    }
    Ok(())
}

/// The interface of the default route.
fn default_interface() -> Result<String> {
    let v4 = procfs::process::Process::myself().and_then(|own| own.route()).unwrap_or_default();
    let v4 = v4.into_iter().find(|entry| entry.destination.is_unspecified() && entry.mask.is_unspecified());
    if let Some(entry) = v4 {
        return Ok(entry.iface);
    }
    let text = fs::read_to_string("/proc/self/net/ipv6_route").unwrap_or_default();
    let v6 = text.lines().find_map(|line| {
        let mut columns = line.split_ascii_whitespace();
        let is_default = columns.next()?.bytes().all(|byte| byte == b'0') && columns.next()? == "00";
        columns.next_back().filter(|interface| is_default && *interface != "lo").map(str::to_owned)
    });
    v6.context(
        "no default route to take the interface from; name one with `-i` or `interfaces` in the configuration",
    )
}

/// The pin directory; `None` if there can be none, which is logged.
fn open_pins(config: &Config) -> Result<Option<Pins>> {
    match Pins::open(&config.paths.pin_dir) {
        Ok(pins) => Ok(Some(pins)),
        Err(error @ KernelError::PinsInUse(_)) => Err(error.into()),
        Err(error) => {
            warn!(%error, "running without pins: enforcement ends with this process");
            Ok(None)
        }
    }
}

fn start_dataplane(
    config: Config,
    source: ConfigSource,
    options: &RunOptions,
    pins: Option<Pins>,
) -> Result<(Engine, Option<Notices>)> {
    let inner = config.sense.inner(&config.interfaces);
    let load = LoadOptions {
        segment_ring_bytes: if config.sense.enabled { config.sense.ring_bytes } else { 0 },
        capacities: config.capacities,
        pins: pins.clone(),
        log_level: config.kernel_log_level,
        layer3: config.interfaces.iter().any(|interface| begins_with(LinkLayer::Ip, interface)),
        inner: !inner.prefixes.is_empty()
            || inner.named.iter().any(|inner| begins_with(LinkLayer::Ethernet, inner)),
        too_many: config.too_many,
        fixed_clock: false,
    };
    let (dataplane, recalled) = Recalled::read_beside(&config, clock::now(), || Dataplane::load(&load));
    let dataplane = dataplane?;
    let was_there = dataplane.adopted_maps();
    let started = recalled.and_then(|recalled| prepare(dataplane, recalled, config.clone(), source, options));
    if started.is_err() && pins.is_some() && !was_there {
        // Leave nothing behind that did not exist before.
        drop(pins);
        drop(load);
        if let Err(error) = kernel::unload(&config.paths.pin_dir) {
            warn!(%error, "pinned objects could not be removed");
        }
    }
    started
}

/// Whether an interface's frames start like this.
fn begins_with(layer: LinkLayer, interface: &str) -> bool {
    let facts = kernel::interface_index(interface).and_then(kernel::link_facts);
    facts.is_ok_and(|facts| facts.layer == layer)
}

fn prepare(
    dataplane: Dataplane,
    recalled: Recalled,
    config: Config,
    source: ConfigSource,
    options: &RunOptions,
) -> Result<(Engine, Option<Notices>)> {
    let (interfaces, xdp) = (config.interfaces.clone(), config.xdp);
    let mut engine = Engine::new(dataplane, recalled, config, source, clock::now())?;
    if let Some(session) = options.ssh {
        engine.protect_operator(session, &started_by(options), clock::now());
    }
    if let Some(mode) = options.mode {
        let set = engine.change(clock::now(), |policy| policy.set_session_mode(mode));
        set.map_err(anyhow::Error::msg)?;
    }
    // Attached last: the first packet meets the complete policy.
    engine.dataplane.attach(&interfaces, xdp)?;
    for attachment in engine.dataplane.attachments() {
        let (interface, xdp, adopted) = (&attachment.interface, attachment.mode.label(), attachment.adopted);
        if attachment.layer == LinkLayer::Unreadable {
            warn!(%interface, "{}", degraded::UNREADABLE);
        } else {
            info!(%interface, xdp, adopted, layer3 = attachment.layer == LinkLayer::Ip, "attached");
        }
    }
    let notices = engine.dataplane.take_notices();
    engine.responder.closer = closing::closer(&engine.config);
    if !engine.config.sense.enabled {
        if let Err(error) = engine.dataplane.attach_proof() {
            warn!(error = format!("{:#}", anyhow::Error::from(error)), "{}", degraded::UNPROVEN);
        }
    } else if let Err(error) = attach_mirror(&mut engine) {
        warn!(error = format!("{error:#}"), "HTTP is not seen; limits and blocks still work");
        engine.http_trouble = Some(format!("{error:#}"));
    }
    engine.answer_too_many();
    Ok((engine, notices))
}

fn started_by(options: &RunOptions) -> Cause {
    let pid = i32::try_from(std::process::id()).unwrap_or(0);
    Cause::Command { uid: options.started_by, pid, user: None }
}

/// Starts mirroring segments.
fn attach_mirror(engine: &mut Engine) -> Result<()> {
    let inner = engine.config.sense.inner(&engine.config.interfaces);
    engine.dataplane.set_inner(inner)?;
    engine.dataplane.attach_mirror()?;
    let inner: Vec<_> = engine.dataplane.inner().iter().map(|inner| inner.interface.as_str()).collect();
    if !inner.is_empty() {
        info!(?inner, "HTTP is read on inner interfaces; nothing is limited or blocked there");
    }
    engine.mirror = Some(engine.dataplane.take_mirror().context("the mirror was taken already")?);
    // Queried before this process loses the right to open sockets.
    engine.config.sense.pipeline.streams.signatures = signature_checks();
    Ok(())
}

/// Starts the mirror's reader, and the responder to its findings; again, if that failed before for lack of a key.
pub(super) fn see_http(commands: &Arc<Commands>) {
    if commands.engine().mirror.is_none() {
        return;
    }
    let started = start_sensing(commands);
    let mut engine = commands.engine();
    let trouble = started.err().map(|error| format!("{error:#}"));
    match &trouble {
        // Logged once, not twice a minute.
        Some(error) if engine.http_trouble != trouble => {
            warn!(%error, "HTTP is not seen; limits and blocks still work");
        }
        None if engine.http_trouble.is_some() => info!("HTTP is read from now on"),
        _ => {}
    }
    engine.http_trouble = trouble;
}

fn start_sensing(commands: &Arc<Commands>) -> Result<()> {
    let state_dir = commands.engine().config.paths.state_dir.clone();
    let key = key::ensure_key(&state_dir)?;
    let Some((mirror, ring)) = commands.engine().mirror.take() else { return Ok(()) };
    let signals = Signals::start(commands)?;
    let mut engine = commands.engine();
    let log = engine.exchange_log.take();
    let mut secrets = std::mem::take(&mut engine.secrets);
    secrets.follow(&engine.config.sense.tls)?;
    let (countries, joint) = (engine.groups.countries(), engine.fleet.sharing.joint.clone());
    let reading = (mirror, ring, secrets);
    let sensing = Sensing::start(&engine.config, &key, reading, (signals, countries, joint), log)?;
    engine.sensing = Some(sensing);
    Ok(())
}

async fn serve(
    commands: Arc<Commands>,
    server: Server,
    listener: TcpListener,
    notices: Option<Notices>,
    kernel_log: bool,
) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    start_threads(&commands);
    tokio::spawn(background::tick(commands.clone()));
    tokio::spawn(observing::observe(commands.clone()));
    tokio::spawn(background::follow_interfaces(commands.clone()));
    if let Some(notices) = notices {
        tokio::spawn(background::read_notices(notices, commands.clone()));
    }
    if kernel_log {
        tokio::spawn(background::read_diagnostics(commands.clone()));
    }
    let control = tokio::spawn(server.serve(commands.clone()));
    let access = Arc::clone(&commands.engine().web);
    let web = tokio::spawn(web::serve(listener, commands.clone(), access));
    tokio::pin!(control, web);
    let (mode, degraded) = {
        let engine = commands.engine();
        (engine.policy.mode(), degraded::whole(&engine.degraded()))
    };
    info!(%mode, status = degraded, "ready");
    supervisor::status(&degraded);
    supervisor::ready();
    kernel::release_unused();
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => {
                // The outcome is in the log and in the metrics.
                let _outcome = commands.engine().reload(clock::now(), Cause::Configuration);
            }
            ended = &mut control => bail!("the control socket ended: {ended:?}"),
            ended = &mut web => bail!("the metrics endpoint ended: {ended:?}"),
        }
    }
    supervisor::stopping();
    stop(&commands).await;
    Ok(())
}

/// Starts the threads that waited for capabilities to be dropped.
fn start_threads(commands: &Arc<Commands>) {
    let config = commands.engine().config.clone();
    commands.engine().responder.start(&config);
    fleet::start(commands);
    crowdsec::start(commands);
    see_http(commands);
}

async fn stop(commands: &Commands) {
    // The thread that reads HTTP ends, and stores what it learned. It may wait for the engine, so this does not.
    let sensing = commands.engine().sensing.take();
    drop(sensing);
    commands.keep_decisions();
    let notifier = {
        let mut engine = commands.engine();
        engine.keep();
        engine.keep_fleet();
        engine.observing.keep(clock::now());
        if engine.responder.events.as_ref().is_some_and(|events| !events.flush(GRACE)) {
            warn!("some events could not be written to the event store");
        }
        engine.responder.notifier.take()
    };
    if let Some(notifier) = notifier {
        notifier.close(GRACE).await;
    }
    if commands.engine().dataplane.is_pinned() {
        info!("stopped; the kernel keeps enforcing the last policy until `sensor unload`");
    } else {
        info!("stopped; nothing is enforced now");
    }
}
