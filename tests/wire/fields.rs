//! Every field that the guard reads, with every type of value in it.

use serde_json::{Value, json};

use super::answer::Answer;
use super::hostile::{goes_on, serve};
use super::object::{Object, account, with};
use super::server::{Client, Version};

/// What a field is to hold.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Type {
    Text,
    Object,
    Bool,
    /// It only matters that it is there.
    Any,
}

use Type::{Any, Bool, Text};

/// The fields of the envelope.
const ENVELOPE: [(&str, Type); 12] = [
    ("/apiVersion", Text),
    ("/kind", Text),
    ("/request", Type::Object),
    ("/request/uid", Text),
    ("/request/kind", Type::Object),
    ("/request/kind/group", Text),
    ("/request/kind/kind", Text),
    ("/request/namespace", Text),
    ("/request/operation", Text),
    ("/request/userInfo", Type::Object),
    ("/request/userInfo/username", Text),
    ("/request/dryRun", Bool),
];

/// The fields of the objects.
const OBJECT: [(&str, Type); 27] = [
    ("", Type::Object),
    ("/metadata", Type::Object),
    ("/metadata/name", Text),
    ("/metadata/uid", Text),
    ("/metadata/resourceVersion", Text),
    ("/metadata/deletionTimestamp", Text),
    ("/metadata/annotations", Type::Object),
    (
        "/metadata/annotations/serviceoperator.azure.com~1reconcile-policy",
        Text,
    ),
    (
        "/metadata/annotations/serviceoperator.azure.com~1resource-id",
        Text,
    ),
    (
        "/metadata/annotations/serviceoperator.azure.com~1credential-from",
        Text,
    ),
    (
        "/metadata/annotations/serviceoperator.azure.com~1operator-namespace",
        Text,
    ),
    (
        "/metadata/annotations/serviceoperator.azure.com~1azure-name-from-config",
        Text,
    ),
    (
        "/metadata/annotations/serviceoperator.azure.com~1child-resource-id-override",
        Text,
    ),
    (
        "/metadata/annotations/serviceoperator.azure.com~1poller-resume-token",
        Text,
    ),
    ("/spec", Type::Object),
    ("/spec/azureName", Text),
    ("/spec/azureNameFromConfig", Any),
    ("/spec/owner", Type::Object),
    ("/spec/owner/group", Text),
    ("/spec/owner/kind", Text),
    ("/spec/owner/name", Text),
    ("/spec/owner/armId", Text),
    ("/spec/operatorSpec", Type::Object),
    ("/spec/operatorSpec/namingConvention", Text),
    ("/status", Type::Object),
    ("/status/id", Text),
    ("/status/conditions", Any),
];

/// A value of each type, and an array that holds what could be a struct's fields.
fn values() -> [Value; 8] {
    [
        Value::Null,
        json!(7),
        json!(-1.5e300),
        json!(true),
        json!("text"),
        json!([]),
        json!(["text", "text", "text", "text", "text", "text"]),
        json!({}),
    ]
}

impl Type {
    /// Whether a value is of another type. Null is none at all.
    fn is_not(self, value: &Value) -> bool {
        !match self {
            Text => value.is_string() || value.is_null(),
            Bool => value.is_boolean() || value.is_null(),
            Self::Object => value.is_object() || value.is_null(),
            Any => true,
        }
    }
}

/// A review of each operation, with a full object.
fn reviews() -> [Value; 3] {
    let stored: Object = account("st", "rg").with("/metadata/resourceVersion", json!("7"));
    let changed = stored.clone().with("/spec/azureName", json!("st2"));
    [
        account("st", "rg").create(),
        stored.update(&changed),
        stored.delete(),
    ]
}

/// What is said to a review that may lack its uid: 400, or an answer.
async fn say(client: &mut Client, review: &Value) -> Result<Answer, u16> {
    let reply = client.post("/validate", review.to_string()).await;
    if reply.status != 200 {
        assert_eq!(reply.status, 400, "{review}: {}", reply.text());
        return Err(reply.status.as_u16());
    }
    let uid = review["request"]["uid"].as_str().unwrap();
    Ok(Answer::read(&reply.body, uid))
}

#[tokio::test]
async fn a_wrong_type_in_the_envelope_is_a_bad_request() {
    let server = serve().await;
    let mut client = server.connect(Version::Http2).await;
    for review in reviews() {
        for (field, type_) in ENVELOPE {
            for value in values() {
                let odd = with(review.clone(), field, value.clone());
                let said = say(&mut client, &odd).await;
                if type_.is_not(&value) {
                    assert!(said.is_err(), "{field}: {value} came to {said:?}");
                }
                goes_on(&mut client).await;
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_type_in_an_object_is_refused() {
    let server = serve().await;
    let mut client = server.connect(Version::Http2).await;
    for review in reviews() {
        for object in ["/request/object", "/request/oldObject"] {
            if review.pointer(object).is_none_or(Value::is_null) {
                continue;
            }
            for (field, type_) in OBJECT {
                for value in values() {
                    let odd = with(review.clone(), &format!("{object}{field}"), value.clone());
                    let answer = say(&mut client, &odd).await;
                    let answer = answer.expect("the envelope is in order");
                    if type_.is_not(&value) {
                        let message = answer.refused(400, "Unreadable");
                        assert!(message.contains("expected"), "{field}: {value}: {message}");
                    }
                    goes_on(&mut client).await;
                }
            }
        }
    }
}
