//! One process of the lab: started, watched, stopped, and started again.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tokio::time::{sleep, timeout};

use super::reaper::Reaper;
use super::wait::until;

const PAUSE: Duration = Duration::from_millis(20);

/// Waits for one line, so that the program starts only once the reaper knows of it.
const GATE: &str = r#"read -r _ && exec "$@" </dev/null"#;

/// Runs a program to its end, and gives what it printed.
pub async fn output(program: &Path, args: &[&str], within: Duration) -> io::Result<Output> {
    let run = tokio::process::Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    match timeout(within, run).await {
        Ok(output) => output,
        Err(_elapsed) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("{} still runs after {within:?}", program.display()),
        )),
    }
}

/// The same: how it ended, and all that it said.
pub async fn said(
    program: &Path,
    args: &[String],
    within: Duration,
) -> io::Result<(Option<i32>, String)> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let ended = output(program, &args, within).await?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&ended.stdout) + &text(&ended.stderr);
    Ok((ended.status.code(), said))
}

/// A program with its arguments, its log, and the process that runs it, if one does.
pub struct Process {
    name: String,
    command: Vec<OsString>,
    environment: Vec<(String, OsString)>,
    directory: PathBuf,
    log: PathBuf,
    child: Mutex<Option<Child>>,
}

impl Process {
    /// What to run. Its output goes to `<directory>/<name>.log`.
    pub fn new(name: &str, program: &Path, directory: &Path) -> Self {
        Self {
            name: name.to_owned(),
            command: vec![program.into()],
            environment: Vec::new(),
            directory: directory.to_owned(),
            log: directory.join(format!("{name}.log")),
            child: Mutex::new(None),
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds a variable to its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Runs it in this directory instead of the one with its log.
    #[must_use]
    pub fn current_dir(mut self, directory: &Path) -> Self {
        directory.clone_into(&mut self.directory);
        self
    }

    /// Its name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its output goes; a second start appends.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Starts it. An error if it runs already.
    pub fn start(&self) -> anyhow::Result<()> {
        let mut running = self.child();
        anyhow::ensure!(running.is_none(), "{} runs already", self.name);
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut child = Command::new("sh")
            .args(["-c", GATE, &self.name])
            .args(&self.command)
            .envs(self.environment.iter().map(|(k, v)| (k, v)))
            .current_dir(&self.directory)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", self.name))?;
        let gate = child.stdin.take();
        let pid = child.id();
        *running = Some(child);
        drop(running);
        Reaper::get()?.watch(pid)?;
        io::Write::write_all(&mut gate.context("the gate of a new process")?, b"go\n")?;
        Ok(())
    }

    /// The number of the process that runs it.
    pub fn pid(&self) -> Option<u32> {
        self.child().as_ref().map(Child::id)
    }

    /// How it ended, if it was started and has ended.
    pub fn ended(&self) -> Option<ExitStatus> {
        let mut running = self.child();
        let status = running.as_mut()?.try_wait().ok()??;
        if let Some(child) = running.take()
            && let Ok(reaper) = Reaper::get()
        {
            // A reaper that is gone has nothing to forget.
            let _ = reaper.forget(child.id());
        }
        Some(status)
    }

    /// Waits for it to end by itself.
    pub async fn end(&self) -> anyhow::Result<ExitStatus> {
        loop {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            anyhow::ensure!(self.pid().is_some(), "{} does not run", self.name);
            sleep(PAUSE).await;
        }
    }

    /// Waits until `probe` is content, but not on a process that has ended.
    pub async fn ready<T, F: Future<Output = anyhow::Result<T>>>(
        &self,
        within: Duration,
        probe: impl FnMut() -> F,
    ) -> anyhow::Result<T> {
        let what = format!("{} to be ready", self.name);
        tokio::select! {
            answer = until(&what, within, probe) => {
                answer.with_context(|| self.log_tail(20))
            }
            status = self.end() => {
                anyhow::bail!("{} ended with {}:\n{}", self.name, status?, self.log_tail(20))
            }
        }
    }

    /// SIGTERM, and waits for the end it makes.
    pub async fn terminate(&self, within: Duration) -> anyhow::Result<ExitStatus> {
        self.signal("TERM")?;
        timeout(within, self.end())
            .await
            .with_context(|| format!("{} still runs {within:?} after SIGTERM", self.name))?
    }

    /// SIGKILL, to it and to what it started. Nothing happens if it doesn't run.
    pub fn kill(&self) {
        // It may be about to end by itself, so no signal may find it any more.
        let _ = self.signal("KILL");
        let child = self.child().take();
        if let Some(mut child) = child {
            // Without its own group, as when the signal could not be sent.
            let _ = child.kill();
            let _ = child.wait();
            if let Ok(reaper) = Reaper::get() {
                let _ = reaper.forget(child.id());
            }
        }
    }

    /// SIGSTOP: it is there, and answers nothing.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.signal("STOP")
    }

    /// SIGCONT: the end of [`Process::pause`].
    pub fn resume(&self) -> anyhow::Result<()> {
        self.signal("CONT")
    }

    /// Sends a signal, such as `TERM`, to its process group.
    pub fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let pid = self
            .pid()
            .with_context(|| format!("{} does not run", self.name))?;
        let sent = Command::new("sh")
            .args(["-c", r#"kill -s "$1" -- "-$2""#, "kill", signal])
            .arg(pid.to_string())
            .stderr(Stdio::null())
            .status()?;
        anyhow::ensure!(sent.success(), "no {signal} for {} ({pid})", self.name);
        Ok(())
    }

    /// The last lines of its log, with where the rest is.
    pub fn log_tail(&self, lines: usize) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let all: Vec<&str> = log.lines().collect();
        let tail = &all[all.len().saturating_sub(lines)..];
        format!(
            "--- log of {} (last {} of {} lines)\n{}",
            self.name,
            tail.len(),
            all.len(),
            tail.join("\n")
        )
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        let directory = Reaper::get().unwrap().directory("process").unwrap();
        Process::new("script", Path::new("sh"), &directory).args(["-c", script])
    }

    #[tokio::test]
    async fn a_process_that_ends_too_early_shows_its_log() {
        let process = shell("echo no such flag; exit 3");
        process.start().unwrap();
        let error = process
            .ready(Duration::from_secs(10), async || -> anyhow::Result<()> {
                anyhow::bail!("not yet")
            })
            .await
            .unwrap_err();
        assert!(format!("{error:#}").contains("exit status: 3"), "{error:#}");
        assert!(format!("{error:#}").contains("no such flag"), "{error:#}");
    }

    #[tokio::test]
    async fn terminate_waits_for_the_process_own_end_and_it_can_start_again() {
        let process = shell("trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done");
        for start in 1..=2 {
            process.start().unwrap();
            let up = async || {
                let seen = fs::read_to_string(process.log())?.matches("up").count();
                anyhow::ensure!(seen == start);
                Ok(())
            };
            process.ready(Duration::from_secs(10), up).await.unwrap();
            let status = process.terminate(Duration::from_secs(10)).await.unwrap();
            assert_eq!(status.code(), Some(7));
            assert_eq!(process.pid(), None);
        }
    }
}
