use std::convert::Infallible;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::client::Body;
use rstest::rstest;
use serde_json::Value;
use tower::service_fn;

use super::*;

fn notice(name: &str, message: &str) -> Notice {
    Notice {
        object: ObjectKey::new("resources.azure.com", "ResourceGroup", "team", name),
        uid: Some("u-1".into()),
        severity: Severity::Warning,
        reason: "Conflict",
        action: "Observe",
        message: message.to_owned(),
        occasion: "2026-03-01T12:00:00Z".to_owned(),
    }
}

/// What an API server was asked: method, path and body.
type Asked = (String, String, Value);

/// Events in front of an API server that answers with this code, once it is run.
fn events(code: u16) -> (Events, Publisher, mpsc::UnboundedReceiver<Asked>) {
    let (sender, asked) = mpsc::unbounded_channel();
    let api_server = service_fn(move |request: Request<Body>| {
        let sender = sender.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let body = serde_json::from_slice(&body).unwrap();
            let path = parts.uri.path().to_owned();
            let _ = sender.send((parts.method.to_string(), path, body));
            let answer = if code == 200 {
                r#"{"metadata": {"name": "x"}, "eventTime": null}"#.to_owned()
            } else {
                format!(
                    r#"{{"kind": "Status", "status": "Failure", "message": "no", "reason": "No", "code": {code}}}"#
                )
            };
            let body = Body::from(answer.into_bytes());
            Ok::<_, Infallible>(Response::builder().status(code).body(body).unwrap())
        }
    });
    let versions: ApiVersions =
        Box::new(|group, kind| (kind == "ResourceGroup").then(|| format!("{group}/v1api20200601")));
    let client = Client::new(api_server, "default");
    let (events, publisher) = Events::new(client, versions, "guard-0", EventMetrics::default());
    (events, publisher, asked)
}

fn counted(events: &Events, outcome: &'static str) -> u64 {
    let labels = EventLabels { outcome };
    events.metrics.events.get_or_create(&labels).get()
}

#[tokio::test(start_paused = true)]
async fn a_notice_is_an_event_that_kubectl_describe_shows() {
    let (events, publisher, mut asked) = events(200);
    tokio::spawn(publisher.run(CancellationToken::new()));
    events.report(notice("rg", "two are live:\n  kubectl annotate …"));
    let (method, path, event) = asked.recv().await.unwrap();
    assert_eq!(
        (&*method, &*path),
        ("POST", "/apis/events.k8s.io/v1/namespaces/team/events")
    );
    let regarding = serde_json::json!({
        "apiVersion": "resources.azure.com/v1api20200601", "kind": "ResourceGroup",
        "namespace": "team", "name": "rg", "uid": "u-1",
    });
    assert_eq!(event["regarding"], regarding);
    assert_eq!(event["note"], "two are live: kubectl annotate …");
    assert_eq!(
        (&event["type"], &event["reason"]),
        (&"Warning".into(), &"Conflict".into())
    );
    assert_eq!(event["reportingInstance"], "guard-0");
}

