//! What Azure Resource Manager does with a call: no network, no clock.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

/// A call, as it comes over the wire.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which ASO it is.
    pub who: String,
    /// Such as `PUT`.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The body; null where there is none.
    pub body: Value,
}

/// What Azure says to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body; null for none.
    pub body: Value,
    /// How long it takes to come.
    pub after: Duration,
}

/// What a story wants to go wrong, or to take long.
#[derive(Clone, Debug)]
pub struct Wish {
    /// For calls of this ASO, or of any.
    pub who: Option<&'static str>,
    /// For calls of this method.
    pub method: &'static str,
    /// Whose path contains this, in lower case.
    pub path: String,
    /// What then happens.
    pub then: Then,
}

/// What happens to a call that a [`Wish`] is for.
#[derive(Clone, Debug)]
pub enum Then {
    /// It is refused with this status and code, so many times.
    Refuse(u16, &'static str, usize),
    /// It begins an operation that goes on until [`Arm::forget`].
    Begin,
    /// It is answered so much later.
    Slow(Duration),
}

/// What there is in Azure.
pub struct Arm {
    /// Where it is reached, for the addresses of operations.
    endpoint: String,
    resources: BTreeMap<String, Resource>,
    operations: Vec<Operation>,
    wishes: Vec<Wish>,
}

struct Resource {
    body: Value,
}

/// Something that takes its time.
struct Operation {
    key: String,
    deletes: bool,
    wish: String,
    done: bool,
}

/// The kinds whose parent lists them, as ASO reads it before each PUT of the parent.
const LISTED: [(&str, &str); 4] = [
    ("microsoft.network/virtualnetworks", "subnets"),
    ("microsoft.network/routetables", "routes"),
    ("microsoft.network/networksecuritygroups", "securityRules"),
    ("microsoft.network/loadbalancers", "inboundNatRules"),
];
/// Where operations are looked at.
const OPERATIONS: &str = "/operations/";

impl Wish {
    fn is_for(&self, call: &Call, key: &str) -> bool {
        let who = self.who.is_none_or(|who| who == call.who);
        who && self.method == call.method && key.contains(&self.path)
    }
}

impl Arm {
    /// An empty Azure.
    pub fn new(endpoint: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            resources: BTreeMap::new(),
            operations: Vec::new(),
            wishes: Vec::new(),
        }
    }

    /// Has calls refused, or begin operations.
    pub fn wish(&mut self, wish: Wish) {
        self.wishes.push(wish);
    }

    /// Ends the wishes for a path, and the operations that they began.
    pub fn forget(&mut self, path: &str) {
        let path = path.to_lowercase();
        self.wishes.retain(|wish| wish.path != path);
        let begun = self.operations.iter_mut().filter(|one| one.wish == path);
        let mut gone = Vec::new();
        for operation in begun.filter(|one| !one.done) {
            operation.done = true;
            if operation.deletes {
                gone.push(operation.key.clone());
            } else if let Some(resource) = self.resources.get_mut(&operation.key) {
                resource.body["properties"]["provisioningState"] = "Succeeded".into();
            }
        }
        for key in gone {
            self.remove(&key);
        }
    }

    /// The IDs of what is there, as they were first written.
    pub fn ids(&self) -> Vec<String> {
        let bodies = self.resources.values().map(|resource| &resource.body);
        bodies
            .filter_map(|body| body["id"].as_str().map(str::to_owned))
            .collect()
    }

    /// What is there under an ID.
    pub fn get(&self, id: &str) -> Option<&Value> {
        self.resources.get(&key(id)).map(|resource| &resource.body)
    }

    /// Answers a call.
    pub fn answer(&mut self, call: &Call) -> Answer {
        let key = key(&call.path);
        if let Some(number) = key.strip_prefix(OPERATIONS) {
            return self.operation(number);
        }
        if let Some(answer) = self.refusal(call, &key) {
            return answer;
        }
        let after = self.slowness(call, &key);
        Answer {
            after,
            ..self.prompt_answer(call, &key)
        }
    }

    /// How long the answer takes to come, whatever else is wished for the call.
    fn slowness(&self, call: &Call, key: &str) -> Duration {
        let mut wishes = self.wishes.iter().filter(|wish| wish.is_for(call, key));
        let slow = wishes.find_map(|wish| match wish.then {
            Then::Slow(after) => Some(after),
            Then::Refuse(..) | Then::Begin => None,
        });
        slow.unwrap_or(Duration::ZERO)
    }

