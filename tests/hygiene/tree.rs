//! The files of the project: what git tracks or would track, else all that is not built.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::source::Source;

/// The root of the project.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace").to_path_buf()
}

/// The paths of all files, from the root.
pub(crate) fn paths() -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .ok()
        .filter(|output| output.status.success());
    match listed {
        Some(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.lines().filter(|path| root().join(path).is_file()).map(Into::into).collect()
        }
        None => walk(&root()),
    }
}

fn walk(root: &Path) -> Vec<String> {
    const BUILT: [&str; 6] = ["target", ".git", ".venv", "node_modules", "__pycache__", "baton-demo"];
    let (mut folders, mut files) = (vec![root.to_path_buf()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the tree can be read") {
            let path = entry.expect("an entry of the tree can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !BUILT.contains(&name.as_str()) {
                folders.push(path);
            } else if path.is_file() {
                let relative = path.strip_prefix(root).expect("found below the root");
                files.push(relative.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    files
}

/// All Rust files.
pub(crate) fn rust_files() -> Vec<Source> {
    let read = |path: String| {
        let text = std::fs::read_to_string(root().join(&path)).expect("a tracked file can be read");
        Source::new(&path, &text)
    };
    paths().into_iter().filter(|path| path.ends_with(".rs")).map(read).collect()
}

/// All files that are text, as they are.
pub(crate) fn text_files() -> Vec<(String, String)> {
    let read = |path: String| Some((path.clone(), std::fs::read_to_string(root().join(path)).ok()?));
    paths().into_iter().filter_map(read).collect()
}

#[test]
fn walking_finds_what_git_finds() {
    let walked = walk(&root());
    for path in paths() {
        assert!(walked.contains(&path) || path.contains("baton-demo"), "{path}");
    }
}
