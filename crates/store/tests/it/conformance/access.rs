//! Credentials, access tokens, links.

use outhaul_exports::access::{AccessToken, Credential, CredentialKind, Link, SecretHash};
use outhaul_exports::principal::Role;
use outhaul_exports::{ArtifactId, ErrorKind};

use crate::samples::*;

cases! {
    credentials_are_found_by_audience_kind_and_public_half,
    credentials_are_listed_by_tenant,
    only_live_credentials_are_revoked,
    a_replaced_secret_is_the_only_one,
    tokens_are_found_until_they_are_purged,
    links_are_limited_exactly,
    links_belong_to_their_tenant_and_file,
    a_link_that_ended_stays_ended,
    what_ended_is_forgotten,
}

fn credential(public: &str, tenant: &str) -> Credential {
    Credential {
        public: public.to_owned(),
        kind: CredentialKind::KeyPair,
        audience: "wide".to_owned(),
        tenant: outhaul_exports::principal::TenantId::from(tenant),
        label: "the nightly job".to_owned(),
        role: Role::Exporter,
        secret: SecretHash::of("a secret"),
        created_at: at(0),
        expires_at: None,
        revoked_at: None,
    }
}

fn link(tenant: &str, artifact: ArtifactId, hash: &str, from: i64, until: i64) -> Link {
    Link {
        hash: hash.to_owned(),
        tenant: outhaul_exports::principal::TenantId::from(tenant),
        artifact,
        created_at: at(from),
        expires_at: at(until),
        revoked_at: None,
    }
}

async fn credentials_are_found_by_audience_kind_and_public_half(
    stores: Stores,
) -> anyhow::Result<()> {
    let access = &stores.access;
    let kinds = [
        CredentialKind::ApiKey,
        CredentialKind::ClientSecret,
        CredentialKind::KeyPair,
        CredentialKind::Password,
    ];
    for kind in kinds {
        for role in [Role::Reader, Role::Exporter, Role::Admin] {
            let (audience, expires_at) = (format!("{role:?}"), Some(at(9)));
            let added = Credential { kind, role, audience, expires_at, ..credential("p", "acme") };
            access.add_credential(&added).await?;
            let found = access.credential(&added.audience, kind, "p").await?;
            assert_eq!(found, Some(added.clone()));
            assert!(found.is_some_and(|found| found.secret.matches("a secret")));
            let taken = access.add_credential(&credential_like(&added, "globex")).await;
            assert_eq!(taken.expect_err("it is taken").kind(), &ErrorKind::Conflict);
            assert_eq!(access.credential(&added.audience, kind, "p").await?, Some(added));
        }
    }
    assert_eq!(access.credential("Reader", CredentialKind::ApiKey, "P").await?, None);
    assert_eq!(access.credential("native", CredentialKind::ApiKey, "p").await?, None);
    Ok(())
}

fn credential_like(other: &Credential, tenant: &str) -> Credential {
    Credential {
        tenant: outhaul_exports::principal::TenantId::from(tenant),
        secret: SecretHash::Argon2id("$argon2id$...".to_owned()),
        ..other.clone()
    }
}

async fn credentials_are_listed_by_tenant(stores: Stores) -> anyhow::Result<()> {
    for (public, tenant, created) in [("c", "acme", 2), ("a", "acme", 1), ("b", "globex", 3)] {
        let created_at = at(created);
        let added = Credential { created_at, ..credential(public, tenant) };
        stores.access.add_credential(&added).await?;
    }
    let names = |found: Vec<Credential>| found.into_iter().map(|c| c.public).collect::<String>();
    assert_eq!(names(stores.access.credentials(None).await?), "acb");
    assert_eq!(names(stores.access.credentials(Some(&tenant("acme"))).await?), "ac");
    assert_eq!(names(stores.access.credentials(Some(&tenant("other"))).await?), "");
    Ok(())
}

