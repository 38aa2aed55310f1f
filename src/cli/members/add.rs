//! `aso-guard members add`: a member's identity on the hub, or in Azure.
//!
//! On a hub, a member is a service account of the namespace `aso-guard-members`; the hub's policies
//! (`aso-guard hub`) take the member's name from it.

mod azure;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use k8s_openapi::api::authentication::v1::{
    BoundObjectReference, TokenRequest, TokenRequestSpec, TokenRequestStatus,
};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::config::Kubeconfig;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::claim::MemberName;
use crate::cli::client::{config_of, read_kubeconfig};
use crate::cli::registry::{CommandError, kubectl_flags};
use crate::object::text::quoted;
use crate::registry::RegistryUrl;

/// The namespace of the members' service accounts.
const NAMESPACE: &str = "aso-guard-members";

/// Which member, and where to.
#[derive(Args)]
pub(super) struct AddArgs {
    /// The member's name: what its guard is told by --cluster
    name: MemberName,
    /// The hub's kubeconfig, of somebody who may write there: makes the identity, and writes
    /// the member's kubeconfig. Without it, what is to be applied is printed
    #[arg(long, value_name = "PATH", requires = "out")]
    hub: Option<PathBuf>,
    /// The context in it
    #[arg(long, value_name = "NAME", requires = "hub")]
    context: Option<String>,
    /// Where to write the member's kubeconfig; readable by you only
    #[arg(long, value_name = "FILE", requires = "hub")]
    out: Option<PathBuf>,
    /// How many days the member's token is valid; the hub may allow less
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
    /// The container that the claims are in, where there is no hub: azure://<account>/<container>.
    /// A script with the az commands is printed
    #[arg(
        long,
        value_name = "URL",
        conflicts_with = "hub",
        requires = "resource_group"
    )]
    registry: Option<String>,
    /// The resource group of the storage account; the member's identity is made there, too
    #[arg(long, value_name = "NAME", requires = "registry")]
    resource_group: Option<String>,
    /// Who signs the tokens of the cluster's service accounts, as `az aks show` says it:
    /// oidcIssuerProfile.issuerUrl [default: the script asks for it]
    #[arg(long, value_name = "URL", requires = "registry")]
    issuer: Option<String>,
}

pub(super) async fn run(args: &AddArgs, out: &mut impl Write) -> Result<(), CommandError> {
    if let (Some(registry), Some(resource_group)) = (&args.registry, &args.resource_group) {
        return print_azure(args, registry, resource_group, out);
    }
    match (&args.hub, &args.out) {
        (Some(hub), Some(file)) => {
            let kubeconfig = read_kubeconfig(Some(hub)).map_err(CommandError::Usage)?;
            let config = config_of(&kubeconfig, Some(hub), args.context.as_deref()).await;
            let config = config.map_err(CommandError::Usage)?;
            make(args, hub, &kubeconfig, config, file, out).await?;
        }
        _ => print(args, out)?,
    }
    Ok(())
}

fn print_azure(
    args: &AddArgs,
    registry: &str,
    resource_group: &str,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let url: RegistryUrl = registry
        .parse()
        .map_err(|error| CommandError::Usage(format!("--registry: {error}")))?;
    let RegistryUrl::Azure(container) = &url else {
        return Err(CommandError::Usage(format!(
            "{url} is not in Azure: on a hub, a member is added with --hub HUB.kubeconfig --out \
             {}.kubeconfig, and in shards in each registry of the map",
            args.name
        )));
    };
    let member = azure::Member {
        name: &args.name,
        container,
        resource_group,
        issuer: args.issuer.as_deref(),
    };
    Ok(azure::print(&member, out)?)
}

fn account(name: &MemberName) -> ServiceAccount {
    ServiceAccount {
        metadata: ObjectMeta {
            name: Some(name.to_string()),
            namespace: Some(NAMESPACE.to_owned()),
            ..ObjectMeta::default()
        },
        // The guard does not run on the hub as this account.
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

/// The name of the Secret that the member's token lives and dies with.
fn token_name(name: &MemberName) -> String {
    format!("{name}-token")
}

/// Prints the account, and a Secret that the hub puts a lasting token into.
fn print(args: &AddArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let name = &args.name;
    let token = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/service-account-token",
        "metadata": {
            "name": token_name(name),
            "namespace": NAMESPACE,
            "annotations": {"kubernetes.io/service-account.name": name.as_str()},
        },
    });
    for object in [serde_json::to_value(account(name))?, token] {
        writeln!(out, "---\n{}", serde_yaml::to_string(&object)?.trim_end())?;
    }
    eprintln!(
        "Apply it on the hub; its CRDs, RBAC and policies come from: aso-guard hub\n\
         The hub then puts a token for the kubeconfig of {name} into the Secret {NAMESPACE}/{}.\n\
         Or let aso-guard do both: aso-guard members add {name} --hub HUB.kubeconfig --out \
         {name}.kubeconfig",
        token_name(name)
    );
    Ok(())
}

