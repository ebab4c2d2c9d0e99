//! The command line: from flags to requests, from answers to text.

mod alerts;
mod args;
#[cfg(test)]
mod canaries;
mod check;
mod colour;
mod csv;
mod doctor;
mod exchanges;
mod fleet;
mod generate;
mod group;
mod hints;
mod incidents;
mod inspect;
mod live;
mod moment;
mod names;
mod output;
mod posture;
mod replay;
mod run;
mod say;
mod score;
mod selftest;
mod ssh;
mod suggest;
mod watch;

#[cfg(any(test, feature = "fuzzing"))]
pub use score::fuzz;

use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Parser as _;
use serde::de::DeserializeOwned;

use crate::control::wire::{
    AlertExplanation, AllowRow, BlockRow, ClientRow, ClientsRow, Confirmed, Envelope, Explanation, LimitRow,
    ModeReport, Question, Reloaded, Removed, Request, StatusReport, Target,
};
use crate::control::{self, Client, ClientError};
use crate::duration::milliseconds;
use crate::enforce::{Limits, Scope};
use crate::groups::Whom;
use args::{AlertsCommand, AllowCommand, BlockCommand, Cli, Command, Explained, LimitCommand, Remote};
use names::Names;
use say::{SayError, complain, say, say_json};

/// Runs the command that the process was started with. Exit status: 0 done, 1 failed, 2 usage error, 3 no daemon.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| hints::exit(&error));
    colour::decide(cli.color, &cli.command, !cli.json && !cli.csv);
    let done = if cli.csv { as_table(cli) } else { dispatch(cli) };
    match done {
        Ok(code) => code,
        Err(error) if matches!(error.downcast_ref(), Some(SayError::ReaderLeft)) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format!("sensor: {}", whole(&error)));
            match error.downcast_ref() {
                Some(ClientError::Unreachable { .. }) => ExitCode::from(3),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// The error with its causes, each mentioned once: many errors already quote their cause.
fn whole(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| {
        if text.contains(&cause) {
            text
        } else if text.is_empty() {
            cause
        } else {
            format!("{text}: {cause}")
        }
    })
}

/// The list that a command prints, if any.
const fn list_of(command: &Command) -> Option<csv::List> {
    Some(match command {
        Command::Alerts { command: None, .. } => csv::List::Alerts,
        Command::Incidents(_) => csv::List::Incidents,
        Command::Audit { .. } => csv::List::Audit,
        Command::Exchanges(_) => csv::List::Exchanges,
        Command::Clients { by: Some(_), .. } => csv::List::ClientsBy,
        Command::Clients { by: None, .. } => csv::List::Clients,
        Command::Routes(_) => csv::List::Routes,
        Command::Block { command: BlockCommand::List(_) } => csv::List::Blocks,
        Command::Allow { command: AllowCommand::List(_) } => csv::List::Allows,
        Command::Limit { command: LimitCommand::List(_) } => csv::List::Limits,
        Command::Run(_)
        | Command::Lookout { .. }
        | Command::Check(_)
        | Command::Doctor(_)
        | Command::Unload(_)
        | Command::Replay(_)
        | Command::Score(_)
        | Command::Posture(_)
        | Command::Inspect(_)
        | Command::Status(_)
        | Command::Mode { .. }
        | Command::Limit { .. }
        | Command::Confirm(_)
        | Command::Block { .. }
        | Command::Allow { .. }
        | Command::Top(_)
        | Command::Explain { .. }
        | Command::Alerts { .. }
        | Command::Account(_)
        | Command::Fleet { .. }
        | Command::Reload(_)
        | Command::Selftest
        | Command::Generate(_) => return None,
    })
}

/// A list as comma-separated values.
fn as_table(mut cli: Cli) -> Result<ExitCode> {
    let list = list_of(&cli.command).context(
        "--csv prints lists only: alerts, incidents, audit, exchanges, clients, routes, and `list` of blocks, allow \
         rules and limits",
    )?;
    let follows = matches!(&cli.command, Command::Alerts { follow: true, .. })
        || matches!(&cli.command, Command::Incidents(args) if args.follow)
        || matches!(&cli.command, Command::Exchanges(args) if args.follow);
    ensure!(!follows, "--csv does not work with --follow; --json prints records as they arrive");
    cli.json = true;
    say::begin_table();
    let code = dispatch(cli)?;
    say::end_table(list)?;
    Ok(code)
}

