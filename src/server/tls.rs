//! The serving certificate, replaced when its files change, without dropping a
//! connection.

mod logged;
mod source;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

pub use super::certificate::CertificateSummary;
use super::certificate::{NamedBytes, configure, parse_chain, parse_key};
pub use super::certificate_error::{CertificateError, CertificateFile};
use logged::LoggedState;
use source::{CertificateContents, CertificateSource, IN_MEMORY, NamedPart, PemPair};

/// Makes ring the process's default for cryptography. To be called before the
/// first use of TLS; later calls change nothing.
pub fn install_crypto_provider() {
    // The error is the provider that was there first.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Makes sure that a file holds the CA of clients.
///
/// # Errors
/// It cannot be read, or holds no certificate.
pub fn check_client_ca(path: &Path) -> Result<(), CertificateError> {
    let file = NamedPart::read(CertificateFile::ClientCa, path)?;
    parse_chain(CertificateFile::ClientCa, file.named()).map(drop)
}

/// Where the PEM files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The serving certificate, then its issuers (`--tls-cert`).
    pub certificate: PathBuf,
    /// Its private key (`--tls-key`).
    pub key: PathBuf,
    /// Only clients with a certificate of this CA may call (`--client-ca`).
    pub client_ca: Option<PathBuf>,
}

/// What [`ReloadingCertificate::reload`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReloadOutcome {
    /// The files hold what is served already.
    Unchanged,
    /// New connections get this certificate from now on.
    Replaced(CertificateSummary),
}

/// A certificate with its key, and optionally a CA for clients, that can be
/// replaced while it is served. Connections keep what they began with.
#[derive(Debug)]
pub struct ReloadingCertificate {
    source: CertificateSource,
    current: ArcSwap<CurrentCertificate>,
}

#[derive(Debug)]
struct CurrentCertificate {
    config: Arc<ServerConfig>,
    summary: CertificateSummary,
    fingerprint: [u8; 32],
}

impl ReloadingCertificate {
    /// Loads PEM files.
    pub fn load(files: CertificateFiles) -> Result<Self, CertificateError> {
        Self::from_source(CertificateSource::Files(files))
    }

    /// Takes PEM text that [`ReloadingCertificate::replace`] may replace, called `name` in
    /// errors, and a file with the CA of clients.
    pub fn given(
        name: &str,
        certificate: &[u8],
        key: &[u8],
        client_ca: Option<PathBuf>,
    ) -> Result<Self, CertificateError> {
        Self::from_source(CertificateSource::Given {
            name: name.to_owned(),
            pair: Mutex::new(PemPair {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
            }),
            client_ca,
        })
    }

    fn from_source(source: CertificateSource) -> Result<Self, CertificateError> {
        let current = CertificateContents::read(&source)?.configure()?;
        Ok(Self {
            source,
            current: ArcSwap::from_pointee(current),
        })
    }

    /// Serves another certificate from now on, to new connections. On an error the one
    /// that was served before goes on being served. Changes nothing where the certificate
    /// comes from files.
    pub fn replace(
        &self,
        certificate: &[u8],
        key: &[u8],
    ) -> Result<ReloadOutcome, CertificateError> {
        let CertificateSource::Given { pair, .. } = &self.source else {
            return Ok(ReloadOutcome::Unchanged);
        };
        let new = PemPair {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        };
        let swap = |new: PemPair| {
            let mut held = pair.lock();
            std::mem::replace(&mut *held, new)
        };
        let old = swap(new);
        self.reload().inspect_err(|_| drop(swap(old)))
    }

    /// Takes PEM text. Nothing will ever replace it.
    pub fn from_pem(
        certificate: &[u8],
        key: &[u8],
        client_ca: Option<&[u8]>,
    ) -> Result<Self, CertificateError> {
        let chain = parse_chain(CertificateFile::Certificate, named(certificate))?;
        let key = parse_key(named(key))?;
        let client_ca = client_ca
            .map(|pem| parse_chain(CertificateFile::ClientCa, named(pem)))
            .transpose()?;
        Self::from_der(&chain, &key, client_ca.as_deref())
    }

