//! Good files, and every fault a file can have.

use std::time::Duration;

use baton_signaling::endpoint::Transport;

use super::*;
use crate::queue::Exhausted;

const SMALL: &str = r#"
[[peers]]
name = "web"
from = ["192.0.2.0/24"]
[[peers]]
name = "ai"
uris = ["sip:1000@192.0.2.9"]
headers = { "X-Token" = "${TOKEN}", "X-Literal" = "$${x}" }
[[queues]]
name = "people"
peer = "web"
agents = ["sip:ann@192.0.2.1", { uri = "sip:desk@192.0.2.2:5080", calls = 20 }]
[[flows]]
name = "support"
ai = "ai"
queue = "people"
"#;

fn read(text: &str) -> Result<Settings, Vec<Issue>> {
    let env = |name: &str| (name == "TOKEN").then(|| "hunter2".to_owned());
    let sound_fault = |path: &Path| {
        (path != Path::new("there.wav")).then(|| format!("there is no file {}", path.display()))
    };
    let tls_faults = |tls: &Tls| {
        let fault = ("key", "gone.key holds no private key in PEM".to_owned());
        Vec::from_iter((tls.key == Path::new("gone.key")).then_some(fault))
    };
    Settings::read(text, &Surroundings { env: &env, sound_fault: &sound_fault, tls_faults: &tls_faults })
}

/// The faults of SMALL with `from` replaced by `to`, as `field: problem`.
fn faults(from: &str, to: &str) -> Vec<String> {
    assert!(SMALL.contains(from), "{from}");
    faults_of(&SMALL.replacen(from, to, 1))
}

fn faults_of(text: &str) -> Vec<String> {
    let issues = read(text).err().unwrap_or_default();
    issues.into_iter().map(|issue| format!("{}: {}", issue.field, issue.problem)).collect()
}

#[track_caller]
fn assert_fault(from: &str, to: &str, expected: &str) {
    assert_eq!(faults(from, to), [expected]);
}

/// A fault of SMALL with `section` before it.
#[track_caller]
fn assert_section_fault(section: &str, expected: &str) {
    assert_eq!(faults_of(&format!("{section}\n{SMALL}")), [expected]);
}

#[test]
fn the_embedded_file_takes_calls_on_loopback() {
    let settings = Settings::embedded();
    let flow = settings.flow_for("anything").unwrap();
    assert_eq!((flow.name.as_str(), flow.queue.as_deref()), ("support", Some("snapcall_agents")));
    assert_eq!(settings.peer(&flow.ai).unwrap().uris, ["sip:1000@127.0.0.1:5070"]);
    assert_eq!(settings.peer_for("127.9.9.9".parse().unwrap()).unwrap().name, "snapcall");
    assert_eq!(settings.peer_for("192.0.2.1".parse().unwrap()), None);
    assert_eq!(settings.agents, [Agent { uri: "sip:agent@127.0.0.1:5080".to_owned(), calls: 1 }]);
    assert_eq!(settings.for_queues().queues[0].agents, [0]);
}

#[test]
fn the_embedded_file_writes_out_the_defaults() {
    let (embedded, small) = (Settings::embedded(), read(SMALL).unwrap());
    assert_eq!((embedded.sip, embedded.media, embedded.http), (small.sip, small.media, small.http));
    assert_eq!((embedded.timers, embedded.limits), (small.timers, small.limits));
    assert_eq!(embedded.flows[0].handoff, small.flows[0].handoff);
    assert_eq!(embedded.flows[0].context, small.flows[0].context);
    assert_eq!(embedded.peers[0].codecs, small.peers[0].codecs);
    let plain = |queue: &Queue| Queue {
        name: String::new(),
        peer: String::new(),
        agents: Vec::new(),
        ..queue.clone()
    };
    assert_eq!(plain(&embedded.queues[0]), plain(&small.queues[0]));
}

