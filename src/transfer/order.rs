//! In which order the resources of a transfer are taken: owners before what they own when
//! copies are made, and after it when copies are deleted.

use super::next::TransferStep;

/// One resource, as the order sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderedItem {
    /// What is next for it.
    pub step: TransferStep,
    /// Its owner among the rows, by index.
    pub owner: Option<usize>,
    /// Whether a step of it failed: it is left alone.
    pub failed: bool,
    /// Whether its copy at the source has to stay: something that is not moved belongs to it.
    pub stays: bool,
}

/// What is to be done now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DueItems {
    /// The rows whose step is taken now.
    pub act: Vec<usize>,
    /// The rows that wait for an acknowledgement.
    pub wait: Vec<usize>,
    /// The rows that are held back by others, which failed or are stuck.
    pub held: Vec<usize>,
}

/// The four steps, as far as they are waited for together: nothing goes live at the target
/// before everything that can be is parked, and nothing is deleted before everything that can
/// be is live at the target and reconciled there. Until then, all of it can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum StepGroup {
    Park,
    Make,
    Delete,
    Over,
}

impl OrderedItem {
    fn part(&self) -> StepGroup {
        match self.step {
            TransferStep::Park | TransferStep::AwaitParked => StepGroup::Park,
            TransferStep::Create
            | TransferStep::Wake
            | TransferStep::AwaitLive
            | TransferStep::AwaitReconciled => StepGroup::Make,
            TransferStep::Delete | TransferStep::AwaitGone => StepGroup::Delete,
            TransferStep::Done | TransferStep::Stuck(_) => StepGroup::Over,
        }
    }

    fn is_down(&self) -> bool {
        self.failed || matches!(self.step, TransferStep::Stuck(_))
    }

    /// Whether there is a live copy at the target, as far as its API server tells.
    fn is_made(&self) -> bool {
        matches!(
            self.step,
            TransferStep::AwaitLive
                | TransferStep::AwaitReconciled
                | TransferStep::Delete
                | TransferStep::AwaitGone
                | TransferStep::Done
        )
    }
}

/// What is to be done now, of all that is next.
pub fn due(rows: &[OrderedItem]) -> DueItems {
    let held: Vec<bool> = (0..rows.len()).map(|at| is_held(rows, at)).collect();
    let free =
        |at: &usize| !held[*at] && !rows[*at].is_down() && rows[*at].part() != StepGroup::Over;
    let part = (0..rows.len())
        .filter(free)
        .map(|at| rows[at].part())
        .min()
        .unwrap_or(StepGroup::Over);
    let mut due = DueItems::default();
    for at in 0..rows.len() {
        let row = &rows[at];
        if held[at] && !row.is_down() {
            due.held.push(at);
        } else if free(&at) && row.part() == part {
            match row.step {
                TransferStep::Park => due.act.push(at),
                TransferStep::Create | TransferStep::Wake if owner_is_made(rows, row) => {
                    due.act.push(at);
                }
                TransferStep::Delete
                    if children(rows, at).all(|child| child.step == TransferStep::Done) =>
                {
                    due.act.push(at);
                }
                _ => due.wait.push(at),
            }
        }
    }
    due
}

fn owner_is_made(rows: &[OrderedItem], row: &OrderedItem) -> bool {
    row.owner.is_none_or(|owner| rows[owner].is_made())
}

fn children(rows: &[OrderedItem], of: usize) -> impl Iterator<Item = &OrderedItem> {
    rows.iter().filter(move |row| row.owner == Some(of))
}

/// Whether something that went wrong elsewhere keeps a row from its next step.
fn is_held(rows: &[OrderedItem], at: usize) -> bool {
    let above = above(rows, at);
    match rows[at].part() {
        // As long as that, they go round in a circle.
        StepGroup::Make if above.len() >= rows.len() => true,
        StepGroup::Make => above
            .iter()
            .any(|&owner| rows[owner].is_down() && !rows[owner].is_made()),
        StepGroup::Delete => rows[at].stays || below_stays(rows, at),
        StepGroup::Park | StepGroup::Over => false,
    }
}

/// The owners of a row, nearest first. Those that go round in a circle end somewhere.
fn above(rows: &[OrderedItem], at: usize) -> Vec<usize> {
    let mut found = Vec::new();
    let mut next = rows[at].owner;
    while let Some(owner) = next.filter(|_| found.len() < rows.len()) {
        found.push(owner);
        next = rows[owner].owner;
    }
    found
}

/// Whether something below a row stays where it is.
fn below_stays(rows: &[OrderedItem], top: usize) -> bool {
    let stays = |row: &OrderedItem| (row.is_down() || row.stays) && row.step != TransferStep::Done;
    let mut staying = (0..rows.len()).filter(|&at| stays(&rows[at]));
    staying.any(|at| above(rows, at).contains(&top))
}

