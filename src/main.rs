//! The command line of wireclaim.

fn main() {}
