//! Pages of the documentation whose examples are run.
//!
//! - ` ```console `: each line after `$ ` is run by a shell in the page's folder, and must say what follows it, on both
//!   streams; `…` stands for anything. `$?` is the exit status of the command before.
//! - ` ```yaml NAME ` (or any other language): a file of that name in the folder.
//! - ` ```diff ` that begins with `--- NAME`: what the reader changes in that file; `@@` parts one place from the next.
//! - Anything else is not run.

use std::fs;
use std::path::Path;
use std::process::Command;

/// The text of a page in `docs`.
pub(crate) fn text(name: &str) -> String {
    let path = super::root().join("docs").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The fenced blocks of a page: what stands behind the fence, and the lines.
pub(crate) fn blocks(page: &str) -> Vec<(&str, &str)> {
    let fenced = page.split("\n```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').unwrap_or((block, ""))).collect()
}

/// Runs the examples of a page in their order; how many commands these were.
pub(crate) fn run(page: &str, folder: &Path) -> usize {
    let (mut commands, mut status) = (0, 0);
    for (info, block) in blocks(page) {
        if info == "console" {
            for example in format!("\n{block}").split("\n$ ").skip(1) {
                let (line, expected) = example.split_once('\n').unwrap_or((example, ""));
                let (now, said) = shell(folder, &format!("(exit {status}); {line}"));
                if let Err(missing) = shows(&said, expected) {
                    panic!("`{line}` does not say\n{missing}\nbut\n{said}");
                }
                (commands, status) = (commands + 1, now);
            }
        } else if let Some(change) = block.strip_prefix("--- ").filter(|_| info == "diff") {
            let (name, hunks) = change.split_once('\n').expect("lines follow the name");
            edit(&folder.join(name), hunks);
        } else if let Some((_, name)) = info.split_once(' ') {
            fs::write(folder.join(name), format!("{block}\n")).expect("the folder is writable");
        }
    }
    commands
}

/// Runs a command line in a shell that finds the program: its exit status, and what it says on both streams.
pub(crate) fn shell(folder: &Path, line: &str) -> (i32, String) {
    let program = Path::new(env!("CARGO_BIN_EXE_wireclaim")).parent().expect("it is in a folder");
    let path = std::env::join_paths(
        std::iter::once(program.to_owned())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1; {line}")])
        .current_dir(folder)
        .env("PATH", path.expect("a path"))
        .output()
        .expect("there is a shell");
    (
        output.status.code().expect("it ends of its own accord"),
        String::from_utf8(output.stdout).expect("UTF-8"),
    )
}

/// Whether a page shows what was said; else the part that was not. What is not shown must have its `…`.
pub(crate) fn shows<'a>(said: &str, expected: &'a str) -> Result<(), &'a str> {
    let mut rest = said.trim();
    let parts: Vec<&str> = expected.trim().split('…').map(str::trim).collect();
    for (number, part) in parts.iter().enumerate() {
        let at = rest.find(part).filter(|at| number > 0 || *at == 0 || part.is_empty()).ok_or(*part)?;
        rest = &rest[at + part.len()..];
    }
    let ends = parts.last().is_none_or(|part| part.is_empty()) && parts.len() > 1;
    if ends || rest.trim().is_empty() { Ok(()) } else { Err("(nothing more)") }
}

/// Replaces the lines with `-` by those with `+`, each place being in the file once.
fn edit(path: &Path, hunks: &str) {
    let mut text = fs::read_to_string(path).expect("the file is there");
    for hunk in format!("{hunks}\n").split("@@\n") {
        let side = |other: char| {
            let lines = hunk.lines().filter(|line| !line.starts_with(other));
            let lines: Vec<&str> = lines.map(|line| line.get(1..).unwrap_or_default()).collect();
            lines.join("\n") + "\n"
        };
        let (old, new) = (side('+'), side('-'));
        assert_eq!(text.matches(&old).count(), 1, "{} has this once:\n{old}", path.display());
        text = text.replace(&old, &new);
    }
    fs::write(path, text).expect("the file is writable");
}
