//! Addresses that are not on the public internet, and networks as people write them.
//!
//! What is special follows IANA's registries of special-purpose addresses (RFC 6890 and its
//! updates), read strictly: a block of which some part is special is special as a whole, and of
//! IPv6 only the range for global unicast is not.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is special about an address; `None` for one on the public internet.
pub fn special_use(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    Some(match address.octets() {
        [0, ..] => "an address of \"this network\"",
        [127, ..] => "an address of the machine itself",
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => "an address of a private network",
        [100, 64..=127, ..] => "an address of a provider's inner network",
        [169, 254, ..] => "a link-local address",
        [192, 0, 0, _] => "reserved for protocols",
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => "reserved for documentation",
        [192, 88, 99, _] => "reserved for relays",
        [198, 18..=19, ..] => "reserved for measurements",
        [224..=239, ..] => "a multicast address",
        [240..=255, ..] => "reserved",
        _ => return None,
    })
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    if address == Ipv6Addr::LOCALHOST {
        return Some("an address of the machine itself");
    }
    Some(match address.segments() {
        [0xfc00..=0xfdff, ..] => "an address of a private network",
        [0xfe80..=0xfeff, ..] => "a link-local address",
        [0xff00..=0xffff, ..] => "a multicast address",
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0x64, 0xff9b, ..] => "an IPv4 address in another form",
        // Teredo, benchmarks, ORCHID and others: all of 2001::/23.
        [0x2001, 0..=0x1ff, ..] => "reserved for protocols",
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => "reserved for documentation",
        [0x2002, ..] => "an IPv4 address in another form",
        [0x2000..=0x3fff, ..] => return None,
        _ => "not an address of the public internet",
    })
}

/// A network: the addresses that share their first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    first: IpAddr,
    bits: u32,
}

impl Block {
    /// Reads `10.0.0.0/8`, `fd00::/8`, or an address alone.
    ///
    /// # Errors
    /// A sentence when it is neither, or when the address is not the network's first.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no address or network: write 10.1.2.3, 10.0.0.0/8 or fd00::/8");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| wrong())?;
        let width = if first.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => width,
            Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) => {
                bits.parse().ok().filter(|bits| *bits <= width).ok_or_else(wrong)?
            }
            Some(_) => return Err(wrong()),
        };
        let block = Self { first, bits };
        let begin = number(first) & block.mask();
        if begin != number(first) {
            let begin = address_of(begin, first.is_ipv4());
            return Err(format!("{text:?} is no network: did you mean {begin}/{bits}?"));
        }
        Ok(block)
    }

    /// Whether the address is in it. An IPv4 address in the form of an IPv6 one is in no network
    /// of IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4()
            && number(address) & self.mask() == number(self.first)
    }

    /// The bits that all of its addresses share, at the upper end of the address's width.
    fn mask(&self) -> u128 {
        let width = if self.first.is_ipv4() { 32 } else { 128 };
        // A shift by the whole width has no result: a network of all addresses.
        u128::MAX.checked_shl(width - self.bits).unwrap_or(0)
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn address_of(number: u128, is_v4: bool) -> IpAddr {
    match u32::try_from(number) {
        Ok(number) if is_v4 => IpAddr::V4(Ipv4Addr::from_bits(number)),
        _ => IpAddr::V6(Ipv6Addr::from_bits(number)),
    }
}
