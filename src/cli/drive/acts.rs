//! The steps themselves: each changes one object, on condition that it is as it was read.

use kube::api::ApiResource;
use serde_json::json;

use crate::object::POLICY_ANNOTATION;
use crate::transfer::Step;
use crate::transfer::copy::POLICY_BEFORE_ANNOTATION;

use super::end::{End, Object};
use super::fault::Fault;
use super::scene::{Item, Scene};

/// How often a change is tried on an object that others change as well.
const TRIES: usize = 5;

/// What is known of an object after a step.
#[derive(Default)]
pub(super) enum Now {
    /// No more than before.
    #[default]
    Unseen,
    /// It is gone.
    Gone,
    /// It is this.
    There(Object),
}

impl From<Option<Object>> for Now {
    fn from(found: Option<Object>) -> Self {
        found.map_or(Self::Gone, Self::There)
    }
}

/// What is known of both copies after a step.
#[derive(Default)]
pub(super) struct Change {
    pub(super) source: Now,
    pub(super) target: Now,
}

/// Takes one step.
pub(super) async fn act(scene: &Scene, item: &Item, step: Step) -> Result<Change, Fault> {
    match step {
        Step::Park => park(scene, item).await,
        Step::Create => create(scene, item).await,
        Step::Wake => wake(scene, item).await,
        Step::Delete => delete(scene, item).await,
        _ => Ok(Change::default()),
    }
}

/// Sets `skip` on the copy at the source, and writes beside it what was there before.
async fn park(scene: &Scene, item: &Item) -> Result<Change, Fault> {
    let resource = resource_at(&scene.from, &scene.to, item)?;
    let mut now = item.source.clone();
    for _ in 0..TRIES {
        let Some(object) = now.filter(|object| !object.is_parked_itself()) else {
            return look_at(scene, item).await;
        };
        let before = object.annotation(POLICY_ANNOTATION).unwrap_or_default();
        let annotations = json!({
            POLICY_ANNOTATION: "skip",
            POLICY_BEFORE_ANNOTATION: before,
        });
        match scene.from.patch(&resource, &object, annotations).await {
            Err(fault) if fault.is_conflict() => {
                now = scene.from.get(&resource, &item.source_key.name).await?;
            }
            patched => {
                return Ok(Change {
                    source: Now::There(patched?),
                    target: Now::Unseen,
                });
            }
        }
    }
    Err(busy_object())
}

/// Creates the copy at the target.
async fn create(scene: &Scene, item: &Item) -> Result<Change, Fault> {
    let made = scene.made(item).map_err(Fault::new)?;
    let created = match scene.to.create(&made.resource, &made.value).await {
        // Somebody did, or an attempt that brought no answer.
        Err(fault) if fault.is_conflict() => {
            scene.to.get(&made.resource, &item.target_key.name).await?
        }
        created => Some(created?),
    };
    Ok(Change {
        source: Now::Unseen,
        target: created.into(),
    })
}

/// Takes `skip` off the copy at the target.
async fn wake(scene: &Scene, item: &Item) -> Result<Change, Fault> {
    let resource = resource_at(&scene.to, &scene.from, item)?;
    let mut now = item.target.clone();
    for _ in 0..TRIES {
        let Some(object) = now else {
            return look_at(scene, item).await;
        };
        let annotations = json!({
            POLICY_ANNOTATION: scene.woken(item),
            POLICY_BEFORE_ANNOTATION: null,
        });
        match scene.to.patch(&resource, &object, annotations).await {
            Err(fault) if fault.is_conflict() => {
                now = scene.to.get(&resource, &item.target_key.name).await?;
            }
            patched => {
                return Ok(Change {
                    source: Now::Unseen,
                    target: Now::There(patched?),
                });
            }
        }
    }
    Err(busy_object())
}

/// Deletes the parked copy at the source, if the target's copy is live, reconciled and of the
/// same resource, both as they are now.
async fn delete(scene: &Scene, item: &Item) -> Result<Change, Fault> {
    let seen = look_at(scene, item).await?;
    let (Now::There(source), Now::There(target)) = (&seen.source, &seen.target) else {
        return Ok(seen);
    };
    let policy = target.facts.annotations.policy.as_deref();
    let live = scene.to.surroundings().effective(policy).is_live();
    let same = scene.identity_there(&target.facts).as_ref() == Ok(&item.identity);
    let taken = live && same && !target.facts.terminating && scene.is_reconciled(target);
    if !source.is_parked_itself() || !taken {
        return Ok(seen);
    }
    let resource = resource_at(&scene.from, &scene.to, item)?;
    match scene.from.delete(&resource, source).await {
        Err(fault) if fault.is_conflict() => Ok(seen),
        left => Ok(Change {
            source: left?.into(),
            target: seen.target,
        }),
    }
}

/// Both copies as they are now.
pub(super) async fn look_at(scene: &Scene, item: &Item) -> Result<Change, Fault> {
    let read = async |end: &End, other: &End, name: &str| {
        let resource = resource_at(end, other, item)?;
        end.get(&resource, name).await
    };
    let source = read(&scene.from, &scene.to, &item.source_key.name).await?;
    let target = read(&scene.to, &scene.from, &item.target_key.name).await?;
    Ok(Change {
        source: source.into(),
        target: target.into(),
    })
}

fn resource_at(end: &End, other: &End, item: &Item) -> Result<ApiResource, Fault> {
    let key = &item.source_key;
    end.resource(other, &key.group, &key.kind).ok_or_else(|| {
        let (kind, member) = (&key.kind, &end.place.member);
        Fault::new(format!(
            "cluster {member} does not serve {kind}.{}",
            key.group
        ))
    })
}

fn busy_object() -> Fault {
    Fault::new("others change it all the time; run the same command again".to_owned())
}
