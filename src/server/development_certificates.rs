//! A CA and certificates to develop and test with. They are not for clusters
//! that matter: the CA's key lies in a file beside them.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, DnsName};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The CA's certificate, for `caBundle` and `curl --cacert`.
pub const CA_FILE: &str = "ca.pem";
/// The CA's private key.
pub const CA_KEY_FILE: &str = "ca-key.pem";
/// The serving certificate, for `--tls-cert`.
pub const CERTIFICATE_FILE: &str = "tls.pem";
/// The serving certificate's private key, for `--tls-key`.
pub const KEY_FILE: &str = "tls-key.pem";

/// How long a new CA is valid.
const CA_DAYS: u16 = 3650;

/// Certificates begin so long ago, for machines whose clocks differ.
const CLOCK_DIFFERENCE: Duration = Duration::from_hours(1);

/// Why no certificate was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevelopmentCertificateError {
    /// A name that no certificate can hold.
    #[error("`{name}` is not a DNS name; write it like aso-guard.aso-guard-system.svc")]
    BadName {
        /// The name as given.
        name: String,
    },
    /// Only one half of a CA is there.
    #[error(
        "{there} is there, but {missing} is not, so nothing can be signed with this CA. Put the \
         missing file back, or make a new CA with --force"
    )]
    HalfCa {
        /// The file that is there.
        there: PathBuf,
        /// The file that is not.
        missing: PathBuf,
    },
    /// The CA that is there cannot sign.
    #[error("the CA in {path} cannot be used: {detail}. Make a new one with --force")]
    UnusableCa {
        /// The CA's certificate file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The certificate library failed.
    #[error("cannot make a certificate: {0}")]
    Generate(#[from] rcgen::Error),
}

/// What a serving certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateNames {
    /// DNS names; a first label `*` stands for any.
    pub dns: Vec<String>,
    /// IP addresses.
    pub ips: Vec<IpAddr>,
}

/// This machine: `localhost`, `127.0.0.1`, `::1`.
impl Default for CertificateNames {
    fn default() -> Self {
        Self {
            dns: vec!["localhost".to_owned()],
            ips: vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        }
    }
}

/// A certificate with its private key, in PEM.
#[derive(Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its private key, PKCS#8.
    pub key: String,
}

/// A CA that signs with a key held in memory.
pub struct DevelopmentCa {
    certificate: String,
    key: String,
    not_after: u64,
    issuer: Issuer<'static, KeyPair>,
}

impl DevelopmentCa {
    /// Makes a new CA with a P-256 key, valid for ten years.
    pub fn generate() -> Result<Self, DevelopmentCertificateError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name("aso-guard development CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let not_after = now() + days(CA_DAYS);
        set_validity(&mut params, not_after);
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self {
            certificate,
            key: key.serialize_pem(),
            not_after,
            issuer: Issuer::new(params, key),
        })
    }

    /// Takes up a CA made earlier. The error says what is wrong with it.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, String> {
        let der = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|error| format!("its certificate is not PEM ({error:?})"))?;
        let (_, parsed) = X509Certificate::from_der(&der)
            .map_err(|error| format!("its certificate cannot be read ({error})"))?;
        let key_pair =
            KeyPair::from_pem(key).map_err(|error| format!("its key cannot be read ({error})"))?;
        if !parsed.is_ca() {
            return Err("its certificate is not a CA's".to_owned());
        }
        if *parsed.public_key().subject_public_key.data != *key_pair.public_key_raw() {
            return Err("its key belongs to another certificate".to_owned());
        }
        let not_after = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
        if not_after <= now() {
            return Err(format!("it expired at {}", parsed.validity().not_after));
        }
        let issuer = Issuer::from_ca_cert_der(&der, key_pair)
            .map_err(|error| format!("its certificate cannot be read ({error})"))?;
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            not_after,
            issuer,
        })
    }

    /// The CA's certificate in PEM: what clients must trust.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Issues a serving certificate, valid for `valid_days` but not longer than the CA.
    pub fn issue(
        &self,
        names: &CertificateNames,
        valid_days: u16,
    ) -> Result<Issued, DevelopmentCertificateError> {
        let first = names.dns.first().cloned();
        let first = first.or_else(|| names.ips.first().map(IpAddr::to_string));
        let common_name = first.as_deref().unwrap_or("aso-guard");
        let usage = ExtendedKeyUsagePurpose::ServerAuth;
        let alternative_names = alternative_names(names)?;
        self.sign(common_name, alternative_names, usage, valid_days)
    }

    /// Issues a client's certificate, for servers that ask for one.
    pub fn issue_client(
        &self,
        name: &str,
        valid_days: u16,
    ) -> Result<Issued, DevelopmentCertificateError> {
        let usage = ExtendedKeyUsagePurpose::ClientAuth;
        self.sign(name, Vec::new(), usage, valid_days)
    }

    fn sign(
        &self,
        name: &str,
        alternative_names: Vec<SanType>,
        usage: ExtendedKeyUsagePurpose,
        valid_days: u16,
    ) -> Result<Issued, DevelopmentCertificateError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(name);
        params.subject_alt_names = alternative_names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, self.not_after.min(now() + days(valid_days)));
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Issued {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// What [`write()`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaOrigin {
    /// A new CA was made: clients have to be told to trust it.
    Made,
    /// The CA that was there signed: clients that trust it need no change.
    Reused,
}

