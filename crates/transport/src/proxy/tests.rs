//! Headers as load balancers write them, and others.

use super::*;

/// A header of a version, command and family with a body.
fn header(version_command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[version_command, family], &length, body].concat()
}

const V4: &[u8] = &[192, 0, 2, 1, 198, 51, 100, 7, 0x30, 0x39, 0, 53];
/// TLS was used, a version of it follows.
const SSL: &[u8] = &[0x20, 0, 8, 1, 0, 0, 0, 0, 0x21, 0, 0];

fn addresses_of(octets: &[u8]) -> Option<(String, String)> {
    let (source, destination) = parse(octets).unwrap().unwrap().addresses?;
    Some((source.to_string(), destination.to_string()))
}

#[test]
fn addresses_of_both_families_are_read() {
    let expected = Some(("192.0.2.1:12345".to_owned(), "198.51.100.7:53".to_owned()));
    for family in [0x11, 0x12] {
        assert_eq!(addresses_of(&header(0x21, family, V4)), expected);
    }
    let mut v6 = [0; 36];
    (v6[15], v6[31], v6[33], v6[35]) = (1, 2, 9, 53);
    let expected = Some(("[::1]:9".to_owned(), "[::2]:53".to_owned()));
    assert_eq!(addresses_of(&header(0x21, 0x22, &v6)), expected);
}

#[test]
fn who_speaks_for_itself_has_no_addresses() {
    for (command, family, body) in [(0x20, 0, &[][..]), (0x20, 0x11, V4), (0x21, 0, &[9, 9])] {
        let header = parse(&header(command, family, body)).unwrap().unwrap();
        assert_eq!((header.addresses, header.length), (None, 16 + body.len()));
    }
}

#[test]
fn encryption_of_the_client_is_told() {
    let secured = [V4, &[4, 0, 1, 0], SSL].concat();
    assert!(parse(&header(0x21, 0x11, &secured)).unwrap().unwrap().encrypted);
    assert!(!parse(&header(0x21, 0x11, V4)).unwrap().unwrap().encrypted);
}

#[test]
fn what_is_cut_off_is_waited_for_at_every_octet() {
    let whole = header(0x21, 0x11, &[V4, SSL].concat());
    for end in 0..whole.len() {
        assert_eq!(parse(&whole[..end]), Ok(None), "{end}");
        assert!(may_begin(&whole[..end]));
    }
    let more = [&whole[..], b"DNS"].concat();
    assert_eq!(parse(&more).unwrap().unwrap().length, whole.len());
}

#[test]
fn other_octets_are_faults() {
    let field_too_long = [V4, &[4, 0, 9, 0]].concat();
    let half_a_field = [V4, &[4, 0]].concat();
    for octets in [
        b"\r\n\r\n\0\r\nQUIX\n".to_vec(),
        header(0x11, 0x11, V4),
        header(0x22, 0x11, V4),
        header(0x21, 0x41, V4),
        header(0x21, 0x11, &V4[1..]),
        header(0x21, 0x21, V4),
        header(0x21, 0x11, &field_too_long),
        header(0x21, 0x11, &half_a_field),
        header(0x21, 0x11, &[0; HEADER_BYTES_MAX]),
    ] {
        assert_eq!(parse(&octets), Err(ProxyFault), "{octets:?}");
    }
    assert!(!may_begin(b"\r\nPROXY"));
}
