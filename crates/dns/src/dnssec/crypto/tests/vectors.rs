//! Vectors from RFCs, and signatures made by OpenSSL for RSA shapes that no RFC shows.

use super::base64;
use crate::dnssec::crypto::{PublicKey, SignatureFault, digest};
use crate::dnssec::{Algorithm, DigestType, key_tag};

/// One RRSIG of an RFC's example with the RRset and the key it belongs to.
struct Vector {
    algorithm: u8,
    flags: u16,
    key_tag: u16,
    public_key: &'static str,
    signer: &'static str,
    owner: &'static str,
    labels: u8,
    rtype: u16,
    original_ttl: u32,
    /// Expiration and inception, in seconds.
    window: [u32; 2],
    /// Canonical and in canonical order.
    rdatas: Vec<Vec<u8>>,
    signature: &'static str,
}

const A: u16 = 1;
const MX: u16 = 15;
const DNSKEY: u16 = 48;

fn wire(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        wire.push(label.len() as u8);
        wire.extend(label.bytes());
    }
    wire.push(0);
    wire
}

fn dnskey(flags: u16, algorithm: u8, public_key: &str) -> Vec<u8> {
    let mut rdata = flags.to_be_bytes().to_vec();
    rdata.extend([3, algorithm]);
    rdata.extend(base64(public_key));
    rdata
}

impl Vector {
    /// RFC 4034 §3.1.8.1.
    fn signed_data(&self) -> Vec<u8> {
        let mut data = self.rtype.to_be_bytes().to_vec();
        data.extend([self.algorithm, self.labels]);
        data.extend(self.original_ttl.to_be_bytes());
        data.extend(self.window.iter().flat_map(|time| time.to_be_bytes()));
        data.extend(self.key_tag.to_be_bytes());
        data.extend(wire(self.signer));
        for rdata in &self.rdatas {
            data.extend(wire(self.owner));
            data.extend(self.rtype.to_be_bytes());
            data.extend([0, 1]);
            data.extend(self.original_ttl.to_be_bytes());
            data.extend((rdata.len() as u16).to_be_bytes());
            data.extend(rdata);
        }
        data
    }

    fn check(&self) {
        let key = PublicKey::parse(Algorithm(self.algorithm), &base64(self.public_key)).unwrap();
        let rdata = dnskey(self.flags, self.algorithm, self.public_key);
        assert_eq!(key_tag(&rdata), self.key_tag);
        let signature = base64(self.signature);
        let mut data = self.signed_data();
        assert_eq!(key.verify(&data, &signature), Ok(()), "key {}", self.key_tag);
        *data.last_mut().unwrap() ^= 1;
        assert_eq!(key.verify(&data, &signature), Err(SignatureFault::Mismatch));
    }
}

const RFC_5155_ZSK: &str = "AwEAAaetidLzsKWUt4swWR8yu0wPHPiUi8LUsAD0QPWU+wzt89epO6tHzkMBVDkC7qphQO2h\
                            TY4hHn9npWFRw5BYubE=";
const RFC_5155_KSK: &str = "AwEAAcUlFV1vhmqx6NSOUOq2R/dsR7Xm3upJj7IommWSpJABVfW8Q0rOvXdM6kzt+TAu92L9\
                            AbsUdblMFin8CVF3n4s=";
/// 20150420235959 and 20051021000000.
const RFC_5155_WINDOW: [u32; 2] = [1_429_574_399, 1_129_852_800];