#[test]
fn what_is_written_is_read() {
    let text = r#"
        [sip]
        listen = ["udp://0.0.0.0:5060", "udp://[::1]:5060"]
        advertise = "203.0.113.7"
        [media]
        address = "203.0.113.7"
        ports = "30000-30099"
        rtcp_xr = "always"
        dtx = true
        wideband_reinvite = true
        [http]
        listen = "127.0.0.1:9090"
        [[peers]]
        name = "p"
        from = ["10.0.0.0/8", "2001:db8::/32"]
        uris = ["sip:a@h.example;transport=udp", "sip:[::1]:5070"]
        codecs = ["pcma"]
        repair = "never"
        srtp = "required"
        jitter_ms = { min = 40, max = 120 }
        session_expires = 90
        calls = 5
        calls_per_second = 2
        refer_to = ["sip:*@transfer.example"]
        [[queues]]
        name = "a"
        peer = "p"
        agents = ["sip:x@192.0.2.1"]
        strategy = "ring-in-order"
        ring_seconds = 5
        wait_seconds = 50
        exhausted = "b"
        hold_audio = "there.wav"
        callers = 3
        open = false
        [[queues]]
        name = "b"
        peer = "p"
        agents = ["sip:y@192.0.2.1", "sip:x@192.0.2.1"]
        exhausted = "hang-up"
        [[flows]]
        name = "f"
        match = { user = "1000" }
        ai = "p"
        queue = "a"
        on_ai_failure = "reject"
        answer = "at-once"
        [flows.handoff]
        bye_rules = ["X-Go", "X-Stay : no"]
        invite_handoff = "through-ai"
        [flows.context]
        allow = ["X-A", "Y-*"]
        rename = { "X-B" = "X-C", "X-A" = "X-D" }
        budget = { headers = 3, value_bytes = 64 }
        [timers]
        ai_provisional = 1
        ai_tail_ms = 0
        drain = 0
        [limits]
        calls = 25
    "#;
    let settings = read(text).unwrap();
    assert_eq!(settings.sip.listen.len(), 2);
    assert_eq!((settings.media.ports.pairs(), settings.limits.calls), (50, 25));
    assert!(settings.media.rtcp_xr_always && settings.media.dtx && settings.media.wideband_reinvite);
    let peer = settings.peer("p").unwrap();
    assert_eq!(peer.srtp, Srtp::Required);
    assert_eq!((peer.jitter_ms.min, peer.jitter_ms.max), (40, 120));
    assert_eq!((peer.repair, peer.calls, peer.calls_per_second), (Repair::Never, Some(5), Some(2)));
    assert_eq!(peer.codecs[0].encoding, "PCMA");
    assert_eq!(settings.peer_for("::ffff:10.1.2.3".parse().unwrap()), Some(peer));
    let a = settings.queue("a").unwrap();
    assert_eq!((a.exhausted.clone(), a.callers, a.open), (Exhausted::Queue("b".to_owned()), 3, false));
    assert_eq!(a.hold_audio, Sound::File("there.wav".into()));
    assert_eq!(settings.sounds().len(), 3);
    assert_eq!(
        settings.queue("b").unwrap().agents,
        [AgentIndex(1), AgentIndex(0)],
        "one agent of two queues"
    );
    let flow = settings.flow_for("1000").unwrap();
    assert_eq!((flow.on_ai_failure, flow.answer), (OnAiFailure::Reject, Answer::AtOnce));
    assert_eq!(flow.handoff.bye_rules[1], ("X-Stay".to_owned(), Some("no".to_owned())));
    assert_eq!(flow.context.rename[0], ("X-B".to_owned(), "X-C".to_owned()), "the file's order");
    assert_eq!(settings.flow_for("1001"), None);
    assert_eq!(settings.timers.ai_tail, Duration::ZERO);
}

