//! A registry's records in a file, and out of it: a line each, the object that holds the record on a
//! hub as JSON. Records pass by one at a time, whatever their number.
//!
//! Reading a file into a registry adds what is missing, and changes nothing that is there: what
//! differs is told. So it may be done again at any point.

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

/// How many records are under way at once.
const AT_ONCE: usize = 16;

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
    pub missing: Vec<String>,
    /// What the registry has otherwise, or cannot be read there.
    pub different: Vec<String>,
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
}

/// Writes all records of a registry, a line each.
///
/// # Errors
/// The registry did not answer, or the file could not be written.
pub async fn export(
    registry: &dyn Registry,
    out: &mut impl Write,
) -> Result<Exported, ArchiveError> {
    let mut exported = Exported::default();
    let members = registry.members().await?;
    exported.unreadable.extend(members.unreadable);
    for known in members.records {
        line(out, &convert::to_member(&known.record, None))?;
        exported.members += 1;
    }
    let transfers = registry.transfers().await?;
    exported.unreadable.extend(transfers.unreadable);
    for known in transfers.records {
        line(out, &convert::to_transfer(&known.record))?;
        exported.transfers += 1;
    }
    let mut page = registry.claims_page(&ClaimScope::All, None).await?;
    loop {
        exported.unreadable.append(&mut page.unreadable);
        for known in &page.claims {
            line(
                out,
                &convert::to_claim(&known.record, None, Timestamp::now()),
            )?;
            exported.claims += 1;
        }
        let Some(at) = page.next else { break };
        page = registry.claims_page(&ClaimScope::All, Some(&at)).await?;
    }
    out.flush()?;
    Ok(exported)
}

fn line(out: &mut impl Write, object: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, object)?;
    out.write_all(b"\n")
}

/// Adds to a registry what a file has and it has not.
///
/// # Errors
/// The registry did not answer, or the file is none.
pub async fn import(registry: &dyn Registry, file: impl BufRead) -> Result<Compared, ArchiveError> {
    each(file, async |record| {
        let put = match &record {
            Any::Claim(record) => registry.put_claim(record, None).await?,
            Any::Member(record) => registry.put_member(record, None).await?,
            Any::Transfer(record) => registry.put_transfer(record, None).await?,
        };
        match put {
            PutOutcome::Stored(_) => Ok(Fate::Added),
            PutOutcome::Conflict => compare(registry, &record).await,
        }
    })
    .await
}

/// Compares a registry with a file; changes nothing.
///
/// # Errors
/// The registry did not answer, or the file is none.
pub async fn verify(registry: &dyn Registry, file: impl BufRead) -> Result<Compared, ArchiveError> {
    each(file, async |record| compare(registry, &record).await).await
}

/// Does the same with every record of a file, several at once.
async fn each<W>(file: impl BufRead, work: impl Fn(Any) -> W) -> Result<Compared, ArchiveError>
where
    W: Future<Output = Result<Fate, RegistryError>>,
{
    let lines = stream::iter(file.lines().enumerate());
    let fates = lines.map(|(number, line)| {
        let work = &work;
        async move {
            let record = read(&line?).map_err(|why| ArchiveError::Line {
                line: number + 1,
                why,
            })?;
            Ok::<Fate, ArchiveError>(work(record).await?)
        }
    });
    let mut fates = pin!(fates.buffer_unordered(AT_ONCE));
    let mut compared = Compared::default();
    while let Some(fate) = fates.next().await {
        match fate? {
            Fate::Same => compared.same += 1,
            Fate::Added => compared.added += 1,
            Fate::Missing(name) => compared.missing.push(name),
            Fate::Different(name) => compared.different.push(name),
        }
    }
    Ok(compared)
}

