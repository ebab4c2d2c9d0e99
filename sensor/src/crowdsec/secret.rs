//! Secrets in files: the key of a bouncer, and the login of a machine. They are read again for each session, since they
//! may be replaced.

use std::path::{Path, PathBuf};

use hyper::header::HeaderValue;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::store::{Unfit, read_own};

/// Longest name of a machine.
const MAX_NAME: usize = 128;

/// Why a secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretError {
    #[error("{}: {}", .0.display(), .1)]
    Unfit(PathBuf, Unfit),
    #[error("{}: no such file", .0.display())]
    None(PathBuf),
    #[error("{}: expected {}", .0.display(), .1)]
    Bad(PathBuf, &'static str),
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let bytes = read_own(path, true).map_err(|error| SecretError::Unfit(path.to_owned(), error))?;
    bytes.map(Zeroizing::new).ok_or_else(|| SecretError::None(path.to_owned()))
}

/// The key of a bouncer.
pub(super) fn key(path: &Path) -> Result<HeaderValue, SecretError> {
    let bytes = read(path)?;
    let text = str::from_utf8(&bytes).unwrap_or_default().trim();
    let key = HeaderValue::from_str(text).ok().filter(|_| !text.is_empty());
    let mut key = key.ok_or_else(|| SecretError::Bad(path.to_owned(), "an API key on one line"))?;
    key.set_sensitive(true);
    Ok(key)
}

/// The login of a machine.
pub(super) struct Login {
    pub(super) machine: String,
    pub(super) password: Zeroizing<String>,
}

/// As `cscli machines add -f` writes it.
#[derive(Deserialize)]
struct Written {
    login: String,
    password: String,
}

impl Login {
    pub(super) fn read(path: &Path) -> Result<Self, SecretError> {
        let bytes = read(path)?;
        let bad = || {
            let expected =
                "`login: NAME` and `password: PASSWORD`, as `cscli machines add NAME -a -f FILE` writes them";
            SecretError::Bad(path.to_owned(), expected)
        };
        let text = str::from_utf8(&bytes).or(Err(bad()))?;
        let Written { login: machine, password } = serde_saphyr::from_str(text).or(Err(bad()))?;
        let login = Self { machine, password: Zeroizing::new(password) };
        // It is part of scenarios.
        let is_plain = |c: char| c.is_ascii_graphic() && c != '/';
        let fits = (1..=MAX_NAME).contains(&login.machine.len()) && login.machine.chars().all(is_plain);
        if fits && !login.password.is_empty() { Ok(login) } else { Err(bad()) }
    }

    /// How scenarios begin that this machine names: by that its decisions are known when they come back. CrowdSec keeps
    /// origin and scenario of a decision; origins other than its own would be left out of lists.
    pub(super) fn mark(&self) -> String {
        format!("sensor@{}/", self.machine)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn logins_as_cscli_writes_them() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("login");
        for (text, expected) in [
            ("url: http://127.0.0.1:8080\nlogin: web1\npassword: abc\n", Some("web1")),
            ("login: \"web1\"\npassword: 'a: b'\n", Some("web1")),
            ("login: web1\n", None),
            ("login: web1\npassword: \"\"\n", None),
            ("login: a/b\npassword: x\n", None),
            ("login: [1]\npassword: x\n", None),
            ("\u{0}", None),
            ("", None),
        ] {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            let login = Login::read(&path);
            assert_eq!(login.as_ref().ok().map(|login| login.machine.as_str()), expected, "{text}");
            if let Err(error) = login {
                assert!(error.to_string().contains("cscli machines add"), "{error}");
            }
        }
        let login = Login { machine: "web1".to_owned(), password: Zeroizing::new("x".to_owned()) };
        assert_eq!(login.mark(), "sensor@web1/");
    }
}
