//! ASO kinds for the lab. Names, versions, scopes and ARM types are those of the real ones;
//! the schemas are small, and take any field that they don't name.

use serde_json::{Value, json};

use super::object::Object;

/// The subscription of the lab's global credential.
pub const SUBSCRIPTION: &str = "00000000-1111-2222-3333-444444444444";
/// The tenant it belongs to.
pub const TENANT: &str = "00000000-aaaa-bbbb-cccc-dddddddddddd";

const IN_GROUP: &str =
    "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/";

/// What an object of a kind has as `spec.owner`.
pub enum Owner {
    /// None: it is a root.
    None,
    /// An object of one kind: its group and kind.
    One(&'static str, &'static str),
    /// Any resource: it is an extension.
    Any,
}

/// One of ASO's kinds.
pub struct AsoKind {
    /// Its API group.
    pub group: &'static str,
    /// Its name.
    pub kind: &'static str,
    /// Its name in paths.
    pub plural: &'static str,
    /// Its versions, oldest first; each is served along with its `…storage` twin.
    pub versions: &'static [&'static str],
    /// Its ARM URI, as its description gives it, below [`IN_GROUP`] unless it starts with `/`.
    uri: &'static str,
    /// Its owner.
    pub owner: Owner,
    /// Whether it has `spec.azureName`; the singletons have not.
    pub named: bool,
}

const GROUP: Owner = Owner::One("resources.azure.com", "ResourceGroup");
const POSTGRES: Owner = Owner::One("dbforpostgresql.azure.com", "FlexibleServer");

/// All kinds of the lab.
pub const KINDS: [AsoKind; 15] = [
    AsoKind {
        group: "resources.azure.com",
        kind: "ResourceGroup",
        plural: "resourcegroups",
        versions: &["v1api20200601"],
        uri: "/subscriptions/{subscriptionId}/resourcegroups/{resourceGroupName}",
        owner: Owner::None,
        named: true,
    },
    AsoKind {
        group: "storage.azure.com",
        kind: "StorageAccount",
        plural: "storageaccounts",
        versions: &["v1api20230101", "v20250601"],
        uri: "Microsoft.Storage/storageAccounts/{accountName}",
        owner: GROUP,
        named: true,
    },
    AsoKind {
        group: "storage.azure.com",
        kind: "StorageAccountsBlobService",
        plural: "storageaccountsblobservices",
        versions: &["v20250601"],
        uri: "Microsoft.Storage/storageAccounts/{accountName}/blobServices/default",
        owner: Owner::One("storage.azure.com", "StorageAccount"),
        named: false,
    },
    AsoKind {
        group: "storage.azure.com",
        kind: "StorageAccountsBlobServicesContainer",
        plural: "storageaccountsblobservicescontainers",
        versions: &["v20250601"],
        uri: "Microsoft.Storage/storageAccounts/{accountName}/blobServices/default/containers/{containerName}",
        owner: Owner::One("storage.azure.com", "StorageAccountsBlobService"),
        named: true,
    },
    AsoKind {
        group: "network.azure.com",
        kind: "VirtualNetwork",
        plural: "virtualnetworks",
        versions: &["v1api20240301", "v20250301"],
        uri: "Microsoft.Network/virtualNetworks/{virtualNetworkName}",
        owner: GROUP,
        named: true,
    },
    AsoKind {
        group: "network.azure.com",
        kind: "VirtualNetworksSubnet",
        plural: "virtualnetworkssubnets",
        versions: &["v20250301"],
        uri: "Microsoft.Network/virtualNetworks/{virtualNetworkName}/subnets/{subnetName}",
        owner: Owner::One("network.azure.com", "VirtualNetwork"),
        named: true,
    },
    // Newer than ASO v2.19: what is known of it is what its description says.
    AsoKind {
        group: "network.azure.com",
        kind: "DdosProtectionPlan",
        plural: "ddosprotectionplans",
        versions: &["v20250301"],
        uri: "Microsoft.Network/ddosProtectionPlans/{ddosProtectionPlanName}",
        owner: GROUP,
        named: true,
    },
    AsoKind {
        group: "managedidentity.azure.com",
        kind: "UserAssignedIdentity",
        plural: "userassignedidentities",
        versions: &["v1api20230131"],
        uri: "Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}",
        owner: GROUP,
        named: true,
    },
    AsoKind {
        group: "authorization.azure.com",
        kind: "RoleAssignment",
        plural: "roleassignments",
        versions: &["v1api20220401"],
        uri: "/{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
        owner: Owner::Any,
        named: true,
    },
    AsoKind {
        group: "insights.azure.com",
        kind: "DiagnosticSetting",
        plural: "diagnosticsettings",
        versions: &["v1api20210501preview"],
        uri: "/{resourceUri}/providers/Microsoft.Insights/diagnosticSettings/{name}",
        owner: Owner::Any,
        named: true,
    },
    AsoKind {
        group: "dbforpostgresql.azure.com",
        kind: "FlexibleServer",
        plural: "flexibleservers",
        versions: &["v20250801"],
        uri: "Microsoft.DBforPostgreSQL/flexibleServers/{serverName}",
        owner: GROUP,
        named: true,
    },
    AsoKind {
        group: "dbforpostgresql.azure.com",
        kind: "FlexibleServersDatabase",
        plural: "flexibleserversdatabases",
        versions: &["v20250801"],
        uri: "Microsoft.DBforPostgreSQL/flexibleServers/{serverName}/databases/{databaseName}",
        owner: POSTGRES,
        named: true,
    },
    AsoKind {
        group: "dbforpostgresql.azure.com",
        kind: "FlexibleServersFirewallRule",
        plural: "flexibleserversfirewallrules",
        versions: &["v20250801"],
        uri: "Microsoft.DBforPostgreSQL/flexibleServers/{serverName}/firewallRules/{firewallRuleName}",
        owner: POSTGRES,
        named: true,
    },
    AsoKind {
        group: "containerservice.azure.com",
        kind: "ManagedCluster",
        plural: "managedclusters",
        versions: &["v1api20250801"],
        uri: "Microsoft.ContainerService/managedClusters/{resourceName}",
        owner: GROUP,
        named: true,
    },
    AsoKind {
        group: "keyvault.azure.com",
        kind: "Vault",
        plural: "vaults",
        versions: &["v1api20230701"],
        uri: "Microsoft.KeyVault/vaults/{vaultName}",
        owner: GROUP,
        named: true,
    },
];

