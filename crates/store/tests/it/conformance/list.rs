//! List: order, cursor, filters, the search in labels.

use chrono::TimeDelta;
use outhaul_exports::export::{Export, State};
use outhaul_exports::ports::ListFilter;
use outhaul_exports::principal::TenantId;

use crate::samples::*;

cases! {
    pages_go_from_the_newest_to_the_oldest,
    filters_narrow_the_list,
    labels_are_searched_literally_and_in_any_case,
    counts_are_by_dialect_and_state,
    the_oldest_queued_one_is_told,
    stored_bytes_are_those_of_files_that_are_there,
    records_whose_time_is_over_are_left_out,
}

async fn records_whose_time_is_over_are_left_out(stores: Stores) -> anyhow::Result<()> {
    put(&stores, free("acme", 0)).await?;
    let (_, key) = lease_one(&stores, 1).await;
    let done = stores.jobs.finish(&key, failed(), at(2)).await?.expect("it is held");
    put(&stores, free("acme", 0)).await?;
    let (running, _) = lease_one(&stores, 3).await;
    let queued = put(&stores, free("acme", 0)).await?;
    let end = done.record_expires_at;
    let listed = async |kept_at| {
        let listed = stores.jobs.list(&ListFilter { kept_at, ..all_of("acme") }).await?;
        let mut ids: Vec<_> = listed.into_iter().map(|export| export.id).collect();
        ids.sort();
        anyhow::Ok(ids)
    };
    let sorted = |mut ids: Vec<_>| {
        ids.sort();
        ids
    };
    let all = sorted(vec![done.id, running.id, queued.id]);
    assert_eq!(listed(None).await?, all);
    assert_eq!(listed(Some(end - TimeDelta::milliseconds(1))).await?, all);
    // The active ones stay, however old they are.
    assert_eq!(listed(Some(end)).await?, sorted(vec![running.id, queued.id]));
    Ok(())
}

async fn pages_go_from_the_newest_to_the_oldest(stores: Stores) -> anyhow::Result<()> {
    let mut newest_first = Vec::new();
    for n in [3, 1, 4, 0, 2] {
        newest_first.push(put(&stores, free("acme", n)).await?.id);
        put(&stores, free("globex", n)).await?;
    }
    newest_first.sort();
    newest_first.reverse();
    let mut paged = Vec::new();
    let mut filter = ListFilter { most: 2, ..all_of("acme") };
    loop {
        let page = stores.jobs.list(&filter).await?;
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        filter.before = Some(last.id);
        paged.extend(page.iter().map(|export| export.id));
        // Whoever reads pages is not disturbed by what is created, or deleted, meanwhile.
        put(&stores, free("acme", 100)).await?;
        stores.jobs.remove(&last.tenant, last.id, at(9)).await?;
    }
    assert_eq!(paged, newest_first);
    Ok(())
}

async fn filters_narrow_the_list(stores: Stores) -> anyhow::Result<()> {
    put(&stores, limited("acme", "narrow", 9, None)).await?;
    put(&stores, limited("acme", "alone", 9, None)).await?;
    let (first, _) = lease_one(&stores, 1).await;
    assert_eq!(first.dialect, "narrow");
    let ids = |exports: Vec<Export>| exports.iter().map(|e| e.dialect.clone()).collect::<Vec<_>>();
    let dialect = Some("alone".to_owned());
    let by_dialect = stores.jobs.list(&ListFilter { dialect, ..all_of("acme") }).await?;
    assert_eq!(ids(by_dialect), ["alone"]);
    let states = vec![State::Running, State::Failed];
    let by_state = stores.jobs.list(&ListFilter { states, ..all_of("acme") }).await?;
    assert_eq!(ids(by_state), ["narrow"]);
    let states = State::ALL.to_vec();
    assert_eq!(stores.jobs.list(&ListFilter { states, ..all_of("acme") }).await?.len(), 2);
    assert!(stores.jobs.list(&all_of("globex")).await?.is_empty());
    assert!(stores.jobs.list(&ListFilter { most: 0, ..all_of("acme") }).await?.is_empty());
    Ok(())
}

