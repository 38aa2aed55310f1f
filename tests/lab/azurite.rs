//! Azure Blob Storage on this machine: Azurite, Microsoft's emulator, in memory and on loopback.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use aso_guard::registry::azure::{AzureRegistry, Environment, Fallback};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use object_store::azure::{AzureAccessKey, AzureAuthorizer, AzureCredential};
use object_store::client::{HttpRequest, HttpRequestBody};
use sha2::{Digest as _, Sha256};

use super::go::{cache, lock};
use super::process::{Process, output};
use super::reaper::Reaper;
use super::wait::PATIENCE;

/// The account that Azurite has, with the key that everybody knows.
pub const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// It answers within moments.
const ANSWER: Duration = Duration::from_secs(20);
/// npm fetches some hundred packages.
const INSTALL_LIMIT: Duration = Duration::from_mins(10);
/// The oldest Node.js that Azurite was seen to run on.
const NODE: u32 = 20;

/// A running Azurite; it ends with the process that started it.
pub struct Azurite {
    _process: Process,
    port: u16,
}

impl Azurite {
    /// Starts one, on a port that the system chooses.
    pub async fn start() -> anyhow::Result<Self> {
        let program = installed().await?;
        let directory = Reaper::get()?.directory("azurite")?;
        let process = Process::new("azurite", Path::new("node"), &directory)
            .args([&program])
            .args(["--inMemoryPersistence", "--disableTelemetry", "--silent"])
            .args(["--blobHost", "127.0.0.1", "--blobPort", "0"]);
        process.start()?;
        let port = process
            .ready(PATIENCE, async || port(process.log()))
            .await?;
        Ok(Self {
            _process: process,
            port,
        })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes a container. Its name has to be a new one.
    pub async fn create_container(&self, container: &str) -> anyhow::Result<()> {
        let uri = format!(
            "http://127.0.0.1:{}/{ACCOUNT}/{container}?restype=container",
            self.port
        );
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = http::Method::PUT;
        *request.uri_mut() = uri.parse()?;
        request.headers_mut().insert("content-length", 0.into());
        let credential = AzureCredential::AccessKey(AzureAccessKey::try_new(KEY)?);
        AzureAuthorizer::new(&credential, ACCOUNT).try_authorize(&mut request)?;
        let client = Client::builder(TokioExecutor::new()).build_http();
        let answer = client.request(request.map(|_| Empty::<bytes::Bytes>::new()));
        let answer = tokio::time::timeout(ANSWER, answer).await??;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        ensure!(
            status == http::StatusCode::CREATED,
            "container {container}: {status} {}",
            String::from_utf8_lossy(&body)
        );
        Ok(())
    }

    /// The registry in a container, by way of a port.
    pub fn registry(container: &str, port: u16) -> anyhow::Result<AzureRegistry> {
        let place = format!("azure://{ACCOUNT}/{container}").parse()?;
        Ok(AzureRegistry::new(
            &place,
            &environment(port),
            Fallback::ManagedIdentity,
        )?)
    }
}

/// What aso-guard has to know to reach it by a port.
pub fn environment(port: u16) -> Environment {
    [(
        "AZURE_STORAGE_CONNECTION_STRING".to_owned(),
        format!(
            "DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};\
             BlobEndpoint=http://127.0.0.1:{port}/{ACCOUNT};"
        ),
    )]
    .into()
}

/// Where it says that it listens.
fn port(log: &Path) -> anyhow::Result<u16> {
    let text = fs::read_to_string(log)?;
    let (_, rest) = text
        .split_once("successfully listens on http://127.0.0.1:")
        .context("it does not listen yet")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Ok(digits.parse()?)
}

/// Azurite's program, after installing it if need be, in the versions of `tests/azurite`.
async fn installed() -> anyhow::Result<PathBuf> {
    check_node().await?;
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/azurite");
    let mut hash = Sha256::new();
    for file in ["package.json", "package-lock.json"] {
        hash.update(fs::read(module.join(file)).with_context(|| format!("reading {file}"))?);
    }
    let mut fingerprint = String::new();
    for byte in &hash.finalize()[..8] {
        write!(fingerprint, "{byte:02x}")?;
    }
    let cache = cache().join("azurite");
    let installed = cache.join(fingerprint);
    if !installed.is_dir() {
        fs::create_dir_all(&cache)?;
        let _lock = lock(&installed.with_extension("lock")).await?;
        // Whoever held the lock before may have installed it.
        if !installed.is_dir() {
            install(&module, &installed).await?;
        }
    }
    let program = installed.join("node_modules/azurite/dist/src/blob/main.js");
    ensure!(program.is_file(), "there is no {}", program.display());
    Ok(program)
}

async fn install(module: &Path, installed: &Path) -> anyhow::Result<()> {
    // The test harness holds back what `eprintln!` prints, for as long as all this takes.
    writeln!(
        io::stderr(),
        "Installing Azurite with npm into {}, once. This takes about a minute.",
        installed.display()
    )?;
    let unfinished = installed.with_extension("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)?;
    }
    fs::create_dir_all(&unfinished)?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(module.join(file), unfinished.join(file))?;
    }
    let npm = Process::new("npm-ci", Path::new("npm"), &unfinished).args([
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]);
    npm.start()?;
    let ended = tokio::time::timeout(INSTALL_LIMIT, npm.end()).await;
    let status = ended.context("npm ci still runs")??;
    ensure!(
        status.success(),
        "npm ci ended with {status}:\n{}",
        fs::read_to_string(npm.log()).unwrap_or_default()
    );
    fs::rename(&unfinished, installed)?;
    Ok(())
}

async fn check_node() -> anyhow::Result<()> {
    let missing = format!(
        "Node.js is missing. These tests run on Azurite, which npm installs on first use. Install \
         Node.js {NODE} or later with npm (https://nodejs.org), so that `node` and `npm` are on \
         the PATH."
    );
    for program in ["node", "npm"] {
        let version = match output(Path::new(program), &["--version"], ANSWER).await {
            Ok(version) => String::from_utf8_lossy(&version.stdout).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(missing),
            Err(error) => return Err(error).context(format!("running {program} --version")),
        };
        let major = version.trim().trim_start_matches('v').split('.').next();
        let major: u32 = major.unwrap_or_default().parse().unwrap_or_default();
        ensure!(
            program != "node" || major >= NODE,
            "this is Node.js {version}. {missing}"
        );
    }
    Ok(())
}
