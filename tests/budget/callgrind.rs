//! Reads what callgrind counted ("Callgrind Format Specification" in valgrind's manual; names and positions not compressed),
//! and shares it out to stages.
//!
//! A line of source is its file's stage's, also where it was inlined into another stage's function. Inlined lines without a
//! stage (of other crates, say) are that of the staged lines before them. A function without a stage is paid for by its
//! callers: by each as large a part as the calls from there cost. So counts move little with what the compiler inlines.

use std::collections::{BTreeMap, HashMap};

use crate::stage::REST;

/// Nearer than this, shares have settled.
const SETTLED: f64 = 1e-7;
/// Calls from one function without a stage to another go at most so deep.
const ROUNDS: usize = 1_000;

/// Instructions of each stage; `stage_of` tells that of a source file.
pub(crate) fn by_stage<'a>(
    text: &'a str,
    stage_of: impl Fn(&'a str) -> Option<&'a str>,
) -> BTreeMap<String, u64> {
    let counts = Counts::read(text, stage_of);
    let shares = counts.shares();
    let mut costs = vec![0.0; counts.stages.len()];
    for (function, shares) in counts.functions.iter().zip(&shares) {
        for (stage, own) in &function.own {
            match stage {
                Some(stage) => costs[*stage] += *own as f64,
                None => costs.iter_mut().zip(shares).for_each(|(cost, share)| *cost += share * *own as f64),
            }
        }
    }
    // A part of an instruction comes from the sharing.
    let costs: Vec<u64> = costs.into_iter().map(|cost| cost.round() as u64).collect();
    let total: u64 = counts.functions.iter().flat_map(|function| function.own.values()).sum();
    assert!(total.abs_diff(costs.iter().sum()) < 1_000, "all that is counted is shared out");
    counts.stages.iter().map(|stage| (*stage).to_owned()).zip(costs).collect()
}

/// The number of a stage.
type Stage = usize;

/// What was counted.
#[derive(Default)]
struct Counts<'a> {
    stages: Vec<&'a str>,
    functions: Vec<Function>,
    numbers: HashMap<&'a str, usize>,
}

/// A function as it was compiled, with what was inlined into it.
#[derive(Default)]
struct Function {
    /// Instructions of its lines, by their stage.
    own: BTreeMap<Option<Stage>, u64>,
    /// Who calls it from lines of which stage, and the instructions until it returned.
    callers: BTreeMap<(usize, Option<Stage>), u64>,
}

impl<'a> Counts<'a> {
    fn read(text: &'a str, stage_of: impl Fn(&'a str) -> Option<&'a str>) -> Self {
        let mut counts = Self { stages: vec![REST], ..Self::default() };
        let (mut file, mut near) = (None, None);
        let (mut function, mut called) = (0, None);
        for line in text.lines() {
            match line.split_once('=') {
                Some(("fl", path)) => file = stage_of(path).map(|stage| counts.stage(stage)),
                Some(("fi" | "fe", path)) => near = stage_of(path).map(|stage| counts.stage(stage)).or(near),
                Some(("fn", name)) => {
                    function = counts.function(name);
                    near = file;
                }
                Some(("cfn", name)) => called = Some(counts.function(name)),
                // The names of objects and files that are called, and how often: `called` says all that matters.
                Some(_) => {}
                None => {
                    let Some(cost) = cost(line) else { continue };
                    let counted = match called.take() {
                        Some(called) => counts.functions[called].callers.entry((function, near)).or_default(),
                        None => counts.functions[function].own.entry(near).or_default(),
                    };
                    *counted += cost;
                }
            }
        }
        counts
    }

    fn stage(&mut self, name: &'a str) -> Stage {
        let known = self.stages.iter().position(|stage| *stage == name);
        known.unwrap_or_else(|| {
            self.stages.push(name);
            self.stages.len() - 1
        })
    }

    fn function(&mut self, name: &'a str) -> usize {
        *self.numbers.entry(name).or_insert_with(|| {
            self.functions.push(Function::default());
            self.functions.len() - 1
        })
    }

    /// For each function, which part of its lines without a stage is which stage's.
    fn shares(&self) -> Vec<Vec<f64>> {
        let mut shares = vec![vec![0.0; self.stages.len()]; self.functions.len()];
        for _ in 0..ROUNDS {
            let mut moved = 0.0_f64;
            for (at, function) in self.functions.iter().enumerate() {
                let new = self.share(at, function, &shares);
                let apart = new.iter().zip(&shares[at]).map(|(new, old): (&f64, &f64)| (new - old).abs());
                moved = apart.fold(moved, f64::max);
                shares[at] = new;
            }
            if moved < SETTLED {
                break;
            }
        }
        // What nobody has called, and what such functions have.
        for share in &mut shares {
            share[0] += 1.0 - share.iter().sum::<f64>();
        }
        shares
    }

    /// A function's share of each stage, as its callers now have theirs.
    fn share(&self, at: usize, function: &Function, shares: &[Vec<f64>]) -> Vec<f64> {
        let mut share = vec![0.0; self.stages.len()];
        let mut all = 0.0;
        for ((caller, stage), cost) in &function.callers {
            if *caller == at {
                continue;
            }
            let cost = *cost as f64;
            all += cost;
            match stage {
                Some(stage) => share[*stage] += cost,
                None => share.iter_mut().zip(&shares[*caller]).for_each(|(to, from)| *to += from * cost),
            }
        }
        if all > 0.0 {
            share.iter_mut().for_each(|part| *part /= all);
        }
        share
    }
}

/// The instructions in a line of `line-number count`.
fn cost(line: &str) -> Option<u64> {
    let (at, cost) = line.split_once(' ')?;
    at.parse::<u64>().ok()?;
    cost.trim().parse().ok()
}

#[test]
fn what_is_called_is_paid_for_by_who_calls() {
    let text = "\
positions: line
events: Ir

fl=start.c
fn=main
1 5
cfi=read.rs
cfn=read
calls=1 1
2 141
cfi=check.rs
cfn=check
calls=1 1
3 60

fl=read.rs
fn=read
1 10
fi=check.rs
7 1
fi=start.c
8 10
fe=read.rs
cfi=libc.c
cfn=copy
calls=3 1
9 120

fl=check.rs
fn=check
1 20
cfi=libc.c
cfn=copy
calls=1 1
2 40

fl=libc.c
fn=copy
1 60
cfn=move
calls=4 5
2 100
fn=move
5 100

totals: 206
";
    let stage = |path: &'static str| path.strip_suffix(".rs");
    let costs = by_stage(text, stage);
    // Three quarters of copying are for `read`; of the lines inlined there, those of `check` and what follows them are not.
    let expected = [("check", 20 + 1 + 10 + 40), ("read", 10 + 120), (REST, 5)];
    assert_eq!(costs, expected.map(|(stage, cost)| (stage.to_owned(), cost)).into());
}
