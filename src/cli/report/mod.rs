//! Findings, as they are given to people and to programs.

mod github;
mod html;
mod json;
mod policy_report;
mod sarif;

use std::io::{self, Write};

use jiff::Timestamp;

use crate::check::{CheckResult, CheckedObject, ComparisonSummary, Finding, Level, Location, Rule};

use super::Outcome;
use super::output::yaml;
use super::terminal::{Emphasis, Style, plain};

/// The forms of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ReportFormat {
    /// For people.
    Table,
    /// All of it, for programs.
    Json,
    /// The same as YAML.
    Yaml,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Annotations of a GitHub workflow.
    Github,
    /// PolicyReport objects (wgpolicyk8s.io/v1alpha2), to be applied to the clusters.
    Policyreport,
    /// Report objects (openreports.io/v1alpha1), to be applied to the clusters.
    Openreports,
    /// A page for a browser.
    Html,
}

/// What fails a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum FailOn {
    /// Errors alone.
    Error,
    /// Errors and warnings.
    Warning,
}

impl From<FailOn> for Level {
    fn from(least: FailOn) -> Self {
        match least {
            FailOn::Error => Self::Error,
            FailOn::Warning => Self::Warning,
        }
    }
}

/// What was looked at, and what was found.
#[derive(Debug)]
pub(super) struct Report {
    /// What was found, in order.
    pub(super) findings: Vec<Finding>,
    /// The clusters, and how many objects each has.
    pub(super) clusters: Vec<(String, usize)>,
    /// How well they could be compared.
    pub(super) compared: ComparisonSummary,
    /// Every object and what it stands for, where that is asked for.
    pub(super) objects: Option<Vec<CheckedObject>>,
    /// Whether all that was to be looked at could be.
    pub(super) complete: bool,
    /// When it was made.
    pub(super) at: Timestamp,
    /// What else there is to say, a sentence each.
    pub(super) remarks: Vec<String>,
    /// The least that fails it.
    fail_on: Level,
}

impl Report {
    /// A report without anything yet.
    pub(super) fn new(at: Timestamp, fail_on: FailOn) -> Self {
        Self {
            findings: Vec::new(),
            clusters: Vec::new(),
            compared: ComparisonSummary::default(),
            objects: None,
            complete: true,
            at,
            remarks: Vec::new(),
            fail_on: fail_on.into(),
        }
    }

    /// Adds what a check came to.
    pub(super) fn add(&mut self, checked: CheckResult) {
        self.findings.extend(checked.findings);
        self.compared = checked.compared;
    }

    /// Something that was to be looked at could not be.
    pub(super) fn miss(&mut self, remark: String) {
        self.complete = false;
        self.remarks.push(remark);
    }

    /// Without the findings of these rules.
    pub(super) fn ignore(&mut self, rules: &[Rule]) {
        self.findings
            .retain(|finding| !rules.contains(&finding.rule));
    }

    /// By place, so that a file is gone through once.
    pub(super) fn sort(&mut self) {
        self.findings
            .sort_by(|a, b| (&a.place, a.rule, &a.copy).cmp(&(&b.place, b.rule, &b.copy)));
    }

    /// How many findings are of a level.
    fn count(&self, level: Level) -> usize {
        let of_level = |finding: &&Finding| finding.level == level;
        self.findings.iter().filter(of_level).count()
    }

    /// Notes alone are fine.
    pub(super) fn outcome(&self) -> Outcome {
        // Errors come first in the order of levels.
        if self.findings.iter().any(|one| one.level <= self.fail_on) {
            Outcome::Failed
        } else {
            Outcome::Fine
        }
    }

    /// `2 errors, 1 warning; 120 objects in clusters a and b`.
    pub(super) fn summary(&self) -> String {
        let number = |count: usize, what: &str| match count {
            1 => format!("1 {what}"),
            count => format!("{count} {what}s"),
        };
        let counts: Vec<String> = [Level::Error, Level::Warning, Level::Note]
            .into_iter()
            .map(|level| (self.count(level), level))
            .filter(|(count, _)| *count > 0)
            .map(|(count, level)| number(count, level.as_str()))
            .collect();
        let counts = match counts.len() {
            0 if self.complete => "nothing found".to_owned(),
            0 => "nothing found, but not everything could be looked at".to_owned(),
            _ => counts.join(", "),
        };
        let objects = self.clusters.iter().map(|(_, objects)| objects).sum();
        let objects = number(objects, "object");
        let names: Vec<&str> = self
            .clusters
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        let clusters = match names.len() {
            0 => return counts,
            1 => "cluster",
            _ => "clusters",
        };
        let compared = match self.compared.words() {
            words if words.is_empty() => words,
            words => format!(": {words}"),
        };
        format!(
            "{counts}; {objects} in {clusters} {}{compared}",
            names.join(", ")
        )
    }

