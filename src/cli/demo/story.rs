//! The story: a move from one cluster to the other as ASO's guide says, and the
//! mistakes that are made on the way.

use std::io::Write;

use crate::claim::Reason;
use crate::object::POLICY_ANNOTATION;
use crate::policy::Policy;

use super::api_server::{Answer, ApiServer, Verdict};
use super::manifest;
use super::teller::Teller;
use super::world::Clusters;

/// One thing that somebody does.
struct Step {
    says: &'static str,
    cluster: fn(&mut Clusters) -> &mut ApiServer,
    does: Does,
    /// What follows `-f`.
    on: &'static str,
    expect: Expect,
}

/// What `kubectl` is told to do.
enum Does {
    Apply,
    Park,
    Unpark,
    Delete,
}

/// What should come of it, for every object.
enum Expect {
    Yes,
    No(Reason),
}

fn a(clusters: &mut Clusters) -> &mut ApiServer {
    &mut clusters.a
}

fn b(clusters: &mut Clusters) -> &mut ApiServer {
    &mut clusters.b
}

const STORY: [Step; 9] = [
    Step {
        says: "ASO in cluster a manages a shop's resource group and storage account.",
        cluster: a,
        does: Does::Apply,
        on: "shop/",
        expect: Expect::Yes,
    },
    Step {
        says: "Mistake: the same in cluster b. Two ASOs would overwrite each other's work, silently.",
        cluster: b,
        does: Does::Apply,
        on: "shop/group.yaml",
        expect: Expect::No(Reason::LiveElsewhere),
    },
    Step {
        says: "A parked copy in b does no harm: of a skipped resource, ASO only reads.",
        cluster: b,
        does: Does::Apply,
        on: "parked/group.yaml",
        expect: Expect::Yes,
    },
    Step {
        says: "Mistake: tidying up in a, with a delete that Azure would carry out.",
        cluster: a,
        does: Does::Delete,
        on: "shop/group.yaml",
        expect: Expect::No(Reason::PeersDepend),
    },
    Step {
        says: "Now the move to b, by ASO's own guide. Step 1: park the copies in a.",
        cluster: a,
        does: Does::Park,
        on: "shop/",
        expect: Expect::Yes,
    },
    Step {
        says: "Step 2: make sure that ASO runs in b. Step 3: apply the manifests there.",
        cluster: b,
        does: Does::Apply,
        on: "shop/",
        expect: Expect::Yes,
    },
    Step {
        says: "Mistake: the skip in a is taken back, perhaps by GitOps, while b is live.",
        cluster: a,
        does: Does::Unpark,
        on: "shop/group.yaml",
        expect: Expect::No(Reason::LiveElsewhere),
    },
    Step {
        says: "Mistake: a delete in b, while a still has its parked copy.",
        cluster: b,
        does: Does::Delete,
        on: "shop/group.yaml",
        expect: Expect::No(Reason::PeersDepend),
    },
    Step {
        says: "Step 4: delete the copies in a. They are parked, so Azure is not touched.",
        cluster: a,
        does: Does::Delete,
        on: "shop/",
        expect: Expect::Yes,
    },
];

/// How the story went.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// As it should, to the end.
    Good,
    /// One verdict was wrong. The story ends there.
    WrongVerdict,
}

/// Plays the story, and tells it.
pub(super) async fn play<W: Write>(
    clusters: &mut Clusters,
    teller: &mut Teller<W>,
) -> anyhow::Result<Ending> {
    for (at, step) in STORY.iter().enumerate() {
        let cluster = (step.cluster)(clusters);
        teller.step(at + 1, step.says, &step.command(cluster.name))?;
        for manifest in manifest::read(step.on) {
            let answer = match step.does {
                Does::Apply => cluster.apply(manifest).await,
                Does::Park => cluster.annotate(manifest, Some(Policy::Skip)).await,
                Does::Unpark => cluster.annotate(manifest, None).await,
                Does::Delete => cluster.delete(manifest).await,
            }?;
            teller.answer(&answer)?;
            if !step.expect.is_met_by(&answer) {
                teller.wrong(&step.expect.words())?;
                return Ok(Ending::WrongVerdict);
            }
        }
    }
    let mistakes = STORY.iter().filter(|step| !step.expect.is_yes()).count();
    teller.summary(STORY.len(), mistakes)?;
    Ok(Ending::Good)
}

impl Step {
    /// What one would type.
    fn command(&self, context: &str) -> String {
        let verb = match self.does {
            Does::Apply => "apply",
            Does::Park | Does::Unpark => "annotate",
            Does::Delete => "delete",
        };
        let annotation = match self.does {
            Does::Park => format!(" {POLICY_ANNOTATION}=skip"),
            Does::Unpark => format!(" {POLICY_ANNOTATION}-"),
            Does::Apply | Does::Delete => String::new(),
        };
        format!(
            "kubectl --context {context} {verb} -f {}{annotation}",
            self.on
        )
    }
}

impl Expect {
    fn is_yes(&self) -> bool {
        matches!(self, Self::Yes)
    }

    fn is_met_by(&self, answer: &Answer) -> bool {
        match (self, &answer.verdict) {
            (Self::Yes, Verdict::NotAsked | Verdict::Admitted) => true,
            (Self::No(expected), Verdict::Refused(reason)) => expected.as_str() == reason,
            _ => false,
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Yes => "This should have been admitted.".to_owned(),
            Self::No(reason) => format!("This should have been refused ({}).", reason.as_str()),
        }
    }
}
