//! etcd, kube-apiserver and kube-controller-manager: the user's own, or built once from
//! `tests/control-plane` into a cache.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use super::process::{Process, output};
use super::wait::until;

/// A directory with the user's own binaries. It wins.
const ASSETS: &str = "KUBEBUILDER_ASSETS";
/// Where to keep what is built, instead of `.cache` in the package.
const CACHE: &str = "ASO_GUARD_CACHE";
const NAMES: [&str; 3] = ["etcd", "kube-apiserver", "kube-controller-manager"];
/// What the API server says its version is; the module pins the same.
const LDFLAGS: &str = "-s -w -X k8s.io/component-base/version.gitVersion=v1.34.4";
/// `go env` only prints.
const ANSWER: Duration = Duration::from_secs(20);
/// A build takes some five minutes on two cores.
const BUILD_LIMIT: Duration = Duration::from_mins(40);

/// The directory with the three binaries, after building them if need be.
pub async fn directory() -> anyhow::Result<PathBuf> {
    if let Some(assets) = std::env::var_os(ASSETS) {
        return checked(PathBuf::from(assets));
    }
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/control-plane");
    let cache = std::env::var_os(CACHE)
        .map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache"),
            PathBuf::from,
        )
        .join("control-plane");
    let built = cache.join(fingerprint(&module).await?);
    if !built.is_dir() {
        fs::create_dir_all(&cache)?;
        let _lock = lock(&built.with_extension("lock")).await?;
        // Whoever held the lock before may have built them.
        if !built.is_dir() {
            build(&module, &built).await?;
        }
    }
    checked(built)
}

fn checked(directory: PathBuf) -> anyhow::Result<PathBuf> {
    let missing: Vec<&str> = NAMES
        .into_iter()
        .filter(|name| !directory.join(name).is_file())
        .collect();
    anyhow::ensure!(
        missing.is_empty(),
        "{} has no {}. Put it there, or unset {ASSETS} to have all three built with Go.",
        directory.display(),
        missing.join(" and no ")
    );
    Ok(directory)
}

/// Changes with the module's files, with Go, and with how it is called.
async fn fingerprint(module: &Path) -> anyhow::Result<String> {
    let mut hash = Sha256::new();
    hash.update(go_version(Path::new("go")).await?);
    hash.update(LDFLAGS);
    let mains = NAMES.map(|name| format!("cmd/{name}/main.go"));
    for file in ["go.mod", "go.sum"]
        .into_iter()
        .chain(mains.iter().map(String::as_str))
    {
        let content = fs::read(module.join(file)).with_context(|| format!("reading {file}"))?;
        hash.update(file);
        hash.update(content.len().to_le_bytes());
        hash.update(content);
    }
    let mut text = String::new();
    for byte in &hash.finalize()[..8] {
        write!(text, "{byte:02x}")?;
    }
    Ok(text)
}

async fn go_version(go: &Path) -> anyhow::Result<Vec<u8>> {
    match output(go, &["env", "GOVERSION", "GOOS", "GOARCH"], ANSWER).await {
        Ok(output) if output.status.success() => Ok(output.stdout),
        Ok(output) => anyhow::bail!("`go env`: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => anyhow::bail!(
            "Go is missing. These tests run on a real Kubernetes control plane, which is built \
             with Go on first use. Install Go 1.24 or later (https://go.dev/dl) so that `go` is \
             on the PATH, or set {ASSETS} to a directory with {}.",
            NAMES.join(", ")
        ),
        Err(error) => Err(error).context("running `go env`"),
    }
}

async fn lock(path: &Path) -> anyhow::Result<File> {
    let file = File::options()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("opening {}", path.display()))?;
    until("another build to end", BUILD_LIMIT, async || {
        match file.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => {
                anyhow::bail!("{} is still locked", path.display())
            }
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    })
    .await?;
    Ok(file)
}

async fn build(module: &Path, built: &Path) -> anyhow::Result<()> {
    // The test harness holds back what `eprintln!` prints, for as long as all this takes.
    let mut terminal = io::stderr();
    writeln!(
        terminal,
        "Building {} with Go into {}, once. This takes about five minutes.",
        NAMES.join(", "),
        built.display()
    )?;
    let unfinished = built.with_extension("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)?;
    }
    fs::create_dir_all(&unfinished)?;
    let go = Process::new("go-build", Path::new("go"), &unfinished)
        .current_dir(module)
        .env("GOWORK", "off")
        .env("CGO_ENABLED", "0")
        .args(["build", "-trimpath", "-buildvcs=false", "-ldflags", LDFLAGS])
        .args([OsStr::new("-o"), unfinished.as_os_str()])
        .args(["./cmd/..."]);
    go.start()?;
    let status = timeout(BUILD_LIMIT, go.end())
        .await
        .with_context(|| format!("`go build` still runs after {BUILD_LIMIT:?}"))??;
    anyhow::ensure!(
        status.success(),
        "`go build` in {} failed ({status}). Modules come from the Go proxy, so it may be the \
         network.\n{}",
        module.display(),
        go.log_tail(20)
    );
    fs::rename(&unfinished, built).context("moving the binaries into the cache")?;
    writeln!(terminal, "Built {}.", NAMES.join(", "))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_go_it_says_what_to_install() {
        let error = go_version(Path::new("go-that-is-not-here"))
            .await
            .unwrap_err();
        assert!(error.to_string().starts_with("Go is missing."), "{error}");
        assert!(error.to_string().contains("https://go.dev/dl"), "{error}");
    }

    #[test]
    fn a_directory_of_the_users_own_must_have_all_three() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["etcd", "kube-apiserver"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let error = checked(directory.path().to_owned()).unwrap_err();
        let expected = "has no kube-controller-manager. Put it there";
        assert!(error.to_string().contains(expected), "{error}");
        fs::write(directory.path().join(NAMES[2]), "").unwrap();
        checked(directory.path().to_owned()).unwrap();
    }
}
