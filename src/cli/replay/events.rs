//! The events of API servers' audit logs, in the forms in which people have them.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::check::Location;

/// A request that an API server carried out.
#[derive(Clone, Debug)]
pub(super) struct AuditEvent {
    pub(super) at: Timestamp,
    pub(super) verb: String,
    pub(super) user: Value,
    /// The API group, and below which subresource it was made.
    pub(super) group: String,
    pub(super) subresource: String,
    /// What is named: its namespace and name.
    pub(super) named: (String, String),
    /// What the API server answered with: the object as it is stored.
    pub(super) answer: Value,
    pub(super) place: Location,
}

/// Why an entry tells nothing that could be replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SkippedEntry {
    /// It is none of a change of an ASO object or a namespace, or one that failed.
    NotOfInterest,
    /// It has no object in it: its level is below `RequestResponse`.
    TooLittle,
    /// It is no event.
    NoEvent,
}

/// The entries of a log: a JSON value on each line, or one array or list of them; each with its
/// line.
pub(super) fn entries(text: &str) -> Vec<(u32, Option<Value>)> {
    let whole: Option<Value> = serde_json::from_str(text).ok();
    let list = whole.as_ref().and_then(|whole| match whole {
        Value::Array(all) => Some(all),
        Value::Object(fields) => ["records", "items", "value"]
            .iter()
            .find_map(|key| fields.get(*key)?.as_array()),
        _ => None,
    });
    if let Some(list) = list {
        return list.iter().map(|one| (1, Some(one.clone()))).collect();
    }
    let lines = (1..).zip(text.lines());
    lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(at, line)| (at, serde_json::from_str(line).ok()))
        .collect()
}