/// RFC 5155 appendices A and B: RSA with 512 bits and SHA-1, several RRsets.
#[test]
fn rfc_5155_rsasha1_512_bits() {
    let zsk = |owner, labels, rtype, rdata, signature| Vector {
        algorithm: 7,
        flags: 256,
        key_tag: 40430,
        public_key: RFC_5155_ZSK,
        signer: "example",
        owner,
        labels,
        rtype,
        original_ttl: 3600,
        window: RFC_5155_WINDOW,
        rdatas: vec![rdata],
        signature,
    };
    let signature = "hVe+wKYMlObTRPhX0NL67GxeZfdxqr/QeR6FtfdAj5+FgYxyzPEjIzvKWy00hWIl6wD3Vws+rznEn8sQ\
                     64UdqA==";
    zsk("ai.example", 2, A, vec![192, 0, 2, 9], signature).check();
    let mx = [&[0, 1][..], &wire("ai.example")].concat();
    let signature = "CikebjQwGQPwijVcxgcZcSJKtfynugtlBiKb9FcBTrmOoyQ4InoWVudhCWsh/URX3lc4WRUMivEBP6+4\
                     KS3ldA==";
    zsk("*.w.example", 2, MX, mx, signature).check();

    Vector {
        algorithm: 7,
        flags: 257,
        key_tag: 12708,
        public_key: RFC_5155_KSK,
        signer: "example",
        owner: "example",
        labels: 1,
        rtype: DNSKEY,
        original_ttl: 3600,
        window: RFC_5155_WINDOW,
        rdatas: vec![dnskey(256, 7, RFC_5155_ZSK), dnskey(257, 7, RFC_5155_KSK)],
        signature: "AuU4juU9RaxescSmStrQks3Gh9FblGBlVU31uzMZ/U/FpsUb8aC6QZS+sTsJXnLnz7flGOsmMGQZf3bH\
                    +QsCtg==",
    }
    .check();
}

/// RFC 5702 §6.1 and §6.2: RSA/SHA-256 with 512 bits, RSA/SHA-512 with 1024.
#[test]
fn rfc_5702_rsasha256_and_rsasha512() {
    let vector = |algorithm, key_tag, public_key, signature| Vector {
        algorithm,
        flags: 256,
        key_tag,
        public_key,
        signer: "example.net",
        owner: "www.example.net",
        labels: 3,
        rtype: A,
        original_ttl: 3600,
        // 20300101000000 and 20000101000000.
        window: [1_893_456_000, 946_684_800],
        rdatas: vec![vec![192, 0, 2, 91]],
        signature,
    };
    vector(
        8,
        9033,
        "AwEAAcFcGsaxxdgiuuGmCkVImy4h99CqT7jwY3pexPGcnUFtR2Fh36BponcwtkZ4cAgtvd4Qs8PkxUdp6p/DlUmOb\
         dk=",
        "kRCOH6u7l0QGy9qpC9l1sLncJcOKFLJ7GhiUOibu4teYp5VE9RncriShZNz85mwlMgNEacFYK/lPtPiVYP4bwg==",
    )
    .check();
    vector(
        10,
        3740,
        "AwEAAdHoNTOW+et86KuJOWRDp1pndvwb6Y83nSVXXyLA3DLroROUkN6X0O6pnWnjJQujX/AyhqFDxj13tOnD9u/1k\
         Tg7cV6rklMrZDtJCQ5PCl/D7QNPsgVsMu1J2Q8gpMpztNFLpPBz1bWXjDtaR7ZQBlZ3PFY12ZTSncorffcGmhOL",
        "tsb4wnjRUDnB1BUi+t6TMTXThjVnG+eCkWqjvvjhzQL1d0YRoOe0CbxrVDYd0xDtsuJRaeUw1ep94PzEWzr0iGYgZ\
         BWm/zpq+9fOuagYJRfDqfReKBzMweOLDiNa8iP5g9vMhpuv6OPlvpXwm9Sa9ZXIbNl1MBGk0fthPgxdDLw=",
    )
    .check();
}

