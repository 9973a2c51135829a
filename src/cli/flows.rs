//! `wireclaim flows`: the flow table itself, with every fact of each flow.

use super::Exit;
use super::args::FlowsArgs;
use super::settings::{self, Target};
use crate::error::Result;
use crate::model::stats::{Fragments, Shed};
use crate::pipeline::Analysis;
use crate::pipeline::judge::Scene;
use crate::report::Content;
use crate::report::summary::Summary;

pub(super) fn run(args: &FlowsArgs) -> Result<Exit> {
    let target = Target::open(&args.output, Content::Flows)?;
    let (analysis, names) = settings::analyse(&args.input)?;
    // As in `check`: the end of the process frees it all at once.
    let analysis = std::mem::ManuallyDrop::new(analysis);
    let scene = Scene::new(&analysis, &names, &[]);
    let flows = analysis.flows.all();
    let rows = scene.flow_rows(&flows);
    let (format, view, output) = target.parts(&analysis.captures);
    format.write_flows(&rows, &view, output)?;
    if !args.input.quiet {
        super::say(&Summary { every_capture: args.input.verbose, ..facts(&analysis) });
    }
    tell_read_error(&analysis);
    let damaged =
        analysis.read_error.is_some() || analysis.captures.iter().any(|capture| capture.damage.is_some());
    Ok(if !analysis.internal_errors.is_empty() {
        Exit::Internal
    } else if damaged {
        Exit::Incomplete
    } else {
        Exit::Clean
    })
}

/// What every summary tells: captures, frames, flows.
pub(super) fn facts(analysis: &Analysis) -> Summary {
    let quality = analysis
        .not_captures
        .iter()
        .map(|path| format!("{} is no capture and was passed over", path.display()))
        .chain(copies(analysis.stats.copies))
        .chain(fragments(analysis.stats.fragments))
        .chain(shed(&analysis.stats.shed))
        .chain(hurried(analysis.stats.shed.streams))
        .chain(dropped(analysis.names_dropped, "names of addresses"))
        .chain(dropped(analysis.hosts_dropped, "traits of hosts"))
        .chain(dropped(analysis.announced_dropped, "announced connections"))
        .chain(secrets(analysis))
        .chain(analysis.internal_errors.iter().map(|error| {
            format!(
                "analyzer {} failed on {} (a bug of wireclaim's; please report it)",
                error.analyzer, error.flow
            )
        }))
        .collect();
    Summary {
        stats: analysis.stats.clone(),
        captures: analysis.captures.clone(),
        flows: analysis.flows.count_by_transport(),
        quality,
        ..Summary::default()
    }
}

/// Packets that were captured twice, if any.
fn copies(count: u64) -> Option<String> {
    (count > 0).then(|| {
        format!("{count} packets were captured twice and are counted once (--duplicates keep counts them each time)")
    })
}

/// What was odd about fragments, if anything.
fn fragments(fragments: Fragments) -> impl Iterator<Item = String> {
    let Fragments { incomplete, conflicts, .. } = fragments;
    let incomplete = (incomplete > 0).then(|| {
        format!("of {incomplete} packets that came in fragments some fragment is not in the capture")
    });
    let conflicts = (conflicts > 0).then(|| {
        format!(
            "{conflicts} fragments say otherwise than one before about the same bytes: the first was taken"
        )
    });
    incomplete.into_iter().chain(conflicts)
}

/// What was let go to stay below `--max-memory`, if anything.
fn shed(shed: &Shed) -> Option<String> {
    let kinds: Vec<String> = shed.flows.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    (shed.total() > 0).then(|| {
        format!(
            "{} flows were let go to stay below --max-memory ({}): what depends on them is less sure",
            shed.total(),
            kinds.join(", ")
        )
    })
}

/// Streams that waited for missing bytes no longer, if any.
fn hurried(streams: u64) -> Option<String> {
    (streams > 0)
        .then(|| format!("missing bytes of {streams} streams were given up early to stay below --max-memory"))
}

/// What the bounds of memory cost, if anything.
fn dropped(count: u64, what: &str) -> Option<String> {
    (count > 0)
        .then(|| format!("{count} sightings of {what} were not kept: there were more than there is room for"))
}

/// Secrets of connections that were not used, if any.
fn secrets(analysis: &Analysis) -> impl Iterator<Item = String> + use<> {
    let late = analysis.late_secrets.is_some().then(|| {
        String::from("some secrets come behind the first frames of a capture that can be read only once: they were not used")
    });
    let dropped = analysis.secrets_dropped.then(|| {
        String::from(
            "there were more secrets of connections than --max-memory has room for: not all were used",
        )
    });
    late.into_iter().chain(dropped)
}

/// Says why reading ended early, after everything read before has been reported.
pub(super) fn tell_read_error(analysis: &Analysis) {
    if let Some(error) = &analysis.read_error {
        super::complain(error);
    }
}
