//! What people are told of a resource that has two live reconcilers, or none.

use crate::claim::{CopyRef, Holder, Record};

use super::phrases::{NAMED, named, park, place, short, show};
use super::{Action, Heartbeats, RefusedRequest};

impl CopyRef {
    /// The command that parks this copy, for somebody at no cluster in particular. `None`
    /// where its names are none of Kubernetes': they could be anything to a shell.
    pub fn park_command(&self) -> Option<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        let object = &self.object;
        let names = [&object.namespace, &object.group, &object.kind, &object.name];
        let known = names.iter().all(|name| {
            name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain)
        });
        known.then(|| park(self).trim().to_owned())
    }
}

impl Record {
    /// What the owners of one live copy are told, while another one is live: what goes
    /// wrong, who else it is, and the command that ends it.
    /// `registry`: the flags by which people's `aso-guard` reaches it.
    pub fn conflict_words(&self, copy: &CopyRef, registry: &str) -> String {
        let to = RefusedRequest {
            copy,
            action: Action::Activate,
            heard: &Heartbeats::new(),
            registry,
        };
        let peers: Vec<Holder> = self
            .live()
            .filter(|(other, _)| *other != copy)
            .map(|(other, held)| Holder::of(other, held))
            .collect();
        let who = named(&peers, &show(&to, &self.identity), |peer| {
            format!("it is also {}", place(&to, peer))
        });
        let resource = short(&self.identity);
        let others = peers.iter().take(NAMED).map(|peer| park(&peer.copy));
        let others: Vec<String> = others.collect();
        format!(
            "conflict: more than one ASO writes to {resource}, and the last one wins: {}. \
             Park all but one of them. This one: {}; or the other: {}",
            who.join("; "),
            park(copy).trim(),
            others.join("; ").trim(),
        )
    }

    /// The same for nobody in particular: which copies are live.
    pub fn live_words(&self) -> String {
        let live: Vec<String> = self.live().map(|(copy, _)| copy.to_string()).collect();
        match live.len() {
            0 => "no copy is live".to_owned(),
            1 => format!("only {} is live", live[0]),
            _ => format!("live at once: {}", live.join(", ")),
        }
    }

    /// Where nobody reconciles it: which copies are parked.
    pub fn parked_words(&self) -> String {
        let parked: Vec<String> = self.parked().map(|(copy, _)| copy.to_string()).collect();
        format!(
            "nobody reconciles it, all are parked: {}",
            parked.join(", ")
        )
    }

    /// What the owners of a copy are told whose resource a cluster holds that is no member any
    /// more. `registry`: the flags by which people's `aso-guard` reaches it.
    pub fn abandoned_words(&self, holder: &CopyRef, registry: &str) -> String {
        format!(
            "its live copy {holder} belongs to a cluster that is not in the registry any more: \
             nobody reconciles it, and nobody else may. If that cluster is gone for good, release \
             what it held: {}",
            holder.release_command(&self.identity, registry)
        )
    }

    /// What the owners of a parked copy are told, where nobody reconciles the resource.
    pub fn orphan_words(&self, copy: &CopyRef) -> String {
        let command = park(copy).replace("=skip", "=manage");
        format!(
            "nobody reconciles {}: all its copies are parked. If no move is under way, make one live, such as this one: {}",
            short(&self.identity),
            command.trim()
        )
    }
}
