//! What Azure answers to a list of blobs, which is XML.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::registry::ClaimScope;

use super::{PAGE, SPARSE_PAGE};

use crate::registry::RecordVersion;

/// A page of a list.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) blobs: Vec<ListedBlob>,
    /// Where the next page begins.
    pub(super) next: Option<String>,
}

/// What a list says of a blob.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ListedBlob {
    pub(super) name: String,
    /// In quotes, as calls have it.
    pub(super) version: RecordVersion,
    /// By names in lower case.
    pub(super) metadata: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EnumerationResults {
    #[serde(default)]
    blobs: Blobs,
    #[serde(default)]
    next_marker: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Blobs {
    #[serde(default)]
    blob: Vec<Blob>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Blob {
    name: String,
    #[serde(default)]
    properties: Properties,
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Properties {
    #[serde(default)]
    etag: String,
}

/// Reads a page.
///
/// # Errors
/// It is none.
pub(super) fn read(xml: &[u8]) -> Result<Listing, String> {
    let text = std::str::from_utf8(xml).map_err(|error| error.to_string())?;
    let text = text.trim_start_matches('\u{feff}');
    let results: EnumerationResults =
        quick_xml::de::from_str(text).map_err(|error| error.to_string())?;
    let low = |(name, value): (String, String)| (name.to_ascii_lowercase(), value);
    let blobs = results.blobs.blob.into_iter().map(|blob| ListedBlob {
        name: blob.name,
        version: RecordVersion::new(&format!("\"{}\"", blob.properties.etag.trim_matches('"'))),
        metadata: blob
            .metadata
            .unwrap_or_default()
            .into_iter()
            .map(low)
            .collect(),
    });
    Ok(Listing {
        blobs: blobs.collect(),
        next: results.next_marker.filter(|marker| !marker.is_empty()),
    })
}

/// How many blobs to ask for at once: a page of which few are read may name many.
pub(super) fn page_size(scope: &ClaimScope) -> u32 {
    match scope {
        ClaimScope::InConflict
        | ClaimScope::Reserved(_)
        | ClaimScope::Orphaned(_)
        | ClaimScope::Of(..) => SPARSE_PAGE,
        ClaimScope::All | ClaimScope::Below(_) | ClaimScope::Beside(..) => PAGE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\
        <EnumerationResults ServiceEndpoint=\"https://fleet.blob.core.windows.net/\" ContainerName=\"claims\">\
        <Prefix>claims/</Prefix><MaxResults>2</MaxResults>";

    #[test]
    fn a_page_has_blobs_and_where_the_next_begins() {
        let xml = format!(
            "{HEAD}<Blobs>\
             <Blob><Name>claims/a</Name><Properties><Etag>0x8D</Etag><Content-Length>3</Content-Length></Properties>\
             <Metadata><State>Live</State><members>a,b</members></Metadata><OrMetadata /></Blob>\
             <Blob><Name>claims/b</Name><Properties /><Metadata /></Blob>\
             </Blobs><NextMarker>2!80!x</NextMarker></EnumerationResults>"
        );
        let listing = read(xml.as_bytes()).unwrap();
        assert_eq!(listing.next.as_deref(), Some("2!80!x"));
        let [a, b] = &listing.blobs[..] else {
            unreachable!("two blobs");
        };
        assert_eq!(
            (&*a.name, &*a.metadata["state"], &*a.metadata["members"]),
            ("claims/a", "Live", "a,b")
        );
        assert_eq!(a.version, RecordVersion::new("\"0x8D\""));
        assert!(b.metadata.is_empty());
    }

    #[test]
    fn an_empty_page_is_one() {
        for end in [
            "<Blobs /><NextMarker />",
            "<Blobs></Blobs><NextMarker></NextMarker>",
        ] {
            let listing = read(format!("{HEAD}{end}</EnumerationResults>").as_bytes()).unwrap();
            assert_eq!(listing, Listing::default());
        }
    }

    #[test]
    fn what_is_cut_off_is_no_page() {
        let xml = format!("{HEAD}<Blobs><Blob><Name>claims/a</Name>");
        assert!(read(xml.as_bytes()).is_err());
        assert!(read(b"<html>").is_err());
    }
}
