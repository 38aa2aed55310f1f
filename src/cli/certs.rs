//! `aso-guard certs`: a CA and a serving certificate to develop with.

use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::object::text::quoted;
use crate::server::development_certificates::{
    CA_FILE, CERTIFICATE_FILE, CaOrigin, CertificateNames, KEY_FILE, write,
};

/// Makes a development CA and a serving certificate.
///
/// A CA that is in the directory already is used again, so clients that trust it
/// need no change. The serving certificate is always made anew; a running
/// `aso-guard serve` takes it up without a restart.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct CertsArgs {
    /// Where to write; made if it is missing
    #[arg(default_value = "certs", env = "ASO_GUARD_CERTS_DIR")]
    pub dir: PathBuf,

    /// A DNS name the certificate is for; may be repeated [default, without --dns and --ip:
    /// localhost, 127.0.0.1, ::1]
    #[arg(
        long,
        value_name = "NAME",
        env = "ASO_GUARD_CERTS_DNS",
        value_delimiter = ','
    )]
    pub dns: Vec<String>,

    /// An IP address the certificate is for; may be repeated
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "ASO_GUARD_CERTS_IP",
        value_delimiter = ','
    )]
    pub ip: Vec<IpAddr>,

    /// How many days the serving certificate is valid
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=3650), env = "ASO_GUARD_CERTS_DAYS")]
    pub days: u16,

    /// Make a new CA even if there is one: whoever trusted the old one has to be told
    #[arg(long, env = "ASO_GUARD_CERTS_FORCE")]
    pub force: bool,
}

impl CertsArgs {
    fn names(&self) -> CertificateNames {
        if self.dns.is_empty() && self.ip.is_empty() {
            return CertificateNames::default();
        }
        CertificateNames {
            dns: self.dns.clone(),
            ips: self.ip.clone(),
        }
    }
}

/// Makes the files and tells `out` what was made and what to do next.
pub fn run(args: &CertsArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let names = args.names();
    let origin = write(&args.dir, &names, args.days, args.force)?;
    let path = |file| args.dir.join(file).display().to_string();
    let (ca, certificate, key) = (path(CA_FILE), path(CERTIFICATE_FILE), path(KEY_FILE));
    let hosts: Vec<String> = names
        .dns
        .iter()
        .cloned()
        .chain(names.ips.iter().map(IpAddr::to_string))
        .collect();
    match origin {
        CaOrigin::Made => writeln!(out, "Made a new development CA, {ca}.")?,
        CaOrigin::Reused => writeln!(out, "Used the development CA that is there, {ca}.")?,
    }
    let [cert_file, key_file, ca_file] = [&certificate, &key, &ca].map(|path| quoted(path));
    writeln!(
        out,
        "Made {certificate} for {}, valid for {} days.\n\
         The private keys are readable by you only; keep them out of git.\n\n\
         Next:\n\
         \x20 aso-guard serve --tls-cert {cert_file} --tls-key {key_file} …\n\
         \x20 aso-guard webhook --ca-file {ca_file} --url https://…/validate | kubectl apply -f -",
        hosts.join(", "),
        args.days,
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        certs: CertsArgs,
    }

    fn parse(args: &[&str]) -> Result<CertsArgs, clap::Error> {
        let args = ["certs"].iter().chain(args);
        Cli::try_parse_from(args).map(|cli| cli.certs)
    }

    #[test]
    fn flags_are_typed() {
        let args = parse(&["--dns", "a.example", "--ip", "::1", "out"]).unwrap();
        assert_eq!(args.dir, PathBuf::from("out"));
        assert_eq!(args.names().dns, ["a.example"]);
        assert_eq!(args.names().ips.len(), 1);
        let args = parse(&[]).unwrap();
        assert_eq!(args.dir, PathBuf::from("certs"));
        assert_eq!(args.names(), CertificateNames::default());
        assert!(parse(&["--ip", "localhost"]).is_err());
        assert!(parse(&["--days", "0"]).is_err());
    }

    #[test]
    fn it_says_what_it_made_and_what_to_do_next() {
        let dir = tempfile::tempdir().unwrap();
        let printed = |flags: &[&str]| {
            let mut all = vec![dir.path().to_str().unwrap()];
            all.extend(flags);
            let mut out = Vec::new();
            run(&parse(&all).unwrap(), &mut out).unwrap();
            let printed = String::from_utf8(out).unwrap();
            printed.replace(dir.path().to_str().unwrap(), "certs")
        };
        insta::assert_snapshot!(printed(&[]));
        let ca = fs::read(dir.path().join(CA_FILE)).unwrap();
        let again = printed(&["--dns", "guard.svc", "--days", "7"]);
        assert!(
            again.starts_with("Used the development CA that is there, certs/ca.pem.\n"),
            "{again}"
        );
        assert!(again.contains("for guard.svc, valid for 7 days"), "{again}");
        assert_eq!(fs::read(dir.path().join(CA_FILE)).unwrap(), ca);
        assert!(printed(&["--force"]).starts_with("Made a new development CA"));
        assert_ne!(fs::read(dir.path().join(CA_FILE)).unwrap(), ca);
    }
}
