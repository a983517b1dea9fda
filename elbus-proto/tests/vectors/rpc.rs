//! Payloads of RPC, and its error codes.
use elbus_proto::{
    Code,
    rpc::{self, Payload, RpcError, code},
};
use serde::Serialize;

use crate::{Document, greeting::result_name, hex};

/// A payload of RPC; members that its kind does not have are left out.
#[derive(Default, Serialize)]
struct Vector {
    is: &'static str,
    hex: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<i16>,
    /// What is notified, the params, the result or the reason, in hexadecimal.
    payload: String,
}

#[derive(Serialize)]
struct Broken {
    is: &'static str,
    hex: String,
    error: &'static str,
}

#[derive(Serialize)]
struct Named {
    code: i16,
    name: &'static str,
}

#[derive(Serialize)]
struct BusError {
    byte: u8,
    name: &'static str,
    code: i16,
}

pub(crate) fn write(document: &mut Document) {
    document.list("rpc", &payloads());
    document.list("rpc_refused", &broken());
    document.list("rpc_codes", &named());
    document.list("rpc_bus_errors", &bus_errors());
}

fn payloads() -> Vec<Vector> {
    vec![
        notification("a notification", b"hi"),
        notification("an empty notification", b""),
        request("a call", 1, "test", b"\x80"),
        request("a call without params", 0x0403_0201, "plant.start", b""),
        request("a call that wants no reply", 0, "test", b"\0"),
        request(
            "a method that is longer in bytes than in characters",
            2,
            "türe",
            b"\0\x01",
        ),
        reply("a reply", 1, b"ok"),
        reply("an empty reply, highest id", u32::MAX, b""),
        error("an error", 3, code::METHOD_NOT_FOUND, b"no"),
        error("an error without a reason", 4, code::INTERNAL, b""),
        error("an error of the application", 5, 77, b"tank empty"),
        error("an error of the bus", 6, rpc::bus_error(Code::Busy), b"busy"),
        error("the lowest code", 7, i16::MIN, b"\0"),
    ]
}

fn notification(is: &'static str, payload: &[u8]) -> Vector {
    let bytes = [&rpc::NOTIFICATION_HEADER[..], payload].concat();
    assert_eq!(rpc::decode(&bytes), Ok(Payload::Notification(payload)));
    Vector {
        is,
        hex: hex(&bytes),
        kind: "notification",
        payload: hex(payload),
        ..Vector::default()
    }
}

fn request(is: &'static str, id: u32, method: &'static str, params: &[u8]) -> Vector {
    let bytes = [&rpc::request_header(id)[..], method.as_bytes(), b"\0", params].concat();
    let read = Payload::Request {
        id,
        method: method.as_bytes(),
        params,
    };
    assert_eq!(rpc::decode(&bytes), Ok(read));
    Vector {
        is,
        hex: hex(&bytes),
        kind: "request",
        id: Some(id),
        method: Some(method),
        payload: hex(params),
        ..Vector::default()
    }
}

fn reply(is: &'static str, id: u32, result: &[u8]) -> Vector {
    let bytes = [&rpc::reply_header(id)[..], result].concat();
    assert_eq!(rpc::decode(&bytes), Ok(Payload::Reply { id, result }));
    Vector {
        is,
        hex: hex(&bytes),
        kind: "reply",
        id: Some(id),
        payload: hex(result),
        ..Vector::default()
    }
}

fn error(is: &'static str, id: u32, code: i16, reason: &[u8]) -> Vector {
    let bytes = [&rpc::error_header(id, code)[..], reason].concat();
    assert_eq!(rpc::decode(&bytes), Ok(Payload::Error { id, code, reason }));
    Vector {
        is,
        hex: hex(&bytes),
        kind: "error",
        id: Some(id),
        code: Some(code),
        payload: hex(reason),
        ..Vector::default()
    }
}

fn broken() -> Vec<Broken> {
    let broken = |is, bytes: &[u8]| Broken {
        is,
        hex: hex(bytes),
        error: match rpc::decode(bytes) {
            Err(RpcError::Empty) => "empty",
            Err(RpcError::UnknownKind(_)) => "unknown kind",
            Err(RpcError::Truncated) => "truncated",
            Err(RpcError::MissingSeparator) => "missing separator",
            other => panic!("{is} is read as {other:?}"),
        },
    };
    vec![
        broken("nothing", b""),
        broken("a payload of kind 02", b"\x02hello"),
        broken("a text", b"hello"),
        broken("a request that ends inside its id", b"\x01\x01\0\0"),
        broken("a request that ends inside its method", b"\x01\x01\0\0\0test"),
        broken("a reply that ends inside its id", b"\x11\x01\0\0"),
        broken("an error that ends inside its code", b"\x12\x01\0\0\0\0"),
    ]
}

fn named() -> Vec<Named> {
    vec![
        Named {
            code: code::PARSE,
            name: "parse",
        },
        Named {
            code: code::INVALID_REQUEST,
            name: "invalid request",
        },
        Named {
            code: code::METHOD_NOT_FOUND,
            name: "method not found",
        },
        Named {
            code: code::INVALID_PARAMS,
            name: "invalid params",
        },
        Named {
            code: code::INTERNAL,
            name: "internal",
        },
        Named {
            code: code::NOT_FOUND,
            name: "not found",
        },
    ]
}

fn bus_errors() -> Vec<BusError> {
    (0x71..=0x79)
        .filter_map(|byte| Some((byte, Code::result(byte).err()?)))
        .map(|(byte, code)| BusError {
            byte,
            name: result_name(Err(code)),
            code: rpc::bus_error(code),
        })
        .collect()
}
