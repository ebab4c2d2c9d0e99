//! Addresses of e-mail, as they are commonly written (a part of RFC 5321, section 4.1.2).

use super::{Item, Kind};

/// Longest local part and domain that are looked at.
const MAX_LOCAL: usize = 64;
const MAX_DOMAIN: usize = 128;

pub(super) fn scan(text: &[u8], tell: &mut impl FnMut(Item)) {
    for at in memchr::memchr_iter(b'@', text) {
        let before = text.get(..at).unwrap_or_default();
        let after = text.get(at.saturating_add(1)..).unwrap_or_default();
        let is_local = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+');
        let is_domain = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        let local = before.iter().rev().take(MAX_LOCAL).take_while(is_local).count();
        let domain = after.iter().take(MAX_DOMAIN).take_while(is_domain).count();
        let domain = after.get(..domain).unwrap_or_default().trim_ascii_end();
        let domain = domain.strip_suffix(b".").unwrap_or(domain);
        let top = domain.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
        let has_top = top.len() >= 2 && top.len() < domain.len() && top.iter().all(u8::is_ascii_alphabetic);
        // `logo@2x.png` in pages.
        let is_file =
            [b"png".as_slice(), b"jpg", b"jpeg", b"gif", b"svg", b"webp", b"css", b"js"].contains(&top);
        if local > 0 && has_top && !is_file {
            let length = local.saturating_add(1).saturating_add(domain.len());
            tell(Item { kind: Kind::Mail, rule: "mail", at: at.saturating_sub(local), length });
        }
    }
}
