//! Address lists that ship with the program, each with the date of its snapshot (`rules/addresses`).

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use ipnet::IpNet;

use super::AddressSet;
use super::problem::near_or_all;

/// Names and texts of the lists.
const LISTS: &[(&str, &str)] = &[
    ("aws-us-east-1", include_str!("../../rules/addresses/aws-us-east-1.txt")),
    ("public-resolvers", include_str!("../../rules/addresses/public-resolvers.txt")),
];

/// The list called `name`.
///
/// # Errors
/// A sentence with the near miss where there is no such list.
pub fn named(name: &str) -> Result<AddressSet, String> {
    static PARSED: LazyLock<Vec<AddressSet>> =
        LazyLock::new(|| LISTS.iter().map(|(name, text)| parse(name, text)).collect());
    PARSED.iter().find(|set| set.name == name).cloned().ok_or_else(|| {
        format!("unknown address list `{name}`{}", near_or_all(name, LISTS.iter().map(|(name, _)| *name)))
    })
}

/// One prefix or address per line, sorted and united; `#` begins a comment, and `# dated: DATE` the date of the snapshot.
/// Names, where a list has them, are for others.
fn parse(name: &str, text: &str) -> AddressSet {
    let dated = text.lines().find_map(|line| line.strip_prefix("# dated: ")).unwrap_or_default().trim();
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let networks: Vec<IpNet> = lines
        .filter_map(|line| line.parse().or_else(|_| line.parse::<IpAddr>().map(IpNet::from)).ok())
        .collect();
    let networks = IpNet::aggregate(&networks);
    AddressSet { name: name.to_owned(), dated: dated.to_owned(), networks: Arc::new(networks) }
}
