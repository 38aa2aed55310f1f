//! Names that are markup, and requests that are not for this board.

use aso_guard::board::Board;
use aso_guard::board::host_check::HostCheck;
use aso_guard::claim::{HistoryAction, HistoryEntry, Justification, Record};
use aso_guard::object::ObjectKey;
use aso_guard::policy::Policy;
use aso_guard::registry::memory::MemoryRegistry;
use aso_guard::registry::{ReadOnlyRegistry, Registry as _};
use aso_guard::server::{bind, ops};
use http::{Method, StatusCode, header};
use jiff::Timestamp;
use rstest::rstest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::{World, shop};

const MARKUP: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>&amp;";

/// A registry in which all that can be is markup.
async fn hostile() -> World<MemoryRegistry> {
    let world = World::of(MemoryRegistry::new());
    let identity = "/subscriptions/s/resourceGroups/<b onclick=alert(3)>";
    let mut record = Record::new(identity.parse().unwrap());
    for member in ["a", "b"] {
        let key = ObjectKey::new(MARKUP, MARKUP, MARKUP, MARKUP);
        let (copy, held) =
            crate::seed::copy(member, &key, Policy::Manage, Timestamp::now(), MARKUP);
        record.history.push(HistoryEntry {
            at: Timestamp::now(),
            by: MARKUP.into(),
            copy: copy.clone(),
            action: HistoryAction::Create,
            why: Justification::new(MARKUP).unwrap(),
            refusal: MARKUP.into(),
        });
        record.copies.insert(copy, held);
    }
    world.registry.put_claim(&record, None).await.unwrap();
    world.board.count_once().await;
    world
}

#[rstest]
#[case("/")]
#[case("/claims")]
#[case("/claim?id=/subscriptions/s/resourceGroups/%3Cb%20onclick%3Dalert(3)%3E")]
#[case("/members")]
#[case("/conflicts")]
#[case("/orphans")]
#[case(
    "/claims?q=%22%3E%3Cscript%3E&member=%3Cscript%3E&namespace=%22%3E%3Cscript%3E&state=%3Cscript%3E&subscription=%22%3E%3Cscript%3E&group=%22%3E%3Cscript%3E&sort=%22%3E%3Cscript%3E"
)]
#[case("/claim?id=%3Cscript%3Ealert(4)%3C/script%3E")]
#[case("/%3Cscript%3E")]
#[tokio::test]
async fn markup_in_names_is_shown_and_not_obeyed(#[case] path: &str) {
    let world = hostile().await;
    let page = world.ask(Method::GET, "localhost", path).await.body;
    for mark in ["<script>", "<img", "<b onclick", "\"'>"] {
        assert!(!page.contains(mark), "{mark}: {page}");
    }
    if path.starts_with("/claim?id=/subs") {
        assert!(page.contains("&#60;script&#62;alert(1)"), "{page}");
        // A name that could be anything to a shell is in no command to paste.
        assert!(!page.contains("kubectl"), "{page}");
    }
}

#[rstest]
#[case(Method::POST)]
#[case(Method::PUT)]
#[case(Method::PATCH)]
#[case(Method::DELETE)]
#[case(Method::OPTIONS)]
#[tokio::test]
async fn nothing_but_reading_is_answered(#[case] method: Method) {
    let world = shop().await;
    for path in ["/", "/claims", "/board.css", "/nowhere"] {
        let answer = world.ask(method.clone(), "localhost", path).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(answer.headers[header::ALLOW], "GET, HEAD");
    }
    assert_eq!(world.registry.parts_asked(), 3, "only what the count read");
}

#[tokio::test]
async fn head_is_get_without_the_page() {
    let answer = shop().await.ask(Method::HEAD, "localhost", "/claims").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.is_empty());
}

#[rstest]
#[case("evil.example:8090")]
#[case("10.0.0.1")]
#[case("localhost.evil.example")]
#[tokio::test]
async fn a_name_that_is_made_to_point_here_gets_nothing(#[case] host: &str) {
    let world = shop().await;
    for path in ["/", "/claims", "/board.js"] {
        let answer = world.ask(Method::GET, host, path).await;
        assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{path}");
        assert!(!answer.body.contains("shop"), "{}", answer.body);
    }
}

#[tokio::test]
async fn every_answer_forbids_what_is_not_from_here() {
    let world = shop().await;
    for (method, host, path) in [
        (Method::GET, "localhost", "/"),
        (Method::GET, "localhost", "/board.css"),
        (Method::GET, "localhost", "/nowhere"),
        (Method::GET, "evil.example", "/"),
        (Method::POST, "localhost", "/"),
    ] {
        let headers = world.ask(method, host, path).await.headers;
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert!(headers.contains_key(header::CONTENT_TYPE), "{path}");
    }
}

#[tokio::test]
async fn pages_load_nothing_from_elsewhere() {
    let world = shop().await;
    for path in ["/", "/claims", "/members", "/conflicts", "/orphans"] {
        let page = world.page(path).await;
        for foreign in [
            "http://", "https://", "src=\"//", " style=", "<style", " onclick",
        ] {
            assert!(!page.contains(foreign), "{path}: {foreign}");
        }
    }
}

/// One request over a real connection, as its bytes stand.
async fn raw(request: &str) -> String {
    let (listener, address) = bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let board = Board::new(
        ReadOnlyRegistry::new(std::sync::Arc::new(MemoryRegistry::new())),
        "hub",
    );
    let stop = CancellationToken::new();
    let server = tokio::spawn(ops::run_ops(
        listener,
        board.router(HostCheck::local()),
        stop.clone(),
    ));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    stop.cancel();
    server.await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[rstest]
#[case::plain("GET / HTTP/1.1\r\nHost: localhost\r\n", "200")]
#[case::no_host("GET / HTTP/1.1\r\n", "421")]
#[case::two_hosts("GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n", "421")]
#[case::another_in_the_line("GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n", "421")]
#[case::old_without_host("GET / HTTP/1.0\r\n", "421")]
#[tokio::test]
async fn over_a_connection_too(#[case] request: &str, #[case] status: &str) {
    let answer = raw(&format!("{request}Connection: close\r\n\r\n")).await;
    let line = answer.lines().next().unwrap_or_default();
    assert_eq!(line.split(' ').nth(1), Some(status), "{answer}");
}
