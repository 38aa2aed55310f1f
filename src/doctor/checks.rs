//! From what was read to what there is to say: pure, a function each.

mod aso;
mod guard;
mod registry;
mod webhook;

use jiff::SignedDuration;

use super::facts::{ClusterFacts, Facts, NotRead, Read};
use super::finding::{Finding, Status, Topic};

/// API servers take match conditions without a feature gate from this minor version on.
const OLDEST_MINOR: u32 = 30;
/// Clocks that differ by more make tokens and certificates fail that are good.
const APART: SignedDuration = SignedDuration::from_secs(30);

/// All there is to say, by topic. Where the cluster does not answer, that alone.
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = cluster(facts);
    if matches!(facts.cluster, Err(NotRead::Failed(_))) {
        return found;
    }
    found.extend(aso::findings(facts));
    found.extend(webhook::findings(facts));
    found.extend(guard::findings(facts));
    found.extend(registry::findings(facts));
    found.extend(modes(facts));
    found
}

/// What there is to say where something was not read.
fn not_read(topic: Topic, check: &'static str, why: &NotRead) -> Finding {
    match why {
        NotRead::Skipped(why) => Finding::skip(topic, check, why.clone()),
        NotRead::Failed(why) => {
            Finding::fail(topic, check, why.clone(), "Ask again; then look there")
        }
    }
}

/// Looks at what was read, or says why it was not.
fn look<T>(
    topic: Topic,
    check: &'static str,
    read: &Read<T>,
    findings: impl FnOnce(&T) -> Vec<Finding>,
) -> Vec<Finding> {
    match read {
        Ok(read) => findings(read),
        Err(why) => vec![not_read(topic, check, why)],
    }
}

/// The first few of some, and how many more there are.
fn some(all: &[String], count: usize) -> String {
    const NAMED: usize = 5;
    let named = all.iter().take(NAMED).cloned().collect::<Vec<_>>();
    match count.saturating_sub(named.len()) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// How many there are of something.
fn number(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn cluster(facts: &Facts) -> Vec<Finding> {
    let topic = Topic::Cluster;
    look(topic, "API server", &facts.cluster, |cluster| {
        let mut found = vec![version(cluster)];
        found.extend(cluster.ahead.map(|ahead| {
            let apart = ahead.abs();
            if apart <= APART {
                return Finding::ok(topic, "clock", format!("within {}", spoken(APART)));
            }
            let way = if ahead.is_positive() {
                "ahead of"
            } else {
                "behind"
            };
            Finding::warn(
                topic,
                "clock",
                format!("the API server is {} {way} this machine", spoken(apart)),
                "Set the clock that is wrong: tokens and certificates that are good fail by it",
            )
        }));
        found
    })
}

fn spoken(span: SignedDuration) -> String {
    format!("{} s", span.as_secs())
}

fn version(cluster: &ClusterFacts) -> Finding {
    let (topic, check) = (Topic::Cluster, "API server");
    let version = &cluster.version;
    match cluster.minor {
        Some(minor) if minor < OLDEST_MINOR => Finding::fail(
            topic,
            check,
            format!("Kubernetes {version} is older than 1.{OLDEST_MINOR}"),
            "Upgrade it: older API servers take no match conditions",
        ),
        _ => Finding::ok(topic, check, format!("Kubernetes {version} answers")),
    }
}

/// Which namespaces are guarded otherwise than the cluster.
fn modes(facts: &Facts) -> Vec<Finding> {
    let topic = Topic::Modes;
    look(topic, "namespaces", &facts.modes, |modes| {
        let mut found = Vec::new();
        for mode in ["enforce", "audit", "off"] {
            let of = modes.iter().filter(|(_, own)| own == mode);
            let names: Vec<String> = of.map(|(name, _)| name.clone()).collect();
            if names.is_empty() {
                continue;
            }
            let words = format!("{mode} in {}", some(&names, names.len()));
            found.push(if mode == "off" {
                let remedy = "Nothing is refused there, nor warned of. Where that is over: kubectl";
                let flags = &facts.kubectl_flags;
                let remedy = format!("{remedy}{flags} label namespace NAME asoguard.io/mode-");
                Finding::warn(topic, "namespaces", words, remedy)
            } else {
                Finding::ok(topic, "namespaces", words)
            });
        }
        let known = |mode: &str| ["enforce", "audit", "off"].contains(&mode);
        for (name, mode) in modes.iter().filter(|(_, mode)| !known(mode)) {
            found.push(Finding::fail(
                topic,
                "namespaces",
                format!("{mode:?} of namespace {name} is no mode, so the cluster's is in force"),
                format!(
                    "Write enforce, audit or off: kubectl{} label --overwrite namespace {name} \
                     asoguard.io/mode=…",
                    facts.kubectl_flags
                ),
            ));
        }
        if found.is_empty() {
            let words = "no namespace has a mode of its own";
            found.push(Finding::ok(topic, "namespaces", words));
        }
        found
    })
}

/// The worst of it.
pub fn worst(findings: &[Finding]) -> Status {
    let all = findings.iter().map(|finding| finding.status);
    all.max().unwrap_or(Status::Ok)
}

#[cfg(test)]
mod tests;
