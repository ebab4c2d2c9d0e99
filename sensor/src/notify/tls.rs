//! TLS to receivers.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use zeroize::Zeroizing;

/// Files with this host's certificate and its key, for servers that ask for one.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The certificate, and those between it and an authority's.
    pub cert: &'a Path,
    /// Its key.
    pub key: &'a Path,
}

/// Verifies servers against the system's authorities, and those of a file.
///
/// # Errors
/// If there are no authorities, or the file contains none.
pub fn connector(ca_file: Option<&Path>) -> Result<TlsConnector, String> {
    connector_as(ca_file, None)
}

/// The same, with a certificate of our own.
pub(super) fn connector_as(
    ca_file: Option<&Path>,
    identity: Option<Identity<'_>>,
) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = ca_file {
        roots.add_parsable_certificates(read_authorities(path)?);
    }
    if roots.is_empty() {
        let why = "no certificate authorities on this host; install ca-certificates, or set `ca_file`";
        return Err(why.to_owned());
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let config = match identity {
        None => config.with_no_client_auth(),
        Some(Identity { cert, key }) => {
            let unfit = |error: &dyn fmt::Display| {
                format!("{} does not match {}: {error}", key.display(), cert.display())
            };
            config
                .with_client_auth_cert(read_authorities(cert)?, read_key(key)?)
                .map_err(|error| unfit(&error))?
        }
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The certificates of a PEM file; at least one.
///
/// # Errors
/// If it cannot be read, or contains none.
pub fn read_authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let named = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
    let text = fs::read(path).map_err(|error| named(&error))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|error| named(&error))?;
    if certificates.is_empty() { Err(named(&"contains no certificate")) } else { Ok(certificates) }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let named = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
    let text = Zeroizing::new(fs::read(path).map_err(|error| named(&error))?);
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| named(&error))
}
