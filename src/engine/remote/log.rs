//! What viewers are told, kept for those who come later.

use super::{
    RemoteError,
    message::{LONGEST, Position, ToViewer},
    token::random,
};
use serde::{Serialize, ser::Error as _};
use std::{
    fmt,
    marker::PhantomData,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A list of messages that only grows, and the newest message of each passing kind. Every viewer reads at its own pace and
/// none makes the writer wait: a slow one misses passing messages, never kept ones.
///
/// Numbers that are not finite become `null` in JSON; a message type that has some must read it.
pub struct Log<M> {
    id: u64,
    told: Mutex<Told>,
    news: Condvar,
    message: PhantomData<fn(&M)>,
}

/// All that there is to read.
#[derive(Default)]
struct Told {
    generation: u64,
    /// Whole frames of JSON.
    kept: Vec<Arc<str>>,
    /// In the order of their counts.
    passing: Vec<Passing>,
    /// How many passing messages there were.
    passed: u64,
}

struct Passing {
    kind: &'static str,
    count: u64,
    /// How many messages were kept before it.
    place: usize,
    frame: Arc<str>,
}

/// How far a viewer has read.
pub(super) struct Reader {
    /// None: not even the beginning.
    generation: Option<u64>,
    next: usize,
    passed: u64,
}

impl<M: Serialize> Log<M> {
    /// An empty log.
    ///
    /// # Errors
    /// When the system gives no random bytes, by which a log is told from that of a server before.
    pub fn new() -> Result<Self, RemoteError> {
        Ok(Self {
            id: u64::from_le_bytes(random()?),
            told: Mutex::default(),
            news: Condvar::new(),
            message: PhantomData,
        })
    }

    /// Adds a message that every viewer gets, also one that comes later.
    ///
    /// # Errors
    /// When JSON cannot hold the message, or it is longer than 1 GiB.
    pub fn keep(&self, message: &M) -> serde_json::Result<()> {
        let frame = frame(&ToViewer::<&M, ()>::Kept(message))?;
        self.tell(|told| told.kept.push(frame.into()));
        Ok(())
    }

    /// Says something that is true now, such as how far a job has come. Of each `kind` only the newest message counts, and
    /// only until a kept message follows it: a viewer that is slow, or comes later, does not get it.
    ///
    /// # Errors
    /// As [`keep`](Self::keep).
    pub fn pass(&self, kind: &'static str, message: &M) -> serde_json::Result<()> {
        let frame = frame(&ToViewer::<&M, ()>::Passing(message))?.into();
        self.tell(|told| {
            told.passed += 1;
            let passing = Passing { kind, count: told.passed, place: told.kept.len(), frame };
            told.passing.retain(|older| older.kind != kind && older.place == passing.place);
            told.passing.push(passing);
        });
        Ok(())
    }

    /// Forgets everything, and makes every viewer forget it: what follows is about something else.
    pub fn begin_again(&self) {
        self.tell(|told| {
            let (generation, passed) = (told.generation + 1, told.passed);
            *told = Told { generation, passed, ..Told::default() };
        });
    }

    fn tell(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.told());
        self.news.notify_all();
    }
}

impl<M> Log<M> {
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// A reader that goes on at a position, if that is one of this log, and else begins.
    pub(super) fn reader(&self, have: Option<Position>) -> Reader {
        let told = self.told();
        let is_here = |have: &Position| {
            have.log == self.id
                && have.generation == told.generation
                && have.next <= told.kept.len()
        };
        match have.filter(is_here) {
            Some(have) => Reader { generation: Some(have.generation), next: have.next, passed: 0 },
            None => Reader { generation: None, next: 0, passed: 0 },
        }
    }

    /// What the reader has not read yet, in order: about as many bytes as asked for, or one message that is longer.
    pub(super) fn read(&self, reader: &mut Reader, bytes: usize) -> Vec<Arc<str>> {
        let told = self.told();
        let mut frames = Vec::new();
        if reader.generation != Some(told.generation) {
            *reader = Reader { generation: Some(told.generation), next: 0, passed: reader.passed };
            let begin = ToViewer::<(), ()>::Begin { generation: told.generation };
            // Two names and a number are always written.
            frames.extend(frame(&begin).ok().map(Arc::from));
        }
        let mut room = bytes;
        loop {
            let place = reader.next;
            let unread =
                |passing: &&Passing| passing.count > reader.passed && passing.place == place;
            let passing: Vec<_> = told.passing.iter().filter(unread).collect();
            frames.extend(passing.iter().map(|passing| Arc::clone(&passing.frame)));
            reader.passed = passing.last().map_or(reader.passed, |newest| newest.count);
            let Some(kept) = told.kept.get(place).filter(|_| room > 0) else { return frames };
            frames.push(Arc::clone(kept));
            room = room.saturating_sub(kept.len());
            reader.next += 1;
        }
    }

