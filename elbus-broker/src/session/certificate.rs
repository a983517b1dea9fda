//! Who a client's certificate says that it is.
#![cfg_attr(
    not(feature = "tls"),
    allow(dead_code, reason = "only clients of TLS listeners have certificates")
)]
use std::sync::Arc;

use elbus_proto::ClientName;
#[cfg(feature = "tls")]
use tokio_rustls::rustls::pki_types::CertificateDer;

/// Who a client's certificate, which was verified, says that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// The subject as it is shown and as access rules name it: `CN=` and the common name; without one `DNS=` and the
    /// first alternative name.
    pub(crate) subject: Arc<str>,
    names: Vec<String>,
    /// Whether the client's name must be one of them or lie under it.
    binds: bool,
}

impl Certificate {
    /// Whether a client with this certificate may have this name.
    pub(crate) fn admits(&self, name: &ClientName<'_>) -> bool {
        let primary = name.primary();
        let is_under = |own: &String| {
            primary
                .strip_prefix(own.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        !self.binds || self.names.iter().any(is_under)
    }
}

#[cfg(feature = "tls")]
impl Certificate {
    /// Reads a certificate; `binds`: the client's name must be of its names.
    pub(crate) fn of(der: &CertificateDer<'_>, binds: bool) -> Self {
        let parsed = webpki::EndEntityCert::try_from(der).ok();
        let common = parsed.as_ref().and_then(|cert| common_name(cert.subject()));
        let alternative: Vec<_> = parsed
            .iter()
            .flat_map(|cert| cert.valid_dns_names())
            .map(str::to_owned)
            .collect();
        let subject: Arc<str> = match (&common, alternative.first()) {
            (Some(name), _) => format!("CN={name}").into(),
            (None, Some(name)) => format!("DNS={name}").into(),
            (None, None) => "(no name)".into(),
        };
        let names = common.into_iter().chain(alternative).collect();
        Self {
            subject,
            names,
            binds,
        }
    }
}

const SET: u8 = 0x31;
const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;

/// 2.5.4.3, as RFC 5280 (appendix A.1) has it.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// The first common name in a subject (RFC 5280, 4.1.2.4), if it is text without control characters:
///
/// ```text
/// SEQUENCE OF  SET OF  SEQUENCE { OBJECT IDENTIFIER, string }
/// ```
///
/// The outermost tag and length are taken off already.
fn common_name(mut subject: &[u8]) -> Option<String> {
    while let Some((SET, mut attributes)) = take(&mut subject) {
        while let Some((SEQUENCE, mut attribute)) = take(&mut attributes) {
            if take(&mut attribute)? != (OBJECT_IDENTIFIER, COMMON_NAME) {
                continue;
            }
            let (UTF8_STRING | PRINTABLE_STRING | IA5_STRING, text) = take(&mut attribute)? else {
                return None;
            };
            let text = std::str::from_utf8(text).ok()?;
            let is_plain = !text.is_empty() && !text.contains(char::is_control);
            return is_plain.then(|| text.to_owned());
        }
    }
    None
}

/// Takes one value from the front: its tag and its contents (X.690, 8.1.3: lengths of one byte below 128, else the
/// number of bytes that hold it).
fn take<'a>(bytes: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&[tag, first], mut rest) = bytes.split_first_chunk()?;
    let mut len = usize::from(first);
    if first >= 0x80 {
        let (digits, behind) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if digits.is_empty() || digits.len() > 3 {
            return None;
        }
        len = digits.iter().fold(0, |len, &digit| len << 8 | usize::from(digit));
        rest = behind;
    }
    let (contents, behind) = rest.split_at_checked(len)?;
    *bytes = behind;
    Some((tag, contents))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn certificate(names: &[&str], binds: bool) -> Certificate {
        Certificate {
            subject: "".into(),
            names: names.iter().map(|&name| name.to_owned()).collect(),
            binds,
        }
    }

    fn name(name: &str) -> ClientName<'_> {
        ClientName::assume_checked(name)
    }

    #[test]
    fn a_certificate_admits_its_names_and_those_under_them_and_their_secondaries() {
        let certificate = certificate(&["plant", "hall.gate"], true);
        for admitted in [
            "plant",
            "plant.pump",
            "plant.pump%%1",
            "plant%%1",
            "hall.gate",
            "hall.gate.a",
        ] {
            assert!(certificate.admits(&name(admitted)), "{admitted}");
        }
        for refused in [
            "plants",
            "pump",
            "plan",
            "hall",
            "hall.gates",
            "x.plant",
            "x%%plant",
        ] {
            assert!(!certificate.admits(&name(refused)), "{refused}");
        }
    }

    #[test]
    fn a_certificate_without_a_name_admits_none_unless_any_will_do() {
        assert!(!certificate(&[], true).admits(&name("plant")));
        assert!(certificate(&[], false).admits(&name("plant")));
    }

    /// `SET { SEQUENCE { id-at-…, string } }`
    fn attribute(id: u8, tag: u8, text: &[u8]) -> Vec<u8> {
        let value = [&[tag, text.len() as u8], text].concat();
        let pair = [&[OBJECT_IDENTIFIER, 3, 0x55, 0x04, id], &value[..]].concat();
        let sequence = [&[SEQUENCE, pair.len() as u8], &pair[..]].concat();
        [&[SET, sequence.len() as u8], &sequence[..]].concat()
    }

    #[test]
    fn the_common_name_is_found_wherever_in_the_subject_it_is() {
        let organization = attribute(10, UTF8_STRING, b"Acme");
        let common = attribute(3, PRINTABLE_STRING, b"plant");
        assert_eq!(common_name(&common).as_deref(), Some("plant"));
        let both = [organization.clone(), common].concat();
        assert_eq!(common_name(&both).as_deref(), Some("plant"));
        assert_eq!(common_name(&organization), None);
        assert_eq!(common_name(&[]), None);
    }

    #[test]
    fn a_common_name_that_is_no_plain_text_is_none() {
        for text in [&b""[..], b"a\nb", b"a\0b", b"\xff"] {
            assert_eq!(common_name(&attribute(3, UTF8_STRING, text)), None, "{text:?}");
        }
        // BMPString
        assert_eq!(common_name(&attribute(3, 0x1e, b"\0a")), None);
    }

    #[test]
    fn long_lengths_are_read_and_those_beyond_the_end_are_not() {
        let long = [&[UTF8_STRING, 0x82, 0x01, 0x00][..], &[b'a'; 256]].concat();
        assert_eq!(take(&mut &long[..]), Some((UTF8_STRING, &[b'a'; 256][..])));
        for cut in 0..long.len() {
            assert_eq!(take(&mut &long[..cut]), None, "{cut}");
        }
        assert_eq!(take(&mut &[UTF8_STRING, 0x80][..]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_fail(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            common_name(&bytes);
        }
    }
}
