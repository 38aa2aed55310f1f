//! What `transfer plan` and `transfer run` are told of what is moved.

use clap::{Args, ValueEnum};

use crate::cli::registry::{CommandError, RegistryArgs};
use crate::driver::{Endpoint, ObstacleKind, Obstacles};
use crate::registry::Registry;
use crate::transfer::Transfer;

use super::endpoints::EndpointArgs;
use super::wanted::WantedArgs;

/// What is moved, between which clusters, and what may stand in the way.
#[derive(Args)]
pub(super) struct MovedArgs {
    #[command(flatten)]
    pub(super) wanted: WantedArgs,
    #[command(flatten)]
    endpoints: EndpointArgs,
    /// An obstacle to go on with all the same: children-left, reference, tool or unread; may be
    /// repeated
    #[arg(
        long,
        value_name = "RULE",
        value_enum,
        hide_possible_values = true,
        env = "ASO_GUARD_ACCEPT"
    )]
    accept: Vec<AcceptedObstacle>,
    #[command(flatten)]
    pub(super) registry: RegistryArgs,
}

/// What a person may accept: nothing is deleted in Azure by it, and nothing gets a second
/// reconciler.
#[derive(Clone, Copy, ValueEnum)]
enum AcceptedObstacle {
    ChildrenLeft,
    Reference,
    Tool,
    Unread,
}

impl From<AcceptedObstacle> for ObstacleKind {
    fn from(accepted: AcceptedObstacle) -> Self {
        match accepted {
            AcceptedObstacle::ChildrenLeft => Self::ChildrenLeft,
            AcceptedObstacle::Reference => Self::Reference,
            AcceptedObstacle::Tool => Self::Tool,
            AcceptedObstacle::Unread => Self::Unread,
        }
    }
}

impl MovedArgs {
    /// Both ends, and what is wrong with the members they are in.
    ///
    /// # Errors
    /// One cannot be reached, or is another cluster.
    pub(super) async fn open(
        &self,
        registry: &dyn Registry,
        transfer: &Transfer,
    ) -> Result<((Endpoint, Endpoint), Obstacles), CommandError> {
        let way = transfer.reservation();
        let endpoints = self.endpoints.open(registry, &way.from, &way.to).await?;
        let mut found = Obstacles::accepting(self.accept.iter().map(|&one| one.into()));
        for problem in endpoints.problems {
            found.add(ObstacleKind::Member, None, problem);
        }
        Ok(((endpoints.from, endpoints.to), found))
    }

    /// The flags that lead another command to the same clusters and registry.
    pub(super) fn flags(&self) -> String {
        format!("{}{}", self.endpoints.flags(), self.registry.flags())
    }

    /// Those that accept the same.
    pub(super) fn accepted(&self) -> String {
        let accepted = self.accept.iter().map(|&one| ObstacleKind::from(one));
        accepted.fold(String::new(), |flags, one| {
            flags + " --accept " + one.as_str()
        })
    }
}