async fn labels_are_searched_literally_and_in_any_case(stores: Stores) -> anyhow::Result<()> {
    let labels = ["100% of it", "100 of it", "a_b", "aXb", "Grüße ÄÖ", "o'clock \\ \"", ""];
    for label in labels {
        let mut export = free("acme", 0);
        export.spec.label = Some(label.to_owned());
        put(&stores, export).await?;
    }
    put(&stores, free("acme", 0)).await?;
    let cases: [(&str, &[&str]); 10] = [
        ("100%", &["100% of it"]),
        ("100", &["100 of it", "100% of it"]),
        ("A_B", &["a_b"]),
        ("_", &["a_b"]),
        ("%", &["100% of it"]),
        ("grÜSSE", &[]),
        ("GRÜẞE", &["Grüße ÄÖ"]),
        ("äö", &["Grüße ÄÖ"]),
        ("' OR 1=1 --", &[]),
        ("o'CLOCK \\", &["o'clock \\ \""]),
    ];
    for (part, expected) in cases {
        let filter = ListFilter { label: Some(part.to_owned()), ..all_of("acme") };
        let found = stores.jobs.list(&filter).await?;
        let mut found: Vec<_> = found.into_iter().filter_map(|e| e.spec.label).collect();
        found.sort();
        assert_eq!(found, expected, "{part}");
    }
    let everything = ListFilter { label: Some(String::new()), ..all_of("acme") };
    assert_eq!(stores.jobs.list(&everything).await?.len(), labels.len() + 1);
    Ok(())
}

async fn the_oldest_queued_one_is_told(stores: Stores) -> anyhow::Result<()> {
    assert_eq!(stores.jobs.oldest_queued().await?, None);
    for (tenant, seconds) in [("acme", 1), ("globex", 2), ("acme", 3)] {
        put(&stores, free(tenant, seconds)).await?;
    }
    assert_eq!(stores.jobs.oldest_queued().await?, Some(at(1)));
    let (first, _) = lease_one(&stores, 4).await;
    assert_eq!(first.created_at, at(1));
    assert_eq!(stores.jobs.oldest_queued().await?, Some(at(2)));
    lease(&stores, 2, 4).await;
    assert_eq!(stores.jobs.oldest_queued().await?, None);
    Ok(())
}

async fn stored_bytes_are_those_of_files_that_are_there(stores: Stores) -> anyhow::Result<()> {
    let stored =
        async |tenant, dialect| stores.jobs.stored_bytes(&TenantId::from(tenant), dialect).await;
    let end = async |tenant, dialect, completes| {
        put(&stores, limited(tenant, dialect, 9, None)).await?;
        let (export, key) = lease_one(&stores, 1).await;
        let outcome = if completes { completed(&export, &key) } else { failed() };
        let ended = stores.jobs.finish(&key, outcome, at(2)).await?;
        anyhow::Ok(ended.expect("it is held"))
    };
    assert_eq!(stored("acme", "narrow").await?, 0);
    let first = end("acme", "narrow", true).await?;
    end("acme", "narrow", true).await?;
    end("acme", "narrow", false).await?;
    end("acme", "alone", true).await?;
    end("globex", "narrow", true).await?;
    put(&stores, limited("acme", "narrow", 9, None)).await?;
    assert_eq!(stored("acme", "narrow").await?, 60);
    assert_eq!(stored("acme", "alone").await?, 30);
    assert_eq!(stored("globex", "alone").await?, 0);
    stores.jobs.remove(&first.tenant, first.id, at(3)).await?;
    assert_eq!(stored("acme", "narrow").await?, 30);
    let over = first.files_expire_at.expect("it is completed");
    stores.jobs.expire(over, 10).await?;
    assert_eq!(stored("acme", "narrow").await?, 0);
    Ok(())
}

async fn counts_are_by_dialect_and_state(stores: Stores) -> anyhow::Result<()> {
    assert!(stores.jobs.counts().await?.is_empty());
    for tenant in ["acme", "globex"] {
        put(&stores, limited(tenant, "narrow", 9, None)).await?;
        put(&stores, limited(tenant, "alone", 9, None)).await?;
    }
    lease_one(&stores, 1).await;
    let counts = stores.jobs.counts().await?;
    let counts: Vec<_> =
        counts.iter().map(|c| (c.dialect.as_str(), c.state.name(), c.count)).collect();
    assert_eq!(counts, [("alone", "queued", 2), ("narrow", "queued", 1), ("narrow", "running", 1)]);
    Ok(())
}
