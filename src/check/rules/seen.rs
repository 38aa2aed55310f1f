//! What every object comes to, whether something is wrong with it or not.

use crate::check::cluster::{Owner, Resolved};
use crate::check::manifest::Manifest;
use crate::check::place::Place;
use crate::claim::CopyRef;
use crate::policy::Effective;

/// An object, and what it stands for.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which one.
    pub copy: CopyRef,
    /// Where it is written.
    pub place: Option<Place>,
    /// Its ARM ID; for a person, why it is not known.
    pub identity: Result<String, String>,
    /// Its effective policy.
    pub policy: Effective,
    /// What the two rest on, in few words each.
    pub rests_on: Vec<String>,
}

impl Seen {
    pub(super) fn of(copy: &CopyRef, manifest: &Manifest, resolved: &Resolved) -> Self {
        let mut rests_on = Vec::new();
        match &resolved.owner {
            Owner::None => {}
            Owner::Found(owner) => rests_on.push(format!("owner {}", owner.key)),
            Owner::Missing(owner) => rests_on.push(format!("owner {owner}, which is missing")),
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