    fn prompt_answer(&mut self, call: &Call, key: &str) -> Answer {
        match call.method.as_str() {
            "PUT" => self.put(key, call),
            "PATCH" => self.patch(key, call),
            "DELETE" => self.delete(key, call),
            "GET" => self.read(key),
            "HEAD" if self.resources.contains_key(key) => Answer::plain(204),
            "HEAD" => Answer::plain(404),
            "POST" if self.resources.contains_key(&key_of_action(key)) => {
                Answer::ok(200, json!({"value": [], "keys": []}))
            }
            "POST" => Answer::not_found(&call.path),
            _ => Answer::error(405, "MethodNotAllowed", &call.method),
        }
    }

    fn operation(&self, number: &str) -> Answer {
        let number = number.parse::<usize>().ok();
        match number.and_then(|number| self.operations.get(number)) {
            Some(operation) => {
                let status = if operation.done {
                    "Succeeded"
                } else {
                    "InProgress"
                };
                Answer::ok(200, json!({"status": status}))
            }
            None => Answer::error(404, "OperationNotFound", "there is no such operation"),
        }
    }

    /// What is to happen to a call: the first that is wished for it.
    fn wished(&mut self, call: &Call, key: &str) -> Option<&mut Wish> {
        let mut wishes = self.wishes.iter_mut();
        wishes.find(|wish| {
            let acts = !matches!(wish.then, Then::Refuse(_, _, 0) | Then::Slow(_));
            acts && wish.is_for(call, key)
        })
    }

    fn refusal(&mut self, call: &Call, key: &str) -> Option<Answer> {
        match &mut self.wished(call, key)?.then {
            Then::Refuse(status, code, left) => {
                *left -= 1;
                Some(Answer::error(*status, code, "the story wants it so"))
            }
            Then::Begin | Then::Slow(_) => None,
        }
    }

    /// The header of a new operation, where a story wishes for one.
    fn begin(&mut self, call: &Call, key: &str) -> Option<(&'static str, String)> {
        let wish = match self.wished(call, key)? {
            Wish {
                then: Then::Begin,
                path,
                ..
            } => path.clone(),
            _ => return None,
        };
        self.operations.push(Operation {
            key: key.to_owned(),
            deletes: call.method == "DELETE",
            wish,
            done: false,
        });
        let number = self.operations.len() - 1;
        let address = format!("{}{OPERATIONS}{number}", self.endpoint);
        Some(("Azure-AsyncOperation", address))
    }

    fn put(&mut self, key: &str, call: &Call) -> Answer {
        if let Some(group) = group_of(key)
            && group != key
            && !self.resources.contains_key(&group)
        {
            let message = format!("Resource group of {} could not be found.", call.path);
            return Answer::error(404, "ResourceGroupNotFound", &message);
        }
        let begun = self.begin(call, key);
        let old = self.resources.get(key);
        let id = old.and_then(|old| old.body["id"].as_str());
        let id = id.unwrap_or(&call.path).to_owned();
        let status = if old.is_some() { 200 } else { 201 };
        let mut body = match &call.body {
            Value::Object(_) => call.body.clone(),
            _ => json!({}),
        };
        body["name"] = id.rsplit('/').next().unwrap_or_default().into();
        body["type"] = arm_type(&id).into();
        body["id"] = id.into();
        if !body["properties"].is_object() {
            body["properties"] = json!({});
        }
        let state = if begun.is_some() {
            "Updating"
        } else {
            "Succeeded"
        };
        body["properties"]["provisioningState"] = state.into();
        self.resources
            .insert(key.to_owned(), Resource { body: body.clone() });
        Answer {
            headers: begun.into_iter().collect(),
            ..Answer::ok(status, body)
        }
    }

    fn patch(&mut self, key: &str, call: &Call) -> Answer {
        let Some(resource) = self.resources.get_mut(key) else {
            return Answer::not_found(&call.path);
        };
        merge(&mut resource.body, &call.body);
        Answer::ok(200, resource.body.clone())
    }

