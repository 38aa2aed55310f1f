//! `aso-guard audit`: the conflicts that there are, in live clusters, before anything
//! is installed. It only reads.

mod hub;
mod progress;
mod survey;

use std::path::PathBuf;

use clap::Args;
use futures::future::join_all;
use jiff::Timestamp;

use crate::check::{self, Rule};
use crate::claim::MemberName;

use super::Outcome;
use super::registry::CommandError;
use super::report::{FailOn, Report, ReportFormat};
use crate::cli::contexts::{self, ClusterContext};
use crate::cli::problems::Problems;
use progress::SurveyProgress;
use survey::Surveyed;

/// Which clusters to look at.
#[derive(Args)]
pub(super) struct AuditArgs {
    /// A context of the kubeconfig; may be repeated [default: all of them]
    #[arg(
        long = "context",
        value_name = "NAME",
        env = "ASO_GUARD_AUDIT_CONTEXT",
        value_delimiter = ','
    )]
    contexts: Vec<String>,
    /// The kubeconfig [default: as kubectl finds it]
    #[arg(long, value_name = "PATH", env = "ASO_GUARD_KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// The subscription of every object, where no secrets are to be read
    #[arg(long, value_name = "ID", env = "ASO_GUARD_SUBSCRIPTION")]
    subscription: Option<String>,
    /// Where claims are kept, if aso-guard runs already, to compare them with the clusters; a URL as
    /// for --registry
    #[arg(long, value_name = "URL", env = "ASO_GUARD_AUDIT_HUB")]
    hub: Option<String>,
    /// A rule to leave out, such as parked-without-live; may be repeated
    #[arg(
        long,
        value_name = "RULE",
        env = "ASO_GUARD_CHECK_IGNORE",
        value_delimiter = ','
    )]
    ignore: Vec<String>,
    /// What fails it: errors alone, or warnings too
    #[arg(
        long,
        value_name = "LEVEL",
        value_enum,
        default_value = "warning",
        env = "ASO_GUARD_AUDIT_FAIL_ON"
    )]
    fail_on: FailOn,
    /// How findings are written
    #[arg(
        short,
        long,
        value_enum,
        default_value = "table",
        env = "ASO_GUARD_AUDIT_OUTPUT"
    )]
    output: ReportFormat,
}

/// Looks, and writes what was found to standard output.
pub(super) async fn run(args: &AuditArgs) -> Outcome {
    let mut problems = Problems::default();
    let ignore = args.ignore.iter();
    let ignore: Vec<Rule> = ignore
        .filter_map(|name| problems.parse("--ignore", name))
        .collect();
    let contexts = match contexts::choose(args.kubeconfig.as_deref(), &args.contexts) {
        Ok(contexts) if problems.is_empty() => contexts,
        chosen => {
            chosen.err().into_iter().for_each(|one| problems.add(one));
            eprint!("aso-guard: cannot audit:\n{problems}");
            return Outcome::Usage;
        }
    };
    let mut report = Report::new(Timestamp::now(), args.fail_on);
    report.remarks = contexts
        .iter()
        .filter_map(ClusterContext::renamed)
        .collect();
    let (mut clusters, known) = survey_all(args, &contexts, &mut report).await;
    let checked = check::check(&mut clusters);
    if let Some(url) = &args.hub {
        let looked_at: Vec<(MemberName, String)> = clusters
            .iter()
            .zip(&known)
            .map(|(cluster, (uid, _))| (cluster.name().clone(), uid.clone()))
            .collect();
        let compared = hub::compare(url, &looked_at, &checked.objects).await;
        if let Err(stop) = take_hub(url, compared, &mut report) {
            return stop.report();
        }
    }
    report.add(checked);
    report.sort();
    report.ignore(&ignore);
    finish(&mut report, args.output)
}

/// Looks at all clusters at once. Gives those that answered, each with its UID and context.
async fn survey_all(
    args: &AuditArgs,
    contexts: &[ClusterContext],
    report: &mut Report,
) -> (Vec<check::CheckedCluster>, Vec<(String, String)>) {
    let progress = SurveyProgress::new();
    let looks = contexts.iter().map(|context| {
        let progress = progress.of(&context.name);
        survey::look(context, args.subscription.as_deref(), progress)
    });
    let looked = join_all(looks).await;
    progress.end();
    let (mut clusters, mut known) = (Vec::new(), Vec::new());
    for (context, looked) in contexts.iter().zip(looked) {
        match looked {
            Ok(surveyed) => take(context, surveyed, report, &mut clusters, &mut known),
            Err(error) => report.miss(format!("context {}: {error}", context.name)),
        }
    }
    (clusters, known)
}

/// Adds what the hub's claims say, or that it did not answer.
///
/// # Errors
/// What was asked of it makes no sense.
fn take_hub(
    url: &str,
    compared: Result<hub::HubComparison, CommandError>,
    report: &mut Report,
) -> Result<(), CommandError> {
    match compared {
        Ok(compared) => {
            report.findings.extend(compared.findings);
            report.remarks.extend(compared.remarks);
            report.complete &= compared.complete;
        }
        Err(CommandError::Unreachable(why)) => {
            report.miss(format!("the hub {url} did not answer: {why}"));
        }
        Err(stop) => return Err(stop),
    }
    Ok(())
}

/// Adds a cluster to those that are compared, unless another context led to the same one.
fn take(
    context: &ClusterContext,
    surveyed: Surveyed,
    report: &mut Report,
    clusters: &mut Vec<check::CheckedCluster>,
    known: &mut Vec<(String, String)>,
) {
    if let Some((_, other)) = known.iter().find(|(uid, _)| *uid == surveyed.uid) {
        report.remarks.push(format!(
            "context {} is the same cluster as {other}; it was looked at once",
            context.name
        ));
        return;
    }
    report.complete &= surveyed.missed.is_empty();
    let missed = surveyed.missed.iter();
    let missed = missed.map(|missed| format!("context {}: {missed}", context.name));
    report.remarks.extend(missed);
    known.push((surveyed.uid, context.name.clone()));
    let objects = surveyed.cluster.objects().count();
    report.clusters.push((context.member.to_string(), objects));
    clusters.push(surveyed.cluster);
}

fn finish(report: &mut Report, form: ReportFormat) -> Outcome {
    let outcome = report.print(form);
    if report.complete {
        return outcome;
    }
    eprintln!("aso-guard: not everything could be looked at:");
    for remark in report
        .remarks
        .iter()
        .filter(|remark| remark.contains("did not answer"))
    {
        eprintln!("  {remark}");
    }
    Outcome::Unreachable
}
