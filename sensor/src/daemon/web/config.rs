//! `[web]`: who may read the metrics, and over what.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use bcrypt::HashParts;
use documented::DocumentedFields;

use super::tls::{self, TlsError};
use crate::config::{Form, Section};

/// Highest cost of a hash. Each step doubles the work of every check; at 14 it is about a second.
const MAX_COST: u32 = 14;
/// Most users.
const MAX_USERS: usize = 64;

/// Certificate and key, in PEM.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct TlsFiles {
    /// File with the endpoint's certificate, in PEM, followed by the chain to its authority. With it and its key the
    /// endpoint speaks TLS only. Both are read again on each reload.
    #[documented_fields(rename = "tls_cert_file")]
    pub cert: PathBuf,
    /// File with the certificate's private key, in PEM.
    #[documented_fields(rename = "tls_key_file")]
    pub key: PathBuf,
}

/// The endpoint of the metrics, but for its address.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct WebConfig {
    /// TLS, where it is wanted.
    pub tls: Option<TlsFiles>,
    /// Hashes of passwords by user; where there is none, everybody may read.
    pub users: BTreeMap<String, String>,
}

/// Without the hashes: whoever has one can guess at leisure.
impl fmt::Debug for WebConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tls, users } = self;
        out.debug_struct("WebConfig").field("tls", tls).field("users", &users.len()).finish()
    }
}

impl WebConfig {
    /// Reads its part of `[web]`, and the files that it names.
    pub(in crate::daemon) fn read(web: &Section<'_>) -> Self {
        let tls = read_tls(web);
        let section = web.section("basic_auth_users").about(ABOUT_USERS);
        section.explain_by(|_| Some(USER.to_owned()));
        let users = section.entries("prometheus", &HASH, parse_user);
        let users: BTreeMap<String, String> = users.into_iter().collect();
        if users.len() > MAX_USERS {
            web.reject(
                "basic_auth_users",
                format!("{} users; at most {MAX_USERS} are possible", users.len()),
            );
        }
        Self { tls, users }
    }
}

const ABOUT_USERS: &str =
    "Users who may read the metrics, with Basic authentication. If none are listed, everyone may.";

const USER: &str = "The key is a user name without a colon; the value is the password hash that `htpasswd -nBC 10 \
     NAME` prints after `NAME:`. At most 64.";

const HASH: Form<String> = Form::any(
    "a bcrypt hash of a cost from 4 to 14",
    "$2y$10$0jqyfkDpPdpqpVq3yN/eF.8bNzMBt3sQv3qZqJkqQ1G7mQ5Lw3o9C",
);

fn read_tls(web: &Section<'_>) -> Option<TlsFiles> {
    let (mut cert, mut key) = (None, None);
    web.explain::<TlsFiles>();
    web.optional("tls_cert_file", &Form::path("/etc/sensor/metrics.crt"), &mut cert);
    web.optional("tls_key_file", &Form::path("/etc/sensor/metrics.key"), &mut key);
    for (one, other) in [("tls_cert_file", "tls_key_file"), ("tls_key_file", "tls_cert_file")] {
        if !web.has(other) {
            web.reject(one, format!("TLS also needs `{other}`"));
        }
    }
    let files = TlsFiles { cert: cert?, key: key? };
    match tls::acceptor(&files) {
        Ok(_) => {}
        Err(TlsError::Certificate(error)) => web.reject("tls_cert_file", error),
        Err(TlsError::Key(error)) => web.reject("tls_key_file", error),
    }
    Some(files)
}

/// A name that basic authentication can transport (RFC 7617, section 2), and the hash of a password.
fn parse_user(name: &str, hash: &str) -> Result<(String, String), String> {
    if name.is_empty() || name.contains(|c: char| c == ':' || c.is_control()) {
        return Err("expected a user name without colons or control characters".to_owned());
    }
    let Ok(parts) = hash.parse::<HashParts>() else {
        return Err("expected a bcrypt hash, which `htpasswd -nBC 10 NAME` prints after `NAME:`".to_owned());
    };
    match parts.get_cost() {
        4..=MAX_COST => Ok((name.to_owned(), hash.to_owned())),
        cost => Err(format!("bcrypt cost {cost}; expected 4 to {MAX_COST}, because every request pays it")),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::path::Path;

    use super::*;
    use crate::config::Document;

    const HASH: &str = super::HASH.example;

    fn read(text: &str) -> Result<WebConfig, Vec<String>> {
        let mut document = Document::default();
        document.add(Path::new("s.toml"), text).unwrap();
        let problems = RefCell::default();
        let root = Section::root(&document, &problems);
        let web = root.section("web");
        let config = WebConfig::read(&web);
        web.finish();
        let problems = problems.into_inner();
        if problems.is_empty() { Ok(config) } else { Err(problems.iter().map(ToString::to_string).collect()) }
    }

    #[test]
    fn users_are_read_and_not_shown() {
        let config = read(&format!("[web]\nbasic_auth_users = {{ prometheus = \"{HASH}\" }}\n")).unwrap();
        assert_eq!(config.users["prometheus"], HASH);
        assert!(!format!("{config:?}").contains("$2y$"), "{config:?}");
    }

    #[test]
    fn mistakes_have_their_line_and_do_not_repeat_secrets() {
        let high = HASH.replace("$10$", "$15$");
        let found = read(&format!(
            "[web]\ntls_cert_file = \"/etc/x.pem\"\n[web.basic_auth_users]\na = \"secret\"\n\"b:c\" = \"{HASH}\"\n\
             c = \"{high}\"\nd = 1\n"
        ));
        let found = found.unwrap_err().join("\n");
        for expected in [
            "s.toml:2: web.tls_cert_file: TLS also needs `tls_key_file`",
            "s.toml:4: web.basic_auth_users.a: expected a bcrypt hash, which `htpasswd",
            "s.toml:5: web.basic_auth_users.\"b:c\": expected a user name without colons",
            "s.toml:6: web.basic_auth_users.c: bcrypt cost 15; expected 4 to 14",
            "s.toml:7: web.basic_auth_users.d: expected a string",
        ] {
            assert!(found.contains(expected), "{expected}\nnot in\n{found}");
        }
        assert!(!found.contains("secret"), "{found}");
    }
}
