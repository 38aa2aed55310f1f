//! The calls by which a copy goes live below an owner, and those by which an owner gives what
//! is below it another name, in the order that the claim protocol asks for.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::arm::{Identity, OwnerLink, Resolution};
use crate::claim::{
    CopyRef, GoLive, GoLiveAnswer, GoLiveCall, Intent, Proof, RegistryAnswer, RegistryCall, Rename,
    RenameAnswer, RenameCall, Renamed, StoredOwner,
};
use crate::cluster::ClusterError;
use crate::cluster::resolve::{ClusterOverlay, Freshness};
use crate::object::{ObjectFacts, not_empty};
use crate::registry::{ClaimScope, RecordVersion, RegistryError};

use super::earlier::{EarlierClaims, SharedReads};
use super::guard::{AT_ONCE, AdmissionError, Case, Guard};
use super::protocol::{WrittenClaims, acquire_for, of_version};

/// How long a copy that goes live waits for its owner before it looks again.
const A_MOMENT: Duration = Duration::from_millis(100);

impl Guard {
    /// Acquires what a copy stands for, looks whether it is inside something that is being
    /// deleted, and whether its owners say by now that it stands for something else. `object`:
    /// what `resolution` was worked out of, in this view; none where that was not so. `earlier`:
    /// what was claimed by earlier tries.
    pub(super) async fn acquire(
        &self,
        case: &Case<'_>,
        (view, object, earlier): (
            &ClusterOverlay<'_>,
            Option<&ObjectFacts>,
            Option<&EarlierClaims>,
        ),
        aim: Intent,
        resolution: &Resolution,
        touched: &mut WrittenClaims,
    ) -> Result<(), AdmissionError> {
        case.context.rests_on_claims();
        let not_fenced = self.not_fenced().await;
        if !case.goes_on_after(&not_fenced) {
            return not_fenced;
        }
        let copy = aim.copy().clone();
        let (mut stands_for, by_force) = (resolution.clone(), case.context.lets_through());
        let identities = resolution.identities().cloned().collect();
        let mut way: GoLive<RecordVersion> = GoLive::new(aim, identities, by_force);
        let mut reads = SharedReads::of(earlier);
        while let Some(call) = way.call() {
            let answer = match call {
                GoLiveCall::Claims(call) => {
                    if let RegistryCall::Put(record, _) = &call
                        && touched
                            .iter()
                            .all(|one| (&one.0, &one.1) != (&copy, &record.identity))
                    {
                        let written = Resolution::known(record.identity.clone(), false);
                        touched.extend(self.touch(case, &copy, &written));
                    }
                    GoLiveAnswer::Claims(reads.make(self, case, call).await?)
                }
                GoLiveCall::Owners => {
                    let (owners, mut now) = match object {
                        Some(object) => {
                            let (links, now) = view.identity_by_stored_owners(object).await?;
                            (links.into_iter().map(stored_owner).collect(), now)
                        }
                        None => (self.announcing(&way).await?, None),
                    };
                    if let Some(now) = now
                        .as_mut()
                        .filter(|now| now.identity == stands_for.identity)
                    {
                        now.assumed |= stands_for.assumed;
                    }
                    stands_for = now.clone().unwrap_or(stands_for);
                    GoLiveAnswer::Owners(owners, now)
                }
                GoLiveCall::Wait => {
                    tokio::time::sleep(A_MOMENT).await;
                    GoLiveAnswer::Waited
                }
            };
            way.answer(answer);
        }
        way.outcome()?;
        not_fenced?;
        way.unsettled_owner()
            .map_or(Ok(()), |owner| Err(not_settled(owner)))
    }

    /// The owners that announced a request, each as it is stored: of what is not stored itself,
    /// nobody knows which of them are its own.
    async fn announcing(
        &self,
        way: &GoLive<RecordVersion>,
    ) -> Result<Vec<StoredOwner>, AdmissionError> {
        let mut owners = Vec::new();
        for owner in way.announcing() {
            let stored = self.cluster.object(owner, Freshness::Store).await?;
            owners.push((owner.clone(), stored));
        }
        Ok(owners)
    }

