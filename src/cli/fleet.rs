//! What `wireclaim check --inventory` tells people of the inventory: who was there, who was not, and who else.

use crate::model::text::counted;
use crate::pipeline::fleet::Roll;

/// Names shown of entries that match nobody.
const FEW: usize = 10;

/// The lines of the summary; `verbose` names everybody.
pub(super) fn lines(roll: &Roll, verbose: bool) -> Vec<String> {
    let most = if verbose { usize::MAX } else { FEW };
    let mut lines = vec![format!(
        "{}: {}, {} judged",
        roll.inventory,
        counted(roll.entries as u64, "entry"),
        counted(roll.judged as u64, "device")
    )];
    if !roll.absent.is_empty() {
        lines.push(format!("not in the capture: {}", named(&roll.absent, roll.absent.len(), most)));
    }
    if !roll.nobody.is_empty() {
        lines
            .push(format!("matches nobody in the capture: {}", named(&roll.nobody, roll.nobody.len(), most)));
    }
    if !roll.outdone.is_empty() {
        lines.push(format!(
            "counts for nobody, as narrower entries match its devices: {}",
            named(&roll.outdone, roll.outdone.len(), most)
        ));
    }
    if roll.router_count > 0 {
        lines.push(format!(
            "taken for a router, so not judged: {}",
            named(&roll.routers, roll.router_count, FEW)
        ));
    }
    if roll.unlisted_count > 0 {
        let count = counted(roll.unlisted_count as u64, "device");
        lines.push(format!(
            "{count} that no entry matches: {}",
            named(&roll.unlisted, roll.unlisted_count, FEW)
        ));
    }
    lines.extend(roll.notes.iter().cloned());
    lines
}

/// The first of `all` names, and how many more there are.
fn named(names: &[String], all: usize, most: usize) -> String {
    let shown: Vec<&str> = names.iter().take(most).map(String::as_str).collect();
    let more = all.saturating_sub(shown.len());
    let rest = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("{}{rest}", shown.join("; "))
}
