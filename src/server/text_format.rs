//! Prometheus' own text format, for clients that do not ask for OpenMetrics, such as `curl` and
//! `promtool check metrics`.

use std::collections::HashMap;
use std::fmt::Write as _;

/// The media type of OpenMetrics text.
pub(super) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The media type of Prometheus' own.
pub(super) const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether a client with this `Accept` header takes OpenMetrics.
pub(super) fn takes_open_metrics(accept: &str) -> bool {
    accept.contains("application/openmetrics-text")
}

/// The same metrics in Prometheus' own format: there, a counter has its ending in its name, and
/// an info is a gauge. What a sample looks like is the same in both.
pub(super) fn prometheus(open_metrics: &str) -> String {
    let types: HashMap<&str, &str> = open_metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        let words = line.strip_prefix("# ").map(|words| words.splitn(3, ' '));
        let Some([what, name, rest]) = words.and_then(three) else {
            if line != "# EOF" {
                let _ = writeln!(text, "{line}");
            }
            continue;
        };
        let ending = match types.get(name) {
            Some(&"counter") => "_total",
            Some(&"info") => "_info",
            _ => "",
        };
        let rest = match (what, rest) {
            ("UNIT", _) => continue,
            ("TYPE", "info" | "stateset") => "gauge",
            ("TYPE", "unknown") => "untyped",
            (_, rest) => rest,
        };
        let _ = writeln!(text, "# {what} {name}{ending} {rest}");
    }
    text
}

fn three<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<[&'a str; 3]> {
    Some([words.next()?, words.next()?, words.next()?])
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::metrics::histogram::Histogram;
    use prometheus_client::metrics::info::Info;
    use prometheus_client::registry::{Registry, Unit};

    use super::*;

    #[test]
    fn each_type_is_written_as_prometheus_knows_it() {
        let mut registry = Registry::default();
        registry.register("build", "What runs", Info::new(vec![("version", "1")]));
        registry.register("calls", "Calls # of all", <Counter>::default());
        registry.register("open", "Now", <Gauge>::default());
        let took = Histogram::new([1.0]);
        registry.register_with_unit("took", "How long", Unit::Seconds, took);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let expected = [
            "# HELP build_info What runs.",
            "# TYPE build_info gauge",
            "build_info{version=\"1\"} 1",
            "# HELP calls_total Calls # of all.",
            "# TYPE calls_total counter",
            "calls_total 0",
            "# HELP open Now.",
            "# TYPE open gauge",
            "open 0",
            "# HELP took_seconds How long.",
            "# TYPE took_seconds histogram",
            "took_seconds_sum 0.0",
            "took_seconds_count 0",
            "took_seconds_bucket{le=\"1.0\"} 0",
            "took_seconds_bucket{le=\"+Inf\"} 0",
        ];
        let written = prometheus(&text);
        assert_eq!(written.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn prometheus_itself_takes_open_metrics() {
        let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
        assert!(takes_open_metrics(accept));
        assert!(!takes_open_metrics("*/*"));
    }
}
