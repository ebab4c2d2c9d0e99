use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use crate::config::{Document, Section};
use crate::detect::Severity;
use crate::notify::{
    DenyConfig, DenyFormat, Include, NotifyConfig, Output, SyslogConfig, SyslogFormat, Transport,
    WebhookConfig, WebhookFormat,
};

fn read(text: &str) -> (NotifyConfig, Vec<String>) {
    let mut document = Document::default();
    document.add(Path::new("s.toml"), text).unwrap();
    let problems = RefCell::default();
    let root = Section::root(&document, &problems);
    let config = NotifyConfig::read(&root);
    root.finish();
    (config, problems.into_inner().iter().map(ToString::to_string).collect())
}

#[test]
fn nothing_is_the_default() {
    assert_eq!(read(""), (NotifyConfig::default(), vec![]));
}

#[test]
fn a_configuration_is_read() {
    let (config, problems) = read(
        "[alerts]\noutput = \"/var/log/sensor/alerts.jsonl\"\n[alerts.webhook]\nurl = \"https://a.example/x?y=z\"\n\
         headers = [\"Authorization: Bearer abc:def\", \"X-Team: api\"]\ntimeout = \"3s\"\nmin_severity = \"high\"\n\
         queue = 5\nattempts = 2\n[alerts.deny_file]\npath = \"/run/sensor/deny\"\nformat = \"haproxy\"\n\
         include = \"all\"\nmax_entries = 7\n",
    );
    assert_eq!(problems, [""; 0]);
    assert_eq!(config.output, Output::File("/var/log/sensor/alerts.jsonl".into()));
    let expected = WebhookConfig {
        headers: vec![
            ("authorization".parse().unwrap(), "Bearer abc:def".parse().unwrap()),
            ("x-team".parse().unwrap(), "api".parse().unwrap()),
        ],
        timeout: Duration::from_secs(3),
        min_severity: Severity::High,
        queue: 5,
        attempts: 2,
        ..WebhookConfig::to("https://a.example/x?y=z".parse().unwrap())
    };
    assert_eq!(config.webhook, Some(expected));
    let expected = DenyConfig {
        format: DenyFormat::Haproxy,
        include: Include::All,
        max_entries: 7,
        ..DenyConfig::to("/run/sensor/deny".into())
    };
    assert_eq!(config.deny_file, Some(expected));
    assert_eq!(read("[alerts]\noutput = \"stdout\"\n").0.output, Output::Stdout);
}

#[test]
fn formats_are_read_and_secrets_are_not_printed() {
    let hook = |more: &str| read(&format!("[alerts.webhook]\nurl = \"https://a.example/\"\n{more}"));
    for (more, format) in [
        ("", WebhookFormat::Json),
        ("format = \"slack\"", WebhookFormat::Slack),
        ("format = \"teams\"", WebhookFormat::Teams),
        ("format = \"alertmanager\"", WebhookFormat::Alertmanager),
        ("format = \"ecs\"", WebhookFormat::Ecs),
        ("format = \"ocsf\"", WebhookFormat::Ocsf),
        ("format = \"otlp\"", WebhookFormat::Otlp),
        (
            "format = \"pagerduty\"\nrouting_key = \"s3cret\"",
            WebhookFormat::PagerDuty { routing_key: "s3cret".to_owned() },
        ),
    ] {
        let (config, problems) = hook(more);
        assert_eq!(problems, [""; 0], "{more}");
        assert!(!format!("{config:?}").contains("s3cret"));
        assert!(config.webhook.is_some_and(|hook| hook.format == format), "{more}");
    }
    for (more, expected) in [
        ("format = \"pager\"", "alerts.webhook.format: `pager`: expected"),
        ("format = \"pagerduty\"", "alerts.webhook.format: `pagerduty` needs the `routing_key`"),
    ] {
        let (_, problems) = hook(more);
        assert!(problems.len() == 1 && problems[0].contains(expected), "{more}: {problems:?}");
        assert!(!problems[0].contains("s3cret"));
    }
}

