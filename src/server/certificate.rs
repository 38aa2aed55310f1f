//! From PEM or DER bytes to a TLS configuration.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::pem::{PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::certificate_error::{CertificateError, CertificateFile};

/// HTTP/2's name in TLS' protocol negotiation.
pub(super) const ALPN_HTTP2: &[u8] = b"h2";
/// HTTP/1.1's name in TLS' protocol negotiation.
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateSummary {
    /// The DNS names and IP addresses it is for.
    pub names: Vec<String>,
    /// The first second of its validity.
    pub not_before: Timestamp,
    /// The last second of its validity.
    pub not_after: Timestamp,
}

/// `localhost, 127.0.0.1, valid until 2026-01-31T12:00:00Z`.
impl std::fmt::Display for CertificateSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}, valid until {}",
            self.names.join(", "),
            self.not_after
        )
    }
}

/// Bytes, and the name by which errors call them: a path, mostly.
pub(super) struct NamedBytes<'a, T: ?Sized> {
    pub(super) name: &'a str,
    pub(super) value: &'a T,
}

impl<T: ?Sized> Clone for NamedBytes<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for NamedBytes<'_, T> {}

impl<'a, T: ?Sized> NamedBytes<'a, T> {
    pub(super) fn new(name: &'a str, value: &'a T) -> Self {
        Self { name, value }
    }
}

/// Reads a certificate chain from PEM. Other sections are passed over.
pub(super) fn parse_chain(
    role: CertificateFile,
    pem: NamedBytes<[u8]>,
) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let mut chain = Vec::new();
    let mut has_key = false;
    for (kind, der) in sections(role, pem)? {
        match kind {
            SectionKind::Certificate => chain.push(CertificateDer::from(der)),
            SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey => {
                has_key = true;
            }
            _ => {}
        }
    }
    if !chain.is_empty() {
        return Ok(chain);
    }
    let hint = if has_key && role == CertificateFile::Certificate {
        "it holds a private key instead; are --tls-cert and --tls-key swapped?".to_owned()
    } else if looks_like_der(pem.value) {
        format!(
            "it looks like DER; convert it with `openssl x509 -inform der -in {} -out …`",
            pem.name
        )
    } else {
        "a line `-----BEGIN CERTIFICATE-----` is missing".to_owned()
    };
    Err(not_pem(role, pem.name, hint))
}

/// Reads the first private key from PEM: PKCS#8, SEC 1 or PKCS#1.
pub(super) fn parse_key(pem: NamedBytes<[u8]>) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let mut has_certificate = false;
    for (kind, der) in sections(CertificateFile::Key, pem)? {
        match kind {
            SectionKind::Certificate => has_certificate = true,
            SectionKind::PrivateKey => return Ok(PrivateKeyDer::Pkcs8(der.into())),
            SectionKind::RsaPrivateKey => return Ok(PrivateKeyDer::Pkcs1(der.into())),
            SectionKind::EcPrivateKey => return Ok(PrivateKeyDer::Sec1(der.into())),
            _ => {}
        }
    }
    let text = String::from_utf8_lossy(pem.value);
    let hint = if text.contains("ENCRYPTED") {
        format!(
            "it is protected by a passphrase, which nobody is there to type; write it without one \
             with `openssl pkey -in {} -out …`",
            pem.name
        )
    } else if has_certificate {
        "it holds a certificate instead; are --tls-cert and --tls-key swapped?".to_owned()
    } else if looks_like_der(pem.value) {
        format!(
            "it looks like DER; convert it with `openssl pkey -inform der -in {} -out …`",
            pem.name
        )
    } else {
        "a line `-----BEGIN PRIVATE KEY-----` is missing".to_owned()
    };
    Err(not_pem(CertificateFile::Key, pem.name, hint))
}

fn sections(
    role: CertificateFile,
    pem: NamedBytes<[u8]>,
) -> Result<Vec<(SectionKind, Vec<u8>)>, CertificateError> {
    <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.value)
        .collect::<Result<_, _>>()
        .map_err(|error| damaged(role, pem.name, &error))
}

fn looks_like_der(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x30])
}

fn not_pem(role: CertificateFile, path: &str, hint: String) -> CertificateError {
    CertificateError::NotPem {
        role,
        path: path.to_owned(),
        hint,
    }
}

fn damaged(role: CertificateFile, path: &str, detail: &dyn std::fmt::Display) -> CertificateError {
    CertificateError::Damaged {
        role,
        path: path.to_owned(),
        detail: detail.to_string(),
    }
}

