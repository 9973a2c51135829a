//! Checks a network capture against what a device is declared to do.

pub mod analyzers;
pub mod capture;
pub mod decode;
pub mod error;
pub mod flow;
pub mod model;
pub mod profile;
