//! A call of the webhook, with its certificate checked as an API server checks it.

use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use http::{Request, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// No answer of a guard is larger, in bytes.
const ANSWER_LIMIT: usize = 1 << 20;

/// POSTs a review to `url`, over a connection to `authority`, and gives the answer.
pub(super) async fn post(
    url: &Uri,
    authority: &str,
    roots: Vec<CertificateDer<'static>>,
    review: &Value,
) -> anyhow::Result<Value> {
    let host = url.host().context("its URL has no host")?;
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?;
    let address = match authority.parse::<http::uri::Authority>()?.port() {
        Some(_) => authority.to_owned(),
        None => format!("{authority}:443"),
    };
    let stream = TcpStream::connect(&*address)
        .await
        .with_context(|| format!("cannot connect to {address}"))?;
    let connector = TlsConnector::from(Arc::new(config(roots)?));
    let stream = connector.connect(name, stream).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::post(path)
        .header(header::HOST, host)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(serde_json::to_vec(review)?)))?;
    // An answer may be the last of its connection.
    let connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_LIMIT).collect();
    let body = body.await.map_err(anyhow::Error::from_boxed)?.to_bytes();
    drop(connection);
    if !status.is_success() {
        bail!("{status}: {}", String::from_utf8_lossy(&body).trim());
    }
    Ok(serde_json::from_slice(&body)?)
}

fn config(roots: Vec<CertificateDer<'static>>) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.iter().cloned());
    ensure!(
        !store.is_empty(),
        "its caBundle holds no certificate that can be used"
    );
    let of_cas = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone());
    let verifier = ApiServerVerifier {
        of_cas: of_cas.build()?,
        roots,
    };
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// API servers take a certificate of one of the bundle's CAs, and also one that stands in the
/// bundle itself, a CA's too: self-signed, and served.
#[derive(Debug)]
struct ApiServerVerifier {
    of_cas: Arc<WebPkiServerVerifier>,
    roots: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for ApiServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let of_cas = &self.of_cas;
        let verified = of_cas.verify_server_cert(end_entity, intermediates, name, ocsp, now);
        if verified.is_err() && self.roots.iter().any(|root| root == end_entity) {
            return is_for(end_entity, name, now).map(|()| ServerCertVerified::assertion());
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let of_cas = &self.of_cas;
        of_cas.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let of_cas = &self.of_cas;
        of_cas.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.of_cas.supported_verify_schemes()
    }
}

/// Whether a trusted certificate is one for this name, at this time.
fn is_for(
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<(), rustls::Error> {
    rustls::client::verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
    let (_, parsed) =
        X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = parsed.validity();
    if now < validity.not_before.timestamp() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.timestamp() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
    use rustls_pki_types::PrivateKeyDer;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// A certificate that signed itself, for this name.
    fn self_signed(name: &str, is_ca: bool) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        if is_ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        (certificate.der().clone(), key)
    }

    /// What a client that trusts `roots` says of a server with this certificate.
    async fn said(
        (certificate, key): (CertificateDer<'static>, PrivateKeyDer<'static>),
        roots: Vec<CertificateDer<'static>>,
    ) -> String {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let served = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = TlsAcceptor::from(Arc::new(config));
            if let Ok(mut stream) = acceptor.accept(stream).await {
                // Trusted, and then left without an answer.
                let _ = stream.read(&mut [0; 64]).await;
            }
        });
        let url = "https://guard.svc/validate".parse().unwrap();
        let error = post(&url, &address, roots, &Value::Null).await.unwrap_err();
        served.await.unwrap();
        format!("{error:#}")
    }

    #[tokio::test]
    async fn a_certificate_in_the_bundle_is_trusted_whoever_signed_it() {
        for is_ca in [true, false] {
            let served = self_signed("guard.svc", is_ca);
            let bundle = vec![self_signed("x", true).0, served.0.clone()];
            let said = said(served, bundle).await;
            assert!(!said.contains("certificate"), "{said}");
        }
    }

    #[tokio::test]
    async fn one_for_another_name_or_of_nobody_is_not() {
        let served = self_signed("other.svc", true);
        let bundle = vec![served.0.clone()];
        let said_of_name = said(served, bundle).await;
        assert!(
            said_of_name.contains("not valid for name"),
            "{said_of_name}"
        );
        let bundle = vec![self_signed("guard.svc", true).0];
        let stranger = said(self_signed("guard.svc", true), bundle).await;
        assert!(stranger.contains("invalid peer certificate"), "{stranger}");
    }

    #[test]
    fn one_that_expired_is_not() {
        let (certificate, _) = self_signed("guard.svc", true);
        let name = ServerName::try_from("guard.svc").unwrap();
        let at = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        assert_eq!(is_for(&certificate, &name, at(1_800_000_000)), Ok(()));
        let expired = is_for(&certificate, &name, at(99_000_000_000));
        assert_eq!(expired, Err(CertificateError::Expired.into()));
        let early = is_for(&certificate, &name, at(1));
        assert_eq!(early, Err(CertificateError::NotValidYet.into()));
    }
}
