//! Sends a callback.

use std::time::Duration;

use outhaul_delivery::callback::{Call, Refusal, UNREACHABLE};
use outhaul_exports::notice::{Message, RequestBody};
use outhaul_exports::spec::CallbackMethod;

use super::{Failed, Notifier};

impl Notifier {
    pub(super) async fn callback(
        &self,
        message: &Message,
        method: CallbackMethod,
        url: &str,
        body: Option<&RequestBody>,
    ) -> Result<(), Failed> {
        let Some(caller) = &self.caller else {
            let internal = "callbacks.enabled is false";
            return Err(Failed::passing("this server sends no callbacks at present", internal));
        };
        self.told(message).await?;
        let Some(visit) = self.receivers.visit(&message.kind.place()) else {
            let internal = "its host does not answer others, or slowly; it is put off";
            return Err(Failed::passing(UNREACHABLE, internal));
        };
        let call = Call {
            id: message.id,
            tenant: message.tenant.clone(),
            sent_at: self.clock.now(),
            method,
            url: url.to_owned(),
            body: body.cloned(),
        };
        let called = caller.call(&call).await;
        // Any answer at all is one.
        visit.end(called.as_ref().err().is_none_or(|refusal| refusal.public != UNREACHABLE));
        Ok(called?)
    }
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        let Refusal { is_final, public, internal, wait } = refusal;
        let wait = wait.unwrap_or(Duration::ZERO);
        Self { is_final, wait, ..Self::passing(&public, &internal) }
    }
}
