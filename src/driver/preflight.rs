//! What stands in the way of a transfer, before anything is changed.

use serde_json::Value;

use crate::claim::CopyRef;
use crate::object::ObjectKey;
use crate::object::text::quoted;
use crate::registry::Registry;
use crate::transfer::copy::{self, GitOpsTool};
use crate::transfer::{StuckReason, Transfer, TransferStage, TransferStep, stage};

use super::LookError;
use super::endpoint::Endpoint;
use super::item::TransferItem;
use super::obstacles::{Obstacle, ObstacleKind, ObstacleSeverity, Obstacles};
use super::rehearsal::rehearse;
use super::state::{NewCopy, TransferState};

/// Looks at both ends and the registry, and finds what stands in the way beside what was found
/// already; changes nothing.
///
/// # Errors
/// Something did not answer.
pub async fn look(
    registry: &dyn Registry,
    transfer: Transfer,
    (from, to): (Endpoint, Endpoint),
    mut found: Obstacles,
) -> Result<(TransferState, Vec<Obstacle>), LookError> {
    let state = TransferState::look(registry, transfer, from, to).await?;
    find(&state, registry.flags(), &mut found);
    rehearse(&state, &mut found).await;
    Ok((state, found.list()))
}

/// Finds what stands in the way of a transfer. `registry`: the flags by which people's
/// `aso-guard` reaches it.
fn find(state: &TransferState, registry: &str, found: &mut Obstacles) {
    let (to, member) = (&state.to.place, &state.to.place.member);
    let namespace = &to.namespace;
    match state.to.namespace {
        Some(true) => {}
        Some(false) => found.put(
            ObstacleKind::Namespace,
            ObstacleSeverity::Blocks,
            None,
            format!("cluster {member} has no namespace {namespace}"),
            Some(format!(
                "{} create namespace {namespace}",
                state.to.kubectl.replace(&format!(" -n {namespace}"), "")
            )),
        ),
        None => found.add(
            ObstacleKind::Namespace,
            None,
            format!("the namespace {namespace} of cluster {member} is being deleted"),
        ),
    }
    unread(state, found);
    for (key, why) in &state.unresolved {
        found.add(
            ObstacleKind::Unresolved,
            Some(key),
            format!("not moved: {why}"),
        );
    }
    for identity in &state.lost {
        let words = format!("{identity}: {}", StuckReason::Lost.words());
        found.put(
            ObstacleKind::Elsewhere,
            ObstacleSeverity::Warns,
            None,
            words,
            None,
        );
    }
    let depths = state.depths();
    for (item, depth) in state.items.iter().zip(depths) {
        let step = state.planned(item);
        if step == TransferStep::Done {
            continue;
        }
        claim(state, item, registry, found);
        owner(state, item, depth, found);
        let is_made = matches!(
            step,
            TransferStep::AwaitLive
                | TransferStep::AwaitReconciled
                | TransferStep::Delete
                | TransferStep::AwaitGone
        );
        if item.source.is_some() && !is_made {
            target(state, item, found);
            source(state, item, found);
        }
    }
}

/// The kinds that a cluster does not give. What is not even selected is only told.
fn unread(state: &TransferState, found: &mut Obstacles) {
    let selection = &state.transfer.selection;
    let (from, to) = (&state.from.place, &state.to.place);
    let mut put = |weight, words, or: &str| {
        let advice =
            format!("see that you may list it, and that ASO runs there, which converts it{or}");
        found.put(ObstacleKind::Unread, weight, None, words, Some(advice));
    };
    for (group, kind, why) in state.unread_here.iter() {
        let (weight, then) = if selection.covers_kind(group, kind) {
            let then = "what is of it is not moved, and nothing that it may belong to is deleted";
            (ObstacleSeverity::Blocks, then)
        } else {
            let then = "nothing that it may belong to is deleted";
            (ObstacleSeverity::Warns, then)
        };
        let words = format!("{kind}.{group} cannot be listed in {from}: {why}; {then}");
        put(weight, words, "; or go on with --accept unread");
    }
    for (group, kind, why) in state.unread_there.iter() {
        let words = format!("{kind}.{group} cannot be listed in {to}: {why}");
        put(ObstacleSeverity::Blocks, words, "");
    }
}

