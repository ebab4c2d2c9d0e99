//! nginx that ends TLS, and clients that speak it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::nginx::Process;
use crate::netns::Namespace;

/// What it serves below `/files/`, and how many bytes it has.
const FILES: [(&str, usize); 3] = [("1k.txt", 1_024), ("100k.txt", 100_000), ("3m.txt", 3_000_000)];

/// A running nginx with TLS; dropping it ends it.
#[derive(Debug)]
pub struct TlsNginx(Process);

impl TlsNginx {
    /// TLS 1.2 and 1.3, session tickets, early data.
    pub const PORT: u16 = 8_443;
    /// TLS 1.3 with a group that few clients offer a key for, so that it asks for another hello.
    pub const RETRY_PORT: u16 = 8_444;
    /// Asks for a client's certificate.
    pub const CERTIFICATE_PORT: u16 = 8_445;

    /// Starts it in a namespace and waits until it accepts connections.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(namespace: &Namespace) -> Result<Self> {
        Self::start_in(namespace, "", |_| Ok(()))
    }

    /// The same with a copy of OpenSSL's library of its own, in its directory, and with a port that [`Self::replace`] can
    /// share.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start_with_its_own_library(namespace: &Namespace) -> Result<Self> {
        Self::start_in(namespace, "reuseport", |directory| copy_library(&directory.join(Self::LIBRARY)))
    }

    fn start_in(namespace: &Namespace, option: &str, prepare: impl Fn(&Path) -> Result<()>) -> Result<Self> {
        let prefix = tempfile::Builder::new().prefix("sensor-nginx-tls-").tempdir()?;
        for (name, bytes) in FILES {
            let path = prefix.path().join("files").join(name);
            fs::create_dir_all(path.parent().unwrap_or(prefix.path()))?;
            fs::write(path, vec![b'x'; bytes])?;
        }
        certificate(prefix.path(), "ec", &["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])?;
        certificate(prefix.path(), "rsa", &["rsa:2048"])?;
        prepare(prefix.path())?;
        Ok(Self(Process::start(namespace, prefix, &configuration(option), Self::PORT)?))
    }

    /// The name of the library.
    pub const LIBRARY: &'static str = "libcrypto.so.3";

    /// Replaces its own library as an upgrade does: under another name at first, so that whoever has the old file keeps it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn upgrade_library(&self) -> Result<()> {
        let new = self.file("libcrypto.new");
        copy_library(&new)?;
        Ok(fs::rename(new, self.file(Self::LIBRARY))?)
    }

    /// Starts another one beside it, on the same ports, and ends the first one once `is_time`.
    ///
    /// # Errors
    /// If it cannot be started, or `is_time` fails.
    pub fn replace(&mut self, namespace: &Namespace, is_time: impl FnOnce() -> Result<()>) -> Result<()> {
        self.0.replace(namespace, is_time)
    }

    /// Where its certificates are, and where files may be put that go with it.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.0.directory()
    }

    /// The number of its first process, whose children serve.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// A file in there.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.file(name)
    }

    /// Its access log so far: address and port of the client, method, path, status, body bytes sent; of requests with a
    /// cipher that `wanted` says.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn access_log(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
        let text = fs::read_to_string(self.file("access.log"))?;
        let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        Ok(lines.filter(|(_, cipher)| wanted(cipher)).map(|(line, _)| line.to_owned()).collect())
    }
}

/// Copies the system's library.
fn copy_library(to: &Path) -> Result<()> {
    let directories = fs::read_dir("/usr/lib")?.filter_map(|entry| Some(entry.ok()?.path()));
    let places = directories.chain(["/usr/lib64".into(), "/usr/lib".into()]);
    let found = places.map(|place| place.join(TlsNginx::LIBRARY)).find(|path| path.is_file());
    fs::copy(found.context("no libcrypto.so.3")?, to)?;
    Ok(())
}

