//! TLS of the metrics endpoint.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::config::TlsFiles;

/// What is wrong, and in which of the two files.
#[derive(Debug, thiserror::Error)]
pub(in crate::daemon) enum TlsError {
    #[error("{0}")]
    Certificate(String),
    #[error("{0}")]
    Key(String),
}

/// Reads certificate and key. TLS 1.2 and 1.3, with the library's defaults.
pub(super) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let certificates = certificates(&files.cert).map_err(TlsError::Certificate)?;
    let key = private_key(&files.key).map_err(TlsError::Key)?;
    let unfit = |error: &dyn std::fmt::Display| {
        TlsError::Key(format!("{} does not match {}: {error}", files.key.display(), files.cert.display()))
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unfit(&error))?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| unfit(&error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = fs::read(path).map_err(|error| named(&error))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|error| named(&error))?;
    if certificates.is_empty() { Err(named(&"contains no certificate")) } else { Ok(certificates) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = zeroize::Zeroizing::new(fs::read(path).map_err(|error| named(&error))?);
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| named(&error))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    struct Files {
        directory: tempfile::TempDir,
    }

    impl Files {
        fn new() -> Self {
            Self { directory: tempfile::tempdir().unwrap() }
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.directory.path().join(name);
            fs::write(&path, text).unwrap();
            path
        }

        fn pair(&self, name: &str) -> (PathBuf, PathBuf) {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            let key = made.signing_key.serialize_pem();
            (self.write(&format!("{name}.pem"), &made.cert.pem()), self.write(&format!("{name}.key"), &key))
        }
    }

    #[test]
    fn a_pair_is_taken_and_each_mistake_is_told_of_its_file() {
        let files = Files::new();
        let ((cert, key), (_, other)) = (files.pair("a"), files.pair("b"));
        let empty = files.write("empty.pem", "");
        let missing = files.directory.path().join("missing.pem");
        let told = |cert: &PathBuf, key: &PathBuf| match acceptor(&TlsFiles {
            cert: cert.clone(),
            key: key.clone(),
        }) {
            Ok(_) => "taken".to_owned(),
            Err(TlsError::Certificate(error)) => format!("certificate: {error}"),
            Err(TlsError::Key(error)) => format!("key: {error}"),
        };
        for (cert, key, expected) in [
            (&cert, &key, vec!["taken"]),
            (&cert, &other, vec!["key: ", "b.key does not match ", "a.pem"]),
            (&missing, &key, vec!["certificate: ", "missing.pem: No such file"]),
            (&empty, &key, vec!["certificate: ", "contains no certificate"]),
            (&cert, &missing, vec!["key: ", "missing.pem: No such file"]),
            (&cert, &empty, vec!["key: ", "empty.pem: "]),
            (&key, &cert, vec!["certificate: "]),
        ] {
            let told = told(cert, key);
            assert!(expected.iter().all(|part| told.contains(part)), "{told}, expected {expected:?}");
        }
    }
}
