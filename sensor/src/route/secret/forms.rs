//! Formats of keys and tokens, as issuers publish them in their documentation or for secret scanners. A row has the fixed
//! prefix, the name and class, which bytes follow, and how many.

use Class::{ChatToken, CloudKey, CodeToken, Connection, PaymentKey, PrivateKey, Public};

/// What kind of secret it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Class {
    /// For a cloud, a platform or a service behind the application.
    CloudKey,
    /// Of a version control host or a registry of packages.
    CodeToken,
    /// Of a payment provider.
    PaymentKey,
    /// Of a chat or a mail service.
    ChatToken,
    /// A private key.
    PrivateKey,
    /// An address with a password in it.
    Connection,
    /// A key that is meant to be public, or a test key. Not reported.
    Public,
}

/// Which bytes follow the fixed part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bytes {
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

/// An additional check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// Nothing.
    None,
    /// The last six bytes are the CRC-32 of the rest, in base 62.
    Crc32,
    /// The rest must contain this.
    Has(&'static str),
    /// PEM armour of a private key: the rest of a line with `PRIVATE KEY-----`, then base64.
    Pem,
    /// A URL with user, password and host.
    Url,
    /// As many bytes precede it, starting with this.
    Led(&'static str),
    /// Parts of these lengths, separated by dots.
    Parts(&'static [usize]),
}

/// A form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) prefix: &'static str,
    pub(crate) name: &'static str,
    pub(crate) class: Class,
    pub(crate) bytes: Bytes,
    /// How many of them, at least and at most.
    pub(crate) length: (usize, usize),
    pub(crate) check: Check,
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

/// Those with a prefix of at least four bytes, which makes the search for all of them fast. A longer prefix comes before
/// a shorter one that it begins with.
pub(crate) const FORMS: &[Form] = &[
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

/// Those with a prefix of three bytes, each searched for separately.
pub(crate) const SHORT: [Form; 2] = [
    form("SG.", "sendgrid-key", ChatToken, Bytes::Dotted, (66, 66), Check::Parts(&[22, 43])),
    form("hf_", "huggingface-token", CloudKey, Bytes::Alphanumeric, (34, 34), Check::None),
];

/// In the middle of OpenAI's keys, which begin with `sk-`.
pub(crate) const MIDDLE: &str = "T3BlbkFJ";

impl Form {
    /// Whether its prefix alone tells a key from other text: fixed parts of URLs and armour do not, and neither do those that
    /// could be a word.
    pub(crate) fn has_telling_prefix(&self) -> bool {
        let is_word = self.prefix.bytes().all(|byte| byte.is_ascii_lowercase());
        let is_plain = self.prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        is_plain && !is_word && !matches!(self.check, Check::Pem | Check::Url | Check::Led(_))
    }
}
