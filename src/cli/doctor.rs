//! `aso-guard doctor`: whether guards do what they are there for, a cluster at a time.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use futures::future::join_all;
use kube::Client;
use serde_json::{Value, json};

use crate::admission::registration::NAME;
use crate::doctor::facts::NotRead;
use crate::doctor::{Finding, Hub, Patient, Status, examine, findings, worst};
use crate::registry::{Registry as _, RegistryUrl};

use super::Outcome;
use super::client::client_config;
use super::contexts;
use super::output::{ReportFormat, yaml};
use super::registry::{CommandError, RegistryArgs, kubectl_flags, open_azure};
use super::terminal::{Emphasis, Style};

/// Which clusters, and where their guards are.
#[derive(Args)]
pub(super) struct DoctorArgs {
    /// A context of the kubeconfig; may be repeated [default: its current one, or the cluster of
    /// this pod]
    #[arg(
        long = "context",
        value_name = "NAME",
        env = "ASO_GUARD_DOCTOR_CONTEXT",
        value_delimiter = ','
    )]
    contexts: Vec<String>,
    /// Every context of the kubeconfig
    #[arg(long, conflicts_with = "contexts")]
    all_contexts: bool,
    /// The kubeconfig [default: as kubectl finds it]
    #[arg(long, value_name = "PATH", env = "ASO_GUARD_KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// The guard's namespace
    #[arg(short, long, default_value = NAME, env = "ASO_GUARD_NAMESPACE")]
    namespace: String,
    /// The name of its Deployment and its webhook configuration
    #[arg(long, default_value = NAME, env = "ASO_GUARD_WEBHOOK_CONFIG")]
    name: String,
    /// The name of its account [default: the same]
    #[arg(long, value_name = "NAME", env = "ASO_GUARD_ACCOUNT")]
    account: Option<String>,
    /// Where claims are kept: kubernetes: (in each of these clusters),
    /// kubernetes:<kubeconfig>[#context] or azure://<account>/<container> [default: as the guard
    /// is told, where that is its own cluster]
    #[arg(long, value_name = "URL", env = "ASO_GUARD_REGISTRY")]
    registry: Option<String>,
    /// Call the guard at this address, such as that of a `kubectl port-forward`, not by the API
    /// server; its certificate is checked by the name that the API server calls
    #[arg(long, value_name = "ADDRESS", env = "ASO_GUARD_CONNECT")]
    connect: Option<SocketAddr>,
    /// Output format
    #[arg(
        short,
        long,
        value_enum,
        default_value = "table",
        env = "ASO_GUARD_DOCTOR_OUTPUT"
    )]
    output: ReportFormat,
}

/// What was found of one cluster.
struct Examined {
    context: String,
    findings: Vec<Finding>,
    unreachable: bool,
}

/// Looks, and writes what was found to standard output.
pub(super) async fn run(args: &DoctorArgs) -> Outcome {
    let out = &mut std::io::stdout();
    match look(args).await {
        Ok(found) => match write(&found, args.output, out) {
            Ok(()) => outcome(&found),
            Err(error) => CommandError::from(error).report(),
        },
        Err(error) => error.report(),
    }
}

/// Whether there is something to be done.
fn outcome(found: &[Examined]) -> Outcome {
    if found.iter().any(|one| one.unreachable) {
        return Outcome::Unreachable;
    }
    let fails = found.iter().any(|one| worst(&one.findings) == Status::Fail);
    if fails {
        Outcome::Failed
    } else {
        Outcome::Fine
    }
}

async fn look(args: &DoctorArgs) -> Result<Vec<Examined>, CommandError> {
    let url = args.registry.as_deref().map(str::parse::<RegistryUrl>);
    let url = url
        .transpose()
        .map_err(|error| CommandError::Usage(format!("--registry: {error}")))?;
    let patients = patients(args, url.as_ref()).await?;
    let examined = patients.into_iter().map(async |(context, patient)| {
        let facts = Box::pin(examine(&patient)).await;
        Examined {
            context,
            findings: findings(&facts),
            unreachable: matches!(facts.cluster, Err(NotRead::Failed(_))),
        }
    });
    Ok(join_all(examined).await)
}

