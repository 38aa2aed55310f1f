//! The audit log of an API server.

#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong in a helper fails its test"
)]

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

/// What a replay needs: the changes of ASO's objects and of namespaces, with what came of each.
pub const FOR_REPLAY: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: RequestResponse
    verbs: [create, update, patch, delete, deletecollection]
    resources:
      - group: resources.azure.com
      - group: network.azure.com
      - group: storage.azure.com
      - {group: '', resources: [namespaces]}
  - level: None
";

/// Where an API server writes its audit log; gone when it is dropped.
pub struct AuditLog {
    directory: TempDir,
}

impl AuditLog {
    /// One that is written by this policy.
    pub fn by(policy: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("policy.yaml"), policy).unwrap();
        Self { directory }
    }

    /// The file.
    pub fn file(&self) -> PathBuf {
        self.directory.path().join("audit.log")
    }

    /// What kube-apiserver is told to write it.
    pub fn flags(&self) -> Vec<String> {
        let policy = self.directory.path().join("policy.yaml");
        vec![
            format!("--audit-policy-file={}", policy.display()),
            format!("--audit-log-path={}", self.file().display()),
        ]
    }
}