    /// Waits for something to read, at most so long.
    pub(super) fn wait(&self, reader: &Reader, most: Duration) {
        let nothing_new = |told: &mut Told| {
            reader.generation == Some(told.generation)
                && reader.next == told.kept.len()
                && told.passing.last().is_none_or(|newest| {
                    newest.count <= reader.passed || newest.place < reader.next
                })
        };
        drop(self.news.wait_timeout_while(self.told(), most, nothing_new));
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M> fmt::Debug for Log<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = self.told();
        write!(f, "Log({} messages of generation {})", told.kept.len(), told.generation)
    }
}

/// What a frame holds.
pub(super) fn frame<T: Serialize>(message: &T) -> serde_json::Result<String> {
    let text = serde_json::to_string(message)?;
    if text.len() > LONGEST {
        return Err(serde_json::Error::custom(format!(
            "the message has {} bytes, more than 1 GiB",
            text.len()
        )));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{thread, time::Instant};

    const ALL: usize = usize::MAX;

    fn log() -> Log<u32> {
        Log::new().expect("a log")
    }

    fn at(log: &Log<u32>, generation: u64, next: usize) -> Reader {
        log.reader(Some(Position { log: log.id, generation, next }))
    }

    fn read(log: &Log<u32>, reader: &mut Reader) -> String {
        log.read(reader, ALL).join(" ").replace('"', "")
    }

    #[test]
    fn passing_messages_come_in_their_place_or_not_at_all() {
        let log = log();
        let mut follower = log.reader(None);
        log.keep(&0).expect("is written");
        log.pass("step", &1).expect("is written");
        log.pass("speed", &2).expect("is written");
        log.pass("step", &3).expect("is written");
        assert_eq!(
            read(&log, &mut follower),
            "{begin:{generation:0}} {kept:0} {passing:2} {passing:3}"
        );
        assert_eq!(read(&log, &mut follower), "");
        log.pass("step", &4).expect("is written");
        log.keep(&5).expect("is written");
        log.keep(&6).expect("is written");
        // The follower was there when it was true, the newcomer was not.
        assert_eq!(read(&log, &mut follower), "{passing:4} {kept:5} {kept:6}");
        assert_eq!(read(&log, &mut at(&log, 0, 2)), "{kept:6}");
        log.pass("step", &7).expect("is written");
        assert_eq!(read(&log, &mut at(&log, 0, 2)), "{kept:6} {passing:7}");
    }

    #[test]
    fn a_reader_goes_on_where_it_was_only_in_the_same_generation_of_the_same_log() {
        let (log, other) = (log(), log());
        for message in 0..3 {
            log.keep(&message).expect("is written");
            other.keep(&message).expect("is written");
        }
        let all = "{begin:{generation:0}} {kept:0} {kept:1} {kept:2}";
        assert_eq!(read(&log, &mut at(&log, 0, 2)), "{kept:2}");
        assert_eq!(read(&log, &mut at(&log, 0, 3)), "");
        assert_eq!(read(&log, &mut at(&log, 0, 4)), all);
        assert_eq!(read(&log, &mut at(&log, 1, 2)), all);
        let elsewhere = Position { log: other.id, generation: 0, next: 2 };
        assert_eq!(read(&log, &mut log.reader(Some(elsewhere))), all);
        let mut follower = at(&log, 0, 2);
        log.begin_again();
        log.keep(&9).expect("is written");
        assert_eq!(read(&log, &mut follower), "{begin:{generation:1}} {kept:9}");
        assert_eq!(read(&log, &mut at(&log, 0, 1)), "{begin:{generation:1}} {kept:9}");
    }

    #[test]
    fn a_batch_is_as_long_as_asked_for_and_at_least_one_message() {
        let log = log();
        (0..100).for_each(|message| log.keep(&message).expect("is written"));
        let mut reader = at(&log, 0, 0);
        // `{"kept":0}` has ten bytes.
        assert_eq!(log.read(&mut reader, 25).len(), 3);
        assert_eq!(log.read(&mut reader, 1).len(), 1);
        assert_eq!(log.read(&mut reader, ALL).len(), 96);
    }

    #[test]
    fn a_reader_that_has_read_everything_waits_until_there_is_more() {
        let log = log();
        let mut reader = at(&log, 0, 0);
        let long = Duration::from_secs(60);
        thread::scope(|scope| {
            scope.spawn(|| log.keep(&1).expect("is written"));
            let begun = Instant::now();
            log.wait(&reader, long);
            assert_eq!(read(&log, &mut reader), "{kept:1}");
            scope.spawn(|| log.pass("step", &2).expect("is written"));
            log.wait(&reader, long);
            assert_eq!(read(&log, &mut reader), "{passing:2}");
            scope.spawn(|| log.begin_again());
            log.wait(&reader, long);
            assert_eq!(read(&log, &mut reader), "{begin:{generation:1}}");
            assert!(begun.elapsed() < long);
        });
        let begun = Instant::now();
        log.wait(&reader, Duration::from_millis(20));
        assert!(begun.elapsed() >= Duration::from_millis(20));
    }
}
