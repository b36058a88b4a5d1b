//! The ways in which a keeper, or the client and the host that it relies on, can be wrong. Each breaks a promise.

/// The rule of the keeper that is bent, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutation {
    /// The correct keeper.
    None,
    /// Treats the fence as passed at once.
    NoFence,
    /// The intent is only in the page cache when the set leaves: a kill loses it.
    IntentLostAtKill,
    /// Sends without an intent on disk.
    IntentNotWritten,
    /// After a kill, treats a noted set as one that has not left.
    SendsAgainAfterAKill,
    /// Notes a timestamp that is ten seconds earlier than the one it signs with.
    IntentStampedEarly,
    /// Treats the mode that the ledger holds as applied as the live one.
    TrustsTheRecord,
    /// Does not check for a newer revision between note and send.
    NoRevisionCheck,
    /// Treats a missing answer as a refusal.
    SilenceIsARefusal,
    /// Treats `00000` as confirmed, without a read.
    SuccessWithoutARead,
    /// Repeats a request that was not answered, within the same call.
    RepeatsTheRequest,
    /// Records a set of its own as applied only if the file still wants its mode.
    RecordsOnlyTheDesired,
    /// Treats a list that could not be read as empty.
    UnreadIsEmpty,
    /// Treats a mode that could not be read as the desired one.
    UnreadIsInSync,
    /// Rests for one target before it looks at another, whichever it looked at longest ago.
    RestsBeforeItLooks,
    /// Sends a set as soon as it has begun.
    NoQuietStart,
    /// Sends without the claim of the key.
    NoClaim,
    /// Takes the claim of the key with its first set, and sends that at once.
    SendsUponItsClaim,
    /// Goes by the exchange's time alone for when a fence is over, whatever jumps that makes.
    OneWitness,
    /// The same for a set of the process before it alone.
    OneWitnessAfterAKill,
    /// Takes a jump of the exchange's time for its time, without asking the call for the time.
    BelievesAJump,
    /// Takes the next answer that comes for the one to its question.
    TakesAnyAnswer,
    /// Takes an answer for one of now, whatever its own time says.
    BelievesOldAnswers,
    /// Takes a refusal for that of its set, though it is older than that or another's.
    TakesAnyRefusal,
    /// Notes a set though the ledger's database has lately lost its tail.
    NoQuarantine,
    /// Notes a set though an unresolved one of the target stands in the ledger.
    NoUniqueIntent,
    /// Takes a commit without an answer, or with a warning, for done.
    NoticeIgnored,
    /// Writes what came of its set whoever's intent stands there.
    ConcludesAnothers,
    /// Sends a noted set however long ago it was noted.
    SendsLate,
}
