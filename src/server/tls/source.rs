//! Where a certificate comes from, and what is read there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use crate::server::certificate::{NamedBytes, configure, parse_chain, parse_key};

use super::{CertificateError, CertificateFile, CertificateFiles, CurrentCertificate};

/// How errors call what was given in memory.
pub(super) const IN_MEMORY: &str = "(in memory)";

/// Where a certificate comes from.
pub(super) enum CertificateSource {
    /// From memory, for good.
    Fixed,
    /// From files.
    Files(CertificateFiles),
    /// From whoever calls [`ReloadingCertificate::replace`].
    Given {
        /// What errors call it.
        name: String,
        pair: Mutex<PemPair>,
        client_ca: Option<PathBuf>,
    },
}

/// PEM.
#[derive(Clone)]
pub(super) struct PemPair {
    pub(super) certificate: Vec<u8>,
    pub(super) key: Vec<u8>,
}

/// Without keys.
impl std::fmt::Debug for CertificateSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fixed => f.write_str(IN_MEMORY),
            Self::Files(files) => files.fmt(f),
            Self::Given { name, .. } => f.write_str(name),
        }
    }
}

/// What is to be served, read at one time.
#[derive(Default)]
pub(super) struct CertificateContents {
    certificate: NamedPart,
    key: NamedPart,
    client_ca: Option<NamedPart>,
}

/// Bytes, and what errors call them.
#[derive(Default)]
pub(super) struct NamedPart {
    name: String,
    bytes: Vec<u8>,
}

impl NamedPart {
    pub(super) fn read(role: CertificateFile, path: &Path) -> Result<Self, CertificateError> {
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

    pub(super) fn named(&self) -> NamedBytes<'_, [u8]> {
        NamedBytes::new(&self.name, &self.bytes)
    }
}

impl CertificateContents {
    pub(super) fn read(source: &CertificateSource) -> Result<Self, CertificateError> {
        let client_ca = |path: &Option<PathBuf>| {
            let path = path.as_deref();
            path.map(|path| NamedPart::read(CertificateFile::ClientCa, path))
                .transpose()
        };
        Ok(match source {
            CertificateSource::Fixed => Self::default(),
            CertificateSource::Files(files) => Self {
                certificate: NamedPart::read(CertificateFile::Certificate, &files.certificate)?,
                key: NamedPart::read(CertificateFile::Key, &files.key)?,
                client_ca: client_ca(&files.client_ca)?,
            },
            CertificateSource::Given {
                name,
                pair,
                client_ca: path,
            } => {
                let held = pair.lock().clone();
                let part = |bytes| NamedPart {
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

    pub(super) fn fingerprint(&self) -> [u8; 32] {
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

    pub(super) fn configure(&self) -> Result<CurrentCertificate, CertificateError> {
        let chain = parse_chain(CertificateFile::Certificate, self.certificate.named())?;
        let secret = parse_key(self.key.named())?;
        let client_ca = self
            .client_ca
            .as_ref()
            .map(|ca| {
                Ok((
                    &*ca.name,
                    parse_chain(CertificateFile::ClientCa, ca.named())?,
                ))
            })
            .transpose()?;
        let (config, summary) = configure(
            NamedBytes::new(&self.certificate.name, &*chain),
            NamedBytes::new(&self.key.name, &secret),
            client_ca
                .as_ref()
                .map(|(name, ca)| NamedBytes::new(name, &**ca)),
            Timestamp::now(),
        )?;
        Ok(CurrentCertificate {
            config: Arc::new(config),
            summary,
            fingerprint: self.fingerprint(),
        })
    }
}
