//! Rows of the table of docs/numbers.md, which `benches/numbers` puts there.

/// Prints what was seen, as a row of that table. `promise`: `≥ 0.85`, `≤ 25`, or nothing where it is
/// only shown. `command`: how it is seen again.
pub fn row(what: &str, promise: &str, seen: f64, command: &str) {
    let parts = promise.split_once(' ');
    let promised = parts.and_then(|(bound, number)| Some((bound, number.parse::<f64>().ok()?)));
    let verdict = match promised {
        None => String::new(),
        Some((bound, number)) => {
            let short = if bound == "≥" {
                number - seen
            } else {
                seen - number
            };
            if short > 0.0 {
                format!("**short by {}**", figure(short))
            } else {
                "met".to_owned()
            }
        }
    };
    let seen = figure(seen);
    println!("row: | {what} | {promise} | {seen} | {verdict} | `{command}` |");
}

/// A number in about three digits.
fn figure(number: f64) -> String {
    match number.abs() {
        0.0..10.0 => format!("{number:.2}"),
        10.0..100.0 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}
