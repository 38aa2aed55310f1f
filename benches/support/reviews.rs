//! Reviews of the creation of live objects, each of another one.

use bytes::Bytes;
use serde_json::{Value, json};

pub const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";
pub const NAMESPACE: &str = "team";
/// The resource group that the accounts are in.
pub const GROUP: &str = "rg-prod";

/// A CREATE of a resource group, as an API server sends it.
const CREATE: &str = include_str!("../../tests/wire/fixtures/create.json");
/// A DELETE of a storage account in that group.
const DELETE: &str = include_str!("../../tests/wire/fixtures/delete.json");

/// Stands for the number of a review.
const NUMBER: &str = "@@@@@@@@";

/// Makes reviews that differ in a number.
pub struct Reviews {
    text: Vec<u8>,
    places: Vec<usize>,
}

impl Reviews {
    /// Of resource groups: their claims lie in nothing that could be claimed.
    pub fn of_groups() -> Self {
        let create: Value = serde_json::from_str(CREATE).unwrap();
        Self::like(create, "rg-prod")
    }

    /// Of storage accounts in a resource group.
    pub fn of_accounts() -> Self {
        let mut create: Value = serde_json::from_str(CREATE).unwrap();
        let mut delete: Value = serde_json::from_str(DELETE).unwrap();
        let (request, like) = (&mut create["request"], &mut delete["request"]);
        for field in ["kind", "resource", "requestKind", "requestResource", "name"] {
            request[field] = like[field].take();
        }
        request["object"] = like["oldObject"].take();
        let object = &mut request["object"];
        object["status"] = Value::Null;
        for field in ["annotations", "resourceVersion", "ownerReferences"] {
            object["metadata"].as_object_mut().unwrap().remove(field);
        }
        Self::like(create, "st")
    }

    /// Like this one, but for uids and the object's name.
    fn like(mut create: Value, name: &str) -> Self {
        let (uid, own) = (
            json!(format!("c3d0a9d1-6a0e-4f0a-9d3e-0f2f{NUMBER}")),
            json!(format!("{name}-{NUMBER}")),
        );
        let request = &mut create["request"];
        request["uid"] = uid.clone();
        request["name"] = own.clone();
        request["object"]["metadata"]["uid"] = uid;
        request["object"]["metadata"]["name"] = own.clone();
        request["object"]["spec"]["azureName"] = own;
        let text = create.to_string();
        let places = text.match_indices(NUMBER).map(|(at, _)| at).collect();
        Self {
            text: text.into(),
            places,
        }
    }

    /// The review with this number.
    pub fn body(&self, number: u64) -> Bytes {
        let digits = format!("{number:08}");
        let mut text = self.text.clone();
        for &at in &self.places {
            text[at..at + NUMBER.len()].copy_from_slice(digits.as_bytes());
        }
        text.into()
    }

    /// How long they are, in bytes.
    pub fn size(&self) -> usize {
        self.text.len()
    }
}
