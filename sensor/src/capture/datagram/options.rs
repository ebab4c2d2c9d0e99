//! IPv4 options as Linux's receiver handles them (`__ip_options_compile`, `ip_rcv_options`).
//!
//! Source routes are refused, as with `net.ipv4.conf.all.accept_source_route` at its default of 0. So is CIPSO, whose
//! domains of interpretation are configured only on systems with mandatory access control on the network.

/// Kinds of options (RFC 791, section 3.1; RFC 1393; RFC 2113; `linux/ip.h`).
const END: u8 = 0;
const NOOP: u8 = 1;
const RECORD_ROUTE: u8 = 7;
const TIMESTAMP: u8 = 68;
const SECURITY_CIPSO: u8 = 134;
const LOOSE_SOURCE_ROUTE: u8 = 131;
const STRICT_SOURCE_ROUTE: u8 = 137;
const ROUTER_ALERT: u8 = 148;

/// What a timestamp option's flags ask for: times only, or times with addresses of routers or of those that are named.
const TIMES_ONLY: u8 = 0;
const WITH_ADDRESSES: u8 = 1;
const PRESPECIFIED: u8 = 3;

/// Whether the receiver accepts the datagram with these options.
pub(super) fn are_passed(mut options: &[u8]) -> bool {
    let (mut has_route, mut has_times) = (false, false);
    while let Some((kind, rest)) = options.split_first() {
        match *kind {
            END => return true,
            NOOP => {
                options = rest;
                continue;
            }
            _ => {}
        }
        let Some(length) = rest.first().map(|length| usize::from(*length)).filter(|length| *length >= 2)
        else {
            return false;
        };
        let Some((option, behind)) = options.split_at_checked(length) else { return false };
        let is_passed = match *kind {
            LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE | SECURITY_CIPSO => false,
            RECORD_ROUTE => !std::mem::replace(&mut has_route, true) && is_route_passed(option),
            TIMESTAMP => !std::mem::replace(&mut has_times, true) && are_times_passed(option),
            ROUTER_ALERT => option.len() >= 4,
            _ => true,
        };
        if !is_passed {
            return false;
        }
        options = behind;
    }
    true
}

/// The pointer of an option, which counts bytes from 1, must lie after the option's header; if it is not past the whole
/// option, there must be room for an address.
fn is_route_passed(option: &[u8]) -> bool {
    let [_, _, pointer, ..] = *option else { return false };
    let pointer = usize::from(pointer);
    pointer >= 4 && (pointer > option.len() || pointer.saturating_add(3) <= option.len())
}

fn are_times_passed(option: &[u8]) -> bool {
    let [_, _, pointer, flags, ..] = *option else { return false };
    let (pointer, asked, overflow) = (usize::from(pointer), flags & 15, flags >> 4);
    if pointer < 5 {
        return false;
    }
    if pointer > option.len() {
        return asked == PRESPECIFIED || overflow != 15;
    }
    let room = match asked {
        TIMES_ONLY => 3,
        WITH_ADDRESSES | PRESPECIFIED => 7,
        _ => 3,
    };
    pointer.saturating_add(room) <= option.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_stop_the_receiver_where_linux_stops() {
        let table: [(&str, &[u8], bool); 22] = [
            ("none", &[], true),
            ("no operation", &[1, 1, 1, 1], true),
            ("an end, and anything", &[0, 9, 9, 9], true),
            ("unknown", &[200, 4, 1, 2], true),
            ("of length 0", &[200, 0, 1, 2], false),
            ("of length 1", &[200, 1, 1, 2], false),
            ("too long", &[200, 5, 1, 2], false),
            ("only a kind", &[1, 1, 1, 200], false),
            ("a loose source route", &[131, 7, 4, 10, 9, 0, 1, 0], false),
            ("a strict one", &[137, 7, 4, 10, 9, 0, 1, 0], false),
            ("a finished one", &[131, 7, 8, 10, 9, 0, 1, 0], false),
            ("CIPSO", &[134, 8, 0, 0, 0, 1, 1, 2], false),
            ("a record of the route", &[7, 7, 4, 0, 0, 0, 0, 0], true),
            ("a full one", &[7, 7, 8, 1, 2, 3, 4, 0], true),
            ("a pointer before its addresses", &[7, 7, 3, 0, 0, 0, 0, 0], false),
            ("a pointer amid an address", &[7, 7, 5, 0, 0, 0, 0, 0], false),
            ("two records", &[7, 3, 4, 7, 3, 4, 0, 0], false),
            ("timestamps", &[68, 8, 5, 0, 0, 0, 0, 0], true),
            ("timestamps that overflowed too often", &[68, 8, 9, 0xf0, 0, 0, 0, 0], false),
            ("timestamps with addresses, without room", &[68, 8, 5, 1, 0, 0, 0, 0], false),
            ("a router alert", &[148, 4, 0, 0], true),
            ("a short router alert", &[148, 3, 0, 0], false),
        ];
        for (what, options, expected) in table {
            assert_eq!(are_passed(options), expected, "{what}");
        }
    }
}
