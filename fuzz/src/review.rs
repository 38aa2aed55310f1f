//! The body of a call of the webhook.

use std::sync::Arc;

use aso_guard::admission::review::parse;
use aso_guard::admission::router;
use aso_guard::object::wire::{WireCrd, WireNamespace};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use tower::ServiceExt as _;

use super::answer::Answer;
use super::world::{Member, Registry, block_on};

/// Calls the webhook of a new cluster with this body: its answer is a 400, or
/// carries the uid of the request.
pub fn check(input: &[u8]) {
    check_parts(input);
    let registry = Arc::new(Registry::new());
    let member = Member::new("a", &registry);
    for guard in [&member.guard, &member.audit] {
        block_on(is_answered(router(guard.clone()), input.to_vec()));
    }
}

/// What must hold of a webhook's answer to any body.
async fn is_answered(router: Router, body: Vec<u8>) {
    let uid = parse(&body).ok().map(|request| request.uid.into_owned());
    let request = Request::post("/validate?timeout=1s");
    let request = request.body(Body::from(body)).unwrap();
    let response = router.oneshot(request).await.unwrap();
    let status = response.status();
    let answer = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    if let Some(uid) = uid {
        assert_eq!(status, StatusCode::OK);
        Answer::read(&answer, &uid);
    } else {
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
}

/// The parts of a review that are read one by one.
fn check_parts(body: &[u8]) {
    let Ok(request) = parse(body) else { return };
    assert!(!request.uid.is_empty());
    for facts in [request.object(), request.old_object()] {
        let Ok(Some(facts)) = facts else { continue };
        assert_eq!(*facts.key.group, *request.kind.group);
        assert_eq!(*facts.key.kind, *request.kind.kind);
        assert_eq!(*facts.key.namespace, *request.namespace);
        assert!(!facts.key.name.is_empty());
        // It stands in commands that people are to paste.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '/');
        assert!(facts.key.to_string().chars().all(is_plain), "{facts:?}");
    }
    drop(request.both::<WireNamespace>());
    drop(request.both::<WireCrd>());
}
