//! Access logs that are followed, a line each.

use super::printable;
use crate::control::wire::AccessLogReport;

pub(super) fn line(log: &AccessLogReport) -> String {
    let told = [
        ("refused", log.refused),
        ("too far from the present", log.untimely),
        ("also read on the network", log.seen_twice),
        ("bytes unread", log.unread_bytes),
        ("times lines may have been lost", log.gaps),
    ];
    let told: String = told
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(what, count)| format!(", {count} {what}"))
        .collect();
    let trouble = log.trouble.as_ref().map(|trouble| format!(": {trouble}")).unwrap_or_default();
    printable(&format!("access log   {}: {} lines{told}{trouble}", log.path, log.lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_on_the_line() {
        let quiet =
            AccessLogReport { path: "/var/log/a.log".to_owned(), lines: 7, ..AccessLogReport::default() };
        assert_eq!(line(&quiet), "access log   /var/log/a.log: 7 lines");
        let trouble = Some("Permission denied (os error 13)".to_owned());
        let loud = AccessLogReport { refused: 2, gaps: 1, unread_bytes: 9, trouble, ..quiet };
        assert_eq!(
            line(&loud),
            "access log   /var/log/a.log: 7 lines, 2 refused, 9 bytes unread, 1 times lines may have been lost: \
             Permission denied (os error 13)"
        );
    }
}