/// RFC 6605 §6.1 and §6.2: ECDSA on both curves.
#[test]
fn rfc_6605_ecdsa() {
    let vector = |algorithm, key_tag, public_key, window, signature| Vector {
        algorithm,
        flags: 257,
        key_tag,
        public_key,
        signer: "example.net",
        owner: "www.example.net",
        labels: 3,
        rtype: A,
        original_ttl: 3600,
        window,
        rdatas: vec![vec![192, 0, 2, 1]],
        signature,
    };
    vector(
        13,
        55648,
        "GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==",
        // 20100909100439 and 20100812100439.
        [1_284_026_679, 1_281_607_479],
        "qx6wLYqmh+l9oCKTN6qIc+bw6ya+KJ8oMz0YP107epXAyGmt+3SNruPFKG7tZoLBLlUzGGus7ZwmwWep666VCw==",
    )
    .check();
    vector(
        14,
        10771,
        "xKYaNhWdGOfJ+nPrL8/arkwf2EY3MDJ+SErKivBVSum1w/egsXvSADtNJhyem5RCOpgQ6K8X1DRSEkrbYQ+OB+v8/\
         uX45NBwY8rp65F6Glur8I/mlVNgF6W/qTI37m40",
        // 20100909102025 and 20100812102025.
        [1_284_027_625, 1_281_608_425],
        "/L5hDKIvGDyI1fcARX3z65qrmPsVz73QD1Mr5CEqOiLP95hxQouuroGCeZOvzFaxsT8Glr74hbavRKayJNuydCuzW\
         TSSPdz7wnqXL5bdcJzusdnI0RSMROxxwGipWcJm",
    )
    .check();
}

/// RFC 8080 §6.1 and §6.2: Ed25519 twice, Ed448 once.
#[test]
fn rfc_8080_eddsa() {
    let vector = |algorithm, key_tag, public_key, signature| Vector {
        algorithm,
        flags: 257,
        key_tag,
        public_key,
        signer: "example.com",
        owner: "example.com",
        labels: 2,
        rtype: MX,
        original_ttl: 3600,
        window: [1_440_021_600, 1_438_207_200],
        rdatas: vec![[&[0, 10][..], &wire("mail.example.com")].concat()],
        signature,
    };
    vector(
        15,
        3613,
        "l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=",
        "oL9krJun7xfBOIWcGHi7mag5/hdZrKWw15jPGrHpjQeRAvTdszaPD+QLs3fx8A4M3e23mRZ9VrbpMngwcrqNAg==",
    )
    .check();
    vector(
        15,
        35217,
        "zPnZ/QwEe7S8C5SPz2OfS5RR40ATk2/rYnE9xHIEijs=",
        "zXQ0bkYgQTEFyfLyi9QoiY6D8ZdYo4wyUhVioYZXFdT410QPRITQSqJSnzQoSm5poJ7gD7AQR0O7KuI5k2pcBg==",
    )
    .check();
    vector(
        16,
        9713,
        "3kgROaDjrh0H2iuixWBrc8g2EpBBLCdGzHmn+G2MpTPhpj/OiBVHHSfPodx1FYYUcJKm1MDpJtIA",
        "3cPAHkmlnxcDHMyg7vFC34l0blBhuG1qpwLmjInI8w1CMB29FkEAIJUA0amxWndkmnBZ6SKiwZSAxGILn/NBtOXft\
         0+Gj7FSvOKxE/07+4RQvE581N3Aj/JtIyaiYVdnYtyMWbSNyGEY2213WKsJlwEA",
    )
    .check();
}

