//! Markdown tables.

use std::fmt::Display;

/// A table that is printed when it is complete, its columns as wide as they need to be.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(heads: &[&str]) -> Self {
        Self { rows: vec![heads.iter().map(ToString::to_string).collect()] }
    }

    pub(crate) fn row(&mut self, cells: &[&dyn Display]) {
        self.rows.push(cells.iter().map(ToString::to_string).collect());
    }

    pub(crate) fn print(&self) {
        let columns = self.rows[0].len();
        let width =
            |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (number, row) in self.rows.iter().enumerate() {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            println!("| {} |", cells.join(" | "));
            if number == 0 {
                let lines: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
                println!("|-{}-|", lines.join("-|-"));
            }
        }
        println!();
    }
}

/// A figure beside what it should be.
pub(crate) fn against(figure: f64, target: f64, at_most: bool) -> String {
    let (sign, met) = if at_most { ("≤", figure <= target) } else { ("≥", figure >= target) };
    let met = if met { "met" } else { "**missed**" };
    format!("{figure:.2} ({sign} {target}, {met})")
}