    fn delete(&mut self, key: &str, call: &Call) -> Answer {
        if !self.resources.contains_key(key) {
            return Answer::plain(204);
        }
        if let Some(header) = self.begin(call, key) {
            return Answer {
                headers: vec![header],
                ..Answer::plain(202)
            };
        }
        self.remove(key);
        Answer::plain(200)
    }

    /// Removes it with all that is below it.
    fn remove(&mut self, key: &str) {
        let below = format!("{key}/");
        self.resources
            .retain(|other, _| other != key && !other.starts_with(&below));
    }

    fn read(&self, key: &str) -> Answer {
        let Some(resource) = self.resources.get(key) else {
            return Answer::not_found(key);
        };
        let mut body = resource.body.clone();
        let of = arm_type(key).to_lowercase();
        if let Some((_, list)) = LISTED.iter().find(|(parent, _)| *parent == of) {
            let below = format!("{key}/{}/", list.to_lowercase());
            let children = self.resources.range(below.clone()..);
            let children = children.take_while(|(other, _)| other.starts_with(&below));
            let bodies: Vec<&Value> = children.map(|(_, child)| &child.body).collect();
            body["properties"][*list] = json!(bodies);
        }
        Answer::ok(200, body)
    }
}

impl Answer {
    fn plain(status: u16) -> Self {
        Self::ok(status, Value::Null)
    }

    fn ok(status: u16, body: Value) -> Self {
        let headers = Vec::new();
        Self {
            status,
            headers,
            body,
            after: Duration::ZERO,
        }
    }

    fn error(status: u16, code: &str, message: &str) -> Self {
        Self::ok(status, json!({"error": {"code": code, "message": message}}))
    }

    fn not_found(path: &str) -> Self {
        let message = format!("The Resource '{path}' was not found.");
        Self::error(404, "ResourceNotFound", &message)
    }
}

/// IDs are compared without regard to case.
pub fn key(path: &str) -> String {
    format!("/{}", path.trim_matches('/').to_lowercase())
}

/// What a POST such as `…/listKeys` acts on.
fn key_of_action(key: &str) -> String {
    key.rsplit_once('/').map_or("", |(on, _)| on).to_owned()
}

/// The resource group that something is in.
fn group_of(key: &str) -> Option<String> {
    let parts: Vec<&str> = key.split('/').collect();
    let in_group = parts.len() > 4 && parts[1] == "subscriptions" && parts[3] == "resourcegroups";
    in_group.then(|| parts[..5].join("/"))
}

/// The type that an ID names, such as `Microsoft.Network/virtualNetworks/subnets`.
fn arm_type(id: &str) -> String {
    let parts: Vec<&str> = id.trim_matches('/').split('/').collect();
    let Some(at) = parts
        .iter()
        .rposition(|part| part.eq_ignore_ascii_case("providers"))
    else {
        return "Microsoft.Resources/resourceGroups".to_owned();
    };
    let provider = parts.get(at + 1).copied().unwrap_or_default();
    let types = parts.iter().skip(at + 2).step_by(2);
    types.fold(provider.to_owned(), |all, part| format!("{all}/{part}"))
}

