//! The lexer of the checks: what counts as code.

use super::*;

#[track_caller]
fn check_blank(text: &str, expected: &str) {
    assert_eq!(blank(text), expected);
}

#[test]
fn comments_and_strings_are_not_code() {
    check_blank("a // b\nc", "a     \nc");
    check_blank("a /* x /* y */ z */ b", "a                   b");
    check_blank(r#"f("un\"safe") g"#, r#"f("        ") g"#);
    check_blank("r#\"a\"b\"# x", "r      # x");
    check_blank("b\"ab\" br\"c\" for", "b   \" b   \" for");
}

#[test]
fn lifetimes_are_not_characters() {
    check_blank("fn f<'a>(x: &'a str) -> char { '{' }", "fn f<'a>(x: &'a str) -> char { ' ' }");
    check_blank("'\\'' '\\u{7d}' 'é'", "'  ' '      ' '  '");
}

#[test]
fn words_are_whole() {
    let found: Vec<usize> = find_word("unsafe unsafe_code not_unsafe (unsafe)", "unsafe").collect();
    assert_eq!(found, [0, 31]);
}

#[test]
fn code_in_a_test_module_is_test_code() {
    let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\nfn c() {}\n#[cfg(test)]\nmod t;\nfn d() {}\n";
    let file = RustFile::new("crates/dns/src/x.rs".into(), text.into());
    let at = |name: &str| text.find(name).expect("in the text");
    assert!(!file.is_test_code(at("fn a")));
    assert!(file.is_test_code(at("fn b")));
    assert!(!file.is_test_code(at("fn c")));
    assert!(!file.is_test_code(at("fn d")));
}
