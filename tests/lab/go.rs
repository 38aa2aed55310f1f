//! Programs that are written in Go: built once from a module of `tests`, with its versions, into a cache.

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

/// A directory with the user's own binaries. Where it has them all, it wins.
pub const ASSETS: &str = "KUBEBUILDER_ASSETS";
/// Where to keep what is built, instead of `.cache` in the package.
const CACHE: &str = "ASO_GUARD_CACHE";
/// `go env` only prints.
const ANSWER: Duration = Duration::from_secs(20);
/// A build takes minutes on two cores.
const BUILD_LIMIT: Duration = Duration::from_mins(40);

/// A Go module in `tests`, and the programs that it builds.
pub struct Module {
    /// Its directory in `tests`, and in the cache.
    pub name: &'static str,
    /// What to build.
    pub packages: &'static [&'static str],
    /// What comes of it.
    pub programs: &'static [&'static str],
    /// Its files besides `go.mod` and `go.sum`.
    pub sources: &'static [&'static str],
    /// What to lay beside the programs, such as their CRDs: a module that they are built from, and
    /// a file in it.
    pub copies: &'static [(&'static str, &'static str)],
    /// What to make with one of the programs afterwards, beside them: a program and its
    /// arguments, in which `{}` is their directory.
    pub makes: &'static [(&'static str, &'static [&'static str])],
    /// What the linker is told, such as a version.
    pub ldflags: &'static str,
    /// Build tags, separated by commas.
    pub tags: &'static str,
    /// About how long it takes, in words.
    pub takes: &'static str,
}

impl Module {
    /// The directory with its programs, after building them if need be.
    pub async fn built(&self) -> anyhow::Result<PathBuf> {
        let module = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests")
            .join(self.name);
        let cache = cache().join(self.name);
        let built = cache.join(self.fingerprint(&module).await?);
        if !built.is_dir() {
            fs::create_dir_all(&cache)?;
            let _lock = lock(&built.with_extension("lock")).await?;
            // Whoever held the lock before may have built them.
            if !built.is_dir() {
                self.build(&module, &built).await?;
            }
        }
        self.checked(built)
    }

    /// The same directory, once it is sure that it has all of them.
    pub fn checked(&self, directory: PathBuf) -> anyhow::Result<PathBuf> {
        let missing = self.missing(&directory);
        anyhow::ensure!(
            missing.is_empty(),
            "{} has no {}. Put it there, or unset {ASSETS} to have it built with Go.",
            directory.display(),
            missing.join(" and no ")
        );
        Ok(directory)
    }

