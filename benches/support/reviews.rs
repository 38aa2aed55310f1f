//! Reviews of the creation of live objects, each of another one.

use aso_guard::object::{ObjectFacts, ObjectKey, OwnerRef};
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

/// Stands for the number of an object's name.
const NAME: &str = "@@@@@@@@";
/// Stands for the number of a review, which is in the uids.
const NUMBER: &str = "########";

/// Makes reviews that differ in a number.
pub struct Reviews {
    text: Vec<u8>,
    names: Vec<usize>,
    numbers: Vec<usize>,
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

    /// Of deletes of what was created by those of storage accounts.
    pub fn of_deletes() -> Self {
        let mut delete: Value = serde_json::from_str(DELETE).unwrap();
        let request = &mut delete["request"];
        request["object"] = request["oldObject"].take();
        let object = &mut request["object"];
        object["status"] = Value::Null;
        object["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("annotations");
        let mut review = Self::named(delete, "st");
        let request = &mut review["request"];
        request["uid"] = json!(format!("d4e1a9d1-6a0e-4f0a-9d3e-0f2f{NUMBER}"));
        request["oldObject"] = request["object"].take();
        Self::of(&review.to_string())
    }

    /// Like this one, but for uids and the object's name.
    fn like(create: Value, name: &str) -> Self {
        Self::of(&Self::named(create, name).to_string())
    }

    fn named(mut create: Value, name: &str) -> Value {
        let (uid, own) = (
            json!(format!("c3d0a9d1-6a0e-4f0a-9d3e-0f2f{NUMBER}")),
            json!(format!("{name}-{NAME}")),
        );
        let request = &mut create["request"];
        request["uid"] = uid.clone();
        request["name"] = own.clone();
        request["object"]["metadata"]["uid"] = uid;
        request["object"]["metadata"]["name"] = own.clone();
        request["object"]["spec"]["azureName"] = own;
        create
    }

    fn of(text: &str) -> Self {
        let places = |of: &str| text.match_indices(of).map(|(at, _)| at).collect();
        Self {
            names: places(NAME),
            numbers: places(NUMBER),
            text: text.into(),
        }
    }

    /// The review with this number, of an object of its own.
    pub fn body(&self, number: u64) -> Bytes {
        self.of_object(number, number)
    }

    /// The facts of the object with this name, as the review with that number creates it.
    pub fn facts(number: u64, object: u64) -> ObjectFacts {
        let name = format!("st-{object:08}");
        ObjectFacts {
            uid: format!("c3d0a9d1-6a0e-4f0a-9d3e-0f2f{number:08}").into(),
            azure_name: Some(name.as_str().into()),
            owner: Some(OwnerRef {
                name: Some(GROUP.into()),
                ..OwnerRef::default()
            }),
            ..ObjectFacts::named(ObjectKey::new(
                "storage.azure.com",
                "StorageAccount",
                NAMESPACE,
                &name,
            ))
        }
    }

    /// The review with this number, of the object with that one.
    pub fn of_object(&self, number: u64, object: u64) -> Bytes {
        let mut text = self.text.clone();
        for (places, number) in [(&self.names, object), (&self.numbers, number)] {
            let digits = format!("{number:08}");
            for &at in places {
                text[at..at + digits.len()].copy_from_slice(digits.as_bytes());
            }
        }
        text.into()
    }

    /// How long they are, in bytes.
    pub fn size(&self) -> usize {
        self.text.len()
    }
}
