// SPDX-License-Identifier: MIT
//! The conversation in Rust, with fred.

use client_libraries::{refusal, run, Heard, Library, Words, PATIENCE};
use fred::{
    prelude::*,
    types::{ClusterHash, CustomCommand, RespVersion},
};
use serde_json::{Map, Value as Json};
use tokio::runtime::Runtime;

struct Fred {
    client: Client,
    runtime: Runtime,
}

/// The text that the server sent. fred gives it as the details of an error.
fn refused(error: Error) -> Heard {
    match error.kind() {
        ErrorKind::IO | ErrorKind::Timeout | ErrorKind::Canceled => Err(error.to_string()),
        _ => Ok(refusal(error.details())),
    }
}

fn plain(reply: Value) -> Json {
    match reply {
        Value::Null => Json::Null,
        Value::Integer(number) => number.into(),
        Value::String(text) => text.to_string().into(),
        Value::Bytes(bytes) => String::from_utf8_lossy(&bytes).into(),
        Value::Array(list) => list.into_iter().map(plain).collect(),
        Value::Map(pairs) => Json::Object(
            pairs
                .inner()
                .into_iter()
                .map(|(name, value)| (name.into_string().expect("a name"), plain(value)))
                .collect::<Map<_, _>>(),
        ),
        other => panic!("an unexpected reply: {other:?}"),
    }
}

/// The command with its key, which tells fred the node of a cluster.
fn command(words: &Words) -> (CustomCommand, Vec<Value>) {
    let name = String::from_utf8(words[0].clone()).expect("a name");
    let arguments = words[1..]
        .iter()
        .map(|word| Value::Bytes(word.clone().into()))
        .collect();
    (CustomCommand::new(name, ClusterHash::FirstKey, false), arguments)
}

impl Library for Fred {
    fn ask(&mut self, words: &Words) -> Heard {
        let (command, arguments) = command(words);
        self.runtime
            .block_on(self.client.custom::<Value, _>(command, arguments))
            .map(plain)
            .or_else(refused)
    }

    fn pipeline(&mut self, commands: &[Words]) -> Heard {
        let pipeline = self.client.pipeline();
        let replies = self.runtime.block_on(async {
            for words in commands {
                let (command, arguments) = command(words);
                let _: Value = pipeline.custom(command, arguments).await.expect("queued");
            }
            pipeline.try_all::<Value>().await
        });
        replies
            .into_iter()
            .map(|reply| reply.map(plain).or_else(refused))
            .collect()
    }

    fn transaction(&mut self, commands: &[Words]) -> Heard {
        let transaction = self.client.multi();
        let reply = self.runtime.block_on(async {
            for words in commands {
                let (command, arguments) = command(words);
                let _: Value = transaction.custom(command, arguments).await.expect("queued");
            }
            transaction.exec::<Value>(false).await
        });
        reply.map(plain).or_else(refused)
    }
}

fn connect(port: &str, mode: &str) -> Fred {
    let scheme = if mode == "cluster" { "redis-cluster" } else { "redis" };
    let mut config = Config::from_url(&format!("{scheme}://127.0.0.1:{port}")).expect("a URL");
    if mode == "3" {
        config.version = RespVersion::RESP3;
    }
    let mut builder = Builder::from_config(config);
    builder.set_policy(ReconnectPolicy::new_constant(0, 100));
    if mode == "default" || mode == "once" {
        builder.with_performance_config(|settings| settings.default_command_timeout = PATIENCE);
    }
    if mode == "once" {
        builder.with_connection_config(|settings| settings.max_command_attempts = 1);
    }
    let (client, runtime) = (builder.build().expect("a client"), Runtime::new().expect("threads"));
    runtime.block_on(client.init()).expect("a connection");
    Fred { client, runtime }
}

fn main() {
    run(connect);
}
