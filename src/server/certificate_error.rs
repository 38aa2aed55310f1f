//! What can be wrong with certificate files, told to the person who mends them.

use std::io;

use jiff::Timestamp;

/// Why a certificate cannot be served, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A file cannot be read.
    #[error(
        "cannot read the {role} {path}: {source}. Check the path, the file's mode and that the \
         mounted Secret has this key; `aso-guard certs` makes files to develop with"
    )]
    Unreadable {
        /// What the file is for.
        role: CertificateFile,
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// There is no PEM section of the wanted sort.
    #[error("{path} holds no PEM {role}: {hint}")]
    NotPem {
        /// What was wanted.
        role: CertificateFile,
        /// The file.
        path: String,
        /// What it seems to be, and what to do.
        hint: String,
    },
    /// The PEM or the DER within is damaged.
    #[error("the {role} {path} is damaged: {detail}. Copy it again from where it was issued")]
    Damaged {
        /// What was wanted.
        role: CertificateFile,
        /// The file.
        path: String,
        /// What the parser said.
        detail: String,
    },
    /// The private key is of a sort that TLS cannot use.
    #[error(
        "the private key {path} cannot be used: {detail}. Use ECDSA P-256 or P-384, Ed25519, or \
         RSA of 2048 bits or more"
    )]
    UnusableKey {
        /// The file.
        path: String,
        /// What the TLS library said.
        detail: String,
    },
    /// Certificate and key are from different pairs.
    #[error(
        "the private key {key} does not belong to the certificate {certificate}. Replace both \
         files together; `openssl x509 -noout -pubkey -in {certificate}` and \
         `openssl pkey -pubout -in {key}` must print the same"
    )]
    KeyMismatch {
        /// The certificate file.
        certificate: String,
        /// The key file.
        key: String,
    },
    /// The key belongs to a later certificate of the file.
    #[error(
        "{path} holds the certificates in the wrong order: the one that belongs to the private \
         key must come first, then its issuers"
    )]
    WrongOrder {
        /// The certificate file.
        path: String,
    },
    /// The certificate's time is over.
    #[error(
        "the certificate {path} expired at {not_after}: API servers refuse it. Renew it (cert-\
         manager: `kubectl describe certificate`; development: `aso-guard certs`)"
    )]
    Expired {
        /// The certificate file.
        path: String,
        /// The end of its validity.
        not_after: Timestamp,
    },
    /// The certificate's time has not come.
    #[error(
        "the certificate {path} is valid only from {not_before} on, and it is {now} here: wait, \
         or set this machine's clock"
    )]
    NotYetValid {
        /// The certificate file.
        path: String,
        /// The start of its validity.
        not_before: Timestamp,
        /// The time on this machine.
        now: Timestamp,
    },
    /// The certificate has no subject alternative name.
    #[error(
        "the certificate {path} names no host (it has no subjectAltName), so API servers refuse \
         it. Issue it for the name they call, such as aso-guard.aso-guard-system.svc"
    )]
    NoNames {
        /// The certificate file.
        path: String,
    },
    /// A certificate of the client CA file cannot be trusted.
    #[error("the client CA {path} cannot be used: {detail}. It must be a CA's own certificate")]
    UnusableClientCa {
        /// The client CA file.
        path: String,
        /// What the TLS library said.
        detail: String,
    },
}

/// What one of the files is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateFile {
    /// The serving certificate and its issuers.
    Certificate,
    /// The private key of the serving certificate.
    Key,
    /// The CA whose clients may call.
    ClientCa,
}

/// `certificate`, `private key` or `client CA`.
impl std::fmt::Display for CertificateFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Certificate => "certificate",
            Self::Key => "private key",
            Self::ClientCa => "client CA",
        })
    }
}
