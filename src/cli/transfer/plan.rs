//! `aso-guard transfer plan`: what a transfer would do, and what stands in its way. It
//! stores nothing.

use std::io::Write;

use clap::Args;
use serde::Serialize;

use crate::cli::Outcome;
use crate::cli::output::{ReportFormat, yaml};
use crate::cli::registry::CommandError;
use crate::cli::terminal::Style;
use crate::driver::{Obstacle, TransferItem, TransferState, look};
use crate::transfer::TransferStep;

use super::moved::MovedArgs;
use super::named;
use super::obstacles::{blocking, write_obstacles};

/// What to plan.
#[derive(Args)]
pub(super) struct PlanArgs {
    /// The transfer's name, if it was started; else what it might be called
    #[arg(default_value = "plan")]
    name: String,
    #[command(flatten)]
    moved: MovedArgs,
    /// Output format
    #[arg(
        short,
        long,
        value_enum,
        default_value = "table",
        env = "ASO_GUARD_PLAN_OUTPUT"
    )]
    output: ReportFormat,
}

/// A plan, for programs.
#[derive(Serialize)]
struct TransferPlan {
    from: String,
    to: String,
    selection: String,
    resources: Vec<PlannedResource>,
    obstacles: Vec<PlannedObstacle>,
}

#[derive(Serialize)]
struct PlannedResource {
    /// 0 for what has no owner among them; `null` where owners go round in a circle.
    level: Option<usize>,
    resource: String,
    source: String,
    target: String,
    next: String,
}

#[derive(Serialize)]
struct PlannedObstacle {
    weight: &'static str,
    rule: &'static str,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    objects: Vec<String>,
}

/// Plans, and writes the plan.
pub(super) async fn run(args: &PlanArgs, out: &mut impl Write) -> Result<Outcome, CommandError> {
    let name = named(&args.name)?;
    let registry = args.moved.registry.open().await?;
    let (transfer, _) = args.moved.wanted.transfer(&*registry, &name).await?;
    let (ends, found) = args.moved.open(&*registry, &transfer).await?;
    let (state, obstacles) = look(&*registry, transfer, ends, found).await?;
    match args.output {
        ReportFormat::Table => table(&state, &obstacles, Style::of_stdout(), out)?,
        ReportFormat::Json => {
            let text = serde_json::to_string_pretty(&plan(&state, &obstacles));
            writeln!(out, "{}", text.map_err(cannot_write)?)?;
        }
        ReportFormat::Yaml => yaml(&plan(&state, &obstacles), out)?,
    }
    Ok(if blocking(&obstacles).next().is_none() {
        Outcome::Fine
    } else {
        Outcome::Failed
    })
}

fn cannot_write(error: impl std::fmt::Display) -> CommandError {
    CommandError::Failed(format!("cannot write the plan: {error}"))
}

/// The items in the order in which copies are made: level by level.
fn ordered(state: &TransferState) -> Vec<(Option<usize>, &TransferItem)> {
    let depths = state.depths();
    let mut ordered: Vec<_> = depths.into_iter().zip(&state.items).collect();
    ordered.sort_by_key(|(depth, item)| (depth.unwrap_or(usize::MAX), item.identity.key()));
    ordered
}

/// Writes the plan for people.
pub(super) fn table(
    state: &TransferState,
    obstacles: &[Obstacle],
    style: Style,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let row = |(depth, item): &(Option<usize>, &TransferItem)| {
        vec![
            depth.map_or("?".to_owned(), |depth| depth.to_string()),
            item.identity.last_pair().to_owned(),
            format!("{}/{}", item.source_key.kind, item.source_key.name),
            to_do(state.planned(item)).to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = ordered(state).iter().map(row).collect();
    let count = rows.len();
    if count > 0 {
        let head = ["LEVEL", "RESOURCE", "OBJECT", "NEXT"];
        write!(out, "{}", style.table(&head, rows, |_| None))?;
        writeln!(out)?;
    }
    writeln!(
        out,
        "{count} resources, from {} to {}: {}.",
        state.way.from,
        state.way.to,
        state.transfer.selection.words()
    )?;
    write_obstacles(obstacles, style, out)?;
    let blocks = blocking(obstacles).count();
    if count == 0 {
        writeln!(out, "Nothing is selected.")?;
    } else if blocks == 0 {
        writeln!(out, "Nothing stands in the way.")?;
    } else {
        writeln!(out, "{blocks} of these have to be out of the way first.")?;
    }
    Ok(())
}

fn plan(state: &TransferState, obstacles: &[Obstacle]) -> TransferPlan {
    let planned = |(level, item): (Option<usize>, &TransferItem)| PlannedResource {
        level,
        resource: item.identity.to_string(),
        source: format!("{}/{}", state.way.from.member, item.source_key),
        target: format!("{}/{}", state.way.to.member, item.target_key),
        next: to_do(state.planned(item)).to_owned(),
    };
    let obstacle = |one: &Obstacle| PlannedObstacle {
        weight: one.weight.as_str(),
        rule: one.rule.as_str(),
        what: one.words.clone(),
        advice: one.advice.clone(),
        objects: one.objects.clone(),
    };
    TransferPlan {
        from: state.way.from.to_string(),
        to: state.way.to.to_string(),
        selection: state.transfer.selection.words(),
        resources: ordered(state).into_iter().map(planned).collect(),
        obstacles: obstacles.iter().map(obstacle).collect(),
    }
}

/// A step in words.
fn to_do(step: TransferStep) -> &'static str {
    match step {
        TransferStep::Park => "park it",
        TransferStep::AwaitParked => "wait until it is seen parked and idle",
        TransferStep::Create => "create it in the target",
        TransferStep::Wake => "wake it in the target",
        TransferStep::AwaitLive => "wait until it is seen live",
        TransferStep::AwaitReconciled => "wait until ASO has reconciled it in the target",
        TransferStep::Delete => "delete it in the source",
        TransferStep::AwaitGone => "wait until it is gone",
        TransferStep::Done => "nothing: it is moved",
        TransferStep::Stuck(trouble) => trouble.words(),
    }
}
