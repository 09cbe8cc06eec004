//! What the linker is told about the program.

fn main() {
    // C modules of Lua find the Lua C API in it. Exporting everything would keep what nobody calls.
    println!("cargo:rustc-link-arg-bins=-Wl,--export-dynamic-symbol=lua*");
    // Twenty thousand relocations in a few pages; every page that a start touches counts.
    println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    println!("cargo:rerun-if-changed=build.rs");
}
