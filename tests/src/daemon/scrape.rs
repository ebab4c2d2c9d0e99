//! Reading the Prometheus text format, as much of it as the daemon writes.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Error, Result, bail};

/// One line: a name, labels, and a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Name of the family, with the suffix that a histogram's samples have.
    pub name: String,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

/// Everything that was served at one moment.
#[derive(Clone, Debug, Default)]
pub struct Scrape {
    /// The samples in their order.
    pub samples: Vec<Sample>,
    /// The text as served.
    pub text: String,
}

impl Scrape {
    /// Sum of the samples with this name and at least these labels; 0 if there is none.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let matching = self.samples.iter().filter(|sample| sample.name == name && sample.has(labels));
        matching.map(|sample| sample.whole()).sum()
    }

    /// Packets with this verdict, of any interface, family and reason.
    #[must_use]
    pub fn packets(&self, verdict: &str) -> u64 {
        self.sum("sensor_packets_total", &[("verdict", verdict)])
    }

    /// Packets with this verdict and reason.
    #[must_use]
    pub fn packets_because(&self, verdict: &str, reason: &str) -> u64 {
        self.sum("sensor_packets_total", &[("verdict", verdict), ("reason", reason)])
    }

    /// The families that have a `TYPE` line.
    #[must_use]
    pub fn families(&self) -> BTreeSet<&str> {
        let types = self.text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        types.filter_map(|line| line.split_whitespace().next()).collect()
    }
}

impl Sample {
    fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(key, value)| self.labels.get(*key).is_some_and(|found| found == value))
    }

    /// Counters and most gauges are whole numbers.
    #[expect(clippy::cast_sign_loss, reason = "sums are asked for of what is never negative")]
    fn whole(&self) -> u64 {
        self.value as u64
    }
}

impl FromStr for Scrape {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let samples = lines.map(parse_line).collect::<Result<_>>()?;
        Ok(Self { samples, text: text.to_owned() })
    }
}

fn parse_line(line: &str) -> Result<Sample> {
    let (series, value) = line.rsplit_once(' ').with_context(|| format!("no value in `{line}`"))?;
    let (name, labels) = match series.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}').context("no closing brace")?),
        None => (series, ""),
    };
    let labels =
        labels.split(',').filter(|label| !label.is_empty()).map(parse_label).collect::<Result<_>>()?;
    let value = value.parse().with_context(|| format!("no number in `{line}`"))?;
    Ok(Sample { name: name.to_owned(), labels, value })
}

/// The daemon's labels are of closed sets: none has a comma or an escape.
fn parse_label(label: &str) -> Result<(String, String)> {
    let (key, value) = label.split_once('=').with_context(|| format!("no `=` in `{label}`"))?;
    Ok((key.to_owned(), value.trim_matches('"').to_owned()))
}

/// The body of a page.
///
/// # Errors
/// If the server does not answer, or with another status than 200.
pub fn page(server: SocketAddr, path: &str) -> Result<String> {
    let timeout = Duration::from_secs(10);
    let mut stream = TcpStream::connect_timeout(&server, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {server}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no end of the header")?;
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if status != "200" {
        bail!("{path} answers {status}: {}", body.trim());
    }
    Ok(body.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_the_labels_that_are_not_named() {
        let text = "# HELP p_total Help.\n# TYPE p_total counter\np_total{a=\"x\",b=\"1\"} 2\n\
                    p_total{a=\"x\",b=\"2\"} 3\np_total{a=\"y\",b=\"2\"} 4\nq 1.5\n";
        let scrape: Scrape = text.parse().unwrap();
        assert_eq!(scrape.sum("p_total", &[("a", "x")]), 5);
        assert_eq!(scrape.sum("p_total", &[("a", "x"), ("b", "2")]), 3);
        assert_eq!(scrape.sum("p_total", &[]), 9);
        assert_eq!(scrape.sum("r", &[]), 0);
        assert_eq!(scrape.families(), BTreeSet::from(["p_total"]));
    }

    #[test]
    fn what_is_no_sample_is_an_error() {
        assert!("one".parse::<Scrape>().is_err());
        assert!("one two".parse::<Scrape>().is_err());
        assert!("one{a} 2".parse::<Scrape>().is_err());
    }
}