    /// Nothing that is read may move a terminal's cursor, or begin a line of its own.
    fn clean(&mut self) {
        for finding in &mut self.findings {
            finding.message = plain(&finding.message);
            finding.next = plain(&finding.next);
        }
        for remark in &mut self.remarks {
            *remark = plain(remark).replace('\n', " ");
        }
    }

    /// Writes the report to standard output, and says how it ends. Whoever reads no further has
    /// read enough.
    pub(super) fn print(&mut self, form: ReportFormat) -> Outcome {
        let out = &mut io::stdout().lock();
        let written = self.write(form, Style::of_stdout(), out);
        match written.and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                eprintln!("aso-guard: cannot write the report: {error}");
                Outcome::Failed
            }
            _ => self.outcome(),
        }
    }

    /// Writes the report.
    fn write(&mut self, form: ReportFormat, style: Style, out: &mut impl Write) -> io::Result<()> {
        self.clean();
        match form {
            ReportFormat::Table => self.table(style, out),
            ReportFormat::Json => writeln!(out, "{:#}", json::report(self)),
            ReportFormat::Yaml => yaml(&json::report(self), out),
            ReportFormat::Sarif => writeln!(out, "{:#}", sarif::log(self)),
            ReportFormat::Github => github::annotations(self, out),
            ReportFormat::Policyreport => documents(&policy_report::policy_reports(self), out),
            ReportFormat::Openreports => documents(&policy_report::open_reports(self), out),
            ReportFormat::Html => html::page(self, out),
        }
    }

    fn table(&self, style: Style, out: &mut impl Write) -> io::Result<()> {
        if let Some(objects) = &self.objects {
            let rows = objects.iter().map(seen).collect();
            let head = ["OBJECT", "WHERE", "ARM ID", "POLICY", "RESTS ON"];
            writeln!(out, "{}", style.table(&head, rows, |_| None))?;
        }
        if !self.findings.is_empty() {
            let rows = self.findings.iter().map(row).collect();
            let head = ["LEVEL", "RULE", "WHERE", "FINDING"];
            let table = style.table(&head, rows, |word| match word {
                "error" => Some(Emphasis::Bad),
                "warning" => Some(Emphasis::Doubtful),
                "note" => Some(Emphasis::Dim),
                _ => None,
            });
            writeln!(out, "{table}")?;
        }
        for remark in &self.remarks {
            writeln!(out, "{remark}")?;
        }
        let paint = match self.outcome() {
            Outcome::Fine => Emphasis::Good,
            _ => Emphasis::Bold,
        };
        writeln!(out, "{}", style.paint(paint, &self.summary()))
    }
}

fn row(finding: &Finding) -> Vec<String> {
    let place = finding.place.as_ref().map(Location::to_string);
    let copy = finding.copy.as_ref().map(ToString::to_string);
    let mut words = finding.message.clone();
    if !finding.next.is_empty() {
        words = format!("{words}\n{}", finding.next);
    }
    vec![
        finding.level.as_str().to_owned(),
        finding.rule.as_str().to_owned(),
        place.or(copy).unwrap_or_else(|| "-".to_owned()),
        words,
    ]
}

fn seen(seen: &CheckedObject) -> Vec<String> {
    let place = seen
        .place
        .as_ref()
        .map_or_else(|| "-".to_owned(), Location::to_string);
    let (Ok(identity) | Err(identity)) = &seen.identity;
    vec![
        seen.copy.to_string(),
        place,
        identity.clone(),
        format!("{} ({})", seen.policy.policy, seen.policy.source),
        seen.rests_on.join("; "),
    ]
}

fn documents(objects: &[serde_json::Value], out: &mut impl Write) -> io::Result<()> {
    objects.iter().try_for_each(|object| {
        writeln!(out, "---")?;
        yaml(object, out)
    })
}
