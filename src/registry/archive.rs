//! A registry's records in a file, and out of it: a line each, the object that holds the record on a
//! hub as JSON. Records pass by one at a time, whatever their number.
//!
//! Reading a file into a registry adds what is missing, and changes nothing that is there: what
//! differs is told. So it may be done again at any point. A call without an answer is made
//! [again](patience), some times; one that was to write only after a read has told what became of
//! it.

mod patience;

use std::io::{self, BufRead, Write};
use std::pin::pin;

use futures::stream::{self, StreamExt as _};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::claim::Record;
use crate::object::json::from_json;
use crate::transfer::Transfer;

use super::kubernetes::convert;
use super::{
    ClaimScope, MemberRecord, PutOutcome, Registry, RegistryError, UnreadableRecord, Versioned,
};
use patience::patiently;

/// How many records are under way at once.
const AT_ONCE: usize = 16;
/// How many records that differ are kept by name.
const NAMED: usize = 10;
/// Where so many are refused and nothing else came of any, none will be taken.
const ALL_REFUSED: usize = 20;

/// Why a registry was not read into a file, or out of it, to the end.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The registry did not do its part.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The file could not be read or written.
    #[error("the file: {0}")]
    File(#[from] io::Error),
    /// A line of the file is no record.
    #[error("line {line}: {why}")]
    Line {
        /// Which one, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
}

/// What a registry was read into a file with.
#[derive(Debug, Default)]
pub struct Exported {
    /// How many members were written.
    pub members: usize,
    /// How many transfers.
    pub transfers: usize,
    /// How many claims.
    pub claims: usize,
    /// What cannot be read, and is not in the file.
    pub unreadable: Vec<UnreadableRecord>,
}

/// What reading a file into a registry, or comparing the two, found.
#[derive(Debug, Default)]
pub struct Compared {
    /// How many records are in both, and the same.
    pub same: usize,
    /// How many were added.
    pub added: usize,
    /// What the registry has not.
    pub missing: NamedRecords,
    /// What the registry has otherwise, or cannot be read there.
    pub different: NamedRecords,
    /// What the registry does not take, and why.
    pub refused: NamedRecords,
}

/// Some records: how many, and the first few by name.
#[derive(Debug, Default)]
pub struct NamedRecords {
    /// How many there are.
    pub count: usize,
    /// The first ten.
    pub first: Vec<String>,
}

impl NamedRecords {
    fn push(&mut self, name: String) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(name);
        }
    }
}

impl Compared {
    /// How many records were gone through.
    pub fn done(&self) -> usize {
        let named = [&self.missing, &self.different, &self.refused];
        self.same + self.added + named.map(|some| some.count).iter().sum::<usize>()
    }

