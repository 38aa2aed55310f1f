//! `aso-guard check`: manifests of several clusters against each other, before they are applied.

mod files;
mod render;
mod replay;
mod settings;

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;

use crate::check::{self, CheckedCluster, manifest};

use super::Outcome;
use super::problems::Problems;
use super::report::{FailOn, Report, ReportFormat};
pub(super) use files::SourceFiles;
use replay::ClaimSnapshotCheck;
pub(super) use settings::{CheckPlan, PlannedCluster};

/// Which manifests, and what is known of their clusters.
#[derive(Args)]
pub(in crate::cli) struct ClusterArgs {
    /// A cluster and its manifests: a file, a directory, or - for standard input; may be repeated
    ///
    /// Directories are searched for .yaml, .yml and .json files. Several paths are separated by
    /// commas. What a tool renders is best given rendered: kustomize:DIR; flux:DIR, with all that
    /// Flux's Kustomizations in it apply; helm:CHART[:VALUES...]; or by standard input:
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
    /// What fails it: errors alone, or warnings too
    #[arg(
        long,
        value_name = "LEVEL",
        value_enum,
        default_value = "warning",
        env = "ASO_GUARD_CHECK_FAIL_ON"
    )]
    pub(in crate::cli) fail_on: FailOn,
    /// How findings are written
    #[arg(
        short,
        long,
        value_enum,
        default_value = "table",
        env = "ASO_GUARD_CHECK_OUTPUT"
    )]
    pub(in crate::cli) output: ReportFormat,
}

/// What to check.
#[derive(Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    clusters: ClusterArgs,
    /// List each object with its ARM ID, its policy, and what the two rest on
    #[arg(long, env = "ASO_GUARD_CHECK_IDENTITIES")]
    identities: bool,
    #[command(flatten)]
    replay: replay::ClaimSnapshotArgs,
}

/// Checks, and writes what was found to standard output.
pub(super) async fn run(args: &CheckArgs) -> Outcome {
    let mut problems = Problems::default();
    let replay = ClaimSnapshotCheck::of(&args.replay, &mut problems);
    let member = replay.iter().map(|replay| &replay.member);
    let plan = match CheckPlan::of(&args.clusters, member, Some(problems)) {
        Ok(plan) => plan,
        Err(problems) => {
            eprint!("aso-guard: cannot check:\n{problems}");
            return Outcome::Usage;
        }
    };
    let mut files = SourceFiles::default();
    let mut report = Report::new(Timestamp::now(), args.clusters.fail_on);
    let (mut clusters, mut unread) = (Vec::new(), Vec::new());
    for planned in &plan.clusters {
        match read(planned, &mut files, &mut report) {
            Ok(cluster) => clusters.push(cluster),
            Err(errors) => unread.push(errors),
        }
    }
    if !unread.is_empty() {
        eprintln!("aso-guard: cannot check:\n{}", unread.join("\n"));
        return Outcome::Usage;
    }
    let mut checked = check::check(&mut clusters);
    // Only now each knows the kinds that another one's CRDs told of.
    let counts = clusters
        .iter()
        .map(|cluster| (cluster.name().to_string(), cluster.objects().count()));
    report.clusters.extend(counts);
    if args.identities {
        report.objects = Some(std::mem::take(&mut checked.objects));
    }
    report.add(checked);
    if let Some(asked) = &replay {
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
    report.print(args.clusters.output)
}

/// Reads the manifests of a cluster.
///
/// # Errors
/// What could not be read, a line each.
pub(in crate::cli) fn read(
    planned: &PlannedCluster,
    files: &mut SourceFiles,
    report: &mut Report,
) -> Result<CheckedCluster, String> {
    let mut cluster = CheckedCluster::new(planned.settings.clone());
    let mut unread = Vec::new();
    for path in &planned.paths {
        let read = files.read(path, &planned.default_namespace, |file, text| {
            let contents = manifest::read(file, text, &planned.default_namespace);
            contents
                .items
                .into_iter()
                .for_each(|item| cluster.add(item));
            report.findings.extend(contents.findings);
        });
        unread.extend(read.err().map(|error| format!("  {error}")));
    }
    cluster.name_objects();
    report.findings.append(&mut files.findings);
    report.remarks.append(&mut files.remarks);
    report.remarks.extend(makers(&cluster));
    if unread.is_empty() {
        Ok(cluster)
    } else {
        Err(unread.join("\n"))
    }
}

/// What may make ASO objects that are not in the manifests.
fn makers(cluster: &CheckedCluster) -> Option<String> {
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