/// Keys and signatures made by OpenSSL 3.0, key field and signature of each over the same text.
#[test]
fn openssl_signatures_of_unusual_rsa_keys() {
    let cases = [
        // 768 bits, exponent 3.
        (
            8,
            "AQO0yFrgrUv1RBWpMsz2k1uc20qoO5kZ8/+jUfclipNVL7WEwRLdk4bfIVhdQOvdSTRKy0gLUzCkUF6V6/Ll\
             uTX2of6uDwwf6SKfrIrXyX/cXBXvlHtEiUGKXQ1rAQF2WRs=",
            "Eli2yTEYlW6MfGOPU+u/9wNkp4RP82iHbJdUNlDzIgngBAZVmC1VzZaQj33eoJao1RIxPP1sz0Ji4o7QDzV9\
             swaSsMfBk60yD8ylKIXJFh/4Exu9cRR4NxKlW4hRjSTG",
        ),
        // 1024 bits, exponent 2^32+1: the longest that the library takes.
        (
            5,
            "BQEAAAAB6XNc+fqWS+dWwGDfFuF1AcufgTUtutNbGcPKAoauwg0t/YMadXrC4X913orcaz+1NoN57Y6XTkuq\
             mh3zfLi+sc9f9D+UtzV6O/xMDkcTMe2srMjsHqRA8cs+jT+gZ57o6oSB4FlTGbrXyMqJe26hyNNVS/03JZBl\
             hNQRcy/HE1M=",
            "3MXNG5/Su95c5nb/mSJmSuuZDvdAl71MdSY/ZAu9XZ/Ne9kqWya3+nntliHyfjR/XF3bO3ZO+eQRzZ/EupDo\
             9KusCItMiBw9gxdUE+Ed6hFKJyTE220a5f90nX3j4JtG6fDPCfZ5q8cjSOKQg3A/GLY6xob4zk2xP8cg0b16\
             R3M=",
        ),
        // 1024 bits, exponent 2^33+3: the shortest that it does not.
        (
            8,
            "BQIAAAADsQhr9tSrigmozcf2atmt4ocU348Q6GFCffj+z3umhHn+/UPQJZ31A3kZcwIvNXBiwxpU8/+g3mW2\
             wtY/VXqsNEkZPlp0+XO8sxNlIY5gvKr36WQOe2dFsE725vbOhMEywN+50rXAxcLkfbzrhiJU25vnZucQ188T\
             Pdol7FXlE+E=",
            "keheLs/CeF3SyxgHvx0Mm33bzGLwUkNQg70t9cJ+NRgfrBbWQPXEtUk4rRYKgC5lPMLMwEdaVkS/FdaN8wn4\
             WDgfLO+uWjwg07buzST/bQrC7L3wyr01tNRZw8tJK3IzJbh2GUbloH1J+uLbt2h9JOtv/tJSmW0XaB4IUXa8\
             c38=",
        ),
        // 2048 bits, exponent 2^64+13.
        (
            10,
            "CQEAAAAAAAAADZyebFRjuLg1a5LMSPW1P9BWK8L3jS7nuvXljEG0soz+OeYjKyQXjWlXP3eFS7NTC5sPOtNT\
             shGtMmJWiwDpz2TPqI7ZHyO95GCb98TyTw6um7ClxyYAU4efHvAOP6p9JWeHgqBmC61KPhlDfs9Tv9S6w8nh\
             StCahlAs8oyc07hSITPdEi32iXYTC5qfIH7rJMv6xjWRh47/7Am/yOaFL7/4YXQEnB80UGodGu6pViDUCgsF\
             j7z1ETir7BqDf2t/m/63dUsNyNH0XZMzgl9pqWuvhDI1b5CGVNb1Z3TFnbmlRbC0eKliK4bMe85HijcCUG3f\
             pMZkjD04Y//d7413A5M=",
            "TywmgMNmaICMTPptCol/kGq0afKDfPvv9vBRCLkc7inTTqP5h9gt4wZqpGeoqEe/Fwt07E6MgZZeK/fb/B4H\
             VD/2XQZxX72LG5VGpK8ByCyD0SXiT1LPHCxJheONkhI3ouZPFpa7thrgjmBPttqKXp236KZw6zDVLnzQOHVp\
             wiPStwmhq8DL664P253uoozDXG4CE3jslAJ+zOvyq3xT4AdeZ1LEicrdrIaWVbq1PtTj+wbL86QjGwlb+FSh\
             0L7dL6eSwGFcR3tBJW2hGnERDc0xrU67RDcfOnWiqAU/LGjPncRsOtggk/QV8o2/lHQzagT1KCZEYd46gLWu\
             mrhFog==",
        ),
        // 512 bits, exponent 65537.
        (
            5,
            "AwEAAfMkpIyaXaggXQFZwkkgV2xQXpOxJ6ffgqQGp00AxWPQYPzQb8iLZzFCzkGK2Rvqz+1YOSXYUZII1rzJ\
             AnK8vaM=",
            "AqiagIConuuME+gXQJOPp0iBr9Bt8/LdbU/n/+XCKW8qN1YHX0sF2W1VJviejbXAveZFT1/NWR6eX9Gna3eo\
             Zg==",
        ),
    ];
    for (algorithm, public_key, signature) in cases {
        let key = PublicKey::parse(Algorithm(algorithm), &base64(public_key)).unwrap();
        let signature = base64(signature);
        assert_eq!(key.verify(b"made by OpenSSL", &signature), Ok(()), "{public_key}");
        let verdict = key.verify(b"made by openSSL", &signature);
        assert_eq!(verdict, Err(SignatureFault::Mismatch), "{public_key}");
    }
}

