//! Documents that cost too much, and documents of ordinary clients.

use super::super::testing::{News, address, exchange, finding, millis};
use super::*;
use crate::inspect::{Exposed, Side};

const ORDINARY: Document = Document {
    batch: 1,
    tokens: 120,
    depth: 5,
    fields: 30,
    aliases: 2,
    directives: 1,
    cost: 400,
    has_cycle: false,
    introspects: false,
    is_beyond: false,
};

fn detector() -> Graphql {
    Graphql::new(&Config::default(), super::super::Config::default().sources(), 1)
}

fn ask(detector: &mut Graphql, at: u64, client: u64, document: Document) -> Vec<Signal> {
    let mut said = Vec::new();
    let exposed = Exposed { document: Some(document), ..Exposed::default() };
    let exchange =
        Exchange { client: address(client * 200), method: Some("POST"), exposed, ..exchange(millis(at)) };
    detector.observe(&Event::Exchange(&exchange), &mut said);
    said
}

#[test]
fn each_measure_has_a_limit() {
    let cases = [
        ("depth", Document { depth: 30, ..ORDINARY }),
        ("aliases", Document { aliases: 300, ..ORDINARY }),
        ("directives", Document { directives: 400, ..ORDINARY }),
        ("tokens", Document { tokens: 9_000, ..ORDINARY }),
        ("batch", Document { batch: 100, ..ORDINARY }),
        ("cost", Document { cost: 1_000_000, ..ORDINARY }),
        ("cycle", Document { has_cycle: true, ..ORDINARY }),
        ("nesting", Document { is_beyond: true, ..ORDINARY }),
    ];
    for (measure, document) in cases {
        let mut detector = detector();
        let said: Vec<Signal> = (0..10).flat_map(|n| ask(&mut detector, n * 1_000, 1, document)).collect();
        let told: Vec<_> =
            News::of(&said).iter().map(|signal| (signal.severity, signal.offenders.len())).collect();
        assert_eq!(told, [(Severity::Medium, 1), (Severity::High, 1)], "{measure}");
        assert_eq!(said[0].evidence.numbers["measure"], measure.into());
    }
}

#[test]
fn ordinary_clients_are_left_alone() {
    let mut detector = detector();
    for number in 0..5_000 {
        let depth = 3 + u32::try_from(number % 5).unwrap();
        let document = Document { depth, aliases: number % 9, cost: number % 900, ..ORDINARY };
        let said = ask(&mut detector, number * 100, number % 40, document);
        assert!(said.is_empty(), "{said:?}");
    }
    // A developer's tool asks for the schema.
    let schema = Document { depth: 13, fields: 90, tokens: 400, introspects: true, ..ORDINARY };
    let said = ask(&mut detector, 600_000, 3, schema);
    assert_eq!(
        said.iter().map(|signal| (signal.severity, signal.offenders.len())).collect::<Vec<_>>(),
        [(Severity::Info, 0)]
    );
}

/// Where all ask for little, a document far beyond that is told, though the fixed limits would let it pass.
#[test]
fn what_passes_the_usual_by_far_is_told() {
    let document = Document { aliases: 90, cost: 90_000, ..ORDINARY };
    assert!(ask(&mut detector(), 0, 1, document).is_empty());
    let mut detector = detector();
    for number in 0..1_000 {
        assert!(ask(&mut detector, number * 100, number % 40, ORDINARY).is_empty());
    }
    assert_eq!(ask(&mut detector, 200_000, 3, document).len(), 1);
}

/// A dashboard whose documents are larger than the fixed limit.
#[test]
fn limits_are_as_large_as_what_ordinary_clients_ask_for() {
    let mut detector = detector();
    let large = Document { aliases: 180, tokens: 3_000, ..ORDINARY };
    for number in 0..1_000 {
        ask(&mut detector, number * 20_000, number % 40, large);
    }
    let said: Vec<Signal> =
        (0..100).flat_map(|n| ask(&mut detector, 30_000_000 + n * 1_000, 50 + n % 9, large)).collect();
    assert!(said.is_empty(), "{said:?}");
    assert!(!ask(&mut detector, 40_000_000, 70, Document { aliases: 5_000, ..large }).is_empty());
}

#[test]
fn suggestions_are_told_once() {
    let (mut detector, mut said) = (detector(), Vec::new());
    let findings = [finding(Kind::Graphql, Side::Response, "schema", "suggestions")];
    for number in 0..50 {
        let exposed = Exposed { document: Some(ORDINARY), ..Exposed::default() };
        let exchange = Exchange { findings: &findings, exposed, ..exchange(millis(number * 1_000)) };
        detector.observe(&Event::Exchange(&exchange), &mut said);
    }
    assert_eq!(said.iter().map(|signal| signal.severity).collect::<Vec<_>>(), [Severity::Info]);
}