/// How deep each row lies: 0 for those without an owner among them. Rows whose owners go
/// round in a circle have no depth.
pub fn depths(owners: &[Option<usize>]) -> Vec<Option<usize>> {
    let depth = |at: usize| {
        let mut next = owners[at];
        let mut depth = 0;
        while let Some(owner) = next {
            depth += 1;
            if depth > owners.len() {
                return None;
            }
            next = owners[owner];
        }
        Some(depth)
    };
    (0..owners.len()).map(depth).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::next::StuckReason;
    use super::*;

    fn row(step: TransferStep, owner: Option<usize>) -> OrderedItem {
        OrderedItem {
            step,
            owner,
            failed: false,
            stays: false,
        }
    }

    fn failed(step: TransferStep, owner: Option<usize>) -> OrderedItem {
        OrderedItem {
            failed: true,
            ..row(step, owner)
        }
    }

    const STUCK: TransferStep = TransferStep::Stuck(StuckReason::Conflict);

    #[rstest]
    #[case::all_are_parked_first(
        &[row(TransferStep::Create, None), row(TransferStep::Park, Some(0)), row(TransferStep::AwaitParked, None)],
        &[1], &[2], &[]
    )]
    #[case::what_failed_to_be_parked_is_not_waited_for(
        &[row(TransferStep::Create, None), failed(TransferStep::Park, None)],
        &[0], &[], &[]
    )]
    #[case::owners_are_made_first(
        &[row(TransferStep::Create, None), row(TransferStep::Create, Some(0)), row(TransferStep::Wake, Some(1))],
        &[0], &[1, 2], &[]
    )]
    #[case::what_is_made_need_not_be_acknowledged_for_its_children(
        &[row(TransferStep::AwaitLive, None), row(TransferStep::Create, Some(0))],
        &[1], &[0], &[]
    )]
    #[case::below_what_failed_nothing_is_made(
        &[failed(TransferStep::Create, None), row(TransferStep::Create, Some(0)), row(TransferStep::Create, Some(1)),
          row(TransferStep::Create, None)],
        &[3], &[], &[1, 2]
    )]
    #[case::nothing_is_deleted_before_all_are_live(
        &[row(TransferStep::Delete, None), row(TransferStep::AwaitLive, None)],
        &[], &[1], &[]
    )]
    #[case::nothing_is_deleted_before_all_are_reconciled(
        &[row(TransferStep::Delete, None), row(TransferStep::AwaitReconciled, None)],
        &[], &[1], &[]
    )]
    #[case::children_are_deleted_first(
        &[row(TransferStep::Delete, None), row(TransferStep::Delete, Some(0)), row(TransferStep::Done, Some(1))],
        &[1], &[0], &[]
    )]
    #[case::gone_is_gone_once_it_is_acknowledged(
        &[row(TransferStep::Delete, None), row(TransferStep::AwaitGone, Some(0))],
        &[], &[0, 1], &[]
    )]
    #[case::above_what_is_stuck_nothing_is_deleted(
        &[row(TransferStep::Delete, None), row(TransferStep::Delete, Some(0)), row(STUCK, Some(1)),
          row(TransferStep::Delete, Some(0))],
        &[3], &[], &[0, 1]
    )]
    #[case::at_the_end(&[row(TransferStep::Done, None), row(TransferStep::Done, Some(0))], &[], &[], &[])]
    #[case::a_circle_is_never_made(
        &[row(TransferStep::Create, Some(1)), row(TransferStep::Create, Some(0))],
        &[], &[], &[0, 1]
    )]
    fn steps_are_taken_in_order(
        #[case] rows: &[OrderedItem],
        #[case] act: &[usize],
        #[case] wait: &[usize],
        #[case] held: &[usize],
    ) {
        let due = due(rows);
        assert_eq!((&*due.act, &*due.wait, &*due.held), (act, wait, held));
    }

    #[test]
    fn what_something_else_belongs_to_stays_and_so_does_what_contains_it() {
        let kept = OrderedItem {
            stays: true,
            ..row(TransferStep::Delete, Some(0))
        };
        let due = due(&[
            row(TransferStep::Delete, None),
            kept,
            row(TransferStep::Delete, None),
        ]);
        assert_eq!((&*due.act, &*due.held), (&[2][..], &[0, 1][..]));
    }

    #[test]
    fn depths_are_counted_from_the_top_and_circles_have_none() {
        let owners = [None, Some(0), Some(1), Some(4), Some(3)];
        let expected = [Some(0), Some(1), Some(2), None, None];
        assert_eq!(depths(&owners), expected);
    }
}
