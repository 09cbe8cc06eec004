//! The daemon's word for where an answer has to go, as the resolver carries it about.

/// What a client's token stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Token {
    /// A UDP socket, by its number.
    Listener(u32),
    /// A datagram that a load balancer passed on: where its way back is kept.
    Proxied(u32),
    /// A client's stream: place in the table, and how often the place was used before.
    Stream { place: u32, round: u16 },
    /// A question from inside the program, by its number.
    Internal(u32),
    /// A question that a task of the program waits for, by its number.
    Own(u32),
}

/// Numbers of questions with this bit are those of modules.
const MODULE_QUESTION: u32 = 1 << 31;
/// Modules that are told apart; the numbers of questions are 16 bits wide.
const MODULE_MASK: u32 = 0x7fff;

/// The number of a module's question among all questions from inside the program.
pub(crate) fn module_question(module: u16, question: u16) -> u32 {
    MODULE_QUESTION | (u32::from(module) & MODULE_MASK) << 16 | u32::from(question)
}

/// The module and its number for the question, if a module asked it.
pub(crate) fn as_module_question(number: u32) -> Option<(u16, u16)> {
    let module = number >> 16 & MODULE_MASK;
    (number & MODULE_QUESTION != 0).then_some((module as u16, number as u16))
}

const LISTENER: u64 = 0;
const STREAM: u64 = 1;
const INTERNAL: u64 = 2;
const OWN: u64 = 3;
/// With [`LISTENER`], which has these bits free: a datagram that was passed on.
const PROXIED: u64 = 1 << 63;

impl From<Token> for u64 {
    fn from(token: Token) -> u64 {
        match token {
            Token::Listener(number) => LISTENER << 48 | u64::from(number),
            Token::Proxied(number) => PROXIED | LISTENER << 48 | u64::from(number),
            Token::Stream { place, round } => {
                u64::from(round) << 50 | STREAM << 48 | u64::from(place)
            }
            Token::Internal(number) => INTERNAL << 48 | u64::from(number),
            Token::Own(number) => OWN << 48 | u64::from(number),
        }
    }
}

impl From<u64> for Token {
    fn from(bits: u64) -> Token {
        let number = bits as u32;
        match bits >> 48 & 3 {
            LISTENER if bits & PROXIED != 0 => Token::Proxied(number),
            LISTENER => Token::Listener(number),
            STREAM => Token::Stream { place: number, round: (bits >> 50) as u16 },
            OWN => Token::Own(number),
            _ => Token::Internal(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_of_modules_have_numbers_of_their_own() {
        assert_eq!(as_module_question(module_question(0, 0)), Some((0, 0)));
        assert_eq!(as_module_question(module_question(40, 65_535)), Some((40, 65_535)));
        assert_eq!(as_module_question(MODULE_QUESTION - 1), None);
    }

    #[test]
    fn tokens_survive_the_journey() {
        for token in [
            Token::Listener(0),
            Token::Listener(u32::MAX),
            Token::Proxied(0),
            Token::Proxied(u32::MAX),
            Token::Stream { place: 7, round: 0 },
            Token::Stream { place: u32::MAX, round: 0x3fff },
            Token::Internal(9),
            Token::Own(u32::MAX),
        ] {
            assert_eq!(Token::from(u64::from(token)), token);
        }
    }
}
