//! Access logs that are followed.

use super::finding::Finding;
use crate::control::wire::{AccessLogReport, HttpReport};

pub(super) fn findings(http: &HttpReport) -> Vec<Finding> {
    http.access_logs.iter().map(judge).collect()
}

fn judge(log: &AccessLogReport) -> Finding {
    let AccessLogReport { path, lines, .. } = log;
    let Some(trouble) = &log.trouble else {
        return match log.gaps {
            0 => Finding::good(format!("access log {path}: {lines} lines read")),
            gaps => Finding::note(
                format!("access log {path}: replaced or truncated before all of it was read, {gaps} times"),
                "rotate it by renaming (logrotate's default), and not by `copytruncate`; keep the last file \
                 uncompressed (`delaycompress`)",
            ),
        };
    };
    let what = format!("access log {path}: {trouble}");
    if trouble.contains("Permission denied") {
        return Finding::problem(
            what,
            format!(
                "let the daemon's user read it: `usermod -aG adm sensor`, if its group is adm (Debian), or `setfacl -m \
                 u:sensor:x $(dirname {path})` and `setfacl -m u:sensor:r {path}`, and a default entry for the files to \
                 come; then restart the sensor"
            ),
        );
    }
    if trouble.contains("No such file") {
        return Finding::problem(
            what,
            "it is read once the server makes it; if the path is wrong, or its directory did not exist when the sensor \
             started, mend [access_logs] and restart",
        );
    }
    if log.is_readable && log.untimely == log.lines {
        return Finding::problem(what, "is the server's clock this host's, and its time zone in the format?");
    }
    Finding::problem(
        what,
        format!(
            "compare its lines with the format in [access_logs]: `sensor replay --log '{}' {path}`",
            log.format
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::super::finding::{Severity, check};
    use super::*;

    #[test]
    fn each_trouble_has_its_remedy() {
        let log = |lines, refused, untimely, trouble: Option<&str>| AccessLogReport {
            path: "/var/log/nginx/access.log".to_owned(),
            format: "nginx".to_owned(),
            lines,
            refused,
            untimely,
            is_readable: true,
            trouble: trouble.map(str::to_owned),
            ..AccessLogReport::default()
        };
        for (trouble, what, remedy) in [
            (
                log(0, 0, 0, Some("Permission denied (os error 13)")),
                "Permission denied",
                "usermod -aG adm sensor",
            ),
            (log(0, 0, 0, Some("No such file or directory")), "No such file", "once the server makes it"),
            (log(5, 0, 5, Some("no line has a time near the present")), "near the present", "time zone"),
            (log(5, 5, 0, Some("no line could be read")), "no line", "sensor replay --log 'nginx' /var/log"),
        ] {
            check(&judge(&trouble), Severity::Problem, what, remedy);
        }
        check(&judge(&log(5, 0, 0, None)), Severity::Good, "5 lines read", "");
        let gaps = AccessLogReport { gaps: 2, ..log(5, 0, 0, None) };
        check(&judge(&gaps), Severity::Note, "2 times", "copytruncate");
    }
}
