// SPDX-License-Identifier: MIT
//! A conversation with a server: PROGRAM conversation.json PORT MODE. Prints JSON. test_conversation.py says what the
//! modes are.

use serde_json::{json, Value};
use std::{env, fs, time::Duration};

/// How long a program waits for a reply in the modes "default" and "once".
pub const PATIENCE: Duration = Duration::from_millis(500);

pub type Words = Vec<Vec<u8>>;
pub type Heard = Result<Value, String>;

/// What a program makes of a library. An error of the server is a reply: `refusal`.
pub trait Library {
    fn ask(&mut self, words: &Words) -> Heard;
    fn pipeline(&mut self, commands: &[Words]) -> Heard;
    fn transaction(&mut self, commands: &[Words]) -> Heard;
}

pub fn refusal(text: &str) -> Value {
    json!({ "error": text })
}

fn words(line: &Value) -> Words {
    let bytes = |word: &str| match word.strip_prefix("hex:") {
        Some(digits) => hex::decode(digits).expect("hexadecimal digits"),
        None => word.as_bytes().to_vec(),
    };
    line.as_str().expect("a line").split(' ').map(bytes).collect()
}

fn converse(library: &mut dyn Library, step: &Value) -> Heard {
    let each = |lines: &Value| lines.as_array().expect("lines").iter().map(words).collect::<Vec<_>>();
    if let Some(line) = step.get("command") {
        library.ask(&words(line))
    } else if let Some(lines) = step.get("pipeline") {
        library.pipeline(&each(lines))
    } else {
        library.transaction(&each(&step["transaction"]))
    }
}

/// Reads the arguments, connects, and has the conversation. Only where connections are broken on purpose, an error that
/// the server did not send is heard too.
pub fn run<L: Library>(connect: impl Fn(&str, &str) -> L) {
    let [_, conversation, port, mode] = env::args().collect::<Vec<_>>().try_into().expect("three arguments");
    let text = fs::read(conversation).expect("a conversation");
    let steps: Vec<Value> = serde_json::from_slice(&text).expect("JSON");
    let mut library = connect(&port, &mode);
    let mut heard = Vec::new();
    for step in &steps {
        heard.push(match converse(&mut library, step) {
            Err(error) if mode == "default" || mode == "once" => refusal(&error),
            reply => reply.expect("a reply"),
        });
    }
    println!("{}", Value::from(heard));
}
