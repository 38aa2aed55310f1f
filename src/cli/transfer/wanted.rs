//! Which resources are moved, and between which places.

use clap::Args;

use crate::arm::Identity;
use crate::claim::{Justification, NamespaceRef, TransferName};
use crate::cli::problems::Problems;
use crate::cli::registry::CommandError;
use crate::registry::Registry;
use crate::transfer::{Selection, Transfer};

/// What is moved. A transfer that was started knows it already.
#[derive(Args, Clone, Default)]
pub(super) struct WantedArgs {
    /// Where the resources are: CLUSTER/NAMESPACE
    #[arg(long, value_name = "PLACE", env = "ASO_GUARD_FROM")]
    pub(super) from: Option<String>,
    /// Where they are to be: CLUSTER/NAMESPACE
    #[arg(long, value_name = "PLACE", env = "ASO_GUARD_TO")]
    pub(super) to: Option<String>,
    /// Only the resource with this ARM ID, and what is below it; may be repeated
    #[arg(long, value_name = "ARM_ID", env = "ASO_GUARD_BELOW")]
    pub(super) below: Vec<String>,
    /// Only what is in a resource group of this name; may be repeated
    #[arg(
        long = "resource-group",
        value_name = "NAME",
        env = "ASO_GUARD_RESOURCE_GROUP"
    )]
    pub(super) resource_groups: Vec<String>,
    /// Only objects of this kind: Kind or Kind.group; may be repeated
    #[arg(long = "kind", value_name = "KIND", env = "ASO_GUARD_KIND")]
    pub(super) kinds: Vec<String>,
    /// Only objects with these labels, as kubectl takes them
    #[arg(short = 'l', long, value_name = "LABELS", env = "ASO_GUARD_SELECTOR")]
    pub(super) selector: Option<String>,
    /// Why; kept with the transfer
    #[arg(long, value_name = "TEXT", env = "ASO_GUARD_REASON")]
    pub(super) reason: Option<String>,
}

impl WantedArgs {
    /// Whether anything is said.
    fn says_something(&self) -> bool {
        let lists = [&self.below, &self.resource_groups, &self.kinds];
        let texts = [&self.from, &self.to, &self.selector];
        lists.iter().any(|list| !list.is_empty()) || texts.iter().any(|text| text.is_some())
    }

    /// The transfer that is there under this name, or the one that is described here.
    ///
    /// # Errors
    /// It is described wrongly, or otherwise than it was started.
    pub(super) async fn transfer(
        &self,
        registry: &dyn Registry,
        name: &TransferName,
    ) -> Result<(Transfer, bool), CommandError> {
        let known = registry.transfer(name).await?;
        let Some(known) = known else {
            return Ok((self.described(name)?, false));
        };
        if self.says_something() {
            let described = self.described(name)?;
            let same = |one: &Transfer| {
                let selection = one.selection.clone();
                (one.from.clone(), one.to.clone(), selection)
            };
            if same(&described) != same(&known.record) {
                return Err(CommandError::Usage(format!(
                    "transfer {name} was started otherwise: from {} to {}, {}. Leave the flags \
                     away to go on with it, or choose another name",
                    known.record.from,
                    known.record.to,
                    known.record.selection.words()
                )));
            }
        }
        Ok((known.record, true))
    }

    /// The transfer that is described here; all problems at once.
    pub(super) fn described(&self, name: &TransferName) -> Result<Transfer, CommandError> {
        let mut problems = Problems::default();
        let mut place = |flag: &str, text: &Option<String>| match text {
            None => problems.take(flag, Err("say which, as CLUSTER/NAMESPACE")),
            Some(text) => problems.parse::<NamespaceRef>(flag, text),
        };
        let (from, to) = (place("--from", &self.from), place("--to", &self.to));
        if from.is_some() && from == to {
            problems.add("--to: this is where they are already");
        }
        let below = self.below.iter();
        let below: Vec<Identity> = below
            .filter_map(|text| problems.parse("--below", text))
            .collect();
        let why = self.reason.as_deref().map(Justification::new);
        if why == Some(None) {
            problems.add("--reason: it says nothing");
        }
        match (from, to) {
            (Some(from), Some(to)) if problems.is_empty() => {
                let texts = |list: &[String]| list.iter().map(|one| one.as_str().into()).collect();
                let selection = Selection {
                    below,
                    resource_groups: texts(&self.resource_groups),
                    kinds: texts(&self.kinds),
                    labels: self.selector.as_deref().map(Into::into),
                };
                let mut transfer = Transfer::new(name.clone(), from, to, selection);
                transfer.why = why.flatten();
                Ok(transfer)
            }
            _ => Err(CommandError::Usage(format!(
                "cannot tell what to move:\n{}",
                problems.to_string().trim_end()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> WantedArgs {
        WantedArgs {
            from: Some("a/team".to_owned()),
            to: Some("b/team".to_owned()),
            ..WantedArgs::default()
        }
    }

    fn usage(args: &WantedArgs) -> String {
        match args.described(&"t".parse().unwrap()) {
            Err(CommandError::Usage(words)) => words,
            _ => panic!("it was taken"),
        }
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let wrong = WantedArgs {
            to: Some("nowhere".to_owned()),
            below: vec!["x".to_owned()],
            reason: Some(" ".to_owned()),
            ..args()
        };
        let words = usage(&wrong);
        for flag in ["--to: ", "--below: ", "--reason: "] {
            assert!(words.contains(flag), "{words}");
        }
        let nowhere = WantedArgs {
            to: args().from,
            ..args()
        };
        assert!(usage(&nowhere).contains("already"));
        assert!(usage(&WantedArgs::default()).contains("--from: say which"));
    }

    #[tokio::test]
    async fn a_transfer_that_was_started_need_not_be_described_again() {
        let registry = crate::registry::memory::MemoryRegistry::default();
        let name: TransferName = "t".parse().unwrap();
        let (wanted, known) = args().transfer(&registry, &name).await.ok().unwrap();
        assert!(!known);
        registry.put_transfer(&wanted, None).await.unwrap();
        for same in [args(), WantedArgs::default()] {
            let (found, known) = same.transfer(&registry, &name).await.ok().unwrap();
            assert!(known && found == wanted);
        }
        let other = WantedArgs {
            kinds: vec!["Vault".to_owned()],
            ..args()
        };
        let refused = other.transfer(&registry, &name).await;
        assert!(matches!(refused, Err(CommandError::Usage(words)) if words.contains("otherwise")));
    }
}
