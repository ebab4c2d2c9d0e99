//! Keys, answers and time in; the display and requests out. Pure.
#![expect(clippy::wildcard_enum_match_arm, reason = "the set of keys is open")]

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ipnet::IpNet;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::act::{Ask, Deed, Told};
use super::cursor::Cursor;
use super::dialog::{Dialog, Field, Outcome};
use super::history::History;
use super::order::{Order, RouteKey, block_keys, client_keys, next_client_sort, next_route_sort, route_keys};
use super::poll::{ALERTS, Message, Part};
use crate::clock::Timestamp;
use crate::control::wire::{BlockRow, ClientRow, RoutesReport, Standing, StatusReport};
use crate::decide::{Alert, RecordId};
use crate::enforce::Mode;
use crate::groups::Whom;

/// How long the report of an action stays in the last line.
const NOTICE: Duration = Duration::from_secs(8);
/// Silence after which the daemon is reported as not answering.
const SILENCE: Duration = Duration::from_secs(4);
/// Texts waiting to be shown; if there are more, the first ones are kept.
const MAX_LATER: usize = 8;
/// Rows of a page.
const PAGE_DOWN: isize = 10;
const PAGE_UP: isize = -10;

/// A panel with selectable rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Panel {
    #[default]
    Clients,
    Routes,
    Alerts,
    Blocks,
}

impl Panel {
    pub(super) const ALL: [Self; 4] = [Self::Clients, Self::Routes, Self::Alerts, Self::Blocks];

    fn beside(self, forward: bool) -> Self {
        let step = if forward { 1 } else { Self::ALL.len().saturating_sub(1) };
        let at = (self as usize).saturating_add(step);
        at.checked_rem(Self::ALL.len()).and_then(|at| Self::ALL.get(at)).copied().unwrap_or_default()
    }
}

/// An external effect of a key.
#[derive(Debug, PartialEq)]
pub(super) enum Effect {
    Ask(Ask),
    Order(Order),
    Redraw,
    Quit,
}

/// Everything that the view shows.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) status: Option<StatusReport>,
    pub(super) history: History,
    pub(super) clients: Vec<ClientRow>,
    pub(super) routes: RoutesReport,
    /// The newest first.
    pub(super) alerts: VecDeque<Alert>,
    pub(super) blocks: Vec<BlockRow>,
    pub(super) too_many_blocks: bool,
    /// Panels that are currently unavailable, and why.
    pub(super) trouble: BTreeMap<Part, String>,
    pub(super) focus: Panel,
    pub(super) order: Order,
    pub(super) client: Cursor<IpNet>,
    pub(super) route: Cursor<RouteKey>,
    pub(super) alert: Cursor<RecordId>,
    pub(super) block: Cursor<Whom>,
    pub(super) dialog: Option<Dialog>,
    /// Texts that wait until it is closed.
    later: VecDeque<Dialog>,
    pub(super) paused: bool,
    pub(super) now: Timestamp,
    /// When the daemon last answered.
    heard: Timestamp,
    notice: Option<(Timestamp, String)>,
}

impl State {
    /// At the start.
    pub(super) fn new(now: Timestamp) -> Self {
        Self { now, heard: now, ..Self::default() }
    }

    /// Time passes.
    pub(super) fn tick(&mut self, now: Timestamp) {
        // A clock that is set back must not suppress anything.
        self.heard = self.heard.min(now);
        self.now = now;
    }

    /// The last action, for the last line.
    pub(super) fn notice(&self) -> Option<&str> {
        let (since, text) = self.notice.as_ref()?;
        (self.now.since(*since) < NOTICE && *since <= self.now).then_some(text)
    }

    /// How long no daemon has answered, and why, if so.
    pub(super) fn absence(&self) -> Option<(Duration, &str)> {
        let silent = self.now.since(self.heard);
        match self.trouble.get(&Part::Status) {
            Some(why) => Some((silent, why)),
            None => (silent > SILENCE).then_some((silent, "it does not answer")),
        }
    }

    /// The mode in force.
    pub(super) fn mode(&self) -> Mode {
        self.status.as_ref().map_or(Mode::Monitor, |status| status.mode)
    }