/// `hub`: the file of the hub's kubeconfig; `config` is what it says of the hub.
async fn make(
    args: &AddArgs,
    hub: &Path,
    kubeconfig: &Kubeconfig,
    config: kube::Config,
    file: &Path,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let name = &args.name;
    let on_hub = kubectl_flags(Some(hub), args.context.as_deref());
    let server = server_of(kubeconfig, args.context.as_deref())?;
    let issued = issue(args, Client::try_from(config)?, &on_hub).await?;
    write(file, &member_kubeconfig(name, &server, &issued.token))?;
    writeln!(
        out,
        "Wrote {}: member {name}, until {}.\n\n\
         Next, in cluster {name}:\n\
         \x20 aso-guard serve --cluster {name} --registry kubernetes:{} …\n\
         To take the credential back:\n\
         \x20 kubectl{on_hub} -n {NAMESPACE} delete secret {}",
        file.display(),
        issued.expiration_timestamp.0,
        quoted(&file.display().to_string()),
        token_name(name)
    )?;
    Ok(())
}

/// Makes the member's account on the hub, and has a token issued for it that ends with its Secret.
/// `on_hub`: the flags by which kubectl reaches the hub.
async fn issue(args: &AddArgs, client: Client, on_hub: &str) -> anyhow::Result<TokenRequestStatus> {
    let name = &args.name;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), NAMESPACE);
    let secrets: Api<Secret> = Api::namespaced(client, NAMESPACE);
    let params = PatchParams::apply("aso-guard").force();
    accounts
        .patch(name.as_str(), &params, &Patch::Apply(&account(name)))
        .await
        .with_context(|| {
            format!(
                "cannot make the service account {NAMESPACE}/{name} (is the namespace there? \
                     aso-guard hub | kubectl{on_hub} apply -f -)"
            )
        })?;
    let bound_to = Secret {
        metadata: ObjectMeta {
            name: Some(token_name(name)),
            namespace: Some(NAMESPACE.to_owned()),
            ..ObjectMeta::default()
        },
        ..Secret::default()
    };
    let bound_to = secrets
        .patch(&token_name(name), &params, &Patch::Apply(&bound_to))
        .await
        .context("cannot make the Secret that the token is bound to")?;
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: Vec::new(),
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Secret".to_owned()),
                name: bound_to.metadata.name,
                uid: bound_to.metadata.uid,
            }),
            expiration_seconds: Some(i64::from(args.days) * 24 * 60 * 60),
        },
        ..TokenRequest::default()
    };
    let issued = accounts
        .create_token_request(name.as_str(), &PostParams::default(), &request)
        .await
        .context("cannot get a token")?;
    issued.status.context("the hub gave no token")
}

/// Where the hub is, and by whose certificate it is known: of the hub's kubeconfig, what is
/// not the user's.
fn server_of(kubeconfig: &Kubeconfig, context: Option<&str>) -> anyhow::Result<Value> {
    let context = context.or(kubeconfig.current_context.as_deref());
    let name = kubeconfig
        .contexts
        .iter()
        .find(|known| Some(known.name.as_str()) == context)
        .and_then(|known| known.context.as_ref())
        .map(|known| known.cluster.as_str())
        .context("the hub's kubeconfig has no such context")?;
    let cluster = kubeconfig.clusters.iter().find(|known| known.name == name);
    let cluster = cluster.and_then(|known| known.cluster.as_ref());
    let mut server = serde_json::to_value(cluster.context("the context's cluster is missing")?)?;
    // A file would not be there where the member is.
    if let Some(path) = server["certificate-authority"].as_str() {
        let pem = std::fs::read(path).with_context(|| path.to_owned())?;
        server["certificate-authority-data"] = json!(k8s_openapi::ByteString(pem));
        server["certificate-authority"] = Value::Null;
    }
    if let Some(fields) = server.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    Ok(server)
}

fn member_kubeconfig(name: &MemberName, server: &Value, token: &str) -> Value {
    let name = name.as_str();
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "hub",
        "clusters": [{"name": "hub", "cluster": server}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": "hub", "context": {"cluster": "hub", "user": name}}],
    })
}

/// Writes a file that its owner alone may read.
fn write(path: &Path, kubeconfig: &Value) -> anyhow::Result<()> {
    let written = || -> std::io::Result<()> {
        // Not over a file that others may read already.
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let text = serde_yaml::to_string(kubeconfig).map_err(std::io::Error::other)?;
        file.write_all(text.as_bytes())
    };
    written().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_an_account_and_its_token() {
        let args = AddArgs {
            name: "prod-1".parse().unwrap(),
            hub: None,
            context: None,
            out: None,
            days: 1,
            registry: None,
            resource_group: None,
            issuer: None,
        };
        let mut out = Vec::new();
        print(&args, &mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap());
    }

    #[test]
    fn a_kubeconfig_says_nothing_of_who_made_it() {
        let kubeconfig: Kubeconfig = serde_yaml::from_str(
            "
            current-context: one
            contexts:
              - {name: one, context: {cluster: hub-1, user: admin}}
              - {name: two, context: {cluster: hub-2, user: admin}}
            clusters:
              - {name: hub-1, cluster: {server: 'https://one', certificate-authority-data: Q0E=}}
              - {name: hub-2, cluster: {server: 'https://two'}}
            users: [{name: admin, user: {token: master-key}}]
            ",
        )
        .unwrap();
        let server = server_of(&kubeconfig, None).unwrap();
        assert_eq!(server["server"], "https://one");
        assert_eq!(server["certificate-authority-data"], "Q0E=");
        let server = server_of(&kubeconfig, Some("two")).unwrap();
        assert_eq!(server["server"], "https://two");
        assert!(server_of(&kubeconfig, Some("three")).is_err());
        let written = member_kubeconfig(&"a".parse().unwrap(), &server, "token").to_string();
        assert!(!written.contains("master-key"), "{written}");
    }
}