/// DS digests: RFC 4034 §5.4, RFC 4509 §2.3, RFC 6605 §6.1 and §6.2, RFC 8080 §6.1 and §6.2.
#[test]
fn ds_digests() {
    let rsa = "AQOeiiR0GOMYkDshWoSKz9XzfwJr1AYtsmx3TGkJaNXVbfi/2pHm822aJ5iI9BMzNXxeYCmZDRD99WYwYqUS\
               djMmmAphXdvxegXd/M5+X7OrzKBaMbCVdFLUUh6DhweJBjEVv5f2wwjM9XzcnOf+EPbtG9DMBmADjFDc2w/r\
               ljwvFw==";
    let p256 =
        "GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==";
    let p384 = "xKYaNhWdGOfJ+nPrL8/arkwf2EY3MDJ+SErKivBVSum1w/egsXvSADtNJhyem5RCOpgQ6K8X1DRSEkrbYQ+O\
                B+v8/uX45NBwY8rp65F6Glur8I/mlVNgF6W/qTI37m40";
    let ed25519 = "l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=";
    let ed448 = "3kgROaDjrh0H2iuixWBrc8g2EpBBLCdGzHmn+G2MpTPhpj/OiBVHHSfPodx1FYYUcJKm1MDpJtIA";
    for (owner, rdata, digest_type, expected) in [
        (
            "dskey.example.com",
            dnskey(256, 5, rsa),
            DigestType::SHA1,
            "2bb183af5f22588179a53b0a98631fad1a292118",
        ),
        (
            "dskey.example.com",
            dnskey(256, 5, rsa),
            DigestType::SHA256,
            "d4b7d520e7bb5f0f67674a0cceb1e3e0614b93c4f9e99b8383f6a1e4469da50a",
        ),
        (
            "example.net",
            dnskey(257, 13, p256),
            DigestType::SHA256,
            "b4c8c1fe2e7477127b27115656ad6256f424625bf5c1e2770ce6d6e37df61d17",
        ),
        (
            "example.net",
            dnskey(257, 14, p384),
            DigestType::SHA384,
            "72d7b62976ce06438e9c0bf319013cf801f09ecc84b8d7e9495f27e305c6a9b0563a9b5f4d288405c3008a94\
             6df983d6",
        ),
        (
            "example.com",
            dnskey(257, 15, ed25519),
            DigestType::SHA256,
            "3aa5ab37efce57f737fc1627013fee07bdf241bd10f3b1964ab55c78e79a304b",
        ),
        (
            "example.com",
            dnskey(257, 16, ed448),
            DigestType::SHA256,
            "6ccf18d5bc5d7fc2fceb1d59d17321402f2aa8d368048db93dd811f5cb2b19c7",
        ),
    ] {
        let computed = digest(digest_type, &[&wire(owner), &rdata]).unwrap();
        assert_eq!(format!("{computed:?}"), expected, "{owner} {digest_type}");
    }
}
