//! Input that nobody thought of: whatever comes, the answer is 400, or carries the
//! uid of the request.

use aso_guard::admission::review::parse;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::answer::Answer;
use super::hostile::{goes_on, serve};
use super::object::{CREATE, DELETE, account};
use super::server::Version;
use super::world::World;

thread_local! {
    static RUNTIME: tokio::runtime::Runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// What must hold of the answer to any body.
async fn check(router: Router, body: Vec<u8>) {
    let uid = parse(&body).ok().map(|request| request.uid.into_owned());
    let request = Request::post("/validate?timeout=1s");
    let request = request.body(Body::from(body)).unwrap();
    let response = router.oneshot(request).await.unwrap();
    let status = response.status();
    let answer = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    match uid {
        Some(uid) => {
            assert_eq!(status, StatusCode::OK);
            Answer::read(&answer, &uid);
        }
        None => assert_eq!(status, StatusCode::BAD_REQUEST),
    }
}

/// A good review of each sort, in full.
fn good() -> impl Strategy<Value = String> {
    let stored = account("st", "rg").with("/metadata/resourceVersion", json!("7"));
    let parked = stored.clone().policy("skip");
    prop_oneof![
        Just(CREATE.to_owned()),
        Just(DELETE.to_owned()),
        Just(parked.update(&stored).to_string()),
    ]
}

/// A change to some bytes.
#[derive(Clone, Debug)]
enum Slip {
    Replace(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, u8),
    Repeat(Index, u8),
    Cut(Index),
}

fn slip() -> impl Strategy<Value = Slip> {
    let token = prop_oneof![
        vec(any::<u8>(), 1..4),
        prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"", "\\", "null", "true", "-1e9", "\\u0000", "\\ud800",
        ])
        .prop_map(|token| token.as_bytes().to_vec()),
    ];
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Slip::Replace(at, byte)),
        (any::<Index>(), token).prop_map(|(at, bytes)| Slip::Insert(at, bytes)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, many)| Slip::Remove(at, many)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, many)| Slip::Repeat(at, many)),
        any::<Index>().prop_map(Slip::Cut),
    ]
}

impl Slip {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        let place = |at: &Index| at.index(length + 1);
        let range = |at: &Index, many: &u8| {
            let at = place(at);
            at..length.min(at + usize::from(*many))
        };
        match self {
            Self::Replace(at, byte) if place(at) < length => bytes[place(at)] = *byte,
            Self::Replace(..) => {}
            Self::Insert(at, new) => drop(bytes.splice(place(at)..place(at), new.iter().copied())),
            Self::Remove(at, many) => drop(bytes.drain(range(at, many))),
            Self::Repeat(at, many) => {
                let again = bytes[range(at, many)].to_vec();
                bytes.splice(place(at)..place(at), again);
            }
            Self::Cut(at) => bytes.truncate(place(at)),
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        "(/subscriptions/s)?(/resourceGroups/[a-z.#]{0,3})?(/providers/P/t/[a-z\u{0}/]{0,3})?"
            .prop_map(Value::from),
        prop::sample::select(vec![
            "manage", "skip", "Skip", "CREATE", "UPDATE", "DELETE", "stable"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Every place in a JSON value, as pointers.
fn places(json: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    let word = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match json {
        Value::Object(fields) => {
            for (key, value) in fields {
                places(value, &format!("{at}/{}", word(key)), found);
            }
        }
        Value::Array(values) => {
            for (number, value) in values.iter().enumerate() {
                places(value, &format!("{at}/{number}"), found);
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_are_answered(body in vec(any::<u8>(), 0..300)) {
        block_on(check(World::new().a.router, body));
    }

    #[test]
    fn slips_in_a_review_are_answered(good in good(), slips in vec(slip(), 1..5)) {
        let mut body = good.into_bytes();
        for slip in &slips {
            slip.apply(&mut body);
        }
        block_on(check(World::new().a.router, body));
    }

    #[test]
    fn other_values_in_a_review_are_answered(
        good in good(),
        changes in vec((any::<Index>(), any_json()), 1..4),
    ) {
        let mut review: Value = serde_json::from_str(&good).unwrap();
        for (at, value) in changes {
            let mut found = Vec::new();
            places(&review, "", &mut found);
            let place = &found[at.index(found.len())];
            *review.pointer_mut(place).unwrap() = value;
        }
        block_on(check(World::new().a.router, review.to_string().into_bytes()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// The same over TLS, many on one connection.
    #[test]
    fn slips_disturb_no_connection(bodies in vec((good(), vec(slip(), 1..5)), 20)) {
        block_on(async {
            let server = serve().await;
            let mut client = server.connect(Version::Http2).await;
            for (good, slips) in bodies {
                let mut body = good.into_bytes();
                for slip in &slips {
                    slip.apply(&mut body);
                }
                let reply = client.post("/validate", body).await;
                assert!(matches!(reply.status.as_u16(), 200 | 400), "{}", reply.text());
            }
            goes_on(&mut client).await;
        });
    }
}
