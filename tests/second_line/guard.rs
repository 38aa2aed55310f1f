//! The guard's own verdicts, by the same claims.

use std::sync::Arc;
use std::time::Duration;

use aso_guard::admission::{
    AdmissionMetrics, CutOffRequests, Guard, GuardSettings, Mode, OnUnresolved, Privileges, router,
};
use aso_guard::telemetry::NoNotices;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::lab::object::Object;
use crate::line::{Line, member};

/// A guard that enforces, in this process.
pub struct Judge(Router);

/// Its verdict.
#[derive(Debug)]
pub struct Judged {
    pub allowed: bool,
    /// The reason token of a refusal.
    pub reason: String,
    pub message: String,
}

/// A request as API servers send it.
pub struct Asked<'a> {
    pub operation: &'a str,
    pub old: Option<&'a Object>,
    pub new: Option<&'a Object>,
    pub options: Value,
}

impl Judge {
    pub fn of(line: &Line) -> Self {
        let guard = Guard {
            cut_off: CutOffRequests::default(),
            shards: Vec::new(),
            fence: Arc::default(),
            epoch: line.epoch.clone(),
            member: member(),
            registry: line.registry.clone(),
            cluster: line.cluster.clone(),
            follow_up: line.claims.clone(),
            settings: GuardSettings {
                mode: Mode::Enforce,
                on_unresolved: OnUnresolved::Warn,
                claim_deadline: Duration::from_secs(90),
            },
            notices: Arc::new(NoNotices),
            metrics: AdmissionMetrics::default(),
            privileges: Privileges {
                mode_groups: vec!["security".to_owned()],
                ..Privileges::default()
            },
        };
        Self(router(Arc::new(guard)))
    }

    /// What it says to a dry run.
    pub async fn verdict(&self, asked: &Asked<'_>) -> Judged {
        let one = asked.new.or(asked.old).unwrap();
        let is_namespace = one.kind() == "Namespace";
        let namespace = if is_namespace {
            one.name()
        } else {
            one.text("/metadata/namespace")
        };
        let review = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": uuid::Uuid::new_v4().to_string(),
                "kind": {"group": one.group(), "version": "v1", "kind": one.kind()},
                "resource": {"group": one.group(), "version": "v1", "resource": "things"},
                "name": one.name(),
                "namespace": namespace,
                "operation": asked.operation,
                "userInfo": {"username": "admin", "groups": ["system:masters"]},
                "object": asked.new.map(|object| &object.0),
                "oldObject": asked.old.map(|object| &object.0),
                "options": asked.options,
                "dryRun": true,
            }
        });
        let request = Request::post("/validate?timeout=10s")
            .body(Body::from(review.to_string()))
            .unwrap();
        let response = self.0.clone().oneshot(request).await.unwrap();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let answer: Value = serde_json::from_slice(&body).unwrap();
        let text = |pointer: &str| {
            answer
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or("")
                .to_owned()
        };
        Judged {
            allowed: answer["response"]["allowed"].as_bool().unwrap(),
            reason: text("/response/status/reason"),
            message: text("/response/status/message"),
        }
    }
}
