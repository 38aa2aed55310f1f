//! Bad input over real TLS: a clear answer, and the server goes on.

use std::time::Duration;

use aso_guard::server::ServerConfig;
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::answer::Answer;
use super::object::{CREATE, DELETE, group, with};
use super::server::{Client, Reply, Server, VERSIONS, Version, config, soon};
use super::world::World;

/// The webhook of cluster `a`, behind the server.
pub async fn serve() -> Server {
    Server::start(World::new().a.router, config()).await
}

/// A good call, which must be answered as ever.
pub async fn goes_on(client: &mut Client) {
    let name = format!("rg-{}", uuid::Uuid::new_v4());
    let review = group(&name).create();
    let uid = review["request"]["uid"].as_str().unwrap();
    let reply = client
        .post("/validate?timeout=10s", review.to_string())
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    Answer::read(&reply.body, uid).admitted();
}

/// What becomes of a body.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// 400, and a line that says why.
    BadRequest,
    /// A refusal to the right uid, for what cannot be read.
    Unreadable,
    /// A yes to the right uid, perhaps with warnings.
    Yes,
}

use Fate::{BadRequest, Unreadable, Yes};

fn check(what: &str, fate: Fate, reply: &Reply) {
    let words = format!("{what}: {} {}", reply.status, reply.text());
    let status = if matches!(fate, BadRequest) { 400 } else { 200 };
    assert_eq!(reply.status, status, "{words}");
    assert!((10..4096).contains(&reply.body.len()), "{words}");
    match fate {
        BadRequest => assert!(reply.body.ends_with(b"\n"), "{words}"),
        Unreadable => drop(
            Answer::read(&reply.body, "u-1")
                .refused(400, "Unreadable")
                .len(),
        ),
        Yes => assert!(Answer::read(&reply.body, "u-1").allowed, "{words}"),
    }
}

/// Posts each body in both versions of HTTP, with a good call after each.
async fn post_each(bodies: &[(&str, Vec<u8>, Fate)]) {
    let server = serve().await;
    for version in VERSIONS {
        let mut client = server.connect(version).await;
        for (what, body, fate) in bodies {
            let reply = client.post("/validate", body.clone()).await;
            check(what, *fate, &reply);
            goes_on(&mut client).await;
        }
    }
}

/// A review with this request, as bytes.
fn review(request: impl AsRef<[u8]>) -> Vec<u8> {
    let head = br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":"#;
    [head.as_slice(), request.as_ref(), b"}"].concat()
}

/// A review of a resource group, with what its request has besides.
fn of_group(rest: &str) -> Vec<u8> {
    review(format!(
        r#"{{"uid":"u-1","kind":{{"group":"resources.azure.com","kind":"ResourceGroup"}},"namespace":"team",{rest}}}"#
    ))
}

