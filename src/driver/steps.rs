//! The steps themselves: each changes one object, on condition that it is as it was read.

use kube::api::ApiResource;
use serde_json::json;

use crate::object::POLICY_ANNOTATION;
use crate::transfer::TransferStep;
use crate::transfer::copy::POLICY_BEFORE_ANNOTATION;

use super::call::CallError;
use super::endpoint::Endpoint;
use super::item::TransferItem;
use super::state::TransferState;
use super::stored::StoredObject;

/// How often a change is tried on an object that others change as well.
const TRIES: usize = 5;

/// What is known of an object after a step.
#[derive(Default)]
pub enum CopyState {
    /// No more than before.
    #[default]
    Unseen,
    /// It is gone.
    Gone,
    /// It is this.
    There(StoredObject),
}

impl From<Option<StoredObject>> for CopyState {
    fn from(found: Option<StoredObject>) -> Self {
        found.map_or(Self::Gone, Self::There)
    }
}

/// What is known of both copies after a step.
#[derive(Default)]
pub struct StepResult {
    pub source: CopyState,
    pub target: CopyState,
}

/// Takes one step.
pub async fn act(
    state: &TransferState,
    item: &TransferItem,
    step: TransferStep,
) -> Result<StepResult, CallError> {
    match step {
        TransferStep::Park => park(state, item).await,
        TransferStep::Create => create(state, item).await,
        TransferStep::Wake => wake(state, item).await,
        TransferStep::Delete => delete(state, item).await,
        _ => Ok(StepResult::default()),
    }
}

/// Sets `skip` on the copy at the source, and writes beside it what was there before.
async fn park(state: &TransferState, item: &TransferItem) -> Result<StepResult, CallError> {
    let resource = resource_at(&state.from, &state.to, item)?;
    let mut now = item.source.clone();
    for _ in 0..TRIES {
        let Some(object) = now.filter(|object| !object.is_parked_itself()) else {
            return look_at(state, item).await;
        };
        let before = object.annotation(POLICY_ANNOTATION).unwrap_or_default();
        let annotations = json!({
            POLICY_ANNOTATION: "skip",
            POLICY_BEFORE_ANNOTATION: before,
        });
        match state.from.patch(&resource, &object, annotations).await {
            Err(fault) if fault.is_conflict() => {
                now = state.from.get(&resource, &item.source_key.name).await?;
            }
            patched => {
                return Ok(StepResult {
                    source: CopyState::There(patched?),
                    target: CopyState::Unseen,
                });
            }
        }
    }
    Err(busy_object())
}

/// Creates the copy at the target.
async fn create(state: &TransferState, item: &TransferItem) -> Result<StepResult, CallError> {
    let made = state.made(item).map_err(CallError::new)?;
    let created = match state.to.create(&made.resource, &made.value).await {
        // Somebody did, or an attempt that brought no answer.
        Err(fault) if fault.is_conflict() => {
            state.to.get(&made.resource, &item.target_key.name).await?
        }
        created => Some(created?),
    };
    Ok(StepResult {
        source: CopyState::Unseen,
        target: created.into(),
    })
}

/// Takes `skip` off the copy at the target.
async fn wake(state: &TransferState, item: &TransferItem) -> Result<StepResult, CallError> {
    let resource = resource_at(&state.to, &state.from, item)?;
    let mut now = item.target.clone();
    for _ in 0..TRIES {
        let Some(object) = now else {
            return look_at(state, item).await;
        };
        let annotations = json!({
            POLICY_ANNOTATION: state.woken(item),
            POLICY_BEFORE_ANNOTATION: null,
        });
        match state.to.patch(&resource, &object, annotations).await {
            Err(fault) if fault.is_conflict() => {
                now = state.to.get(&resource, &item.target_key.name).await?;
            }
            patched => {
                return Ok(StepResult {
                    source: CopyState::Unseen,
                    target: CopyState::There(patched?),
                });
            }
        }
    }
    Err(busy_object())
}

/// Deletes the parked copy at the source, if the target's copy is live, reconciled and of the
/// same resource, both as they are now.
async fn delete(state: &TransferState, item: &TransferItem) -> Result<StepResult, CallError> {
    let seen = look_at(state, item).await?;
    let (CopyState::There(source), CopyState::There(target)) = (&seen.source, &seen.target) else {
        return Ok(seen);
    };
    let policy = target.facts.annotations.policy.as_deref();
    let live = state.to.surroundings().effective(policy).is_live();
    let same = state.identity_there(&target.facts).as_ref() == Ok(&item.identity);
    let taken = live && same && !target.facts.terminating && state.is_reconciled(target);
    if !source.is_parked_itself() || !taken {
        return Ok(seen);
    }
    let resource = resource_at(&state.from, &state.to, item)?;
    match state.from.delete(&resource, source).await {
        Err(fault) if fault.is_conflict() => Ok(seen),
        left => Ok(StepResult {
            source: left?.into(),
            target: seen.target,
        }),
    }
}

/// Both copies as they are now.
pub async fn look_at(state: &TransferState, item: &TransferItem) -> Result<StepResult, CallError> {
    let read = async |end: &Endpoint, other: &Endpoint, name: &str| {
        let resource = resource_at(end, other, item)?;
        end.get(&resource, name).await
    };
    let source = read(&state.from, &state.to, &item.source_key.name).await?;
    let target = read(&state.to, &state.from, &item.target_key.name).await?;
    Ok(StepResult {
        source: source.into(),
        target: target.into(),
    })
}

fn resource_at(
    end: &Endpoint,
    other: &Endpoint,
    item: &TransferItem,
) -> Result<ApiResource, CallError> {
    let key = &item.source_key;
    end.resource(other, &key.group, &key.kind).ok_or_else(|| {
        let (kind, member) = (&key.kind, &end.place.member);
        CallError::new(format!(
            "cluster {member} does not serve {kind}.{}",
            key.group
        ))
    })
}

fn busy_object() -> CallError {
    CallError::new("others change it all the time; run the same command again".to_owned())
}
