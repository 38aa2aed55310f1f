//! `aso-guard check`: manifests of several clusters against each other, before they are applied.

mod files;
mod replay;
mod settings;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;

use crate::check::{self, Cluster, Compared, Contents, manifest};

use super::Outcome;
use super::report::{Form, Report};
use super::terminal::Style;
use files::Files;
use settings::Plan;

/// Which manifests, and what is known of their clusters.
#[derive(Args)]
pub(super) struct CheckArgs {
    /// A cluster and its manifests: a file, a directory, or - for standard input; may be repeated
    ///
    /// Directories are searched for .yaml, .yml and .json files. Several paths are separated by
    /// commas. What a tool renders is best given rendered:
    /// kubectl kustomize clusters/a | aso-guard check --cluster a=- --cluster b=clusters/b
    #[arg(
        long = "cluster",
        value_name = "NAME=PATH",
        env = "ASO_GUARD_CHECK_CLUSTER",
        value_delimiter = ' '
    )]
    pub(super) clusters: Vec<String>,
    /// The subscription of a cluster's credential, or of all clusters'; a/team: of a namespace's
    ///
    /// a/team/secret: of the secret of that name, where objects name it (credential-from). What is
    /// not known is compared with what is not known, and findings say so.
    #[arg(
        long = "subscription",
        value_name = "[NAME=]ID",
        env = "ASO_GUARD_CHECK_SUBSCRIPTION",
        value_delimiter = ' '
    )]
    pub(super) subscriptions: Vec<String>,
    /// ASO's DEFAULT_RECONCILE_POLICY in a cluster, or in all
    #[arg(
        long = "default-policy",
        value_name = "[NAME=]POLICY",
        env = "ASO_GUARD_CHECK_DEFAULT_POLICY",
        value_delimiter = ' '
    )]
    pub(super) default_policies: Vec<String>,
    /// The clusters in a file [default: aso-guard.yaml, if it is there]
    #[arg(long, value_name = "FILE", env = "ASO_GUARD_CHECK_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// A rule to leave out, such as parked-without-live; may be repeated
    #[arg(
        long,
        value_name = "RULE",
        env = "ASO_GUARD_CHECK_IGNORE",
        value_delimiter = ','
    )]
    pub(super) ignore: Vec<String>,
    /// How findings are written
    #[arg(
        short,
        long,
        value_enum,
        default_value = "table",
        env = "ASO_GUARD_CHECK_OUTPUT"
    )]
    pub(super) output: Form,
    #[command(flatten)]
    replay: replay::ReplayArgs,
}

/// Checks, and writes what was found to standard output.
pub(super) async fn run(args: &CheckArgs) -> Outcome {
    let plan = match Plan::of(args) {
        Ok(plan) => plan,
        Err(problems) => {
            eprint!("aso-guard: cannot check:\n{problems}");
            return Outcome::Usage;
        }
    };
    let mut files = Files::default();
    let mut report = Report {
        findings: Vec::new(),
        clusters: Vec::new(),
        compared: Compared::default(),
        at: Timestamp::now(),
        remarks: Vec::new(),
    };
    let mut clusters = Vec::new();
    let mut unread = Vec::new();
    for planned in &plan.clusters {
        let mut cluster = Cluster::new(planned.settings.clone());
        for path in &planned.paths {
            let read = files.read(path, |file: &Arc<str>, text: &str| {
                add(
                    &mut cluster,
                    file,
                    text,
                    &planned.default_namespace,
                    &mut report,
                );
            });
            if let Err(error) = read {
                unread.push(error);
            }
        }
        let name = cluster.name().to_string();
        report.remarks.extend(makers(&cluster));
        report.clusters.push((name, cluster.objects().count()));
        clusters.push(cluster);
    }
    report.findings.extend(files.findings);
    report.remarks.extend(files.remarks);
    if !unread.is_empty() {
        eprintln!("aso-guard: cannot check:\n  {}", unread.join("\n  "));
        return Outcome::Usage;
    }
    report.add(check::check(&mut clusters));
    if let Some(asked) = &plan.replay {
        match replay::run(asked, clusters).await {
            Ok(found) => report.findings.extend(found),
            Err(error) => {
                eprintln!("aso-guard: cannot replay: {error:#}");
                return Outcome::Usage;
            }
        }
    }
    report.ignore(&plan.ignore);
    report.sort();
    let out = &mut std::io::stdout().lock();
    let written = report
        .write(args.output, Style::of_stdout(), out)
        .and_then(|()| out.flush());
    match written {
        Ok(()) => report.outcome(),
        Err(error) => {
            eprintln!("aso-guard: cannot write the report: {error}");
            Outcome::Failed
        }
    }
}

fn add(cluster: &mut Cluster, file: &Arc<str>, text: &str, namespace: &str, report: &mut Report) {
    let Contents { items, findings } = manifest::read(file, text, namespace);
    for item in items {
        cluster.add(item);
    }
    report.findings.extend(findings);
}

/// What may make ASO objects that are not in the manifests.
fn makers(cluster: &Cluster) -> Option<String> {
    let makers = cluster.makers().iter();
    let makers: Vec<String> = makers
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    (!makers.is_empty()).then(|| {
        format!(
            "cluster {}: {} may make ASO objects that check does not read here; give it what they \
             make as well",
            cluster.name(),
            makers.join(", "),
        )
    })
}
