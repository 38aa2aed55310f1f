//! A report as one page for a browser, without anything from elsewhere.

use std::io::{self, Write};

use crate::check::{Finding, Location};

use super::Report;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:75rem;\
    padding:0 1rem}table{border-collapse:collapse;width:100%}th,td{text-align:left;\
    vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid #ccc}.error{color:#a40000}\
    .warning{color:#7a5200}.note{color:#555}code{overflow-wrap:anywhere}";

/// Writes the page.
pub(super) fn page(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <title>aso-guard</title><style>{STYLE}</style></head>\n<body><h1>aso-guard</h1>\n\
         <p>{}</p>\n<p>Made at {}</p>",
        escaped(&report.summary()),
        report.at
    )?;
    for remark in &report.remarks {
        writeln!(out, "<p>{}</p>", escaped(remark))?;
    }
    if !report.findings.is_empty() {
        writeln!(
            out,
            "<table><thead><tr><th>Level</th><th>Rule</th><th>Where</th><th>Finding</th></tr>\
             </thead><tbody>"
        )?;
        for finding in &report.findings {
            row(finding, out)?;
        }
        writeln!(out, "</tbody></table>")?;
    }
    writeln!(out, "</body></html>")
}

fn row(finding: &Finding, out: &mut impl Write) -> io::Result<()> {
    let level = finding.level.as_str();
    let place = finding.place.as_ref().map(Location::to_string);
    let place = place.or_else(|| finding.copy.as_ref().map(ToString::to_string));
    let mut words = escaped(&finding.message);
    if !finding.next.is_empty() {
        words += &format!("<br><em>{}</em>", escaped(&finding.next));
    }
    writeln!(
        out,
        "<tr><td class=\"{level}\">{level}</td><td>{}</td><td><code>{}</code></td><td>{words}</td></tr>",
        finding.rule.as_str(),
        escaped(&place.unwrap_or_default()),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\n', "<br>")
}
