//! The secret part of a path, which only those know who are to call.
//!
//! A port cannot always demand a client's certificate. A long random segment at the end of the
//! path then says that a caller was told it: `/validate/<segment>`. It is never written to a
//! log, a metric or an error.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, Uri, header};
use subtle::ConstantTimeEq as _;
use tower::Layer as _;
use uuid::Uuid;

use super::metrics::{RejectionReason, ServerMetrics};
use super::rate_limit::RateLimit;

/// Strangers call as often as they like; one line a minute tells enough.
static COMPLAINTS: RateLimit = RateLimit::every(Duration::from_mins(1));

/// The secret segment of a path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PathSecret(Arc<str>);

/// It is no secret segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the secret part of a path has 32 to 128 characters of a-z, A-Z, 0-9, - and _; make one with: \
     openssl rand -hex 32"
)]
pub struct NoPathSecret;

impl PathSecret {
    /// A new one, of 244 random bits.
    pub fn random() -> Self {
        let [one, two] = [(); 2].map(|()| Uuid::new_v4().simple());
        Self(format!("{one}{two}").into())
    }

    /// The path that ends in it.
    pub fn below(&self, base: &str) -> String {
        format!("{base}/{}", self.0)
    }

    /// Itself, to be stored.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for PathSecret {
    type Err = NoPathSecret;

    fn from_str(text: &str) -> Result<Self, NoPathSecret> {
        let taken = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if (32..=128).contains(&text.len()) && text.bytes().all(taken) {
            Ok(Self(text.into()))
        } else {
            Err(NoPathSecret)
        }
    }
}

/// Without the secret.
impl fmt::Debug for PathSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PathSecret")
    }
}

/// The end of a path: `None` where it has no secret part.
pub type PathEnd = Option<PathSecret>;

/// The paths at which calls are taken. Clones share them.
#[derive(Clone, Debug)]
pub struct Paths {
    base: &'static str,
    taken: Arc<ArcSwap<BTreeSet<PathEnd>>>,
}

impl Paths {
    /// Takes calls at `base` itself, such as `/validate`, until told otherwise.
    pub fn plain(base: &'static str) -> Self {
        Self {
            base,
            taken: Arc::new(ArcSwap::from_pointee(BTreeSet::from([None]))),
        }
    }

    /// From now on, takes calls at these and at no other.
    pub fn take(&self, ends: BTreeSet<PathEnd>) {
        self.taken.store(Arc::new(ends));
    }

    /// From now on, takes calls there too.
    pub fn take_too(&self, end: &PathEnd) {
        self.taken.rcu(|taken| {
            let mut taken = BTreeSet::clone(taken);
            taken.insert(end.clone());
            taken
        });
    }

    /// Whether calls are taken there. How long that takes says nothing of a secret but its length.
    fn takes(&self, path: &str) -> bool {
        let end = match path.strip_prefix(self.base) {
            Some("") => None,
            Some(end) => match end.strip_prefix('/') {
                Some(end) => Some(end.as_bytes()),
                None => return false,
            },
            None => return false,
        };
        let taken = self.taken.load();
        let same = taken.iter().map(|taken| match (taken, end) {
            (None, None) => 1,
            (Some(secret), Some(end)) => secret.0.as_bytes().ct_eq(end).unwrap_u8(),
            _ => 0,
        });
        same.fold(0, |any, one| any | one) == 1
    }

    /// Calls `router` with the base of a path that is taken. At any other path the answer is
    /// 404, whatever is sent there: nobody reads it.
    pub fn before(self, router: Router, metrics: ServerMetrics) -> Router {
        let only = middleware::from_fn(move |request: Request, next: Next| {
            let (paths, metrics) = (self.clone(), metrics.clone());
            async move { paths.pass(request, next, &metrics).await }
        });
        Router::new().fallback_service(only.layer(router))
    }