#[test]
fn mistakes_name_their_key() {
    for (text, expected) in [
        ("[alerts]\noutput = \"here\"", "s.toml:2: alerts.output: `here`: expected `stdout`"),
        ("[alerts]\nouput = \"stdout\"", "s.toml:2: alerts.ouput: unknown key; did you mean `output`?"),
        (
            "[alerts.webhook]\nurl = \"a.example\"",
            "s.toml:2: alerts.webhook.url: expected http:// or https://",
        ),
        ("[alerts.webhook]\nurl = \"/x\"", "s.toml:2: alerts.webhook.url: expected a URL with a host"),
        ("[alerts.webhook]\nurl = \"ftp://a.example/\"", "s.toml:2: alerts.webhook.url: expected http://"),
        (
            "[alerts.webhook]\nurl = \"https://a.example:99999/hook\"",
            "s.toml:2: alerts.webhook.url: expected a port from 1 to 65535",
        ),
        (
            "[alerts.webhook]\nurl = \"https://u:p@a.example/\"",
            "s.toml:2: alerts.webhook.url: credentials belong",
        ),
        ("[alerts.webhook]\nqueue = 9", "s.toml:2: alerts.webhook.queue: the webhook needs `url`"),
        (
            "[alerts.webhook]\nurl = \"http://a.example\"\nheaders = [\"X\"]",
            "s.toml:3: alerts.webhook.headers: expected \"Name: value\"",
        ),
        (
            "[alerts.webhook]\nurl = \"http://a.example\"\nheaders = [\"Host: b\"]",
            "s.toml:3: alerts.webhook.headers: this header is set by",
        ),
        (
            "[alerts.webhook]\nurl = \"http://a.example\"\nmin_severity = \"bad\"",
            "s.toml:3: alerts.webhook.min_severity: `bad`: expected `info`, `low`,",
        ),
        (
            "[alerts.webhook]\nurl = \"http://a.example\"\nca_file = \"/dev/null\"",
            "s.toml:3: alerts.webhook.ca_file: /dev/null: contains no certificate",
        ),
        (
            "[alerts.deny_file]\nformat = \"plain\"",
            "s.toml:2: alerts.deny_file.format: the deny file needs `path`",
        ),
        (
            "[alerts.deny_file]\npath = \"x\"",
            "s.toml:2: alerts.deny_file.path: `x`: expected an absolute path",
        ),
        (
            "[alerts.deny_file]\npath = \"/x\"\nformat = \"apache\"",
            "s.toml:3: alerts.deny_file.format: `apache`: ",
        ),
    ] {
        let problems = read(text).1;
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(expected), "{} is not {expected}", problems[0]);
    }
}

#[test]
fn secrets_are_not_printed() {
    let text =
        "[alerts.webhook]\nurl = \"https://a.example/s3cret\"\nheaders = [\"Authorization: s3cret\"]\n";
    let (config, problems) = read(text);
    assert_eq!(problems, [""; 0]);
    let printed = format!("{config:?}");
    assert!(printed.contains("a.example") && !printed.contains("s3cret"), "{printed}");
    for wrong in
        ["url = \"s3cret:/\"", "url = \"http://a.example\"\nheaders = [\"s3cret\", \"s3cret\\u0000: x\"]"]
    {
        let (_, problems) = read(&format!("[alerts.webhook]\n{wrong}\n"));
        assert!(!problems.is_empty() && !format!("{problems:?}").contains("s3cret"), "{problems:?}");
    }
}

