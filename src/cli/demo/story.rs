//! The story: a move from one cluster to the other as ASO's guide says, and the
//! mistakes that are made on the way.

use std::io::Write;

use crate::claim::Reason;
use crate::object::POLICY_ANNOTATION;
use crate::policy::Policy;

use super::api_server::{ApiServer, KubectlOutput, WebhookDecision};
use super::environment::DemoClusters;
use super::manifest;
use super::printer::StoryPrinter;

/// One thing that somebody does.
struct StoryStep {
    says: &'static str,
    cluster: fn(&mut DemoClusters) -> &mut ApiServer,
    does: KubectlCommand,
    /// What follows `-f`.
    on: &'static str,
    expect: ExpectedVerdict,
}

/// What `kubectl` is told to do.
enum KubectlCommand {
    Apply,
    Park,
    Unpark,
    Delete,
}

/// What should come of it, for every object.
enum ExpectedVerdict {
    Yes,
    No(Reason),
}

fn a(clusters: &mut DemoClusters) -> &mut ApiServer {
    &mut clusters.a
}

fn b(clusters: &mut DemoClusters) -> &mut ApiServer {
    &mut clusters.b
}

const STORY: [StoryStep; 9] = [
    StoryStep {
        says: "ASO in cluster a manages a shop's resource group and storage account.",
        cluster: a,
        does: KubectlCommand::Apply,
        on: "shop/",
        expect: ExpectedVerdict::Yes,
    },
    StoryStep {
        says: "Mistake: the same in cluster b. Two ASOs would overwrite each other's work, silently.",
        cluster: b,
        does: KubectlCommand::Apply,
        on: "shop/group.yaml",
        expect: ExpectedVerdict::No(Reason::LiveElsewhere),
    },
    StoryStep {
        says: "A parked copy in b does no harm: of a skipped resource, ASO only reads.",
        cluster: b,
        does: KubectlCommand::Apply,
        on: "parked/group.yaml",
        expect: ExpectedVerdict::Yes,
    },
    StoryStep {
        says: "Mistake: tidying up in a, with a delete that Azure would carry out.",
        cluster: a,
        does: KubectlCommand::Delete,
        on: "shop/group.yaml",
        expect: ExpectedVerdict::No(Reason::PeersDepend),
    },
    StoryStep {
        says: "Now the move to b, by ASO's own guide. Step 1: park the copies in a.",
        cluster: a,
        does: KubectlCommand::Park,
        on: "shop/",
        expect: ExpectedVerdict::Yes,
    },
    StoryStep {
        says: "Step 2: make sure that ASO runs in b. Step 3: apply the manifests there.",
        cluster: b,
        does: KubectlCommand::Apply,
        on: "shop/",
        expect: ExpectedVerdict::Yes,
    },
    StoryStep {
        says: "Mistake: the skip in a is taken back, perhaps by GitOps, while b is live.",
        cluster: a,
        does: KubectlCommand::Unpark,
        on: "shop/group.yaml",
        expect: ExpectedVerdict::No(Reason::LiveElsewhere),
    },
    StoryStep {
        says: "Mistake: a delete in b, while a still has its parked copy.",
        cluster: b,
        does: KubectlCommand::Delete,
        on: "shop/group.yaml",
        expect: ExpectedVerdict::No(Reason::PeersDepend),
    },
    StoryStep {
        says: "Step 4: delete the copies in a. They are parked, so Azure is not touched.",
        cluster: a,
        does: KubectlCommand::Delete,
        on: "shop/",
        expect: ExpectedVerdict::Yes,
    },
];

/// How the story went.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum StoryOutcome {
    /// As it should, to the end.
    Good,
    /// One verdict was wrong. The story ends there.
    WrongVerdict,
}

/// Plays the story, and tells it.
pub(super) async fn play<W: Write>(
    clusters: &mut DemoClusters,
    printer: &mut StoryPrinter<W>,
) -> anyhow::Result<StoryOutcome> {
    for (at, step) in STORY.iter().enumerate() {
        let cluster = (step.cluster)(clusters);
        printer.step(at + 1, step.says, &step.command(cluster.name))?;
        for manifest in manifest::read(step.on) {
            let answer = match step.does {
                KubectlCommand::Apply => cluster.apply(manifest).await,
                KubectlCommand::Park => cluster.annotate(manifest, Some(Policy::Skip)).await,
                KubectlCommand::Unpark => cluster.annotate(manifest, None).await,
                KubectlCommand::Delete => cluster.delete(manifest).await,
            }?;
            printer.answer(&answer)?;
            if !step.expect.is_met_by(&answer) {
                printer.wrong(&step.expect.words())?;
                return Ok(StoryOutcome::WrongVerdict);
            }
        }
    }
    let mistakes = STORY.iter().filter(|step| !step.expect.is_yes()).count();
    printer.summary(STORY.len(), mistakes)?;
    Ok(StoryOutcome::Good)
}

impl StoryStep {
    /// What one would type.
    fn command(&self, context: &str) -> String {
        let verb = match self.does {
            KubectlCommand::Apply => "apply",
            KubectlCommand::Park | KubectlCommand::Unpark => "annotate",
            KubectlCommand::Delete => "delete",
        };
        let annotation = match self.does {
            KubectlCommand::Park => format!(" {POLICY_ANNOTATION}=skip"),
            KubectlCommand::Unpark => format!(" {POLICY_ANNOTATION}-"),
            KubectlCommand::Apply | KubectlCommand::Delete => String::new(),
        };
        format!(
            "kubectl --context {context} {verb} -f {}{annotation}",
            self.on
        )
    }
}

impl ExpectedVerdict {
    fn is_yes(&self) -> bool {
        matches!(self, Self::Yes)
    }

    fn is_met_by(&self, answer: &KubectlOutput) -> bool {
        match (self, &answer.verdict) {
            (Self::Yes, WebhookDecision::NotAsked | WebhookDecision::Admitted) => true,
            (Self::No(expected), WebhookDecision::Refused(reason)) => expected.as_str() == reason,
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
