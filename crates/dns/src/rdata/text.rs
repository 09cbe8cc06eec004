//! Rdata as text, both ways, for every assigned type (RFC 1035 §5.1 and the RFC of each type), and
//! RFC 3597 `\# length hex` for all others and for what is malformed.
//!
//! Which fields a type has is one line of [`table`]; what a field looks like on the wire and in
//! text is in [`field`] and the files beside it. The style is libknot's. What [`fmt_rdata`] writes
//! of well-formed rdata reads back as the same bytes; rdata that its type's text cannot carry
//! exactly counts as malformed, is shown in the generic form and is not read.
//!
//! HINT: to add a type, add a line to `rtypes!` in [`crate::rtype`] and one to [`table::fields`].

use std::fmt::{self, Write};

use smallvec::SmallVec;

use crate::limits::RDATA_BYTES_MAX;
use crate::name::Name;
use crate::rtype::{Class, Rtype};

mod addresses;
mod binary;
mod field;
mod gateway;
mod location;
mod numbers;
mod parameters;
mod strings;
mod table;
mod token;

pub use binary::decode_base64;
pub use numbers::parse_period;
pub use token::{TextFault, Token, tokenize};

use field::Field;
use token::Cursor;

/// What a field's reader needs to know beside its own text.
pub(crate) struct Context<'a> {
    /// Completes names without a final dot.
    pub(crate) origin: &'a Name,
}

/// Writes rdata (uncompressed) as text. Malformed rdata and types without a form of their own are
/// written as RFC 3597 §5 has it. Fails only if `out` does.
pub fn fmt_rdata(rtype: Rtype, rdata: &[u8], out: &mut impl Write) -> fmt::Result {
    let Some(pieces) = table::fields(rtype).and_then(|fields| split(fields, rdata)) else {
        return fmt_generic(rdata, out);
    };
    let mut first = true;
    for (field, start, end) in pieces {
        if start == end && !field.shows_nothing() {
            continue;
        }
        if !first {
            out.write_char(' ')?;
        }
        first = false;
        field.fmt(rdata, start, end, out)?;
    }
    Ok(())
}

/// The same for any class: outside of IN, types that are defined for that class only have the generic
/// form, and no other is read back.
pub(crate) fn fmt_rdata_of(
    class: Class,
    rtype: Rtype,
    rdata: &[u8],
    out: &mut impl Write,
) -> fmt::Result {
    match class {
        Class::IN => fmt_rdata(rtype, rdata, out),
        _ if table::is_of_the_internet(rtype) => fmt_generic(rdata, out),
        _ => fmt_rdata(rtype, rdata, out),
    }
}

/// Writes rdata in the generic form, whatever its type (RFC 3597 §5).
pub fn fmt_generic(rdata: &[u8], out: &mut impl Write) -> fmt::Result {
    write!(out, "\\# {}", rdata.len())?;
    if !rdata.is_empty() {
        out.write_char(' ')?;
        binary::fmt_hex(rdata, out)?;
    }
    Ok(())
}

/// Is this rdata (uncompressed) of the form that its type prescribes, down to order and padding?
/// True for types without a prescribed form.
pub fn is_well_formed(rtype: Rtype, rdata: &[u8]) -> bool {
    table::fields(rtype).is_none_or(|fields| split(fields, rdata).is_some())
}

/// Reads the rdata of a record from its tokens. Names without a final dot end in `origin`. All
/// tokens must be used. Both the type's own form and `\# length hex` are taken; the latter must be
/// well formed too if the type is known (RFC 3597 §5).
pub fn parse_rdata(
    rtype: Rtype,
    class: Class,
    tokens: &[Token<'_>],
    origin: &Name,
) -> Result<Vec<u8>, TextFault> {
    let mut out = Vec::new();
    parse_rdata_into(rtype, class, tokens, origin, &mut out)?;
    Ok(out)
}

/// [`parse_rdata`] that appends to `out`; on a fault what it appended is undefined.
pub fn parse_rdata_into(
    rtype: Rtype,
    class: Class,
    tokens: &[Token<'_>],
    origin: &Name,
    out: &mut Vec<u8>,
) -> Result<(), TextFault> {
    let mut cursor = Cursor::new(tokens);
    let base = out.len();
    if cursor.take_exactly(b"\\#") {
        parse_generic(rtype, &mut cursor, out)?;
    } else {
        let fields = table::fields(rtype)
            .filter(|_| matches!(class, Class::IN) || !table::is_of_the_internet(rtype));
        let Some(fields) = fields else {
            return Err(cursor.fault_here("\\# and rdata as length and hexadecimal digits"));
        };
        let context = Context { origin };
        for field in fields {
            field.parse(&mut cursor, &context, base, out)?;
        }
    }
    cursor.finish()?;
    if out.len() - base > RDATA_BYTES_MAX {
        return Err(cursor.fault_here("rdata of at most 65535 bytes"));
    }
    Ok(())
}

/// Reads rdata from one line of text, for instance `10 mail.example.`; see [`parse_rdata`].
pub fn parse_rdata_text(
    rtype: Rtype,
    class: Class,
    text: &[u8],
    origin: &Name,
) -> Result<Vec<u8>, TextFault> {
    let mut tokens = Vec::new();
    tokenize(text, &mut tokens)?;
    parse_rdata(rtype, class, &tokens, origin)
}

fn parse_generic(
    rtype: Rtype,
    cursor: &mut Cursor<'_>,
    out: &mut Vec<u8>,
) -> Result<(), TextFault> {
    let base = out.len();
    let length = cursor.number(RDATA_BYTES_MAX as u64, "the length of the rdata in bytes")?;
    binary::parse_hex(cursor, true, out)?;
    if (out.len() - base) as u64 != length {
        return Err(cursor.fault_here("as many bytes as the length says"));
    }
    if !is_well_formed(rtype, &out[base..]) {
        return Err(cursor.fault_last("well-formed rdata of this type"));
    }
    Ok(())
}

/// Cuts rdata into its fields; `None` if they do not fit or something is left over.
fn split(fields: &'static [Field], rdata: &[u8]) -> Option<Pieces> {
    let mut at = 0;
    let mut pieces = Pieces::new();
    for field in fields {
        let end = at + field.extent(rdata, at)?;
        pieces.push((*field, at, end));
        at = end;
    }
    (at == rdata.len()).then_some(pieces)
}

/// Fields with where they start and end; the longest types have nine.
type Pieces = SmallVec<[(Field, usize, usize); 10]>;

#[cfg(test)]
mod tests;
