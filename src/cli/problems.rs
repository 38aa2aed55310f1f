//! What is wrong with what a command was told, collected.

use std::fmt::{self, Display};
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;

use super::registry::CommandError;

/// What is wrong, a line each: all of it is told at once.
#[derive(Default)]
pub(super) struct Problems(Vec<String>);

impl Problems {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, problem: impl Into<String>) {
        self.0.push(problem.into());
    }

    /// The value; none where it is a problem.
    pub(super) fn take<T, E: Display>(&mut self, flag: &str, value: Result<T, E>) -> Option<T> {
        value
            .map_err(|error| self.add(format!("{flag}: {error}")))
            .ok()
    }

    pub(super) fn parse<T: FromStr<Err: Display>>(&mut self, flag: &str, text: &str) -> Option<T> {
        self.take(flag, text.parse())
    }

    pub(super) fn choose<T: ValueEnum>(&mut self, flag: &str, text: &str) -> Option<T> {
        let value = T::from_str(text, true).map_err(|_| {
            let values = T::value_variants()
                .iter()
                .filter_map(ValueEnum::to_possible_value);
            let names: Vec<String> = values.map(|value| value.get_name().to_owned()).collect();
            format!("{text:?} is none of {}", names.join(", "))
        });
        self.take(flag, value)
    }

    pub(super) fn duration(&mut self, flag: &str, text: &str) -> Option<Duration> {
        let parsed = text.parse::<jiff::SignedDuration>();
        let duration = parsed
            .map_err(|_| ())
            .and_then(|duration| Duration::try_from(duration).map_err(|_| ()))
            .map_err(|()| format!("{text:?} is no length of time; write it like 90s or 2m"));
        self.take(flag, duration)
    }
}

/// Every problem, each on a line of its own.
impl Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|problem| writeln!(f, "  {problem}"))
    }
}

impl From<Problems> for CommandError {
    fn from(problems: Problems) -> Self {
        Self::Usage(problems.0.join("\n  "))
    }
}