fn dispatch(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Run(options) => run::run(options),
        Command::Lookout { socket } => run::look_out(&socket),
        Command::Check(options) => check::check(&options, cli.json),
        Command::Doctor(options) => doctor::doctor(&options, cli.json),
        Command::Unload(options) => run::unload(&options, cli.json),
        Command::Replay(options) => replay::replay(&options, cli.json),
        Command::Score(options) => score::score(&options, cli.json),
        Command::Inspect(options) => inspect::inspect(&options, cli.json),
        Command::Status(remote) => ask::<StatusReport>(&remote, Request::Status, cli.json, output::status),
        Command::Mode { remote, set } => {
            ask::<ModeReport>(&remote, Request::Mode { set }, cli.json, output::mode)
        }
        Command::Limit { command } => limit(command, cli.json),
        Command::Confirm(remote) => confirm(&remote, cli.json),
        Command::Block { command } => block(command, cli.json),
        Command::Allow { command } => allow(command, cli.json),
        Command::Clients { remote, top, sort, by, resolve } => {
            let top = usize::try_from(top).unwrap_or(usize::MAX);
            let (sort, by) = (sort.into(), by.map(Into::into));
            let request = Request::Clients { top, sort, by };
            match by {
                None => clients(&remote, request, resolve, cli.json),
                Some(_) => ask::<Vec<ClientsRow>>(&remote, request, cli.json, output::clients_by),
            }
        }
        Command::Routes(args) => live::routes(&args, cli.json),
        Command::Posture(args) => posture::posture(&args, cli.json),
        Command::Top(args) => live::top(&args, cli.json),
        Command::Exchanges(args) => exchanges::exchanges(&args, cli.json),
        Command::Explain { remote, what: Explained::Prefix(prefix) } => {
            ask::<Explanation>(&remote, records(Question::Explain { prefix }), cli.json, output::explanation)
        }
        Command::Explain { remote, what: Explained::Group(group) } => {
            group::explain(&remote, group, cli.json)
        }
        Command::Explain { remote, what: Explained::Alert(id) } => ask::<AlertExplanation>(
            &remote,
            records(Question::ExplainAlert { id }),
            cli.json,
            alerts::explanation,
        ),
        Command::Alerts { command: Some(AlertsCommand::Test(remote)), .. } => alerts::test(&remote, cli.json),
        Command::Alerts { command: None, remote, since, until, follow, id, last, resolve } => {
            alerts::alerts(&remote, &alerts::Wanted { since, until, follow, id, last, resolve }, cli.json)
        }
        Command::Incidents(args) => incidents::incidents(&args, cli.json),
        Command::Account(args) => incidents::account(&args, cli.json),
        Command::Audit { remote, since, until, last } => {
            alerts::audit(&remote, (since, until), last, cli.json)
        }
        Command::Reload(remote) => ask::<Reloaded>(&remote, Request::Reload, cli.json, output::reloaded),
        Command::Fleet { command } => fleet::fleet(command, cli.json),
        Command::Generate(args) => generate::generate(&args),
        Command::Selftest => selftest::selftest(cli.json),
    }
}

const fn records(question: Question) -> Request {
    Request::Records { question }
}

fn limit(command: LimitCommand, json: bool) -> Result<ExitCode> {
    let (remote, request) = match command {
        LimitCommand::List(remote) => (remote, Request::LimitList),
        LimitCommand::Suggest(args) => return suggest::suggest(*args, json),
        LimitCommand::Set { remote, scope, limits, confirm } => {
            let confirm_ms = confirm.map(milliseconds);
            let limits = limits.into();
            let request = Request::LimitSet { scope, limits, confirm_ms };
            return set_limits(&remote, (scope, limits), request, json);
        }
        LimitCommand::Unset { remote, scope } => (remote, Request::LimitUnset { scope }),
    };
    ask::<Vec<LimitRow>>(&remote, request, json, output::limits)
}