fn certificate(directory: &Path, name: &str, kind: &[&str]) -> Result<()> {
    let mut openssl = Command::new("openssl");
    openssl.current_dir(directory).args([
        "req",
        "-x509",
        "-nodes",
        "-days",
        "30",
        "-subj",
        "/CN=test.example",
    ]);
    openssl.args(["-addext", "subjectAltName=DNS:test.example"]).arg("-newkey").args(kind);
    let output =
        openssl.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.crt")]).output()?;
    ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn configuration(option: &str) -> String {
    let [main, retry, certificate] = [TlsNginx::PORT, TlsNginx::RETRY_PORT, TlsNginx::CERTIFICATE_PORT];
    format!(
        "daemon off;\nworker_processes 2;\nuser root;\npid nginx.pid;\nerror_log stderr warn;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n  log_format plain '$remote_addr $remote_port $request_method $uri $status $body_bytes_sent $ssl_cipher';\n\
         \x20 access_log access.log plain;\n  keepalive_requests 1000000;\n  client_body_temp_path body;\n  proxy_temp_path proxy;\n\
         \x20 fastcgi_temp_path fastcgi;\n  uwsgi_temp_path uwsgi;\n  scgi_temp_path scgi;\n  root .;\n  client_max_body_size 10m;\n\
         \x20 ssl_certificate ec.crt;\n  ssl_certificate_key ec.key;\n  ssl_certificate rsa.crt;\n  ssl_certificate_key rsa.key;\n\
         \x20 ssl_ciphers ALL:@SECLEVEL=0;\n  ssl_protocols TLSv1.2 TLSv1.3;\n  ssl_session_cache shared:sessions:1m;\n\
         \x20 server {{\n    listen {main} ssl backlog=4096 {option};\n    ssl_early_data on;\n\
         \x20   location = /login {{ return 401 \"no\\n\"; }}\n    location = /post {{ return 200 \"ok\\n\"; }}\n  }}\n\
         \x20 server {{\n    listen {retry} ssl {option};\n    ssl_protocols TLSv1.3;\n    ssl_ecdh_curve P-384;\n  }}\n\
         \x20 server {{\n    listen {certificate} ssl {option};\n    ssl_verify_client optional_no_ca;\n    ssl_client_certificate ec.crt;\n  }}\n}}\n"
    )
}

/// Everything that clients of OpenSSL do, as a script: `$1` is the server's address, the directory is nginx's. It writes
/// the key log `keys.log`.
pub const VARIETY: &str = r#"
export SSLKEYLOGFILE=$PWD/keys.log
at() { echo "https://test.example:$1$2"; }
curl_() { curl -sk --http1.1 -o /dev/null -o /dev/null -o /dev/null --connect-to "test.example::$server:" "$@"; }
client() { openssl s_client -keylogfile keys.log -servername test.example "$@" 2>&1; }
ask() { printf 'GET /files/1k.txt HTTP/1.1\r\nHost: t\r\n\r\nHEAD /nothing HTTP/1.1\r\nHost: t\r\n\r\nGET /files/100k.txt HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n'; }
server=$1
for suite in TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256; do
  curl_ --tlsv1.3 --tls13-ciphers $suite $(at 8443 /files/1k.txt) $(at 8443 /nothing) $(at 8443 /files/100k.txt)
  ask | client -quiet -ign_eof -tls1_3 -ciphersuites $suite -connect $server:8443 > /dev/null
done
for suite in $(openssl ciphers -s -tls1_2 'ALL:!PSK:!SRP:@SECLEVEL=0' | tr : ' '); do
  ask | timeout 10 openssl s_client -keylogfile keys.log -quiet -ign_eof -tls1_2 -cipher $suite:@SECLEVEL=0 -connect $server:8443 > /dev/null 2>&1
done
# Another hello is asked for.
curl_ $(at 8444 /files/1k.txt)
ask | client -quiet -ign_eof -groups X25519:P-384 -connect $server:8444 > /dev/null
# Certificates of clients.
curl_ --cert ec.crt --key ec.key $(at 8445 /files/1k.txt)
curl_ --cert ec.crt --key ec.key --tls-max 1.2 $(at 8445 /files/1k.txt)
# Bodies of requests, and large ones of responses.
head -c 200000 /dev/zero | tr '\0' a > upload
curl_ -d user=a -d password=b $(at 8443 /login) $(at 8443 /login)
curl_ -H Expect: --data-binary @upload $(at 8443 /post) $(at 8443 /post) $(at 8443 /post)
for version in 1.2 1.3; do
  curl_ --tls-max $version $(at 8443 /files/3m.txt) $(at 8443 /files/1k.txt) $(at 8443 /files/3m.txt)
done
# Resumed sessions, early data, new keys.
for version in 1_2 1_3; do
  rm -f session
  printf 'GET /files/1k.txt HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n' | client -ign_eof -tls$version -sess_out session -connect $server:8443 > /dev/null
  ask | client -quiet -ign_eof -tls$version -sess_in session -connect $server:8443 > /dev/null
done
printf 'GET /files/1k.txt?early HTTP/1.1\r\nHost: t\r\n\r\n' > early
printf 'GET /files/1k.txt?late HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n' | client -ign_eof -tls1_3 -sess_in session -early_data early -connect $server:8443 | grep -a -o 'Early data was accepted' || exit 3
(printf 'GET /files/1k.txt?1 HTTP/1.1\r\nHost: t\r\n\r\n'; sleep .3; printf 'K\n'; sleep .3; printf 'GET /files/1k.txt?2 HTTP/1.1\r\nHost: t\r\n\r\n'; sleep .3; printf 'k\n'; sleep .3; printf 'GET /files/1k.txt?3 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n'; sleep .5) | client -tls1_3 -connect $server:8443 > /dev/null
# What never comes to be a session.
curl_ --tls-max 1.1 $(at 8443 /)
exit 0
"#;

/// Suites that are not read: their connections are dark.
#[must_use]
pub fn is_read(cipher: &str) -> bool {
    !["CCM", "ARIA", "CAMELLIA"].iter().any(|other| cipher.contains(other))
}
