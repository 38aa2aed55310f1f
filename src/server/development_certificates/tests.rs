use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn text(dir: &Path, file: &str) -> String {
    fs::read_to_string(dir.join(file)).unwrap()
}

fn write_default(dir: &Path, force: bool) -> Result<CaOrigin, String> {
    write(dir, &CertificateNames::default(), 1, force).map_err(|error| error.to_string())
}

#[test]
fn keys_are_for_their_owner_only_even_where_they_were_not() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("deeper/certs");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join(KEY_FILE), "open to all").unwrap();
    fs::set_permissions(dir.join(KEY_FILE), fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(write_default(&dir, false), Ok(CaOrigin::Made));
    for file in [CA_KEY_FILE, KEY_FILE] {
        let mode = fs::metadata(dir.join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
        assert!(text(&dir, file).contains("PRIVATE KEY"), "{file}");
    }
    for file in [CA_FILE, CERTIFICATE_FILE] {
        assert!(text(&dir, file).contains("BEGIN CERTIFICATE"), "{file}");
        assert!(!text(&dir, file).contains("PRIVATE"), "{file}");
    }
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 4);
}

#[test]
fn a_ca_is_used_again_unless_forced() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert_eq!(write_default(dir, false), Ok(CaOrigin::Made));
    let (ca, key) = (text(dir, CA_FILE), text(dir, CA_KEY_FILE));
    let certificate = text(dir, CERTIFICATE_FILE);
    assert_eq!(write_default(dir, false), Ok(CaOrigin::Reused));
    assert_eq!(text(dir, CA_FILE), ca);
    assert_eq!(text(dir, CA_KEY_FILE), key);
    assert_ne!(text(dir, CERTIFICATE_FILE), certificate);
    assert_eq!(write_default(dir, true), Ok(CaOrigin::Made));
    assert_ne!(text(dir, CA_FILE), ca);
}

#[test]
fn a_ca_that_cannot_sign_is_told_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_default(dir, false).unwrap();
    let (ca, key) = (text(dir, CA_FILE), text(dir, CA_KEY_FILE));
    let refused = |file: &str, content: Option<&str>, expected: &str| {
        let before = text(dir, file);
        match content {
            Some(content) => fs::write(dir.join(file), content).unwrap(),
            None => fs::remove_file(dir.join(file)).unwrap(),
        }
        let error = write_default(dir, false).unwrap_err();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains("--force"), "{error}");
        fs::write(dir.join(file), before).unwrap();
    };
    refused(CA_KEY_FILE, None, "is not, so nothing can be signed");
    refused(CA_FILE, None, "is not, so nothing can be signed");
    refused(CA_FILE, Some("?"), "its certificate is not PEM");
    refused(CA_KEY_FILE, Some("?"), "its key cannot be read");
    let leaf = text(dir, CERTIFICATE_FILE);
    refused(CA_FILE, Some(&leaf), "not a CA's");
    let other = text(dir, KEY_FILE);
    refused(CA_KEY_FILE, Some(&other), "belongs to another certificate");
    assert_eq!((text(dir, CA_FILE), text(dir, CA_KEY_FILE)), (ca, key));
    assert_eq!(write_default(dir, false), Ok(CaOrigin::Reused));
}

#[test]
fn names_that_no_certificate_can_hold_are_told() {
    let ca = DevelopmentCa::generate().unwrap();
    for name in ["", "a b", "höst", "https://a", "a/b"] {
        let names = CertificateNames {
            dns: vec![name.to_owned()],
            ips: Vec::new(),
        };
        let error = ca.issue(&names, 1).err().map(|error| error.to_string());
        let error = error.unwrap_or_default();
        assert!(error.contains("not a DNS name"), "{name:?}: {error}");
    }
}

#[test]
fn no_certificate_outlives_its_ca() {
    let ca = DevelopmentCa::generate().unwrap();
    let issued = ca.issue(&CertificateNames::default(), u16::MAX).unwrap();
    let not_after = |pem: &str| {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let (_, parsed) = X509Certificate::from_der(&der).unwrap();
        parsed.validity().not_after.timestamp()
    };
    assert_eq!(not_after(&issued.certificate), not_after(ca.certificate()));
}
