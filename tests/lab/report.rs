//! What there is to see when a story fails: the guards' logs, the objects, the claims.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::crds;
use super::kubectl::Kubectl;
use super::object::{Object, POLICY};
use super::process::Process;
use super::reaper::KEEP;
use super::world::Lab;

/// Claims of all namespaces, or of none: the path is the same.
const LIMIT: Duration = Duration::from_secs(15);
const LINES: usize = 100;

/// Where a log ended when the story began.
pub struct Mark {
    name: String,
    log: PathBuf,
    from: usize,
}

impl Mark {
    /// The end of the log, now.
    pub fn now(process: &Process) -> Self {
        Self {
            name: process.name().to_owned(),
            log: process.log().to_owned(),
            from: fs::read(process.log()).map_or(0, |log| log.len()),
        }
    }

    fn since(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(log.get(self.from..).unwrap_or_default());
        let lines: Vec<&str> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(LINES)..];
        format!(
            "--- log of {} since the story began ({} of {} lines)\n{}\n",
            self.name,
            tail.len(),
            lines.len(),
            tail.join("\n")
        )
    }
}

/// The whole report. It is made while a test panics, so it has a thread, and a runtime, of its own.
pub fn report(lab: &Lab, story: &str, marks: &[Mark]) -> String {
    let state = std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async { tokio::time::timeout(LIMIT, state(lab, story)).await? })
        });
        asked
            .join()
            .unwrap_or_else(|_| Err(anyhow::anyhow!("the report panicked")))
    });
    let logs: String = marks.iter().map(Mark::since).collect();
    let state = state.unwrap_or_else(|error| format!("--- no more to see: {error:#}\n"));
    format!(
        "=== what there is to see of {story}\n{logs}{state}=== end \
         (with {KEEP}=1, all logs and data stay in the temporary directory)"
    )
}

async fn state(lab: &Lab, story: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    for cluster in [&lab.a, &lab.b] {
        let kubectl = cluster.control_plane.kubectl(story).await?;
        writeln!(text, "--- objects in {}", cluster.name())?;
        for object in objects(&kubectl).await {
            writeln!(text, "{}", line(&object))?;
        }
    }
    let hub = lab.hub().kubectl(story).await?;
    writeln!(text, "--- claims that mention {story}")?;
    match hub.claims().await {
        Ok(claims) => {
            for claim in claims.iter().filter(|c| c.0.to_string().contains(story)) {
                let mut claim = claim.clone();
                claim.0["metadata"]["managedFields"].take();
                writeln!(text, "{}", serde_yaml::to_string(&claim.0)?)?;
            }
        }
        Err(refusal) => writeln!(text, "{refusal}")?,
    }
    Ok(text)
}

/// The objects of the lab's kinds whose namespace begins with the story's.
async fn objects(kubectl: &Kubectl) -> Vec<Object> {
    let mut found = Vec::new();
    for kind in &crds::KINDS {
        let path = format!("/apis/{}/{}", kind.api_version(), kind.plural);
        let all = kubectl.list_path(&path).await.unwrap_or_default();
        found.extend(all.into_iter().filter(|object| {
            object
                .text("/metadata/namespace")
                .starts_with(kubectl.namespace())
        }));
    }
    found
}

fn line(object: &Object) -> String {
    let facts = [
        ("azureName", object.text("/spec/azureName")),
        ("policy", object.annotation(POLICY).unwrap_or("")),
        ("uid", object.uid()),
        ("resourceVersion", object.text("/metadata/resourceVersion")),
        ("deleted", object.text("/metadata/deletionTimestamp")),
    ];
    let facts: Vec<String> = facts
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let namespace = object.text("/metadata/namespace");
    format!("{namespace}/{object} {}", facts.join(" "))
}
