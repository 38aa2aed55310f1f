//! What of a request is worth a question, in CEL.

use k8s_openapi::api::admissionregistration::v1::MatchCondition;

use super::OF_ASO;
use crate::object::{
    AZURE_NAME_FROM_CONFIG_ANNOTATION, CHILD_RESOURCE_ID_OVERRIDE_ANNOTATION,
    CREDENTIAL_FROM_ANNOTATION, GUARDED_LABEL, MODE_LABEL, OPERATOR_NAMESPACE_ANNOTATION,
    POLICY_ANNOTATION, RESOURCE_ID_ANNOTATION,
};

/// The annotations that an object's children have their names from.
const CHILDREN_ANNOTATIONS: [&str; 2] = [
    AZURE_NAME_FROM_CONFIG_ANNOTATION,
    CHILD_RESOURCE_ID_OVERRIDE_ANNOTATION,
];
/// The fields of the spec that they have them from, and what stands for one that is not
/// there, in CEL.
const CHILDREN_FIELDS: [(&str, &str); 3] = [
    ("azureName", "''"),
    ("azureNameFromConfig", "{}"),
    ("owner", "{}"),
];

/// What of a namespace without ASO objects is worth a question.
pub fn sets_mode_or_policy() -> MatchCondition {
    let unguarded = |object: &str| format!("{} != 'true'", label(object, GUARDED_LABEL));
    MatchCondition {
        name: "sets-mode-or-policy".to_owned(),
        expression: format!(
            "request.operation == 'CREATE' ? {} != '' :\n{} && {} &&\n({} ||\n{})",
            label("object", MODE_LABEL),
            unguarded("object"),
            unguarded("oldObject"),
            changes_label(MODE_LABEL),
            changes_annotation(POLICY_ANNOTATION)
        ),
    }
}

/// A CRD of one of ASO's groups.
pub fn of_aso<'a>(groups: impl Iterator<Item = &'a str>) -> MatchCondition {
    let groups: Vec<String> = groups.map(|group| format!("'{group}'")).collect();
    MatchCondition {
        name: OF_ASO.to_owned(),
        expression: format!("oldObject.spec.group in [{}]", groups.join(", ")),
    }
}

/// A copy that is parked by its own annotation is let through, whether it is
/// created so or becomes so: the safe steps do not depend on the webhook. Unless it is an
/// UPDATE by which live children of it would get other names.
pub(super) fn live_or_names_children() -> MatchCondition {
    let policy = annotation("object", POLICY_ANNOTATION);
    let mut changes: Vec<String> = CHILDREN_ANNOTATIONS.map(changes_annotation).into();
    changes.extend(CHILDREN_FIELDS.map(changes_field));
    MatchCondition {
        name: "live-or-names-its-children".to_owned(),
        expression: format!(
            "{policy} != 'skip' ||\nrequest.operation == 'UPDATE' && (\n{})",
            changes.join(" ||\n")
        ),
    }
}

pub(super) fn parked() -> MatchCondition {
    let policy = annotation("object", POLICY_ANNOTATION);
    MatchCondition {
        name: "parked-by-its-own-annotation".to_owned(),
        expression: format!("{policy} == 'skip'"),
    }
}

/// Of UPDATEs, only those that change policy or identity matter: what ASO itself
/// writes (status, finalizers, conditions) does not.
pub(super) fn matters() -> MatchCondition {
    let annotations = [
        POLICY_ANNOTATION,
        RESOURCE_ID_ANNOTATION,
        CREDENTIAL_FROM_ANNOTATION,
    ];
    let mut changes = vec!["request.operation != 'UPDATE'".to_owned()];
    let annotations = annotations.into_iter().chain(CHILDREN_ANNOTATIONS);
    changes.extend(annotations.map(changes_annotation));
    changes.extend(CHILDREN_FIELDS.map(changes_field));
    changes.push(changes_field(("operatorSpec.?namingConvention", "''")));
    changes.push(changes_operator());
    MatchCondition {
        name: "changes-policy-or-identity".to_owned(),
        expression: changes.join(" ||\n"),
    }
}

/// The CEL expression for a change of an annotation.
pub(super) fn changes_annotation(key: &str) -> String {
    format!(
        "{} != {}",
        annotation("object", key),
        annotation("oldObject", key)
    )
}

/// The CEL expression for a change of the ASO that an object belongs to. Each ASO writes it to
/// what it reconciles first, which changes nothing.
fn changes_operator() -> String {
    format!(
        "{} != '' && {}",
        annotation("oldObject", OPERATOR_NAMESPACE_ANNOTATION),
        changes_annotation(OPERATOR_NAMESPACE_ANNOTATION)
    )
}

/// The CEL expression for a change of a field of the spec, and what it is where it is
/// not there.
fn changes_field((field, default): (&str, &str)) -> String {
    let value = |object: &str| format!("{object}.?spec.?{field}.orValue({default})");
    format!("{} != {}", value("object"), value("oldObject"))
}

/// The CEL expression for a label, empty where it is not there.
fn label(object: &str, key: &str) -> String {
    format!("{object}.metadata.?labels[?'{key}'].orValue('')")
}

/// The CEL expression for a change of a label.
pub(super) fn changes_label(key: &str) -> String {
    format!("{} != {}", label("object", key), label("oldObject", key))
}

/// A list of texts in CEL.
pub(super) fn cel_list(texts: &[String]) -> String {
    let quoted = texts
        .iter()
        .map(|text| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")));
    format!("[{}]", quoted.collect::<Vec<_>>().join(", "))
}

/// The CEL expression for an annotation, empty where it is not there.
fn annotation(object: &str, key: &str) -> String {
    format!("{object}.metadata.?annotations[?'{key}'].orValue('')")
}
