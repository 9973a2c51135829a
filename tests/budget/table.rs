//! The budget as a file, and how counts compare with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

/// A stage may cost so many hundredths more than its budget. Two runs of one program differ by one at most: seeds of
/// hashing, addresses, threads that wait.
const MORE: u64 = 10;
/// And so many instructions, for protocols that the recordings have next to nothing of: there one line more in a probe is
/// a tenth, and nothing to worry about.
const SLACK: u64 = 1_000;

/// Instructions of each stage.
pub(crate) struct Table {
    /// With which compiler and counter.
    pub(crate) tools: String,
    pub(crate) costs: BTreeMap<String, u64>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Instructions of each stage, written by `make budget`: {}", self.tools)?;
        self.costs.iter().try_for_each(|(stage, cost)| writeln!(f, "{stage}\t{cost}"))
    }
}

impl FromStr for Table {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (head, rows) = text.split_once('\n').unwrap_or((text, ""));
        let tools = head.split_once(": ").map_or("", |(_, tools)| tools).to_owned();
        let row = |line: &str| {
            let (stage, cost) = line.split_once('\t')?;
            Some((stage.to_owned(), cost.parse().ok()?))
        };
        let costs =
            rows.lines().map(|line| row(line).ok_or_else(|| format!("not `stage<TAB>count`: {line}")));
        Ok(Self { tools, costs: costs.collect::<Result<_, _>>()? })
    }
}

/// A line for each stage.
pub(crate) fn compare(budget: &BTreeMap<String, u64>, measured: &BTreeMap<String, u64>) -> String {
    let stages: BTreeSet<&String> = budget.keys().chain(measured.keys()).collect();
    stages.into_iter().map(|stage| line(stage, budget.get(stage), measured.get(stage)) + "\n").collect()
}

/// The lines of those stages that are not within the budget. One that the budget does not know has none; one that is
/// not measured any more has one that says nothing.
pub(crate) fn over(budget: &BTreeMap<String, u64>, measured: &BTreeMap<String, u64>) -> Vec<String> {
    let stages: BTreeSet<&String> = budget.keys().chain(measured.keys()).collect();
    let within = |budget: u64, measured: u64| measured <= budget + budget * MORE / 100 + SLACK;
    stages
        .into_iter()
        .map(|stage| (stage, budget.get(stage), measured.get(stage)))
        .filter(|(_, budget, measured)| !matches!((budget, measured), (Some(b), Some(m)) if within(**b, **m)))
        .map(|(stage, budget, measured)| line(stage, budget, measured))
        .collect()
}

fn line(stage: &str, budget: Option<&u64>, measured: Option<&u64>) -> String {
    let number = |count: Option<&u64>| count.map_or_else(|| String::from("none"), u64::to_string);
    let change = budget.zip(measured).map(|(budget, measured)| {
        let change = (*measured as f64 - *budget as f64) / (*budget).max(1) as f64 * 100.0;
        format!(" ({change:+.1} %)")
    });
    format!(
        "{stage:<10} budget {:>10}, measured {:>10}{}",
        number(budget),
        number(measured),
        change.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs<const N: usize>(costs: [(&str, u64); N]) -> BTreeMap<String, u64> {
        costs.map(|(stage, cost)| (stage.to_owned(), cost)).into()
    }

    #[test]
    fn a_stage_that_costs_over_a_tenth_more_is_told() {
        let budget = costs([("dns", 10_000_000), ("tls", 10_000_000), ("amqp", 2_000)]);
        let within = costs([("dns", 11_000_000 + SLACK), ("tls", 1_000_000), ("amqp", 3_200)]);
        assert_eq!(over(&budget, &within), Vec::<String>::new());
        let more = costs([("dns", 11_000_001 + SLACK), ("tls", 20_000_000), ("amqp", 3_201)]);
        assert_eq!(
            over(&budget, &more),
            [
                "amqp       budget       2000, measured       3201 (+60.1 %)",
                "dns        budget   10000000, measured   11001001 (+10.0 %)",
                "tls        budget   10000000, measured   20000000 (+100.0 %)",
            ]
        );
    }

    #[test]
    fn every_stage_has_a_budget_and_every_budget_a_stage() {
        let (some, more) = (costs([("dns", 1)]), costs([("dns", 1), ("quic", 1)]));
        assert_eq!(over(&some, &more), ["quic       budget       none, measured          1"]);
        assert_eq!(over(&more, &some), ["quic       budget          1, measured       none"]);
    }

    #[test]
    fn a_table_is_read_as_it_is_written() {
        let table =
            Table { tools: String::from("rustc 1, valgrind 2"), costs: costs([("dns", 7), ("tls", 9)]) };
        let read: Table = table.to_string().parse().unwrap();
        assert_eq!((read.tools, read.costs), (table.tools, table.costs));
        assert!("# head: x\ndns seven\n".parse::<Table>().is_err());
    }
}
