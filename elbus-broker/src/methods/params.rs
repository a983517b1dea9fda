//! Params of the broker's methods: MessagePack maps. No params at all stand for an empty map.
use elbus_proto::rpc::code::{INVALID_PARAMS, PARSE};
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};

use super::Failure;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct None {}

/// Expects no params.
pub(super) fn none(params: &[u8]) -> Result<(), Failure> {
    decode::<None>(params).map(|None {}| ())
}

/// Decodes params. What is no MessagePack is a parse error; what is, but does not fit, is invalid.
pub(super) fn decode<T: DeserializeOwned>(params: &[u8]) -> Result<T, Failure> {
    const EMPTY_MAP: &[u8] = &[0x80];
    let params = if params.is_empty() { EMPTY_MAP } else { params };
    check(params)?;
    // Structs may be arrays in MessagePack; published brokers take maps alone.
    if !matches!(params.first(), Some(0x80..=0x8f | 0xde | 0xdf)) {
        return Err(Failure::new(INVALID_PARAMS, "the params are not a map"));
    }
    // An error names the param.
    serde_path_to_error::deserialize(&mut rmp_serde::Deserializer::new(params))
        .map_err(|error| Failure::new(INVALID_PARAMS, error.to_string()))
}

/// How deep params may be nested: they are decoded by recursion, and none of the methods needs more than one level.
const DEPTH: usize = 16;

/// Whether this is one MessagePack value and nothing else.
fn check(params: &[u8]) -> Result<(), Failure> {
    let mut rest = rmp_serde::Deserializer::new(params);
    rest.set_max_depth(DEPTH);
    IgnoredAny::deserialize(&mut rest).map_err(|error| Failure::new(PARSE, error.to_string()))?;
    if rest.get_ref().is_empty() {
        Ok(())
    } else {
        Err(Failure::new(PARSE, "bytes behind the params"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(params: &[u8]) -> Result<(), i16> {
        none(params).map_err(|failure| failure.code)
    }

    #[test]
    fn nothing_and_an_empty_map_are_no_params() {
        assert_eq!(code(b""), Ok(()));
        assert_eq!(code(b"\x80"), Ok(()));
        assert_eq!(code(b"\xde\0\0"), Ok(()));
    }

    #[test]
    fn params_that_are_not_wanted_are_invalid() {
        for params in [&b"\x81\xa1a\x01"[..], b"\x90", b"\xc0", b"\x01", b"\xa1a"] {
            assert_eq!(code(params), Err(INVALID_PARAMS), "{params:?}");
        }
    }

    #[test]
    fn a_wrong_param_is_named() {
        #[derive(Debug, Deserialize)]
        struct Named {
            #[serde(rename = "name")]
            _name: Option<String>,
        }
        let failure = decode::<Named>(b"\x81\xa4name\x05").unwrap_err();
        assert_eq!(failure.code, INVALID_PARAMS);
        assert!(failure.reason.starts_with("name: "), "{}", failure.reason);
    }

    #[test]
    fn what_is_no_message_pack_is_a_parse_error() {
        for params in [
            &b"\x81"[..],
            b"\x81\xa1a",
            b"\xc1",
            b"\x80\x80",
            b"\xdf\xff\xff\xff\xff",
        ] {
            assert_eq!(code(params), Err(PARSE), "{params:?}");
        }
        // Deeper than anybody needs: an error, and no overflow.
        assert_eq!(code(&[0x91; 1_000_000]), Err(PARSE));
    }
}