/// Checks that the pair can be served at `now`, and makes the configuration
/// for TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
pub(super) fn configure(
    chain: NamedBytes<[CertificateDer<'static>]>,
    key: NamedBytes<PrivateKeyDer<'static>>,
    client_ca: Option<NamedBytes<[CertificateDer<'static>]>>,
    now: Timestamp,
) -> Result<(ServerConfig, CertificateSummary), CertificateError> {
    let provider = Arc::new(default_provider());
    let pair = pair(chain, key, &provider)?;
    let summary = summarize(chain)?;
    check_time(&summary, chain.name, now)?;
    if summary.names.is_empty() {
        return Err(CertificateError::NoNames {
            path: chain.name.to_owned(),
        });
    }
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| CertificateError::UnusableKey {
            path: key.name.to_owned(),
            detail: error.to_string(),
        })?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => builder.with_client_cert_verifier(client_verifier(ca, provider)?),
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    config.alpn_protocols = vec![ALPN_HTTP2.to_vec(), ALPN_HTTP1.to_vec()];
    Ok((config, summary))
}

fn pair(
    chain: NamedBytes<[CertificateDer<'static>]>,
    key: NamedBytes<PrivateKeyDer<'static>>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, CertificateError> {
    let signing = provider
        .key_provider
        .load_private_key(key.value.clone_key())
        .map_err(|error| CertificateError::UnusableKey {
            path: key.name.to_owned(),
            detail: error.to_string(),
        })?;
    let belongs = |certificate: &CertificateDer<'static>| {
        CertifiedKey::new(vec![certificate.clone()], Arc::clone(&signing)).keys_match()
    };
    let (first, issuers) = match chain.value {
        [] => (None, &[][..]),
        [first, issuers @ ..] => (Some(first), issuers),
    };
    let outcome = first.map_or(Err(rustls::Error::NoCertificatesPresented), belongs);
    match outcome {
        Ok(()) => Ok(CertifiedKey::new(chain.value.to_vec(), signing)),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(if issuers.iter().any(|issuer| belongs(issuer).is_ok()) {
                CertificateError::WrongOrder {
                    path: chain.name.to_owned(),
                }
            } else {
                CertificateError::KeyMismatch {
                    certificate: chain.name.to_owned(),
                    key: key.name.to_owned(),
                }
            })
        }
        Err(error) => Err(damaged(CertificateFile::Certificate, chain.name, &error)),
    }
}

fn summarize(chain: NamedBytes<[CertificateDer]>) -> Result<CertificateSummary, CertificateError> {
    let broken =
        |detail: &dyn std::fmt::Display| damaged(CertificateFile::Certificate, chain.name, detail);
    let leaf = chain.value.first().ok_or_else(|| broken(&"it is empty"))?;
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(|error| broken(&error))?;
    let names = leaf
        .subject_alternative_name()
        .map_err(|error| broken(&error))?
        .map(|extension| {
            extension
                .value
                .general_names
                .iter()
                .filter_map(host)
                .collect()
        })
        .unwrap_or_default();
    let time = |seconds| Timestamp::from_second(seconds).map_err(|error| broken(&error));
    Ok(CertificateSummary {
        names,
        not_before: time(leaf.validity().not_before.timestamp())?,
        not_after: time(leaf.validity().not_after.timestamp())?,
    })
}

fn host(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match *bytes {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(*a, *b, *c, *d).to_string()),
            bytes => {
                let octets: [u8; 16] = bytes.try_into().ok()?;
                Some(std::net::Ipv6Addr::from(octets).to_string())
            }
        },
        _ => None,
    }
}

fn check_time(
    summary: &CertificateSummary,
    path: &str,
    now: Timestamp,
) -> Result<(), CertificateError> {
    if now > summary.not_after {
        return Err(CertificateError::Expired {
            path: path.to_owned(),
            not_after: summary.not_after,
        });
    }
    if now < summary.not_before {
        return Err(CertificateError::NotYetValid {
            path: path.to_owned(),
            not_before: summary.not_before,
            now,
        });
    }
    Ok(())
}

fn client_verifier(
    ca: NamedBytes<[CertificateDer<'static>]>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, CertificateError> {
    let unusable = |detail: &dyn std::fmt::Display| CertificateError::UnusableClientCa {
        path: ca.name.to_owned(),
        detail: detail.to_string(),
    };
    let mut roots = rustls::RootCertStore::empty();
    for certificate in ca.value {
        roots
            .add(certificate.clone())
            .map_err(|error| unusable(&error))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| unusable(&error))
}

#[cfg(test)]
mod tests;
