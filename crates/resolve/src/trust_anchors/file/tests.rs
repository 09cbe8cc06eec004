//! Files of anchors: what is read, what is refused, and that what is written is read again.

use super::*;

const DS: &str = "20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D";
const KEY: &str = "257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=";
const OTHER: &str = "257 3 15 zPnZ/QwEe7S8C5SPz2OfS5RR40ATk2/rYnE9xHIEijs=";

fn states(text: &str) -> Vec<(u16, KeyState, Option<u64>)> {
    let set = read_set(text).unwrap();
    set.keys.iter().map(|key| (key.tag(), key.state, key.timer)).collect()
}

#[test]
fn files_and_lines() {
    let text = format!(
        "; the root\n. IN DS {DS} ; Valid\n. 3600 IN DNSKEY 257 3 15 ( \
         l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4= )\n"
    );
    let sets = read(&text).unwrap();
    assert_eq!(sets.len(), 2);
    assert!(sets.iter().all(|set| set.owner.is_root() && set.rdatas.len() == 1));
    assert_eq!(read("; nothing\n"), Err(AnchorFault::Empty));
    assert_eq!(read("a. A 1.2.3.4"), Err(AnchorFault::OtherType(Rtype::A)));
    assert_eq!(read(&format!("a. CH DS {DS}")), Err(AnchorFault::OtherClass(Class::CH)));
    let two = format!("a. DS {DS}\nb. DS {DS}\n");
    let fault = read(&two).unwrap_err();
    assert_eq!(fault.to_string(), "do not mix a. and b. TAs in single file/string");
    assert!(matches!(read(". DS garbage"), Err(AnchorFault::Syntax(_))));
    assert!(matches!(read(&format!(". DS ( {DS}\n")), Err(AnchorFault::Syntax(_))));
    let many: String = (0..=ANCHOR_KEYS_MAX).map(|tag| format!(". DS {tag} 8 2 00FF\n")).collect();
    assert_eq!(read(&many), Err(AnchorFault::TooMany));
}

#[test]
fn states_are_in_comments() {
    let text = format!(
        ". 3600 DNSKEY {KEY} ; Valid: ; KeyTag:1\n\
         ; . 3600 DNSKEY {OTHER} ; AddPend:1791111111 ; KeyTag:2\n\
         . DS {DS} ; Missing:1800000000 ; a remark\n"
    );
    assert_eq!(
        states(&text),
        [
            (3613, KeyState::Valid, None),
            (35217, KeyState::AddPend, Some(1_791_111_111)),
            (20326, KeyState::Missing, Some(1_800_000_000)),
        ]
    );
}

#[test]
fn what_is_a_comment_is_never_trusted() {
    let text = format!(
        ". DS {DS}\n; . DNSKEY {KEY} ; Valid:\n; . DNSKEY {KEY}\n; DNSKEY {KEY} ; AddPend:\n\
         ;. DNSKEY {KEY} ; AddPend:1\n; . DNSKEY {OTHER} ; Nonsense:7\n"
    );
    assert_eq!(states(&text), [(20326, KeyState::Valid, None)]);
}

#[test]
fn removed_keys_are_forgotten_and_revoked_ones_are_not_trusted() {
    let text = format!(". DS {DS}\n; . DNSKEY {OTHER} ; Removed: ; KeyTag:2\n");
    assert_eq!(states(&text), [(20326, KeyState::Valid, None)]);
    let revoked = KEY.replacen("257", "385", 1);
    let text = format!(". DNSKEY {revoked}\n");
    assert_eq!(states(&text), [(3613, KeyState::Revoked, None)]);
    assert_eq!(read(&text), Err(AnchorFault::Empty));
}

#[test]
fn the_states_of_unbound_are_understood() {
    let line = |key: &str, state: &str| {
        format!(
            ".\t86400\tIN\tDNSKEY\t{key} ;{{id = 1 (ksk), size = 256b}} ;;state={state} ;;count=0\n"
        )
    };
    let text = line(KEY, "2 [  VALID  ]") + &line(OTHER, "1 [ ADDPEND ]");
    let expected = [(3613, KeyState::Valid, None), (35217, KeyState::AddPend, None)];
    assert_eq!(states(&text), expected);
    assert_eq!(state_of("state=9"), None);
}

#[test]
fn records_over_several_lines() {
    let text = format!(
        "$TTL 77\n@ DNSKEY (257 3 15 ; flags\n l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4= ) ; AddPend:5\n DS {DS}"
    );
    assert_eq!(states(&text), [(3613, KeyState::AddPend, Some(5)), (20326, KeyState::Valid, None)]);
    assert!(read_set(&text).unwrap().keys.iter().all(|key| key.ttl == 77));
}

#[test]
fn what_is_written_is_what_kresd_writes() {
    let text = format!(
        ".                   \t3600\tDS\t{DS} ; Valid: ; KeyTag:20326\n\
         .                   \t86400\tDNSKEY\t{KEY} ; Missing:1800000000 ; KeyTag:3613\n\
         ; .                   \t3600\tDNSKEY\t{OTHER} ; AddPend:1791111111 ; KeyTag:35217\n"
    );
    let set = read_set(&text).unwrap();
    assert_eq!(write(&set), text);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[ -~\n\t]{0,200}") {
        let _any = read_set(&text);
    }

    #[test]
    fn pieces_of_files_in_any_order(
        pieces in proptest::collection::vec(0usize..8, 0..12),
    ) {
        let parts = [
            ". 3600 DNSKEY 257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4= ", "; ", "(", ")",
            "Valid:", "AddPend:12 ", "\n", ". DS 1 8 2 00FF ",
        ];
        let text: String = pieces.iter().map(|at| parts[*at]).collect();
        if let Ok(set) = read_set(&text) {
            proptest::prop_assert_eq!(read_set(&write(&set)), Ok(set));
        }
    }
}
