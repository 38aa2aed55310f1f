//! The serving certificate, replaced when its files change, without dropping a
//! connection.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

pub use super::certificate::CertificateSummary;
use super::certificate::{Named, configure, parse_chain, parse_key};
pub use super::certificate_error::{CertificateError, Role};

/// HTTP/2's name in TLS' protocol negotiation.
pub(super) const ALPN_HTTP2: &[u8] = b"h2";
/// HTTP/1.1's name in TLS' protocol negotiation.
pub(super) const ALPN_HTTP1: &[u8] = b"http/1.1";

/// A certificate that still is not replaced so long before its end is worth a warning.
const EXPIRES_SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How errors call what was given in memory.
const IN_MEMORY: &str = "(in memory)";

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
    let file = Part::read(Role::ClientCa, path)?;
    parse_chain(Role::ClientCa, file.named()).map(drop)
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
pub enum Reload {
    /// The files hold what is served already.
    Unchanged,
    /// New connections get this certificate from now on.
    Replaced(CertificateSummary),
}

/// A certificate with its key, and optionally a CA for clients, that can be
/// replaced while it is served. Connections keep what they began with.
#[derive(Debug)]
pub struct ReloadingCertificate {
    source: Source,
    current: ArcSwap<Current>,
}

/// Where a certificate comes from.
enum Source {
    /// From memory, for good.
    Fixed,
    /// From files.
    Files(CertificateFiles),
    /// From whoever calls [`ReloadingCertificate::replace`].
    Given {
        /// What errors call it.
        name: String,
        pair: Mutex<Pair>,
        client_ca: Option<PathBuf>,
    },
}

/// PEM.
#[derive(Clone)]
struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// Without keys.
impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fixed => f.write_str(IN_MEMORY),
            Self::Files(files) => files.fmt(f),
            Self::Given { name, .. } => f.write_str(name),
        }
    }
}

#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    summary: CertificateSummary,
    fingerprint: [u8; 32],
}

impl ReloadingCertificate {
    /// Loads PEM files.
    pub fn load(files: CertificateFiles) -> Result<Self, CertificateError> {
        Self::from_source(Source::Files(files))
    }

    /// Takes PEM text that [`ReloadingCertificate::replace`] may replace, called `name` in
    /// errors, and a file with the CA of clients.
    pub fn given(
        name: &str,
        certificate: &[u8],
        key: &[u8],
        client_ca: Option<PathBuf>,
    ) -> Result<Self, CertificateError> {
        Self::from_source(Source::Given {
            name: name.to_owned(),
            pair: Mutex::new(Pair {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
            }),
            client_ca,
        })
    }

    fn from_source(source: Source) -> Result<Self, CertificateError> {
        let current = Contents::read(&source)?.configure()?;
        Ok(Self {
            source,
            current: ArcSwap::from_pointee(current),
        })
    }