#[test]
fn a_syslog_server_is_read() {
    let (config, problems) = read(
        "[alerts.syslog]\nurl = \"tls://[2001:db8::1]:7514\"\nformat = \"json\"\nfacility = \"authpriv\"\n\
         sd_id = \"shop@99.1\"\nmax_bytes = 4096\ntimeout = \"3s\"\nmin_severity = \"high\"\nqueue = 5\nattempts = 2\n",
    );
    assert_eq!(problems, [""; 0]);
    let syslog = config.syslog.unwrap();
    let expected = SyslogConfig {
        format: SyslogFormat::Json,
        facility: syslog.facility,
        sd_id: "shop@99.1".to_owned(),
        max_bytes: 4_096,
        timeout: Duration::from_secs(3),
        min_severity: Severity::High,
        queue: 5,
        attempts: 2,
        ..SyslogConfig::to("tls://[2001:db8::1]:7514".parse().unwrap())
    };
    assert_eq!(syslog, expected);
    assert_eq!((syslog.host(), syslog.port()), ("2001:db8::1", 7_514));
    for (url, transport, port) in [
        ("tls://a.example", Transport::Tls, 6_514),
        ("tcp://a.example/", Transport::Tcp, 514),
        ("udp://a.example", Transport::Udp, 514),
    ] {
        let (config, problems) = read(&format!("[alerts.syslog]\nurl = \"{url}\""));
        assert_eq!(problems, [""; 0]);
        let syslog = config.syslog.unwrap();
        assert_eq!((syslog.transport(), syslog.port(), syslog.host()), (transport, port, "a.example"));
    }
}

#[test]
fn mistakes_about_a_syslog_server_name_their_key() {
    for (text, expected) in [
        ("queue = 9", "s.toml:2: alerts.syslog.queue: the syslog server needs `url`"),
        ("url = \"a.example\"", "s.toml:2: alerts.syslog.url: expected tls://, tcp:// or udp://"),
        ("url = \"https://a.example\"", "s.toml:2: alerts.syslog.url: expected tls://, tcp:// or udp://"),
        ("url = \"tls://a.example/x\"", "s.toml:2: alerts.syslog.url: a syslog server has no path"),
        ("url = \"tls://u@a.example\"", "s.toml:2: alerts.syslog.url: syslog has no users"),
        ("url = \"tls://a.example:65536\"", "s.toml:2: alerts.syslog.url: expected a port from 1 to 65535"),
        ("url = \"tcp://[2001:db8::1]:0\"", "s.toml:2: alerts.syslog.url: expected a port from 1 to 65535"),
        (
            "url = \"udp://a.example\"\nca_file = \"/dev/null\"",
            "s.toml:3: alerts.syslog.ca_file: only a `tls://` server has certificates",
        ),
        (
            "url = \"tls://a.example\"\nca_file = \"/dev/null\"",
            "s.toml:3: alerts.syslog.ca_file: /dev/null: contains no certificate",
        ),
        (
            "url = \"tls://a.example\"\ncert_file = \"/dev/null\"",
            "s.toml:3: alerts.syslog.cert_file: this certificate needs `key_file`",
        ),
        (
            "url = \"tls://a.example\"\nkey_file = \"/dev/null\"",
            "s.toml:3: alerts.syslog.key_file: this key needs `cert_file`",
        ),
        ("url = \"tls://a.example\"\nmax_bytes = 100", "s.toml:3: alerts.syslog.max_bytes: "),
        (
            "url = \"tls://a.example\"\nfacility = \"kern\"",
            "s.toml:3: alerts.syslog.facility: `kern`: expected `user`",
        ),
        (
            "url = \"tls://a.example\"\nsd_id = \"sensor\"",
            "s.toml:3: alerts.syslog.sd_id: `sensor`: expected NAME@NUMBER",
        ),
        (
            "url = \"tls://a.example\"\nsd_id = \"a@b\"",
            "s.toml:3: alerts.syslog.sd_id: `a@b`: expected a private",
        ),
        (
            "url = \"tls://a.example\"\nsd_id = \"a]@1\"",
            "s.toml:3: alerts.syslog.sd_id: `a]@1`: expected at most 32",
        ),
    ] {
        let problems = read(&format!("[alerts.syslog]\n{text}\n")).1;
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(expected), "{} is not {expected}", problems[0]);
    }
}
