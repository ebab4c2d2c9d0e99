//! The terminal: taken over, drawn on, read from, and restored however this ends.

use std::io::{self, stdout};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::execute;
use ratatui::{DefaultTerminal, try_init, try_restore};

use super::Options;
use super::poll::Poll;
use super::state::{Effect, State};
use super::view::{self, Look, Theme};
use crate::clock;

/// Interval between checks for keys: how late a signal or an answer may be noticed.
const PATIENCE_MS: u16 = 100;
/// Keys and answers handled before the next frame: a held-down key must not starve the display.
const BATCH: usize = 64;

/// Restores the terminal, including on a panic in the loop.
struct Taken(DefaultTerminal);

impl Drop for Taken {
    fn drop(&mut self) {
        // If the terminal has gone there is nobody to tell.
        let _restored = try_restore();
        let _shown = execute!(stdout(), Show);
    }
}

/// Runs until a key, a signal or the terminal's end.
pub(super) fn show(options: &Options) -> io::Result<()> {
    let ended = Arc::new(AtomicBool::new(false));
    // Not SIGHUP: without a terminal there is nothing to restore, and its default action ends us anyway.
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        signal_hook::flag::register(signal as i32, ended.clone())?;
    }
    let poll = Poll::start(options)?;
    let look = Look { theme: Theme::new(!options.no_color), words: options.words };
    let mut state = State::new(clock::now());
    let mut terminal = Taken(try_init().inspect_err(|_| {
        // It may have failed half-way.
        let _restored = try_restore();
    })?);
    let mut drawn = None;
    while !ended.load(Ordering::Acquire) {
        // Without an event or an answer, only the clock changes.
        let second = clock::monotonic().as_secs();
        if drawn != Some(second) {
            terminal.0.draw(|frame| view::draw(frame, &state, look))?;
            drawn = Some(second);
        }
        let events = events()?;
        state.tick(clock::now());
        let answered = take_messages(&poll, &mut state)?;
        if answered || !events.is_empty() {
            drawn = None;
        }
        for event in events {
            // The next frame handles anything else, such as another size.
            let Event::Key(key) = event else { continue };
            match state.key(key) {
                Some(Effect::Quit) => return Ok(()),
                Some(Effect::Ask(ask)) => poll.ask(ask),
                Some(Effect::Order(order)) => poll.order(order),
                Some(Effect::Redraw) => terminal.0.clear()?,
                None => {}
            }
        }
    }
    Ok(())
}

/// Input from the terminal, after a short wait for the first.
fn events() -> io::Result<Vec<Event>> {
    let mut events = Vec::new();
    wait()?;
    while events.len() < BATCH && event::poll(Duration::ZERO)? {
        events.push(event::read()?);
    }
    Ok(events)
}

/// Waits for keys, a signal or a timeout. crossterm 0.29 reads for ever from a terminal that has hung up, so it is kept
/// away from one.
fn wait() -> io::Result<()> {
    let out = stdout();
    let mut descriptors = [PollFd::new(out.as_fd(), PollFlags::POLLIN)];
    match poll(&mut descriptors, PollTimeout::from(PATIENCE_MS)) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
    if descriptors.iter().filter_map(PollFd::revents).any(|found| found.intersects(gone)) {
        return Err(io::Error::other("it has hung up"));
    }
    Ok(())
}

/// Whether there were any.
fn take_messages(poll: &Poll, state: &mut State) -> io::Result<bool> {
    for taken in 0..BATCH {
        match poll.messages.try_recv() {
            Ok(message) => state.message(message),
            Err(TryRecvError::Empty) => return Ok(taken > 0),
            Err(TryRecvError::Disconnected) => {
                return Err(io::Error::other("the polling threads have ended"));
            }
        }
    }
    Ok(true)
}
