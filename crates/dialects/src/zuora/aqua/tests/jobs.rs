//! A client that submits jobs, and looks at what became of them inside.

use axum::body::Body;
use http::{Method, Request, StatusCode};
use outhaul_exports::ExportId;
use outhaul_exports::export::Export;
use outhaul_exports::query::{Query, Select};
use outhaul_exports::testing;
use serde_json::{Value, json};

use super::super::ID;
use crate::zuora::tests::server::{Answer, Server, request_of};

pub const JOBS: &str = "/v1/batch-query";

/// Somebody of a tenant who asks AQuA.
pub struct Client<'a> {
    pub server: &'a Server,
    pub tenant: &'a str,
}

pub fn acme(server: &Server) -> Client<'_> {
    Client { server, tenant: "acme" }
}

/// A job of a series with one query for each text: unnamed, in ZOQL.
pub fn stateful(queries: &[&str]) -> Value {
    let queries: Vec<_> = queries.iter().map(|query| json!({ "query": query })).collect();
    json!({ "version": "1.2", "partner": "salesforce", "project": "p", "queries": queries })
}

/// A body with other or further members.
pub fn with(mut body: Value, more: Value) -> Value {
    let (Some(body_map), Value::Object(more)) = (body.as_object_mut(), more) else {
        panic!("both are objects");
    };
    body_map.extend(more);
    body
}

impl Client<'_> {
    pub async fn post(&self, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut request = request_of(self.tenant, Method::POST, JOBS);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_string()));
        self.server.send(request.expect("a request")).await
    }

    /// Submits a job that is accepted; answers the answer.
    pub async fn submit(&self, body: &Value) -> Value {
        let answer = self.post(&[], body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let job = answer.json();
        assert!(job["id"].is_string() && job.get("errorCode").is_none(), "{body}\n{job}");
        job
    }

    /// Submits a job that is refused with that code; answers the message.
    pub async fn refused(&self, body: &Value, code: &str) -> String {
        let answer = self.post(&[], body).await;
        let job = answer.json();
        assert_eq!(job["errorCode"], code, "{body}\n{job}");
        assert_eq!((&job["status"], job.get("id")), (&json!("error"), None), "{job}");
        job["message"].as_str().expect("a text").to_owned()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.get_with(Method::GET, path, &[]).await
    }

    pub async fn get_with(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request: http::request::Builder = request_of(self.tenant, method, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request: Request<Body> = request.body(Body::empty()).expect("a request");
        let answer = self.server.send(request).await;
        self.server.settle().await;
        answer
    }

    /// A job as its client sees it.
    pub async fn job(&self, submitted: &Value) -> Value {
        self.get(&format!("{JOBS}/jobs/{}", id(submitted))).await.json()
    }

    pub async fn cancel(&self, submitted: &Value) -> Value {
        let path = format!("{JOBS}/jobs/{}", id(submitted));
        self.get_with(Method::DELETE, &path, &[]).await.json()
    }

    /// A job as it is kept.
    pub async fn export(&self, submitted: &Value) -> Export {
        let who = testing::principal(self.tenant);
        let id: ExportId = id(submitted).parse().expect("an id");
        self.server.world.exports.get(&who, Some(ID), id).await.expect("it is there")
    }

    /// The neutral query of each of a job's queries.
    pub async fn selects(&self, submitted: &Value) -> Vec<Select> {
        let queries = self.export(submitted).await.spec.queries.into_iter();
        let select = |query| match query {
            Query::Select(select) => *select,
            Query::Sql { .. } => panic!("both languages become a neutral query"),
        };
        queries.map(|query| select(query.query)).collect()
    }

    /// Runs the oldest job to its end, each query with this many rows.
    pub async fn run(&self, rows: &[usize]) -> Export {
        let file = |rows: &usize| format!("Id\n{}", "1\n".repeat(*rows));
        self.server.complete_all(&rows.iter().map(file).collect::<Vec<_>>()).await
    }

    /// Fetches every file of a job.
    pub async fn fetch(&self, export: &Export) {
        for file in &export.manifest.as_ref().expect("it is completed").artifacts {
            let answer = self.get(&format!("/v1/file/{}", file.id)).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        }
    }

    /// A job of which everything goes well: accepted, run with a row in each file, and fetched. The
    /// next second begins behind it.
    pub async fn round(&self, body: &Value) -> Value {
        let job = self.submit(body).await;
        let count = job["batches"].as_array().map_or(0, Vec::len);
        let export = self.run(&vec![1; count]).await;
        assert_eq!(export.id.to_string(), id(&job), "nothing else was waiting");
        self.fetch(&export).await;
        self.server.advance(1);
        job
    }

    /// How often the tenant's sessions moved, all together.
    pub async fn moves(&self) -> u64 {
        let who = testing::principal(self.tenant);
        let sessions = self.server.world.exports.sessions(&who, ID).await;
        sessions.expect("memory is never away").iter().map(|session| session.generation).sum()
    }
}

pub fn id(job: &Value) -> String {
    job["id"].as_str().expect("it was accepted").to_owned()
}

/// Which queries of a job give all rows.
pub fn full(job: &Value) -> Vec<bool> {
    let batches = job["batches"].as_array().expect("it has queries");
    batches.iter().map(|batch| batch["full"].as_bool().expect("a flag")).collect()
}
