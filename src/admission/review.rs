//! AdmissionReview v1, as far as a verdict needs it.
//!
//! The objects inside a review are never built as a tree: the envelope is read
//! with the objects left as they stand, and of each object only the fields of
//! [`ObjectFacts`] are taken. What is skipped is skipped without recursion, so
//! depth is no danger.

mod answer;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::object::json::{JsonError, from_json, from_slice, object, optional_object};
use crate::object::wire::WireObject;
use crate::object::{OVERRIDE_ANNOTATION, ObjectFacts, ObjectKey};

pub use answer::ReviewAnswer;

/// The only version of AdmissionReview that the API server sends this webhook.
pub const API_VERSION: &str = "admission.k8s.io/v1";

/// A review that cannot be answered: there is no request, or none with a uid.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// Not JSON, or fields of the envelope with types they cannot have.
    #[error("the body is not an AdmissionReview: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Another kind or version.
    #[error("expected an AdmissionReview of {API_VERSION}, got {kind} of {api_version}")]
    Version {
        /// The kind it has.
        kind: String,
        /// The version it has.
        api_version: String,
    },
    /// A review without a request (a response, perhaps).
    #[error("the AdmissionReview has no request")]
    NoRequest,
    /// A request without a uid.
    #[error("the AdmissionReview's request has no uid")]
    NoUid,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AdmissionReview<'a> {
    #[serde(borrow, default)]
    api_version: Cow<'a, str>,
    #[serde(borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "optional_object")]
    request: Option<AdmissionRequest<'a>>,
}

/// An AdmissionRequest, its objects not read yet.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionRequest<'a> {
    /// Names this call of the webhook.
    #[serde(borrow, default)]
    pub uid: Cow<'a, str>,
    /// The kind of the object.
    #[serde(borrow, default, deserialize_with = "object")]
    pub kind: GroupKind<'a>,
    /// The object's name; empty where the API server makes one up.
    #[serde(borrow, default)]
    pub name: Cow<'a, str>,
    /// The namespace; empty for cluster-scoped objects.
    #[serde(borrow, default)]
    pub namespace: Cow<'a, str>,
    /// CREATE, UPDATE, DELETE or CONNECT.
    #[serde(borrow, default)]
    pub operation: Cow<'a, str>,
    /// Who asks.
    #[serde(borrow, default, deserialize_with = "object")]
    pub user_info: UserInfo<'a>,
    /// The object as it would be; absent on DELETE.
    #[serde(borrow, default)]
    pub object: Option<&'a RawValue>,
    /// The object as it is; absent on CREATE.
    #[serde(borrow, default)]
    pub old_object: Option<&'a RawValue>,
    /// Whether nothing will be stored.
    #[serde(default)]
    pub dry_run: Option<bool>,
    /// The options of the request itself, such as `DeleteOptions`.
    #[serde(borrow, default)]
    options: Option<&'a RawValue>,
}

/// A group and a kind.
#[derive(Deserialize, Default)]
pub struct GroupKind<'a> {
    /// The API group.
    #[serde(borrow, default)]
    pub group: Cow<'a, str>,
    /// The kind.
    #[serde(borrow, default)]
    pub kind: Cow<'a, str>,
}

/// The user who asks.
#[derive(Deserialize, Default)]
pub struct UserInfo<'a> {
    /// The user's name.
    #[serde(borrow, default)]
    pub username: Cow<'a, str>,
    /// The groups that the user is in, as they stand.
    #[serde(borrow, default)]
    groups: Option<&'a RawValue>,
}

impl UserInfo<'_> {
    /// Whether the user is in one of these groups.
    pub fn is_in(&self, groups: &[String]) -> bool {
        if groups.is_empty() {
            return false;
        }
        // Groups that cannot be read are none.
        let own = self
            .groups
            .and_then(|raw| serde_json::from_str(raw.get()).ok());
        let own: Vec<String> = own.unwrap_or_default();
        own.iter().any(|group| groups.contains(group))
    }
}

/// What a DELETE does about the objects that have its object as their owner.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct DeleteOptions<'a> {
    #[serde(default)]
    orphan_dependents: Option<bool>,
    #[serde(borrow, default)]
    propagation_policy: Option<Cow<'a, str>>,
}

/// An object, as far as it says something about the request itself.
#[derive(Deserialize, Default)]
struct AnnotatedObject<'a> {
    #[serde(borrow, default, deserialize_with = "object")]
    metadata: AnnotatedMetadata<'a>,
}

#[derive(Deserialize, Default)]
struct AnnotatedMetadata<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "optional_object")]
    annotations: Option<OverrideAnnotation<'a>>,
    #[serde(borrow, default)]
    finalizers: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct OverrideAnnotation<'a> {
    #[serde(rename = "asoguard.io/override", borrow, default)]
    overriding: Option<Cow<'a, str>>,
}

fn marked(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    // Few objects have it, and looking for the text is cheap.
    let json = raw?.get();
    if !json.contains(OVERRIDE_ANNOTATION) {
        return None;
    }
    let marked: AnnotatedObject<'_> = from_json(json).ok()?;
    marked.metadata.annotations?.overriding
}

/// Reads a review.
///
/// # Errors
/// [`ReviewError`], to be answered with a 400: without a uid there is nothing to
/// address a verdict to.
pub fn parse(body: &[u8]) -> Result<AdmissionRequest<'_>, ReviewError> {
    let review: AdmissionReview<'_> = from_slice(body)?;
    if review.api_version != API_VERSION || review.kind != "AdmissionReview" {
        return Err(ReviewError::Version {
            kind: review.kind.into_owned(),
            api_version: review.api_version.into_owned(),
        });
    }
    let request = review.request.ok_or(ReviewError::NoRequest)?;
    if request.uid.is_empty() {
        return Err(ReviewError::NoUid);
    }
    Ok(request)
}

