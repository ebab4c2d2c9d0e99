//! What it costs.

use super::*;

/// What all of this costs an exchange, and the memory that it takes at its bounds.
#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stdout, reason = "it measures")]
fn measure_access() {
    let paths: Vec<String> = (0..1_000_000_u32).map(|number| format!("/api/orders/{number}")).collect();
    let all: Vec<Exchange<'_>> = (0..2_000_000_u32)
        .map(|number| {
            let who = number.wrapping_mul(2_654_435_761) % 100_000;
            let path = &paths[(who * 10 + number % 10) as usize];
            let mut one = exchange(u64::from(number), who, path, ORDERS, 200);
            one.principal = Some(api_key(who));
            one
        })
        .collect();
    let run = |config: &Config| {
        let mut detector = Access::new(config, 1).unwrap();
        let mut signals = Vec::new();
        let mut best = u128::MAX;
        for _ in 0..3 {
            let started = crate::clock::now();
            for one in &all {
                detector.observe(&Event::Exchange(one), &mut signals);
            }
            best = best.min(crate::clock::now().since(started).as_nanos() / all.len() as u128);
        }
        assert!(signals.is_empty());
        (best, detector.usage())
    };
    let off = |threats: &[Threat]| Config {
        responses: threats.iter().map(|threat| (*threat, Response::Off)).collect(),
        ..Config::default()
    };
    println!(
        "enumeration alone: {:?}",
        run(&off(&[
            Threat::Bola,
            Threat::Bfla,
            Threat::Unauthenticated,
            Threat::MassAssignment,
            Threat::BusinessFlow
        ]))
    );
    println!("the others alone: {:?}", run(&off(&[Threat::Enumeration])));
    println!("all: {:?}", run(&Config::default()));
}
