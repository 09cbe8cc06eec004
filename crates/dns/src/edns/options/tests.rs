//! Options: the vectors of their RFCs, and what is malformed.

use super::*;

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

/// Vectors of RFC 9018 appendix A: secret, cookie option, address.
#[test]
fn server_cookies_are_those_of_rfc_9018() {
    const SECRET: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";
    const OLD_SECRET: &str = "dd3bdf9344b678b185a6f5cb60fca715";
    const NEW_SECRET: &str = "445536bcd2513298075a5d379663c962";
    const CLIENT: &str = "2001:db8:220:1:59de:d0f4:8769:82b8";
    for (secret, option, address) in [
        (SECRET, "2464c4abcf10c957010000005cf79f111f8130c3eee29480", "198.51.100.100"),
        (SECRET, "2464c4abcf10c957010000005cf7a871d4a564a1442aca77", "198.51.100.100"),
        (SECRET, "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5", "203.0.113.203"),
        (OLD_SECRET, "22681ab97d52c298010000005cf7c57926556bd0934c72f8", CLIENT),
        (NEW_SECRET, "22681ab97d52c298010000005cf7c609a6bb79d16625507a", CLIENT),
    ] {
        let secret: [u8; 16] = unhex(secret).try_into().unwrap();
        let option = unhex(option);
        let address = address.parse().unwrap();
        let cookie = Cookie::parse(&option).unwrap();
        let server = ServerCookie::parse(cookie.server).unwrap();
        assert!(server.is_authentic(&secret, &cookie.client, address));
        assert_eq!(server.to_bytes(), cookie.server);
        let ours = ServerCookie::new(&secret, &cookie.client, server.timestamp(), address);
        assert_eq!(ours == server, option[9..12] == [0; 3]);
        assert!(!server.is_authentic(&secret, &cookie.client, "192.0.2.1".parse().unwrap()));
        assert!(!server.is_authentic(&[0; 16], &cookie.client, address));
        let late = ServerCookie { timestamp: server.timestamp + 1, ..server };
        assert!(!late.is_authentic(&secret, &cookie.client, address));
    }
}

#[test]
fn cookies_have_8_or_16_to_40_bytes() {
    for length in 0..50 {
        let data = vec![1; length];
        let right = length == 8 || (16..=40).contains(&length);
        assert_eq!(Cookie::parse(&data).is_some(), right, "{length}");
    }
    assert_eq!(ServerCookie::parse(&[2; 16]), None);
    assert_eq!(ServerCookie::parse(&[1; 15]), None);
}

#[test]
fn client_subnets() {
    for (data, text, source, scope) in [
        (&[0, 1, 24, 0, 192, 0, 2][..], "192.0.2.0", 24, 0),
        (&[0, 1, 0, 0], "0.0.0.0", 0, 0),
        (&[0, 1, 32, 24, 192, 0, 2, 1], "192.0.2.1", 32, 24),
        (&[0, 1, 20, 0, 192, 0, 0x10], "192.0.16.0", 20, 0),
        (&[0, 2, 56, 48, 0x20, 1, 0xd, 0xb8, 0, 0, 1], "2001:db8:0:100::", 56, 48),
    ] {
        let parsed = ClientSubnet::parse(data).unwrap();
        assert_eq!(parsed.address, Some(text.parse().unwrap()));
        assert_eq!((parsed.source_prefix, parsed.scope_prefix), (source, scope));
        assert_eq!(parsed.to_bytes(), data);
    }
    let nobody = ClientSubnet::parse(&[0, 0, 0, 0]).unwrap();
    assert_eq!((nobody.address, nobody.to_bytes()), (None, vec![0; 4]));
    for data in [
        &[][..],
        &[0, 1, 24],
        &[0, 1, 24, 0, 192, 0],
        &[0, 1, 24, 0, 192, 0, 2, 0],
        &[0, 1, 20, 0, 192, 0, 0x1f],
        &[0, 1, 33, 0, 1, 2, 3, 4, 5],
        &[0, 1, 8, 33, 10],
        &[0, 3, 8, 0, 10],
        &[1, 1, 8, 0, 10],
        &[0, 0, 8, 0, 10],
    ] {
        assert_eq!(ClientSubnet::parse(data), None, "{data:?}");
    }
    let made = ClientSubnet::new("2001:db8::ffff".parse().unwrap(), 200);
    assert_eq!((made.source_prefix, made.to_bytes().len()), (128, 20));
    let made = ClientSubnet::new("192.0.2.129".parse().unwrap(), 25);
    assert_eq!(made.to_bytes(), [0, 1, 25, 0, 192, 0, 2, 128]);
    assert_eq!(ClientSubnet::new("::1".parse().unwrap(), 0).to_bytes(), [0, 2, 0, 0]);
}

#[test]
fn keepalive_counts_in_tenths() {
    assert_eq!(TcpKeepalive::parse(&[]), Some(TcpKeepalive { timeout: None }));
    let timeout = Some(Duration::from_millis(25_600));
    assert_eq!(TcpKeepalive::parse(&[1, 0]), Some(TcpKeepalive { timeout }));
    assert_eq!(TcpKeepalive { timeout }.to_bytes(), [1, 0]);
    let long = TcpKeepalive { timeout: Some(Duration::from_secs(1 << 40)) };
    assert_eq!(long.to_bytes(), [0xff, 0xff]);
    assert_eq!(TcpKeepalive::parse(&[1]), None);
    assert_eq!(TcpKeepalive::parse(&[1, 2, 3]), None);
}

#[test]
fn key_tags_and_report_channels() {
    let mut opt = OptRecord::new(1232, true);
    opt.push_key_tags([0x4a5c, 20326]);
    let mut wire = Vec::new();
    opt.compose(&mut wire);
    assert!(wire.ends_with(&[0, 14, 0, 4, 0x4a, 0x5c, 0x4f, 0x66]));
    assert!(parse_key_tags(&[0x4a, 0x5c, 0x4f, 0x66]).unwrap().eq([0x4a5c, 20326]));
    assert!(parse_key_tags(&[]).is_none() && parse_key_tags(&[1, 2, 3]).is_none());
    let agent: Name = "agent.example".parse().unwrap();
    assert_eq!(parse_report_channel(agent.as_wire()), Some(agent.clone()));
    assert_eq!(parse_report_channel(&[0]), None);
    assert_eq!(parse_report_channel(&agent.as_wire()[..5]), None);
}

#[test]
fn padding_fills_blocks_up_to_the_limit() {
    for (rest, block, limit, whole) in [
        (30, 128, 65_535, 128),
        (113, 128, 65_535, 128),
        (114, 128, 65_535, 256),
        (30, 468, 65_535, 468),
        (500, 468, 600, 600),
        // No room for an option.
        (500, 468, 514, 511),
        (30, 0, 600, 41),
    ] {
        let mut opt = OptRecord::new(1232, false);
        opt.push_padding(rest, block, limit);
        assert_eq!(rest + opt.wire_length(), whole, "{rest} {block} {limit}");
    }
}