/// A JSON merge patch.
fn merge(to: &mut Value, patch: &Value) {
    match (to, patch) {
        (Value::Object(to), Value::Object(patch)) => {
            for (name, value) in patch {
                merge(to.entry(name).or_insert(Value::Null), value);
            }
        }
        (to, patch) => *to = patch.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = "/subscriptions/s/resourceGroups/rg";
    const VNET: &str =
        "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/net";

    fn call(method: &str, path: &str) -> Call {
        Call {
            who: "aso-a".to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            body: json!({"location": "westeurope"}),
        }
    }

    fn azure(ids: &[&str]) -> Arm {
        let mut azure = Arm::new("https://azure");
        for id in ids {
            assert_eq!(azure.answer(&call("PUT", id)).status, 201, "{id}");
        }
        azure
    }

    #[test]
    fn what_is_put_is_there_whatever_the_case_and_keeps_its_first_name() {
        let mut azure = azure(&[GROUP]);
        let again = azure.answer(&call("PUT", &GROUP.to_uppercase()));
        assert_eq!(again.status, 200);
        assert_eq!(again.body["id"], GROUP);
        let read = azure.answer(&call("GET", &GROUP.to_lowercase()));
        assert_eq!(read.body["properties"]["provisioningState"], "Succeeded");
        assert_eq!(read.body["type"], "Microsoft.Resources/resourceGroups");
        assert_eq!(azure.answer(&call("HEAD", GROUP)).status, 204);
    }

    #[test]
    fn a_delete_takes_all_that_is_below() {
        let subnet = format!("{VNET}/subnets/one");
        let mut azure = azure(&[GROUP, VNET, &subnet]);
        assert_eq!(azure.answer(&call("DELETE", GROUP)).status, 200);
        assert_eq!(azure.ids(), Vec::<String>::new());
        assert_eq!(azure.answer(&call("DELETE", GROUP)).status, 204);
        assert_eq!(azure.answer(&call("GET", &subnet)).status, 404);
        // Nothing is made in a group that is gone.
        let refused = azure.answer(&call("PUT", VNET));
        assert_eq!(refused.body["error"]["code"], "ResourceGroupNotFound");
    }

    #[test]
    fn a_network_lists_its_own_subnets() {
        let sibling = format!("{VNET}2");
        let mut azure = azure(&[GROUP, VNET, &sibling]);
        let empty = azure.answer(&call("GET", VNET));
        assert_eq!(empty.body["properties"]["subnets"], json!([]));
        for subnet in [
            &format!("{VNET}/subnets/a"),
            &format!("{sibling}/subnets/b"),
        ] {
            azure.answer(&call("PUT", subnet));
        }
        let body = azure.answer(&call("GET", VNET)).body;
        let subnets = body["properties"]["subnets"].as_array().unwrap().clone();
        assert_eq!(subnets.len(), 1);
        assert_eq!(subnets[0]["name"], "a");
    }

    #[test]
    fn an_operation_goes_on_until_it_is_forgotten() {
        let mut azure = azure(&[GROUP]);
        for method in ["PUT", "DELETE"] {
            azure.wish(Wish {
                who: None,
                method,
                path: "resourcegroups/rg".to_owned(),
                then: Then::Begin,
            });
        }
        let put = azure.answer(&call("PUT", GROUP));
        assert_eq!(put.body["properties"]["provisioningState"], "Updating");
        let (header, address) = put.headers[0].clone();
        assert_eq!(header, "Azure-AsyncOperation");
        let delete = azure.answer(&call("DELETE", GROUP));
        assert_eq!((delete.status, azure.ids().len()), (202, 1));
        let look = call("GET", address.strip_prefix("https://azure").unwrap());
        assert_eq!(azure.answer(&look).body["status"], "InProgress");
        azure.forget("resourceGroups/rg");
        assert_eq!(azure.answer(&look).body["status"], "Succeeded");
        assert_eq!(azure.ids(), Vec::<String>::new());
    }

    #[test]
    fn a_refusal_is_given_to_whom_and_as_often_as_it_was_wished_for() {
        let mut azure = azure(&[]);
        for who in ["aso-b", "aso-a"] {
            azure.wish(Wish {
                who: Some(who),
                method: "PUT",
                path: "/rg".to_owned(),
                then: Then::Refuse(429, "TooManyRequests", 2),
            });
        }
        let statuses = [(); 3].map(|()| azure.answer(&call("PUT", GROUP)).status);
        assert_eq!(statuses, [429, 429, 201]);
    }

    #[test]
    fn a_slow_answer_is_the_same_later() {
        let mut azure = azure(&[GROUP]);
        azure.wish(Wish {
            who: None,
            method: "GET",
            path: "/rg".to_owned(),
            then: Then::Slow(Duration::from_secs(3)),
        });
        let slow = azure.answer(&call("GET", GROUP));
        assert_eq!((slow.status, slow.after), (200, Duration::from_secs(3)));
        assert_eq!(azure.answer(&call("PUT", GROUP)).after, Duration::ZERO);
    }

    #[test]
    fn types_are_told_from_ids() {
        let role = format!("{VNET}/providers/Microsoft.Authorization/roleAssignments/x");
        assert_eq!(arm_type(&role), "Microsoft.Authorization/roleAssignments");
        let subnet = format!("{VNET}/subnets/one");
        assert_eq!(
            arm_type(&subnet),
            "Microsoft.Network/virtualNetworks/subnets"
        );
    }
}
