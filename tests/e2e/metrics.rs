//! `/metrics` of a running guard, as Prometheus would take it.

use std::collections::BTreeMap;

use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::eventually;
use crate::shared_lab;

/// A scrape: each family's type, and each series with its value.
#[derive(Default)]
struct Scrape {
    families: BTreeMap<String, String>,
    series: BTreeMap<String, f64>,
}

impl Scrape {
    /// Reads Prometheus' text format, and is strict about it.
    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut scrape = Self::default();
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                let mut words = comment.splitn(3, ' ');
                match (words.next(), words.next(), words.next()) {
                    (Some("TYPE"), Some(name), Some(kind)) => {
                        let twice = scrape.families.insert(name.to_owned(), kind.to_owned());
                        anyhow::ensure!(twice.is_none(), "two families: {line}");
                    }
                    (Some("HELP"), Some(_), Some(help)) => {
                        anyhow::ensure!(help.len() > 10, "{line}");
                    }
                    _ => anyhow::bail!("what is this: {line}"),
                }
                continue;
            }
            let (series, value) = line
                .rsplit_once(' ')
                .ok_or_else(|| anyhow::anyhow!("{line}"))?;
            let name = series.split('{').next().unwrap_or_default();
            anyhow::ensure!(scrape.family(name).is_some(), "of no family: {line}");
            anyhow::ensure!(
                scrape
                    .series
                    .insert(series.to_owned(), value.parse()?)
                    .is_none(),
                "twice: {line}"
            );
        }
        Ok(scrape)
    }

    fn family(&self, name: &str) -> Option<&String> {
        let endings = ["", "_bucket", "_sum", "_count"];
        let mut names = endings
            .iter()
            .filter_map(|ending| name.strip_suffix(ending));
        names.find_map(|name| self.families.get(name))
    }

    fn value(&self, series: &str) -> f64 {
        self.series.get(series).copied().unwrap_or(f64::NAN)
    }
}

#[tokio::test]
async fn a_scrape_says_what_the_guard_did_and_names_nothing_it_should_not() {
    let story = Story::begin(shared_lab().await, "scraped-namespace").await;
    let group = story.resource_group("rg");
    story.a.create(&group).await.admitted_silently();
    story.b.create(&group).await.refused();
    eventually("the numbers to be there", async || {
        let (status, text) = story.lab.b.guard().replicas()[0].ops("/metrics").await?;
        anyhow::ensure!(status == 200);
        let scrape = Scrape::parse(&text)?;
        let refused = r#"aso_guard_requests_total{operation="create",verdict="refused",reason="LiveElsewhere",dry_run="false"}"#;
        anyhow::ensure!(scrape.value(refused) >= 1.0, "{text}");
        let both = ["a", "b"].map(|name| format!(r#"aso_guard_member_last_heard_timestamp_seconds{{member="{name}"}}"#));
        anyhow::ensure!(both.iter().all(|one| scrape.value(one) > 1e9), "{text}");
        let tokens = ["a", "b"].map(|name| format!(r#"aso_guard_member_hub_token_expiry_timestamp_seconds{{member="{name}"}}"#));
        anyhow::ensure!(tokens.iter().all(|one| scrape.value(one) > 1e9), "{text}");
        anyhow::ensure!(scrape.value("aso_guard_certificate_expiry_timestamp_seconds") > 1e9, "{text}");
        anyhow::ensure!(scrape.value(r#"aso_guard_registry_calls_total{operation="put_claim",outcome="conflict"}"#) >= 1.0, "{text}");
        anyhow::ensure!(scrape.value(r#"aso_guard_events_total{outcome="published"}"#) >= 1.0, "{text}");
        anyhow::ensure!(scrape.value("aso_guard_enrolment_remaining_objects") == 0.0, "{text}");
        for secret in ["/subscriptions/", "scraped-namespace", "rg-"] {
            anyhow::ensure!(!text.contains(secret), "{secret} in {text}");
        }
        // For `deploy/dashboards/check`.
        std::fs::write(concat!(env!("CARGO_TARGET_TMPDIR"), "/metrics.txt"), text)?;
        Ok(())
    })
    .await;
    // The refusal is an Event, too: of an object that is not there.
    eventually("an Event of the refusal", async || {
        let events = story.b.list("events.k8s.io/v1", "Event").await?;
        let mut refused = events
            .iter()
            .filter(|event| event.text("/reason") == "LiveElsewhere");
        let event = refused
            .next()
            .ok_or_else(|| anyhow::anyhow!("{events:?}"))?;
        // What went wrong and the fix; the rest is with whoever asked.
        let note = event.text("/note");
        anyhow::ensure!(
            note.starts_with("refused: creating this copy live"),
            "{note}"
        );
        // A command; or, while the copy in a is only on its way, when to try again.
        let fixes = [" --context ", " try again after "];
        anyhow::ensure!(fixes.iter().any(|fix| note.contains(fix)), "{note}");
        for rest in ["Resource: ", "asoguard.io/override", "More: "] {
            anyhow::ensure!(!note.contains(rest), "{note}");
        }
        Ok(())
    })
    .await;
}
