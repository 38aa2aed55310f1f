//! When the serving certificate expires, as a metric.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::tls::ReloadingCertificate;

#[derive(Debug)]
struct Expiry(Arc<ReloadingCertificate>);

impl Collector for Expiry {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let gauge = ConstGauge::new(self.0.summary().not_after.as_second());
        let metric = encoder.encode_descriptor(
            "certificate_expiry_timestamp",
            "When the certificate that is served expires",
            Some(&Unit::Seconds),
            prometheus_client::metrics::MetricType::Gauge,
        )?;
        gauge.encode(metric)
    }
}

/// Adds it to what is served: of the certificate that is served at the time of asking.
pub fn register(certificate: Arc<ReloadingCertificate>, registry: &mut Registry) {
    registry.register_collector(Box::new(Expiry(certificate)));
}
