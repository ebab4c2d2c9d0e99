//! Search engine crawlers, by the host names of their addresses. Each operator documents that a reverse look-up gives a
//! name in one of these domains, and that name resolves to the address again.

/// A crawler, and the domains of its names.
const CRAWLERS: &[(&str, &[&str])] = &[
    ("Googlebot", &["googlebot.com", "google.com"]),
    ("Bingbot", &["search.msn.com"]),
    ("Applebot", &["applebot.apple.com"]),
    ("YandexBot", &["yandex.ru", "yandex.net", "yandex.com"]),
    ("Baiduspider", &["crawl.baidu.com", "crawl.baidu.jp"]),
    ("Yahoo Slurp", &["crawl.yahoo.net"]),
    ("PetalBot", &["petalsearch.com"]),
    ("SeznamBot", &["seznam.cz"]),
];

/// The crawler with such a name. The name must be confirmed: anybody may claim it.
pub(super) fn of(name: &str) -> Option<&'static str> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let is_below = |domain: &&&str| {
        let host = name.strip_suffix(**domain);
        host.is_some_and(|host| host.ends_with('.'))
    };
    let found = CRAWLERS.iter().find(|(_, domains)| domains.iter().any(|domain| is_below(&domain)));
    found.map(|(crawler, _)| *crawler)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crawlers_are_told_by_whole_labels() {
        for (name, expected) in [
            ("crawl-66-249-66-1.googlebot.com", Some("Googlebot")),
            ("Crawl-1.GoogleBot.com.", Some("Googlebot")),
            ("msnbot-40-77-167-1.search.msn.com", Some("Bingbot")),
            ("googlebot.com", None),
            ("crawl.notgooglebot.com", None),
            ("googlebot.com.evil.example", None),
            ("", None),
        ] {
            assert_eq!(of(name), expected, "{name}");
        }
    }
}