    fn note(&mut self, fate: Fate) -> Result<(), RegistryError> {
        match fate {
            Fate::Same => self.same += 1,
            Fate::Added => self.added += 1,
            Fate::Missing(name) => self.missing.push(name),
            Fate::Different(name) => self.different.push(name),
            Fate::Refused(name, error) => {
                self.refused.push(format!("{name}: {error}"));
                if self.refused.count == ALL_REFUSED && self.done() == ALL_REFUSED {
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

/// A record of any kind.
enum Any {
    Claim(Box<Record>),
    Member(Box<MemberRecord>),
    Transfer(Box<Transfer>),
}

/// How one record came out.
enum Fate {
    Same,
    Added,
    Missing(String),
    Different(String),
    Refused(String, RegistryError),
}

/// Writes all records of a registry, a line each. `progress` is told how many claims are written.
///
/// # Errors
/// The registry did not answer, again and again, or the file could not be written.
pub async fn export(
    registry: &dyn Registry,
    out: &mut impl Write,
    progress: impl Fn(usize),
) -> Result<Exported, ArchiveError> {
    let mut exported = Exported::default();
    // A registry that is not there at all is told at once.
    let members = registry.members().await?;
    exported.unreadable.extend(members.unreadable);
    for known in members.records {
        line(out, &convert::to_member(&known.record, None))?;
        exported.members += 1;
    }
    let transfers = patiently(async |_| registry.transfers().await).await?;
    exported.unreadable.extend(transfers.unreadable);
    for known in transfers.records {
        line(out, &convert::to_transfer(&known.record))?;
        exported.transfers += 1;
    }
    let mut at = None;
    loop {
        let page = async |_| registry.claims_page(&ClaimScope::All, at.as_ref()).await;
        let mut page = patiently(page).await?;
        exported.unreadable.append(&mut page.unreadable);
        for known in &page.claims {
            let claim = convert::to_claim(&known.record, None, Timestamp::now());
            line(out, &claim)?;
            exported.claims += 1;
        }
        progress(exported.claims);
        at = page.next;
        if at.is_none() {
            break;
        }
    }
    out.flush()?;
    Ok(exported)
}

fn line(out: &mut impl Write, object: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, object)?;
    out.write_all(b"\n")
}

/// Adds to a registry what a file has and it has not. `progress` is told how many records are
/// done.
///
/// # Errors
/// The registry did not answer, again and again, or the file is none.
pub async fn import(
    registry: &dyn Registry,
    file: impl BufRead,
    progress: impl Fn(usize),
) -> Result<Compared, ArchiveError> {
    registry.epoch().await?;
    each(file, progress, async |record, attempt| {
        if attempt > 0 {
            // What became of the put before, that brought no answer? It adds a record where there
            // is none: should it be carried out only now, one of the two does nothing.
            match compare(registry, record).await? {
                Fate::Missing(_) => {}
                Fate::Same => return Ok(Fate::Added),
                fate => return Ok(fate),
            }
        }
        let put = match record {
            Any::Claim(record) => registry.put_claim(record, None).await?,
            Any::Member(record) => registry.put_member(record, None).await?,
            Any::Transfer(record) => registry.put_transfer(record, None).await?,
        };
        match put {
            PutOutcome::Stored(_) => Ok(Fate::Added),
            PutOutcome::Conflict => compare(registry, record).await,
        }
    })
    .await
}

/// Compares a registry with a file; changes nothing. `progress` is told how many records are done.
///
/// # Errors
/// The registry did not answer, again and again, or the file is none.
pub async fn verify(
    registry: &dyn Registry,
    file: impl BufRead,
    progress: impl Fn(usize),
) -> Result<Compared, ArchiveError> {
    registry.epoch().await?;
    each(file, progress, async |record, _| {
        compare(registry, record).await
    })
    .await
}

/// Does the same with every record of a file, several at once; each of them
/// [some times](patiently), where no answer comes. What the registry refuses of one is no other's
/// trouble.
async fn each(
    file: impl BufRead,
    progress: impl Fn(usize),
    work: impl AsyncFn(&Any, u32) -> Result<Fate, RegistryError>,
) -> Result<Compared, ArchiveError> {
    let lines = stream::iter(file.lines().enumerate());
    let fates = lines.map(|(number, line)| {
        let work = &work;
        async move {
            let record = read(&line?).map_err(|why| ArchiveError::Line {
                line: number + 1,
                why,
            })?;
            match patiently(async |attempt| work(&record, attempt).await).await {
                Err(error @ RegistryError::Forbidden { .. }) => {
                    Ok(Fate::Refused(record.name(), error))
                }
                fate => Ok::<Fate, ArchiveError>(fate?),
            }
        }
    });
    let mut fates = pin!(fates.buffer_unordered(AT_ONCE));
    let mut compared = Compared::default();
    while let Some(fate) = fates.next().await {
        compared.note(fate?)?;
        progress(compared.done());
    }
    Ok(compared)
}

impl Any {
    /// What a person would call it.
    fn name(&self) -> String {
        match self {
            Self::Claim(record) => format!("claim {}", record.identity),
            Self::Member(record) => format!("member {}", record.name),
            Self::Transfer(record) => format!("transfer {}", record.name),
        }
    }
}

async fn compare(registry: &dyn Registry, record: &Any) -> Result<Fate, RegistryError> {
    let name = || record.name();
    match record {
        Any::Claim(record) => fate(registry.claim(&record.identity).await, record, name),
        Any::Member(record) => fate(registry.member(&record.name).await, record, name),
        Any::Transfer(record) => fate(registry.transfer(&record.name).await, record, name),
    }
}

fn fate<T: PartialEq>(
    found: Result<Option<Versioned<T>>, RegistryError>,
    record: &T,
    name: impl Fn() -> String,
) -> Result<Fate, RegistryError> {
    Ok(match found {
        Ok(None) => Fate::Missing(name()),
        Ok(Some(found)) if found.record == *record => Fate::Same,
        Ok(Some(_)) | Err(RegistryError::Corrupt(_)) => Fate::Different(name()),
        Err(error) => return Err(error),
    })
}

fn read(line: &str) -> Result<Any, String> {
    let object: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let text = |error: crate::object::json::JsonError| error.to_string();
    match object["kind"].as_str() {
        Some("Claim") => {
            let record = convert::from_claim(&from_json(line).map_err(text)?)?;
            Ok(Any::Claim(Box::new(record)))
        }
        Some("Member") => {
            let record = convert::from_member(&from_json(line).map_err(text)?)?;
            Ok(Any::Member(Box::new(record)))
        }
        Some("Transfer") => {
            let record = convert::from_transfer(&from_json(line).map_err(text)?)?;
            Ok(Any::Transfer(Box::new(record)))
        }
        _ => Err("it is no Claim, Member or Transfer".to_owned()),
    }
}

#[cfg(test)]
mod tests;
