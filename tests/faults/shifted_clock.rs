//! A wall clock that is wrong, for the processes of one guard.
//!
//! A few lines of C, compiled with the `cc` that Rust itself links with, stand in for the C
//! library's `clock_gettime` in processes that preload them.

use std::fs;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context as _;

use crate::lab::process::output;
use crate::lab::reaper::Reaper;

const COMPILE: Duration = Duration::from_secs(30);

/// The clock of one guard.
pub struct ShiftedClock {
    library: PathBuf,
    path: PathBuf,
    /// Written in place, never truncated: processes have it mapped.
    file: Mutex<fs::File>,
}

impl ShiftedClock {
    /// A clock that is right, until it is set. Fails the test where it can't be made.
    pub async fn new() -> Self {
        match Self::make().await {
            Ok(clock) => clock,
            Err(error) => panic!("a clock that can be shifted: {error:#}"),
        }
    }

    async fn make() -> anyhow::Result<Self> {
        let directory = Reaper::get()?.directory("clock")?;
        let library = directory.join("shifted_clock.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/shifted_clock.c");
        let (to, from) = (library.to_string_lossy(), source.to_string_lossy());
        let args = ["-shared", "-fPIC", "-O1", "-o", &*to, &*from];
        let compiled = output(Path::new("cc"), &args, COMPILE).await;
        let compiled = compiled.context("running cc, which Rust links with")?;
        let said = String::from_utf8_lossy(&compiled.stderr);
        anyhow::ensure!(compiled.status.success(), "{said}");
        let path = directory.join("shift");
        let file = fs::File::create(&path)?;
        let clock = Self {
            library,
            path,
            file: Mutex::new(file),
        };
        clock.write(0)?;
        Ok(clock)
    }

    /// What a process needs in its environment to go by this clock.
    pub fn environment(&self) -> Vec<(String, String)> {
        [("LD_PRELOAD", &self.library), ("SHIFTED_CLOCK", &self.path)]
            .map(|(name, path)| (name.to_owned(), path.to_string_lossy().into_owned()))
            .into()
    }

    /// Sets it so many seconds ahead of the true time, from now on.
    pub fn set_ahead(&self, seconds: i64) {
        if let Err(error) = self.write(seconds) {
            panic!("shifting the clock: {error}");
        }
    }

    fn write(&self, seconds: i64) -> std::io::Result<()> {
        let mut file = self
            .file
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        file.rewind()?;
        file.write_all(&seconds.to_ne_bytes())
    }
}
