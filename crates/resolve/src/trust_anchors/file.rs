//! Anchors as text: DS and DNSKEY records in master format, one owner to a file.

use dns::{Name, Rrset, Rtype, zonefile};

/// Why text is no list of trust anchors.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AnchorFault {
    #[error("there is no DS or DNSKEY record")]
    Empty,
    #[error("the records have several owners: '{0}' and '{1}'")]
    ManyOwners(Name, Name),
    #[error("{0} is neither DS nor DNSKEY")]
    OtherType(Rtype),
    #[error("{0}")]
    Syntax(zonefile::Fault),
}

/// Reads anchors: TTL and class may be missing, comments are left out.
pub fn read(text: &str) -> Result<Vec<Rrset>, AnchorFault> {
    let defaults = zonefile::Settings { ttl: Some(0), ..zonefile::Settings::default() };
    let sets = zonefile::rrsets(text.as_bytes(), &defaults).map_err(AnchorFault::Syntax)?;
    let Some(first) = sets.first() else { return Err(AnchorFault::Empty) };
    for set in &sets {
        if !matches!(set.rtype, Rtype::DS | Rtype::DNSKEY) {
            return Err(AnchorFault::OtherType(set.rtype));
        }
        if set.owner != first.owner {
            return Err(AnchorFault::ManyOwners(first.owner.clone(), set.owner.clone()));
        }
    }
    Ok(sets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_lines() {
        let text = "; the root\n. IN DS 20326 8 2 \
            E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D ; Valid\n\
            . 3600 IN DNSKEY 257 3 15 ( l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4= )\n";
        let sets = read(text).unwrap();
        assert_eq!(sets.len(), 2);
        assert!(sets.iter().all(|set| set.owner.is_root() && set.rdatas.len() == 1));
        assert_eq!(read("; nothing\n"), Err(AnchorFault::Empty));
        assert_eq!(read("a. A 1.2.3.4"), Err(AnchorFault::OtherType(Rtype::A)));
        let two = "a. DS 1 8 1 0000000000000000000000000000000000000000\n\
            b. DS 1 8 1 0000000000000000000000000000000000000000\n";
        assert!(matches!(read(two), Err(AnchorFault::ManyOwners(..))));
        assert!(matches!(read(". DS garbage"), Err(AnchorFault::Syntax(_))));
    }
}
