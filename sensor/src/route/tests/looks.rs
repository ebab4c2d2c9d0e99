use proptest::prelude::*;

use super::super::segment::{Look, Raw, Scratch, Segments};
use super::{routes, seen};

/// Paths as they are sent, and the templates that one successful exchange gives them.
const PATHS: [(&str, &str); 106] = [
    // Constants.
    ("/", "/"),
    ("/v1/users", "/v1/users"),
    ("/api/v2", "/api/v2"),
    ("/api/v2.1/accounts", "/api/v2.1/accounts"),
    ("/1.1/statuses/update.json", "/1.1/statuses/update.json"),
    ("/robots.txt", "/robots.txt"),
    ("/favicon.ico", "/favicon.ico"),
    ("/jquery-3.6.0.min.js", "/jquery-3.6.0.min.js"),
    ("/bootstrap/4.5.2/css/bootstrap.min.css", "/bootstrap/4.5.2/css/bootstrap.min.css"),
    ("/.well-known/openid-configuration", "/.well-known/openid-configuration"),
    ("/.well-known/acme-challenge", "/.well-known/acme-challenge"),
    ("/wp-login.php", "/wp-login.php"),
    ("/xmlrpc.php", "/xmlrpc.php"),
    ("/oauth2/token", "/oauth2/token"),
    ("/login/forgot-password", "/login/forgot-password"),
    ("/s3/buckets", "/s3/buckets"),
    ("/x509/certificates", "/x509/certificates"),
    ("/getUserAccountById", "/getUserAccountById"),
    ("/Services/OrderService.svc", "/Services/OrderService.svc"),
    ("/Account/LogOn", "/Account/LogOn"),
    ("/graphql", "/graphql"),
    ("/_next/data", "/_next/data"),
    ("/__health", "/__health"),
    ("/apple-touch-icon-120x120.png", "/apple-touch-icon-120x120.png"),
    ("/sha256", "/sha256"),
    ("/utf8mb4_general_ci", "/utf8mb4_general_ci"),
    ("/linux-x86_64/latest", "/linux-x86_64/latest"),
    ("/deadbeef", "/deadbeef"),
    ("/facade", "/facade"),
    ("/internationalization-settings", "/internationalization-settings"),
    ("/users/me", "/users/me"),
    ("/@angular/core", "/@angular/core"),
    ("/users:search", "/users:search"),
    ("/K8sClusterV2", "/K8sClusterV2"),
    ("/iPhone14ProMax", "/iPhone14ProMax"),
    ("/en-US/docs", "/en-US/docs"),
    ("/a,b/c", "/a,b/c"),
    // Numbers.
    ("/users/123", "/users/{id}"),
    ("/users/123/orders/98765", "/users/{id}/orders/{id}"),
    ("/users/0", "/users/{id}"),
    ("/2024", "/{id}"),
    ("/20240131", "/{id}"),
    ("/blog/2024/01/31/hello-world", "/blog/{id}/{id}/{id}/hello-world"),
    ("/phones/+15551234567", "/phones/{id}"),
    ("/users/123.json", "/users/{id}.json"),
    ("/users/%31%32%33", "/users/{id}"),
    // UUIDs.
    ("/orders/550e8400-e29b-41d4-a716-446655440000", "/orders/{uuid}"),
    ("/orders/550E8400-E29B-41D4-A716-446655440000/items", "/orders/{uuid}/items"),
    ("/img/550e8400-e29b-41d4-a716-446655440000.jpg", "/img/{uuid}.jpg"),
    ("/orders/018f3c6a-7b2e-7cc0-98c3-9a1b2c3d4e5f", "/orders/{uuid}"),
    // Hexadecimal.
    ("/commit/9fceb02d0ae598e95dc970b74767f19372d61af8", "/commit/{hex}"),
    ("/commit/9fceb02d", "/commit/{hex}"),
    ("/o/507f1f77bcf86cd799439011", "/o/{hex}"),
    ("/o/550e8400e29b41d4a716446655440000", "/o/{hex}"),
    ("/o/A1B2C3D4E5F6", "/o/{hex}"),
    // Dates.
    ("/reports/2024-01-31", "/reports/{date}"),
    ("/reports/2024_01_31", "/reports/{date}"),
    ("/reports/2024-01", "/reports/{date}"),
    ("/reports/2024-01-31T12:00:00Z", "/reports/{date}"),
    ("/reports/2024-01-31T12%3A00%3A00+02:00", "/reports/{date}"),
    ("/reports/2024-01-31.csv", "/reports/{date}.csv"),
    ("/reports/2024-13-31", "/reports/2024-13-31"),
    ("/reports/2024-01-32", "/reports/2024-01-32"),
    ("/reports/2024-1", "/reports/2024-1"),
    // Random text.
    ("/reset/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP", "/reset/{token}"),
    ("/watch/dQw4w9WgXcQ", "/watch/{token}"),
    ("/charges/ch_3MmlLrLkdIwHu7ix0snN0B15", "/charges/{token}"),
    ("/o/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/o/{token}"),
    ("/o/cjld2cjxh0000qzrmn831i7rn", "/o/{token}"),
    ("/o/V1StGXR8_Z5jdHi6B-myT", "/o/{token}"),
    ("/o/0ujsswThIGTUYm2K8FjOOfXtY1K", "/o/{token}"),
    ("/o/dGhpcyBpcyBhIHRlc3Q5", "/o/{token}"),
    ("/o/4f90d13a42x7k9qpl2m3", "/o/{token}"),
    ("/o/k3j9x0q2m1z8b7v4.pdf", "/o/{token}.pdf"),
    ("/invite/Zx81_kQ-9pTb", "/invite/{token}"),
    // Addresses.
    ("/users/bob@example.com", "/users/{email}"),
    ("/users/bob%40example.com/posts", "/users/{email}/posts"),
    ("/users/bob.smith+spam@mail.example.co.uk", "/users/{email}"),
    ("/users/bob@localhost", "/users/{email}"),
    ("/hosts/192.0.2.1", "/hosts/{ip}"),
    ("/hosts/2001:db8::1", "/hosts/{ip}"),
    ("/hosts/2001%3Adb8%3A%3A1", "/hosts/{ip}"),
    ("/hosts/192.0.2.256", "/hosts/192.0.2.256"),
    // Files.
    ("/assets/app.3f2a1b9c.js", "/assets/app.{hex}.js"),
    ("/assets/index-BxK3f9aQ.js", "/assets/index-{token}.js"),
    ("/assets/main-9fceb02d0ae598e95dc9.css.map", "/assets/main-{hex}.css.map"),
    ("/static/photo_20240131.jpg", "/static/photo_{id}.jpg"),
    ("/img/12345.png", "/img/{id}.png"),
    ("/download/report-2024.pdf", "/download/report-2024.pdf"),
    // How a path may be written.
    ("//users///me", "/users/me"),
    ("/users/", "/users"),
    ("/a/./b/../users", "/a/users"),
    ("/../../users", "/users"),
    ("/a/%2e%2E/users", "/users"),
    ("/a/..;/users", "/users"),
    ("/users;jsessionid=0123456789ABCDEF/7;v=1", "/users/{id}"),
    ("/%75sers", "/users"),
    ("/users?id=1", "/users"),
    ("/users#top", "/users"),
    ("/a%2fb", "/a%2Fb"),
    ("/%7Bid%7D", "/%7Bid%7D"),
    ("/{id}", "/%7Bid%7D"),
    ("/caf%c3%a9", "/caf%C3%A9"),
    ("/100%", "/100%25"),
    ("/...", "/..."),
    ("/\u{1}", "/%01"),
];

