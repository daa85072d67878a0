//! Certificates and keys.

use super::RemoteError;
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, ConfigSide, Error, RootCertStore, ServerConfig,
    WantsVerifier, WantsVersions,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What a server proves with who it is: two files in PEM.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// How a certificate is made that is trusted as it is.
const RECIPE: &str = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=HOST -addext subjectAltName=DNS:HOST -addext basicConstraints=critical,CA:FALSE -keyout key.pem -out certificate.pem";

/// The server's side.
pub(super) fn of_server(files: &Certificate) -> Result<Arc<ServerConfig>, RemoteError> {
    let Certificate { certificate, key } = files;
    let chain = certificates(certificate)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, error))?;
    let config =
        with_versions(ServerConfig::builder_with_provider(Arc::new(ring::default_provider())))?
            .with_no_client_auth()
            .with_single_cert(chain, private);
    let mismatch = |error: Error| {
        let what = format!("{error}; give the key of the certificate {}", certificate.display());
        RemoteError::Certificate { path: key.clone(), what }
    };
    config.map(Arc::new).map_err(mismatch)
}

/// The viewer's side, which trusts the certificates in a file: authorities, or the server's own.
pub(super) fn of_client(trust: &Path) -> Result<Arc<ClientConfig>, RemoteError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(trust)? {
        roots.add(certificate).map_err(|error| {
            let what = format!("{error}; give a certificate in PEM");
            RemoteError::Certificate { path: trust.to_owned(), what }
        })?;
    }
    let config =
        with_versions(ClientConfig::builder_with_provider(Arc::new(ring::default_provider())))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

fn with_versions<Side: ConfigSide>(
    builder: ConfigBuilder<Side, WantsVersions>,
) -> Result<ConfigBuilder<Side, WantsVerifier>, RemoteError> {
    builder.with_safe_default_protocol_versions().map_err(RemoteError::Tls)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, RemoteError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if certificates.is_empty() => {
            Err(unreadable(path, pem::Error::NoItemsFound))
        }
        read => read.map_err(|error| unreadable(path, error)),
    }
}

fn unreadable(path: &Path, error: pem::Error) -> RemoteError {
    let what = match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => {
            format!("there is nothing of the kind in it; both files are made by `{RECIPE}`")
        }
        error => format!("{error}; give a file in PEM"),
    };
    RemoteError::Certificate { path: path.to_owned(), what }
}

/// What a failed connection of a viewer means, if it will not get better by itself: TLS says it inside of an error of the
/// system.
pub(super) fn final_failure(error: &io::Error) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            Some("its certificate is not one that --trust FILE makes trusted; give a copy of the server's certificate".to_owned())
        }
        Error::InvalidCertificate(CertificateError::Other(other)) => {
            Some(format!("its certificate is of another kind than a server needs ({other}); make one with `{RECIPE}`"))
        }
        Error::InvalidCertificate(wrong) => Some(format!("its certificate is not accepted: {wrong}")),
        Error::InvalidMessage(_) => {
            Some("it does not speak TLS; connect without tls:// and without --trust".to_owned())
        }
        _ => None,
    }
}
