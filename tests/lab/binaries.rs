//! The programs of the lab: the user's own, or built once with Go.

use std::path::PathBuf;

use super::go::{ASSETS, Module};

/// etcd, kube-apiserver and kube-controller-manager.
const CONTROL_PLANE: Module = Module {
    name: "control-plane",
    packages: &["./cmd/..."],
    programs: &["etcd", "kube-apiserver", "kube-controller-manager"],
    sources: &[
        "cmd/etcd/main.go",
        "cmd/kube-apiserver/main.go",
        "cmd/kube-controller-manager/main.go",
    ],
    copies: &[],
    makes: &[],
    // What the API server says its version is; the module pins the same.
    ldflags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.34.4",
    tags: "",
    takes: "about five minutes",
};

/// Helm. It takes charts for what `kubeVersion` says, so it is told as its own releases are.
const HELM: Module = Module {
    name: "helm",
    packages: &["helm.sh/helm/v3/cmd/helm"],
    programs: &["helm"],
    sources: &[],
    copies: &[],
    makes: &[],
    ldflags: "-s -w -X helm.sh/helm/v3/internal/version.version=v3.22.0 \
        -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 \
        -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=34 \
        -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 \
        -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=34",
    tags: "",
    takes: "about a minute and a half",
};

/// Flux' kustomize-controller and clusterctl, with the CRDs of what they act on.
const GITOPS: Module = Module {
    name: "gitops-programs",
    packages: &[
        "github.com/fluxcd/kustomize-controller",
        "sigs.k8s.io/cluster-api/cmd/clusterctl",
    ],
    programs: &["kustomize-controller", "clusterctl"],
    sources: &[],
    copies: &[
        (
            "github.com/fluxcd/kustomize-controller",
            "config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml",
        ),
        (
            "sigs.k8s.io/cluster-api",
            "core/config/crd/bases/cluster.x-k8s.io_clusters.yaml",
        ),
        (
            "sigs.k8s.io/cluster-api",
            "cmd/clusterctl/config/crd/bases/clusterctl.cluster.x-k8s.io_providers.yaml",
        ),
    ],
    makes: &[],
    ldflags: "-s -w",
    tags: "",
    takes: "about four minutes",
};

/// One sync by the engine of Argo CD.
const ARGOCD_SYNC: Module = Module {
    name: "argocd-sync",
    packages: &["."],
    programs: &["argocd-sync"],
    sources: &["main.go"],
    copies: &[],
    makes: &[],
    ldflags: "-s -w",
    tags: "",
    takes: "about three minutes",
};

/// Azure Service Operator, and the CRDs of all its kinds, made from its source.
const ASO: Module = Module {
    name: "aso-controller",
    packages: &[
        "github.com/Azure/azure-service-operator/v2/cmd/controller",
        "sigs.k8s.io/controller-tools/cmd/controller-gen",
    ],
    programs: &["controller", "controller-gen"],
    sources: &[],
    copies: &[],
    makes: &[(
        "controller-gen",
        &[
            "crd:crdVersions=v1,allowDangerousTypes=true",
            "paths=github.com/Azure/azure-service-operator/v2/api/...",
            "output:crd:dir={}/crds",
        ],
    )],
    ldflags: "-s -w",
    tags: "",
    takes: "about twenty minutes",
};

/// What of cert-manager issues and renews certificates, and puts their CA into webhook
/// configurations, with its CRDs.
const CERT_MANAGER: Module = Module {
    name: "cert-manager",
    packages: &["."],
    programs: &["cert-manager"],
    sources: &["main.go"],
    copies: &[
        (
            "github.com/cert-manager/cert-manager",
            "deploy/crds/cert-manager.io_certificaterequests.yaml",
        ),
        (
            "github.com/cert-manager/cert-manager",
            "deploy/crds/cert-manager.io_certificates.yaml",
        ),
        (
            "github.com/cert-manager/cert-manager",
            "deploy/crds/cert-manager.io_clusterissuers.yaml",
        ),
        (
            "github.com/cert-manager/cert-manager",
            "deploy/crds/cert-manager.io_issuers.yaml",
        ),
    ],
    makes: &[],
    ldflags: "-s -w",
    tags: "",
    takes: "about two minutes",
};

/// Prometheus, without what finds its targets in clouds.
const PROMETHEUS: Module = Module {
    name: "prometheus",
    packages: &["github.com/prometheus/prometheus/cmd/prometheus"],
    programs: &["prometheus"],
    sources: &[],
    copies: &[],
    makes: &[],
    ldflags: "-s -w",
    tags: "remove_all_sd",
    takes: "about two minutes",
};

/// The directory with the three programs of a control plane.
pub async fn control_plane() -> anyhow::Result<PathBuf> {
    match std::env::var_os(ASSETS) {
        Some(assets) => CONTROL_PLANE.checked(PathBuf::from(assets)),
        None => CONTROL_PLANE.built().await,
    }
}

/// Helm itself.
pub async fn helm() -> anyhow::Result<PathBuf> {
    let assets = std::env::var_os(ASSETS).map(PathBuf::from);
    let own = assets.filter(|assets| HELM.missing(assets).is_empty());
    let directory = match own {
        Some(assets) => assets,
        None => HELM.built().await?,
    };
    Ok(directory.join("helm"))
}

/// The directory with kustomize-controller, clusterctl and the CRDs of both.
pub async fn gitops() -> anyhow::Result<PathBuf> {
    GITOPS.built().await
}

/// The program that syncs as Argo CD does, once.
pub async fn argocd_sync() -> anyhow::Result<PathBuf> {
    Ok(ARGOCD_SYNC.built().await?.join("argocd-sync"))
}

/// The directory with ASO's `controller`, and its CRDs in `crds`, a file each.
pub async fn aso() -> anyhow::Result<PathBuf> {
    ASO.built().await
}

/// The directory with `cert-manager` and its CRDs.
pub async fn cert_manager() -> anyhow::Result<PathBuf> {
    CERT_MANAGER.built().await
}

/// Prometheus itself.
pub async fn prometheus() -> anyhow::Result<PathBuf> {
    Ok(PROMETHEUS.built().await?.join("prometheus"))
}