    /// Serves another certificate from now on, to new connections. On an error the one
    /// that was served before goes on being served. Changes nothing where the certificate
    /// comes from files.
    pub fn replace(&self, certificate: &[u8], key: &[u8]) -> Result<Reload, CertificateError> {
        let Source::Given { pair, .. } = &self.source else {
            return Ok(Reload::Unchanged);
        };
        let new = Pair {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        };
        let swap = |new: Pair| {
            let mut held = pair.lock().unwrap_or_else(PoisonError::into_inner);
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
        let chain = parse_chain(Role::Certificate, named(certificate))?;
        let key = parse_key(named(key))?;
        let client_ca = client_ca
            .map(|pem| parse_chain(Role::ClientCa, named(pem)))
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
            source: Source::Fixed,
            current: ArcSwap::from_pointee(Current {
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
    pub fn reload(&self) -> Result<Reload, CertificateError> {
        if matches!(self.source, Source::Fixed) {
            return Ok(Reload::Unchanged);
        }
        let contents = Contents::read(&self.source)?;
        if contents.fingerprint() == self.current.load().fingerprint {
            return Ok(Reload::Unchanged);
        }
        let new = contents.configure()?;
        let summary = new.summary.clone();
        self.current.store(Arc::new(new));
        Ok(Reload::Replaced(summary))
    }

    /// Looks at the files every `period` until `shutdown`. Files are compared by
    /// content, so it does not matter how they are replaced: by a rename, or as
    /// Kubernetes does it for a mounted Secret, by a link.
    pub async fn watch(self: Arc<Self>, period: Duration, shutdown: CancellationToken) {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut said = Said::default();
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

/// What the watch has told already, so that it tells it once.
#[derive(Default)]
struct Said {
    problem: Option<String>,
    expiry: Expiry,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Expiry {
    #[default]
    Far,
    Soon,
    Past,
}

impl Said {
    fn log(
        &mut self,
        outcome: Result<Reload, CertificateError>,
        serving: &CertificateSummary,
        now: Timestamp,
    ) {
        match outcome {
            Ok(Reload::Unchanged) => self.problem = None,
            Ok(Reload::Replaced(summary)) => {
                tracing::info!(certificate = %summary, "serving a new certificate");
                self.problem = None;
            }
            Err(error) => {
                let problem = error.to_string();
                if self.problem.as_ref() != Some(&problem) {
                    tracing::error!(
                        serving = %serving,
                        "the certificate files cannot be used now, the last good certificate is \
                         still served: {problem}"
                    );
                    self.problem = Some(problem);
                }
            }
        }
        let expiry = expiry(serving, now);
        if expiry != self.expiry {
            let not_after = serving.not_after;
            match expiry {
                Expiry::Far => {}
                Expiry::Soon => {
                    tracing::warn!(%not_after, "the certificate expires soon: renew it");
                }
                Expiry::Past => {
                    tracing::error!(%not_after, "the certificate has expired: API servers refuse it");
                }
            }
            self.expiry = expiry;
        }
    }
}

fn expiry(serving: &CertificateSummary, now: Timestamp) -> Expiry {
    let left = serving.not_after.duration_since(now);
    if left.is_negative() {
        Expiry::Past
    } else if left < EXPIRES_SOON {
        Expiry::Soon
    } else {
        Expiry::Far
    }
}

fn named<T: ?Sized>(value: &T) -> Named<'_, T> {
    Named::new(IN_MEMORY, value)
}

/// What is to be served, read at one time.
#[derive(Default)]
struct Contents {
    certificate: Part,
    key: Part,
    client_ca: Option<Part>,
}

/// Bytes, and what errors call them.
#[derive(Default)]
struct Part {
    name: String,
    bytes: Vec<u8>,
}

impl Part {
    fn read(role: Role, path: &Path) -> Result<Self, CertificateError> {
        let name = path.display().to_string();
        match std::fs::read(path) {
            Ok(bytes) => Ok(Self { name, bytes }),
            Err(source) => Err(CertificateError::Unreadable {
                role,
                path: name,
                source,
            }),
        }
    }

    fn named(&self) -> Named<'_, [u8]> {
        Named::new(&self.name, &self.bytes)
    }
}

impl Contents {
    fn read(source: &Source) -> Result<Self, CertificateError> {
        let client_ca = |path: &Option<PathBuf>| {
            let path = path.as_deref();
            path.map(|path| Part::read(Role::ClientCa, path))
                .transpose()
        };
        Ok(match source {
            Source::Fixed => Self::default(),
            Source::Files(files) => Self {
                certificate: Part::read(Role::Certificate, &files.certificate)?,
                key: Part::read(Role::Key, &files.key)?,
                client_ca: client_ca(&files.client_ca)?,
            },
            Source::Given {
                name,
                pair,
                client_ca: path,
            } => {
                let held = pair.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let part = |bytes| Part {
                    name: name.clone(),
                    bytes,
                };
                Self {
                    certificate: part(held.certificate),
                    key: part(held.key),
                    client_ca: client_ca(path)?,
                }
            }
        })
    }

    fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let client_ca = self.client_ca.as_ref().map(|ca| &*ca.bytes);
        for part in [
            &*self.certificate.bytes,
            &*self.key.bytes,
            client_ca.unwrap_or_default(),
        ] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }

    fn configure(&self) -> Result<Current, CertificateError> {
        let chain = parse_chain(Role::Certificate, self.certificate.named())?;
        let secret = parse_key(self.key.named())?;
        let client_ca = self
            .client_ca
            .as_ref()
            .map(|ca| Ok((&*ca.name, parse_chain(Role::ClientCa, ca.named())?)))
            .transpose()?;
        let (config, summary) = configure(
            Named::new(&self.certificate.name, &*chain),
            Named::new(&self.key.name, &secret),
            client_ca.as_ref().map(|(name, ca)| Named::new(name, &**ca)),
            Timestamp::now(),
        )?;
        Ok(Current {
            config: Arc::new(config),
            summary,
            fingerprint: self.fingerprint(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(days_left: i64) -> CertificateSummary {
        let now = Timestamp::UNIX_EPOCH;
        CertificateSummary {
            names: vec!["localhost".to_owned()],
            not_before: now,
            not_after: now + SignedDuration::from_hours(24 * days_left),
        }
    }

    /// What the watch writes when it finds `outcomes` one after the other.
    fn told(
        days_left: i64,
        outcomes: impl IntoIterator<Item = Result<Reload, CertificateError>>,
    ) -> Vec<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .with_writer(Arc::new(file.reopen().unwrap()))
            .finish();
        let serving = summary(days_left);
        tracing::subscriber::with_default(subscriber, || {
            let mut said = Said::default();
            for outcome in outcomes {
                said.log(outcome, &serving, Timestamp::UNIX_EPOCH);
            }
        });
        let text = std::fs::read_to_string(file.path()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn bad(path: &str) -> Result<Reload, CertificateError> {
        Err(CertificateError::WrongOrder {
            path: path.to_owned(),
        })
    }

    #[test]
    fn a_problem_is_told_once_until_it_changes() {
        let lines = told(
            300,
            [
                bad("a.pem"),
                bad("a.pem"),
                bad("b.pem"),
                Ok(Reload::Unchanged),
                bad("b.pem"),
                Ok(Reload::Replaced(summary(300))),
            ],
        );
        let expected = ["a.pem", "b.pem", "b.pem", "serving a new certificate"];
        assert_eq!(lines.len(), expected.len(), "{lines:?}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.contains(expected), "{line}");
        }
        assert!(lines[0].contains("the last good certificate is still served"));
    }

    #[test]
    fn the_end_of_a_certificate_is_told_once() {
        for (days_left, expected) in [(300, None), (6, Some("soon")), (-1, Some("has expired"))] {
            let lines = told(days_left, [Ok(Reload::Unchanged), Ok(Reload::Unchanged)]);
            assert_eq!(lines.len(), usize::from(expected.is_some()), "{lines:?}");
            if let Some(expected) = expected {
                assert!(lines[0].contains(expected), "{lines:?}");
            }
        }
    }

    #[test]
    fn what_is_given_is_replaced_by_what_can_be_served_only() {
        use super::super::development_certificates::{DevelopmentCa, Names};
        let ca = DevelopmentCa::generate().unwrap();
        let [one, two] = [1, 2].map(|days| ca.issue(&Names::default(), days).unwrap());
        let pem = |text: &str| text.as_bytes().to_vec();
        let given = ReloadingCertificate::given("it", &pem(&one.certificate), &pem(&one.key), None);
        let given = given.unwrap();
        let first = given.summary();
        let error = given.replace(b"?", &pem(&two.key)).unwrap_err();
        assert!(error.to_string().starts_with("it holds no PEM"), "{error}");
        let error = given.replace(&pem(&two.certificate), &pem(&one.key));
        assert!(matches!(error, Err(CertificateError::KeyMismatch { .. })));
        assert_eq!(given.summary(), first);
        assert_eq!(given.reload().unwrap(), Reload::Unchanged);
        let replaced = given.replace(&pem(&two.certificate), &pem(&two.key));
        assert!(matches!(replaced, Ok(Reload::Replaced(new)) if new.not_after > first.not_after));
        assert!(!format!("{given:?}").contains("PRIVATE KEY"));
    }

    #[test]
    fn the_provider_can_be_installed_twice() {
        install_crypto_provider();
        install_crypto_provider();
        assert!(rustls::crypto::CryptoProvider::get_default().is_some());
    }
}
