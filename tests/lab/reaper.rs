//! Leaves nothing running: a shell that outlives this process by a moment.
//!
//! Rust drops no statics, a killed process runs no destructors, and Linux' death signal to
//! children fires when the *thread* that started them ends, which in a test binary is one test.
//! So a shell reads the process groups to watch from a pipe, and the pipe closes when this
//! process is gone, for whatever reason. Then it kills what is left and removes the files.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use anyhow::Context;

/// Set to keep the lab's logs and data after the end.
pub const KEEP: &str = "ASO_GUARD_LAB_KEEP";

const SCRIPT: &str = r#"
trap '' HUP INT QUIT TERM
groups=' '
while read -r verb group; do
    case $verb in
        watch) groups="$groups$group " ;;
        forget) groups="${groups%% "$group" *} ${groups#* "$group" }" ;;
    esac
done
for group in $groups; do
    kill -s KILL -- "-$group"
done
[ "$1" = keep ] || rm -rf -- "$2" || { sleep 1; rm -rf -- "$2"; }
"#;

/// The shell and the directory that it removes at the end.
pub struct Reaper {
    directory: PathBuf,
    pipe: Mutex<ChildStdin>,
    shell: Mutex<Child>,
}

impl Reaper {
    /// The reaper of this process.
    pub fn get() -> anyhow::Result<&'static Self> {
        static REAPER: OnceLock<Result<Reaper, String>> = OnceLock::new();
        REAPER
            .get_or_init(|| {
                Self::start(std::env::var_os(KEEP).is_some()).map_err(|e| format!("{e:#}"))
            })
            .as_ref()
            .map_err(|e| anyhow::anyhow!("{e}"))
    }

    fn start(keep: bool) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("aso-guard-lab-")
            .tempdir()
            .context("a temporary directory for the lab")?
            .keep();
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "reaper", if keep { "keep" } else { "remove" }])
            .arg(&directory)
            // Ctrl-c goes to the terminal's whole process group, and the reaper is needed after it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting sh, which cleans up after the lab")?;
        let pipe = shell.stdin.take().context("the pipe to the reaper")?;
        Ok(Self {
            directory,
            pipe: Mutex::new(pipe),
            shell: Mutex::new(shell),
        })
    }

    /// A fresh directory for `name`, gone when this process is gone.
    pub fn directory(&self, name: &str) -> anyhow::Result<PathBuf> {
        Ok(tempfile::Builder::new()
            .prefix(&format!("{name}-"))
            .tempdir_in(&self.directory)?
            .keep())
    }

    /// Where all of this process's directories are.
    pub fn root(&self) -> &Path {
        &self.directory
    }

    /// Kills this process group, should this process end before [`Reaper::forget`].
    pub fn watch(&self, group: u32) -> anyhow::Result<()> {
        self.tell("watch", group)
    }

    /// The group has ended; its number may be somebody else's from now on.
    pub fn forget(&self, group: u32) -> anyhow::Result<()> {
        self.tell("forget", group)
    }

    fn tell(&self, verb: &str, group: u32) -> anyhow::Result<()> {
        let mut pipe = self
            .pipe
            .lock()
            .map_err(|_| anyhow::anyhow!("the pipe to the reaper is poisoned"))?;
        writeln!(pipe, "{verb} {group}").context("telling the reaper")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_watched_dies_with_the_pipe_and_what_was_forgotten_lives() {
        let sleeper = || {
            Command::new("sleep")
                .arg("30")
                .process_group(0)
                .spawn()
                .unwrap()
        };
        let (mut watched, mut forgotten, mut last) = (sleeper(), sleeper(), sleeper());
        let reaper = Reaper::start(false).unwrap();
        let directory = reaper.directory("files").unwrap();
        for child in [&watched, &forgotten, &last] {
            reaper.watch(child.id()).unwrap();
        }
        reaper.forget(forgotten.id()).unwrap();

        let Reaper { pipe, shell, .. } = reaper;
        drop(pipe);
        assert!(shell.into_inner().unwrap().wait().unwrap().success());

        assert!(!watched.wait().unwrap().success());
        assert!(!last.wait().unwrap().success());
        assert!(forgotten.try_wait().unwrap().is_none());
        assert!(!directory.exists());
        forgotten.kill().unwrap();
        forgotten.wait().unwrap();
    }
}
