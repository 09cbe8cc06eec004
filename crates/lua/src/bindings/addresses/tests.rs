//! Ports and networks, good and bad.

use super::{parse_network, port_of};

#[test]
fn ports_have_bounds() {
    assert_eq!(port_of(53.0), Some(53));
    assert_eq!(port_of(0.0), Some(0));
    assert_eq!(port_of(65535.0), Some(65535));
    for bad in [65536.0, 99999.0, -2.0, 53.5, f64::NAN, f64::INFINITY] {
        assert_eq!(port_of(bad), None, "{bad}");
    }
}

#[test]
fn networks_lose_their_host_bits() {
    let shown = |text| parse_network(text).map(|(ip, length)| format!("{ip}/{length}"));
    assert_eq!(shown("192.0.2.77/24").as_deref(), Some("192.0.2.0/24"));
    assert_eq!(shown("192.0.2.77").as_deref(), Some("192.0.2.77/32"));
    assert_eq!(shown("0.0.0.0/0").as_deref(), Some("0.0.0.0/0"));
    assert_eq!(shown("2001:db8::1/32").as_deref(), Some("2001:db8::/32"));
    assert_eq!(shown("::/0").as_deref(), Some("::/0"));
    for bad in ["", "x", "192.0.2.1/33", "192.0.2.1/", "192.0.2.1/-1", "::1/129", "1.2.3/8"] {
        assert_eq!(shown(bad), None, "{bad}");
    }
}
