//! `wireclaim explain`: what a code of a finding or a lint means, or what one row of a table says;
//! of TLS names see `explain_tls`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Exit, explain_tls};
use crate::checks::{self, Code};
use crate::error::{Error, Result};
use crate::model::finding::Status;
use crate::model::text::counted;
use crate::profile::{lint, mud};
use crate::report::read::{self, Row};

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// A code, as in the column `code`; a cipher suite (IANA or OpenSSL name, or 0xC027), a group or a version of TLS; with
    /// --from the id of a finding, or its first letters (at least 4) [default: list the codes]
    #[arg(value_name = "CODE|ID")]
    what: Option<String>,
    /// Explain the finding of this discrepancy table (CSV, NDJSON or JSON; - for standard input) that has this id
    #[arg(long, value_name = "TABLE", requires = "what")]
    from: Option<PathBuf>,
}

pub(super) fn run(args: &ExplainArgs) -> Result<Exit> {
    let text = match (&args.what, &args.from) {
        (Some(id), Some(table)) => row(id, table)?,
        (Some(id), None) => page(id)?,
        (None, _) => list(),
    };
    super::print(&text)?;
    Ok(Exit::Clean)
}

/// A code of rows that are no findings.
struct RowCode {
    id: &'static str,
    title: &'static str,
    page: &'static str,
}

const ROWS: &[RowCode] = &[
    RowCode {
        id: "claim",
        title: "What became of a claim (`wireclaim check --all`)",
        page: include_str!("pages/claim.md"),
    },
    RowCode {
        id: "conversation",
        title: "What changed between two flow tables (`wireclaim diff`)",
        page: include_str!("pages/conversation.md"),
    },
];

/// Every code on a line.
fn list() -> String {
    let line = |id: &str, title: &str| format!("  {id:<28}{title}\n");
    let findings: String = checks::codes().map(|code| line(code.id, code.title)).collect();
    let lints: String = lint::codes().map(|code| line(code.id, code.title)).collect();
    let rows: String = ROWS.iter().map(|code| line(code.id, code.title)).collect();
    format!(
        "Codes of findings (`wireclaim check`):\n\n{findings}\nCodes of lints (`wireclaim profile lint`):\n\n{lints}\n\
         Codes of other rows:\n\n{rows}\n\
         `wireclaim explain CODE` prints the page of one.\n"
    )
}

/// The page of a code.
fn page(id: &str) -> Result<String> {
    let of_checks = checks::codes().map(|code| (code.id, code.title, code.severity, code.since, code.page));
    let of_lints = lint::codes().map(|code| (code.id, code.title, code.severity, code.since, code.page));
    let known: Vec<_> = of_checks.chain(of_lints).collect();
    let Some((id, title, severity, since, page)) = known.iter().find(|(known, ..)| *known == id) else {
        if let Some(text) = row_code(id).or_else(|| explain_tls::page(id)).or_else(|| oddity(id)) {
            return Ok(text);
        }
        let near = known
            .iter()
            .map(|(known, ..)| *known)
            .chain(ROWS.iter().map(|code| code.id))
            .chain(mud::ODDITIES.iter().map(|kind| kind.code))
            .chain(explain_tls::names())
            .min_by_key(|known| distance(known, id))
            .filter(|known| distance(known, id) <= known.len() / 2);
        let hint = match near {
            Some(near) => format!(" (did you mean `{near}`?)"),
            None if is_hex(id) => String::from(" (for the id of a finding, name its table with `--from`)"),
            None => String::from(" (`wireclaim explain` lists the codes)"),
        };
        return Err(Error::Usage(format!(
            "failed to explain `{id}`: no such code, cipher suite, group or TLS version{hint}"
        )));
    };
    Ok(format!("# {id}\n\n{title}. Default severity: {severity}. Since {since}.\n\n{}\n", page.trim_end()))
}

/// The page of a row that is no finding.
fn row_code(id: &str) -> Option<String> {
    let code = ROWS.iter().find(|code| code.id == id)?;
    Some(format!("# {id}\n\n{}. For information only. Since 0.1.\n\n{}\n", code.title, code.page.trim_end()))
}

/// What is odd in a MUD file says itself what it is about.
fn oddity(id: &str) -> Option<String> {
    let kind = mud::ODDITIES.iter().find(|kind| kind.code == id)?;
    Some(format!(
        "# {id}\n\nSomething in a MUD file, which its message names. Severity: {}.\n\n## What to do\n\nTo put it right: {}.\n\n\
         How MUD files are read: docs/mud.md\n",
        kind.severity, kind.remedy
    ))
}

