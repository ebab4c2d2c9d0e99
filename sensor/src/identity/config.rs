//! What the operator can say about identity.

use documented::DocumentedFields;
use ipnet::IpNet;

use super::login::LoginConfig;

/// A header that tells the client behind a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// `X-Forwarded-For`: addresses, each proxy appending its peer.
    XForwardedFor,
    /// `X-Real-IP`: one address.
    XRealIp,
    /// Another header of one address, by name, such as `CF-Connecting-IP`, `True-Client-IP` or
    /// `Fastly-Client-IP`.
    Single(String),
    /// Another header of one address that always has a port behind it, IPv6 without brackets, too: what follows the last
    /// colon is the port. `CloudFront-Viewer-Address`, and those that are configured as `name:port`.
    WithPort(String),
}

/// Ends the name of a header whose addresses always have a port.
const PORT: &str = ":port";

impl ForwardedHeader {
    /// The header of a name in any case.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "forwarded" => Self::Forwarded,
            "x-forwarded-for" => Self::XForwardedFor,
            "x-real-ip" => Self::XRealIp,
            name @ "cloudfront-viewer-address" => Self::WithPort(name.to_owned()),
            other => match other.strip_suffix(PORT) {
                Some(name) => Self::WithPort(name.to_owned()),
                None => Self::Single(other.to_owned()),
            },
        }
    }

    /// The header's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Forwarded => "forwarded",
            Self::XForwardedFor => "x-forwarded-for",
            Self::XRealIp => "x-real-ip",
            Self::Single(name) | Self::WithPort(name) => name,
        }
    }
}

impl ForwardedHeader {
    /// As it is configured.
    #[must_use]
    pub fn shown(&self) -> String {
        let port = if matches!(self, Self::WithPort(_)) { PORT } else { "" };
        format!("{}{port}", self.name())
    }
}

/// Most entries of [`Config::forwarded_headers`].
pub const MAX_FORWARDED_HEADERS: usize = 8;

/// Most entries of each other list of names in [`Config`].
pub const MAX_NAMES: usize = 128;

/// How clients and principals are found.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Proxies in front of this host: peers whose forwarding headers and PROXY protocol are trusted, and which are
    /// never blocked.
    pub trusted_proxies: Vec<IpNet>,
    /// Forwarding headers trusted from trusted proxies, in order of preference, at most 8. Nearly every proxy appends
    /// its peer to `X-Forwarded-For`. Other headers, such as `CF-Connecting-IP`, are read as a single address. If a
    /// header always has a port after the address, write `name:port`: in IPv6 without brackets, the port is otherwise
    /// indistinguishable from the address. `CloudFront-Viewer-Address` does not need it.
    ///
    /// If a proxy sets one of these and passes on the others, clients can forge their address in a preferred header, or
    /// in any other if the preferred ones are absent: list only headers that your proxies set or remove. Other common
    /// forwarding headers are compared, as far as space permits; the anomaly `forwarded_conflict` means that one
    /// disagrees.
    pub forwarded_headers: Vec<ForwardedHeader>,
    /// List elements of one forwarding header examined, from the right. Default 32.
    pub max_elements: usize,
    /// Headers that carry an API key, in order of preference, at most 128.
    pub api_key_headers: Vec<String>,
    /// Query parameters that carry an API key, in order of preference, at most 128. `key` is not a default: it is as
    /// often a sort, cache or map key.
    pub api_key_parameters: Vec<String>,
    /// Query parameters that carry a bearer token, at most 128. The default is from RFC 6750, section 2.3.
    pub token_parameters: Vec<String>,
    /// Query parameters examined. Default 64.
    pub max_parameters: usize,
    /// Session cookies, in order of preference, at most 128; `*` at the start or end matches anything. Names are
    /// case-insensitive. The defaults cover the common frameworks.
    pub session_cookies: Vec<String>,
    /// Cookies examined. Default 64.
    pub max_cookies: usize,
    /// Bytes of a token or of basic credentials that are decoded; longer ones are opaque. Default 8192.
    pub max_token: usize,
    /// How logins are recognised.
    pub login: LoginConfig,
}

/// Session cookies of the common frameworks, exact names before patterns.
const SESSION_COOKIES: [&str; 31] = [
    "session",
    "sessionid",
    "session_id",
    "_session_id",
    "sid",
    "PHPSESSID",
    "JSESSIONID",
    "JSESSIONIDSSO",
    "connect.sid",
    "ASP.NET_SessionId",
    ".AspNetCore.Session",
    ".AspNetCore.Cookies",
    ".AspNet.ApplicationCookie",
    ".ASPXAUTH",
    "laravel_session",
    "ci_session",
    "rack.session",
    "koa.sess",
    "koa.sid",
    "symfony",
    "wordpress_logged_in_*",
    "ASPSESSIONID*",
    "SSESS*",
    "*session",
    "*sessionid",
    "*session_id",
    "*session-id",
    "*sessid",
    "*session-token",
    "*session_token",
    "*.sid",
];

