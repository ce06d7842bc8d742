//! A call that cannot keep up is ended, on every leg, and no other call is harmed.

use baton_engine::call::Input;
use baton_engine::key::CallKey;
use baton_engine::media::MediaEvent;
use baton_engine::shell::actors::Deliver;

use crate::stage::{Stage, run};

#[test]
fn a_call_whose_mailbox_overflows_is_ended_on_every_leg_and_another_goes_on() {
    run(async {
        let stage = Stage::new().await;
        let flooded = stage.talk("flooded").await;
        let other = stage.talk("other").await;
        stage.calls(2).await;
        // Calls are numbered from 1 on their shard. All of this is in the shard's mailbox before its thread looks twice.
        for _ in 0..1000 {
            let _ = stage.node.shards()[0]
                .try_send(Deliver(CallKey::new(0, 1), Input::Media(MediaEvent::TailEnded)));
        }
        let (bye, _) = flooded.caller.hear("BYE").await;
        assert!(bye.header("Reason").unwrap().contains("overload"), "{bye:?}");
        let (bye, _) = stage.ai.hear("BYE").await;
        assert_eq!(bye.header("Call-ID"), flooded.invite.header("Call-ID"));
        stage.calls(1).await;

        other.caller.send(stage.sip(), &other.caller.in_dialog(&other.answer, "OPTIONS", 2)).await;
        other.caller.hear("SIP/2.0 200").await;
    });
}
