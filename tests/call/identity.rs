//! Who the caller is said to be, to whom that is told, and what one side must not learn of the other.

use baton_tests::phone::Do;
use baton_tests::world::{AI, ANN, CALLER, SECOND, World, WorldBuilder};

const SAID: &str = "P-Asserted-Identity: \"Ann\" <sip:+4420@carrier.example>\r\n\
                    P-Preferred-Identity: <sip:x@y.example>\r\n";

/// A call with these header lines in a world where these peers are trusted; the AI's INVITE.
fn invite(seed: u64, trusted: &[&str], headers: &str) -> (World, String) {
    let mut builder = WorldBuilder::new(seed);
    // An allow-list must not open what trust has closed.
    builder.flow().context.allow = vec!["*".into()];
    for (name, peer) in &mut builder.calls.peers {
        peer.trusted = trusted.contains(&name.as_str());
    }
    let mut world = builder.build();
    world.call_from(CALLER, "1000", headers);
    world.run(2 * SECOND);
    world.assert_talk(CALLER, AI);
    let invite = world.line(AI).invite().0.clone();
    (world, invite)
}

#[test]
fn an_asserted_identity_passes_between_trusted_peers_and_to_nobody_else() {
    for (seed, trusted, told) in [
        (301, &["snapcall", "polyai"][..], true),
        (302, &["snapcall"], false),
        (303, &["polyai"], false),
        (304, &[], false),
    ] {
        let (mut world, invite) = invite(seed, trusted, SAID);
        assert_eq!(
            invite.contains("P-Asserted-Identity: \"Ann\" <sip:+4420@carrier.example>\r\n"),
            told,
            "{invite}"
        );
        assert!(!invite.contains("P-Preferred-Identity") && told == invite.contains("+4420"), "{invite}");
        assert!(invite.contains("From: \"caller\" <sip:caller@"), "{invite}");
        world.act(CALLER, Do::HangUp(String::new()));
        world.finish();
    }
}

#[test]
fn a_caller_who_wants_to_be_private_is_anonymous_to_all_but_trusted_peers() {
    for (seed, trusted, hidden) in [(305, &["snapcall", "polyai"][..], false), (306, &["snapcall"], true)] {
        let (mut world, invite) = invite(seed, trusted, &format!("{SAID}Privacy: id\r\n"));
        assert_eq!(
            invite.contains("From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag="),
            hidden,
            "{invite}"
        );
        assert_eq!(invite.contains("Privacy: id\r\n"), !hidden, "a wish to be obeyed further on");
        assert_eq!(invite.contains("+4420"), !hidden, "{invite}");
        world.hand_over("snapcall_agents", "");
        world.run(3 * SECOND);
        world.assert_talk(CALLER, ANN);
        let person = &world.line(ANN).invite().0;
        assert!(person.contains("P-Asserted-Identity") && person.contains("Privacy: id"), "{person}");
        world.act(CALLER, Do::HangUp(String::new()));
        world.finish();
    }
}

#[test]
fn neither_side_learns_where_the_other_is_or_how_its_dialog_is_called() {
    let (mut world, _) = invite(307, &[], "");
    world.hand_over("snapcall_agents", "");
    world.run(3 * SECOND);
    world.assert_talk(CALLER, ANN);
    world.act(CALLER, Do::HangUp(String::new()));
    world.run(SECOND);
    let sides = [CALLER, AI, ANN];
    for one in sides {
        for other in sides.into_iter().filter(|other| *other != one) {
            let address = world.phone(other).sip.ip().to_string();
            let dialog = world.line(other).invite();
            let secrets =
                [address, dialog.call_id().to_owned(), dialog.tag("From").unwrap_or("?").to_owned()];
            for said in world.line(one).said.iter().filter(|said| !said.sent) {
                // The caller's user part and what it is called are carried; where it is, is not.
                let found = secrets.iter().find(|secret| said.text.0.contains(secret.as_str()));
                assert_eq!(found, None, "{one:?} was told of {other:?}:\n{}", said.text.0);
            }
        }
    }
    world.finish();
}
