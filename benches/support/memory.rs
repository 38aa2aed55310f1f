//! What a process has of the memory.

use std::fs;

/// A figure of a process's memory, in MiB, or no number where the system does not say. `process`: its
/// number, or `self`; `field`: as `/proc` calls it, such as `VmRSS`.
pub fn mib(process: &str, field: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib / 1024.0)
}