    /// Takes DER. Nothing will ever replace it.
    pub fn from_der(
        chain: &[CertificateDer<'static>],
        key: &PrivateKeyDer<'static>,
        client_ca: Option<&[CertificateDer<'static>]>,
    ) -> Result<Self, CertificateError> {
        let (config, summary) = configure(
            named(chain),
            named(key),
            client_ca.map(named),
            Timestamp::now(),
        )?;
        Ok(Self {
            source: CertificateSource::Fixed,
            current: ArcSwap::from_pointee(CurrentCertificate {
                config: Arc::new(config),
                summary,
                fingerprint: [0; 32],
            }),
        })
    }

    /// The configuration for the next connection.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.load().config)
    }

    /// What is served now.
    pub fn summary(&self) -> CertificateSummary {
        self.current.load().summary.clone()
    }

    /// Looks at the files once. On an error the certificate that was served
    /// before goes on being served. Reads files, so it blocks shortly.
    pub fn reload(&self) -> Result<ReloadOutcome, CertificateError> {
        if matches!(self.source, CertificateSource::Fixed) {
            return Ok(ReloadOutcome::Unchanged);
        }
        let contents = CertificateContents::read(&self.source)?;
        if contents.fingerprint() == self.current.load().fingerprint {
            return Ok(ReloadOutcome::Unchanged);
        }
        let new = contents.configure()?;
        let summary = new.summary.clone();
        self.current.store(Arc::new(new));
        Ok(ReloadOutcome::Replaced(summary))
    }

    /// Looks at the files every `period` until `shutdown`. Files are compared by
    /// content, so it does not matter how they are replaced: by a rename, or as
    /// Kubernetes does it for a mounted Secret, by a link.
    pub async fn watch(self: Arc<Self>, period: Duration, shutdown: CancellationToken) {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut said = LoggedState::default();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let this = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || this.reload()).await {
                Ok(outcome) => said.log(outcome, &self.summary(), Timestamp::now()),
                Err(error) => {
                    tracing::error!(%error, "looking at the certificate files failed");
                }
            }
        }
    }
}

fn named<T: ?Sized>(value: &T) -> NamedBytes<'_, T> {
    NamedBytes::new(IN_MEMORY, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_replaced_by_what_can_be_served_only() {
        use crate::server::development_certificates::{CertificateNames, DevelopmentCa};
        let ca = DevelopmentCa::generate().unwrap();
        let [one, two] = [1, 2].map(|days| ca.issue(&CertificateNames::default(), days).unwrap());
        let pem = |text: &str| text.as_bytes().to_vec();
        let given = ReloadingCertificate::given("it", &pem(&one.certificate), &pem(&one.key), None);
        let given = given.unwrap();
        let first = given.summary();
        let error = given.replace(b"?", &pem(&two.key)).unwrap_err();
        assert!(error.to_string().starts_with("it holds no PEM"), "{error}");
        let error = given.replace(&pem(&two.certificate), &pem(&one.key));
        assert!(matches!(error, Err(CertificateError::KeyMismatch { .. })));
        assert_eq!(given.summary(), first);
        assert_eq!(given.reload().unwrap(), ReloadOutcome::Unchanged);
        let replaced = given.replace(&pem(&two.certificate), &pem(&two.key));
        assert!(
            matches!(replaced, Ok(ReloadOutcome::Replaced(new)) if new.not_after > first.not_after)
        );
        assert!(!format!("{given:?}").contains("PRIVATE KEY"));
    }

    #[test]
    fn the_provider_can_be_installed_twice() {
        install_crypto_provider();
        install_crypto_provider();
        assert!(rustls::crypto::CryptoProvider::get_default().is_some());
    }
}
