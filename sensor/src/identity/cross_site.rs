//! Whether a request declares that another site's page made a browser send it.
//!
//! A page can make its visitors' browsers request anything: an image, a form, a frame. So such a request says little
//! about its sender. Over TLS, browsers declare it in `Sec-Fetch-Site` (W3C Fetch Metadata), which no script can set;
//! without that, `Origin` or `Referer` names another host than `Host` does.
//!
//! # Limits
//!
//! It is the sender's claim. A client that is not a browser can claim the same, so detectors report such requests and
//! merely accuse nobody; claims that no browser could be made to send are not believed. Over plain HTTP, a page that
//! suppresses its `Referer` is recognised only for images and style sheets, by their `Accept`.

use super::collect::Collected;
use crate::http::{Method, Request};

/// Whether the headers say so.
pub(super) fn says_so(headers: &Collected<'_>) -> bool {
    if let Some(site) = headers.fetch_site {
        return site.eq_ignore_ascii_case(b"cross-site");
    }
    let (Some(host), None) = (headers.host, headers.fetch_mode) else { return false };
    match headers.origin.or(headers.referer) {
        Some(page) => is_foreign(page, host),
        // A page that hides its address. Pages of the same site do not.
        None => headers.accept.is_some_and(is_part_of_a_page),
    }
}

/// Whether a browser could have been made to send it without asking the server first (Fetch, section 2.2.2, "CORS-safelisted").
pub(super) fn is_possible(request: Request<'_>) -> bool {
    let is_browser = request
        .user_agent()
        .is_some_and(|agent| agent.starts_with(b"Mozilla/") || agent.starts_with(b"Opera/"));
    let method = request.method();
    let is_simple = matches!(method, Method::Get | Method::Head)
        || (method == Method::Post && request.content_type().is_none_or(is_of_a_form));
    // The URL standard has these resolved before anything is sent.
    let path = request.path();
    let is_resolved = !path.split(|byte| *byte == b'/').any(|segment| matches!(segment, b"." | b".."))
        && memchr::memchr(b'\\', path).is_none();
    is_browser && is_simple && is_resolved
}

fn is_of_a_form(content_type: &[u8]) -> bool {
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let known: [&[u8]; 3] = [b"application/x-www-form-urlencoded", b"multipart/form-data", b"text/plain"];
    known.iter().any(|known| essence.eq_ignore_ascii_case(known))
}

fn is_part_of_a_page(accept: &[u8]) -> bool {
    accept.starts_with(b"image/") || accept.starts_with(b"text/css")
}

/// Whether the host in a page's address, or `null` for a page that hides it, is another one. Ports are ignored: proxies
/// change them.
fn is_foreign(page: &[u8], host: &[u8]) -> bool {
    if page == b"null" {
        return true;
    }
    let Some(at) = memchr::memmem::find(page, b"://") else { return false };
    let rest = page.get(at.saturating_add(3)..).unwrap_or_default();
    let authority = rest.split(|byte| matches!(byte, b'/' | b'?' | b'#')).next().unwrap_or_default();
    let page = name(authority.rsplit(|byte| *byte == b'@').next().unwrap_or_default());
    !page.is_empty() && !page.eq_ignore_ascii_case(name(host))
}

/// A host without its port.
fn name(host: &[u8]) -> &[u8] {
    let is_port = |port: &[u8]| port.iter().all(u8::is_ascii_digit);
    match memchr::memrchr(b':', host).and_then(|at| host.split_at_checked(at)) {
        Some((name, port)) if is_port(port.get(1..).unwrap_or_default()) => name,
        Some(_) | None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_headers_say() {
        let headers = |text: &'static str| {
            let mut all = Collected { host: Some(b"shop.example:8080"), ..Collected::default() };
            for line in text.split('|').filter(|line| !line.is_empty()) {
                let (name, value) = line.split_once(": ").unwrap();
                let place = match name {
                    "site" => &mut all.fetch_site,
                    "mode" => &mut all.fetch_mode,
                    "origin" => &mut all.origin,
                    "referer" => &mut all.referer,
                    "accept" => &mut all.accept,
                    other => panic!("{other}"),
                };
                *place = Some(value.as_bytes());
            }
            says_so(&all)
        };
        for (text, expected) in [
            ("", false),
            ("site: cross-site|mode: no-cors", true),
            ("site: cross-site|mode: navigate", true),
            ("site: same-origin|referer: http://evil.example/", false),
            ("site: same-site", false),
            ("site: none", false),
            ("referer: http://evil.example/page", true),
            ("referer: http://shop.example/page", false),
            ("referer: https://SHOP.example:8443/", false),
            ("referer: http://shop.example@evil.example/", true),
            ("referer: nonsense", false),
            ("origin: http://evil.example", true),
            ("origin: http://shop.example:8080|referer: http://evil.example/", false),
            ("origin: null", true),
            ("accept: image/avif,image/webp,*/*;q=0.8", true),
            ("accept: image/webp|mode: no-cors", false),
            ("accept: image/webp|referer: http://shop.example/", false),
            ("accept: text/html", false),
            ("accept: */*", false),
        ] {
            assert_eq!(headers(text), expected, "{text}");
        }
    }
}
