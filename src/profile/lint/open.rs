//! What a site has to bind before everything is judged, and what nothing refers to.

use super::super::{Claim, Condition, Parameter, ParameterKind};
use super::{Code, Family, Lint, Severity, Subject};

pub(super) static FAMILY: Family = Family { codes: &[&PARAMETER, &VARIANT, &UNUSED], find };

static PARAMETER: Code = Code {
    id: "parameter-left-open",
    title: "A parameter has no default: what depends on it waits for the site",
    severity: Severity::Info,
    since: "0.1",
    page: include_str!("pages/parameter-left-open.md"),
};

static VARIANT: Code = Code {
    id: "variant-left-open",
    title: "A choice has no default: what depends on it waits for the site",
    severity: Severity::Info,
    since: "0.1",
    page: include_str!("pages/variant-left-open.md"),
};

static UNUSED: Code = Code {
    id: "unused",
    title: "No claim refers to a variant group or a parameter",
    severity: Severity::Warning,
    since: "0.1",
    page: include_str!("pages/unused.md"),
};

fn find(subject: &Subject<'_>, lints: &mut Vec<Lint>) {
    for parameter in &subject.profile.parameters {
        let filled = filled_by(subject, &parameter.name);
        let depending = depending_on(subject, &parameter.name);
        let path = ["parameters", parameter.name.as_str()];
        if filled.is_empty() && depending.is_empty() {
            lints.push(unused(subject, "parameter", &path));
        } else if parameter.default.is_none() {
            lints.push(left_open(subject, parameter, &filled, &depending));
        }
    }
    for group in &subject.profile.variants {
        let depending = depending_on(subject, &group.name);
        let path = ["variants", group.name.as_str()];
        if depending.is_empty() {
            lints.push(unused(subject, "variant group", &path));
        } else if group.default.is_none() {
            let message = format!("`{}` has no default{}", group.name, explained(&group.help));
            let remedy = format!("bind it: --variant {}", group.options.join(" or "));
            lints.push(subject.at(&VARIANT, &path, message, &remedy).with_claims(depending));
        }
    }
}

/// Claims with a place that the parameter fills.
fn filled_by<'p>(subject: &Subject<'p>, name: &str) -> Vec<&'p Claim> {
    let profile = subject.profile;
    let slots = profile.slots.iter().filter(|slot| slot.parameter == name);
    let mut indices: Vec<usize> = slots.map(|slot| slot.claim).collect();
    indices.dedup();
    indices.into_iter().filter_map(|index| profile.claims.get(index)).collect()
}

/// Claims whose `when` names it.
fn depending_on<'p>(subject: &Subject<'p>, name: &str) -> Vec<&'p Claim> {
    let named = |condition: &Condition| match condition {
        Condition::Variant { group, .. } => group == name,
        Condition::Flag { parameter, .. } | Condition::Version { parameter, .. } => parameter == name,
    };
    subject.profile.claims.iter().filter(|claim| claim.when.iter().any(named)).collect()
}

fn left_open(subject: &Subject<'_>, parameter: &Parameter, filled: &[&Claim], depending: &[&Claim]) -> Lint {
    let name = &parameter.name;
    let help = explained(&parameter.help);
    let needs_false = |claim: &&Claim| {
        claim
            .when
            .iter()
            .any(|when| matches!(when, Condition::Flag { parameter, is: false } if parameter == name))
    };
    let message = match parameter.kind {
        _ if !filled.is_empty() => format!("nothing is judged by `{name}` until it is set{help}"),
        ParameterKind::Flag if !depending.iter().any(needs_false) => {
            format!("`{name}` is taken as `true` until it is set{help}")
        }
        _ => format!("`{name}` has no default{help}"),
    };
    let value = match parameter.kind {
        ParameterKind::Flag => "true or false",
        ParameterKind::Ports => "PORTS",
        ParameterKind::Peers => "NAMES-OR-ADDRESSES",
        ParameterKind::Version => "VERSION",
    };
    let remedy = format!("set it: --set {name}={value}");
    let claims = filled.iter().chain(depending).copied();
    subject.at(&PARAMETER, &["parameters", name], message, &remedy).with_claims(claims)
}

fn unused(subject: &Subject<'_>, what: &str, path: &[&str; 2]) -> Lint {
    let message = format!("no claim refers to the {what} `{}`", path[1]);
    let remedy = "refer to it in `when` or in a rule, or take it away";
    subject.at(&UNUSED, path, message, remedy)
}

fn explained(help: &str) -> String {
    if help.is_empty() { String::new() } else { format!(": {help}") }
}