/// The clusters, each with what it is called.
async fn patients(
    args: &DoctorArgs,
    registry: Option<&RegistryUrl>,
) -> Result<Vec<(String, Patient)>, CommandError> {
    let hub = elsewhere(args, registry).await?;
    let path = args.kubeconfig.as_deref();
    let patient = |client: Client, flags: String, in_pod| Patient {
        registry: match registry {
            None => None,
            Some(_) if hub.is_some() => hub.clone(),
            Some(url) => {
                let place = url.to_string();
                Some(Hub::in_cluster(client.clone(), &place, &flags, false))
            }
        },
        client,
        kubectl_flags: flags,
        namespace: args.namespace.clone(),
        name: args.name.clone(),
        account: args.account.as_ref().unwrap_or(&args.name).clone(),
        direct: in_pod || args.connect.is_some(),
        connect: args.connect,
    };
    if args.contexts.is_empty() && !args.all_contexts {
        let wrong = |error: String| CommandError::Usage(format!("--kubeconfig: {error}"));
        let config = client_config(path, None).await.map_err(wrong)?;
        let client = Client::try_from(config).map_err(|error| wrong(error.to_string()))?;
        let in_pod = path.is_none() && std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
        let flags = kubectl_flags(path, None);
        return Ok(vec![(
            "this cluster".to_owned(),
            patient(client, flags, in_pod),
        )]);
    }
    let mut patients = Vec::new();
    for context in contexts::choose(path, &args.contexts).map_err(CommandError::Usage)? {
        let named = |error| CommandError::Usage(format!("context {}: {error}", context.name));
        let client = context.client().await.map_err(named)?;
        let flags = kubectl_flags(path, Some(&context.name));
        patients.push((context.name.clone(), patient(client, flags, false)));
    }
    Ok(patients)
}

/// Where claims are kept, where that is elsewhere.
async fn elsewhere(
    args: &DoctorArgs,
    registry: Option<&RegistryUrl>,
) -> Result<Option<Hub>, CommandError> {
    let wrong = |error: String| CommandError::Usage(format!("--registry: {error}"));
    match registry {
        Some(RegistryUrl::Memory) => Err(wrong(
            "memory: lives in its own process; nobody else sees it".to_owned(),
        )),
        Some(url @ RegistryUrl::Shards { .. }) => {
            let claims = RegistryArgs::of(&url.to_string()).open().await?;
            Ok(Some(Hub {
                flags: claims.flags().to_owned(),
                claims,
                client: None,
                place: url.to_string(),
                apart: true,
            }))
        }
        Some(RegistryUrl::Azure(place)) => {
            let claims = open_azure(place)?;
            Ok(Some(Hub {
                flags: claims.flags().to_owned(),
                claims: Arc::new(claims),
                client: None,
                place: place.to_string(),
                apart: true,
            }))
        }
        None
        | Some(RegistryUrl::Kubernetes {
            kubeconfig: None,
            context: None,
        }) => Ok(None),
        Some(
            url @ RegistryUrl::Kubernetes {
                kubeconfig,
                context,
            },
        ) => {
            let path = kubeconfig.as_deref().or(args.kubeconfig.as_deref());
            let config = client_config(path, context.as_deref())
                .await
                .map_err(wrong)?;
            let client = Client::try_from(config).map_err(|error| wrong(error.to_string()))?;
            let flags = kubectl_flags(path, context.as_deref());
            let place = url.to_string();
            Ok(Some(Hub::in_cluster(client, &place, &flags, true)))
        }
    }
}

fn write(found: &[Examined], form: ReportFormat, out: &mut impl Write) -> std::io::Result<()> {
    let values = || found.iter().map(value).collect::<Vec<Value>>();
    match form {
        ReportFormat::Json => writeln!(out, "{:#}", Value::from(values())),
        ReportFormat::Yaml => yaml(&values(), out),
        ReportFormat::Table => {
            let style = Style::of_stdout();
            found.iter().try_for_each(|one| table(one, style, out))
        }
    }
}

fn value(examined: &Examined) -> Value {
    let findings = examined.findings.iter().map(|finding| {
        json!({
            "topic": finding.topic.as_str(),
            "check": finding.check,
            "status": finding.status.as_str(),
            "finding": finding.words,
            "remedy": finding.remedy,
        })
    });
    json!({
        "context": examined.context,
        "status": worst(&examined.findings).as_str(),
        "findings": findings.collect::<Vec<Value>>(),
    })
}

fn table(examined: &Examined, style: Style, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "{}", style.paint(Emphasis::Bold, &examined.context))?;
    let mut topic = None;
    for finding in &examined.findings {
        if topic != Some(finding.topic) {
            topic = Some(finding.topic);
            writeln!(out, "  {}", finding.topic.as_str())?;
        }
        let paint = match finding.status {
            Status::Ok => Emphasis::Good,
            Status::Skip => Emphasis::Dim,
            Status::Warn => Emphasis::Doubtful,
            Status::Fail => Emphasis::Bad,
        };
        let status = style.paint(paint, &format!("{:<4}", finding.status.as_str()));
        writeln!(out, "    {status}  {}: {}", finding.check, finding.words)?;
        if let Some(remedy) = &finding.remedy {
            writeln!(out, "          {remedy}")?;
        }
    }
    let count = |status| {
        let all = examined.findings.iter();
        all.filter(|finding| finding.status == status).count()
    };
    let counts = [Status::Fail, Status::Warn, Status::Ok, Status::Skip];
    let counts = counts.map(|status| format!("{} {status}", count(status)));
    writeln!(out, "{}: {}", examined.context, counts.join(", "))
}
