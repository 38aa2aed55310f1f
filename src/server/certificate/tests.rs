use std::process::Command;

use jiff::{SignedDuration, ToSpan as _};
use rstest::rstest;

use super::super::development_certificates::{CertificateNames, DevelopmentCa, Issued};
use super::*;

fn issue() -> (DevelopmentCa, Issued) {
    let ca = DevelopmentCa::generate().unwrap();
    let issued = ca.issue(&CertificateNames::default(), 10).unwrap();
    (ca, issued)
}

fn load(certificate: &str, key: &str, now: Timestamp) -> Result<CertificateSummary, String> {
    let loaded = || {
        let chain = parse_chain(
            CertificateFile::Certificate,
            NamedBytes::new("tls.pem", certificate.as_bytes()),
        )?;
        let key = parse_key(NamedBytes::new("tls-key.pem", key.as_bytes()))?;
        let (chain, key) = (
            NamedBytes::new("tls.pem", &*chain),
            NamedBytes::new("tls-key.pem", &key),
        );
        configure(chain, key, None, now)
    };
    loaded()
        .map(|(_, summary)| summary)
        .map_err(|error: CertificateError| error.to_string())
}

fn refused(certificate: &str, key: &str, expected: &str) {
    let error = load(certificate, key, Timestamp::now()).unwrap_err();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_good_pair_tells_its_names_and_time() {
    let (_, issued) = issue();
    let now = Timestamp::now();
    let summary = load(&issued.certificate, &issued.key, now).unwrap();
    assert_eq!(summary.names, ["localhost", "127.0.0.1", "::1"]);
    let left = summary.not_after.duration_since(now);
    assert!(left > SignedDuration::from_hours(239), "{left:?}");
    assert!(left < SignedDuration::from_hours(241), "{left:?}");
    assert!(
        summary
            .to_string()
            .starts_with("localhost, 127.0.0.1, ::1, valid until 2")
    );
}

#[test]
fn time_is_checked() {
    let (_, issued) = issue();
    let at = |now| load(&issued.certificate, &issued.key, now).unwrap_err();
    let now = Timestamp::now();
    let late = at(now.checked_add((24 * 11).hours()).unwrap());
    assert!(late.contains("tls.pem expired at 20"), "{late}");
    assert!(late.contains("Renew it"), "{late}");
    let early = at(now.checked_sub(24.hours()).unwrap());
    assert!(early.contains("valid only from 20"), "{early}");
    assert!(early.contains("clock"), "{early}");
}

#[test]
fn a_pair_that_does_not_match_is_told() {
    let (ca, issued) = issue();
    let other = ca.issue(&CertificateNames::default(), 1).unwrap();
    refused(
        &issued.certificate,
        &other.key,
        "private key tls-key.pem does not belong to the certificate tls.pem",
    );
    let reversed = format!("{}{}", ca.certificate(), issued.certificate);
    refused(&reversed, &issued.key, "in the wrong order");
    let in_order = format!("{}{}", issued.certificate, ca.certificate());
    load(&in_order, &issued.key, Timestamp::now()).unwrap();
}

#[test]
fn files_in_one_another_s_place_are_told() {
    let (_, issued) = issue();
    refused(&issued.key, &issued.certificate, "swapped?");
    refused(&issued.certificate, &issued.certificate, "swapped?");
}

#[test]
fn a_certificate_without_names_is_told() {
    let (ca, _) = issue();
    let nameless = ca.issue_client("nobody", 1).unwrap();
    refused(&nameless.certificate, &nameless.key, "names no host");
}

#[rstest]
#[case("", "a line `-----BEGIN CERTIFICATE-----` is missing")]
#[case("hello", "a line `-----BEGIN CERTIFICATE-----` is missing")]
#[case("\x30\x03abc", "`openssl x509 -inform der -in tls.pem -out …`")]
#[case(
    "-----BEGIN CERTIFICATE-----\nMII",
    "the certificate tls.pem is damaged"
)]
#[case(
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    "the certificate tls.pem is damaged"
)]
fn certificates_that_are_none(#[case] certificate: &str, #[case] expected: &str) {
    let (_, issued) = issue();
    refused(certificate, &issued.key, expected);
}

#[rstest]
#[case("", "a line `-----BEGIN PRIVATE KEY-----` is missing")]
#[case("\x30\x03abc", "`openssl pkey -inform der -in tls-key.pem -out …`")]
#[case(
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n",
    "protected by a passphrase"
)]
#[case(
    "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n",
    "the private key tls-key.pem cannot be used"
)]
fn keys_that_are_none(#[case] key: &str, #[case] expected: &str) {
    let (_, issued) = issue();
    refused(&issued.certificate, key, expected);
}

#[test]
fn a_client_ca_must_be_certificates() {
    let error = |pem: &str| {
        let parsed = parse_chain(
            CertificateFile::ClientCa,
            NamedBytes::new("clients.pem", pem.as_bytes()),
        );
        parsed.unwrap_err().to_string()
    };
    let (_, issued) = issue();
    let missing = "clients.pem holds no PEM client CA: a line `-----BEGIN CERTIFICATE-----`";
    assert!(error("").contains(missing), "{}", error(""));
    assert!(error(&issued.key).contains(missing));
}

/// Keys as other tools write them. Only where openssl is installed.
#[rstest]
#[case(&["genrsa", "-traditional", "2048"])]
#[case(&["ecparam", "-genkey", "-name", "prime256v1"])]
#[case(&["genpkey", "-algorithm", "ed25519"])]
fn keys_of_other_tools_are_read(#[case] command: &[&str]) {
    let Ok(output) = Command::new("openssl").args(command).output() else {
        eprintln!("openssl is not installed: not tested");
        return;
    };
    assert!(output.status.success(), "{command:?}");
    let key = parse_key(NamedBytes::new("tls-key.pem", &*output.stdout)).unwrap();
    default_provider()
        .key_provider
        .load_private_key(key)
        .unwrap();
}
