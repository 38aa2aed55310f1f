//! A report as annotations of a GitHub workflow, which it shows beside the changed lines.

use std::io::{self, Write};

use crate::check::Level;

use super::Report;

/// Writes a line for each finding, then the summary.
pub(super) fn annotations(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for finding in &report.findings {
        let command = match finding.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "notice",
        };
        let mut properties = Vec::new();
        if let Some(place) = &finding.place {
            properties.push(format!("file={}", property(&place.file)));
            properties.push(format!("line={}", place.at.line));
            properties.push(format!("col={}", place.at.column));
        }
        properties.push(format!("title=aso-guard {}", finding.rule.as_str()));
        let message = match finding.next.as_str() {
            "" => finding.message.clone(),
            next => format!("{}\n{next}", finding.message),
        };
        let (properties, message) = (properties.join(","), data(&message));
        writeln!(out, "::{command} {properties}::{message}")?;
    }
    report
        .remarks
        .iter()
        .try_for_each(|remark| writeln!(out, "{}", data(remark)))?;
    writeln!(out, "{}", report.summary())
}

/// What the runner would take for the end of a message.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
