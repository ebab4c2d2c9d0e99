//! Queries the daemon, off the drawing thread.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::Options;
use super::act::{Ask, Told};
use super::order::Order;
use crate::clock;
use crate::control::wire::{BlockRow, ClientRow, Envelope, Question, Request, RoutesReport, StatusReport};
use crate::control::{Client, ClientError};
use crate::decide::Alert;

/// Polling interval. Clients and routes take the daemon a second each anyway.
const PAUSE: Duration = Duration::from_secs(1);
/// Clients and routes requested: more than any terminal has rows.
const ROWS: usize = 200;
/// Alerts requested at a time.
pub(super) const ALERTS: usize = 200;
/// Above this, the list of blocks is not requested every second, to save the daemon's time.
pub(super) const MAX_BLOCKS: u64 = 2_000;

/// Requested every second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Status,
    Clients,
    Routes,
    Alerts,
    Blocks,
}

/// Answers.
#[derive(Debug)]
pub(super) enum Message {
    /// With the time of arrival on the monotonic clock.
    Status(Duration, Box<StatusReport>),
    Clients(Vec<ClientRow>),
    Routes(RoutesReport),
    /// The latest, oldest first. All of them each time, since their actions may have changed.
    Alerts(Vec<Alert>),
    Blocks(Vec<BlockRow>),
    /// There are more than can be listed here.
    TooManyBlocks,
    /// No answer, or a refusal.
    Failed(Part, String),
    /// The answer to an operator's request.
    Told(Told),
}

/// The threads. When this is dropped, each ends after its pending answer.
pub(super) struct Poll {
    pub(super) messages: Receiver<Message>,
    asks: Sender<Ask>,
    order: Arc<Mutex<Order>>,
    /// Dropped, the threads stop.
    _stop: Vec<Sender<()>>,
}

impl Poll {
    pub(super) fn start(options: &Options) -> std::io::Result<Self> {
        let (sender, messages) = mpsc::channel();
        let (asks, asked) = mpsc::channel();
        let order = Arc::new(Mutex::new(Order::default()));
        let daemon = || Daemon {
            client: Client::new(&options.socket),
            options: options.clone(),
            sender: sender.clone(),
            order: order.clone(),
        };
        let mut stop = Vec::new();
        let mut each_second = |name: &str, mut work: Box<dyn FnMut() -> bool + Send>| {
            let (kept, stopped) = mpsc::channel::<()>();
            stop.push(kept);
            let run =
                move || while work() && stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {};
            thread::Builder::new().name(name.to_owned()).spawn(run)
        };
        let (looks, clients, routes, answers) = (daemon(), daemon(), daemon(), daemon());
        each_second("top-status", Box::new(move || looks.status()))?;
        each_second("top-clients", Box::new(move || clients.clients()))?;
        each_second("top-routes", Box::new(move || routes.routes()))?;
        let answer = move || asked.iter().all(|ask| answers.answer(ask));
        thread::Builder::new().name("top-keys".to_owned()).spawn(answer)?;
        Ok(Self { messages, asks, order, _stop: stop })
    }

    /// Sends a request; the answer arrives as [`Message::Told`].
    pub(super) fn ask(&self, ask: Ask) {
        // Only a panicked thread does not listen; its panic is reported.
        let _heard = self.asks.send(ask);
    }

    /// Takes effect with the next poll.
    pub(super) fn order(&self, order: Order) {
        *self.order.lock().unwrap_or_else(PoisonError::into_inner) = order;
    }
}

struct Daemon {
    client: Client,
    options: Options,
    sender: Sender<Message>,
    order: Arc<Mutex<Order>>,
}

/// Whether anybody still listens.
type Goes = bool;

impl Daemon {
    fn ask<T: DeserializeOwned>(&self, request: Request) -> Result<T, ClientError> {
        self.client.ask_for(&Envelope { request, ssh: self.options.ssh })
    }

    fn tell<T>(&self, part: Part, found: Result<T, ClientError>, message: impl FnOnce(T) -> Message) -> Goes {
        let message = found.map_or_else(|error| Message::Failed(part, error.to_string()), message);
        self.sender.send(message).is_ok()
    }

    fn status(&self) -> Goes {
        let status = self.ask::<StatusReport>(Request::Status);
        let (reached, blocks) = (status.is_ok(), status.as_ref().map_or(0, |status| status.blocks_active));
        let goes =
            self.tell(Part::Status, status, |status| Message::Status(clock::monotonic(), Box::new(status)));
        if !reached {
            // The other requests would fail the same way.
            return goes;
        }
        let question = Question::Alerts { since: None, after: None, id: None, limit: ALERTS };
        let alerts = self.ask::<Vec<Alert>>(Request::Records { question });
        let goes = goes && self.tell(Part::Alerts, alerts, Message::Alerts);
        if blocks > MAX_BLOCKS {
            return goes && self.sender.send(Message::TooManyBlocks).is_ok();
        }
        goes && self.tell(Part::Blocks, self.ask(Request::BlockList), Message::Blocks)
    }

    fn clients(&self) -> Goes {
        let sort = self.wanted().clients;
        self.tell(Part::Clients, self.ask(Request::Clients { top: ROWS, sort, by: None }), Message::Clients)
    }

    fn routes(&self) -> Goes {
        let sort = self.wanted().routes;
        self.tell(Part::Routes, self.ask(Request::Routes { top: ROWS, sort }), Message::Routes)
    }

    fn wanted(&self) -> Order {
        *self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, ask: Ask) -> Goes {
        let words = self.options.words;
        let refused = |error: ClientError| error.to_string();
        let told = match ask {
            Ask::Explain { prefix } => {
                let request = Request::Records { question: Question::Explain { prefix } };
                Told::Explained(self.ask(request).map(|found| (words.explanation)(&found)).map_err(refused))
            }
            Ask::ExplainAlert { id } => {
                let request = Request::Records { question: Question::ExplainAlert { id } };
                Told::Explained(self.ask(request).map(|found| (words.alert)(&found)).map_err(refused))
            }
            Ask::Deed(deed) => {
                let request = deed.request();
                let done = self.ask::<serde_json::Value>(request).map(|_| ()).map_err(refused);
                Told::Done(deed, done)
            }
        };
        self.sender.send(Message::Told(told)).is_ok()
    }
}
