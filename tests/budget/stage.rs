//! Which stage a source file belongs to.

/// What no stage has called: start and end of the program and of threads.
pub(crate) const REST: &str = "rest";

/// Shared by analyzers: their cost is their callers'.
const SHARED: &[&str] = &["buffer", "lines", "mod", "period"];

/// The stage of the source file at this path; `None` where the cost is that of whoever calls: other crates, and modules of
/// ours that all stages use.
pub(crate) fn of(path: &str) -> Option<&str> {
    let path = path.strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/src/"))?;
    let (module, inner) = path.strip_suffix(".rs")?.split_once('/').unwrap_or((path, ""));
    let part = inner.split('/').next().unwrap_or(inner);
    match module {
        "capture" => Some("read"),
        "checks" => Some("check"),
        "report" => Some("write"),
        "decode" | "flow" | "naming" | "profile" => Some(module),
        "analyzers" => (!SHARED.contains(&part)).then_some(part),
        "pipeline" => Some(match part {
            "shard" | "session" | "layers" | "kept" => "session",
            "judge" | "flows" | "device_flows" | "spread" => "check",
            _ => "shard",
        }),
        "cli" | "main.rs" => Some(REST),
        _ => None,
    }
}

#[test]
fn files_belong_to_their_stage() {
    let of = |path: &str| of(&format!("{}/src/{path}", env!("CARGO_MANIFEST_DIR"))).map(str::to_owned);
    let belongs = |path: &str, stage: &str| assert_eq!(of(path).as_deref(), Some(stage), "{path}");
    belongs("capture/savefile/mod.rs", "read");
    belongs("pipeline/sorted.rs", "shard");
    belongs("pipeline/session.rs", "session");
    belongs("analyzers/ntp.rs", "ntp");
    belongs("analyzers/tls/state.rs", "tls");
    belongs("main.rs", REST);
    assert_eq!(of("analyzers/buffer.rs"), None);
    assert_eq!(of("model/packed.rs"), None);
    assert_eq!(super::stage::of("/rustc/abc/library/core/src/option.rs"), None);
}