#[test]
fn secrets_are_expanded_and_never_printed() {
    let settings = read(SMALL).unwrap();
    let headers = &settings.peer("ai").unwrap().headers;
    assert!(headers.contains(&("X-Token".to_owned(), Secret::new("hunter2"))));
    assert!(headers.contains(&("X-Literal".to_owned(), Secret::new("${x}"))));
    assert!(!format!("{settings:?}").contains("hunter2"));
    assert_fault(
        "${TOKEN}",
        "${OTHER}",
        "peers[1].headers.X-Token: the environment variable OTHER is not set",
    );
    assert_fault("${TOKEN}", "${TOKEN", "peers[1].headers.X-Token: `${` without `}`");
}

#[test]
fn all_faults_are_told_at_once_by_line() {
    let text = "[sip]\nlisten = [\"udp://x\"]\nlissen = 1\n[media]\nports = 7\n[[peers]]\nname = \"a\"\n\
        codecs = [\"opus\", \"G729\"]\n[[flows]]\nname = \"f\"\nai = \"b\"\n[extra]\n";
    let issues: Vec<String> = read(text).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        issues,
        [
            "2: sip.listen[0]: must be an IP address and a port, like \"udp://127.0.0.1:5060\"",
            "3: sip.lissen: unknown key; did you mean `listen`?",
            "5: media.ports: must be a string, not an integer",
            "8: peers[0].codecs[1]: must be \"opus\", \"PCMU\" or \"PCMA\"",
            "11: flows[0].ai: there is no peer \"b\"",
            "12: extra: unknown key",
        ]
    );
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    let issues = read("[sip]\nlisten = \n").unwrap_err();
    assert_eq!(issues[0].line, 2, "{issues:?}");
    assert!(read("[sip]\n[sip]\n").is_err());
    assert!(read(&"=\n".repeat(1000)).unwrap_err().len() <= 100);
}

#[test]
fn keys_of_things_to_come_are_refused_by_name() {
    let later = |from: &str, to: &str, field: &str, what: &str| {
        assert_fault(from, to, &format!("{field}: not supported yet: {what}"));
    };
    let queue = "queue = \"people\"\n";
    let direct = "queue = \"people\"\n[flows.handoff]\ninvite_handoff = \"direct\"\n";
    later(queue, direct, "flows[0].handoff.invite_handoff", "\"direct\"; only \"through-ai\"");
}

#[test]
fn what_is_called_over_a_transport_needs_an_address_of_ours_with_it() {
    let needs = "\"sip:1000@192.0.2.9;transport=tcp\" needs an address with tcp:// in sip.listen";
    assert_fault("2.9\"", "2.9;transport=tcp\"", &format!("peers[1].uris[0]: {needs}"));
    let needs = "\"sips:1000@192.0.2.9\" needs an address with tls:// in sip.listen";
    assert_fault("sip:1000", "sips:1000", &format!("peers[1].uris[0]: {needs}"));
    let both = "[sip]\nlisten = [\"udp://127.0.0.1:5060\", \"tcp://127.0.0.1:5060\"]\n";
    let settings = read(&format!("{both}{}", SMALL.replace("2.9\"", "2.9;transport=tcp\""))).unwrap();
    let transports: Vec<_> = settings.sip.listen.iter().map(|listen| listen.transport).collect();
    assert_eq!(transports, [Transport::Udp, Transport::Tcp]);
    let problem = "nobody can be called over WebSocket: its clients must come to us";
    assert_fault("2.9\"", "2.9;transport=ws\"", &format!("peers[1].uris[0]: {problem}"));
    let problem = "names a transport that is not known; use transport=tcp, or none for UDP";
    assert_fault("2.9\"", "2.9;transport=sctp\"", &format!("peers[1].uris[0]: {problem}"));
}

#[test]
fn a_session_interval_is_none_or_what_the_rfc_allows() {
    let peer = |seconds: u32| format!("name = \"web\"\nsession_expires = {seconds}");
    let least = "peers[0].session_expires: must be 0 or at least 90 (RFC 4028 §5)";
    assert_fault("name = \"web\"", &peer(89), least);
    assert_eq!(Settings::embedded().peers[0].session_expires, 1800);
}

