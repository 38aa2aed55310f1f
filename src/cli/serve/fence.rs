//! What `serve` says where a person has declared its cluster lost.

use std::sync::Arc;

use tracing::{error, info, warn};

use crate::claim::{Fence, MemberName};
use crate::cluster::fence::KnownFence;
use crate::cluster::metrics::ObserverMetrics;
use crate::cluster::observer::Observer;
use crate::object::ObjectKey;
use crate::telemetry::{Notice, Notices, Severity};

/// What is known of the fence, and who is told.
pub(super) struct FenceReport {
    pub(super) known: Arc<KnownFence>,
    notices: Arc<dyn Notices>,
}

impl FenceReport {
    pub(super) fn new(known: Arc<KnownFence>, notices: &Arc<dyn Notices>) -> Self {
        Self {
            known,
            notices: notices.clone(),
        }
    }

    /// Says when the cluster is fenced, and when it is no more; and each time compares all it has
    /// with the registry, so that what others took over shows at once. `registry`: the flags by
    /// which people's `aso-guard` reaches it.
    pub(super) async fn heed(
        &self,
        (member, registry): (&MemberName, &str),
        observer: &Observer,
        metrics: &ObserverMetrics,
    ) {
        let mut changes = self.known.follow();
        let mut fence = self.known.last();
        let mut was_fenced = false;
        loop {
            let is_fenced = fence.is_some();
            metrics.set_fenced(is_fenced);
            if let Some(fence) = &fence {
                let words = words(member, fence, registry);
                error!("{words}");
                self.notices.report(notice(words, fence));
            } else if was_fenced {
                info!("this cluster is no longer fenced");
            }
            if is_fenced != was_fenced
                && let Err(error) = observer.compare().await
            {
                warn!(%error, "could not compare with the registry");
            }
            was_fenced = is_fenced;
            match changes.next().await {
                Some(next) => fence = next,
                None => return,
            }
        }
    }
}

/// What whoever runs this cluster has to know and to do.
fn words(member: &MemberName, fence: &Fence, registry: &str) -> String {
    format!(
        "this cluster ({member}) was declared lost by {} at {} ({}): {}. Others may have taken over \
         what it held: keep its ASO stopped (kubectl -n azureserviceoperator-system scale deployment \
         --all --replicas 0), and see what they hold: aso-guard failover plan --member {member}{registry}",
        fence.by,
        fence.at,
        fence.proof.as_str(),
        fence.why.as_str()
    )
}

/// An Event on the namespace that stands for the cluster.
fn notice(message: String, fence: &Fence) -> Notice {
    Notice {
        object: ObjectKey::new("", "Namespace", "", "kube-system"),
        uid: None,
        severity: Severity::Warning,
        reason: "MemberFenced",
        action: "Heed",
        message,
        occasion: fence.at.to_string(),
    }
}