    /// Handles a message from the daemon.
    pub(super) fn message(&mut self, message: Message) {
        match message {
            Message::Told(told) => self.told(told),
            Message::Failed(part, why) => {
                if part == Part::Status {
                    self.history.note_gap();
                }
                self.trouble.insert(part, why);
            }
            Message::Status(at, status) => {
                self.trouble.remove(&Part::Status);
                self.heard = self.now;
                self.history.note(at, &status);
                if !self.paused {
                    self.status = Some(*status);
                }
            }
            Message::Alerts(latest) => {
                self.trouble.remove(&Part::Alerts);
                // Also while paused, so that no alert is missed.
                self.alerts = latest.into_iter().rev().take(ALERTS).collect();
                let keys = self.alert_keys();
                self.alert.settle(&keys);
            }
            Message::Clients(rows) => self.listed(Part::Clients, |state| state.clients = rows),
            Message::Routes(report) => self.listed(Part::Routes, |state| state.routes = report),
            Message::Blocks(rows) => self.listed(Part::Blocks, |state| {
                state.blocks = rows;
                state.too_many_blocks = false;
            }),
            Message::TooManyBlocks => self.listed(Part::Blocks, |state| {
                state.blocks.clear();
                state.too_many_blocks = true;
            }),
        }
    }

    fn listed(&mut self, part: Part, change: impl FnOnce(&mut Self)) {
        self.trouble.remove(&part);
        if !self.paused {
            change(self);
            self.sort();
        }
    }

    fn told(&mut self, told: Told) {
        match told {
            Told::Explained(found) => {
                let (title, text) = match found {
                    Ok(text) => ("Explanation", text),
                    Err(why) => ("No explanation", why),
                };
                self.notice = None;
                self.show(Dialog::text(title, &text));
            }
            Told::Done(deed, Ok(())) => self.say(&format!("done: {}", deed.report())),
            Told::Done(deed, Err(why)) => {
                let title = format!("REFUSED: {}", deed.question().trim_end_matches('?'));
                self.show(Dialog::text(&title, &format!("{why}\n\nNothing was changed.")));
            }
        }
    }

    /// Shows a text, after the open one: an answer must not come between a question and its `y`.
    fn show(&mut self, text: Dialog) {
        if self.dialog.is_none() {
            self.dialog = Some(text);
        } else if self.later.len() < MAX_LATER {
            self.later.push_back(text);
        }
    }

    fn say(&mut self, text: &str) {
        self.notice = Some((self.now, text.to_owned()));
    }

