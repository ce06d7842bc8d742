//! The command line as a person meets it: what goes wrong is told in plain sentences, with a code that scripts can
//! read, and never with a backtrace. It leaves out calls.
#![cfg(feature = "runtime")]

use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{name}"));
        std::fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }

    fn file(&self, text: &str) -> PathBuf {
        let path = self.0.join("baton.toml");
        std::fs::write(&path, text).expect("a file can be written");
        path
    }
}

fn baton(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_baton"))
        .args(arguments)
        .env_remove("RUST_LOG")
        .env("RUST_BACKTRACE", "1")
        .output()
        .expect("the program runs");
    let told = told(&output);
    assert!(!told.contains("panicked") && !told.contains("backtrace"), "{told}");
    output
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// One line that begins with the program's name and holds all of `words`.
fn assert_one_sentence(output: &Output, code: i32, words: &[&str]) {
    let errors = String::from_utf8_lossy(&output.stderr);
    let sentences: Vec<&str> = errors.lines().filter(|line| line.starts_with("baton: ")).collect();
    assert_eq!((sentences.len(), output.status.code()), (1, Some(code)), "{errors}");
    assert!(words.iter().all(|word| sentences[0].contains(word)), "{errors}");
}

/// The embedded settings on other ports.
fn on_ports(sip: u16, http: u16) -> String {
    include_str!("../assets/baton.toml")
        .replace("udp://127.0.0.1:5060", &format!("udp://127.0.0.1:{sip}"))
        .replace("127.0.0.1:8080", &format!("127.0.0.1:{http}"))
}

#[test]
fn an_unknown_command_is_named_and_help_is_pointed_to() {
    assert_one_sentence(&baton(&["transfer"]), 2, &["transfer", "--help"]);
    assert_one_sentence(&baton(&["serve", "--confg", "x"]), 2, &["--confg", "--help"]);
    assert_one_sentence(&baton(&[]), 2, &["--help"]);
}

#[test]
fn help_lists_every_command_and_succeeds() {
    let help = baton(&["--help"]);
    assert!(help.status.success());
    assert!(
        ["serve", "check", "demo"].iter().all(|command| told(&help).contains(command)),
        "{}",
        told(&help)
    );
}

#[test]
fn a_missing_settings_file_is_named() {
    assert_one_sentence(&baton(&["serve", "--config", "nowhere.toml"]), 1, &["nowhere.toml", "No such file"]);
    let check = baton(&["check", "nowhere.toml"]);
    assert_eq!(check.status.code(), Some(1));
    assert!(told(&check).contains("nowhere.toml"), "{}", told(&check));
}

#[test]
fn a_port_in_use_is_named_for_sip_and_for_http() {
    let folder = Folder::new("ports");
    let (taken_udp, taken_tcp) =
        (UdpSocket::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let (udp, tcp) = (taken_udp.local_addr().unwrap().port(), taken_tcp.local_addr().unwrap().port());
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let serve = |text: &str| baton(&["serve", "--config", folder.file(text).to_str().unwrap()]);
    assert_one_sentence(&serve(&on_ports(udp, free)), 1, &[&format!("127.0.0.1:{udp}"), "in use"]);
    assert_one_sentence(&serve(&on_ports(free, tcp)), 1, &[&format!("127.0.0.1:{tcp}"), "in use"]);
}

#[test]
fn check_tells_every_fault_at_once_with_its_line_and_field() {
    let folder = Folder::new("faults");
    let file =
        folder.file("[sip]\nlisten = [\"sctp://127.0.0.1:5060\"]\n[media]\nports = \"9-1\"\n[flow]\nx = 1\n");
    let check = baton(&["check", file.to_str().unwrap()]);
    let text = told(&check);
    assert_eq!(check.status.code(), Some(1), "{text}");
    for fault in ["baton.toml:2: sip.listen", "baton.toml:4: media.ports", "baton.toml:5: flow"] {
        assert!(text.contains(fault), "{fault} is not in:\n{text}");
    }
}

#[test]
fn serve_refuses_what_check_refuses_and_check_takes_the_embedded_settings() {
    let folder = Folder::new("same");
    let wrong = folder.file("[http]\nlisten = \"nowhere\"\n");
    let serve = baton(&["serve", "--config", wrong.to_str().unwrap()]);
    assert_eq!(serve.status.code(), Some(1));
    assert!(told(&serve).contains("http.listen"), "{}", told(&serve));
    let good = folder.file(include_str!("../assets/baton.toml"));
    let check = baton(&["check", good.to_str().unwrap()]);
    assert!(check.status.success(), "{}", told(&check));
}

#[test]
fn a_sound_that_cannot_be_played_is_a_fault_of_its_field() {
    let folder = Folder::new("sound");
    let wav = folder.0.join("music.wav");
    std::fs::write(&wav, b"ID3, and no RIFF").unwrap();
    let embedded = include_str!("../assets/baton.toml");
    let text = embedded.replace("hold_audio   = \"builtin\"", &format!("hold_audio = \"{}\"", wav.display()));
    assert_ne!(text, embedded, "the embedded settings name their hold audio");
    let file = folder.file(&text);
    for command in [vec!["check", file.to_str().unwrap()], vec!["serve", "--config", file.to_str().unwrap()]]
    {
        let output = baton(&command);
        assert_eq!(output.status.code(), Some(1), "{}", told(&output));
        for part in ["queues[0].hold_audio", "music.wav", "no WAV file"] {
            assert!(told(&output).contains(part), "{part} is not in: {}", told(&output));
        }
    }
}

#[test]
fn a_demo_that_cannot_write_says_where() {
    let demo = baton(&["demo", "--out", "/proc/baton-demo"]);
    assert_one_sentence(&demo, 1, &["/proc/baton-demo"]);
}
