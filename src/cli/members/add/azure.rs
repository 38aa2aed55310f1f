//! `aso-guard members add --registry azure://…`: a member's identity in Azure, as a script for
//! somebody who may give out roles.
//!
//! A member gets a role of its own making, with the data actions that a guard needs and nothing
//! else: the built-in one that can write blobs may delete the container. A [condition] on its
//! assignment keeps it from the records of the other members.
//!
//! [condition]: https://learn.microsoft.com/azure/storage/blobs/storage-auth-abac-attributes

use std::io::Write;

use serde_json::json;

use crate::claim::MemberName;
use crate::object::text::quoted;
use crate::registry::azure::ContainerUrl;

/// What the role is called that members have.
const ROLE: &str = "aso-guard member";
/// Before the data actions on blobs.
const BLOBS: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs";
/// What a guard does with blobs. To read one is to list them, too.
const ACTIONS: [&str; 4] = ["read", "write", "add/action", "delete"];

/// Which member, and where in Azure.
pub(super) struct Member<'a> {
    pub(super) name: &'a MemberName,
    pub(super) container: &'a ContainerUrl,
    /// The resource group of the account, where the member's identity goes, too.
    pub(super) resource_group: &'a str,
    /// Who signs the tokens of the cluster's service accounts; `None`: the script asks for it.
    pub(super) issuer: Option<&'a str>,
}

/// Prints a script that makes the identity, gives it its role and ends with what comes next.
pub(super) fn print(member: &Member<'_>, out: &mut impl Write) -> std::io::Result<()> {
    let Member {
        name,
        container: place,
        resource_group,
        issuer,
    } = member;
    let (account, container) = (place.account(), place.container());
    let identity = format!("aso-guard-{name}");
    let group = quoted(resource_group);
    let role = definition();
    let condition = condition(name);
    let issuer = issuer.map_or_else(
        || {
            format!(
                ": \"${{ISSUER:?is not set. It is who signs the tokens of cluster {name}: az aks show \
                 --name {name} --resource-group … --query oidcIssuerProfile.issuerUrl -o tsv}}\""
            )
        },
        |issuer| format!("ISSUER={}", quoted(issuer)),
    );
    write!(
        out,
        r#"#!/bin/sh
# Makes the identity of cluster {name}'s guard in Azure, and lets it into {place}.
# To be run by somebody who may give out roles on the account; it may be run again.
set -eu
group={group}
{issuer}
subscription=$(az account show --query id --output tsv)
account=$(az storage account show --name {account} --resource-group "$group" --query id --output tsv)

# The role that all members have: blobs, and nothing of the account or the container itself.
if [ -z "$(az role definition list --custom-role-only true --name '{ROLE}' --query '[].name' --output tsv)" ]; then
    az role definition create --role-definition "$(cat <<END
{role}
END
)"
fi

az identity create --name {identity} --resource-group "$group"
az identity federated-credential create --name aso-guard --identity-name {identity} --resource-group "$group" \
    --issuer "$ISSUER" --subject system:serviceaccount:aso-guard:aso-guard --audiences api://AzureADTokenExchange
principal=$(az identity show --name {identity} --resource-group "$group" --query principalId --output tsv)

# It may change claims, and of the members' records its own.
az role assignment create --role '{ROLE}' --scope "$account/blobServices/default/containers/{container}" \
    --assignee-object-id "$principal" --assignee-principal-type ServicePrincipal \
    --condition-version 2.0 --condition "{condition}"

client=$(az identity show --name {identity} --resource-group "$group" --query clientId --output tsv)
echo "Azure takes some minutes until the role holds. Then, in cluster {name}:"
echo "  helm install aso-guard deploy/chart -n aso-guard --create-namespace -f deploy/chart/topologies/azure.yaml \\"
echo "    --set cluster={name} --set registry.azure.url={place} --set registry.azure.clientId=$client --set image.repository=…"
echo "To take the identity back:"
echo "  az identity delete --name {identity} --resource-group '$group'"
"#
    )
}

/// The role, as `az` takes it, with a variable of the shell.
fn definition() -> String {
    let role = json!({
        "Name": ROLE,
        "Description": "Keeps the claims of aso-guard: reads, lists, writes and deletes blobs.",
        "Actions": [],
        "DataActions": ACTIONS.map(|action| format!("{BLOBS}/{action}")),
        "AssignableScopes": ["/subscriptions/$subscription"],
    });
    format!("{role:#}")
}

/// What it changes is no member's record, or its own.
fn condition(name: &MemberName) -> String {
    let changes = ACTIONS.iter().filter(|action| **action != "read");
    let changes: Vec<String> = changes
        .map(|action| format!("!(ActionMatches{{'{BLOBS}/{action}'}})"))
        .collect();
    let path = format!("@Resource[{BLOBS}:path]");
    format!(
        "(({}) OR ({path} StringNotLike 'members/*' OR {path} StringEquals 'members/{name}'))",
        changes.join(" AND ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(issuer: Option<&str>) -> String {
        let mut out = Vec::new();
        let member = Member {
            name: &"west".parse().unwrap(),
            container: &"azure://fleetclaims/claims".parse().unwrap(),
            resource_group: "platform (prod)",
            issuer,
        };
        print(&member, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_printed_makes_an_identity_with_a_narrow_role() {
        insta::assert_snapshot!(script(None));
    }

    #[test]
    fn the_issuer_of_the_clusters_tokens_may_be_given() {
        let script = script(Some("https://oidc.example/west/"));
        assert!(
            script.contains("\nISSUER=https://oidc.example/west/\n"),
            "{script}"
        );
    }
}
