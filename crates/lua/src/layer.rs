//! A module written in Lua, as the resolver's stack of layers sees it.

/// The hooks of a layer that a Lua module may implement, in the order of a request's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// A request has come.
    Begin,
    /// A sub-query starts.
    Reset,
    /// A reply has come.
    Consume,
    /// A query is to be made.
    Produce,
    /// A query leaves, its target is known.
    Checkout,
    /// The response is complete.
    AnswerFinalize,
    /// The request is over.
    Finish,
}

impl Phase {
    /// All hooks.
    pub const ALL: [Self; 7] = [
        Self::Begin,
        Self::Reset,
        Self::Consume,
        Self::Produce,
        Self::Checkout,
        Self::AnswerFinalize,
        Self::Finish,
    ];

    /// The field of the module's `layer` table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Reset => "reset",
            Self::Consume => "consume",
            Self::Produce => "produce",
            Self::Checkout => "checkout",
            Self::AnswerFinalize => "answer_finalize",
            Self::Finish => "finish",
        }
    }
}

/// The hooks of one Lua module. It only names them; the functions stay in the interpreter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LuaLayer {
    module: String,
    phases: Vec<Phase>,
}

impl LuaLayer {
    /// The hooks that the module implements.
    pub fn new(module: String, phases: Vec<Phase>) -> Self {
        Self { module, phases }
    }

    /// The name of the module.
    pub fn module(&self) -> &str {
        &self.module
    }

    /// Which hooks exist. A phase that is not among them never enters Lua.
    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }
}
