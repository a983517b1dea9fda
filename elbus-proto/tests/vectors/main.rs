//! The vectors in `bindings/vectors.json`: bytes and their meaning, read by the tests of the clients in other languages.
//!
//! The file is made here from the same encoders that the broker and the Rust client use, and every line is read back
//! by the decoders before it counts. A change of the wire makes this test fail until the file is written anew:
//!
//! ```sh
//! ELBUS_VECTORS=write cargo test -p elbus-proto --test vectors
//! ```
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod addresses;
mod deliveries;
mod greeting;
mod requests;
mod rpc;

use std::{env, fmt::Write as _, fs, path::Path};

use serde::Serialize;

const FILE: &str = "../bindings/vectors.json";
const ABOUT: &str = "Bytes on the wire of elbus and what they mean. Made by elbus-proto, not by hand: \
    ELBUS_VECTORS=write cargo test -p elbus-proto --test vectors. bindings/VECTORS.md tells what the fields are.";

/// Lists of vectors under their names, one vector a line, so that a difference shows what changed.
struct Document(String);

impl Document {
    fn new() -> Self {
        let about = serde_json::to_string(ABOUT).unwrap();
        Self(format!("{{\n  \"about\": {about}"))
    }

    fn list<T: Serialize>(&mut self, name: &str, vectors: &[T]) {
        write!(self.0, ",\n  \"{name}\": [").unwrap();
        for (i, vector) in vectors.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(self.0, "{comma}\n    {}", serde_json::to_string(vector).unwrap()).unwrap();
        }
        self.0.push_str("\n  ]");
    }

    fn finish(mut self) -> String {
        self.0.push_str("\n}\n");
        self.0
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn document() -> String {
    let mut document = Document::new();
    greeting::write(&mut document);
    requests::write(&mut document);
    deliveries::write(&mut document);
    rpc::write(&mut document);
    addresses::write(&mut document);
    document.finish()
}

#[test]
fn the_vectors_of_the_bindings_are_what_this_crate_encodes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let made = document();
    serde_json::from_str::<serde_json::Value>(&made).expect("the vectors are JSON");
    if env::var_os("ELBUS_VECTORS").is_some_and(|wish| wish == "write") {
        fs::write(&path, &made).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    for (number, (kept, made)) in kept.lines().zip(made.lines()).enumerate() {
        assert_eq!(
            kept,
            made,
            "bindings/vectors.json is out of date at line {}",
            number + 1
        );
    }
    assert_eq!(kept, made, "bindings/vectors.json is out of date at its end");
}
