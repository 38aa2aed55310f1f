//! Making a [`CertificateGeneration`], and reading one that was stored.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::plan::{Ca, CertificateGeneration};
use crate::server::tls::{CertificateError, ReloadingCertificate};

/// Certificates begin a twentieth of their lifetime ago, and at most this long, for
/// machines whose clocks differ.
const CLOCK_DIFFERENCE: SignedDuration = SignedDuration::from_hours(1);

impl CertificateGeneration {
    /// Makes a CA, has it sign one serving certificate, and forgets its key.
    ///
    /// # Errors
    /// A name that no certificate can hold.
    pub(super) fn make(
        names: &BTreeSet<String>,
        lifetime: SignedDuration,
        now: Timestamp,
    ) -> Result<Self, rcgen::Error> {
        let begins = now - (lifetime / 20).min(CLOCK_DIFFERENCE);
        let ends = now + lifetime;
        let ca_key = KeyPair::generate()?;
        let mut ca = CertificateParams::default();
        let name = format!("aso-guard CA of {}", now.strftime("%FT%TZ"));
        ca.distinguished_name.push(DnType::CommonName, name);
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        set_validity(&mut ca, begins, ends);
        let ca_certificate = ca.self_signed(&ca_key)?;

        let key = KeyPair::generate()?;
        let mut serving = CertificateParams::default();
        let first = names.first().map_or("aso-guard", String::as_str);
        // A common name holds 64 characters at most.
        let first: String = first.chars().take(64).collect();
        serving.distinguished_name.push(DnType::CommonName, first);
        serving.subject_alt_names = names
            .iter()
            .map(|name| alternative_name(name))
            .collect::<Result<_, _>>()?;
        serving.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        serving.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        serving.use_authority_key_identifier_extension = true;
        set_validity(&mut serving, begins, ends);
        let certificate = serving.signed_by(&key, &Issuer::new(ca, ca_key))?;
        Ok(Self {
            ca: Ca(ca_certificate.der().as_ref().into()),
            certificate: certificate.pem().into(),
            key: key.serialize_pem().into(),
            names: names.clone(),
            not_before: seconds(begins),
            not_after: seconds(ends),
        })
    }

    /// Reads what was stored, and makes sure that it can be served.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(
        ca: &[u8],
        certificate: &[u8],
        key: &[u8],
        name: &str,
    ) -> Result<Self, String> {
        let ca = Ca::from_pem(ca)?;
        let served = ReloadingCertificate::given(name, certificate, key, None);
        let summary = match served {
            Ok(served) => served.summary(),
            // Whether its time is over is the planner's to judge.
            Err(CertificateError::Expired { not_after, .. }) => {
                return Err(format!("its certificate expired at {not_after}"));
            }
            Err(error) => return Err(error.to_string()),
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into();
        let generation = Self {
            ca,
            certificate: text(certificate),
            key: text(key),
            names: summary.names.into_iter().collect(),
            not_before: summary.not_before,
            not_after: summary.not_after,
        };
        generation.is_signed_by_its_ca()?;
        Ok(generation)
    }

    fn is_signed_by_its_ca(&self) -> Result<(), String> {
        let broken = |error: &dyn std::fmt::Display| format!("tls.crt cannot be read: {error}");
        let leaf = CertificateDer::from_pem_slice(self.certificate.as_bytes())
            .map_err(|error| broken(&error))?;
        let (_, leaf) = X509Certificate::from_der(&leaf).map_err(|error| broken(&error))?;
        let (_, ca) = X509Certificate::from_der(&self.ca.0).map_err(|error| broken(&error))?;
        leaf.verify_signature(Some(ca.public_key()))
            .map_err(|_| "tls.crt is not signed by ca.crt".to_owned())
    }
}

impl Ca {
    /// Reads the first certificate of a PEM text.
    fn from_pem(pem: &[u8]) -> Result<Self, String> {
        let der = CertificateDer::from_pem_slice(pem)
            .map_err(|error| format!("ca.crt holds no certificate: {error:?}"))?;
        let (_, parsed) =
            X509Certificate::from_der(&der).map_err(|error| format!("ca.crt: {error}"))?;
        if !parsed.is_ca() {
            return Err("ca.crt is not a CA's certificate".to_owned());
        }
        Ok(Self(der.as_ref().into()))
    }

    /// All certificates of a PEM text that can be read; what cannot is passed over.
    pub(super) fn all(pem: &[u8]) -> BTreeSet<Self> {
        let certificates = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
        certificates.map(|der| Self(der.as_ref().into())).collect()
    }

    /// Whether it may still be of use: it can be read and has not expired.
    pub(super) fn is_of_use(&self, now: Timestamp) -> bool {
        X509Certificate::from_der(&self.0)
            .is_ok_and(|(_, parsed)| parsed.validity().not_after.timestamp() > now.as_second())
    }

    /// As PEM.
    pub(super) fn to_pem(&self) -> String {
        pem::encode(&pem::Pem::new("CERTIFICATE", &*self.0))
    }
}

/// A host as a certificate holds it: an IP address, else a DNS name.
pub(super) fn alternative_name(name: &str) -> Result<SanType, rcgen::Error> {
    match name.parse::<IpAddr>() {
        Ok(ip) => Ok(SanType::IpAddress(ip)),
        Err(_) => Ok(SanType::DnsName(name.try_into()?)),
    }
}

fn set_validity(params: &mut CertificateParams, begins: Timestamp, ends: Timestamp) {
    let since_epoch =
        |time: Timestamp| Duration::from_secs(u64::try_from(time.as_second()).unwrap_or(0));
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since_epoch(begins);
    params.not_after = epoch + since_epoch(ends);
}

/// Certificates know whole seconds only.
fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