/// The lab's kind of this name. Fails the test if there is none.
pub fn kind(name: &str) -> &'static AsoKind {
    KINDS
        .iter()
        .find(|kind| kind.kind == name)
        .unwrap_or_else(|| panic!("the lab has no kind {name}"))
}

/// The CRDs of all [`KINDS`].
pub fn all() -> Vec<Object> {
    KINDS.iter().map(AsoKind::crd).collect()
}

impl AsoKind {
    /// Group and newest version.
    pub fn api_version(&self) -> String {
        let version = self.versions.last().copied().unwrap_or_default();
        format!("{}/{version}", self.group)
    }

    fn crd(&self) -> Object {
        let mut versions: Vec<Value> = self
            .versions
            .iter()
            .flat_map(|version| {
                [
                    self.version(version),
                    self.version(&format!("{version}storage")),
                ]
            })
            .collect();
        if let Some(newest) = versions.last_mut() {
            newest["storage"] = true.into();
        }
        let name = format!("{}.{}", self.plural, self.group);
        Object::new("apiextensions.k8s.io/v1", "CustomResourceDefinition", &name)
            .with(
                "/metadata/labels",
                json!({"app.kubernetes.io/name": "azure-service-operator"}),
            )
            .with(
                "/spec",
                json!({
                    "group": self.group,
                    "scope": "Namespaced",
                    "names": {
                        "kind": self.kind,
                        "listKind": format!("{}List", self.kind),
                        "plural": self.plural,
                        "singular": self.kind.to_lowercase(),
                        "categories": ["azure"],
                    },
                    "versions": versions,
                }),
            )
    }

    fn version(&self, name: &str) -> Value {
        let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let text = json!({"type": "string"});
        let mut spec = anything.clone();
        spec["properties"] = json!({"location": text, "operatorSpec": anything});
        if self.named {
            spec["properties"]["azureName"] = text.clone();
        }
        match self.owner {
            Owner::None => {}
            Owner::One(group, kind) => {
                spec["properties"]["owner"] = json!({
                    "type": "object",
                    "description": format!(
                        "The owner, expected to be a reference to a {group}/{kind} resource"
                    ),
                    "properties": {"name": text, "armId": text},
                });
            }
            Owner::Any => {
                spec["properties"]["owner"] = json!({
                    "type": "object",
                    "description": "The owner, which may be any resource",
                    "properties": {"group": text, "kind": text, "name": text, "armId": text},
                });
            }
        }
        let base = if self.uri.starts_with('/') {
            ""
        } else {
            IN_GROUP
        };
        json!({
            "name": name,
            "served": true,
            "storage": false,
            "schema": {"openAPIV3Schema": {
                "type": "object",
                "description": format!("Generator information:\n- ARM URI: {base}{}", self.uri),
                "properties": {"spec": spec, "status": anything},
            }},
            "subresources": {"status": {}},
            "additionalPrinterColumns": [
                {"name": "Policy", "type": "string",
                 "jsonPath": r".metadata.annotations['serviceoperator\.azure\.com/reconcile-policy']"},
                {"name": "Ready", "type": "string",
                 "jsonPath": ".status.conditions[?(@.type=='Ready')].status"},
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_below_their_plural() {
        for kind in &KINDS {
            let path = Object::of(kind.kind, "any").collection("ns");
            assert!(path.ends_with(&format!("/ns/{}", kind.plural)), "{path}");
        }
    }

    #[test]
    fn each_crd_stores_one_of_its_versions() {
        for crd in all() {
            let versions = crd.0["spec"]["versions"].as_array().unwrap();
            let stored = versions.iter().filter(|v| v["storage"] == true).count();
            assert_eq!(stored, 1, "{crd}");
            assert!(versions.len() >= 2, "{crd}");
        }
    }
}