    async fn pass(&self, mut request: Request, next: Next, metrics: &ServerMetrics) -> Response {
        if !self.takes(request.uri().path()) {
            metrics.rejected(RejectionReason::Path);
            if COMPLAINTS.now() {
                let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
                let peer = peer.map(|ConnectInfo(peer)| peer.to_string());
                tracing::warn!(
                    peer,
                    "somebody called at a path that no API server was told; it was not answered. \
                     See docs/security.md, \"Strangers at the port\""
                );
            }
            let close = (header::CONNECTION, HeaderValue::from_static("close"));
            return (StatusCode::NOT_FOUND, [close], "no such path\n").into_response();
        }
        // What comes after it, logs and traces among that, has no use for the secret.
        match without_secret(request.uri(), self.base) {
            Ok(uri) => *request.uri_mut() = uri,
            Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
        }
        next.run(request).await
    }
}

fn without_secret(uri: &Uri, base: &str) -> Result<Uri, http::Error> {
    let path = match uri.query() {
        Some(query) => format!("{base}?{query}"),
        None => base.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path.parse()?);
    Ok(Uri::from_parts(parts)?)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::post;
    use http_body_util::BodyExt as _;
    use rstest::rstest;
    use tower::ServiceExt as _;

    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const OTHER: &str = "0123456789abcdef0123456789abcdeg";

    fn secret(text: &str) -> PathSecret {
        text.parse().unwrap()
    }

    async fn status(paths: &Paths, path: &str) -> StatusCode {
        let said = |uri: Uri| async move { uri.to_string() };
        let router = Router::new().route("/validate", post(said));
        let router = paths.clone().before(router, ServerMetrics::default());
        let request = Request::post(path).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(!body.contains("0123456789"), "{body}");
        if status == StatusCode::OK && path.contains('?') {
            assert!(body.contains("/validate?timeout=10s"), "{body}");
        }
        status
    }

    #[rstest]
    #[case(&[None], "/validate", 200)]
    #[case(&[None], "/validate?timeout=10s", 200)]
    #[case(&[None], "/validate/", 404)]
    #[case(&[None], "/validatex", 404)]
    #[case(&[None], "/", 404)]
    #[case(&[Some(secret(SECRET))], "/validate", 404)]
    #[case(&[Some(secret(SECRET))], "/validate/0123456789abcdef0123456789abcdef", 200)]
    #[case(&[Some(secret(SECRET))], "/validate/0123456789abcdef0123456789abcdef?timeout=10s", 200)]
    #[case(&[Some(secret(SECRET))], "/validate/0123456789abcdef0123456789abcdef/", 404)]
    #[case(&[Some(secret(SECRET))], "/validate/0123456789abcdef0123456789abcde", 404)]
    #[case(&[Some(secret(SECRET))], "/validate/0123456789abcdef0123456789abcdeg", 404)]
    #[case(&[Some(secret(SECRET))], "/validate/", 404)]
    #[case(&[Some(secret(SECRET)), Some(secret(OTHER))], "/validate/0123456789abcdef0123456789abcdeg", 200)]
    #[case(&[None, Some(secret(SECRET))], "/validate", 200)]
    #[case(&[], "/validate", 404)]
    #[tokio::test]
    async fn only_who_was_told_the_path_is_answered(
        #[case] taken: &[PathEnd],
        #[case] path: &str,
        #[case] expected: u16,
    ) {
        let paths = Paths::plain("/validate");
        paths.take(taken.iter().cloned().collect());
        assert_eq!(status(&paths, path).await, expected, "{path}");
    }

    #[tokio::test]
    async fn one_that_is_taken_too_leaves_the_others() {
        let paths = Paths::plain("/validate");
        paths.take_too(&Some(secret(SECRET)));
        assert_eq!(status(&paths, "/validate").await, 200);
        let path = secret(SECRET).below("/validate");
        assert_eq!(status(&paths, &path).await, 200);
    }

    #[test]
    fn a_secret_is_long_and_never_shown() {
        let made = PathSecret::random();
        assert_eq!(made.reveal().parse(), Ok(made.clone()));
        assert_ne!(made, PathSecret::random());
        assert_eq!(made.reveal().len(), 64);
        let paths = Paths::plain("/validate");
        paths.take(BTreeSet::from([Some(made.clone())]));
        assert!(!format!("{made:?} {paths:?}").contains(made.reveal()));
        for wrong in [
            "",
            "short",
            &"x".repeat(31),
            &"x".repeat(129),
            &"/".repeat(40),
        ] {
            assert_eq!(wrong.parse::<PathSecret>(), Err(NoPathSecret));
        }
    }
}
