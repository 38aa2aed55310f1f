//! `aso-guard transfer`, between clusters whose ASOs live in namespaces of different names.

use std::path::Path;
use std::time::Duration;

use crate::GUARD;
use crate::lab::aso_controller::Plan;
use crate::lab::control_plane::ControlPlane;
use crate::lab::object::POLICY;
use crate::lab::process::{Process, said};
use crate::lab::reaper::Reaper;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::until;
use crate::lab::world::{ASO_NAMESPACE, Cluster};
use crate::team;
use crate::world::{CAPZ_NAMESPACE, guarded_alone};

/// No transfer takes longer.
pub const BOUND: Duration = Duration::from_mins(4);

/// A transfer of all that a namespace has.
pub struct Move<'story> {
    name: String,
    from: (&'story Cluster, String),
    to: (&'story Cluster, String),
    hub: &'story ControlPlane,
}

impl<'story> Move<'story> {
    /// From the story's namespace in `a` to that in `b`.
    pub fn to_b(story: &Story<'story>) -> Self {
        let (lab, namespace) = (story.lab, story.a.namespace());
        Self {
            name: namespace.to_owned(),
            from: (&lab.a, namespace.to_owned()),
            to: (&lab.b, namespace.to_owned()),
            hub: lab.hub(),
        }
    }

    /// From the story's namespace in `a` to another one there.
    pub fn within_a(story: &Story<'story>, namespace: &str) -> Self {
        Self {
            to: (&story.lab.a, namespace.to_owned()),
            ..Self::to_b(story)
        }
    }

    /// What `aso-guard` is called with.
    pub fn arguments(&self, verb: &str) -> Vec<String> {
        let mut args = vec!["transfer".to_owned(), verb.to_owned(), self.name.clone()];
        let ends = [("from", &self.from), ("to", &self.to)];
        for (end, (cluster, namespace)) in ends {
            if verb != "undo" {
                args.push(format!("--{end}={}/{namespace}", cluster.name()));
            }
            let kubeconfig = cluster.control_plane.kubeconfig();
            args.push(format!("--{end}-kubeconfig={}", kubeconfig.display()));
        }
        if verb == "run" {
            args.push("--yes".to_owned());
        }
        args.extend([
            format!("--registry=kubernetes:{}", self.hub.kubeconfig().display()),
            format!("--aso-namespace={ASO_NAMESPACE},{CAPZ_NAMESPACE}"),
        ]);
        args
    }
}

/// Runs `aso-guard` to its end: its exit code, and all that it said.
pub async fn run(args: &[String]) -> (Option<i32>, String) {
    said(GUARD.as_ref(), args, BOUND).await.unwrap()
}

/// The transfer, once nothing stands in its way.
pub async fn planned(transfer: Move<'_>) -> Move<'_> {
    let plan = transfer.arguments("plan");
    let planned = until("a plan without obstacles", BOUND, async || {
        let (code, said) = run(&plan).await;
        anyhow::ensure!(code == Some(0), "{said}");
        Ok(())
    });
    planned.await.unwrap();
    transfer
}

/// Begins the transfer, and does not wait for its end.
pub fn begun(transfer: &Move<'_>) -> Process {
    let directory = Reaper::get().unwrap().directory("transfer").unwrap();
    let process = Process::new("transfer", Path::new(GUARD), &directory);
    let process = process.args(transfer.arguments("run"));
    process.start().unwrap();
    process
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn where_the_targets_aso_does_not_answer_the_plan_says_so_and_nothing_is_changed() {
    let world = guarded_alone().await;
    let story = Story::begin(&world.lab, "silent").await;
    let resources = team::resources(&story);
    team::applied(&story.a, &resources).await;
    let moved = planned(Move::to_b(&story)).await;
    world.b[0].stop().await.unwrap();
    let (code, said) = run(&moved.arguments("plan")).await;
    let (ran, told) = run(&moved.arguments("run")).await;
    world.b[0].start_again().await.unwrap();
    assert_eq!((code, ran), (Some(1), Some(1)), "{said}\n{told}");
    let words = "blocks untaken: ResourceGroup/rg: cluster b would not take its copy";
    assert!(said.contains(words), "{said}");
    assert!(told.contains("nothing was changed"), "{told}");
    for one in &resources {
        let stored = story.a.get(one).await.admitted().object;
        assert_eq!(stored.annotation(POLICY), None, "{stored}");
    }
    world.ends_well(&story, &[]).await;
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn where_the_targets_aso_watches_other_namespaces_nothing_is_deleted_and_all_is_taken_back() {
    let world = guarded_alone().await;
    let story = Story::begin(&world.lab, "unwatched").await;
    let resources = team::resources(&story);
    team::applied(&story.a, &resources).await;
    let moved = planned(Move::to_b(&story)).await;
    world.b[0].stop().await.unwrap();
    let plan = Plan::new("aso-b", CAPZ_NAMESPACE).env("AZURE_TARGET_NAMESPACES", "elsewhere");
    let other = world.other_b(&plan).await;
    other.start_again().await.unwrap();
    let transfer = begun(&moved);
    let told = transfer.ready(BOUND, async || {
        let said = transfer.log_tail(60);
        let words = "ASO in the target, which has not looked at it";
        anyhow::ensure!(said.contains(words), "{said}");
        Ok(())
    });
    told.await.unwrap();
    transfer.kill();
    for one in &resources {
        let parked = story.a.get(one).await.admitted().object;
        assert_eq!(parked.annotation(POLICY), Some("skip"), "{parked}");
    }
    let (code, said) = run(&moved.arguments("undo")).await;
    assert_eq!(code, Some(0), "{said}");
    other.stop().await.unwrap();
    world.b[0].start_again().await.unwrap();
    world.ends_well(&story, &[]).await;
    assert_eq!(world.written_by(&story, "aso-a"), resources.len());
}
