//! The rules that the design names as needed, each of which can be taken out.

/// Which rules hold.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// A copy stops being live when the observer saw it so; else already when the
    /// request that parks it is admitted.
    pub release_on_observation: bool,
    /// The observer reads the record before the object.
    pub record_before_object: bool,
    /// The observer asks which uids were seen before it reads the object.
    pub uids_before_object: bool,
    /// What would release a copy from outside the object is read from the store; else what is
    /// remembered is enough.
    pub release_on_store: bool,
    /// Everything that an object stands for is acquired; else what is computed alone.
    pub every_identity: bool,
    /// The observer judges deadlines before it reads the object; else when it writes.
    pub deadline_before_object: bool,
    /// A pending acquire is kept until it is settled; else until the copy is looked at.
    pub keep_pending: bool,
    /// A pending acquire is settled by its uid or resourceVersion; else by the copy
    /// being seen live.
    pub match_proof: bool,
    /// A write of the registry compares versions.
    pub compare: bool,
    /// So does one of a look that began from what its replica had written.
    pub compare_written: bool,
    /// Where such a look writes nothing, the claim is read; else it is over.
    pub read_after_all: bool,
    /// No rule of the protocol: looks begin from what was written wherever they may, so that what
    /// is found is found of these.
    pub recall_first: bool,
    /// A delete is marked before children are looked for.
    pub mark_before_children: bool,
    /// A child's claim is written before its ancestors are looked at.
    pub claim_before_ancestors: bool,
    /// A deadline is not before the API server's own.
    pub deadline_covers_request: bool,
    /// A request whose deadline has passed is over.
    pub deadlines_end: bool,
    /// A parked copy is registered when it is admitted; else when an observer sees it.
    pub register_parked: bool,
    /// What is parked by nothing of its own is believed so from the store alone; else from what
    /// is remembered.
    pub inherited_from_store: bool,
    /// It is registered before changes of the namespace are looked for.
    pub register_before_changes: bool,
    /// They are looked for before the namespace is read.
    pub changes_before_namespace: bool,
    /// What it acquires for a change under way lasts as long as that may take.
    pub last_as_the_change: bool,
    /// A change of the namespace is registered before copies are looked for.
    pub change_before_look: bool,
    /// Requests under way are looked for before objects.
    pub in_flight_before_objects: bool,
    /// What is let through against a refusal is claimed; else it ends with the refusal.
    pub claim_by_force: bool,
    /// Whoever acquires or deletes heeds what the claim says of an open transfer.
    pub heed_reservations: bool,
    /// Whoever opens a transfer looks for deletes after the claims are reserved.
    pub look_after_reserving: bool,
    /// Whoever opens one asks after a claim was read whether it is still declared so.
    pub declared_after_claim: bool,
    /// Whoever tidies up asks after the claims were read whether the transfer is over.
    pub over_after_claims: bool,
    /// Whoever declares a transfer gives free first what one of its name has left.
    pub start_gives_free: bool,
    /// Somebody tidies up.
    pub tidy: bool,
    /// The claim of a parked copy says what ASO has under way in Azure.
    pub report_busy: bool,
    /// A fenced cluster's guard lets nothing go live.
    pub heed_fence: bool,
    /// What it let through before is over when something of it is released.
    pub wait_out: bool,
    /// Whoever releases reads the member's record after the claim.
    pub member_after_claim: bool,
    /// The registry's epoch is asked for after the last call on claims; else before the first one.
    pub epoch_after_claims: bool,
    /// It has to be what was known before the first call on claims; else what is known by then.
    pub known_before: bool,
    /// Who brings its copies in waits until nothing is under way that it admitted before.
    pub wait_out_epoch: bool,
    /// Nobody's verdict stands while somebody is awaited.
    pub heed_awaited: bool,
}

impl Rules {
    /// The protocol as it is.
    pub const ALL: Self = Self {
        release_on_observation: true,
        record_before_object: true,
        uids_before_object: true,
        release_on_store: true,
        every_identity: true,
        deadline_before_object: true,
        keep_pending: true,
        match_proof: true,
        compare: true,
        compare_written: true,
        read_after_all: true,
        recall_first: false,
        mark_before_children: true,
        claim_before_ancestors: true,
        deadline_covers_request: true,
        deadlines_end: true,
        register_parked: true,
        inherited_from_store: true,
        register_before_changes: true,
        changes_before_namespace: true,
        last_as_the_change: true,
        change_before_look: true,
        in_flight_before_objects: true,
        claim_by_force: true,
        heed_reservations: true,
        look_after_reserving: true,
        declared_after_claim: true,
        over_after_claims: true,
        start_gives_free: true,
        tidy: true,
        report_busy: true,
        heed_fence: true,
        wait_out: true,
        member_after_claim: true,
        epoch_after_claims: true,
        known_before: true,
        wait_out_epoch: true,
        heed_awaited: true,
    };
}
