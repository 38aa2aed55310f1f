//! What all stories share: the lab with its guards, and Flux in both clusters.

use tokio::sync::OnceCell;

use crate::GUARD;
use crate::capi;
use crate::flux::{self, Flux};
use crate::lab::world::{Lab, Plan, Shared};
use crate::lab::{binaries, guard};

/// The lab, with a Flux at work in each of the two clusters.
pub async fn lab() -> &'static Lab {
    static LAB: Shared = Shared::new();
    static FLUX: OnceCell<Result<[Flux; 2], String>> = OnceCell::const_new();
    // All that is built is built before a story waits for anything.
    let built = async || {
        binaries::argocd_sync().await?;
        binaries::gitops().await
    };
    let programs = match built().await {
        Ok(programs) => programs,
        Err(error) => panic!("{error:#}"),
    };
    let mut objects = flux::crds(&programs);
    objects.extend(capi::crds(&programs));
    let lab = LAB
        .get(|| Plan {
            guard: Some(guard::Plan::enforce(GUARD)),
            objects,
            ..Plan::default()
        })
        .await;
    let flux = FLUX.get_or_init(async || {
        let start = async |cluster| Flux::start(&programs, cluster).await;
        let both = futures::try_join!(start(&lab.a.control_plane), start(&lab.b.control_plane));
        both.map(<[Flux; 2]>::from)
            .map_err(|error| format!("{error:#}"))
    });
    if let Err(error) = flux.await {
        panic!("Flux could not be started: {error}");
    }
    lab
}
