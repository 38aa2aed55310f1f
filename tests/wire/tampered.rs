//! A registry that counts its calls, and does what it is told to do wrong.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aso_guard::arm::Identity;
use aso_guard::claim::{EpochRecord, MemberName, Record, TransferName};
use aso_guard::registry::{
    ClaimPage, ClaimScope, Cursor, MemberRecord, PutOutcome, RecordList, RecordVersion, Registry,
    RegistryError, UnreadableRecord, Versioned,
};
use aso_guard::transfer::Transfer;
use async_trait::async_trait;

/// What goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Trouble {
    /// Nothing.
    #[default]
    None,
    /// No call arrives.
    Unreachable,
    /// No call is answered, ever.
    Hangs,
    /// The answers to puts are lost; reads are answered.
    LosesAnswers,
    /// Nothing is heard about members; claims are answered.
    HangsOnMembers,
    /// The claim on this resource cannot be read.
    Unreadable(&'static str),
    /// Each call takes so long.
    Slow(Duration),
    /// No call is answered, on a machine so busy that nothing else goes on for so long after
    /// each: limits are noticed late.
    Starved(Duration),
}

/// A call is under way for as long as this is there: it may be given up.
struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A way to a registry on which there is trouble.
pub struct Tampered {
    /// The registry, without trouble.
    pub inner: Arc<dyn Registry>,
    state: Mutex<(Trouble, Vec<&'static str>)>,
    under_way: AtomicUsize,
    most: AtomicUsize,
}

impl Tampered {
    pub fn new(inner: Arc<dyn Registry>) -> Self {
        Self {
            inner,
            state: Mutex::default(),
            under_way: AtomicUsize::default(),
            most: AtomicUsize::default(),
        }
    }

    /// From now on, this goes wrong.
    pub fn set(&self, trouble: Trouble) {
        self.state.lock().unwrap().0 = trouble;
    }

    /// The calls since this was asked last.
    pub fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.state.lock().unwrap().1)
    }

    /// The most calls that were under way at once since this was asked last.
    pub fn most_at_once(&self) -> usize {
        self.most.swap(0, Ordering::Relaxed)
    }

    async fn pass<T>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, RegistryError>> + Send,
    ) -> Result<T, RegistryError> {
        let under_way = self.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(under_way, Ordering::Relaxed);
        let _one = UnderWay(&self.under_way);
        self.go_wrong(name, call).await
    }

    async fn go_wrong<T>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, RegistryError>> + Send,
    ) -> Result<T, RegistryError> {
        let trouble = {
            let mut state = self.state.lock().unwrap();
            state.1.push(name);
            state.0
        };
        let unavailable = |why: &str| RegistryError::Unavailable {
            registry: "https://hub.example:6443".to_owned(),
            why: why.to_owned(),
        };
        match trouble {
            Trouble::Unreachable => return Err(unavailable("connection refused")),
            Trouble::Hangs => return std::future::pending().await,
            Trouble::HangsOnMembers if name == "member" => return std::future::pending().await,
            Trouble::Slow(pause) => tokio::time::sleep(pause).await,
            Trouble::Starved(time) => {
                std::thread::sleep(time);
                return std::future::pending().await;
            }
            Trouble::LosesAnswers if name.starts_with("put") => {
                call.await?;
                return Err(unavailable("connection reset by peer"));
            }
            Trouble::None
            | Trouble::LosesAnswers
            | Trouble::HangsOnMembers
            | Trouble::Unreadable(_) => {}
        }
        call.await
    }

    /// The claim that cannot be read, if there is one now.
    fn unreadable(&self) -> Option<UnreadableRecord> {
        let Trouble::Unreadable(identity) = self.state.lock().unwrap().0 else {
            return None;
        };
        Some(UnreadableRecord {
            registry: "https://hub.example:6443".to_owned(),
            kind: "claim",
            name: "broken-0123".to_owned(),
            identity: Some(identity.parse().unwrap()),
            why: "status.copies.since: this is no time".to_owned(),
        })
    }
}

#[async_trait]
impl Registry for Tampered {
    fn flags(&self) -> &'static str {
        " --context hub"
    }

    fn kubectl_flags(&self) -> &'static str {
        " --context hub"
    }

    async fn claim(&self, identity: &Identity) -> Result<Option<Versioned<Record>>, RegistryError> {
        if let Some(one) = self.unreadable()
            && one.identity.as_ref() == Some(identity)
        {
            return Err(one.into());
        }
        self.pass("claim", self.inner.claim(identity)).await
    }

    async fn put_claim(
        &self,
        record: &Record,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        if let Some(one) = self.unreadable()
            && one.identity.as_ref() == Some(&record.identity)
        {
            return Ok(PutOutcome::Conflict);
        }
        let call = self.inner.put_claim(record, expected);
        self.pass("put_claim", call).await
    }

    async fn claims_page(
        &self,
        scope: &ClaimScope,
        at: Option<&Cursor>,
    ) -> Result<ClaimPage, RegistryError> {
        let call = self.inner.claims_page(scope, at);
        let mut page = self.pass("claims", call).await?;
        if let Some(one) = self.unreadable() {
            let is_it =
                |known: &Versioned<Record>| Some(&known.record.identity) == one.identity.as_ref();
            page.claims.retain(|known| !is_it(known));
            page.unreadable
                .extend(Some(one).filter(|one| scope.may_cover(one)));
        }
        Ok(page)
    }

    async fn member(
        &self,
        name: &MemberName,
    ) -> Result<Option<Versioned<MemberRecord>>, RegistryError> {
        self.pass("member", self.inner.member(name)).await
    }

    async fn put_member(
        &self,
        member: &MemberRecord,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        let call = self.inner.put_member(member, expected);
        self.pass("put_member", call).await
    }

    async fn remove_member(
        &self,
        name: &MemberName,
        expected: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError> {
        let call = self.inner.remove_member(name, expected);
        self.pass("remove_member", call).await
    }

    async fn members(&self) -> Result<RecordList<MemberRecord>, RegistryError> {
        self.pass("members", self.inner.members()).await
    }

    async fn epoch(&self) -> Result<Option<Versioned<EpochRecord>>, RegistryError> {
        self.pass("epoch", self.inner.epoch()).await
    }

    async fn put_epoch(
        &self,
        epoch: &EpochRecord,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        let call = self.inner.put_epoch(epoch, expected);
        self.pass("put_epoch", call).await
    }

    async fn transfer(
        &self,
        name: &TransferName,
    ) -> Result<Option<Versioned<Transfer>>, RegistryError> {
        self.pass("transfer", self.inner.transfer(name)).await
    }

    async fn put_transfer(
        &self,
        transfer: &Transfer,
        expected: Option<&RecordVersion>,
    ) -> Result<PutOutcome, RegistryError> {
        let call = self.inner.put_transfer(transfer, expected);
        self.pass("put_transfer", call).await
    }

    async fn remove_transfer(
        &self,
        name: &TransferName,
        expected: &RecordVersion,
    ) -> Result<PutOutcome, RegistryError> {
        let call = self.inner.remove_transfer(name, expected);
        self.pass("remove_transfer", call).await
    }

    async fn transfers(&self) -> Result<RecordList<Transfer>, RegistryError> {
        self.pass("transfers", self.inner.transfers()).await
    }
}
