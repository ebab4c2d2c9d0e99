//! The command line: flags to requests, answers to text.

mod alerts;
mod args;
#[cfg(test)]
mod canaries;
mod check;
mod doctor;
mod generate;
mod live;
mod names;
mod output;
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

use anyhow::Result;
use clap::Parser as _;
use serde::de::DeserializeOwned;

use crate::control::wire::{
    AlertExplanation, AllowRow, BlockRow, ClientRow, Confirmed, Envelope, Explanation, LimitRow, ModeReport,
    Question, Reloaded, Removed, Request, StatusReport,
};
use crate::control::{self, Client, ClientError};
use crate::duration::milliseconds;
use args::{AllowCommand, BlockCommand, Cli, Command, Explained, LimitCommand, Remote};
use names::Names;
use say::{SayError, complain, say, say_json};

/// Runs the command that the process was started with. Exit status: 0 done, 1 failed, 2 wrong usage, 3 no
/// daemon.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli) {
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

/// The error with its causes, each said once: many errors quote their cause already.
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

fn dispatch(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Run(options) => run::run(options),
        Command::Check(options) => check::check(&options, cli.json),
        Command::Doctor(options) => doctor::doctor(&options, cli.json),
        Command::Unload(options) => run::unload(&options, cli.json),
        Command::Replay(options) => replay::replay(&options, cli.json),
        Command::Score(options) => score::score(&options, cli.json),
        Command::Status(remote) => ask::<StatusReport>(&remote, Request::Status, cli.json, output::status),
        Command::Mode { remote, set } => {
            ask::<ModeReport>(&remote, Request::Mode { set }, cli.json, output::mode)
        }
        Command::Limit { command } => limit(command, cli.json),
        Command::Confirm(remote) => ask::<Confirmed>(&remote, Request::Confirm, cli.json, output::confirmed),
        Command::Block { command } => block(command, cli.json),
        Command::Allow { command } => allow(command, cli.json),
        Command::Clients { remote, top, sort, resolve } => {
            let top = usize::try_from(top).unwrap_or(usize::MAX);
            clients(&remote, Request::Clients { top, sort: sort.into() }, resolve, cli.json)
        }
        Command::Routes(args) => live::routes(&args, cli.json),
        Command::Top(args) => live::top(&args, cli.json),
        Command::Exchanges { remote, last } => exchanges(&remote, last, cli.json),
        Command::Explain { remote, what: Explained::Prefix(prefix) } => {
            ask::<Explanation>(&remote, records(Question::Explain { prefix }), cli.json, output::explanation)
        }
        Command::Explain { remote, what: Explained::Alert(id) } => ask::<AlertExplanation>(
            &remote,
            records(Question::ExplainAlert { id }),
            cli.json,
            alerts::explanation,
        ),
        Command::Alerts { remote, since, follow, id, last, resolve } => {
            alerts::alerts(&remote, &alerts::Wanted { since, follow, id, last, resolve }, cli.json)
        }
        Command::Audit { remote, since, last } => alerts::audit(&remote, since, last, cli.json),
        Command::Reload(remote) => ask::<Reloaded>(&remote, Request::Reload, cli.json, output::reloaded),
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
            (remote, Request::LimitSet { scope, limits: limits.into(), confirm_ms })
        }
        LimitCommand::Unset { remote, scope } => (remote, Request::LimitUnset { scope }),
    };
    ask::<Vec<LimitRow>>(&remote, request, json, output::limits)
}

fn block(command: BlockCommand, json: bool) -> Result<ExitCode> {
    match command {
        BlockCommand::List(remote) => ask::<Vec<BlockRow>>(&remote, Request::BlockList, json, output::blocks),
        BlockCommand::Add { remote, prefix, time, reason } => {
            let request = Request::BlockAdd { prefix, for_ms: time.map(milliseconds), reason };
            ask::<BlockRow>(&remote, request, json, output::blocked)
        }
        BlockCommand::Remove { remote, prefix } => {
            ask::<Removed>(&remote, Request::BlockRemove { prefix }, json, output::removed)
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

/// Clients, with the names that are known of them.
fn clients(remote: &Remote, request: Request, resolve: bool, json: bool) -> Result<ExitCode> {
    let mut names = Names::of(remote, resolve)?;
    let mut answer = Client::new(&remote.socket).ask(&Envelope { request, ssh: ssh::connection() })?;
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

/// One record a line, or a line for people.
fn exchanges(remote: &Remote, last: u32, json: bool) -> Result<ExitCode> {
    let request = Request::Exchanges { last: usize::try_from(last).unwrap_or(usize::MAX) };
    let answer = Client::new(&remote.socket).ask(&Envelope { request, ssh: ssh::connection() })?;
    let records = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    for record in records {
        if json { say_json(record)? } else { say(output::exchange_record(record))? }
    }
    if records.is_empty() && !json {
        say("no exchanges were seen yet")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks the daemon and prints its answer, as it came or rendered.
fn ask<T: DeserializeOwned>(
    remote: &Remote,
    request: Request,
    json: bool,
    render: impl FnOnce(&T) -> String,
) -> Result<ExitCode> {
    let envelope = Envelope { request, ssh: ssh::connection() };
    let answer = Client::new(&remote.socket).ask(&envelope)?;
    if json {
        say_json(&answer)?;
    } else {
        say(render(&control::read(answer)?))?;
    }
    Ok(ExitCode::SUCCESS)
}