#[test]
fn looks_of_segments() {
    let mut wrong = Vec::new();
    for (path, expected) in PATHS {
        let found = seen(&mut routes(), path, 200);
        if found != expected {
            wrong.push(format!("{path}: {found}, expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn long_and_deep_paths_are_cut() {
    let mut routes = routes();
    assert_eq!(seen(&mut routes, &format!("/a/{}", "x".repeat(129)), 200), "/a/{long}");
    assert_eq!(seen(&mut routes, &"/a".repeat(16), 200), "/a".repeat(16));
    assert_eq!(seen(&mut routes, &"/a".repeat(17), 200), format!("{}/{{...}}", "/a".repeat(16)));
    assert_eq!(seen(&mut routes, &"/a".repeat(99), 200), format!("{}/{{...}}", "/a".repeat(16)));
}

#[test]
fn what_is_no_path_is_other() {
    for target in ["*", "", "example.com:443", "http://example.com/"] {
        assert_eq!(seen(&mut routes(), target, 200), "/{other}");
    }
}

fn split(path: &[u8]) -> Vec<Vec<u8>> {
    let mut segments = Segments::default();
    let cut = segments.cut(path, 16);
    cut.into_iter().flat_map(|cut| cut.iter().map(|raw| raw.bytes.to_vec()).collect::<Vec<_>>()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    /// The text of a literal is itself again, so that a known segment may be looked up as it was sent.
    #[test]
    fn texts_are_canonical(raw in "[ -~\u{e9}]{1,24}", hex in "[a-zA-Z0-9._%-]{1,40}") {
        for raw in split(format!("/{raw}/{hex}").as_bytes()) {
            let mut scratch = Scratch::default();
            let text = scratch.canonical(Raw::new(&raw), 128);
            let bytes = text.bytes.to_vec();
            let look = text.look;
            prop_assert!(!bytes.is_empty() && bytes.iter().all(u8::is_ascii_graphic) && !bytes.contains(&b'/'));
            if !bytes.contains(&b'{') {
                let mut again = Scratch::default();
                let again = again.canonical(Raw::new(&bytes), 512);
                prop_assert_eq!((again.bytes, again.look), (&*bytes, look));
                prop_assert!(look != Look::Typed);
            }
        }
    }

    /// Escaping what needs none, doubling slashes and adding parameters change nothing.
    #[test]
    fn spellings_of_a_path_are_one(segments in prop::collection::vec("[a-z0-9A-Z.~_-]{1,12}", 1..5)) {
        let plain = format!("/{}", segments.join("/"));
        let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        let escaped: Vec<_> = segments.iter().map(|segment| escape(segment)).collect();
        let mut routes = routes();
        let expected = seen(&mut routes, &plain, 200);
        for other in [
            format!("/{}", escaped.join("/")),
            format!("//{}/", segments.join("//")),
            format!("/x/..{plain};a=b"),
            format!("{plain}/.?q"),
        ] {
            prop_assert_eq!(super::template(&mut routes, &other), &*expected, "{}", other);
        }
    }
}
