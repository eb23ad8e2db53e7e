//! Forms of URLs, as data, and the classes of addresses against a slower reading of the registries.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::testing::FORBIDDEN_URLS;

fn open() -> Rules {
    Rules { plain_http: true, ..Rules::default() }
}

/// What IANA's registries call special, as they write it, and the IPv6 ranges that are not global
/// unicast.
const SPECIAL: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "255.255.255.255/32",
    "::/3",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "4000::/2",
    "8000::/1",
];

/// The address's bits as a text, so that a network is a prefix of a text.
fn bits(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.octets().iter().map(|byte| format!("{byte:08b}")).collect(),
        IpAddr::V6(address) => address.octets().iter().map(|byte| format!("{byte:08b}")).collect(),
    }
}

fn is_special_by_the_book(address: IpAddr) -> bool {
    SPECIAL.iter().any(|block| {
        let (first, length) = block.split_once('/').expect("a network");
        let first: IpAddr = first.parse().expect("an address");
        let length: usize = length.parse().expect("a number");
        first.is_ipv4() == address.is_ipv4() && bits(address).starts_with(&bits(first)[..length])
    })
}

#[test]
fn addresses_that_are_not_public_are_known() {
    let special = [
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:10::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "3fff:fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
    ];
    for text in special {
        let address = text.parse().expect(text);
        assert!(special_use(address).is_some(), "{text}");
        assert!(is_special_by_the_book(address), "{text}");
    }
    let public = [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.1",
        "192.0.3.1",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2001:db9::1",
        "2003::1",
        "2606:4700::1111",
        "3fff:1000::1",
        "3ffe::1",
    ];
    for text in public {
        let address = text.parse().expect(text);
        assert_eq!(special_use(address), None, "{text}");
        assert!(!is_special_by_the_book(address), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn every_address_is_classed_as_the_registries_say(
        high in any::<u16>(),
        second in prop_oneof![Just(0u16), 0u16..0x400, any::<u16>()],
        rest in any::<[u16; 6]>(),
        small in any::<u32>(),
        near in 0usize..16,
        step in -2i64..3,
    ) {
        let [c, d, e, f, g, h] = rest;
        let wide = Ipv6Addr::new(high, second, c, d, e, f, g, h);
        // And close to the edges of the blocks, where mistakes are made.
        let (first, length) = SPECIAL[near].split_once('/').expect("a network");
        let first: Ipv4Addr = first.parse().expect("an address");
        let length: u32 = length.parse().expect("a number");
        let size = 1i64 << (32 - length);
        let edge = i64::from(first.to_bits()) + if small % 2 == 0 { 0 } else { size } + step;
        let edge = u32::try_from(edge.rem_euclid(1 << 32)).expect("32 bits");
        let few = [
            IpAddr::V6(wide),
            IpAddr::V4(Ipv4Addr::from_bits(small)),
            IpAddr::V4(Ipv4Addr::from_bits(edge)),
        ];
        for address in few {
            prop_assert_eq!(
                special_use(address).is_some(), is_special_by_the_book(address), "{}", address
            );
        }
    }

    /// However a special address is written, it is refused.
    #[test]
    fn no_way_of_writing_an_address_hides_it(block in 0usize..16, rest in any::<u32>(), form in 0usize..9) {
        let (first, length) = SPECIAL[block].split_once('/').expect("a network");
        let first: Ipv4Addr = first.parse().expect("an address");
        let length: u32 = length.parse().expect("a number");
        let inside = rest.checked_shr(length).unwrap_or(0);
        let number = first.to_bits() | inside;
        let [a, b, c, d] = number.to_be_bytes();
        let wide: String = format!("{a}.{b}.{c}.{d}")
            .chars()
            .map(|c| c.to_digit(10).map_or(c, |n| char::from_u32(0xff10 + n).unwrap_or(c)))
            .collect();
        let host = match form {
            0 => format!("{a}.{b}.{c}.{d}"),
            1 => number.to_string(),
            2 => format!("0x{number:x}"),
            3 => format!("0{number:o}"),
            4 => format!("{a}.{}", number & 0xff_ffff),
            5 => format!("0{a:o}.0x{b:x}.{}", number & 0xffff),
            6 => format!("{a}\u{3002}{b}\u{ff0e}{c}\u{ff61}{d}"),
            7 => wide,
            _ => format!("[::ffff:{a}.{b}.{c}.{d}]"),
        };
        let url = format!("https://{host}/x");
        prop_assert!(open().check("url", &url).is_err(), "{}", url);
    }

    /// What is accepted is what is dialled: reading the URL again changes nothing.
    #[test]
    fn what_is_accepted_is_read_the_same_again(text in "https?://[a-z0-9.:\\[\\]%@/?{}_-]{0,40}") {
        if let Ok(url) = open().check("url", &text) {
            let again = open().check("url", url.as_str());
            prop_assert_eq!(again.map(|url| url.to_string()).ok(), Some(url.to_string()));
        }
    }
}

#[test]
fn forms_of_urls_are_refused() {
    let long_host = format!("https://{}.example.com/", "a".repeat(250));
    let long_label = format!("https://{}.example.com/", "a".repeat(64));
    let long = format!("https://example.com/{}", "a".repeat(100_000));
    let bad = [FORBIDDEN_URLS, &[&long_host, &long_label, &long]].concat();
    for url in &bad {
        let error = open().check("/notify", url).err();
        let error = error.unwrap_or_else(|| panic!("accepted: {:.60}", format!("{url:?}")));
        assert_eq!(error.kind(), &ErrorKind::Invalid { field: "/notify".into() });
        assert!(error.public().len() < 400, "{}", error.public());
        assert!(open().check_template("/notify", url).is_err(), "{url:.60}");
    }
    println!("{} forms are refused", bad.len());
    let good = [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://EXAMPLE.com:443/X?y=z", "https://example.com/X?y=z"),
        ("http://example.com/", "http://example.com/"),
        ("https://example.com:8443/a/../b", "https://example.com:8443/b"),
        ("https://b\u{fc}cher.example/", "https://xn--bcher-kva.example/"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
        ("https://8.8.8.8/", "https://8.8.8.8/"),
        ("https://1.2.3.0x/", "https://1.2.3.0/"),
        ("https://172.15.255.255/", "https://172.15.255.255/"),
        ("https://[2606:4700::1111]/", "https://[2606:4700::1111]/"),
        (
            "https://example.com/x?to=http://127.0.0.1/&m=a@b",
            "https://example.com/x?to=http://127.0.0.1/&m=a@b",
        ),
    ];
    for (url, read) in good {
        assert_eq!(open().check("x", url).expect(url).as_str(), read);
    }
    let error = Rules::default().check("x", "http://example.com/").expect_err("plain");
    assert!(error.public().contains("https://"), "{error}");
}

#[test]
fn the_operator_allows_hosts_networks_and_ports() {
    let allow = ["Receiver", "hooks.example.internal", "10.1.0.0/16", "127.0.0.1", "fd00::/8"];
    let allow = allow.iter().map(|text| Allowed::parse(text).expect(text)).collect();
    let rules = Rules { allow, ports: vec![80..=80, 9000..=9010], plain_http: true };
    for good in [
        "http://receiver/x",
        "http://hooks.example.internal:9005/",
        "http://10.1.255.255/",
        "http://127.0.0.1:9000/",
        "http://[fd12::1]/",
    ] {
        assert!(rules.check("x", good).is_ok(), "{good}");
    }
    for bad in [
        "http://receiver2/",
        "http://10.2.0.1/",
        "http://127.0.0.2/",
        "http://127.0.0.1:9011/",
        "https://127.0.0.1/",
        "http://[::ffff:127.0.0.1]/",
        "http://[fc00::1]/",
    ] {
        assert!(rules.check("x", bad).is_err(), "{bad}");
    }
    // An allowed host is allowed at whatever address, others only at public ones.
    let address = |text: &str| text.parse::<IpAddr>().expect(text);
    assert!(rules.check_address("receiver", address("192.168.7.7")).is_ok());
    assert!(rules.check_address("example.com", address("192.168.7.7")).is_err());
    assert!(rules.check_address("example.com", address("10.1.2.3")).is_ok());
    assert!(rules.check_address("example.com", address("1.1.1.1")).is_ok());

    for bad in [
        "",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "::/129",
        "a/b",
        "http://x",
        "x:80",
        "a_b",
        "x.",
        "*.example.com",
        "[::1]",
    ] {
        assert!(Allowed::parse(bad).is_err(), "{bad}");
    }
    let error = Allowed::parse("10.1.2.3/8").expect_err("not its first");
    assert!(error.contains("10.0.0.0/8"), "{error}");
    let all = Block::parse("0.0.0.0/0").expect("a network");
    assert!(all.contains(address("255.255.255.255")) && !all.contains(address("::1")));
    assert_eq!(Block::parse("::/0").expect("a network").to_string(), "::/0");
}

#[test]
fn places_stand_in_the_path_and_the_query_only() {
    let rules = Rules::default();
    for good in [
        "https://example.com/x?jobId={export}&status={state}",
        "https://example.com/{state}/{export}/{export}",
        "https://example.com/x",
        "https://example.com/x?{export}{state}",
        "https://example.com?{export}",
    ] {
        rules.check_template("x", good).expect(good);
    }
    let many = format!("https://example.com/?{}", "{export}".repeat(600));
    for bad in [
        "{state}://example.com/",
        "https{state}://example.com/",
        "https://{export}/",
        "https://{export}.example.com/",
        "https://example.{state}/",
        "https://example.com{export}/",
        "https://{export}@example.com/",
        "https://x:{export}@example.com/",
        "https://example.com:{export}/",
        "https://example.com:443{export}/",
        "https://[{export}]/",
        "https://example.com/#{export}",
        "https://example.com/{",
        "https://example.com/}",
        "https://example.com/{export",
        "https://example.com/{{export}}",
        "https://example.com/{ex{state}port}",
        "https://example.com/{Export}",
        "https://example.com/${JOBID}",
        &many,
    ] {
        assert!(rules.check_template("x", bad).is_err(), "{bad:.60}");
    }
    let url =
        fill("https://x.org/{export}?s={state}&t={export}", "{state}", "a b&c=\u{e4}#/..{export}");
    assert_eq!(
        url,
        "https://x.org/%7Bstate%7D?s=a%20b%26c%3D%C3%A4%23%2F..%7Bexport%7D&t=%7Bstate%7D"
    );
}