#[test]
fn tls_needs_its_files_and_each_fault_of_them_is_told() {
    let listen = "[sip]\nlisten = [\"udp://127.0.0.1:5060\", \"tls://127.0.0.1:5061\"]";
    let needs = "has an address under TLS, which needs `tls = { certificate = …, key = … }`";
    assert_section_fault(listen, &format!("sip.listen: {needs}"));
    assert_section_fault(&listen.replace("tls", "wss"), &format!("sip.listen: {needs}"));
    let web = listen.replace("tls", "ws");
    let transports = read(&format!("{web}\n{SMALL}")).unwrap().sip.listen;
    assert_eq!(transports.iter().map(|it| it.transport.label()).collect::<Vec<_>>(), ["udp", "ws"]);
    let with = |tls: &str| format!("{listen}\ntls = {{ certificate = \"node.pem\"{tls} }}");
    assert_section_fault(&with(""), "sip.tls: `key` is missing");
    assert_section_fault(&with(", key = \"gone.key\""), "sip.tls.key: gone.key holds no private key in PEM");
    let text = with(", key = \"node.key\", ca = \"ca.pem\", client_ca = \"clients.pem\"");
    let settings = read(&format!("{text}\n{SMALL}")).unwrap();
    let tls = settings.sip.tls.unwrap();
    assert_eq!(tls.certificate, Path::new("node.pem"));
    assert_eq!(tls.client_ca.as_deref(), Some(Path::new("clients.pem")));
}

#[test]
fn a_peer_may_be_known_by_names_of_its_certificate() {
    let text = SMALL.replace("name = \"web\"", "name = \"web\"\ntls_names = [\"SIP.Web.example\"]");
    assert_eq!(read(&text).unwrap().peers[0].tls_names, ["sip.web.example"]);
    let problem = "must be a host name, as a certificate has it";
    for bad in ["", "*.web.example", "sip:web.example", "a b"] {
        let to = format!("name = \"web\"\ntls_names = [\"{bad}\"]");
        assert_fault("name = \"web\"", &to, &format!("peers[0].tls_names[0]: {problem}"));
    }
}

#[test]
fn addresses_and_ports_are_checked() {
    assert_section_fault("[sip]\nlisten = []", "sip.listen: must name at least one address");
    assert_section_fault(
        "[sip]\nlisten = [\"udp://0.0.0.0:5060\"]",
        "sip.listen[0]: listens on every address: `advertise` must say which one others are told",
    );
    let twice = "[sip]\nlisten = [\"udp://127.0.0.1:5060\", \"udp://127.0.0.1:5060\"]";
    assert_section_fault(twice, "sip.listen[1]: is there twice");
    assert_section_fault(
        "[media]\naddress = \"0.0.0.0\"",
        "media.address: must be the IP address at which others can reach us; it is told to them",
    );
    let ports = |range: &str, problem: &str| {
        assert_section_fault(&format!("[media]\nports = \"{range}\""), &format!("media.ports: {problem}"));
    };
    ports("20000", "must be a range like \"20000-29999\"");
    ports("20000-70000", "must be a range like \"20000-29999\"");
    ports("1000-1999", "must begin at 1024 or above");
    ports("30000-20001", "ends before it begins");
    let pairs = "must begin with an even port and end with an odd one: RTP and RTCP go in pairs";
    ports("20001-29999", pairs);
    ports("20000-29998", pairs);
    ports("20000-20003", "must hold at least 3 pairs: that is what one call takes");
    ports("5000-5999", "holds port 5060, which sip.listen takes");
    assert_section_fault(
        "[media]\nports = \"20000-20099\"\n[limits]\ncalls = 26",
        "limits.calls: media.ports has 50 pairs; a call takes two or three",
    );
    let few = read(&format!("[media]\nports = \"20000-20099\"\n{SMALL}")).unwrap();
    assert_eq!(few.limits.calls, 16, "without `calls` the ports decide");
}

