//! Every metric of `aso-guard serve`, in one place.

use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::server::expiry::{self, ServedCertificate};
use crate::telemetry::events::EventMetrics;
use crate::{admission, cluster, registry, server, webhook_controller};

/// What the names of all metrics begin with.
const PREFIX: &str = "aso_guard";

/// What each part of the guard counts.
#[derive(Clone, Default)]
pub(super) struct ProcessMetrics {
    pub(super) admission: admission::AdmissionMetrics,
    pub(super) registry: registry::metered::RegistryMetrics,
    pub(super) cluster: cluster::metrics::ObserverMetrics,
    pub(super) events: EventMetrics,
    pub(super) webhook: webhook_controller::WebhookMetrics,
    pub(super) server: server::metrics::ServerMetrics,
}

impl ProcessMetrics {
    /// All of them, as they are served.
    pub(super) fn exposition(&self, served: ServedCertificate) -> Registry {
        let mut registry = Registry::with_prefix(PREFIX);
        let build = [("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "The version that runs", Info::new(build.to_vec()));
        self.admission.register(&mut registry);
        self.registry.register(&mut registry);
        self.cluster.register(&mut registry);
        expiry::register(served, &mut registry);
        self.events.register(&mut registry);
        self.webhook.register(&mut registry);
        self.server.register(&mut registry);
        registry
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use jiff::Timestamp;
    use prometheus_client::encoding::text::encode;

    use std::sync::Arc;

    use super::*;
    use crate::claim::{Fence, FenceProof, Justification};
    use crate::registry::{MemberRecord, Sample};
    use crate::server::development_certificates::{CertificateNames, DevelopmentCa};
    use crate::server::tls::ReloadingCertificate;

    fn exposition() -> String {
        let ca = DevelopmentCa::generate().unwrap();
        let pair = ca.issue(&CertificateNames::default(), 1).unwrap();
        let certificate =
            ReloadingCertificate::from_pem(pair.certificate.as_bytes(), pair.key.as_bytes(), None);
        let metrics = ProcessMetrics::default();
        metrics.cluster.set_members(&[MemberRecord {
            name: "a".parse().unwrap(),
            cluster: "uid".into(),
            version: "0".into(),
            enrolling: false,
            heard: Timestamp::UNIX_EPOCH,
            mode: "enforce".into(),
            unresolved: Sample::default(),
            unwatched: Sample::default(),
            webhook_gaps: Sample::default(),
            second_line: None,
            hub_token_expires: Some(Timestamp::UNIX_EPOCH),
            fence: Some(Fence {
                at: Timestamp::UNIX_EPOCH,
                by: "alice".into(),
                why: Justification::new("burnt down").unwrap(),
                proof: FenceProof::ClusterGone,
                until: Timestamp::UNIX_EPOCH,
                heard: Timestamp::UNIX_EPOCH,
            }),
            policy_changes: Vec::new(),
            writes: 0,
            epoch: "".into(),
            next: None,
        }]);
        let served = ServedCertificate::default();
        served.set(&Arc::new(certificate.unwrap()));
        let registry = metrics.exposition(served);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    /// The table of `docs/metrics.md`, as the code has it.
    fn table() -> String {
        let text = exposition();
        let mut rows =
            String::from("| metric | type | labels | what it says |\n| --- | --- | --- | --- |\n");
        let mut names: Vec<(&str, &str)> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '))
            .collect();
        names.sort_unstable();
        for (name, help) in names {
            let kind = text
                .lines()
                .find_map(|line| line.strip_prefix(&format!("# TYPE {name} ")))
                .unwrap();
            let series = text
                .lines()
                .find(|line| !line.starts_with('#') && line.starts_with(name));
            let labels = series
                .and_then(|line| line.split_once('{')?.1.split_once('}'))
                .map_or("", |(labels, _)| labels);
            let labels: Vec<String> = labels
                .split(',')
                .filter_map(|label| Some(format!("`{}`", label.split_once('=')?.0)))
                .filter(|label| label != "`le`")
                .collect();
            let ending = match kind {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            let help = help.trim_end_matches('.');
            writeln!(
                rows,
                "| `{name}{ending}` | {kind} | {} | {help} |",
                labels.join(", ")
            )
            .unwrap();
        }
        rows
    }

    #[test]
    fn every_metric_is_in_the_docs_and_no_other() {
        let docs = include_str!("../../docs/metrics.md");
        let table = table();
        assert!(
            docs.contains(&table),
            "docs/metrics.md should hold this table:\n{table}"
        );
        let rows = |text: &str| {
            text.lines()
                .filter(|line| line.starts_with("| `aso_guard_"))
                .count()
        };
        assert_eq!(rows(docs), rows(&table));
    }

    #[test]
    fn names_are_of_this_guard_and_in_base_units() {
        let text = exposition();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(line.starts_with("aso_guard_"), "{line}");
            assert!(!line.contains("_ms") && !line.contains("milli"), "{line}");
        }
        assert!(text.contains("\naso_guard_conflicts 0\n"), "{text}");
        assert!(
            text.contains("aso_guard_certificate_expiry_timestamp_seconds "),
            "{text}"
        );
        assert!(text.ends_with("# EOF\n"));
    }
}