fn is_hex(text: &str) -> bool {
    text.len() >= LEAST && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Least letters of an id.
const LEAST: usize = 4;

/// One row in words.
fn row(id: &str, table: &Path) -> Result<String> {
    let rows = read::read(table)?;
    let row = find(id, &rows).map_err(|reason| {
        Error::Usage(format!("failed to explain `{id}` from `{}`: {reason}", table.display()))
    })?;
    let known = checks::codes().find(|code| code.id == row.cell("code"));
    let mut out = format!("# {} {}\n\n{}\n\n", row.cell("code"), row.id(), row.cell("message"));
    for (head, text) in particulars(row, known) {
        if !text.is_empty() {
            let _ = writeln!(out, "{:<10}{text}", format!("{head}:"));
        }
    }
    let _ = write!(out, "\n## What to do\n\n{}\n", remedy(row));
    if let Some(code) = known {
        for heading in ["Why it matters", "When it stays silent", "Profile keys", "References"] {
            let Some(section) = section(code.page, heading) else { continue };
            let _ = write!(out, "\n## {heading}\n\n{section}\n");
        }
        let _ = write!(out, "\nMore: wireclaim explain {}\n", code.id);
    }
    Ok(out)
}

/// The row that `id` names, or why there is none.
fn find<'r>(id: &str, rows: &'r [Row]) -> std::result::Result<&'r Row, String> {
    let wanted = id.to_ascii_lowercase();
    let with: Vec<&Row> = rows.iter().filter(|row| row.id().starts_with(&wanted)).collect();
    let list = |rows: &[&Row]| {
        let some = rows.iter().take(MAX_TOLD).map(|row| format!("`{}` {}", row.id(), row.cell("code")));
        some.collect::<Vec<_>>().join(", ")
    };
    match with.as_slice() {
        [] => {}
        _ if wanted.len() < LEAST => return Err(format!("expected at least {LEAST} letters of the id")),
        [row] => return Ok(row),
        several => {
            return Err(format!(
                "{} begin so (name more of it): {}",
                counted(several.len() as u64, "finding"),
                list(several)
            ));
        }
    }
    let of_code: Vec<&Row> = rows.iter().filter(|row| row.cell("code") == id).collect();
    if !of_code.is_empty() {
        return Err(format!("it is a code, and `--from` goes with the id of a finding: {}", list(&of_code)));
    }
    let far = wanted.len() / 3;
    let near = rows
        .iter()
        .map(|row| {
            // Of a whole id a letter is wrong; of its beginning, the beginning is compared.
            let begin = row.id().get(..wanted.len()).unwrap_or_else(|| row.id());
            (strsim::damerau_levenshtein(begin, &wanted), row)
        })
        .filter(|(distance, _)| *distance <= far && wanted.len() <= 32)
        .min_by_key(|(distance, _)| *distance);
    let among = counted(rows.len() as u64, "finding");
    Err(match near {
        Some((_, row)) => format!("no such id among {among} (did you mean `{}`?)", row.id()),
        None => format!("no such id among {among} (ids stand in the column `finding_id`)"),
    })
}

/// Rows that are named where several would do.
const MAX_TOLD: usize = 5;

/// What a row of this status asks for.
fn remedy(row: &Row) -> String {
    let code = row.cell("code");
    let claim = match row.cell("claim") {
        "" => String::from("declare it in a claim"),
        claim => format!("say so in claim {claim}"),
    };
    // What is wrong whatever was declared is not put right by a declaration.
    let declarable =
        !row.cell("claim").is_empty() || code.starts_with("undeclared-") || code.starts_with("inbound-");
    let declare = if declarable {
        format!("; or, if it is meant to do this, {claim} of the profile")
    } else {
        String::new()
    };
    match (row.status, row.cell("waiver")) {
        (_, waiver) if !waiver.is_empty() => {
            format!("It is accepted by the waiver {waiver} until that expires; have it put right before.")
        }
        _ if !checks::is_waivable(code) => String::from("It is not about the device; see below."),
        (Status::Violation, _) => format!(
            "Have the device put right{declare}. To accept it for a time, waive it: \
             `wireclaim check ... --write-waivers FILE` drafts the waiver."
        ),
        (Status::Obstructed, _) => String::from(
            "The device is entitled to it: look for what stops it, a firewall, a proxy or the peer. To accept it for a time, waive \
             it: `wireclaim check ... --write-waivers FILE` drafts the waiver.",
        ),
        (Status::Drift, _) => {
            format!("Nothing is worse than declared: bring the profile up to date ({claim}).")
        }
        (Status::Inconclusive, _) => String::from(
            "This capture cannot say: record again, from the moment the device is switched on, whole frames, both directions.",
        ),
        (Status::Unbound, _) => {
            String::from("Bind what the profile leaves open, with `--set` or `--variant`.")
        }
        (Status::Conforms | Status::NotExercised | Status::Unobservable, _) => String::from("Nothing."),
    }
}

