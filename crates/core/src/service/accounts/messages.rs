//! Messages to users: what is written to the outbox when one is requested, and what is delivered.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::Accounts;
use super::message_tokens::binding;
use crate::account::{Account, Login};
use crate::claims::{MessageBinding, MessageClaims, MessageKind};
use crate::id::Subject;
use crate::message::{MessageTopic, RESET_LIFETIME, VERIFICATION_LIFETIME};
use crate::outbox::OutboxEntry;
use crate::secret::{MessageToken, Password};
use crate::service::{Caller, PasswordError, RequestContext, ServiceError};
use crate::store::StoreError;
use crate::time::Timestamp;

/// A message to be delivered now.
#[derive(Debug)]
#[non_exhaustive]
pub struct Message {
    /// What it is about.
    pub topic: MessageTopic,
    /// The address to which it goes.
    pub to: String,
    /// The account as it is now.
    pub account: Account,
    /// The token and its expiry, except for a notice.
    pub token: Option<(MessageToken, Timestamp)>,
}

/// A change of address that is requested by its owner.
#[derive(Clone, Debug)]
pub struct EmailChangeRequest {
    /// The new address as its owner wrote it.
    pub email: String,
    /// The current password.
    pub password: Password,
}

/// The payload of an outbox entry.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Payload {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// What the account must still be like, for a request that was confirmed by the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    binding: Option<MessageBinding>,
}

impl Accounts {
    /// Whether messages can be sent.
    #[must_use]
    pub const fn sends_messages(&self) -> bool {
        self.outbox.is_some()
    }

    /// Requests a message that allows to reset the password of the account with this address. Neither
    /// the work nor the result depends on whether there is one: it is looked up at the delivery.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn request_reset(
        &self,
        context: &RequestContext,
        email: &str,
    ) -> Result<(), StoreError> {
        let Some(login) = Login::of_input(email) else { return Ok(()) };
        let hash = digest::digest(&digest::SHA256, login.as_str().as_bytes());
        let queue = format!("mailbox:{}", URL_SAFE_NO_PAD.encode(hash));
        let payload = Payload { email: Some(email.trim().to_owned()), ..Payload::default() };
        self.append(context, MessageTopic::PasswordReset, queue, &payload).await
    }

    /// Requests a message that allows to verify the address of `account`, unless it is verified.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn request_verification(
        &self,
        context: &RequestContext,
        account: &Account,
    ) -> Result<(), StoreError> {
        if account.email_verified_at.is_some() {
            return Ok(());
        }
        let payload =
            Payload { account_id: Some(account.id.as_str().to_owned()), ..Payload::default() };
        let queue = account.id.as_str().to_owned();
        self.append(context, MessageTopic::EmailVerification, queue, &payload).await
    }

    /// Requests a message to a new address that allows to make it the address of the caller's account,
    /// and a notice to the current one, after a check of the password. Whether the new address is
    /// taken is not revealed. `may_send` is asked after the check of the password.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn request_email_change(
        &self,
        context: &RequestContext,
        caller: &Caller,
        request: EmailChangeRequest,
        may_send: impl AsyncFnOnce(&Account) -> bool,
    ) -> Result<(), PasswordError> {
        let account = self.confirm(context, caller, &request.password).await?;
        if !may_send(&account).await {
            return Ok(());
        }
        let queue = || account.id.as_str().to_owned();
        let payload = |email| Payload {
            account_id: Some(queue()),
            email: Some(email),
            binding: Some(binding(MessageKind::Change, &account)),
        };
        let new = payload(request.email.trim().to_owned());
        self.append(context, MessageTopic::EmailChange, queue(), &new).await?;
        let notice = payload(account.email.clone());
        Ok(self.append(context, MessageTopic::EmailChangeNotice, queue(), &notice).await?)
    }

    async fn append(
        &self,
        context: &RequestContext,
        topic: MessageTopic,
        queue: String,
        payload: &Payload,
    ) -> Result<(), StoreError> {
        let Some(outbox) = &self.outbox else { return Ok(()) };
        let payload = serde_json::to_string(payload).unwrap_or_default();
        let entry = OutboxEntry::new(queue, topic.kind(), payload, context.now, &*self.random);
        context.budget.wait(outbox.append(&entry)).await
    }

    /// The message of an outbox entry, with a new token. `None` if there is nothing to send any more,
    /// or if the entry is not one of a message.
    ///
    /// # Errors
    /// [`ServiceError`]; the delivery is to be retried.
    pub async fn message(
        &self,
        context: &RequestContext,
        entry: &OutboxEntry,
    ) -> Result<Option<Message>, ServiceError> {
        let Some(topic) = MessageTopic::of_kind(&entry.kind) else { return Ok(None) };
        let Ok(payload) = serde_json::from_str::<Payload>(&entry.payload) else { return Ok(None) };
        let found = self.addressee(topic, &payload).await?;
        // An imported account may have no address.
        let is_reachable =
            |account: &Account| account.disabled_at.is_none() && !account.email.is_empty();
        let Some(account) = found.filter(is_reachable) else {
            return Ok(None);
        };
        let is_current = |expected| expected == binding(MessageKind::Change, &account);
        let (kind, lifetime, to) = match (topic, payload.email) {
            (MessageTopic::PasswordReset, _) => {
                (MessageKind::Reset, RESET_LIFETIME, account.email.clone())
            }
            (MessageTopic::EmailVerification, _) if account.email_verified_at.is_none() => {
                (MessageKind::Verify, VERIFICATION_LIFETIME, account.email.clone())
            }
            (MessageTopic::EmailChange, Some(email)) if payload.binding.is_some_and(is_current) => {
                (MessageKind::Change, VERIFICATION_LIFETIME, email)
            }
            (MessageTopic::EmailChangeNotice, Some(to)) => {
                return Ok(Some(Message { topic, to, account, token: None }));
            }
            _ => return Ok(None),
        };
        let exp = context.now.plus(lifetime).floor();
        let claims = MessageClaims {
            iss: context.issuer().clone(),
            sub: account.id.clone(),
            kind,
            binding: binding(kind, &account),
            email: (kind == MessageKind::Change).then(|| to.clone()),
            exp,
        };
        let token = context.message_token(&claims)?;
        Ok(Some(Message { topic, to, account, token: Some((token, exp)) }))
    }

    /// The account that a message is about.
    async fn addressee(
        &self,
        topic: MessageTopic,
        payload: &Payload,
    ) -> Result<Option<Account>, StoreError> {
        match (topic, &payload.account_id, &payload.email) {
            (MessageTopic::PasswordReset, _, Some(email)) => self.by_email(email).await,
            (_, Some(id), _) => match Subject::new(id) {
                Ok(id) => self.store.by_id(&id).await,
                Err(_) => Ok(None),
            },
            _ => Ok(None),
        }
    }
}