#[test]
fn numbers_have_bounds() {
    assert_section_fault("[timers]\nmedia = 1", "timers.media: must be from 2 to 3600");
    assert_section_fault("[timers]\nmedia = -1", "timers.media: must be from 2 to 3600");
    assert_section_fault("[timers]\nmedia = 2.5", "timers.media: must be an integer, not a float");
    assert_section_fault("[media]\ncomplexity = 11", "media.complexity: must be from 0 to 10");
    assert_section_fault(
        "[media]\ncomplexity = 2\ncomplexity_min = 3",
        "media.complexity_min: must not be above complexity, which is 2",
    );
    assert_section_fault("[limits]\ncalls = 0", "limits.calls: must be from 1 to 100000");
    assert_section_fault(
        "[timers]\nai_provisional = 11",
        "timers.ai_provisional: must not be longer than `ai_answer`: the answer would be given up first",
    );
    assert_fault(
        "peer = \"web\"",
        "peer = \"web\"\nring_seconds = 200",
        "queues[0].name: `ring_seconds` is longer than `wait_seconds`: no agent would ring to the end",
    );
}

#[test]
fn what_media_is_like_is_checked_and_told_all_at_once_by_line() {
    let text = format!(
        "[media]\nrtcp_xr = \"never\"\ncomplexity = -1\ncomplexity_min = 11\nloudness_dbov = -41\n\
        [timers]\none_way = 0\n{}",
        SMALL
            .replacen(
                "name = \"web\"",
                "name = \"web\"\nsrtp = \"on\"\nrepair = true\ndtmf = \"INFO\"\njitter_ms = { min = 501, maxx = 3 }",
                1
            )
            .replacen(
                "queue = \"people\"\n",
                "queue = \"people\"\n[flows.handoff]\nescape_digit = \"00\"\n",
                1
            )
    );
    let issues: Vec<String> = read(&text).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        issues,
        [
            "2: media.rtcp_xr: must be \"asked\" or \"always\"",
            "3: media.complexity: must be from 0 to 10",
            "4: media.complexity_min: must be from 0 to 10",
            "5: media.loudness_dbov: must be from -40 to -12, or \"off\"",
            "7: timers.one_way: must be from 1 to 60",
            "11: peers[0].srtp: must be \"off\" or \"optional\" or \"required\"",
            "12: peers[0].repair: must be a string, not a boolean",
            "13: peers[0].dtmf: must be \"auto\" or \"rfc4733\" or \"info\" or \"inband\"",
            "14: peers[0].jitter_ms.maxx: unknown key; did you mean `max`?",
            "14: peers[0].jitter_ms.min: must be from 0 to 500",
            "29: flows[0].handoff.escape_digit: must be one of 0-9, * and #",
        ]
    );
    let escape = "[flows.handoff]\nescape_digit = \"0\"\n";
    assert_fault(
        "queue = \"people\"\n",
        escape,
        "flows[0].handoff.escape_digit: leads to the flow's `queue`, and it has none",
    );
}

#[test]
fn names_are_unique_and_what_they_refer_to_exists() {
    assert_fault(
        "\"ai\"\nuris",
        "\"ai\"\nfrom = [\"bad\"]\nuris",
        "peers[1].from[0]: must be an address or a network like \"192.0.2.0/24\"",
    );
    assert_fault("peer = \"web\"", "peer = \"wep\"", "queues[0].peer: there is no peer \"wep\"");
    assert_fault("queue = \"people\"", "queue = \"peeple\"", "flows[0].queue: there is no queue \"peeple\"");
    assert_fault("ai = \"ai\"", "ai = \"web\"", "flows[0].ai: peer \"web\" has no `uris` to call");
    assert_fault("ai = \"ai\"", "", "flows[0]: `ai` is missing");
    assert_fault(
        "\"support\"",
        "\"sup port\"",
        "flows[0].name: may hold letters, digits and -_. and be at most 64 long",
    );
    let twice =
        format!("{SMALL}[[queues]]\nname = \"people\"\npeer = \"web\"\nagents = [\"sip:b@192.0.2.3\"]\n");
    assert_eq!(faults_of(&twice), ["queues[1].name: there are two queues named \"people\""]);
    assert_eq!(faults_of("")[0], "flows: at least one is needed: no call would be taken");
}