async fn compare(registry: &dyn Registry, record: &Any) -> Result<Fate, RegistryError> {
    match record {
        Any::Claim(record) => {
            let name = || format!("claim {}", record.identity);
            fate(registry.claim(&record.identity).await, record, name)
        }
        Any::Member(record) => {
            let name = || format!("member {}", record.name);
            fate(registry.member(&record.name).await, record, name)
        }
        Any::Transfer(record) => {
            let name = || format!("transfer {}", record.name);
            fate(registry.transfer(&record.name).await, record, name)
        }
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
mod tests {
    use super::*;
    use crate::claim::MemberName;
    use crate::registry::memory::MemoryRegistry;
    use crate::registry::{MemberRecord, Sample};

    fn member(name: &str) -> MemberRecord {
        let none = Sample::default();
        let text = serde_json::json!({
            "apiVersion": "asoguard.io/v1alpha1", "kind": "Member", "metadata": {"name": name},
            "spec": {
                "cluster": "c", "state": "Ready", "lastHeard": "2026-03-01T12:00:00Z",
                "version": "0.1.0"
            }
        });
        let object = from_json(&text.to_string()).unwrap();
        let record = convert::from_member(&object).unwrap();
        assert_eq!(record.unresolved.count, none.count);
        record
    }

    fn claim(name: &str) -> Record {
        let identity = format!("/subscriptions/s/resourceGroups/{name}");
        let mut record = Record::new(identity.parse().unwrap());
        let copy = crate::claim::CopyRef {
            member: "west".parse().unwrap(),
            object: crate::object::ObjectKey::new("g.azure.com", "Kind", "team", name),
        };
        let copies = serde_json::json!({
            "apiVersion": "asoguard.io/v1alpha1", "kind": "Claim", "metadata": {"name": name},
            "spec": {"identity": identity},
            "status": {
                "resource": name, "state": "Parked", "history": [], "conditions": [],
                "copies": [{
                    "member": "west", "namespace": "team", "group": "g.azure.com", "kind": "Kind",
                    "name": name, "since": "2026-03-01T12:00:00Z", "by": "",
                    "stored": {"uid": "u", "policy": "skip"}
                }]
            }
        });
        let read = convert::from_claim(&from_json(&copies.to_string()).unwrap()).unwrap();
        record.copies.extend(read.copies);
        assert!(record.copies.contains_key(&copy));
        record
    }

    async fn filled() -> MemoryRegistry {
        let registry = MemoryRegistry::new();
        registry.put_member(&member("west"), None).await.unwrap();
        for name in ["a", "b", "c"] {
            registry.put_claim(&claim(name), None).await.unwrap();
        }
        registry
    }

    async fn file(registry: &MemoryRegistry) -> Vec<u8> {
        let mut file = Vec::new();
        let exported = export(registry, &mut file).await.unwrap();
        assert_eq!((exported.members, exported.transfers), (1, 0));
        assert!(exported.unreadable.is_empty());
        file
    }

    #[tokio::test]
    async fn what_is_written_is_read_into_another_registry_and_is_the_same() {
        let file = file(&filled().await).await;
        let other = MemoryRegistry::new();
        let compared = verify(&other, &*file).await.unwrap();
        assert_eq!((compared.missing.len(), compared.same), (4, 0));
        let compared = import(&other, &*file).await.unwrap();
        assert_eq!((compared.added, compared.same), (4, 0));
        let compared = import(&other, &*file).await.unwrap();
        assert_eq!((compared.added, compared.same), (0, 4));
        let compared = verify(&other, &*file).await.unwrap();
        assert_eq!((compared.same, compared.missing.len()), (4, 0));
    }

    #[tokio::test]
    async fn what_is_there_otherwise_is_told_and_left_as_it_is() {
        let file = file(&filled().await).await;
        let other = MemoryRegistry::new();
        let mut changed = claim("b");
        changed
            .copies
            .values_mut()
            .for_each(|copy| copy.newcomer = 1);
        other.put_claim(&changed, None).await.unwrap();
        for compared in [
            import(&other, &*file).await.unwrap(),
            verify(&other, &*file).await.unwrap(),
        ] {
            assert_eq!(compared.different, [format!("claim {}", changed.identity)]);
        }
        let kept = other.claim(&changed.identity).await.unwrap().unwrap();
        assert_eq!(kept.record, changed);
        let name: MemberName = "west".parse().unwrap();
        assert!(other.member(&name).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_line_that_is_no_record_is_named() {
        let mut file = file(&filled().await).await;
        file.extend_from_slice(b"{\"kind\": \"Secret\"}\n");
        let error = verify(&MemoryRegistry::new(), &*file).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 5: it is no Claim, Member or Transfer"
        );
    }
}
