//! A host with one function for each way to answer.

use std::time::Duration;

use async_trait::async_trait;
use outhaul_scripts::{Host, Module};

/// Answers the functions of [`modules`].
pub struct Answers;

/// What the scripts of the cases may use.
pub fn modules() -> Vec<Module> {
    let of = |name: &str, functions: &[&str], calls| Module {
        name: name.to_owned(),
        functions: functions.iter().map(|function| (*function).to_owned()).collect(),
        calls,
    };
    vec![
        of("http", &["get", "post"], 5),
        of("odd", &["refuse", "silence", "flood", "garble", "pause"], 20),
    ]
}

#[async_trait]
impl Host for Answers {
    async fn call(
        &self,
        module: &str,
        function: &str,
        arguments: String,
    ) -> Result<String, String> {
        match (module, function) {
            ("http", _) => Ok(format!(r#"{{"statusCode":200,"asked":{arguments}}}"#)),
            ("odd", "refuse") => Err(format!("not today:\n{}", "x".repeat(5_000))),
            ("odd", "silence") => std::future::pending().await,
            ("odd", "flood") => Ok(format!("\"{}\"", "x".repeat(3 << 20))),
            ("odd", "garble") => Ok("{\"half\":".to_owned()),
            ("odd", "pause") => {
                // Longer than the script's own time.
                tokio::time::sleep(Duration::from_millis(1_500)).await;
                Ok("null".to_owned())
            }
            _ => panic!("{module}.{function} was not declared"),
        }
    }
}