#[test]
fn exhausted_queues_never_go_round_in_a_circle() {
    assert_fault(
        "peer = \"web\"",
        "peer = \"web\"\nexhausted = \"people\"",
        "queues[0].exhausted: goes round in a circle: people → people",
    );
    let other =
        "[[queues]]\nname = \"b\"\npeer = \"web\"\nagents = [\"sip:b@192.0.2.3\"]\nexhausted = \"people\"\n";
    let two = SMALL.replacen("peer = \"web\"", "peer = \"web\"\nexhausted = \"b\"", 1) + other;
    assert_eq!(
        faults_of(&two),
        [
            "queues[0].exhausted: goes round in a circle: people → b → people",
            "queues[1].exhausted: goes round in a circle: b → people → b",
        ]
    );
    assert_eq!(
        faults("peer = \"web\"", "peer = \"web\"\nexhausted = \"nobody\""),
        [
            "queues[0].exhausted: must be \"return-to-ai\", \"announce\", \"hang-up\" or a queue; there is no queue \"nobody\""
        ]
    );
}

#[test]
fn what_is_never_reached_is_a_fault() {
    let flow = format!("{SMALL}[[flows]]\nname = \"b\"\nmatch = {{ user = \"1000\" }}\nai = \"ai\"\n");
    assert_eq!(
        faults_of(&flow),
        ["flows[1].match.user: is never reached: flow \"support\" takes these calls"]
    );
    assert_eq!(
        faults("name = \"ai\"", "name = \"ai\"\nfrom = [\"192.0.2.7\"]"),
        ["peers[1].from: 192.0.2.7/32 lies within `from` of peer \"web\", which comes first"]
    );
    assert!(
        faults("name = \"ai\"", "name = \"ai\"\nfrom = [\"0.0.0.0/0\"]").is_empty(),
        "the rest of the world"
    );
    let loose = "peers[0].from[0]: has bits set beyond its prefix of 24";
    assert_fault("192.0.2.0/24", "192.0.2.1/24", loose);
}

#[test]
fn headers_patterns_uris_and_sounds_are_checked() {
    assert_fault(
        "\"X-Token\"",
        "\"X Token\"",
        "peers[1].headers.X Token: is no header name (RFC 3261 §25.1)",
    );
    assert_fault(
        "\"X-Token\"",
        "\"call-id\"",
        "peers[1].headers.call-id: is a header that the SIP stack writes itself",
    );
    assert_fault(
        "${TOKEN}",
        "a\\r\\nb",
        "peers[1].headers.X-Token: holds a line end or another control character",
    );
    let uri = "must be a SIP URI like \"sip:1000@192.0.2.1:5060\"";
    for bad in [
        "1000@192.0.2.9",
        "tel:+1",
        "sip:",
        "sip:a@",
        "sip:a@b c",
        "sip:@h",
        "sip:a@1.2.3",
        "sip:a@h:0",
        "sip:a@[::1",
    ] {
        assert_fault("sip:1000@192.0.2.9", bad, &format!("peers[1].uris[0]: {uri}"));
    }
    assert_fault(
        "ai = \"ai\"",
        "ai = \"ai\"\nmatch = { user = \"*1*\" }",
        "flows[0].match.user: must be a text with at most one `*`",
    );
    assert_fault(
        "peer = \"web\"",
        "peer = \"web\"\nhold_audio = \"gone.wav\"",
        "queues[0].hold_audio: there is no file gone.wav",
    );
    assert_fault(
        "peer = \"web\"",
        "peer = \"web\"\nhold_audio = \"there.mp3\"",
        "queues[0].hold_audio: must be \"builtin\" or a .wav file",
    );
    assert_fault(
        "\"sip:ann@192.0.2.1\"",
        "7",
        "queues[0].agents[0]: must be a string or a table, not an integer",
    );
    assert_fault("calls = 20", "call = 20", "queues[0].agents[1].call: unknown key; did you mean `calls`?");
    assert_fault(
        "sip:ann@192.0.2.1",
        "sip:desk@192.0.2.2:5080",
        "queues[0].agents[1].uri: is in this queue twice",
    );
}

