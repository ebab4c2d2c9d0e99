//! What detectors that watch single clients cost an ordinary exchange.

use super::made_up::{api_key, exchange};
use super::{Config, Detectors, request_rate};
use crate::event::{Event, Exchange};

/// Ordinary traffic of ten thousand clients.
#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stdout, reason = "it measures")]
fn measure_an_ordinary_exchange() {
    let agents: Vec<String> = (0..50)
        .map(|version| format!("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"))
        .collect();
    let paths: Vec<(String, &str)> = (0..64)
        .map(|number| match number % 4 {
            0 => ("/".to_owned(), "/"),
            1 => ("/api/v1/search".to_owned(), "/api/v1/search"),
            2 => (format!("/api/v1/users/{number}/orders"), "/api/v1/users/{id}/orders"),
            _ => (format!("/static/js/chunk-{number}.js"), "/static/js/{param}"),
        })
        .collect();
    let exchanges: Vec<Exchange<'_>> = (0..200_000_u32)
        .map(|number| {
            let client = number.wrapping_mul(7_919) % 10_000;
            let (path, route) = &paths[(number % 64) as usize];
            let mut exchange = exchange(u64::from(number) / 10, client, path, route, 200);
            exchange.user_agent = Some(agents[(client % 50) as usize].as_str().into());
            exchange.principal = (client % 2 == 0).then(|| api_key(client % 64));
            exchange
        })
        .collect();
    let rate = request_rate::Limits {
        per_client: "100k/s".parse().ok(),
        per_site: None,
        per_principal: "100k/s".parse().ok(),
    };
    let limited = Config {
        request_rate: request_rate::Config { limits: rate, ..request_rate::Config::default() },
        ..Config::default()
    };
    let alone = |threat| Config {
        responses: super::Threat::ALL
            .into_iter()
            .filter(|other| *other != threat)
            .map(|other| (other, super::Response::Off))
            .collect(),
        ..limited.clone()
    };
    for (name, config) in [
        ("defaults", Config::default()),
        ("with limits", limited.clone()),
        ("scanner", alone(super::Threat::Scanner)),
        ("enumeration", alone(super::Threat::Enumeration)),
        ("request rate", alone(super::Threat::RequestRate)),
    ] {
        let mut detectors = Detectors::new(&config);
        let mut best = u128::MAX;
        for _ in 0..5 {
            let started = crate::clock::now();
            let signals: usize =
                exchanges.iter().map(|exchange| detectors.observe(&Event::Exchange(exchange)).count()).sum();
            assert_eq!(signals, 0);
            best = best.min(crate::clock::now().since(started).as_nanos() / exchanges.len() as u128);
        }
        println!("{name}: {best} ns an exchange");
    }
}
