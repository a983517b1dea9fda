//! A frame for which there is no memory.
use std::process::Command;

use elbus_proto::{Op, Qos, request::RequestHeader};
use elbus_testkit::frame;
use tempfile::tempdir;

use crate::support::{Server, command};

const MIB: usize = 1 << 20;

#[test]
fn one_large_frame_without_memory_for_it_costs_its_sender_the_connection_and_nobody_else() {
    let directory = tempdir().unwrap();
    let ours = command(directory.path());
    let mut limited = Command::new("sh");
    limited
        // Enough for everything but the frame: the program, its threads and what the allocator sets aside.
        .args(["-c", r#"ulimit -v 400000; exec "$0" "$@""#])
        .arg(ours.get_program())
        .args(["-w", "2", "--frame-limit", "2147483648", "-B"])
        .arg(directory.path().join("bus.sock"))
        .current_dir(directory.path());
    let mut server = Server::run(&mut limited);
    let mut bystander = server.client("bystander");
    let mut greedy = server.client("greedy");
    let header = RequestHeader::new(1, Op::Message, Qos::Processed, 1 << 30).encode();
    greedy.write(&[&header[..], b"bystander\0"].concat());
    let chunk = vec![b'.'; MIB];
    // Memory grows with what arrives, so it has to arrive. What comes behind the refusal is read and thrown away.
    for _ in 0..1024 {
        if greedy.try_write(&chunk).is_err() {
            break;
        }
    }
    server
        .process
        .wait_for_error("no memory for a frame of this length");
    while greedy.read_more() > 0 {}
    bystander.expect_nothing();
    // What fits is served, also to whom it was meant for.
    let mut modest = server.client("greedy");
    modest.write(&frame(
        2,
        Op::Message,
        Qos::Processed,
        &[b"bystander\0", &chunk[..]].concat(),
    ));
    assert_eq!(bystander.message(), ("greedy".to_owned(), chunk));
}