#[test]
fn credentials_are_checked_and_their_password_is_not_shown() {
    let auth = |text: &str| format!("name = \"web\"\nauth = {{ {text} }}");
    assert_fault("name = \"web\"", &auth("username = \"a\""), "peers[0].auth: `password` is missing");
    let control = "peers[0].auth.username: holds a line end or another control character";
    assert_fault("name = \"web\"", &auth("username = \"a\\n\", password = \"b\""), control);
    let good = SMALL.replacen("name = \"web\"", &auth("username = \"a\", password = \"${TOKEN}\""), 1);
    let settings = read(&good).unwrap();
    assert_eq!(settings.peers[0].auth.as_ref().unwrap().password.expose(), "hunter2");
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn challenges_are_checked_and_no_two_peers_share_a_user() {
    let asked = |name: &str, text: &str| format!("name = \"{name}\"\nchallenge = {{ {text} }}");
    let users = "peers[0].challenge.users: must hold 1 to 1000 names, each with its password";
    assert_fault("name = \"web\"", &asked("web", "realm = \"r\""), users);
    let realm = "peers[0].challenge: `realm` is missing";
    assert_fault("name = \"web\"", &asked("web", "users = { a = \"b\" }"), realm);
    let empty = "peers[0].challenge.users.a: must not be empty";
    assert_fault("name = \"web\"", &asked("web", "realm = \"r\", users = { a = \"\" }"), empty);
    let text = SMALL.replacen("name = \"web\"", &asked("web", "realm = \"r\", users = { a = \"b\" }"), 1);
    let twice = text.replacen("name = \"ai\"", &asked("ai", "realm = \"r\", users = { a = \"c\" }"), 1);
    let shared = "peers[1].challenge.users.a: is a user of peer \"web\" in the same realm";
    assert_eq!(faults_of(&twice), [shared]);
    assert_section_fault("[sip]\nunknown = \"404\"", "sip.unknown: must be \"403\" or \"silence\"");
}

#[test]
fn what_context_may_hold_is_checked() {
    let context = |line: &str, expected: &str| {
        let to = format!("queue = \"people\"\n[flows.context]\n{line}\n");
        assert_fault("queue = \"people\"\n", &to, &format!("flows[0].context.{expected}"));
    };
    let own = "must not be a header that the SIP stack or Baton itself writes";
    context("rename = { X-A = \"via\" }", &format!("rename.X-A: {own}"));
    context("rename = { X-A = \"X-Baton-Call-ID\" }", &format!("rename.X-A: {own}"));
    context("rename = { X-A = \"X C\" }", "rename.X-A: is no header name (RFC 3261 §25.1)");
    context("rename = { X-A = \"X-C\", X-B = \"x-c\" }", "rename.X-B: two headers would get this name");
    context("allow = [\"X *\"]", "allow[0]: must be a header name with at most one `*`");
    context("budget = { headers = 65 }", "budget.headers: must be from 1 to 64");
}

#[test]
fn a_report_names_file_line_and_field() {
    let world = Surroundings { env: &|_| None, sound_fault: &|_| None, tls_faults: &|_| Vec::new() };
    let good = report(EMBEDDED, "baton.toml", &world);
    assert_eq!(good.text, "baton.toml: good: 1 flow, 2 peers, 1 queue, 1 agent, up to 1000 calls at once\n");
    assert_eq!(good.faults, 0);
    let bad = report("[http]\nlisten = \"x\"\n", "a/b.toml", &world);
    assert_eq!(
        bad.text,
        "a/b.toml:1: flows: at least one is needed: no call would be taken\n\
        a/b.toml:2: http.listen: must be an IP address and a port, like \"127.0.0.1:8080\"\n\
        a/b.toml: 2 faults\n"
    );
    assert_eq!(bad.faults, 2);
}