impl Default for Config {
    fn default() -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            trusted_proxies: Vec::new(),
            forwarded_headers: vec![ForwardedHeader::XForwardedFor],
            max_elements: 32,
            api_key_headers: owned(&[
                "x-api-key",
                "api-key",
                "apikey",
                "x-apikey",
                "x-api-token",
                "x-auth-token",
                "x-auth-key",
                "x-access-token",
                "x-goog-api-key",
                "x-functions-key",
                "ocp-apim-subscription-key",
                "private-token",
            ]),
            api_key_parameters: owned(&["api_key", "apikey", "api-key", "subscription-key"]),
            token_parameters: owned(&["access_token"]),
            max_parameters: 64,
            session_cookies: owned(&SESSION_COOKIES),
            max_cookies: 64,
            max_token: 8192,
            login: LoginConfig::default(),
        }
    }
}

/// What is wrong with a [`Config`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A name that no field or cookie can have.
    #[error(
        "{key}: `{name}` is not a valid name; expected a token such as `x-api-key` (RFC 9110, section 5.6.2)"
    )]
    Name {
        /// The key of the list.
        key: &'static str,
        /// The name.
        name: String,
    },
    /// A list is too long.
    #[error("{key}: {count} names; at most {max} are possible")]
    TooMany {
        /// The key of the list.
        key: &'static str,
        /// Its names.
        count: usize,
        /// Its bound.
        max: usize,
    },
}

/// Forwarding headers that are looked at in any case.
static USUAL: [ForwardedHeader; 3] =
    [ForwardedHeader::Forwarded, ForwardedHeader::XForwardedFor, ForwardedHeader::XRealIp];

impl Config {
    /// The forwarding headers that are looked at: first those that are believed.
    pub(super) fn looked_at(&self) -> impl Iterator<Item = &ForwardedHeader> {
        let others = USUAL.iter().filter(|usual| !self.forwarded_headers.contains(usual));
        self.forwarded_headers.iter().chain(others).take(MAX_FORWARDED_HEADERS)
    }

    /// # Errors
    /// For the first list that is too long or has a name that cannot be one.
    pub fn check(&self) -> Result<(), ConfigError> {
        let headers = self.forwarded_headers.iter().map(ForwardedHeader::name).collect();
        check_list("forwarded_headers", headers, MAX_FORWARDED_HEADERS)?;
        let lists = [
            ("api_key_headers", &self.api_key_headers),
            ("api_key_parameters", &self.api_key_parameters),
            ("token_parameters", &self.token_parameters),
            ("session_cookies", &self.session_cookies),
        ];
        for (key, list) in lists {
            check_list(key, list.iter().map(String::as_str).collect(), MAX_NAMES)?;
        }
        Ok(())
    }
}

fn check_list(key: &'static str, names: Vec<&str>, max: usize) -> Result<(), ConfigError> {
    if names.len() > max {
        return Err(ConfigError::TooMany { key, count: names.len(), max });
    }
    match names.iter().find(|name| !is_token(name)) {
        Some(name) => Err(ConfigError::Name { key, name: (*name).to_owned() }),
        None => Ok(()),
    }
}

/// RFC 9110, section 5.6.2; a lone `*` would match everything.
fn is_token(name: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_tchar) && name.bytes().any(|byte| byte != b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_sound() {
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn headers_are_known_by_name() {
        for name in ["Forwarded", "X-Forwarded-For", "X-Real-IP", "CF-Connecting-IP"] {
            assert_eq!(ForwardedHeader::named(name).name(), name.to_ascii_lowercase());
        }
        assert_eq!(ForwardedHeader::named("X-FORWARDED-FOR"), ForwardedHeader::XForwardedFor);
        for name in ["CloudFront-Viewer-Address", "cloudfront-viewer-address:port"] {
            let expected = ForwardedHeader::WithPort("cloudfront-viewer-address".to_owned());
            assert_eq!(ForwardedHeader::named(name), expected);
        }
        assert_eq!(ForwardedHeader::named("X-Viewer:Port"), ForwardedHeader::WithPort("x-viewer".to_owned()));
        for name in ["x-viewer:port", "forwarded", "x-client-ip"] {
            assert_eq!(ForwardedHeader::named(name).shown(), name);
        }
    }

    #[test]
    fn mistakes_name_the_key() {
        let config = Config { api_key_headers: vec!["x api".to_owned()], ..Config::default() };
        let error = config.check().unwrap_err().to_string();
        assert!(error.starts_with("api_key_headers: `x api` is not a valid name"), "{error}");
        let config = Config { session_cookies: vec!["*".to_owned()], ..Config::default() };
        assert!(config.check().unwrap_err().to_string().starts_with("session_cookies: `*`"));
        let headers = vec![ForwardedHeader::XRealIp; MAX_FORWARDED_HEADERS + 1];
        let config = Config { forwarded_headers: headers, ..Config::default() };
        assert_eq!(
            config.check().unwrap_err().to_string(),
            "forwarded_headers: 9 names; at most 8 are possible"
        );
    }
}