/// A review of the creation of this resource group.
fn creating(object: &str) -> Vec<u8> {
    of_group(&format!(r#""operation":"CREATE","object":{object}"#))
}

/// So much of the same around something, and the counterpart on the other side.
fn nested(open: &str, inner: &str, close: &str) -> String {
    const DEPTH: usize = 100_000;
    [&open.repeat(DEPTH), inner, &close.repeat(DEPTH)].concat()
}

#[tokio::test]
async fn what_is_no_review_is_a_bad_request() {
    let create: Value = serde_json::from_str(CREATE).unwrap();
    let but = |pointer: &str, value: &str| {
        with(create.clone(), pointer, json!(value))
            .to_string()
            .into()
    };
    post_each(&[
        ("nothing", vec![], BadRequest),
        ("no JSON", b"kind: AdmissionReview".to_vec(), BadRequest),
        ("zeros", vec![0; 100], BadRequest),
        (
            "a byte order mark",
            [b"\xef\xbb\xbf", CREATE.as_bytes()].concat(),
            BadRequest,
        ),
        ("null", b"null".to_vec(), BadRequest),
        ("a number", b"1e999999".to_vec(), BadRequest),
        ("an empty object", b"{}".to_vec(), BadRequest),
        (
            "an array",
            br#"["admission.k8s.io/v1","AdmissionReview",{"uid":"u"}]"#.to_vec(),
            BadRequest,
        ),
        (
            "an older version",
            but("/apiVersion", "admission.k8s.io/v1beta1"),
            BadRequest,
        ),
        ("another group", but("/apiVersion", "v1"), BadRequest),
        ("another kind", but("/kind", "TokenReview"), BadRequest),
        (
            "no request",
            br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#.to_vec(),
            BadRequest,
        ),
        ("a null request", review("null"), BadRequest),
        ("an array for a request", review(r#"["u-1"]"#), BadRequest),
        ("an empty request", review("{}"), BadRequest),
        (
            "an empty uid",
            review(r#"{"uid":"","operation":"CREATE"}"#),
            BadRequest,
        ),
        (
            "two reviews",
            [CREATE.as_bytes(), CREATE.as_bytes()].concat(),
            BadRequest,
        ),
        (
            "a request twice",
            review(r#"{"uid":"u-1"},"request":{"uid":"u-2"}"#),
            BadRequest,
        ),
        ("a uid twice", of_group(r#""uid":"u-2""#), BadRequest),
        (
            "no UTF-8 in the uid",
            review(b"{\"uid\":\"\xff\"}"),
            BadRequest,
        ),
        (
            "half a surrogate",
            of_group(r#""operation":"\ud800""#),
            BadRequest,
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_is_no_request_about_an_object_is_refused() {
    let name = r#""metadata":{"name":"rg"}"#;
    post_each(&[
        ("CREATE without object", of_group(r#""operation":"CREATE""#), Unreadable),
        ("CREATE of null", creating("null"), Unreadable),
        ("UPDATE without object", of_group(&format!(r#""operation":"UPDATE","oldObject":{{{name}}}"#)), Unreadable),
        ("UPDATE without oldObject", of_group(&format!(r#""operation":"UPDATE","object":{{{name}}}"#)), Unreadable),
        ("DELETE without oldObject", of_group(&format!(r#""operation":"DELETE","object":{{{name}}}"#)), Unreadable),
        ("no operation", of_group(&format!(r#""object":{{{name}}}"#)), Unreadable),
        ("another operation", of_group(&format!(r#""operation":"create","object":{{{name}}}"#)), Unreadable),
        ("an object without a name", creating("{}"), Unreadable),
        ("an array for an object", creating(&format!("[{{{name}}}]")), Unreadable),
        ("metadata twice", creating(&format!("{{{name},{name}}}")), Unreadable),
        ("half a surrogate", creating(r#"{"metadata":{"name":"\udfff"}}"#), Unreadable),
        ("CONNECT", of_group(r#""operation":"CONNECT","object":{"kind":"PodExecOptions","stdin":true}"#), Yes),
        ("an unknown kind", review(format!(
            r#"{{"uid":"u-1","kind":{{"group":"new.azure.com","kind":"Thing"}},"namespace":"team","operation":"CREATE","object":{{{name}}}}}"#
        )), Yes),
        ("no kind", review(format!(r#"{{"uid":"u-1","namespace":"team","operation":"CREATE","object":{{{name}}}}}"#)), Unreadable),
    ])
    .await;
}

#[tokio::test]
async fn no_utf8_is_refused_wherever_it_stands() {
    let create =
        creating(r#"{"metadata":{"name":"rg"},"spec":{"azureName":"@","tags":{"a":"@"}}}"#);
    let ats = create.iter().enumerate().filter(|(_, byte)| **byte == b'@');
    let bodies = ats.map(|(at, _)| {
        let mut body = create.clone();
        body[at] = 0xff;
        ("no UTF-8", body, BadRequest)
    });
    post_each(&bodies.collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn depth_is_no_danger() {
    let arrays = nested("[", "", "]");
    let objects = nested(r#"{"a":"#, "1", "}");
    let key = "serviceoperator.azure.com/reconcile-policy";
    let annotated = |key: &str, value: &str| {
        creating(&format!(
            r#"{{"metadata":{{"name":"rg","annotations":{{"{key}":{value}}}}}}}"#
        ))
    };
    post_each(&[
        ("arrays", arrays.clone().into(), BadRequest),
        ("objects", objects.clone().into(), BadRequest),
        ("half of arrays", arrays[..100_000].into(), BadRequest),
        ("half of objects", objects[..500_000].into(), BadRequest),
        (
            "in the review",
            format!(r#"{{"x":{arrays},"y":{objects}}}"#).into(),
            BadRequest,
        ),
        ("for the request", review(&objects), BadRequest),
        (
            "for the user",
            of_group(&format!(r#""operation":"CREATE","userInfo":{arrays}"#)),
            BadRequest,
        ),
        (
            "in the request",
            of_group(&format!(
                r#""operation":"CREATE","x":{arrays},"object":{{"metadata":{{"name":"rg"}}}}"#
            )),
            Yes,
        ),
        ("for the object", creating(&arrays), Unreadable),
        ("for the object too", creating(&objects), Unreadable),
        (
            "in the object",
            creating(&format!(
                r#"{{"metadata":{{"name":"rg"}},"x":{objects},"spec":{{"x":{arrays}}}}}"#
            )),
            Yes,
        ),
        (
            "for the spec",
            creating(&format!(
                r#"{{"metadata":{{"name":"rg"}},"spec":{arrays}}}"#
            )),
            Unreadable,
        ),
        ("for an annotation", annotated(key, &arrays), Unreadable),
        (
            "for an annotation too",
            annotated(key, &objects),
            Unreadable,
        ),
        (
            "for an annotation that is not read",
            annotated("x", &objects),
            Yes,
        ),
        (
            "for azureNameFromConfig",
            creating(&format!(
                r#"{{"metadata":{{"name":"rg"}},"spec":{{"azureNameFromConfig":{objects}}}}}"#
            )),
            Yes,
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_body_cut_short_is_a_bad_request() {
    let server = serve().await;
    for version in VERSIONS {
        let mut client = server.connect(version).await;
        for fixture in [CREATE, DELETE] {
            let whole = fixture.trim_end();
            for at in (0..whole.len()).step_by(41) {
                let reply = client.post("/validate", &whole.as_bytes()[..at]).await;
                check("cut short", BadRequest, &reply);
            }
        }
        goes_on(&mut client).await;
    }
}

#[tokio::test]
async fn a_body_that_never_comes_whole_disturbs_nobody() {
    let server = serve().await;
    let mut stream = server.tls(Version::Http1).await;
    let head = format!(
        "POST /validate HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n",
        CREATE.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&CREATE.as_bytes()[..100]).await.unwrap();
    stream.flush().await.unwrap();
    goes_on(&mut server.connect(Version::Http2).await).await;
    stream.shutdown().await.unwrap();
    goes_on(&mut server.connect(Version::Http1).await).await;
}

#[tokio::test]
async fn two_large_objects_are_read_and_larger_bodies_are_not() {
    let server = serve().await;
    let filler = |size: usize| json!("x\\".repeat(size / 2));
    let large = group("rg").with("/spec/tags/filler", filler(3 << 19));
    let parked = large.clone().policy("skip");
    for version in VERSIONS {
        let mut client = server.connect(version).await;
        let update = parked.update(&large);
        let body = update.to_string();
        assert!(body.len() > 3 << 20);
        let reply = client.post("/validate", body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let uid = update["request"]["uid"].as_str().unwrap();
        Answer::read(&reply.body, uid).admitted();

        let huge = group("rg").with("/spec/tags/filler", filler(20 << 20));
        let reply = client.post("/validate", huge.create().to_string()).await;
        assert_eq!(reply.status, 413, "{}", reply.text());
        goes_on(&mut server.connect(version).await).await;
    }
}

#[tokio::test]
async fn there_is_one_way_in() {
    let server = serve().await;
    for version in VERSIONS {
        let mut client = server.connect(version).await;
        for (method, path, status) in [
            (Method::GET, "/validate", 405),
            (Method::PUT, "/validate", 405),
            (Method::DELETE, "/validate?timeout=10s", 405),
            (Method::POST, "/", 404),
            (Method::POST, "/validate/", 404),
            (Method::POST, "/mutate", 404),
            (Method::GET, "/metrics", 404),
            (Method::POST, "/validate?timeout=-1s&timeout=%00&x", 200),
            (Method::POST, "/validate?timeout=99999999999999999999s", 200),
        ] {
            let reply = client.call(method.clone(), path, CREATE).await.unwrap();
            assert_eq!(reply.status, status, "{method} {path}");
            goes_on(&mut client).await;
        }
    }
}

#[tokio::test]
async fn half_open_handshakes_disturb_nobody() {
    /// The beginning of a TLS record with a ClientHello.
    const HALF_HELLO: [u8; 7] = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00];
    let impatient = ServerConfig {
        handshake_timeout: Duration::from_millis(300),
        ..config()
    };
    let server = Server::start(World::new().a.router, impatient).await;
    let mut half_open = Vec::new();
    for beginning in [
        &HALF_HELLO[..],
        &HALF_HELLO[..3],
        b"",
        b"POST /validate HTTP/1.1\r\n",
    ]
    .repeat(25)
    {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(beginning).await.unwrap();
        half_open.push(stream);
    }
    for version in VERSIONS {
        goes_on(&mut server.connect(version).await).await;
    }
    for mut stream in half_open {
        let mut said = Vec::new();
        // A reset is as good as an end.
        let _ = soon(stream.read_to_end(&mut said)).await;
        assert!(said.len() < 100, "{said:?}");
    }
    for version in VERSIONS {
        goes_on(&mut server.connect(version).await).await;
    }
}
