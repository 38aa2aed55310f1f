//! Why what a member holds was not given on, and what to do.

use crate::claim::MemberName;
use crate::cli::registry::{CommandError, RegistryArgs};
use crate::failover::FailoverError;

/// In words, with the next thing to type.
pub(in crate::cli) fn refused(
    error: FailoverError,
    name: &MemberName,
    registry: &RegistryArgs,
) -> CommandError {
    let (what, flags) = (error.to_string(), registry.flags());
    let next = match error {
        FailoverError::Registry(error) => return error.into(),
        FailoverError::NoMember(_) => format!("see them all: aso-guard members list{flags}"),
        FailoverError::NameTaken { .. } => {
            format!("choose another name; see those taken: aso-guard members list{flags}")
        }
        FailoverError::Speaks { .. } => format!(
            "what was done until then stays. Stop its guard and its ASO first, if this is what you \
             want: aso-guard webhook delete --context {name}, and kubectl --context {name} -n \
             aso-guard scale deployment aso-guard --replicas 0; then do the same again"
        ),
        FailoverError::InTransfer { .. } => {
            format!("end them first: aso-guard transfer finish NAME{flags}")
        }
        FailoverError::TooLately { .. } => {
            "wait until it was not heard from for longer (--not-heard-for), or move what it holds \
             while it is there: docs/transfers.md"
                .to_owned()
        }
        FailoverError::Moving => {
            format!("see how far it is: aso-guard registry status{flags}")
        }
        FailoverError::Fenced(_) => {
            format!("to say otherwise, first: aso-guard failover undo --member {name}{flags}")
        }
        FailoverError::NotFenced(_) => format!(
            "a person has to, who knows: aso-guard failover fence --member {name}{flags} --help"
        ),
        FailoverError::TooEarly { .. } => {
            "the time is in its record: do the same again after it".to_owned()
        }
    };
    CommandError::Failed(format!("{what}; {next}"))
}