    /// The claims below an identity that can be read: nobody registers in the others.
    async fn readable_below(
        &self,
        identity: &Identity,
    ) -> Result<RegistryAnswer<RecordVersion>, RegistryError> {
        let scope = ClaimScope::Below(identity.clone());
        let claims = self.registry.claims(&scope).await?.records.into_iter();
        let claims = claims.map(|known| known.record).collect();
        Ok(RegistryAnswer::Claims(claims))
    }

    /// Says in the claims of what an object's children are taken to be in that the request
    /// gives them another name, and finds those that are claimed there. `before`: the object
    /// as it is, where it is there; `assumed`: as its children take it to be; the cluster before
    /// and after. `said`: the claims that say so.
    pub(super) async fn announce(
        &self,
        case: &Case<'_>,
        (before, assumed): (Option<&ObjectFacts>, &ObjectFacts),
        (now, after): (&ClusterOverlay<'_>, &ClusterOverlay<'_>),
        said: &mut WrittenClaims,
    ) -> Result<Vec<Renamed>, AdmissionError> {
        let mut moves = Vec::new();
        let own_credential = case.object.annotations.credential_from.as_deref();
        let credentials = own_credential.map(Some).into_iter().chain([None]);
        for credential in credentials {
            let Some(from) = prefix(now, assumed, credential).await? else {
                continue;
            };
            if let Some(to) = prefix(after, case.object, credential).await?
                && from != to
                && moves.iter().all(|(known, _)| *known != from)
            {
                moves.push((from, to));
            }
        }
        if moves.is_empty() {
            return Ok(Vec::new());
        }
        for (from, _) in &moves {
            let resolution = Resolution::known(from.clone(), false);
            said.extend(self.touch(case, &case.copy, &resolution));
        }
        let mut ask = acquire_for(case, &Resolution::known(moves[0].0.clone(), false), before);
        ask.proof = match before {
            Some(old) => of_version(old),
            None if case.object.uid.is_empty() => Proof::Deadline,
            None => Proof::Uid((&*case.object.uid).into()),
        };
        let mut rename: Rename<RecordVersion> = Rename::new(ask, moves);
        while let Some(call) = rename.call() {
            let answer = match call {
                RenameCall::Claims(RegistryCall::Below(identity)) => {
                    let answer = self.make(case, RegistryCall::Below(identity)).await;
                    RenameAnswer::Claims(match answer {
                        // Nobody registers in a claim that cannot be read.
                        Err(RegistryError::Corrupt(_)) => self.readable_below(identity).await?,
                        answer => answer?,
                    })
                }
                RenameCall::Claims(call) => RenameAnswer::Claims(self.make(case, call).await?),
                RenameCall::Objects(keys) => {
                    let keys: Vec<_> = keys.into_iter().cloned().collect();
                    let read = stream::iter(keys)
                        .map(|key| async move { self.cluster.object(&key, Freshness::Store).await })
                        .buffered(AT_ONCE);
                    RenameAnswer::Objects(read.try_collect().await?)
                }
            };
            rename.answer(answer);
        }
        Ok(rename.into_renamed())
    }
}

fn stored_owner(link: OwnerLink) -> StoredOwner {
    match link {
        OwnerLink::Found(owner) => (owner.key.clone(), Some(owner)),
        OwnerLink::Missing(key) => (key, None),
    }
}

/// What an object's children are in, as far as that can be said, where they name this
/// credential; none: where they have that of their namespace.
async fn prefix(
    view: &ClusterOverlay<'_>,
    object: &ObjectFacts,
    credential: Option<&str>,
) -> Result<Option<Identity>, ClusterError> {
    let annotations = &object.annotations;
    if let Some(prefix) = not_empty(annotations.child_resource_id_override.as_deref()) {
        return Ok(prefix.parse().ok());
    }
    let mut object = object.clone();
    object.annotations.credential_from = credential.map(Into::into);
    let found = view.identity(&object).await?.known();
    let computed = found.filter(|found| found.witness.is_none());
    Ok(computed.map(|found| found.identity))
}

/// Nobody can say what a copy will be once it is stored. The next try can, most likely.
fn not_settled(owner: &CopyRef) -> AdmissionError {
    let why = format!(
        "a request on its owner {} is under way, and may give it another name in Azure",
        owner.object
    );
    AdmissionError::Unknown(
        why,
        "Try again once the owner is there as you want it.".to_owned(),
    )
}
