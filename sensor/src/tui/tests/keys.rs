//! What keys ask for.

use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::super::act::{Ask, Deed, Told, parse_limit};
use super::super::dialog::Dialog;
use super::super::order::Order;
use super::super::poll::Message;
use super::super::state::{Effect, Panel};
use super::{filled, press, typed};
use crate::control::wire::{ClientSort, RouteSort};
use crate::enforce::Scope;

fn deed(deed: Deed) -> Option<Effect> {
    Some(Effect::Ask(Ask::Deed(deed)))
}

#[test]
fn sequences() {
    let prefix = |text: &str| text.parse().unwrap();
    let whom = |text: &str| text.parse().unwrap();
    let flooder = prefix("10.9.0.66/32");
    let minutes = |count: u64| Some(Duration::from_secs(count * 60));
    let limits = |text: &str| parse_limit(text).unwrap();
    let block = |prefix, time| deed(Deed::Block { prefix, time });
    for (keys, expected) in [
        ("b Enter y", block(flooder, minutes(10))),
        ("b Clear 1h30m Enter Y", block(flooder, minutes(90))),
        ("b Clear forever Enter y", block(flooder, None)),
        // Only `y` is yes, and only after the question.
        ("b y", None),
        ("b Enter Enter", None),
        ("b Enter n y", None),
        ("b Enter Esc y", None),
        ("b Enter x", None),
        ("b Clear soon Enter y", None),
        ("a y", deed(Deed::Allow { prefix: flooder })),
        ("a n", None),
        ("j a y", deed(Deed::Allow { prefix: prefix("2001:db8:1234:5678::/64") })),
        (
            "l Enter Enter y",
            deed(Deed::Limit { prefix: flooder, limits: limits("requests 100/min:20"), confirm: minutes(5) }),
        ),
        (
            "l Clear packets Space 50/s Enter Clear forever Enter y",
            deed(Deed::Limit { prefix: flooder, limits: limits("packets 50/s"), confirm: None }),
        ),
        ("l Clear nonsense Enter Enter y", None),
        // What is undone is the rule, which may be wider than the client.
        ("u y", deed(Deed::Unblock { prefix: whom("10.9.0.0/24") })),
        ("Down u", None),
        ("Down Down u y", deed(Deed::Disallow { prefix: whom("10.9.0.2/32") })),
        ("End u y", deed(Deed::Unlimit { prefix: whom("10.9.0.3/32") })),
        ("e", Some(Effect::Ask(Ask::Explain { prefix: flooder }))),
        ("Enter", Some(Effect::Ask(Ask::Explain { prefix: flooder }))),
        // Alerts, the newest first.
        ("3 e", Some(Effect::Ask(Ask::ExplainAlert { id: "01K7Z3V5Q8000000000000050G".parse().unwrap() }))),
        ("3 b Enter y", block(prefix("192.0.2.7/32"), minutes(10))),
        ("3 Down b Enter y", None),
        ("2 b Enter y", None),
        ("2 e", None),
        // Blocks, the one that ends first at the top.
        ("4 u y", deed(Deed::Unblock { prefix: whom("10.9.0.0/24") })),
        ("BackTab Down u y", deed(Deed::Unblock { prefix: whom("198.51.100.0/24") })),
        ("c", None),
        ("q", Some(Effect::Quit)),
        ("? q", None),
        ("b q", None),
        ("s", Some(Effect::Order(Order { clients: ClientSort::Bits, routes: RouteSort::Requests }))),
        ("Tab s", Some(Effect::Order(Order { clients: ClientSort::Packets, routes: RouteSort::Errors }))),
        ("3 s", None),
    ] {
        assert_eq!(typed(&mut filled("enforce"), keys), expected, "{keys}");
    }
}

#[test]
fn every_order_comes_round() {
    let mut state = filled("enforce");
    let start = state.order;
    assert_ne!(typed(&mut state, "ssss"), Some(Effect::Order(start)));
    assert_eq!(typed(&mut state, "s"), Some(Effect::Order(start)));
    assert_eq!(typed(&mut state, "2 sss"), Some(Effect::Order(start)));
}

#[test]
fn panels_come_round() {
    let mut state = filled("enforce");
    for (keys, panel) in [
        ("Tab", Panel::Routes),
        ("BackTab", Panel::Clients),
        ("BackTab", Panel::Blocks),
        ("Tab", Panel::Clients),
        ("3", Panel::Alerts),
    ] {
        typed(&mut state, keys);
        assert_eq!(state.focus, panel, "{keys}");
    }
}

#[test]
fn ctrl_c_quits_from_everywhere_and_a_release_is_no_key() {
    for keys in ["", "?", "b", "b Enter", "l"] {
        let mut state = filled("enforce");
        if !keys.is_empty() {
            typed(&mut state, keys);
        }
        let quit = state.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
        assert_eq!(quit, Some(Effect::Quit), "{keys}");
    }
    let mut release = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
    release.kind = KeyEventKind::Release;
    assert_eq!(filled("enforce").key(release), None);
}

#[test]
fn a_deed_done_is_told_and_a_refusal_shown_in_full() {
    let mut state = filled("enforce");
    let block = || Deed::Block { prefix: "10.9.0.66/32".parse().unwrap(), time: None };
    state.message(Message::Told(Told::Done(block(), Ok(()))));
    assert!(state.notice().is_some_and(|text| text.contains("blocked 10.9.0.66/32 permanently")));
    let why = "10.9.0.66/32 is not blocked: it reaches the gateway ".repeat(9);
    state.message(Message::Told(Told::Done(block(), Err(why.clone()))));
    let Some(Dialog::Text { title, text, .. }) = &state.dialog else { panic!("{:?}", state.dialog) };
    assert!(title.contains("REFUSED: Block 10.9.0.66/32") && text.contains(&why), "{title}: {text}");
}

#[test]
fn limits_that_wait_are_kept_by_a_key() {
    let mut state = filled("enforce");
    let scope = Scope::Default;
    if let Some(status) = &mut state.status {
        let row = crate::control::wire::PendingRow { scope, deadline: super::at(super::NOW + 60) };
        status.pending = vec![row];
    }
    assert_eq!(typed(&mut state, "c y"), deed(Deed::Keep { scopes: vec![scope] }));
}

#[test]
fn who_is_asked_about_stays_who_was_chosen() {
    let mut state = filled("enforce");
    typed(&mut state, "Down b");
    // The list changes while the time is typed.
    state.message(Message::Clients(Vec::new()));
    let done = typed(&mut state, "Enter y");
    let prefix = "2001:db8:1234:5678::/64".parse().unwrap();
    assert_eq!(done, deed(Deed::Block { prefix, time: Some(Duration::from_secs(600)) }));
}

#[test]
fn empty_lists_take_all_keys() {
    for code in
        (' '..='~').map(KeyCode::Char).chain([KeyCode::Up, KeyCode::Down, KeyCode::End, KeyCode::Enter])
    {
        for panel in ["1", "2", "3", "4"] {
            let mut state = super::State::new(super::at(0));
            typed(&mut state, panel);
            let asked = press(&mut state, code);
            assert!(!matches!(asked, Some(Effect::Ask(_))), "{code:?} in {panel}");
        }
    }
}
