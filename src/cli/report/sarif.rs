//! A report as SARIF 2.1.0.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::check::{Finding, Location, Related, Rule};

use super::Report;

/// The SARIF log of one run.
pub(super) fn log(report: &Report) -> Value {
    let rules = Rule::ALL.map(|rule| {
        json!({
            "id": rule.as_str(),
            "shortDescription": {"text": rule.about()},
        })
    });
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "aso-guard",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": report.findings.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}

fn result(finding: &Finding) -> Value {
    let index = Rule::ALL.iter().position(|rule| *rule == finding.rule);
    let text = match finding.next.as_str() {
        "" => finding.message.clone(),
        next => format!("{}. {next}", finding.message),
    };
    let mut result = json!({
        "ruleId": finding.rule.as_str(),
        "ruleIndex": index,
        "level": finding.level.as_str(),
        "message": {"text": text},
        "partialFingerprints": {"asoGuard/v1": fingerprint(finding)},
    });
    if let Some(place) = &finding.place {
        result["locations"] = json!([location(place)]);
    }
    let related: Vec<Value> = finding
        .related
        .iter()
        .filter_map(related_location)
        .collect();
    if !related.is_empty() {
        result["relatedLocations"] = related.into();
    }
    result
}

fn location(place: &Location) -> Value {
    json!({"physicalLocation": {
        "artifactLocation": {"uri": uri(&place.file)},
        "region": {"startLine": place.at.line, "startColumn": place.at.column},
    }})
}

fn related_location(related: &Related) -> Option<Value> {
    let mut found = location(related.place.as_ref()?);
    found["message"] = json!({"text": related.copy.to_string()});
    Some(found)
}

/// The same for the same mistake, wherever it moves within its file.
fn fingerprint(finding: &Finding) -> String {
    let copy = finding.copy.as_ref().map(ToString::to_string);
    let file = finding.place.as_ref().map(|place| place.file.to_string());
    let resource = finding.identity.as_ref().map(crate::arm::Identity::key);
    let words = [copy, file, resource]
        .map(Option::unwrap_or_default)
        .join("\n");
    let digest = Sha256::digest(format!("{}\n{words}", finding.rule.as_str()));
    digest[..16].iter().fold(String::new(), |mut hex, byte| {
        hex += &format!("{byte:02x}");
        hex
    })
}

/// A relative path as a URI reference.
fn uri(path: &str) -> String {
    let kept = |b: u8| b.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=@".contains(&b);
    let parts = path.replace('\\', "/");
    parts.bytes().fold(String::new(), |mut uri, byte| {
        if kept(byte) {
            uri.push(char::from(byte));
        } else {
            uri += &format!("%{byte:02X}");
        }
        uri
    })
}