impl AdmissionRequest<'_> {
    /// The object as it would be.
    ///
    /// # Errors
    /// See [`ObjectError`].
    pub fn object(&self) -> Result<Option<ObjectFacts>, ObjectError> {
        self.facts(self.object)
    }

    /// The object as it is.
    ///
    /// # Errors
    /// See [`ObjectError`].
    pub fn old_object(&self) -> Result<Option<ObjectFacts>, ObjectError> {
        self.facts(self.old_object)
    }

    /// The object before and after, as another type.
    ///
    /// # Errors
    /// A field that the guard reads has a type it cannot have.
    pub fn both<'s, T: Deserialize<'s>>(&'s self) -> Result<(Option<T>, Option<T>), JsonError> {
        let read = |raw: Option<&'s RawValue>| raw.map(|raw| from_json(raw.get())).transpose();
        Ok((read(self.old_object)?, read(self.object)?))
    }

    /// Whether it is about a namespace itself.
    pub fn is_about_namespace(&self) -> bool {
        self.kind.group.is_empty() && self.kind.kind == "Namespace"
    }

    /// The namespace that it is about, or that its object is in; empty where there
    /// is none.
    pub fn in_namespace(&self) -> Cow<'_, str> {
        if self.is_about_namespace() {
            self.subject_name()
        } else {
            Cow::Borrowed(&*self.namespace)
        }
    }

    /// The name of its object; empty where the object has none that can be read.
    pub fn subject_name(&self) -> Cow<'_, str> {
        if !self.name.is_empty() {
            return Cow::Borrowed(&*self.name);
        }
        let raw = self.object.or(self.old_object);
        let marked = raw.and_then(|raw| from_json::<AnnotatedObject<'_>>(raw.get()).ok());
        marked
            .map(|marked| marked.metadata.name)
            .unwrap_or_default()
    }

    /// What the annotation says by which this request overrides a refusal: one that a
    /// CREATE has, that an UPDATE sets, or that is there when a DELETE comes. What an
    /// UPDATE leaves as it was is of another request.
    pub fn overriding(&self) -> Option<Cow<'_, str>> {
        let (old, new) = (marked(self.old_object), marked(self.object));
        match &*self.operation {
            "CREATE" => new,
            "UPDATE" if new != old => new,
            "DELETE" => old,
            _ => None,
        }
    }

    /// Whether a DELETE leaves what has its object as owner where it is
    /// (`--cascade=orphan`), by the API server's own rule: what the options say, else
    /// the first finalizer that says anything. What cannot be read says nothing.
    pub fn orphans(&self) -> bool {
        if *self.operation != *"DELETE" {
            return false;
        }
        let options = self.options.map(RawValue::get);
        let options: DeleteOptions<'_> = options
            .and_then(|json| from_json(json).ok())
            .unwrap_or_default();
        if let Some(orphans) = options.orphan_dependents {
            return orphans;
        }
        match options.propagation_policy.as_deref() {
            Some("Orphan") => return true,
            Some("Background" | "Foreground") => return false,
            _ => {}
        }
        let old: Option<AnnotatedObject<'_>> =
            self.old_object.and_then(|raw| from_json(raw.get()).ok());
        let finalizers = old.and_then(|old| old.metadata.finalizers);
        let finalizers: Vec<String> = finalizers
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default();
        let mut deciding = finalizers.iter().map(String::as_str);
        deciding.find(|one| matches!(*one, "orphan" | "foregroundDeletion")) == Some("orphan")
    }

    fn facts(&self, raw: Option<&RawValue>) -> Result<Option<ObjectFacts>, ObjectError> {
        let Some(raw) = raw else { return Ok(None) };
        let object: WireObject = from_json(raw.get())?;
        let facts = object.into_facts(&self.kind.group, &self.kind.kind, &self.namespace);
        check_names(&facts.key)?;
        Ok(Some(facts))
    }
}

/// An object that no API server sends.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// A field that the guard reads has a type it cannot have.
    #[error(transparent)]
    Malformed(#[from] JsonError),
    /// A name that no object has: it would be kept in claims, and stand in commands
    /// that people are to paste.
    #[error("{field} is no name that Kubernetes takes")]
    Name {
        /// Where it stands.
        field: &'static str,
    },
}

/// Whether the parts of a key are what Kubernetes takes for them: DNS names and,
/// for the kind, letters and digits. Only what lies in no namespace has none, and
/// only the oldest kinds have no group.
fn check_names(key: &ObjectKey) -> Result<(), ObjectError> {
    let dns = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    let edge = |c: char| c.is_ascii_alphanumeric();
    let is_dns = |text: &str, longest| {
        text.len() <= longest
            && text.bytes().all(dns)
            && (text.is_empty() || text.starts_with(edge) && text.ends_with(edge))
    };
    let is_kind = |text: &str| text.len() <= 63 && text.bytes().all(|b| b.is_ascii_alphanumeric());
    let field = match key {
        key if key.name.is_empty() || !is_dns(&key.name, 253) => "metadata.name",
        key if !is_dns(&key.namespace, 63) => "request.namespace",
        key if !is_dns(&key.group, 253) => "request.kind.group",
        key if key.kind.is_empty() || !is_kind(&key.kind) => "request.kind.kind",
        _ => return Ok(()),
    };
    Err(ObjectError::Name { field })
}