    /// Handles a key; returns its external effect.
    pub(super) fn key(&mut self, key: KeyEvent) -> Option<Effect> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return Some(Effect::Quit);
        }
        if let Some(dialog) = self.dialog.take() {
            return match dialog.key(key) {
                Outcome::Stays(dialog) => {
                    self.dialog = Some(dialog);
                    None
                }
                Outcome::Closed => {
                    self.dialog = self.later.pop_front();
                    None
                }
                Outcome::Asks(ask) => {
                    self.dialog = self.later.pop_front();
                    Some(Effect::Ask(ask))
                }
            };
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return (key.code == KeyCode::Char('l')).then_some(Effect::Redraw);
        }
        match key.code {
            KeyCode::Char('q') => return Some(Effect::Quit),
            KeyCode::Tab => self.focus = self.focus.beside(true),
            KeyCode::BackTab => self.focus = self.focus.beside(false),
            KeyCode::Char(digit @ '1'..='4') => {
                let at = digit.to_digit(10).and_then(|digit| usize::try_from(digit).ok()).unwrap_or(1);
                self.focus = Panel::ALL.get(at.saturating_sub(1)).copied().unwrap_or_default();
            }
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::PageDown => self.step(PAGE_DOWN),
            KeyCode::PageUp => self.step(PAGE_UP),
            KeyCode::Home | KeyCode::Char('g') => self.step(isize::MIN),
            KeyCode::End | KeyCode::Char('G') => self.step(isize::MAX),
            KeyCode::Char('p') => self.pause(),
            KeyCode::Char('?') | KeyCode::F(1) => self.dialog = Some(Dialog::Help { scroll: 0 }),
            code => return self.act(code),
        }
        None
    }

    /// Keys that act on the selection.
    fn act(&mut self, code: KeyCode) -> Option<Effect> {
        match code {
            KeyCode::Char('s') => return self.next_order(),
            KeyCode::Char('e') | KeyCode::Enter => return self.explain(),
            KeyCode::Char('b') => self.open(|prefix| Dialog::form(Field::BlockTime { prefix })),
            KeyCode::Char('l') => self.open(|prefix| Dialog::form(Field::Limit { prefix })),
            KeyCode::Char('a') => self.open(|prefix| Dialog::Confirm(Deed::Allow { prefix })),
            KeyCode::Char('u') => self.undo(),
            KeyCode::Char('c') => self.keep(),
            _ => {}
        }
        None
    }

    fn pause(&mut self) {
        self.paused = !self.paused;
        self.say(if self.paused { "paused: `p` resumes" } else { "resumed" });
    }

    fn step(&mut self, rows: isize) {
        match self.focus {
            Panel::Clients => self.client.step(rows, &client_keys(&self.clients)),
            Panel::Routes => self.route.step(rows, &route_keys(&self.routes.routes)),
            Panel::Alerts => {
                let keys = self.alert_keys();
                self.alert.step(rows, &keys);
            }
            Panel::Blocks => self.block.step(rows, &block_keys(&self.blocks)),
        }
    }

    /// The client or prefix of the selected row.
    pub(super) fn chosen(&self) -> Option<IpNet> {
        match self.focus {
            Panel::Clients => self.client.on().copied(),
            Panel::Routes => None,
            Panel::Alerts => self.chosen_alert().and_then(|alert| alert.about.prefix()),
            Panel::Blocks => self.block.on().and_then(|whom| whom.prefix()),
        }
    }

    fn chosen_alert(&self) -> Option<&Alert> {
        let id = self.alert.on()?;
        self.alerts.iter().find(|alert| alert.id == *id)
    }

    fn open(&mut self, dialog: impl FnOnce(IpNet) -> Dialog) {
        match self.chosen() {
            Some(prefix) => self.dialog = Some(dialog(prefix)),
            None => self.say_nobody(),
        }
    }

    fn say_nobody(&mut self) {
        self.say(match self.focus {
            Panel::Clients | Panel::Blocks => "this list is empty",
            Panel::Routes => "a route is not a client: select one in 1 Clients or 3 Alerts",
            Panel::Alerts => "this alert has no address; `e` explains it",
        });
    }

    fn explain(&mut self) -> Option<Effect> {
        let ask = match self.focus {
            Panel::Alerts => self.alert.on().map(|id| Ask::ExplainAlert { id: *id }),
            Panel::Clients | Panel::Routes | Panel::Blocks => {
                self.chosen().map(|prefix| Ask::Explain { prefix })
            }
        };
        if ask.is_none() {
            self.say_nobody();
        } else {
            self.say("asking the daemon …");
        }
        ask.map(Effect::Ask)
    }

    fn undo(&mut self) {
        // The list of blocks is from this second, the clients' state perhaps from the one before.
        if let (Panel::Blocks, Some(prefix)) = (self.focus, self.block.on().copied()) {
            self.dialog = Some(Dialog::Confirm(Deed::Unblock { prefix }));
            return;
        }
        let Some(prefix) = self.chosen() else { return self.say_nobody() };
        let row = self.clients.iter().find(|row| row.client == prefix);
        let whom = Whom::from(prefix);
        let deed = match row.map(|row| row.standing) {
            Some(Standing::Allowed { by }) => Some(Deed::Disallow { prefix: by }),
            Some(Standing::Blocked { by, .. }) => Some(Deed::Unblock { prefix: by }),
            Some(Standing::Limited { by }) => Some(Deed::Unlimit { prefix: by }),
            Some(Standing::Plain) => None,
            None => {
                self.blocks.iter().any(|row| row.prefix == whom).then_some(Deed::Unblock { prefix: whom })
            }
        };
        match deed {
            Some(deed) => self.dialog = Some(Dialog::Confirm(deed)),
            None => self.say(&format!("{prefix} has no block, allow rule or limits of its own")),
        }
    }

    fn keep(&mut self) {
        let pending = self.status.iter().flat_map(|status| &status.pending);
        let scopes: Vec<_> = pending.map(|row| row.scope).collect();
        if scopes.is_empty() {
            self.say("nothing awaits confirmation");
        } else {
            self.dialog = Some(Dialog::Confirm(Deed::Keep { scopes }));
        }
    }

    fn next_order(&mut self) -> Option<Effect> {
        match self.focus {
            Panel::Clients => self.order.clients = next_client_sort(self.order.clients),
            Panel::Routes => self.order.routes = next_route_sort(self.order.routes),
            Panel::Alerts | Panel::Blocks => {
                self.say("this list is sorted by time; `s` sorts clients and routes");
                return None;
            }
        }
        self.sort();
        Some(Effect::Order(self.order))
    }

    /// Re-sorts the current rows; the next answer brings the right ones.
    fn sort(&mut self) {
        let by = self.order.clients;
        self.clients.sort_by_key(|row| std::cmp::Reverse(row.rates.by(by)));
        let by = self.order.routes;
        self.routes.routes.sort_by_key(|row| std::cmp::Reverse(row.by(by)));
        // Operators look for those that end first; those without an end come last.
        self.blocks.sort_by_key(|row| (row.until.is_none(), row.until, row.prefix));
        self.client.settle(&client_keys(&self.clients));
        self.route.settle(&route_keys(&self.routes.routes));
        self.block.settle(&block_keys(&self.blocks));
    }

    fn alert_keys(&self) -> Vec<RecordId> {
        self.alerts.iter().map(|alert| alert.id).collect()
    }
}