/// What its claim has against it.
fn claim(state: &TransferState, item: &TransferItem, registry: &str, found: &mut Obstacles) {
    let key = &item.source_key;
    let show = || {
        let identity = quoted(item.identity.as_str());
        format!("aso-guard claims show {identity}{registry}")
    };
    let Some(claim) = &item.claim else {
        let member = &state.from.place.member;
        let words = format!("the guard of cluster {member} has not registered it yet");
        found.advise(
            ObstacleKind::Unregistered,
            key,
            words,
            format!("wait a moment; else see: aso-guard members list{registry}"),
        );
        return;
    };
    let at = stage(&state.way, claim);
    let reserved = claim.reserved.as_ref();
    if let Some(other) = reserved.filter(|held| held.transfer != state.way.transfer) {
        let words = format!("transfer {} moves it already", other.transfer);
        let advice = format!("aso-guard transfer status {}{registry}", other.transfer);
        found.advise(ObstacleKind::OtherTransfer, key, words, advice);
    } else if at.source.is_none() && item.source.is_some() {
        let words = format!("its claim does not know the copy in {}", state.from.place);
        found.advise(ObstacleKind::Unregistered, key, words, show());
    }
    match (at.stage, &at.elsewhere) {
        (TransferStage::Conflict, elsewhere) => {
            let words = match elsewhere {
                Some(copy) => format!("it is live in cluster {} as {}", copy.member, copy.object),
                None => "it is live in several places".to_owned(),
            };
            found.advise(ObstacleKind::Elsewhere, key, words, show());
        }
        (TransferStage::Deleting, _) => {
            let words = "it is being deleted in Azure".to_owned();
            found.add(ObstacleKind::Deleting, Some(key), words);
        }
        _ => {}
    }
    for (copy, _) in claim.parked() {
        if !state.way.from.has(copy) && !state.way.to.has(copy) {
            let words = format!("a parked copy stays in {}", of(copy));
            found.put(
                ObstacleKind::Parked,
                ObstacleSeverity::Notes,
                Some(key),
                words,
                None,
            );
        }
    }
}

fn of(copy: &CopyRef) -> String {
    format!(
        "cluster {}, namespace {}",
        copy.member, copy.object.namespace
    )
}

/// Whether its owner will be at the target before it.
fn owner(state: &TransferState, item: &TransferItem, depth: Option<usize>, found: &mut Obstacles) {
    let key = &item.source_key;
    if depth.is_none() {
        let words = "it is its own owner, by way of its owners".to_owned();
        found.add(ObstacleKind::Owner, Some(key), words);
    }
    if let (None, Some(owner)) = (item.owner, &item.owner_key) {
        let there = owner.in_namespace(&state.to.place.namespace);
        if !state.there.contains_key(&there) {
            let words = format!(
                "its owner {}/{} is not moved, and {} does not have it",
                owner.kind, owner.name, state.to.place
            );
            let advice = "select the owner too, or apply it there first".to_owned();
            found.advise(ObstacleKind::Owner, key, words, advice);
        }
    }
    if let Some(child) = &item.child_left {
        let words = format!(
            "a {} belongs to it and is not moved; its copy at the source stays, parked",
            child.kind
        );
        let advice = "select what belongs to it too, or go on with --accept children-left";
        found.advise(ObstacleKind::ChildrenLeft, key, words, advice.to_owned());
    }
}

/// What the target has against it.
fn target(state: &TransferState, item: &TransferItem, found: &mut Obstacles) {
    let key = &item.source_key;
    let member = &state.to.place.member;
    if state.resource(item).is_none() {
        let there = state.to.served.versions(&key.group, &key.kind);
        let words = if there.is_empty() {
            format!("cluster {member} does not serve {}.{}", key.kind, key.group)
        } else {
            let here = state.from.served.versions(&key.group, &key.kind);
            format!(
                "{}.{} has no version in both clusters: {} and {}",
                key.kind,
                key.group,
                here.join(", "),
                there.join(", ")
            )
        };
        let advice = "install it with ASO's --crd-pattern, or update ASO there".to_owned();
        found.advise(ObstacleKind::Kind, key, words, advice);
        return;
    }
    match (&item.target, &item.target_identity) {
        (Some(target), Some(Ok(there))) if *there == item.identity => {
            if target.facts.terminating {
                let words = format!("its copy in {} is being deleted", state.to.place);
                found.add(ObstacleKind::Deleting, Some(key), words);
            } else if item
                .source
                .as_ref()
                .is_some_and(|one| !one.is_parked_itself())
            {
                let words = "the target has a copy already; it goes live as it is there".to_owned();
                found.add(ObstacleKind::Parked, Some(key), words);
            }
        }
        (Some(_), Some(other)) => {
            let what = match other {
                Ok(other) => other.to_string(),
                Err(why) => format!("what nobody can tell ({why})"),
            };
            let words = format!("its name is taken in {}, for {what}", state.to.place);
            let advice = "move or rename the one that is there first".to_owned();
            found.advise(ObstacleKind::NameTaken, key, words, advice);
        }
        _ => match state.made(item) {
            Ok(made) => stated(item, &made, found),
            Err(why) => {
                let advice = "see that the target uses a credential of the same subscription, and \
                              that the owners are the same"
                    .to_owned();
                found.advise(ObstacleKind::Identity, key, why, advice);
            }
        },
    }
}