#[tokio::test(start_paused = true)]
async fn what_has_no_namespace_is_told_of_in_the_default_one() {
    let (events, publisher, mut asked) = events(200);
    tokio::spawn(publisher.run(CancellationToken::new()));
    let object = ObjectKey::new("", "Namespace", "", "team");
    events.report(Notice {
        object,
        ..notice("", "no")
    });
    let (_, path, event) = asked.recv().await.unwrap();
    assert_eq!(path, "/apis/events.k8s.io/v1/namespaces/default/events");
    assert_eq!(event["regarding"]["namespace"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_retries_in_a_loop_is_told_of_once_a_minute() {
    let (events, publisher, mut asked) = events(200);
    tokio::spawn(publisher.run(CancellationToken::new()));
    for second in 0..=60 {
        events.report(notice(
            "rg",
            &format!("held; last heard from {second} s ago"),
        ));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let (method, _, created) = asked.recv().await.unwrap();
    assert_eq!(method, "POST");
    let (method, path, body) = asked.recv().await.unwrap();
    assert_eq!(method, "PATCH");
    assert!(
        path.ends_with(created["metadata"]["name"].as_str().unwrap()),
        "{path}"
    );
    assert_eq!(body["series"]["count"], 61);
    assert!(asked.try_recv().is_err());
    assert_eq!(
        (counted(&events, PUBLISHED), counted(&events, FOLDED)),
        (2, 59)
    );
}

#[tokio::test(start_paused = true)]
async fn other_words_are_other_news() {
    let (events, publisher, mut asked) = events(200);
    tokio::spawn(publisher.run(CancellationToken::new()));
    events.report(notice("rg", "live in cluster b"));
    events.report(notice("rg", "live in cluster c"));
    events.report(Notice {
        uid: None,
        ..notice("rg", "live in cluster c")
    });
    let mut names = std::collections::HashSet::new();
    for _ in 0..3 {
        let (method, _, event) = asked.recv().await.unwrap();
        assert_eq!(method, "POST");
        assert!(names.insert(event["metadata"]["name"].to_string()));
    }
}

#[tokio::test(start_paused = true)]
async fn telling_never_waits_and_a_flood_stays_a_trickle() {
    let (events, publisher, mut asked) = events(200);
    // Nobody publishes yet.
    for n in 0..10_000 {
        events.report(notice(&format!("rg{n}"), "no"));
    }
    assert_eq!(counted(&events, DROPPED), 10_000 - QUEUE as u64);
    tokio::spawn(publisher.run(CancellationToken::new()));
    tokio::time::sleep(Duration::from_secs(4)).await;
    let mut made = 0;
    while asked.try_recv().is_ok() {
        made += 1;
    }
    assert!((BURST..=BURST + 21).contains(&made), "{made}");
    // What was dropped is no repeat: it is told when there is room.
    tokio::time::sleep(Duration::from_mins(2)).await;
    while asked.try_recv().is_ok() {}
    events.report(notice("rg9999", "no"));
    assert_eq!(asked.recv().await.unwrap().0, "POST");
}

#[tokio::test(start_paused = true)]
async fn memory_has_an_end() {
    let (events, mut publisher, _asked) = events(200);
    for n in 0..REMEMBERED * 2 {
        events.report(notice(&format!("rg{n}"), "no"));
        let _ = publisher.queue.try_recv();
    }
    assert_eq!(events.memory.lock().len(), REMEMBERED);
    assert_eq!(counted(&events, DROPPED), REMEMBERED as u64);
    tokio::time::sleep(FOLD).await;
    events.report(notice("one more", "no"));
    assert_eq!(events.memory.lock().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_replicas_tell_of_one_occasion_in_one_event() {
    let mut names = Vec::new();
    let later = Notice {
        occasion: "2026-03-01T13:00:00Z".to_owned(),
        ..notice("rg", "no")
    };
    for published in [notice("rg", "no"), notice("rg", "no"), later] {
        let (events, publisher, mut asked) = events(409);
        tokio::spawn(publisher.run(CancellationToken::new()));
        events.report(published);
        let (_, _, event) = asked.recv().await.unwrap();
        names.push(event["metadata"]["name"].to_string());
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!((counted(&events, FOLDED), counted(&events, FAILED)), (1, 0));
    }
    assert_eq!(names[0], names[1]);
    assert_ne!(names[0], names[2], "it happened again");
}

#[rstest]
#[case::refused(403, FAILED)]
#[case::broken(500, FAILED)]
#[tokio::test(start_paused = true)]
async fn an_api_server_that_takes_none_changes_nothing(
    #[case] code: u16,
    #[case] outcome: &'static str,
) {
    let (events, publisher, mut asked) = events(code);
    tokio::spawn(publisher.run(CancellationToken::new()));
    events.report(notice("a", "no"));
    events.report(notice("b", "no"));
    for _ in 0..2 {
        asked.recv().await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(counted(&events, outcome), 2);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_was_forgotten_is_made_again() {
    let (events, publisher, mut asked) = events(404);
    tokio::spawn(publisher.run(CancellationToken::new()));
    events.report(notice("rg", "no"));
    tokio::time::sleep(FOLD).await;
    events.report(notice("rg", "no"));
    let mut methods = Vec::new();
    for _ in 0..3 {
        methods.push(asked.recv().await.unwrap().0);
    }
    assert_eq!(methods, ["POST", "PATCH", "POST"]);
}

#[test]
fn names_and_notes_have_the_length_that_api_servers_take() {
    let long = notice(&"n".repeat(253), &"ü".repeat(2000));
    let published = PublishedNotice::first(&long, &NoticeKey::of(&long), Instant::now());
    assert_eq!(published.name.len(), 253);
    let note = clip(&long.message, NOTE);
    assert!(note.len() <= NOTE && note.ends_with('…'));
    assert_eq!(clip("short", NOTE), "short");
}