    /// The programs that a directory lacks.
    pub fn missing(&self, directory: &Path) -> Vec<&'static str> {
        let names = self.programs.iter().copied();
        names
            .filter(|name| !directory.join(name).is_file())
            .collect()
    }

    /// Changes with the module's files, with Go, and with how it is called.
    async fn fingerprint(&self, module: &Path) -> anyhow::Result<String> {
        let mut hash = Sha256::new();
        hash.update(go_version(Path::new("go"), self.programs).await?);
        hash.update(self.ldflags);
        hash.update(self.tags);
        for (source, file) in self.copies {
            hash.update(source);
            hash.update(file);
        }
        for (program, args) in self.makes {
            hash.update(program);
            args.iter().for_each(|arg| hash.update(arg));
        }
        for file in ["go.mod", "go.sum"].iter().chain(self.sources) {
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

    async fn build(&self, module: &Path, built: &Path) -> anyhow::Result<()> {
        let names = self.programs.join(", ");
        // The test harness holds back what `eprintln!` prints, for as long as all this takes.
        let mut terminal = io::stderr();
        writeln!(
            terminal,
            "Building {names} with Go into {}, once. This takes {}.",
            built.display(),
            self.takes
        )?;
        let unfinished = built.with_extension("unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        fs::create_dir_all(&unfinished)?;
        let go = Process::new("go-build", Path::new("go"), &unfinished)
            .env("CGO_ENABLED", "0")
            .args(["build", "-trimpath", "-buildvcs=false"])
            .args(["-ldflags", self.ldflags, "-tags", self.tags])
            .args([OsStr::new("-o"), unfinished.as_os_str()])
            .args(self.packages);
        succeeds(
            go.current_dir(module),
            "Modules come from the Go proxy, so it may be the network.",
        )
        .await?;
        for (program, args) in self.makes {
            let directory = unfinished.to_string_lossy();
            let args = args.iter().map(|arg| arg.replace("{}", &directory));
            let make = Process::new(program, &unfinished.join(program), &unfinished).args(args);
            succeeds(make.current_dir(module), "").await?;
        }
        for (source, file) in self.copies {
            copy(module, source, file, &unfinished).await?;
        }
        fs::rename(&unfinished, built).context("moving the binaries into the cache")?;
        writeln!(terminal, "Built {names}.")?;
        Ok(())
    }
}

/// Runs a step of a build to its end.
async fn succeeds(step: Process, advice: &str) -> anyhow::Result<()> {
    let step = step.env("GOWORK", "off");
    step.start()?;
    let name = step.name();
    let status = timeout(BUILD_LIMIT, step.end())
        .await
        .with_context(|| format!("{name} still runs after {BUILD_LIMIT:?}"))??;
    let log = step.log_tail(20);
    anyhow::ensure!(
        status.success(),
        "{name} failed ({status}). {advice}\n{log}"
    );
    Ok(())
}

/// Copies a file of a module that `module` is built from.
async fn copy(module: &Path, source: &str, file: &str, to: &Path) -> anyhow::Result<()> {
    let module = module.to_string_lossy();
    let args = ["-C", &*module, "list", "-m", "-f", "{{.Dir}}", source];
    let listed = output(Path::new("go"), &args, ANSWER).await?;
    let directory = String::from_utf8_lossy(&listed.stdout);
    let from = Path::new(directory.trim()).join(file);
    let name = from.file_name().context("a copy is of a file")?;
    let content = fs::read(&from).with_context(|| format!("reading {}", from.display()))?;
    fs::write(to.join(name), content).context("writing into the cache")
}

async fn go_version(go: &Path, programs: &[&str]) -> anyhow::Result<Vec<u8>> {
    match output(go, &["env", "GOVERSION", "GOOS", "GOARCH"], ANSWER).await {
        Ok(output) if output.status.success() => Ok(output.stdout),
        Ok(output) => anyhow::bail!("`go env`: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => anyhow::bail!(
            "Go is missing. These tests run on real programs, which are built with Go on first \
             use. Install Go 1.26 or later (https://go.dev/dl) so that `go` is on the PATH, or \
             set {ASSETS} to a directory with {}.",
            programs.join(", ")
        ),
        Err(error) => Err(error).context("running `go env`"),
    }
}

/// Where what is built or installed is kept.
pub(super) fn cache() -> PathBuf {
    std::env::var_os(CACHE).map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache"),
        PathBuf::from,
    )
}

/// Waits until nobody else builds the same.
pub(super) async fn lock(path: &Path) -> anyhow::Result<File> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: Module = Module {
        name: "none",
        packages: &["./..."],
        programs: &["etcd", "kube-apiserver"],
        sources: &[],
        copies: &[],
        makes: &[],
        ldflags: "",
        tags: "",
        takes: "no time",
    };

    #[tokio::test]
    async fn without_go_it_says_what_to_install() {
        let error = go_version(Path::new("go-that-is-not-here"), MODULE.programs)
            .await
            .unwrap_err();
        assert!(error.to_string().starts_with("Go is missing."), "{error}");
        assert!(error.to_string().contains("https://go.dev/dl"), "{error}");
    }

    #[test]
    fn a_directory_of_the_users_own_must_have_all() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("etcd"), "").unwrap();
        let error = MODULE.checked(directory.path().to_owned()).unwrap_err();
        let expected = "has no kube-apiserver. Put it there";
        assert!(error.to_string().contains(expected), "{error}");
        fs::write(directory.path().join("kube-apiserver"), "").unwrap();
        MODULE.checked(directory.path().to_owned()).unwrap();
    }
}
