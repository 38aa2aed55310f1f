//! The TLS handshake, in bounded time, and what its failures tell a person.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::{AlertDescription, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::activity::HttpVersion;
use super::certificate::ALPN_HTTP2;
use super::rate_limit::RateLimit;

/// Clients try again and again; one line a minute tells enough.
static COMPLAINTS: RateLimit = RateLimit::every(Duration::from_mins(1));

/// Does the handshake. `None` where it failed or took longer than `limit`.
pub(super) async fn accept<S>(
    stream: S,
    peer: SocketAddr,
    config: Arc<ServerConfig>,
    limit: Duration,
) -> Option<(TlsStream<S>, HttpVersion)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let error = match timeout(limit, TlsAcceptor::from(config).accept(stream)).await {
        Ok(Ok(stream)) => {
            let protocol = match stream.get_ref().1.alpn_protocol() {
                Some(ALPN_HTTP2) => HttpVersion::Http2,
                _ => HttpVersion::Http1,
            };
            return Some((stream, protocol));
        }
        Ok(Err(error)) => error,
        Err(_) => io::ErrorKind::TimedOut.into(),
    };
    match advice(&error) {
        Some(advice) if COMPLAINTS.now() => {
            tracing::warn!(%peer, %error, "TLS handshake failed: {advice}");
        }
        // Port scanners, probes of load balancers, clients that went away.
        _ => tracing::debug!(%peer, %error, "TLS handshake failed"),
    }
    None
}

/// What to do about a failed handshake, where a person should do something.
fn advice(error: &io::Error) -> Option<&'static str> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    match error {
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired,
        ) => Some(
            "the client does not accept this server's certificate. If it is an API server, \
             compare caBundle and the service name in the ValidatingWebhookConfiguration with \
             the certificate",
        ),
        rustls::Error::NoCertificatesPresented | rustls::Error::InvalidCertificate(_) => Some(
            "the client has no certificate from the CA given by --client-ca. If it is an API \
             server, see its --admission-control-config-file for the webhook's kubeconfig",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(error: rustls::Error) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }

    #[test]
    fn advice_only_where_a_person_can_act() {
        let unknown_ca = tls(rustls::Error::AlertReceived(AlertDescription::UnknownCA));
        assert!(advice(&unknown_ca).unwrap().contains("caBundle"));
        let nameless = tls(rustls::Error::NoCertificatesPresented);
        assert!(advice(&nameless).unwrap().contains("--client-ca"));
        assert_eq!(advice(&io::ErrorKind::TimedOut.into()), None);
        assert_eq!(advice(&io::ErrorKind::UnexpectedEof.into()), None);
    }
}
