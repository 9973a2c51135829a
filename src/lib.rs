//! Checks a network capture against what a device is declared to do. This page is the architecture.
//!
//! ```text
//!              main → cli → pipeline
//!                           │
//!   capture   decode   flow   analyzers   naming   profile   checks   learn   report
//!      └────────┴───────┴────────┴──────────┴────────┴────────┴───────┴───────┘
//!                           │
//!                         model
//! ```
//!
//! Data flows one way: bytes → frames → packets → flows → observations → findings → report. No stage calls the next
//! one; [`pipeline`] does.
//!
//! # [`capture`]: bytes to frames
//! Large blocks are read into reused buffers, frames are ranges in them, several captures are merged in time order.
//! **Memory does not depend on the size of the file. A damaged file gives everything before the damage.**
//!
//! # [`decode`]: frames to packets
//! Pure, without state and without allocation, down to the innermost packet of tunnels. **Decoding never fails**: a frame is
//! understood, understood in part (the snap length cut it), or skipped with a reason that is counted. Fragments are put
//! together in one step between decoding and flows, which sees them in the order of the input.
//!
//! # [`flow`]: packets to flows
//! Follows both directions of each 5-tuple, orders bytes, announces gaps. **It knows no protocol, and no timer ever
//! ends a flow**: lifetimes are what users ask about.
//!
//! # [`analyzers`]: bytes to observations
//! One per protocol, chosen by content. **They observe and do not judge, and do not know each other**: a protocol inside
//! another is handed on by the pipeline.
//!
//! # [`naming`]: what addresses are called
//! By whom, and how surely; and which addresses are one host. **There is no DNS look-up of ours.**
//!
//! # [`profile`]: what was declared
//! The file one to one, the validated values, and the binding of variants and parameters; what is wrong with a declaration
//! ([`profile::lint`]), and what a firewall would make of it ([`profile::firewall`]).
//!
//! # [`checks`]: claims against observations
//! Pure functions of one device's [`checks::Subject`]. **They say no more than packets show**: status and confidence tell
//! a violation from an obstruction, a drift, and what this capture cannot say.
//!
//! # [`learn`]: observations to claims
//! The reverse of the checks, and beside them: it asks them what an existing profile allows already, and lets them judge
//! what it has learnt. **What is learnt opens nothing that was not answered, and hides nothing that is weak.**
//!
//! # [`report`]: findings, flows and lints to bytes
//! **Reports only format**, and neutralise what came from the wire.
//!
//! # Invariants of the whole
//! - Same input, same bytes out, for any number of threads: packet time only, ordered registries, sorted output, a
//!   fixed number of shards.
//! - Frames read = analysed + skipped, by reason.
//! - A bug in one analyzer ends the analysis of one flow, not the run, and is reported.
//! - What grows with traffic has a bound, and reaching it is observed.

pub mod analyzers;
pub mod capture;
pub mod checks;
pub mod cli;
pub mod decode;
pub mod error;
mod files;
pub mod flow;
pub mod learn;
pub mod model;
pub mod naming;
pub mod pipeline;
pub mod profile;
pub mod report;