/// Reads an entry.
///
/// # Errors
/// Why it is skipped.
pub(super) fn event(entry: Value, place: Location) -> Result<AuditEvent, SkippedEntry> {
    let event = unpacked(entry).ok_or(SkippedEntry::NoEvent)?;
    let text = |path: &str| {
        let found = event.pointer(path).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    if text("/verb").is_empty() {
        return Err(SkippedEntry::NoEvent);
    }
    let group = text("/objectRef/apiGroup");
    let is_ours = group.ends_with(".azure.com")
        || group.is_empty() && text("/objectRef/resource") == "namespaces";
    let code = event
        .pointer("/responseStatus/code")
        .and_then(Value::as_u64);
    let ended = matches!(&*text("/stage"), "" | "ResponseComplete");
    let changes = matches!(
        &*text("/verb"),
        "create" | "update" | "patch" | "delete" | "deletecollection"
    );
    let dry = text("/requestURI").contains("dryRun=");
    let subresource = text("/objectRef/subresource");
    let succeeded = code.is_none_or(|code| (200..300).contains(&code));
    let counts = matches!(&*subresource, "" | "status" | "finalize");
    if !(is_ours && ended && changes && !dry && succeeded && counts) {
        return Err(SkippedEntry::NotOfInterest);
    }
    let at = [text("/requestReceivedTimestamp"), text("/stageTimestamp")];
    let at = at.iter().find_map(|at| at.parse().ok());
    let at = at.ok_or(SkippedEntry::NoEvent)?;
    let answer = event.get("responseObject").cloned().unwrap_or_default();
    if answer.is_null() {
        return Err(SkippedEntry::TooLittle);
    }
    Ok(AuditEvent {
        at,
        verb: text("/verb"),
        user: acting(&event),
        group,
        subresource,
        named: (text("/objectRef/namespace"), text("/objectRef/name")),
        answer,
        place,
    })
}

/// Who a request is made as: the webhook is told of who is impersonated, not of who does it.
fn acting(event: &Value) -> Value {
    let impersonated = event
        .get("impersonatedUser")
        .filter(|user| user.is_object());
    let user = impersonated.or_else(|| event.get("user"));
    user.cloned().unwrap_or_default()
}

/// The audit event in an entry: the entry itself; the text in `log` that AKS sends to a storage
/// account or an event hub, or `log_s` of the table `AzureDiagnostics`; or the columns of the table
/// `AKSAudit`.
fn unpacked(entry: Value) -> Option<Value> {
    let logs = ["/properties/log", "/log_s", "/log", "/properties/log_s"];
    let log = logs.iter().find_map(|path| entry.pointer(path)?.as_str());
    if let Some(log) = log {
        return serde_json::from_str(log).ok();
    }
    let Value::Object(fields) = entry else {
        return None;
    };
    if !fields.contains_key("Verb") {
        return Some(Value::Object(fields));
    }
    let columns = [
        ("Verb", "verb"),
        ("Stage", "stage"),
        ("RequestUri", "requestURI"),
        ("User", "user"),
        ("ObjectRef", "objectRef"),
        ("ResponseStatus", "responseStatus"),
        ("ResponseObject", "responseObject"),
        ("RequestReceivedTime", "requestReceivedTimestamp"),
        ("StageReceivedTime", "stageTimestamp"),
    ];
    let event: Map<String, Value> = columns
        .iter()
        .filter_map(|(column, field)| Some(((*field).to_owned(), inner(fields.get(*column)?))))
        .collect();
    Some(Value::Object(event))
}

/// A column may hold JSON as text.
fn inner(column: &Value) -> Value {
    let text = column.as_str().filter(|text| text.starts_with('{'));
    let read = text.and_then(|text| serde_json::from_str(text).ok());
    read.unwrap_or_else(|| column.clone())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::check::Position;

    fn audit_event() -> Value {
        json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse",
            "stage": "ResponseComplete", "verb": "create", "user": {"username": "alice"},
            "requestURI": "/apis/resources.azure.com/v1api20200601/namespaces/shop/resourcegroups",
            "objectRef": {"apiGroup": "resources.azure.com", "resource": "resourcegroups", "namespace": "shop", "name": "rg"},
            "responseStatus": {"code": 201},
            "responseObject": {"kind": "ResourceGroup"},
            "requestReceivedTimestamp": "2026-11-02T10:00:00.000000Z",
        })
    }

    fn read(entry: Value) -> Result<AuditEvent, SkippedEntry> {
        event(
            entry,
            Location {
                file: "audit.log".into(),
                at: Position::START,
            },
        )
    }

    #[rstest]
    #[case::native(audit_event())]
    #[case::storage(json!({"category": "kube-audit", "properties": {"log": audit_event().to_string()}}))]
    #[case::diagnostics(json!({"Category": "kube-audit", "log_s": audit_event().to_string()}))]
    #[case::columns(json!({
        "Verb": "create", "Stage": "ResponseComplete", "User": "{\"username\": \"alice\"}",
        "ObjectRef": audit_event()["objectRef"], "ResponseStatus": "{\"code\": 201}",
        "ResponseObject": "{\"kind\": \"ResourceGroup\"}", "RequestReceivedTime": "2026-11-02T10:00:00Z",
    }))]
    fn each_form_is_read(#[case] entry: Value) {
        let event = read(entry).unwrap();
        assert_eq!(event.user["username"], "alice");
        assert_eq!(event.answer["kind"], "ResourceGroup");
        assert_eq!(event.named, ("shop".to_owned(), "rg".to_owned()));
        assert_eq!(event.at.to_string(), "2026-11-02T10:00:00Z");
    }

    #[rstest]
    #[case("verb", json!("get"), SkippedEntry::NotOfInterest)]
    #[case("responseStatus", json!({"code": 403}), SkippedEntry::NotOfInterest)]
    #[case("stage", json!("RequestReceived"), SkippedEntry::NotOfInterest)]
    #[case("requestURI", json!("/x?dryRun=All"), SkippedEntry::NotOfInterest)]
    #[case("objectRef", json!({"apiGroup": "apps"}), SkippedEntry::NotOfInterest)]
    #[case("responseObject", Value::Null, SkippedEntry::TooLittle)]
    #[case("verb", Value::Null, SkippedEntry::NoEvent)]
    fn what_tells_nothing_is_skipped(
        #[case] field: &str,
        #[case] value: Value,
        #[case] why: SkippedEntry,
    ) {
        let mut event = audit_event();
        event[field] = value;
        assert_eq!(read(event).unwrap_err(), why);
    }

    #[test]
    fn who_is_impersonated_is_who_asks() {
        let mut event = audit_event();
        event["impersonatedUser"] = json!({"username": "carol"});
        assert_eq!(read(event).unwrap().user["username"], "carol");
    }

    #[rstest]
    #[case("{\"a\": 1}\n\n{\"a\": 2}\nx\n", &[1, 3, 4])]
    #[case("[{\"a\": 1},\n {\"a\": 2}]", &[1, 1])]
    #[case("{\"records\": [{}]}", &[1])]
    fn entries_are_on_lines_or_in_a_list(#[case] text: &str, #[case] lines: &[u32]) {
        let found: Vec<u32> = entries(text).into_iter().map(|(line, _)| line).collect();
        assert_eq!(found, lines);
    }
}
