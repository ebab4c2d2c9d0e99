//! Frames.

use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use super::super::act::Told;
use super::super::poll::{Message, Part};
use super::super::state::State;
use super::super::view;
use super::{NOW, alerts, at, clients, filled, look, routes, typed};

fn drawn(state: &State, (width, height): (u16, u16), colors: bool) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view::draw(frame, state, look(colors))).unwrap();
    terminal.backend().buffer().clone()
}

fn text(state: &State, size: (u16, u16)) -> String {
    let buffer = drawn(state, size, false);
    let lines = (0..size.1).map(|y| (0..size.0).map(|x| buffer[(x, y)].symbol()).collect::<String>());
    lines.map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// Everything that an operator needs is in sight in the smallest usual terminal.
#[test]
fn at_80_by_24() {
    let shown = text(&filled("enforce"), (80, 24));
    for part in [
        "sensor 0.1.0  ENFORCE  22:13:20 UTC, up 1h03m, eth0 native",
        "losses none; kill switch ready; 1204 clients, 1 blocked, 0 allowed, 1 limits",
        "pkt/s passed 12.3k  top 12.3k",
        "pkt/s dropped 10  top 50",
        "exchanges/s 6150",
        "failures/s 1230",
        ">1 Clients by packets, 4 of 1204",
        "> 10.9.0.66                     40.0k  32.0M  20.0k      1  10.0k  BLOCKED 9m12s",
        "2001:db8:1234:5678::/64",
        "2 Routes by requests, 2, 3 req/s elsewhere",
        "GET /api/users/{id}                         900    226   25   <1 1.3 ms 350 ms",
        "3 Alerts, newest first, 2 (4 shows 1 blocks)",
        "22:12:20 HIGH     would block 192.0.2.7 brute-force: 31 failed logins",
        "22:12:20 CRITICAL would block route /login brute-force",
        "b block  a allow  l limit  u undo  e explain  s sort  p pause  ? help  q quit",
    ] {
        assert!(shown.contains(part), "no `{part}` in\n{shown}");
    }
}

#[test]
fn a_large_terminal_shows_all_four_lists() {
    let shown = text(&filled("monitor"), (140, 45));
    for part in [
        "MONITOR (drops nothing)",
        "1 Clients",
        "2 Routes",
        "3 Alerts",
        "4 Blocks",
        "198.51.100.0/24",
        "forever",
    ] {
        assert!(shown.contains(part), "no `{part}` in\n{shown}");
    }
    let line = |what: &str| shown.lines().position(|line| line.contains(what));
    assert_eq!(line("1 Clients"), line("2 Routes"));
    assert_eq!(line("3 Alerts"), line("4 Blocks"));
    assert!(shown.contains("blocked 9m12s") && !shown.contains("BLOCKED"), "nothing is dropped:\n{shown}");
}

#[test]
fn what_is_wrong_is_said_in_words() {
    let mut state = filled("enforce");
    if let Some(status) = &mut state.status {
        status.losses.notices_lost = 7;
        status.kill_switch_tripped = true;
        let scope = crate::enforce::Scope::Default;
        status.pending = vec![crate::control::wire::PendingRow { scope, deadline: at(NOW + 90) }];
    }
    state.message(Message::Failed(Part::Status, "no daemon answers on /run/x.sock".to_owned()));
    state.message(Message::Routes(Default::default()));
    state.message(Message::Failed(Part::Routes, "HTTP is not seen".to_owned()));
    typed(&mut state, "p");
    state.tick(at(NOW + 9));
    let shown = text(&state, (100, 30));
    for part in [
        "NO DAEMON for 9s, data below is stale: no daemon answers on /run/x.sock",
        "LOSSES notices lost: 7",
        "LOSSES, see below; kill switch TRIPPED; 1204 clients",
        "UNCONFIRMED limits of default, rolled back in 1m21s: `c` keeps them",
        "HTTP is not seen",
        "PAUSED",
    ] {
        assert!(shown.contains(part), "no `{part}` in\n{shown}");
    }
}

#[test]
fn a_question_stands_over_the_lists() {
    let mut state = filled("monitor");
    typed(&mut state, "b");
    assert!(text(&state, (80, 24)).contains("> 10m_"));
    typed(&mut state, "Clear soon Enter");
    assert!(text(&state, (80, 24)).contains("expected 30s, 10m, 1h30m or forever"));
    typed(&mut state, "Clear 20m Enter");
    let shown = text(&state, (80, 24));
    assert!(
        shown.contains("Block 10.9.0.66/32 for 20m?") && shown.contains("counted, not dropped"),
        "{shown}"
    );
    typed(&mut state, "Esc");
    let why = "it reaches 10.9.0.254, the gateway, which must never be blocked; ".repeat(3);
    state.message(Message::Told(Told::Explained(Err(format!("{why}THE END")))));
    assert!(text(&state, (80, 24)).contains("THE END"));
    typed(&mut state, "Esc ?");
    let shown = text(&state, (80, 24));
    assert!(shown.contains("Select") && shown.contains("at least this fast."), "the help fits:\n{shown}");
}

#[test]
fn a_long_text_is_scrolled_to_its_end() {
    let mut state = filled("monitor");
    let lines: String = (0..100).map(|line| format!("line {line}\n")).collect();
    state.message(Message::Told(Told::Explained(Ok(lines))));
    let shown = text(&state, (80, 24));
    assert!(
        shown.contains("line 0") && !shown.contains("line 99") && shown.contains("there is more"),
        "{shown}"
    );
    (0..12).for_each(|_| assert_eq!(typed(&mut state, "Space"), None));
    assert!(text(&state, (80, 24)).contains("line 99"));
}

/// Nothing that a sender chose reaches the terminal as anything but letters.
#[test]
fn senders_do_not_steer_the_terminal() {
    let mut state = filled("enforce");
    let hostile = "/\u{1b}[2J\u{7}\r\n\u{202e}x\u{9b}31m";
    state.message(routes(hostile));
    state.message(alerts(hostile));
    state.message(Message::Told(Told::Explained(Ok(hostile.to_owned()))));
    for state in [state] {
        for cell in drawn(&state, (140, 45), true).content() {
            assert!(!cell.symbol().chars().any(|c| c.is_control() || c == '\u{202e}'), "{:?}", cell.symbol());
        }
    }
}

#[test]
fn colours_are_the_terminals_own_and_can_be_left_out() {
    let mut state = filled("enforce");
    typed(&mut state, "b");
    let mut colored = 0;
    for cell in drawn(&state, (140, 45), true).content() {
        assert_eq!(cell.bg, Color::Reset, "the background is the terminal's");
        assert!(
            matches!(cell.fg, Color::Reset | Color::Red | Color::Green | Color::Blue | Color::Magenta),
            "{:?} cannot be read on every background",
            cell.fg
        );
        colored += u32::from(cell.fg != Color::Reset);
    }
    assert!(colored > 0);
    let plain = drawn(&state, (140, 45), false);
    assert!(plain.content().iter().all(|cell| (cell.fg, cell.bg) == (Color::Reset, Color::Reset)));
    let reversed = plain.content().iter().filter(|cell| cell.modifier.contains(Modifier::REVERSED));
    assert!(reversed.count() > 0, "what is chosen is seen without colours");
    let symbols =
        |buffer: &Buffer| buffer.content().iter().map(|cell| cell.symbol().to_owned()).collect::<Vec<_>>();
    assert_eq!(symbols(&plain), symbols(&drawn(&state, (140, 45), true)), "colours add nothing");
}

#[test]
fn the_chosen_row_is_in_sight() {
    let mut state = filled("enforce");
    typed(&mut state, "End");
    assert!(text(&state, (80, 15)).contains("> 10.9.0.3"), "{}", text(&state, (80, 15)));
}

/// Sizes from nothing to large, all dialogs, all panels.
fn state() -> impl Strategy<Value = State> {
    let keys = prop::sample::select(vec![
        "b", "l", "l Enter", "b Enter", "?", "2", "3", "4 u", "e", "a", "c", "p", "End",
    ]);
    (prop::bool::ANY, keys, ".{0,40}", prop::option::of(".{0,80}")).prop_map(
        |(is_filled, keys, text, why)| {
            let mut state = if is_filled { filled("enforce") } else { State::new(at(NOW)) };
            if is_filled {
                state.message(routes(&text));
                state.message(alerts(&text));
                state.message(clients());
            }
            typed(&mut state, keys);
            if let Some(why) = why {
                state.message(Message::Failed(Part::Status, why.clone()));
                state.message(Message::Told(Told::Explained(Ok(why))));
            }
            state
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn any_size_will_do(state in state(), width in 1_u16..200, height in 1_u16..70, colors: bool) {
        drawn(&state, (width, height), colors);
    }
}

#[test]
fn small_sizes_will_do() {
    let mut state = filled("enforce");
    for keys in ["", "b", "Esc ?"] {
        if !keys.is_empty() {
            typed(&mut state, keys);
        }
        for width in [1, 2, 3, 5, 8, 13, 21] {
            for height in [1, 2, 3, 4, 6, 9, 14, 19] {
                drawn(&state, (width, height), true);
            }
        }
    }
}