/// Writes a CA and a serving certificate into `dir`, which is made if missing.
/// A CA that is there is used again, unless `force` asks for a new one; the
/// serving certificate is always new. Each file is replaced in one step; keys
/// can be read by their owner only.
pub fn write(
    dir: &Path,
    names: &CertificateNames,
    valid_days: u16,
    force: bool,
) -> Result<CaOrigin, DevelopmentCertificateError> {
    fs::create_dir_all(dir).map_err(at(dir))?;
    let kept = if force { None } else { existing(dir)? };
    let (ca, origin) = match kept {
        Some(ca) => (ca, CaOrigin::Reused),
        None => (DevelopmentCa::generate()?, CaOrigin::Made),
    };
    let issued = ca.issue(names, valid_days)?;
    if origin == CaOrigin::Made {
        replace(&dir.join(CA_KEY_FILE), &ca.key, 0o600)?;
        replace(&dir.join(CA_FILE), &ca.certificate, 0o644)?;
    }
    replace(&dir.join(KEY_FILE), &issued.key, 0o600)?;
    replace(&dir.join(CERTIFICATE_FILE), &issued.certificate, 0o644)?;
    Ok(origin)
}

fn existing(dir: &Path) -> Result<Option<DevelopmentCa>, DevelopmentCertificateError> {
    let (certificate_path, key_path) = (dir.join(CA_FILE), dir.join(CA_KEY_FILE));
    let half = |there: &Path, missing: &Path| DevelopmentCertificateError::HalfCa {
        there: there.to_owned(),
        missing: missing.to_owned(),
    };
    let (certificate, key) = match (read(&certificate_path)?, read(&key_path)?) {
        (None, None) => return Ok(None),
        (Some(_), None) => return Err(half(&certificate_path, &key_path)),
        (None, Some(_)) => return Err(half(&key_path, &certificate_path)),
        (Some(certificate), Some(key)) => (certificate, key),
    };
    let ca = DevelopmentCa::from_pem(&certificate, &key).map_err(|detail| {
        DevelopmentCertificateError::UnusableCa {
            path: certificate_path,
            detail,
        }
    })?;
    Ok(Some(ca))
}

fn read(path: &Path) -> Result<Option<String>, DevelopmentCertificateError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path)(error)),
    }
}

/// Writes beside the file and renames, so that nobody ever reads half of it
/// and a key is never readable by others, whatever was there before.
fn replace(path: &Path, text: &str, mode: u32) -> Result<(), DevelopmentCertificateError> {
    let new = path.with_extension("pem.new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&new)(error)),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&new)
        .map_err(at(&new))?;
    file.write_all(text.as_bytes()).map_err(at(&new))?;
    fs::rename(&new, path).map_err(at(path))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> DevelopmentCertificateError {
    let path = path.to_owned();
    |source| DevelopmentCertificateError::File { path, source }
}

fn alternative_names(
    names: &CertificateNames,
) -> Result<Vec<SanType>, DevelopmentCertificateError> {
    let mut all = Vec::new();
    for name in &names.dns {
        let bad = || DevelopmentCertificateError::BadName { name: name.clone() };
        let host = name.strip_prefix("*.").unwrap_or(name);
        DnsName::try_from(host).map_err(|_| bad())?;
        all.push(SanType::DnsName(
            name.as_str().try_into().map_err(|_| bad())?,
        ));
    }
    all.extend(names.ips.iter().copied().map(SanType::IpAddress));
    Ok(all)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn set_validity(params: &mut CertificateParams, not_after: u64) {
    let epoch = date_time_ymd(1970, 1, 1);
    let not_before = now()
        .saturating_sub(CLOCK_DIFFERENCE.as_secs())
        .min(not_after);
    params.not_before = epoch + Duration::from_secs(not_before);
    params.not_after = epoch + Duration::from_secs(not_after);
}

fn days(count: u16) -> u64 {
    u64::from(count) * 24 * 60 * 60
}

/// Seconds since 1970.
fn now() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    since_epoch.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
