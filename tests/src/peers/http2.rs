//! nginx that speaks HTTP/2, in clear text to those who know it and in TLS to those who agree on it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};

use super::nginx::Process;
use crate::netns::Namespace;

/// A running nginx; dropping it ends it.
#[derive(Debug)]
pub struct Http2Nginx(Process);

impl Http2Nginx {
    /// In clear text.
    pub const PORT: u16 = 8_080;
    /// In TLS.
    pub const TLS_PORT: u16 = 8_443;

    /// Starts it in a namespace and waits until it accepts connections.
    ///
    /// # Errors
    /// Where it does not come up.
    pub fn start(namespace: &Namespace) -> Result<Self> {
        let prefix = tempfile::Builder::new().prefix("sensor-nginx-http2-").tempdir()?;
        for (name, bytes) in [("100.txt", 100), ("1k.txt", 1_024), ("10k.txt", 10_000), ("100k.txt", 100_000)]
        {
            fs::write(prefix.path().join(name), vec![b'x'; bytes])?;
        }
        let mut openssl = Command::new("openssl");
        openssl.current_dir(prefix.path()).args(["req", "-x509", "-nodes", "-days", "30"]);
        openssl.args(["-subj", "/CN=test.example", "-newkey", "rsa:2048", "-keyout", "key", "-out", "crt"]);
        let output = openssl.output()?;
        ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
        Ok(Self(Process::start(namespace, prefix, &configuration(), Self::PORT)?))
    }

    /// A file in its directory.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.file(name)
    }

    /// Its access log so far: address and port of the client, method, path, status, body bytes sent.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn access_log(&self) -> Result<Vec<String>> {
        self.0.access_log()
    }
}

fn configuration() -> String {
    let (plain, tls) = (Http2Nginx::PORT, Http2Nginx::TLS_PORT);
    format!(
        "daemon off;\nworker_processes 1;\nuser root;\npid nginx.pid;\nerror_log stderr warn;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n  log_format plain '$remote_addr $remote_port $request_method $uri $status $body_bytes_sent';\n\
         \x20 access_log access.log plain;\n  keepalive_requests 1000000;\n  client_body_temp_path body;\n  proxy_temp_path proxy;\n\
         \x20 fastcgi_temp_path fastcgi;\n  uwsgi_temp_path uwsgi;\n  scgi_temp_path scgi;\n  root .;\n  client_max_body_size 10m;\n\
         \x20 server {{\n    listen {plain} http2;\n    listen {tls} ssl http2;\n    ssl_certificate crt;\n    ssl_certificate_key key;\n    ssl_protocols TLSv1.2 TLSv1.3;\n\
         \x20   location = /post {{ return 204; }}\n\
         \x20   location = /upload {{ proxy_pass http://127.0.0.1:9; }}\n  }}\n}}\n"
    )
}