fn stated(item: &TransferItem, made: &NewCopy, found: &mut Obstacles) {
    let key = &item.source_key;
    if let Some(policy) = &made.policy {
        let words = format!(
            "its copy states the policy {policy}, for the target's own default is another one"
        );
        found.add(ObstacleKind::Stated, Some(key), words);
    }
    if made.azure_name.is_some() {
        let words = "its copy states spec.azureName, for ASO would make up another one from the \
                     new namespace"
            .to_owned();
        found.add(ObstacleKind::Stated, Some(key), words);
    }
}

/// What the object itself has against it.
fn source(state: &TransferState, item: &TransferItem, found: &mut Obstacles) {
    let (key, Some(object)) = (&item.source_key, &item.source) else {
        return;
    };
    let parked = object.is_parked_itself();
    if object.facts.terminating && !parked {
        let words = "it is being deleted".to_owned();
        found.add(ObstacleKind::Deleting, Some(key), words);
    }
    let noted = object.annotation(copy::POLICY_BEFORE_ANNOTATION).is_some();
    if parked && !noted && item.target.is_none() {
        let words = "it is parked already; it goes live in the target".to_owned();
        found.add(ObstacleKind::Parked, Some(key), words);
    }
    if let Some(tool) = GitOpsTool::of(&object.value) {
        let words = if tool.reverts() {
            format!("{} would take skip off again", tool.words())
        } else {
            format!("{} knows it as its own", tool.words())
        };
        let weight = if tool.reverts() {
            ObstacleSeverity::Blocks
        } else {
            ObstacleSeverity::Warns
        };
        let advice = match &tool {
            GitOpsTool::Helm(_) => tool.advice(),
            _ => format!("{}, then go on with --accept tool", tool.advice()),
        };
        found.put(ObstacleKind::Tool, weight, Some(key), words, Some(advice));
    }
    references(state, key, &object.value, found);
    let left = copy::left_out(&object.value);
    if !left.is_empty() {
        let words = format!("its copy leaves out {}", left.join(", "));
        found.add(ObstacleKind::LeftOut, Some(key), words);
    }
}

fn references(state: &TransferState, key: &ObjectKey, object: &Value, found: &mut Obstacles) {
    let (names, to) = (&state.names, &state.to.place);
    for reference in copy::references(object) {
        let there = if reference.is_config_map {
            &names.config_maps
        } else {
            &names.secrets
        };
        let words = reference.words();
        if reference.is_written {
            let words = format!(
                "ASO writes {words} for it: in the target it writes another one, and that in the \
                 source goes with the copy"
            );
            found.add(ObstacleKind::Written, Some(key), words);
            continue;
        }
        match there {
            Some(there) if there.contains(&reference.name) => {}
            Some(_) => {
                let advice = format!(
                    "copy it: {} get {} {} -o yaml",
                    state.from.kubectl,
                    if reference.is_config_map {
                        "configmap"
                    } else {
                        "secret"
                    },
                    quoted(&reference.name)
                );
                let words = format!("it reads {words}, which {to} does not have");
                found.advise(ObstacleKind::Reference, key, words, advice);
            }
            None => {
                let words = format!("it reads {words}, and {to} does not let them be listed");
                found.put(
                    ObstacleKind::Reference,
                    ObstacleSeverity::Warns,
                    Some(key),
                    words,
                    None,
                );
            }
        }
    }
}
