//! Why a registry did not do what was asked, and records that nobody can read: each is its own
//! trouble, and no other record's.

use thiserror::Error;

use crate::arm::Identity;
use crate::object::text::quoted;

/// Why a registry did not do what was asked.
#[derive(Clone, Debug, Error)]
pub enum RegistryError {
    /// It did not answer, or not in time, or said it cannot now. A write may or
    /// may not have been carried out.
    #[error("the registry {registry} did not answer: {why}")]
    Unavailable {
        /// Which registry, as a person would name it.
        registry: String,
        /// What happened.
        why: String,
    },
    /// It was not asked: as many admissions as may do so wait for it already.
    #[error(
        "{0} other requests already wait for the registry, which answers too slowly for one more"
    )]
    Crowded(usize),
    /// It answered that this member may not do that.
    #[error("the registry {registry} refused: {why}")]
    Forbidden {
        /// Which registry.
        registry: String,
        /// Its words.
        why: String,
    },
    /// It holds a record that cannot be read, and the answer rests on it.
    #[error(transparent)]
    Corrupt(#[from] UnreadableRecord),
}

impl UnreadableRecord {
    /// The command that shows a person what it says. `kubectl_flags`: those that lead to the
    /// registry, where it is in a cluster.
    pub fn show_command(&self, kubectl_flags: &str) -> String {
        self.download_command().unwrap_or_else(|| {
            let name = quoted(&self.name);
            let kind = self.kind;
            format!("kubectl{kubectl_flags} get {kind}s.asoguard.io {name} -o yaml")
        })
    }

    /// The command by which a person mends it, or sees what there is to mend.
    pub fn mend_command(&self, kubectl_flags: &str) -> String {
        self.download_command().unwrap_or_else(|| {
            let name = quoted(&self.name);
            let kind = self.kind;
            format!("kubectl{kubectl_flags} edit {kind}s.asoguard.io {name}")
        })
    }

    /// Where it is a blob, the command that prints it.
    fn download_command(&self) -> Option<String> {
        let (account, container) = self.registry.strip_prefix("azure://")?.split_once('/')?;
        let account = account.split('.').next().unwrap_or(account);
        let name = quoted(&self.name);
        Some(format!(
            "az storage blob download --auth-mode login --account-name {account} \
             --container-name {container} --name {name} --file /dev/stdout --no-progress"
        ))
    }
}

/// A record that cannot be read. Nothing is decided on it, and nothing overwrites it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the registry {registry} holds a record that cannot be read, {kind} {name}: {why}")]
pub struct UnreadableRecord {
    /// Which registry, as a person would name it.
    pub registry: String,
    /// What kind of record it is: claim, member or transfer.
    pub kind: &'static str,
    /// The record's name there.
    pub name: String,
    /// What it says that it is about, where it is a claim and that much can be read.
    pub identity: Option<Identity>,
    /// What is wrong with it.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unreadable(registry: &str, name: &str) -> UnreadableRecord {
        UnreadableRecord {
            registry: registry.to_owned(),
            kind: "claim",
            name: name.to_owned(),
            identity: None,
            why: "it has no status".to_owned(),
        }
    }

    #[test]
    fn a_record_is_shown_where_it_is() {
        let hub = unreadable("kubernetes:hub at https://hub", "rg-1");
        assert_eq!(
            hub.show_command(" --context hub"),
            "kubectl --context hub get claims.asoguard.io rg-1 -o yaml"
        );
        assert_eq!(hub.mend_command(""), "kubectl edit claims.asoguard.io rg-1");
        let blob = unreadable(
            "azure://fleet.blob.core.usgovcloudapi.net/claims",
            "claims/a(b)",
        );
        assert_eq!(
            blob.show_command(""),
            "az storage blob download --auth-mode login --account-name fleet \
             --container-name claims --name 'claims/a(b)' --file /dev/stdout --no-progress"
        );
    }
}
