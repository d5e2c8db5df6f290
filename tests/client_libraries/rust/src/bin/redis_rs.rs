// SPDX-License-Identifier: MIT
//! The conversation in Rust, with redis-rs.

use client_libraries::{refusal, run, Heard, Library, Words, PATIENCE};
use redis::{cluster::ClusterClient, Client, Cmd, ConnectionLike, Pipeline, RedisError, ServerError};
use serde_json::{Map, Value as Json};

struct RedisRs(Box<dyn ConnectionLike>);

/// The text that the server sent. redis-rs takes it apart.
fn text_of(error: &RedisError) -> Option<String> {
    let code = error.code()?;
    Some(format!("{code} {}", error.detail().unwrap_or_default()))
}

fn text_within(error: &ServerError) -> String {
    format!("{} {}", error.code(), error.details().unwrap_or_default())
}

fn plain(reply: redis::Value) -> Json {
    match reply {
        redis::Value::Nil => Json::Null,
        redis::Value::Int(number) => number.into(),
        redis::Value::Okay => "OK".into(),
        redis::Value::SimpleString(text) => text.into(),
        redis::Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into(),
        redis::Value::Array(list) => list.into_iter().map(plain).collect(),
        redis::Value::Map(pairs) => Json::Object(pairs.into_iter().map(named).collect::<Map<_, _>>()),
        redis::Value::ServerError(error) => refusal(&text_within(&error)),
        other => panic!("an unexpected reply: {other:?}"),
    }
}

fn named((name, value): (redis::Value, redis::Value)) -> (String, Json) {
    (redis::from_redis_value(name).expect("a name"), plain(value))
}

fn command(words: &Words) -> Cmd {
    let mut command = Cmd::new();
    for word in words {
        command.arg(word);
    }
    command
}

impl RedisRs {
    fn together(&mut self, mut pipe: Pipeline, commands: &[Words]) -> Heard {
        for words in commands {
            pipe.add_command(command(words));
        }
        // Without ignore_errors(), one error takes the place of all replies.
        pipe.ignore_errors();
        match pipe.query::<Vec<redis::Value>>(&mut *self.0) {
            Ok(replies) => Ok(replies.into_iter().map(plain).collect()),
            Err(error) => text_of(&error).map(|text| refusal(&text)).ok_or(error.to_string()),
        }
    }
}

impl Library for RedisRs {
    fn ask(&mut self, words: &Words) -> Heard {
        match command(words).query::<redis::Value>(&mut *self.0) {
            Ok(reply) => Ok(plain(reply)),
            Err(error) => text_of(&error).map(|text| refusal(&text)).ok_or(error.to_string()),
        }
    }

    fn pipeline(&mut self, commands: &[Words]) -> Heard {
        self.together(Pipeline::new(), commands)
    }

    fn transaction(&mut self, commands: &[Words]) -> Heard {
        let mut pipe = Pipeline::new();
        pipe.atomic();
        self.together(pipe, commands)
    }
}

fn connect(port: &str, mode: &str) -> RedisRs {
    let protocol = if mode == "3" { "?protocol=resp3" } else { "" };
    let address = format!("redis://127.0.0.1:{port}/{protocol}");
    if mode == "cluster" {
        let cluster = ClusterClient::new([address]).expect("a cluster");
        return RedisRs(Box::new(cluster.get_connection().expect("a connection")));
    }
    let connection = Client::open(address)
        .expect("a client")
        .get_connection()
        .expect("a connection");
    if mode == "default" || mode == "once" {
        connection.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    }
    RedisRs(Box::new(connection))
}

fn main() {
    run(connect);
}
