//! `aso-guard failover fence`.

use std::io::Write;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Timestamp};

use crate::claim::{FENCE_SETTLES, Fence, FenceProof, Justification, MemberName};
use crate::cli::claims::actor;
use crate::cli::question::agree;
use crate::cli::registry::{CommandError, RegistryArgs};
use crate::failover::{self, FenceRequest, LISTENED};

use super::{duration, refused};

/// A member writes a heartbeat every 15 s; less than this says nothing.
const SHORTEST: SignedDuration = SignedDuration::from_secs(30);
/// How often it is told how long there is still to wait.
const TOLD: Duration = Duration::from_mins(1);

/// Of whom, and how that is sure.
#[derive(Args)]
pub(super) struct FenceArgs {
    /// The cluster that is lost
    #[arg(long, value_name = "NAME")]
    member: MemberName,
    /// Its nodes are gone: no process of its ASO is left
    #[arg(long, required_unless_present = "credential_revoked")]
    cluster_gone: bool,
    /// It may run, and what its ASO writes with was taken away in Azure
    #[arg(long, value_enum, value_name = "WHAT", conflicts_with = "cluster_gone")]
    credential_revoked: Option<Revoked>,
    /// Why; kept in the member's record
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// How long to wait before anything may be released [default: by what was taken away]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    wait: Option<SignedDuration>,
    /// For how long it must not have been heard from
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10m")]
    not_heard_for: SignedDuration,
    /// Do not wait here: the time is in the member's record
    #[arg(long)]
    no_wait: bool,
    /// Who you are; kept there too [default: this machine's user]
    #[arg(long, value_name = "NAME", env = "ASO_GUARD_ACTOR")]
    actor: Option<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// What was taken away of a credential, and so for how long a token is good still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Revoked {
    /// Its role assignments: Azure heeds that within half an hour, whatever token is used.
    RoleAssignments,
    /// The service principal's secret, or the federated credential of a workload identity:
    /// tokens last up to 90 minutes.
    ServicePrincipal,
    /// The managed identity: its tokens last up to 24 hours.
    ManagedIdentity,
}

impl Revoked {
    fn lasts(self) -> SignedDuration {
        match self {
            Self::RoleAssignments => SignedDuration::from_mins(30),
            Self::ServicePrincipal => SignedDuration::from_mins(90),
            Self::ManagedIdentity => SignedDuration::from_hours(24),
        }
    }
}

pub(super) async fn run(args: &FenceArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let (name, flags) = (&args.member, args.registry.flags());
    let why = Justification::new(&args.reason).ok_or_else(|| {
        CommandError::Usage("--reason: say why, for whoever looks later".to_owned())
    })?;
    if args.not_heard_for < SHORTEST {
        return Err(CommandError::Usage(
            "--not-heard-for: a member writes every 15 s; say 30s at least".to_owned(),
        ));
    }
    let registry = args.registry.open_shard().await?;
    if !args.yes {
        writeln!(out, "{}", what_to_run(args))?;
        let question = format!(
            "From now on the guard of {name}, if it is there, lets nothing go live, and what {name} \
             held may be released. If its ASO still writes, two will.\nFence {name}?"
        );
        agree(&question, "--yes", out)?;
    }
    writeln!(out, "Watching {name} for {} s …", LISTENED.as_secs())?;
    let request = FenceRequest {
        member: name.clone(),
        proof: match args.credential_revoked {
            None => FenceProof::ClusterGone,
            Some(_) => FenceProof::CredentialRevoked,
        },
        silence: args.not_heard_for,
        wait: args.wait.unwrap_or_else(|| {
            args.credential_revoked
                .map_or(FENCE_SETTLES, Revoked::lasts)
        }),
        by: actor(args.actor.as_deref()).into(),
        why,
    };
    let fenced = failover::fence(&*registry, &request, Timestamp::now).await;
    let fence = fenced.map_err(|error| refused(error, name, &args.registry))?;
    writeln!(
        out,
        "Fenced {name}. What it held may be released from {} on:\n  aso-guard failover release \
         --member {name} --all --reason WHY{flags}",
        fence.until
    )?;
    if !args.no_wait {
        wait(&fence).await;
    }
    Ok(())
}

/// Counts down. Cut off, nothing is lost: the time is in the record.
async fn wait(fence: &Fence) {
    loop {
        let left = fence.until.duration_since(Timestamp::now());
        let left = Duration::try_from(left).unwrap_or_default();
        if left.is_zero() {
            return;
        }
        eprintln!(
            "{} min {} s to wait still (ctrl-c: the time is in its record)",
            left.as_secs() / 60,
            left.as_secs() % 60
        );
        tokio::time::sleep(left.min(TOLD)).await;
    }
}

/// How somebody makes sure in Azure.
fn what_to_run(args: &FenceArgs) -> String {
    let lines: &[&str] = match args.credential_revoked {
        None => &[
            "That its nodes are gone, Azure says:",
            "  az aks show -g GROUP -n CLUSTER --query '[powerState.code, nodeResourceGroup]' -o tsv",
            "  az vmss list -g NODE_RESOURCE_GROUP -o table      # nothing, or all deallocated",
            "To stop a cluster that may be running: az aks stop -g GROUP -n CLUSTER",
        ],
        Some(Revoked::RoleAssignments) => &[
            "Take away what its ASO's identity may do, and see that nothing is left:",
            "  az role assignment delete --assignee CLIENT_ID",
            "  az role assignment list --assignee CLIENT_ID --all -o table",
        ],
        Some(Revoked::ServicePrincipal) => &[
            "Take its ASO's credential away:",
            "  az ad sp update --id CLIENT_ID --set accountEnabled=false",
            "or, of a workload identity, the federated credential of this cluster alone:",
            "  az identity federated-credential delete -g GROUP --identity-name IDENTITY --name NAME",
        ],
        Some(Revoked::ManagedIdentity) => &[
            "Take the identity away from the nodes:",
            "  az vmss identity remove -g NODE_RESOURCE_GROUP -n SCALE_SET --identities IDENTITY",
            "Tokens that it has are good for up to 24 h still; without its role assignments, for half",
            "an hour: --credential-revoked role-assignments.",
        ],
    };
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_last_as_long_as_what_was_taken_away() {
        let lasts = Revoked::value_variants().iter().map(|one| one.lasts());
        let lasts: Vec<_> = lasts.map(|one| one.as_mins()).collect();
        assert_eq!(lasts, [30, 90, 24 * 60]);
    }
}
