//! What is deleted along with something else: by Kubernetes' garbage collector, or with a
//! namespace.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use parking_lot::Mutex;

use crate::arm::{Identity, Resolution};
use crate::claim::{CopyRef, DeleteSet, Intent};
use crate::object::ObjectFacts;
use crate::policy::Policy;
use crate::registry::{ClaimScope, RegistryError};

use super::guard::{AT_ONCE, AdmissionError, Case, Guard};
use super::policies::NamespacePolicies;
use super::protect::first_protected;
use super::protocol::delete_for;

/// How many lists are read together.
const LISTS_AT_ONCE: usize = 4;

impl Guard {
    /// Marks everything the object stands for as being deleted, then looks for what
    /// others hold inside it, and at what Kubernetes deletes along with it.
    pub(super) async fn delete_resource(
        &self,
        case: &Case<'_>,
        resolution: &Resolution,
    ) -> Result<(), AdmissionError> {
        case.context.rests_on_claims();
        let aim = Intent::Delete(delete_for(case, case.object, false));
        let written = self.touch(case, &case.copy, resolution);
        let outcome = async {
            let not_fenced = self.not_fenced().await;
            if !case.goes_on_after(&not_fenced) {
                return not_fenced;
            }
            self.attempt(case, resolution, aim).await?;
            self.look_at_garbage(case).await?;
            not_fenced
        }
        .await;
        self.finalize(case, written, outcome).await
    }

    /// Whether all of these may be deleted along with what a request deletes. Gives those
    /// whose resources would be deleted in Azure.
    pub(super) async fn look_at_deletes(
        &self,
        case: &Case<'_>,
        objects: Vec<Arc<ObjectFacts>>,
        mut policies: NamespacePolicies<'_>,
    ) -> Result<Vec<Arc<ObjectFacts>>, AdmissionError> {
        let progress = &case.context.progress;
        progress.begin(objects.len());
        let mut live = Vec::new();
        let mut deletes: Vec<(CopyRef, Identity)> = Vec::new();
        for object in objects {
            progress.step();
            if object.terminating || policies.get(&object).await? != Policy::Manage {
                continue;
            }
            let known = self.identity_as_stored(&object).await?.known();
            let identities = known.iter().flat_map(Resolution::identities);
            deletes.extend(identities.map(|one| (self.copy_of(&object), one.clone())));
            live.push(object);
        }
        self.look_up(case, DeleteSet::new(deletes))
            .await?
            .outcome()?;
        if !live.is_empty() {
            self.not_fenced().await?;
        }
        match first_protected(&live, |object| self.copy_of(object)) {
            Some(refusal) => Err(refusal.into()),
            None => Ok(live),
        }
    }

    async fn look_up(
        &self,
        case: &Case<'_>,
        together: DeleteSet,
    ) -> Result<DeleteSet, RegistryError> {
        let (lookups, progress) = (together.lookups(), &case.context.progress);
        progress.begin(lookups.claims.len() + lookups.below.len());
        let together = Mutex::new(together);
        let reads = stream::iter(lookups.claims).map(|identity| {
            let together = &together;
            async move {
                if let Some(known) = self.registry.claim(&identity).await? {
                    together.lock().take(known.record);
                }
                Ok::<(), RegistryError>(())
            }
        });
        reads.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        let lists = stream::iter(lookups.below).map(|identity| {
            let together = &together;
            async move { self.list_into(together, ClaimScope::Below(identity)).await }
        });
        lists
            .buffer_unordered(LISTS_AT_ONCE)
            .inspect(|_| progress.step())
            .try_collect::<()>()
            .await?;
        Ok(together.into_inner())
    }

    /// Takes a list page by page: it may be long, and little of it matters.
    async fn list_into(
        &self,
        together: &Mutex<DeleteSet>,
        scope: ClaimScope,
    ) -> Result<(), RegistryError> {
        let mut at = None;
        loop {
            let page = self.registry.claims_page(&scope, at.as_ref()).await?;
            let mut together = together.lock();
            for unreadable in page.unreadable {
                let about = unreadable.identity.as_ref();
                if about.is_none_or(|identity| together.is_about(identity)) {
                    return Err(unreadable.into());
                }
            }
            for known in page.claims {
                together.take(known.record);
            }
            drop(together);
            match page.next {
                Some(next) => at = Some(next),
                None => return Ok(()),
            }
        }
    }
}
