//! What every object comes to, whether something is wrong with it or not.

use crate::check::cluster::{CheckedResolution, NearestOwner};
use crate::check::manifest::Manifest;
use crate::check::place::Location;
use crate::claim::CopyRef;
use crate::policy::EffectivePolicy;

/// An object, and what it stands for.
#[derive(Clone, Debug)]
pub struct CheckedObject {
    /// Which one.
    pub copy: CopyRef,
    /// Where it is written.
    pub place: Option<Location>,
    /// Its ARM ID; for a person, why it is not known.
    pub identity: Result<String, String>,
    /// Its effective policy.
    pub policy: EffectivePolicy,
    /// What the two rest on, in few words each.
    pub rests_on: Vec<String>,
}

impl CheckedObject {
    pub(super) fn of(copy: &CopyRef, manifest: &Manifest, resolved: &CheckedResolution) -> Self {
        let mut rests_on = Vec::new();
        match &resolved.owner {
            NearestOwner::None => {}
            NearestOwner::Found(owner) => rests_on.push(format!("owner {}", owner.key)),
            NearestOwner::Missing(owner) => {
                rests_on.push(format!("owner {owner}, which is missing"));
            }
        }
        if let Some(credential) = &manifest.facts.annotations.credential_from {
            rests_on.push(format!("credential {credential}"));
        }
        rests_on.extend(resolved.unknown.as_ref().map(|unknown| unknown.why.clone()));
        let identity = resolved.identity.as_ref();
        let witness = identity.ok().and_then(|found| found.witness.as_ref());
        rests_on.extend(witness.map(|(witness, _)| witness.to_string()));
        Self {
            copy: copy.clone(),
            place: manifest.marks.object.clone(),
            identity: match identity {
                Ok(found) => Ok(found.identity.to_string()),
                Err(why) => Err(why.to_string()),
            },
            policy: resolved.policy.clone(),
            rests_on,
        }
    }
}