async fn only_live_credentials_are_revoked(stores: Stores) -> anyhow::Result<()> {
    let access = &stores.access;
    for (audience, end) in [("wide", None), ("native", Some(at(9))), ("narrow", Some(at(5)))] {
        let (audience, expires_at) = (audience.to_owned(), end);
        access
            .add_credential(&Credential { audience, expires_at, ..credential("p", "acme") })
            .await?;
    }
    access.add_credential(&credential("other", "acme")).await?;
    assert_eq!(access.revoke_credential("p", at(5)).await?, 2);
    assert_eq!(access.revoke_credential("p", at(6)).await?, 0);
    let revoked_at = |c: Option<Credential>| c.and_then(|c| c.revoked_at);
    let kind = CredentialKind::KeyPair;
    assert_eq!(revoked_at(access.credential("wide", kind, "p").await?), Some(at(5)));
    assert_eq!(revoked_at(access.credential("narrow", kind, "p").await?), None);
    assert_eq!(revoked_at(access.credential("wide", kind, "other").await?), None);
    Ok(())
}

async fn a_replaced_secret_is_the_only_one(stores: Stores) -> anyhow::Result<()> {
    let access = &stores.access;
    let kind = CredentialKind::ClientSecret;
    let named = |audience: &str, public: &str| {
        let audience = audience.to_owned();
        Credential { audience, kind, expires_at: Some(at(9)), ..credential(public, "acme") }
    };
    let all = [named("wide", "p"), named("native", "p"), named("wide", "other")];
    for (n, added) in all.iter().enumerate() {
        access.add_credential(added).await?;
        let (hash, audience) = (format!("h{n}"), added.audience.clone());
        let credential = (kind, added.public.clone());
        access.add_token(&AccessToken { hash, audience, credential, expires_at: at(9) }).await?;
    }
    let next = SecretHash::of("the next");
    assert!(access.replace_secret("wide", kind, "p", &next, at(5)).await?);
    // Everything but the secret is as it was, and so are the others.
    let expected = [Credential { secret: next.clone(), ..all[0].clone() }, all[1].clone()];
    for known in expected.iter().chain(&all[2..]) {
        assert_eq!(
            access.credential(&known.audience, kind, &known.public).await?.as_ref(),
            Some(known)
        );
    }
    assert_eq!(access.token("h0").await?, None);
    assert!(access.token("h1").await?.is_some() && access.token("h2").await?.is_some());

    for (audience, kind, public, when) in [
        ("narrow", kind, "p", 5),
        ("wide", CredentialKind::Password, "p", 5),
        ("wide", kind, "nobody", 5),
        ("wide", kind, "other", 9),
    ] {
        assert!(!access.replace_secret(audience, kind, public, &next, at(when)).await?);
    }
    assert_eq!(access.revoke_credential("other", at(6)).await?, 1);
    assert!(!access.replace_secret("wide", kind, "other", &next, at(6)).await?);
    let kept = access.credential("wide", kind, "other").await?;
    assert!(kept.is_some_and(|kept| kept.secret == all[2].secret));
    assert!(access.token("h2").await?.is_some());
    Ok(())
}

async fn tokens_are_found_until_they_are_purged(stores: Stores) -> anyhow::Result<()> {
    let token = AccessToken {
        hash: "h".to_owned(),
        audience: "wide".to_owned(),
        credential: (CredentialKind::ClientSecret, "p".to_owned()),
        expires_at: at(9),
    };
    stores.access.add_token(&token).await?;
    assert!(stores.access.add_token(&token).await.is_err());
    let other = AccessToken { hash: "ended".into(), ..token.clone() };
    stores.access.add_token(&other).await?;
    assert!(stores.access.end_token("ended").await?, "it was there");
    assert!(!stores.access.end_token("ended").await?, "it is no more");
    assert!(stores.access.token("ended").await?.is_none());
    assert_eq!(stores.access.token("h").await?, Some(token));
    assert_eq!(stores.access.token("H").await?, None);
    assert_eq!(stores.access.purge_access(at(9)).await?, 0);
    assert_eq!(stores.access.purge_access(at(10)).await?, 1);
    assert_eq!(stores.access.token("h").await?, None);
    Ok(())
}