/// What, who, where, when: heads and texts.
fn particulars(row: &Row, code: Option<&Code>) -> Vec<(&'static str, String)> {
    let severity = row.severity.map(|severity| format!("{severity}, ")).unwrap_or_default();
    let title = code.map(|code| format!(" ({})", code.title)).unwrap_or_default();
    let (profile, variant, claim) = (row.cell("profile"), row.cell("variant"), row.cell("claim"));
    let variant = if variant.is_empty() { String::new() } else { format!(" ({variant})") };
    let claim = match (profile, claim) {
        ("", _) => String::new(),
        (_, "") => format!("{profile}{variant}: no claim of it declares this"),
        (_, claim) => format!("{profile}{variant}, claim {claim}"),
    };
    vec![
        ("what", format!("{severity}{}, {}{title}", row.status, row.confidence)),
        ("who", with_aside(row.cell("device"), &[row.cell("device_ip"), row.cell("device_mac")])),
        ("where", place(row)),
        ("expected", row.cell("expected").to_owned()),
        ("observed", row.cell("observed").to_owned()),
        ("decided", claim),
        ("source", row.cell("reference").to_owned()),
        ("when", when(row)),
        ("evidence", evidence(row)),
        ("waived", row.cell("waiver").to_owned()),
    ]
}

/// `out, 443/tcp, tls, telemetry.example.net (203.0.113.60, named by sni)`.
fn place(row: &Row) -> String {
    let way = match row.cell("direction") {
        "out" => "outbound",
        "in" => "inbound, to a port of the device",
        "local" => "within the local network",
        other => other,
    };
    let port = match (row.cell("port"), row.cell("transport")) {
        ("", transport) => transport.to_owned(),
        (port, transport) => format!("{port}/{transport}"),
    };
    let source = match row.cell("name_source") {
        "" | "none" => String::new(),
        source => format!("named by {source}"),
    };
    let peer = match row.cell("peer_name") {
        "" => row.cell("peer_ip").to_owned(),
        name => with_aside(name, &[row.cell("peer_ip"), &source]),
    };
    let parts = [peer, port, row.cell("service").to_owned(), way.to_owned()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// `name (a, b)`, without what is empty or says the name again.
fn with_aside(name: &str, asides: &[&str]) -> String {
    let asides: Vec<&str> = asides.iter().copied().filter(|text| !text.is_empty() && *text != name).collect();
    match (name, asides.is_empty()) {
        (_, true) => name.to_owned(),
        ("", _) => asides.join(", "),
        _ => format!("{name} ({})", asides.join(", ")),
    }
}

fn when(row: &Row) -> String {
    let (first, last) = (row.cell("first_seen"), row.cell("last_seen"));
    let times = match row.count {
        0 => return String::from("never seen"),
        1 => String::from("once"),
        count => format!("{count} times"),
    };
    if first == last || last.is_empty() {
        format!("{times}, {first}")
    } else {
        format!("{times}, {first} to {last}")
    }
}

/// The frames, and how Wireshark shows them.
fn evidence(row: &Row) -> String {
    let Some(places) = row.frames().filter(|places| !places.is_empty()) else {
        return row.cell("evidence").to_owned();
    };
    let of = |(capture, numbers): (&str, Vec<u64>)| {
        let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
        format!("{capture}, in Wireshark `frame.number in {{{}}}`", numbers.join(", "))
    };
    places.into_iter().map(of).collect::<Vec<_>>().join("; ")
}

/// What stands under a heading of a page.
fn section<'p>(page: &'p str, heading: &str) -> Option<&'p str> {
    page.split("## ").find_map(|part| part.strip_prefix(heading)?.strip_prefix('\n')).map(str::trim)
}

/// How far what was typed is from a name; nobody mistypes more than this, and the comparison is quadratic in length.
fn distance(known: &str, typed: &str) -> usize {
    let typed: String = typed.chars().take(80).collect::<String>().to_lowercase();
    strsim::damerau_levenshtein(&known.to_lowercase(), &typed)
}
