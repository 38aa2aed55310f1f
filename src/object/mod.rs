//! The names and facts of one ASO object: all that identity, policy and the
//! claim protocol ever look at.

pub mod json;
pub mod text;
pub mod wire;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// ASO's annotation that sets the reconcile policy of an object or a namespace.
pub const POLICY_ANNOTATION: &str = "serviceoperator.azure.com/reconcile-policy";
/// ASO's annotation with the ARM ID it uses for GET and DELETE.
pub const RESOURCE_ID_ANNOTATION: &str = "serviceoperator.azure.com/resource-id";
/// ASO's annotation that names the secret with the object's credential.
pub const CREDENTIAL_FROM_ANNOTATION: &str = "serviceoperator.azure.com/credential-from";
/// ASO's annotation with the namespace of the operator that reconciles the object.
pub const OPERATOR_NAMESPACE_ANNOTATION: &str = "serviceoperator.azure.com/operator-namespace";
/// ASO's annotation with the name it found through `spec.azureNameFromConfig`.
pub const AZURE_NAME_FROM_CONFIG_ANNOTATION: &str =
    "serviceoperator.azure.com/azure-name-from-config";
/// ASO's annotation on a root resource that replaces the prefix of its children's IDs.
pub const CHILD_RESOURCE_ID_OVERRIDE_ANNOTATION: &str =
    "serviceoperator.azure.com/child-resource-id-override";
/// ASO's annotation on an object whose last request to Azure is still running.
pub const POLLER_RESUME_TOKEN_ANNOTATION: &str = "serviceoperator.azure.com/poller-resume-token";
/// clusterctl's annotation on what it deletes next, because it has moved it to another
/// cluster. Setting it, clusterctl takes off all other annotations.
pub const DELETE_FOR_MOVE_ANNOTATION: &str = "clusterctl.cluster.x-k8s.io/delete-for-move";

/// The guard's label on namespaces that have ASO objects: the API server asks about
/// the deletion of those only, so that other namespaces do not depend on the guard.
pub const GUARDED_LABEL: &str = "asoguard.io/guarded";

/// The guard's annotation that overrides a refusal, and says why.
pub const OVERRIDE_ANNOTATION: &str = "asoguard.io/override";
/// The guard's annotation on an object or a namespace that nothing of it is to be deleted in
/// Azure, and why.
pub const PROTECT_ANNOTATION: &str = "asoguard.io/protect";
/// The guard's label on namespaces that sets its mode for the objects in them.
pub const MODE_LABEL: &str = "asoguard.io/mode";
/// What a member remembers of its registry, on its namespace `kube-system`.
pub const REGISTRY_ANNOTATION: &str = "asoguard.io/registry";

/// Of what a field or an annotation says, what counts: empty is as good as none.
pub(crate) fn not_empty(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// Names one object in one cluster. The API version is left out: every served
/// version of a kind is the same object. Its clones share one [`ObjectName`], for the observer
/// keeps several of every object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(Arc<ObjectName>);

/// The parts of an [`ObjectKey`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// The namespace: first, so that a namespace's objects stand together in order.
    pub namespace: Arc<str>,
    /// The API group, such as `resources.azure.com`.
    pub group: Arc<str>,
    /// The kind, such as `ResourceGroup`.
    pub kind: Arc<str>,
    /// `metadata.name`.
    pub name: Arc<str>,
}

impl ObjectKey {
    /// Builds a key from its parts.
    pub fn new(group: &str, kind: &str, namespace: &str, name: &str) -> Self {
        let name = ObjectName {
            group: group.into(),
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
        };
        name.into()
    }

    /// The key of what has the same name in another namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: &Arc<str>) -> Self {
        let name = ObjectName {
            namespace: namespace.clone(),
            ..ObjectName::clone(self)
        };
        name.into()
    }
}

impl From<ObjectName> for ObjectKey {
    fn from(name: ObjectName) -> Self {
        Self(Arc::new(name))
    }
}

impl Deref for ObjectKey {
    type Target = ObjectName;

    fn deref(&self) -> &ObjectName {
        &self.0
    }
}

/// `team-a/ResourceGroup/rg-prod`: how messages name an object.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.kind, self.name)
    }
}

/// An object's `spec.owner`, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct OwnerRef {
    /// The owner's API group; only the extension kinds state it.
    pub group: Option<Box<str>>,
    /// The owner's kind; only the extension kinds state it.
    pub kind: Option<Box<str>>,
    /// The owner's `metadata.name`, in the same namespace.
    pub name: Option<Box<str>>,
    /// The owner's ARM ID, for owners that are not in Kubernetes.
    pub arm_id: Option<Box<str>>,
}

/// What the guard reads of an ASO object. Everything else is never kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectFacts {
    /// Which object it is.
    pub key: ObjectKey,
    /// `metadata.uid`.
    pub uid: Arc<str>,
    /// `metadata.resourceVersion`; empty on a CREATE.
    pub resource_version: Box<str>,
    /// Whether `metadata.deletionTimestamp` is set.
    pub terminating: bool,
    /// `spec.azureName`.
    pub azure_name: Option<Box<str>>,
    /// Whether `spec.azureNameFromConfig` is set (ASO v2.20 and later).
    pub azure_name_from_config: bool,
    /// `spec.owner`.
    pub owner: Option<OwnerRef>,
    /// `spec.operatorSpec.namingConvention` (RoleAssignment only).
    pub naming_convention: Option<Box<str>>,
    /// `status.id`.
    pub status_id: Option<Box<str>>,
    /// The annotations that matter.
    pub annotations: Annotations,
}

/// The annotations of an object that the guard reads, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Annotations {
    /// [`POLICY_ANNOTATION`].
    pub policy: Option<Box<str>>,
    /// [`RESOURCE_ID_ANNOTATION`].
    pub resource_id: Option<Box<str>>,
    /// [`CREDENTIAL_FROM_ANNOTATION`].
    pub credential_from: Option<Box<str>>,
    /// [`OPERATOR_NAMESPACE_ANNOTATION`]; most objects have the same.
    pub operator_namespace: Option<Arc<str>>,
    /// [`AZURE_NAME_FROM_CONFIG_ANNOTATION`].
    pub azure_name_from_config: Option<Box<str>>,
    /// [`CHILD_RESOURCE_ID_OVERRIDE_ANNOTATION`].
    pub child_resource_id_override: Option<Box<str>>,
    /// [`PROTECT_ANNOTATION`]; it counts whatever it says.
    pub protect: Option<Box<str>>,
    /// Whether [`POLLER_RESUME_TOKEN_ANNOTATION`] is there and not empty.
    pub busy: bool,
    /// Whether [`DELETE_FOR_MOVE_ANNOTATION`] is there.
    pub moved_away: bool,
}

impl ObjectFacts {
    /// The `metadata.name` that `spec.owner` names.
    pub fn owner_name(&self) -> Option<&str> {
        self.owner.as_ref()?.name.as_deref()
    }

    /// `spec.azureName`, or the name in Kubernetes where it states none.
    pub fn name_in_azure(&self) -> &str {
        not_empty(self.azure_name.as_deref()).unwrap_or(&self.key.name)
    }

    /// An object of which only the name is known.
    pub fn named(key: ObjectKey) -> Self {
        Self {
            key,
            uid: "".into(),
            resource_version: "".into(),
            terminating: false,
            azure_name: None,
            azure_name_from_config: false,
            owner: None,
            naming_convention: None,
            status_id: None,
            annotations: Annotations::default(),
        }
    }
}
