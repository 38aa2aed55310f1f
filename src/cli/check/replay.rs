//! Recorded AdmissionReviews, judged again against a snapshot of the registry.
//!
//! What the guard lets through is taken to have happened, in the order of the recording.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;

use crate::admission::review;
use crate::check::{CheckedCluster, Finding, Level, Location, Position, Rule};
use crate::claim::MemberName;
use crate::registry::Registry as _;
use crate::registry::kubernetes::snapshot;
use crate::registry::memory::MemoryRegistry;

use crate::cli::problems::Problems;
use crate::cli::simulated_member::SimulatedMember;

/// What to replay against what.
#[derive(Args)]
pub(super) struct ClaimSnapshotArgs {
    /// Judge recorded AdmissionReviews again: a file with one in JSON on each line
    #[arg(long, value_name = "FILE", env = "ASO_GUARD_CHECK_REPLAY", requires_all = ["claims", "member"])]
    replay: Option<PathBuf>,
    /// The registry they are judged against: kubectl get claims.asoguard.io -o json
    #[arg(long, value_name = "FILE", env = "ASO_GUARD_CHECK_CLAIMS")]
    claims: Option<PathBuf>,
    /// The member whose API server they were recorded at
    #[arg(long = "as", value_name = "NAME", env = "ASO_GUARD_CHECK_AS")]
    member: Option<String>,
}

/// A checked [`ClaimSnapshotArgs`].
pub(super) struct ClaimSnapshotCheck {
    reviews: PathBuf,
    claims: PathBuf,
    pub(super) member: MemberName,
}

impl ClaimSnapshotCheck {
    /// What is asked for, if anything is.
    pub(super) fn of(args: &ClaimSnapshotArgs, problems: &mut Problems) -> Option<Self> {
        let (reviews, claims) = (args.replay.clone()?, args.claims.clone()?);
        let member = problems.parse("--as", args.member.as_deref()?)?;
        Some(Self {
            reviews,
            claims,
            member,
        })
    }
}

/// Judges every review, and gives those that are refused or warned of.
///
/// # Errors
/// A file cannot be read; for a person.
pub(super) async fn run(
    asked: &ClaimSnapshotCheck,
    clusters: Vec<CheckedCluster>,
) -> anyhow::Result<Vec<Finding>> {
    let read =
        |path: &Path| std::fs::read_to_string(path).with_context(|| path.display().to_string());
    let records =
        snapshot(&read(&asked.claims)?).with_context(|| asked.claims.display().to_string())?;
    let reviews = read(&asked.reviews)?;
    let own = clusters
        .into_iter()
        .find(|cluster| *cluster.name() == asked.member);
    let own = own.with_context(|| format!("there is no cluster {}", asked.member))?;
    let registry = Arc::new(MemoryRegistry::new());
    for record in &records {
        registry.put_claim(record, None).await?;
    }
    let stage = SimulatedMember::set(own, registry, &records).await?;
    let file: Arc<str> = asked.reviews.display().to_string().into();
    let mut found = Vec::new();
    for (at, line) in reviews.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let line_number = u32::try_from(at + 1).unwrap_or(u32::MAX);
        let place = Location {
            file: file.clone(),
            at: Position {
                line: line_number,
                column: 1,
            },
        };
        match review::parse(line.as_bytes()) {
            Ok(request) => {
                let verdict = stage.judge(&request).await?;
                if verdict.allowed && request.dry_run != Some(true) {
                    stage.happen(&request).await?;
                }
                found.extend(stage.finding(&request, place, &verdict));
            }
            Err(error) => {
                let what = error.to_string();
                found.push(Finding::at(Rule::Unreadable, Level::Error, place, what));
            }
        }
    }
    Ok(found)
}
