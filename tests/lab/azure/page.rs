//! What the stand-in for Azure has, and its diary, as a page for a browser that refreshes itself.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::Html;
use axum::routing::get;
use tokio::net::TcpListener;

use super::arm::key;
use super::diary::{Diary, Entry};
use super::{Azure, Inside};

/// How many lines of the diary a page has; `/diary` has all of them.
const LINES: usize = 100;

const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="2">
<title>What arrives in Azure</title>
<style>
:root { color-scheme: light dark }
body { font: 14px/1.4 system-ui, sans-serif; margin: 1.5rem; max-width: 75rem }
h1 { font-size: 1.3rem } h2 { font-size: 1rem; margin: 1.5rem 0 .3rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .15rem .8rem .15rem 0; vertical-align: top }
th { border-bottom: 1px solid #8888 } td { border-bottom: 1px solid #8882 }
td.id { font-family: ui-monospace, monospace; overflow-wrap: anywhere; width: 65% }
tr.delete td { background: #c62828; color: #fff; font-weight: bold }
tr.switch td { background: #f9a82555 }
tr.failed td { opacity: .6 }
</style>
<h1>What arrives in Azure</h1>
"#;

/// A resource as the page shows it.
#[derive(Default)]
struct Row<'a> {
    writer: &'a str,
    at: Duration,
    writes: BTreeMap<&'a str, usize>,
}

impl Azure {
    /// Serves the page, for as long as this runtime lives: `/`, and the diary as text at `/diary`.
    /// Where it is.
    pub async fn show(&self) -> anyhow::Result<String> {
        let router = Router::new()
            .route("/", get(page))
            .route("/diary", get(text))
            .with_state(self.inside.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        tokio::spawn(axum::serve(listener, router).into_future());
        Ok(address)
    }
}

async fn page(State(inside): State<Arc<Inside>>) -> Html<String> {
    let (ids, diary) = {
        let state = inside.lock();
        (state.0.ids(), state.1.clone())
    };
    Html(html(&ids, &diary, inside.began.elapsed()))
}

/// The writes, newest first.
async fn text(State(inside): State<Arc<Inside>>) -> String {
    let diary = inside.lock().1.clone();
    let mut text = String::new();
    for entry in written(&diary) {
        let _ = writeln!(text, "{entry}");
    }
    text
}

fn html(ids: &[String], diary: &Diary, now: Duration) -> String {
    let mut page = HEAD.to_owned();
    // Writing into a String does not fail.
    let _ = in_azure(&mut page, ids, diary, now).and_then(|()| told(&mut page, diary));
    page
}

fn in_azure(page: &mut String, ids: &[String], diary: &Diary, now: Duration) -> fmt::Result {
    let mut rows: BTreeMap<String, Row<'_>> = BTreeMap::new();
    for entry in diary.calls().filter(|entry| entry.writes()) {
        let row = rows.entry(key(&entry.path)).or_default();
        (row.writer, row.at) = (&entry.who, entry.at);
        *row.writes.entry(&entry.who).or_default() += 1;
    }
    writeln!(page, "<h2>In Azure now: {}</h2>", ids.len())?;
    writeln!(
        page,
        "<table><tr><th>resource<th>last written by<th>ago<th>writes"
    )?;
    for id in ids {
        let row = rows.remove(&key(id)).unwrap_or_default();
        let ago = now.saturating_sub(row.at).as_secs();
        let counts = row.writes.iter().map(|(who, count)| {
            let who = Escaped(who);
            format!("{who}: {count}")
        });
        let counts = counts.collect::<Vec<_>>().join(", ");
        let (id, writer) = (Escaped(id), Escaped(row.writer));
        writeln!(
            page,
            "<tr><td class=id>{id}<td>{writer}<td>{ago} s<td>{counts}"
        )?;
    }
    writeln!(page, "</table>")
}

fn told(page: &mut String, diary: &Diary) -> fmt::Result {
    let switches = diary.switches();
    let deletes = diary.of("DELETE").len();
    writeln!(
        page,
        "<h2>The diary, newest first: {deletes} DELETE, and {} times another writer than before</h2>",
        switches.len()
    )?;
    writeln!(page, "<table><tr><th>at<th>who<th>what<th>answer<th>where")?;
    for entry in written(diary).take(LINES) {
        let class = class(entry, switches.iter().any(|switch| switch.after == *entry));
        let (who, method) = (Escaped(&entry.who), Escaped(&entry.method));
        let (at, status, path) = (entry.at.as_secs_f64(), entry.status, Escaped(&entry.path));
        writeln!(
            page,
            "<tr class={class}><td>{at:.1} s<td>{who}<td>{method}<td>{status}<td class=id>{path}"
        )?;
    }
    writeln!(page, "</table>")
}

/// What was to change something in Azure, newest first; ASO reads what it is to skip, too.
fn written(diary: &Diary) -> impl Iterator<Item = &Entry> {
    let calls: Vec<&Entry> = diary.calls().collect();
    let calls = calls.into_iter().rev();
    calls.filter(|entry| matches!(entry.method.as_str(), "PUT" | "PATCH" | "DELETE"))
}

fn class(entry: &Entry, switch: bool) -> &'static str {
    match entry {
        _ if entry.method == "DELETE" => "delete",
        _ if switch => "switch",
        _ if !entry.writes() => "failed",
        _ => "write",
    }
}

/// Text that stands between tags, whatever somebody put into it.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::diary::Line;
    use super::*;

    fn diary(calls: &[(&str, &str, &str)]) -> Diary {
        let mut diary = Diary::default();
        for (at, (who, method, path)) in (0..).zip(calls) {
            diary.add(Line::Call(Entry {
                at: Duration::from_secs(at),
                who: (*who).to_owned(),
                method: (*method).to_owned(),
                path: (*path).to_owned(),
                status: 200,
            }));
        }
        diary
    }

    #[test]
    fn nothing_that_a_caller_says_becomes_a_tag() {
        let evil = "<script>alert('&')</script>";
        let diary = diary(&[(evil, "PUT", evil), (evil, "DELETE", "/x")]);
        let page = html(&[evil.to_owned()], &diary, Duration::from_secs(9));
        assert!(!page.contains("<script"), "{page}");
        let escaped = "&lt;script&gt;alert('&amp;')&lt;/script&gt;";
        assert_eq!(page.matches(escaped).count(), 6, "{page}");
    }

    #[test]
    fn deletes_and_another_writer_stand_out_and_reads_are_left_out() {
        let calls = [
            ("aso-a", "PUT", "/x"),
            ("aso-b", "GET", "/x"),
            ("aso-b", "PUT", "/X"),
            ("aso-a", "DELETE", "/y"),
        ];
        let page = html(&["/x".to_owned()], &diary(&calls), Duration::from_secs(5));
        let rows = ["class=delete", "class=switch", "class=write"];
        let at = rows.map(|row| page.find(row).unwrap());
        assert!(at.is_sorted(), "{page}");
        assert!(!page.contains("GET"), "{page}");
        let row = "<tr><td class=id>/x<td>aso-b<td>3 s<td>aso-a: 1, aso-b: 1";
        assert!(page.contains(row), "{page}");
    }
}
