//! When the serving certificate expires, as a metric.

use std::sync::{Arc, OnceLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::tls::ReloadingCertificate;

/// The certificate that is served, once there is one. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct ServedCertificate(Arc<OnceLock<Arc<ReloadingCertificate>>>);

impl ServedCertificate {
    /// Says which one is served from now on. There is one in a process: a second call
    /// changes nothing.
    pub fn set(&self, certificate: &Arc<ReloadingCertificate>) {
        let _ = self.0.set(certificate.clone());
    }
}

#[derive(Debug)]
struct ExpiryCollector(ServedCertificate);

impl Collector for ExpiryCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let ServedCertificate(certificate) = &self.0;
        let Some(certificate) = certificate.get() else {
            return Ok(());
        };
        let gauge = ConstGauge::new(certificate.summary().not_after.as_second());
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
pub fn register(served: ServedCertificate, registry: &mut Registry) {
    registry.register_collector(Box::new(ExpiryCollector(served)));
}
