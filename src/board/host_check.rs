//! Who may ask, and for what.
//!
//! The board has no login, so it is for this machine: a page of another site must not read
//! it through a browser here, not even with a name that it lets point to this machine (DNS
//! rebinding). So only names that cannot be somebody else's are answered to; nothing but
//! reading is; and a page may load and run only what comes from here.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{self, HeaderName};
use http::uri::Authority;
use http::{HeaderValue, Method, StatusCode};

/// By which names the board may be called.
#[derive(Clone, Debug, Default)]
pub struct HostCheck {
    remote: bool,
    names: Vec<String>,
}

impl HostCheck {
    /// For this machine alone: `localhost`, and loopback addresses.
    pub fn local() -> Self {
        Self::default()
    }

    /// For others too: addresses, and these names.
    pub fn remote(names: &[String]) -> Self {
        Self {
            remote: true,
            names: names.iter().map(|name| name.to_ascii_lowercase()).collect(),
        }
    }

    /// Whether the board is called by a name that is its own. An address always is: to use
    /// one, a browser must be told so.
    fn knows(&self, authority: &str) -> bool {
        let Ok(authority) = authority.parse::<Authority>() else {
            return false;
        };
        let host = authority.host().to_ascii_lowercase();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            Ok(address) => self.remote || address.is_loopback(),
            Err(_) => host == "localhost" || self.names.contains(&host),
        }
    }
}

/// The headers of every answer: nothing from elsewhere, in no frame, kept nowhere.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
         img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

/// Lets a request through, or says why not.
pub(super) async fn check(
    State(host_check): State<Arc<HostCheck>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match refusal(&host_check, &request) {
        Some(response) => response,
        None => next.run(request).await,
    };
    for (name, value) in HEADERS {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

fn refusal(host_check: &HostCheck, request: &Request) -> Option<Response> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    let named = host.is_some_and(|host| host_check.knows(host)) && hosts.next().is_none();
    let authority = request.uri().authority();
    if !named || authority.is_some_and(|authority| !host_check.knows(authority.as_str())) {
        return Some(said(
            StatusCode::MISDIRECTED_REQUEST,
            "This board does not answer to that name: call it by http://localhost or by its \
             address. If it is to be reached by a name, say so: aso-guard dashboard --host NAME\n",
        ));
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    (!reads).then(|| {
        let mut response = said(
            StatusCode::METHOD_NOT_ALLOWED,
            "This board only shows; it changes nothing.\n",
        );
        let allowed = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(header::ALLOW, allowed);
        response
    })
}

fn said(status: StatusCode, words: &'static str) -> Response {
    let mut response = Response::new(Body::from(words));
    *response.status_mut() = status;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("localhost", true)]
    #[case("LocalHost:8090", true)]
    #[case("127.0.0.1:8090", true)]
    #[case("127.8.9.10", true)]
    #[case("[::1]:8090", true)]
    #[case("192.168.1.2:8090", false)]
    #[case("[fe80::1]", false)]
    #[case("evil.example:8090", false)]
    #[case("localhost.evil.example", false)]
    #[case("127.0.0.1.evil.example", false)]
    #[case("evil@localhost/", false)]
    #[case("", false)]
    #[case("::1", false)]
    fn it_answers_to_this_machines_names_alone(#[case] host: &str, #[case] known: bool) {
        assert_eq!(HostCheck::local().knows(host), known);
    }

    #[rstest]
    #[case("192.168.1.2:8090", true)]
    #[case("board.example", true)]
    #[case("BOARD.example:80", true)]
    #[case("localhost", true)]
    #[case("evil.example", false)]
    fn for_others_it_answers_to_the_names_it_was_given(#[case] host: &str, #[case] known: bool) {
        let host_check = HostCheck::remote(&["Board.example".to_owned()]);
        assert_eq!(host_check.knows(host), known);
    }
}