/// Sets limits, and prints what they mean and whether they are enforced.
fn set_limits(remote: &Remote, set: (Scope, Limits), request: Request, json: bool) -> Result<ExitCode> {
    let rows = answer_to(remote, request)?;
    if json {
        say_json(&rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<LimitRow> = control::read(rows)?;
    let ModeReport { mode } = ask_for(remote, Request::Mode { set: None })?;
    say(output::limits(&rows))?;
    say(output::limits_in_words(&rows, set, mode))?;
    Ok(ExitCode::SUCCESS)
}

/// Fails if there was nothing to confirm: an operator who confirms too late must not believe that the limits are in
/// force.
fn confirm(remote: &Remote, json: bool) -> Result<ExitCode> {
    let answer = answer_to(remote, Request::Confirm)?;
    let report: Confirmed = control::read(answer.clone())?;
    if json {
        say_json(&answer)?;
    } else if report.confirmed.is_empty() {
        complain(format!("sensor: {}", output::confirmed(&report)));
    } else {
        say(output::confirmed(&report))?;
    }
    Ok(if report.confirmed.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn block(command: BlockCommand, json: bool) -> Result<ExitCode> {
    match command {
        BlockCommand::List(remote) => ask::<Vec<BlockRow>>(&remote, Request::BlockList, json, output::blocks),
        BlockCommand::Add { remote, prefix, incident, dry_run, time, reason, fleet } => {
            let whom = prefix.map(|whom| match whom {
                Whom::Prefix(prefix) => Target::Prefix(prefix),
                Whom::Group(group) => Target::Group(group),
            });
            let target = whom.or(incident.map(Target::Incident));
            let target = target.context("expected a prefix or --incident ID")?;
            incidents::block(&remote, target, (time, reason, fleet), dry_run, json)
        }
        BlockCommand::Remove { remote, prefix, fleet } => {
            ask::<Removed>(&remote, Request::BlockRemove { prefix, fleet }, json, output::removed)
        }
    }
}

fn allow(command: AllowCommand, json: bool) -> Result<ExitCode> {
    match command {
        AllowCommand::List(remote) => ask::<Vec<AllowRow>>(&remote, Request::AllowList, json, output::allows),
        AllowCommand::Add { remote, prefix, reason } => {
            ask::<AllowRow>(&remote, Request::AllowAdd { prefix, reason }, json, output::allowed)
        }
        AllowCommand::Remove { remote, prefix } => {
            ask::<Removed>(&remote, Request::AllowRemove { prefix }, json, output::removed)
        }
    }
}

/// Clients, with their known names.
fn clients(remote: &Remote, request: Request, resolve: bool, json: bool) -> Result<ExitCode> {
    let mut names = Names::of(remote, resolve)?;
    let mut answer = answer_to(remote, request)?;
    let rows: Vec<ClientRow> = control::read(answer.clone())?;
    names.look_up(rows.iter().map(|row| row.client));
    if json {
        for (record, row) in answer.as_array_mut().into_iter().flatten().zip(&rows) {
            names.add_to(record, &row.client);
        }
        say_json(&answer)?;
    } else {
        say(output::clients(&rows, &names))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn answer_to(remote: &Remote, request: Request) -> Result<serde_json::Value, ClientError> {
    Client::new(&remote.socket).ask(&Envelope { request, ssh: ssh::connection() })
}

fn ask_for<T: DeserializeOwned>(remote: &Remote, request: Request) -> Result<T, ClientError> {
    control::read(answer_to(remote, request)?)
}

/// Sends a request and prints the answer, unchanged or rendered.
fn ask<T: DeserializeOwned>(
    remote: &Remote,
    request: Request,
    json: bool,
    render: impl FnOnce(&T) -> String,
) -> Result<ExitCode> {
    let answer = answer_to(remote, request)?;
    if json {
        say_json(&answer)?;
    } else {
        say(render(&control::read(answer)?))?;
    }
    Ok(ExitCode::SUCCESS)
}
