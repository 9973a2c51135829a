//! temp
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::panic,
    reason = "a benchmark that cannot run says why and stops"
)]
#[path = "../captures/mod.rs"]
mod captures;
fn main() {
    let folder = std::path::PathBuf::from("target/bench-captures");
    for kind in captures::Kind::ALL {
        let only: Vec<String> = std::env::args().skip(1).collect();
        if only.iter().any(|x| x == kind.name()) {
            let t = std::time::Instant::now();
            println!("{:?} {:?}", kind.made(&folder).unwrap(), t.elapsed());
        }
    }
}
