//! The forms: what issuers publish of the tokens that they hand out, in their documentation or for scanners of secrets.
//! A row is a form's fixed beginning, its name and class, which bytes follow, and how many.

use super::Class;
use super::Class::{ChatToken, CloudKey, CodeToken, Connection, PaymentKey, PrivateKey, Public};

/// Which bytes follow the fixed part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bytes {
    /// `A-Z2-7`.
    Base32,
    /// `0-9a-f`.
    Hex,
    /// `0-9A-Za-z`.
    Alphanumeric,
    /// With `_` and `-`.
    Url,
    /// With `.` besides.
    Dotted,
    /// With `_`, `-` and `=`.
    Base64Url,
    /// With `+`, `/`, `_` and `=`.
    Base64,
}

/// What is checked besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// Nothing.
    None,
    /// The last six are the CRC-32 of what is before, in base 62.
    Crc32,
    /// The following must stand somewhere in the rest.
    Has(&'static str),
    /// A private key's armour: what follows is the rest of a line with `PRIVATE KEY-----`, and a key in base64.
    Pem,
    /// An address with a user, a password and a host.
    Url,
    /// As many bytes stand before it, and begin so.
    Led(&'static str),
    /// Parts of this many bytes between dots.
    Parts(&'static [usize]),
}

/// A form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) prefix: &'static str,
    pub(super) name: &'static str,
    pub(super) class: Class,
    pub(super) bytes: Bytes,
    /// How many of them, at least and at most.
    pub(super) length: (usize, usize),
    pub(super) check: Check,
}

const fn form(
    prefix: &'static str,
    name: &'static str,
    class: Class,
    bytes: Bytes,
    length: (usize, usize),
    check: Check,
) -> Form {
    Form { prefix, name, class, bytes, length, check }
}

/// Those that begin with four bytes at least, so that the search for all of them is quick. Of those with one beginning the
/// longer stands first.
pub(super) const FORMS: &[Form] = &[
    form(MIDDLE, "openai-key", CloudKey, Bytes::Url, (16, 170), Check::Led("sk-")),
    form("AKIA", "aws-access-key", CloudKey, Bytes::Base32, (16, 16), Check::None),
    form("ASIA", "aws-access-key", CloudKey, Bytes::Base32, (16, 16), Check::None),
    form("AIza", "google-api-key", Public, Bytes::Url, (35, 35), Check::None),
    form("GOCSPX-", "google-client-secret", CloudKey, Bytes::Url, (28, 28), Check::None),
    form("ya29.", "google-access-token", CloudKey, Bytes::Dotted, (60, 2_048), Check::None),
    form("ghp_", "github-token", CodeToken, Bytes::Alphanumeric, (36, 36), Check::Crc32),
    form("gho_", "github-token", CodeToken, Bytes::Alphanumeric, (36, 36), Check::Crc32),
    form("ghu_", "github-token", CodeToken, Bytes::Alphanumeric, (36, 36), Check::Crc32),
    form("ghs_", "github-token", CodeToken, Bytes::Alphanumeric, (36, 36), Check::Crc32),
    form("ghr_", "github-token", CodeToken, Bytes::Alphanumeric, (36, 76), Check::Crc32),
    form("github_pat_", "github-token", CodeToken, Bytes::Url, (82, 82), Check::None),
    form("glpat-", "gitlab-token", CodeToken, Bytes::Dotted, (20, 300), Check::None),
    form("gldt-", "gitlab-token", CodeToken, Bytes::Url, (20, 64), Check::None),
    form("glrt-", "gitlab-token", CodeToken, Bytes::Dotted, (20, 300), Check::None),
    form("npm_", "npm-token", CodeToken, Bytes::Alphanumeric, (36, 36), Check::Crc32),
    form("pypi-AgE", "pypi-token", CodeToken, Bytes::Url, (50, 1_000), Check::None),
    form("rubygems_", "rubygems-key", CodeToken, Bytes::Hex, (48, 48), Check::None),
    form("dckr_pat_", "docker-token", CodeToken, Bytes::Url, (27, 40), Check::None),
    form("xoxb-", "slack-token", ChatToken, Bytes::Url, (20, 200), Check::Has("-")),
    form("xoxp-", "slack-token", ChatToken, Bytes::Url, (20, 200), Check::Has("-")),
    form("xoxa-", "slack-token", ChatToken, Bytes::Url, (20, 200), Check::Has("-")),
    form("xoxr-", "slack-token", ChatToken, Bytes::Url, (20, 200), Check::Has("-")),
    form("xoxe", "slack-token", ChatToken, Bytes::Dotted, (100, 300), Check::Has("-")),
    form("xapp-", "slack-token", ChatToken, Bytes::Url, (40, 200), Check::Has("-")),
    form("hooks.slack.com/services/T", "slack-webhook", ChatToken, Bytes::Base64, (30, 80), Check::Has("/B")),
    form("sk_live_", "stripe-key", PaymentKey, Bytes::Alphanumeric, (16, 247), Check::None),
    form("rk_live_", "stripe-key", PaymentKey, Bytes::Alphanumeric, (16, 247), Check::None),
    form("sk_test_", "stripe-test-key", Public, Bytes::Alphanumeric, (16, 247), Check::None),
    form("pk_live_", "stripe-public-key", Public, Bytes::Alphanumeric, (16, 247), Check::None),
    form("whsec_", "webhook-secret", PaymentKey, Bytes::Base64, (24, 100), Check::None),
    form("sq0csp-", "square-secret", PaymentKey, Bytes::Url, (43, 43), Check::None),
    form("sq0atp-", "square-token", PaymentKey, Bytes::Url, (22, 22), Check::None),
    form("shpat_", "shopify-token", PaymentKey, Bytes::Hex, (32, 32), Check::None),
    form("shpss_", "shopify-secret", PaymentKey, Bytes::Hex, (32, 32), Check::None),
    form("sk-ant-", "anthropic-key", CloudKey, Bytes::Url, (80, 120), Check::None),
    form("dop_v1_", "digitalocean-token", CloudKey, Bytes::Hex, (64, 64), Check::None),
    form("dapi", "databricks-token", CloudKey, Bytes::Hex, (32, 32), Check::None),
    form("hvs.", "vault-token", CloudKey, Bytes::Url, (90, 160), Check::None),
    form("glsa_", "grafana-token", CloudKey, Bytes::Url, (41, 41), Check::Has("_")),
    form("ATATT3", "atlassian-token", CloudKey, Bytes::Base64Url, (100, 240), Check::Has("=")),
    form("PMAK-", "postman-key", CloudKey, Bytes::Url, (59, 59), Check::Has("-")),
    form("NRAK-", "newrelic-key", CloudKey, Bytes::Alphanumeric, (27, 27), Check::None),
    form("pul-", "pulumi-token", CloudKey, Bytes::Hex, (40, 40), Check::None),
    form("lin_api_", "linear-key", CloudKey, Bytes::Alphanumeric, (40, 40), Check::None),
    form("sbp_", "supabase-token", CloudKey, Bytes::Hex, (40, 40), Check::None),
    form("sntrys_", "sentry-token", CloudKey, Bytes::Base64, (60, 500), Check::None),
    form("AGE-SECRET-KEY-1", "age-key", PrivateKey, Bytes::Alphanumeric, (58, 58), Check::None),
    form("-----BEGIN ", "private-key", PrivateKey, Bytes::Alphanumeric, (2, 16), Check::Pem),
    form("AccountKey=", "azure-storage-key", CloudKey, Bytes::Base64, (86, 88), Check::None),
    form("SharedAccessKey=", "azure-access-key", CloudKey, Bytes::Base64, (43, 44), Check::None),
    form("postgres", "database-url", Connection, Bytes::Url, (0, 8), Check::Url),
    form("mysql", "database-url", Connection, Bytes::Url, (0, 8), Check::Url),
    form("mongodb", "database-url", Connection, Bytes::Url, (0, 8), Check::Url),
    form("redis", "database-url", Connection, Bytes::Url, (0, 8), Check::Url),
    form("amqp", "database-url", Connection, Bytes::Url, (0, 8), Check::Url),
];

/// Those that begin with three, each looked for by itself.
pub(super) const SHORT: [Form; 2] = [
    form("SG.", "sendgrid-key", ChatToken, Bytes::Dotted, (66, 66), Check::Parts(&[22, 43])),
    form("hf_", "huggingface-token", CloudKey, Bytes::Alphanumeric, (34, 34), Check::None),
];

/// What stands in the middle of keys of OpenAI, which begin with `sk-`.
pub(super) const MIDDLE: &str = "T3BlbkFJ";
