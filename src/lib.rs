//! Checks a network capture against what a device is declared to do.

pub mod analyzers;
pub mod capture;
pub mod checks;
pub mod cli;
pub mod decode;
pub mod error;
pub mod flow;
pub mod model;
pub mod naming;
pub mod pipeline;
pub mod profile;
pub mod report;
