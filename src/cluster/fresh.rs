//! A cluster of which nothing is believed that is only remembered.

use std::sync::Arc;

use async_trait::async_trait;

use crate::arm::Kinds;
use crate::object::{ObjectFacts, ObjectKey};

use super::{Cluster, ClusterError, NamespaceFacts, Subscription};

/// A cluster that answers from its API server's store, by quorum reads, wherever one
/// object, namespace or secret is asked for.
///
/// What watches told may be old: a copy is released on nothing less than this.
pub struct Fresh<'a>(pub &'a dyn Cluster);

#[async_trait]
impl Cluster for Fresh<'_> {
    fn kinds(&self) -> Arc<Kinds> {
        self.0.kinds()
    }

    async fn object(&self, key: &ObjectKey) -> Result<Option<Arc<ObjectFacts>>, ClusterError> {
        Ok(self.0.read(key).await?.map(Arc::new))
    }

    fn objects(&self) -> Vec<Arc<ObjectFacts>> {
        self.0.objects()
    }

    fn owned_by(&self, namespace: &str, name: &str) -> Vec<Arc<ObjectFacts>> {
        self.0.owned_by(namespace, name)
    }

    fn in_namespace(&self, namespace: &str) -> Vec<Arc<ObjectFacts>> {
        self.0.in_namespace(namespace)
    }

    async fn read(&self, key: &ObjectKey) -> Result<Option<ObjectFacts>, ClusterError> {
        self.0.read(key).await
    }

    /// Its policy alone is read: no release rests on the rest.
    async fn namespace(&self, name: &str) -> Result<NamespaceFacts, ClusterError> {
        Ok(NamespaceFacts {
            policy: self.0.read_namespace_policy(name).await?,
            ..self.0.namespace(name).await?
        })
    }

    async fn read_namespace_policy(
        &self,
        namespace: &str,
    ) -> Result<Option<Arc<str>>, ClusterError> {
        self.0.read_namespace_policy(namespace).await
    }

    async fn operator_policy(&self) -> Result<Option<Arc<str>>, ClusterError> {
        self.0.read_operator_policy().await
    }

    async fn read_operator_policy(&self) -> Result<Option<Arc<str>>, ClusterError> {
        self.0.read_operator_policy().await
    }

    async fn subscription(
        &self,
        namespace: &str,
        credential_from: Option<&str>,
    ) -> Result<Subscription, ClusterError> {
        self.read_subscription(namespace, credential_from).await
    }

    async fn read_subscription(
        &self,
        namespace: &str,
        credential_from: Option<&str>,
    ) -> Result<Subscription, ClusterError> {
        self.0.read_subscription(namespace, credential_from).await
    }
}