async fn links_are_limited_exactly(stores: Stores) -> anyhow::Result<()> {
    let artifact = ArtifactId::random();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..32 {
        let access = stores.access.clone();
        let link = link("acme", artifact, &format!("h{n}"), 0, 9);
        tasks.spawn(async move { access.add_link(&link, 5).await });
    }
    let results = tasks.join_all().await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 5);
    for refused in results.iter().filter_map(|result| result.as_ref().err()) {
        assert_eq!(refused.kind(), &ErrorKind::LimitExceeded { limit: 5, active: 5 });
    }
    // Links that ended, other files and other tenants count for themselves.
    let live = stores.access.links(&tenant("acme"), artifact, at(1)).await?;
    assert!(stores.access.revoke_link(&tenant("acme"), &live[0].hash, at(1)).await?);
    stores.access.add_link(&link("acme", artifact, "next", 2, 9), 5).await?;
    assert!(stores.access.add_link(&link("acme", artifact, "one more", 3, 9), 5).await.is_err());
    stores.access.add_link(&link("acme", artifact, "later", 9, 20), 5).await?;
    stores.access.add_link(&link("acme", ArtifactId::random(), "file", 3, 9), 1).await?;
    stores.access.add_link(&link("globex", artifact, "tenant", 3, 9), 1).await?;
    Ok(())
}

async fn links_belong_to_their_tenant_and_file(stores: Stores) -> anyhow::Result<()> {
    let artifact = ArtifactId::random();
    let (access, acme, globex) = (&stores.access, tenant("acme"), tenant("globex"));
    let (second, first) = (link("acme", artifact, "b", 2, 9), link("acme", artifact, "a", 1, 9));
    access.add_link(&second, 5).await?;
    access.add_link(&first, 5).await?;
    assert_eq!(access.links(&acme, artifact, at(3)).await?, [first.clone(), second]);
    assert!(access.links(&globex, artifact, at(3)).await?.is_empty());
    assert!(access.links(&acme, ArtifactId::random(), at(3)).await?.is_empty());
    assert_eq!(access.renew_link(&globex, "a", at(99), at(3)).await?, None);
    assert!(!access.revoke_link(&globex, "a", at(3)).await?);
    assert_eq!(access.link("a").await?, Some(first));
    assert_eq!(access.link("c").await?, None);
    Ok(())
}

async fn a_link_that_ended_stays_ended(stores: Stores) -> anyhow::Result<()> {
    let artifact = ArtifactId::random();
    let (access, acme) = (&stores.access, tenant("acme"));
    access.add_link(&link("acme", artifact, "a", 0, 9), 5).await?;
    access.add_link(&link("acme", artifact, "b", 0, 9), 5).await?;
    let renewed = access.renew_link(&acme, "a", at(20), at(8)).await?;
    assert_eq!(renewed.map(|link| link.expires_at), Some(at(20)));
    assert_eq!(access.renew_link(&acme, "b", at(20), at(9)).await?, None);
    assert!(!access.revoke_link(&acme, "b", at(9)).await?);
    assert!(access.revoke_link(&acme, "a", at(10)).await?);
    assert!(!access.revoke_link(&acme, "a", at(11)).await?);
    assert_eq!(access.renew_link(&acme, "a", at(30), at(11)).await?, None);
    assert!(access.links(&acme, artifact, at(8)).await?.iter().all(|link| link.hash == "b"));
    assert_eq!(access.link("a").await?.and_then(|link| link.revoked_at), Some(at(10)));
    Ok(())
}

async fn what_ended_is_forgotten(stores: Stores) -> anyhow::Result<()> {
    let artifact = ArtifactId::random();
    let (access, acme) = (&stores.access, tenant("acme"));
    access.add_link(&link("acme", artifact, "a", 0, 5), 5).await?;
    access.add_link(&link("acme", artifact, "b", 0, 99), 5).await?;
    access.add_link(&link("acme", artifact, "c", 0, 99), 5).await?;
    access.revoke_link(&acme, "b", at(5)).await?;
    assert_eq!(access.purge_access(at(5)).await?, 0);
    assert_eq!(access.purge_access(at(6)).await?, 2);
    assert_eq!(access.link("a").await?, None);
    assert_eq!(access.link("b").await?, None);
    assert!(access.link("c").await?.is_some());
    Ok(())
}
