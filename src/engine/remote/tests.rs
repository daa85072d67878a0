//! Servers and viewers over real sockets.

use super::{
    message::{FromViewer, Hello, PROTOCOL, ToViewer},
    wire::{Connection, MAGIC, Stream},
    *,
};
use crate::engine::{messages::keep, seed};
use rand::RngExt;
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

/// What no test should take, on however busy a machine.
const LONG: Duration = Duration::from_secs(30);

type Viewer = Client<String, String, String>;
type Told = News<String, String>;

/// A server that answers requests as they ask for it.
struct Served {
    log: Arc<Log<String>>,
    server: Option<Server>,
    options: ServerOptions,
    held: Arc<Mutex<Vec<Reply<String>>>>,
}

fn serve_with(change: impl FnOnce(&mut ServerOptions)) -> Served {
    let mut options = ServerOptions {
        listen: "127.0.0.1:0".into(),
        token: Token::new().expect("a token"),
        certificate: None,
        exposed: false,
        limits: Limits::default(),
    };
    change(&mut options);
    let mut served = Served {
        log: Arc::new(Log::new().expect("a log")),
        server: None,
        options,
        held: Arc::default(),
    };
    served.start();
    served
}

fn serve() -> Served {
    serve_with(|_| {})
}

impl Served {
    fn start(&mut self) {
        let held = Arc::clone(&self.held);
        let on_request =
            move |Asked { viewer, request, reply }: Asked<String, String>| match &*request {
                "hold" => held.lock().expect("is whole").push(reply),
                "refuse" => reply.refuse("not today"),
                "drop" => drop(reply),
                other => reply.answer(&format!("{viewer} asked: {other}")),
            };
        let server = Server::start(self.options.clone(), Arc::clone(&self.log), on_request);
        let server = server.expect("can listen");
        // Started again, it is where it was.
        self.options.listen = server.address().to_string();
        self.server = Some(server);
    }

    fn address(&self) -> SocketAddr {
        self.server.as_ref().expect("is started").address()
    }

    fn keep(&self, messages: impl IntoIterator<Item = usize>) {
        messages
            .into_iter()
            .for_each(|message| self.log.keep(&message.to_string()).expect("is written"));
    }

    fn client_options(&self) -> ClientOptions {
        ClientOptions {
            address: self.address().to_string(),
            token: self.options.token.clone(),
            write: true,
            trust: None,
            exposed: false,
            waits: Waits { first: Duration::from_millis(2), longest: Duration::from_millis(20) },
            limits: self.options.limits,
        }
    }

    fn viewer_with(&self, change: impl FnOnce(&mut ClientOptions)) -> Viewer {
        let mut options = self.client_options();
        change(&mut options);
        Client::connect(options).expect("a client")
    }

    fn writer(&self) -> Viewer {
        self.viewer_with(|_| {})
    }

    fn watcher(&self) -> Viewer {
        self.viewer_with(|options| options.write = false)
    }

    fn hello(&self) -> Hello {
        Hello {
            protocol: PROTOCOL,
            token: self.options.token.to_hex(),
            program: "test".into(),
            viewer: 1,
            write: true,
            have: None,
        }
    }

    /// A viewer that is not a [`Client`], which has said hello.
    fn raw_viewer(&self, hello: Hello) -> Connection {
        let socket = TcpStream::connect(self.address()).expect("can connect");
        let mut raw = Connection::new(Stream::Plain(socket), 1 << 30).expect("a connection");
        raw.send(&json(&FromViewer::<String>::Hello(hello)));
        assert!(raw.flush().expect("can write"));
        raw
    }
}

fn json(message: &impl serde::Serialize) -> String {
    serde_json::to_string(message).expect("is written")
}

fn framed(text: &[u8]) -> Vec<u8> {
    let length = u32::try_from(text.len()).expect("is short").to_be_bytes();
    [MAGIC, &length, text].concat()
}

/// The news up to one of a kind, but what tells that a viewer has caught up.
fn until(viewer: &Viewer, is_last: impl Fn(&Told) -> bool) -> Vec<Told> {
    let begun = Instant::now();
    let mut all = Vec::new();
    while begun.elapsed() < LONG {
        match viewer.wait_for_news(LONG) {
            Ok(news) => all.extend(news.filter(|news| *news != News::CaughtUp)),
            Err(error) => panic!("{error}: {all:?}"),
        }
        if all.last().is_some_and(&is_last) {
            return all;
        }
    }
    panic!("it does not come: {all:?}");
}

/// The news up to a kept message.
fn until_kept(viewer: &Viewer, last: &str) -> Vec<Told> {
    until(viewer, |news| matches!(news, News::Kept(message) if message == last))
}

fn kept(news: &[Told]) -> Vec<usize> {
    let number = |news: &Told| match news {
        News::Kept(message) => Some(message.parse().expect("is a number")),
        _ => None,
    };
    news.iter().filter_map(number).collect()
}

fn connected(viewer: &Viewer) -> bool {
    let news = until(viewer, |news| matches!(news, News::Link(Link::Connected { .. })));
    news.last() == Some(&News::Link(Link::Connected { writes: true }))
}

/// Why a client has ended.
fn refusal(viewer: &Viewer) -> String {
    let is_refusal = |news: &Told| matches!(news, News::Link(Link::Refused { .. }));
    match until(viewer, is_refusal).pop() {
        Some(News::Link(Link::Refused { why })) => why,
        other => panic!("{other:?}"),
    }
}

/// Why a client has lost its connection.
fn loss(viewer: &Viewer) -> String {
    match until(viewer, |news| matches!(news, News::Link(Link::Lost { .. }))).pop() {
        Some(News::Link(Link::Lost { why, .. })) => why,
        other => panic!("{other:?}"),
    }
}

fn answer(viewer: &Viewer, number: u64) -> Answer<String> {
    let of_it = |news: &Told| matches!(news, News::Answer { number: of, .. } if *of == number);
    match until(viewer, of_it).pop() {
        Some(News::Answer { answer, .. }) => answer,
        other => panic!("{other:?}"),
    }
}

/// All that a server says to someone who sends these bytes and waits.
fn provoke(address: SocketAddr, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).expect("can connect");
    socket.set_read_timeout(Some(LONG)).expect("can be set");
    // The server may hang up in the middle of it.
    let _ = socket.write_all(bytes);
    let mut said = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = socket.read(&mut chunk) {
        said.extend_from_slice(&chunk[..count]);
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// Why a server refuses, in what it said: to a viewer in its last message, to a browser on a page.
fn reason(said: &str) -> String {
    let why = match said.split_once("{\"refused\":") {
        Some((_, refused)) => {
            let refused = serde_json::Deserializer::from_str(refused).into_iter::<Value>().next();
            refused.expect("is told").expect("is JSON")["reason"].as_str().map(str::to_owned)
        }
        None => said.lines().last().map(str::to_owned),
    };
    why.expect("a sentence").replace(PROGRAM, "VERSION")
}

/// The next text that is no heartbeat, and does not tell that a viewer has caught up.
fn receive(raw: &mut Connection) -> Option<String> {
    let begun = Instant::now();
    while begun.elapsed() < LONG {
        match raw.receive() {
            Ok(Some(text)) if text.is_empty() || text == json(&ToViewer::<(), ()>::CaughtUp) => {}
            Ok(Some(text)) => return Some(text),
            Ok(None) => thread::sleep(Duration::from_millis(1)),
            Err(_) => return None,
        }
    }
    panic!("nothing comes");
}

/// Looks again and again.
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LONG, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn tls_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls").join(name)
}

fn certificate(name: &str) -> Certificate {
    Certificate {
        certificate: tls_file(&format!("{name}.pem")),
        key: tls_file(&format!("{name}.key")),
    }
}

#[test]
fn a_viewer_is_told_when_it_has_caught_up() {
    let served = serve();
    (0..500).for_each(|number| served.log.keep(&number.to_string()).expect("is written"));
    let viewer = served.watcher();
    let mut kept = 0;
    while viewer.wait_for_news(LONG).expect("runs").is_none_or(|news| {
        kept += usize::from(matches!(news, News::Kept(_)));
        news != News::CaughtUp
    }) {}
    assert_eq!(kept, 500);
    served.log.keep(&"later".to_owned()).expect("is written");
    until_kept(&viewer, "later");
}

#[test]
fn strangers_are_refused_in_these_words_and_disturb_no_viewer() {
    let served = serve_with(|options| options.limits.greeting = Duration::from_millis(300));
    let good = served.watcher();
    let done = AtomicBool::new(false);
    let hello = |change: &dyn Fn(&mut Hello)| {
        let mut hello = served.hello();
        change(&mut hello);
        framed(json(&FromViewer::<String>::Hello(hello)).as_bytes())
    };
    let then = |bytes: &[u8]| [&*hello(&|_| {}), bytes].concat();
    let gigabyte = (1_u32 << 30).to_be_bytes();
    let mut garbage = vec![0; 100_000];
    seed::rng(1, "garbage", 0).fill(&mut garbage[..]);
    let no_token = hello(&|hello| hello.token.clear());
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a browser", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
        ("garbage", garbage.clone()),
        ("TLS", vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
        ("half a greeting", MAGIC[..5].to_vec()),
        ("half a hello", hello(&|_| {})[..40].to_vec()),
        ("nothing", Vec::new()),
        ("a gigabyte", [MAGIC, &gigabyte].concat()),
        ("a long hello", hello(&|hello| hello.program = "x".repeat(9999))),
        ("bytes in a frame", framed(&garbage[..1000])),
        ("no JSON", framed(b"{hello")),
        ("deep JSON", framed("[".repeat(4000).as_bytes())),
        ("a heartbeat", framed(b"")),
        ("a request", framed(br#"{"request":{"number":0,"request":"hold"}}"#)),
        ("no token", no_token.clone()),
        ("a wrong token", hello(&|hello| hello.token = "0".repeat(64))),
        ("another version", hello(&|hello| hello.protocol += 1)),
        ("two hellos", then(&hello(&|_| {})[MAGIC.len()..])),
        ("a gigabyte later", then(&gigabyte)),
        ("no JSON later", then(&framed(b"[1, 2")[MAGIC.len()..])),
        ("bytes later", then(&framed(&[0xff; 9])[MAGIC.len()..])),
    ];
    let mut refusals = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut next = 0;
            while !done.load(Ordering::Relaxed) {
                served.keep([next]);
                next += 1;
                thread::sleep(Duration::from_millis(1));
            }
            served.log.keep(&"end".to_owned()).expect("is written");
        });
        for (who, bytes) in &cases {
            let said = provoke(served.address(), bytes);
            // Before the token was right, nothing of the log is told.
            assert!(
                who.contains("later") || who.contains("hellos") || !said.contains("kept"),
                "{said}"
            );
            refusals.push((who, said));
        }
        done.store(true, Ordering::Relaxed);
    });
    keep("refused-viewers", refusals.iter().map(|(who, said)| (who, reason(said))));
    let news = until_kept(&good, "end");
    let (end, all) = news.split_last().expect("is there");
    assert_eq!(*end, News::Kept("end".to_owned()));
    assert_eq!(all[..2], [News::Link(Link::Connected { writes: false }), News::Begin]);
    assert!(all.len() > 100 && kept(all) == (0..all.len() - 2).collect::<Vec<_>>());
}

#[test]
fn a_silent_stranger_holds_the_door_only_for_the_time_of_a_greeting() {
    let served = serve_with(|options| {
        options.limits.greeting = Duration::from_millis(200);
        options.limits.strangers = 3;
    });
    let address = served.address();
    let silent: Vec<_> =
        (0..9).map(|_| TcpStream::connect(address).expect("can connect")).collect();
    served.keep([0]);
    // It may give up once or twice before its turn comes.
    let news = until_kept(&served.watcher(), "0");
    assert_eq!(kept(&news), [0]);
    drop(silent);
}

#[test]
fn one_viewer_too_many_waits_until_another_leaves() {
    let served = serve();
    let mut viewers: Vec<_> = (0..16).map(|_| served.watcher()).collect();
    viewers.iter().for_each(|viewer| assert!(!connected(viewer)));
    let late = served.watcher();
    let why = loss(&late);
    assert!(why.contains("16 viewers are connected already"), "{why}");
    viewers.pop();
    assert!(!connected(&late));
    // The others have not noticed.
    served.keep([7]);
    for viewer in viewers.iter().chain([&late]) {
        assert_eq!(until_kept(viewer, "7").len(), 2);
    }
}

#[test]
fn a_viewer_that_does_not_read_makes_neither_the_writer_nor_other_viewers_wait() {
    let served = serve();
    let mut slow = served.raw_viewer(served.hello());
    assert!(receive(&mut slow).expect("a welcome").contains("welcome"));
    let good = served.watcher();
    // More than sockets hold.
    let long = "x".repeat(100_000);
    for message in 0..200 {
        served.log.pass("step", &format!("step {message}")).expect("is written");
        served.log.keep(&format!("{message} {long}")).expect("is written");
    }
    let news = until(&good, |news| matches!(news, News::Kept(text) if text.starts_with("199 ")));
    assert_eq!(news.iter().filter(|news| matches!(news, News::Kept(_))).count(), 200);
    // When it reads at last, it has missed nothing that is kept.
    let mut next = 0;
    while next < 200 {
        match serde_json::from_str(&receive(&mut slow).expect("is connected")).expect("is JSON") {
            ToViewer::<String, String>::Kept(text) => {
                assert!(text.starts_with(&format!("{next} ")), "{next}");
                next += 1;
            }
            ToViewer::Begin { generation: 0 } | ToViewer::Passing(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_viewer_whose_program_is_busy_stays_connected() {
    let served = serve_with(|options| {
        options.limits.silence = Duration::from_millis(700);
        options.limits.heartbeat = Duration::from_millis(50);
    });
    let busy = served.writer();
    let long = "x".repeat(8000);
    (0..3000).for_each(|_| served.log.keep(&long).expect("is written"));
    thread::sleep(Duration::from_millis(1500));
    served.keep([0]);
    let number = busy.ask(&"a".to_owned()).expect("is taken");
    // Messages and answer come in whichever order.
    let news: Vec<_> = (0..3004).flat_map(|_| until(&busy, |_| true)).collect();
    assert_eq!(news.iter().filter(|news| matches!(news, News::Kept(_))).count(), 3001);
    let answer = News::Answer { number, answer: Answer::Given("viewer 1 asked: a".to_owned()) };
    assert!(news.contains(&answer) && news.contains(&News::Begin));
}

/// Passes bytes on in both directions, and cuts each connection after a number of them, as long as there are such numbers.
fn cutting_proxy(to: SocketAddr, cuts: Vec<usize>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("can listen");
    let address = listener.local_addr().expect("an address");
    let done = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&done);
    // These threads end with their connections, and the first one with the tests.
    thread::spawn(move || {
        let mut cuts = cuts.into_iter();
        for viewer in listener.incoming() {
            let (viewer, server) =
                (viewer.expect("a viewer"), TcpStream::connect(to).expect("connects"));
            let cut = cuts.next();
            let left = Arc::new(Mutex::new(cut.unwrap_or(usize::MAX)));
            for (mut from, mut into) in [
                (
                    viewer.try_clone().expect("can be cloned"),
                    server.try_clone().expect("can be cloned"),
                ),
                (server, viewer),
            ] {
                let (left, counter) = (Arc::clone(&left), Arc::clone(&counter));
                thread::spawn(move || {
                    let mut chunk = [0; 4096];
                    while let Ok(count @ 1..) = from.read(&mut chunk) {
                        let mut left = left.lock().expect("is whole");
                        let count = count.min(*left);
                        let is_written = into.write_all(&chunk[..count]).is_ok();
                        let was_left = *left;
                        *left -= count;
                        if *left == 0 && was_left > 0 {
                            counter.fetch_add(1, Ordering::Relaxed);
                        }
                        if *left == 0 || !is_written {
                            break;
                        }
                    }
                    // Without a word of farewell in either direction.
                    let _ = (from.shutdown(Shutdown::Both), into.shutdown(Shutdown::Both));
                });
            }
        }
    });
    (address, done)
}

#[test]
fn a_connection_that_is_cut_fifty_times_tells_every_message_once_and_in_order() {
    const CUTS: usize = 50;
    let served = serve();
    let mut random = seed::rng(1, "cuts", 0);
    let cuts = (0..CUTS).map(|_| random.random_range(1..6000)).collect();
    let (address, done) = cutting_proxy(served.address(), cuts);
    let viewer = served.viewer_with(|options| options.address = address.to_string());
    let mut written = 0;
    let (mut news, mut asked) = (Vec::new(), Vec::new());
    eventually("all cuts", || {
        served.keep(written..written + 20);
        written += 20;
        // A request on the way, unless there is no room.
        asked.extend(viewer.ask(&"x".repeat(random.random_range(0..500))));
        while let Some(told) = viewer.try_news().expect("goes on") {
            news.push(told);
        }
        done.load(Ordering::Relaxed) == CUTS
    });
    asked.push(viewer.ask(&"last".to_owned()).expect("there is room"));
    let answers = |news: &[Told]| -> Vec<u64> {
        let number = |news: &Told| match news {
            News::Answer { number, .. } => Some(*number),
            _ => None,
        };
        news.iter().filter_map(number).collect()
    };
    news.extend(until(&viewer, |news| {
        answers(std::slice::from_ref(news)) == asked[asked.len() - 1..]
    }));
    served.keep([written]);
    news.extend(until_kept(&viewer, &written.to_string()));
    assert_eq!(kept(&news), (0..=written).collect::<Vec<_>>());
    let losses = news.iter().filter(|news| matches!(news, News::Link(Link::Lost { .. }))).count();
    assert!(losses >= CUTS, "{losses}");
    assert_eq!(news.iter().filter(|news| **news == News::Begin).count(), 1);
    // Every request has one answer, if only that it was lost.
    let mut answered = answers(&news);
    answered.sort_unstable();
    assert_eq!(answered, asked);
}

#[test]
fn a_server_that_is_started_again_tells_everything_again() {
    let mut served = serve();
    served.keep(0..5);
    let viewer = served.watcher();
    assert_eq!(kept(&until_kept(&viewer, "4")), [0, 1, 2, 3, 4]);
    // What was kept before the end is told before the end.
    served.keep(5..40_000);
    served.server = None;
    let why = until(&viewer, |news| matches!(news, News::Link(Link::Lost { .. })));
    assert_eq!(kept(&why), (5..40_000).collect::<Vec<_>>());
    let why = &why[39_995..];
    assert!(format!("{why:?}").contains("the server has ended"), "{why:?}");
    served.log = Arc::new(Log::new().expect("a log"));
    served.keep(10..18);
    served.start();
    let news = until_kept(&viewer, "17");
    assert_eq!(kept(&news), (10..18).collect::<Vec<_>>());
    assert_eq!(news.iter().filter(|news| **news == News::Begin).count(), 1);
    // The same log elsewhere is read on.
    served.server = None;
    served.keep([18]);
    served.start();
    let news = until_kept(&viewer, "18");
    assert_eq!(kept(&news), [18]);
    assert!(!news.contains(&News::Begin), "{news:?}");
    // Another study begins.
    served.log.begin_again();
    served.keep([0]);
    assert_eq!(until_kept(&viewer, "0"), [News::Begin, News::Kept("0".to_owned())]);
}

#[test]
fn one_viewer_writes_and_the_next_one_is_told_when_it_may() {
    let served = serve();
    let first = served.writer();
    assert!(connected(&first));
    let (watcher, second) = (served.watcher(), served.writer());
    assert!(!connected(&watcher) && !connected(&second));
    let ask = |viewer: &Viewer, request: &str| {
        let number = viewer.ask(&request.to_owned()).expect("is taken");
        answer(viewer, number)
    };
    assert_eq!(ask(&first, "a"), Answer::Given("viewer 1 asked: a".to_owned()));
    assert_eq!(ask(&first, "refuse"), Answer::Refused("not today".to_owned()));
    let Answer::Refused(why) = ask(&first, "drop") else { panic!("is answered") };
    assert!(why.contains("ask again"), "{why}");
    let Answer::Refused(why) = ask(&second, "b") else { panic!("is answered") };
    assert!(why.contains("when that viewer has left"), "{why}");
    let Answer::Refused(why) = ask(&watcher, "c") else { panic!("is answered") };
    assert!(why.contains("to watch only"), "{why}");
    drop(first);
    assert_eq!(
        until(&second, |news| matches!(news, News::Link(_))),
        [News::Link(Link::Writes(true))]
    );
    assert!(matches!(ask(&second, "d"), Answer::Given(_)));
    // Nothing has changed for who did not wish to write.
    assert!(matches!(ask(&watcher, "e"), Answer::Refused(_)));
    let too_long = "x".repeat(17 << 20);
    let error = second.ask(&too_long).expect_err("is too long").to_string();
    assert!(error.contains("at most 16777216"), "{error}");
}

#[test]
fn requests_wait_for_the_answers_to_sixteen_others_and_a_loss_is_told_for_each() {
    let mut served = serve();
    let viewer = served.writer();
    assert!(connected(&viewer));
    let count = || served.held.lock().expect("is whole").len();
    let hold = || viewer.ask(&"hold".to_owned()).expect("is taken");
    let mut numbers: Vec<_> = (0..16).map(|_| hold()).collect();
    eventually("all are held", || count() == 16);
    numbers.push(hold());
    thread::sleep(Duration::from_millis(100));
    assert_eq!(count(), 16);
    let reply = served.held.lock().expect("is whole").remove(0);
    reply.answer(&"at last".to_owned());
    assert_eq!(answer(&viewer, numbers.remove(0)), Answer::Given("at last".to_owned()));
    eventually("the next one is read", || served.held.lock().expect("is whole").len() == 16);
    served.server = None;
    let news = until(&viewer, |news| matches!(news, News::Link(Link::Lost { .. })));
    let lost = numbers.iter().map(|&number| News::Answer { number, answer: Answer::Lost });
    assert_eq!(news[..16], lost.collect::<Vec<_>>());
    // Without a connection a request is not kept for later.
    let number = viewer.ask(&"late".to_owned()).expect("is taken");
    assert_eq!(answer(&viewer, number), Answer::Lost);
    served.start();
    assert!(connected(&viewer));
    let number = viewer.ask(&"new".to_owned()).expect("is taken");
    assert!(matches!(answer(&viewer, number), Answer::Given(_)));
}

#[test]
fn a_viewer_that_comes_back_before_its_loss_is_noticed_keeps_its_right() {
    let served = serve();
    let mut ghost = served.raw_viewer(served.hello());
    assert!(receive(&mut ghost).expect("a welcome").contains(r#""writes":true"#));
    let other = served.writer();
    assert!(!connected(&other));
    let mut again = served.raw_viewer(served.hello());
    assert!(receive(&mut again).expect("a welcome").contains(r#""writes":true"#));
    assert!(receive(&mut ghost).is_some_and(|text| text.contains("begin")));
    assert_eq!(receive(&mut ghost), None);
    let number = other.ask(&"a".to_owned()).expect("is taken");
    assert!(matches!(answer(&other, number), Answer::Refused(_)));
    drop(again);
    until(&other, |news| *news == News::Link(Link::Writes(true)));
}

#[test]
fn an_end_that_is_silent_is_given_up_and_heartbeats_are_enough() {
    let served = serve_with(|options| {
        options.limits.silence = Duration::from_millis(700);
        options.limits.heartbeat = Duration::from_millis(50);
    });
    let good = served.watcher();
    assert!(!connected(&good));
    let mut silent = served.raw_viewer(served.hello());
    let begun = Instant::now();
    let mut last = String::new();
    while let Some(text) = receive(&mut silent) {
        last = text;
    }
    assert!(last.contains("refused") && last.contains("nothing was heard for 0.7 s"), "{last}");
    assert!(begun.elapsed() >= Duration::from_millis(700));
    served.keep([0]);
    assert_eq!(until_kept(&good, "0"), [News::Begin, News::Kept("0".to_owned())]);

    // A server that says hello and no more.
    let listener = TcpListener::bind("127.0.0.1:0").expect("can listen");
    let address = listener.local_addr().expect("an address").to_string();
    let viewer = served.viewer_with(|options| options.address = address);
    let (mut server, _) = listener.accept().expect("a viewer");
    let (program, log, writes) = (String::new(), 1, true);
    let welcome = ToViewer::<(), ()>::Welcome { program, log, writes };
    server.write_all(&framed(json(&welcome).as_bytes())).expect("can write");
    assert!(connected(&viewer));
    let why = loss(&viewer);
    assert!(why.contains("nothing was heard for 0.7 s"), "{why}");
}

#[test]
fn a_request_must_end_in_time() {
    let served = serve_with(|options| options.limits.request_time = Duration::from_millis(300));
    let mut socket = TcpStream::connect(served.address()).expect("can connect");
    let hello = framed(json(&FromViewer::<String>::Hello(served.hello())).as_bytes());
    socket.write_all(&hello).expect("can write");
    socket.write_all(&1000_u32.to_be_bytes()).expect("can write");
    socket.set_read_timeout(Some(Duration::from_millis(10))).expect("can be set");
    let mut said = Vec::new();
    let begun = Instant::now();
    loop {
        let mut chunk = [0; 4096];
        // Something every now and then, so that it is not silent.
        let _ = socket.write(b"x");
        match socket.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => said.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
        assert!(begun.elapsed() < LONG);
    }
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("a message took longer than 0.3 s"), "{said}");
}

#[test]
fn a_viewer_that_cannot_be_understood_ends_with_a_sentence() {
    let served = serve();
    let wrong = served.viewer_with(|options| options.token = Token::new().expect("a token"));
    let why = refusal(&wrong);
    assert!(why.contains("the token is not that of this server"), "{why}");
    let number = wrong.ask(&"a".to_owned()).expect("is taken");
    assert_eq!(answer(&wrong, number), Answer::Lost);
    // A program that knows other messages.
    served.keep([1]);
    let other = Client::<String, bool, String>::connect(served.client_options()).expect("a client");
    let begun = Instant::now();
    let why = loop {
        match other.wait_for_news(LONG).expect("goes on") {
            Some(News::Link(Link::Refused { why })) => break why,
            _ => assert!(begun.elapsed() < LONG),
        }
    };
    assert!(why.contains("use the same version at both ends"), "{why}");
    // A program that knows other requests.
    let other = Client::<u32, String, String>::connect(served.client_options()).expect("a client");
    eventually("is connected", || !matches!(other.try_news(), Ok(None)));
    let number = other.ask(&5).expect("is taken");
    let mut lost = false;
    let why = loop {
        match other.wait_for_news(LONG).expect("goes on") {
            Some(News::Answer { number: of, answer: Answer::Lost }) => lost = of == number,
            Some(News::Link(Link::Refused { why })) => break why,
            _ => assert!(begun.elapsed() < LONG),
        }
    };
    assert!(lost && why.contains("does not understand a request"), "{why}");
    // A server of something else.
    let listener = TcpListener::bind("127.0.0.1:0").expect("can listen");
    let address = listener.local_addr().expect("an address").to_string();
    let viewer = served.viewer_with(|options| options.address = address);
    let (mut server, _) = listener.accept().expect("a viewer");
    server.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").expect("can write");
    let why = refusal(&viewer);
    assert!(why.contains("there is no server of nas-navigator"), "{why}");
}

#[test]
fn connections_are_encrypted_and_only_a_trusted_certificate_will_do() {
    let served = serve_with(|options| options.certificate = Some(certificate("localhost")));
    served.keep(0..100);
    let port = served.address().port();
    let trusting = |trust: &str, host: &str| {
        served.viewer_with(|options| {
            options.address = format!("tls://{host}:{port}");
            options.trust = Some(tls_file(trust));
        })
    };
    let viewer = trusting("localhost.pem", "127.0.0.1");
    assert!(connected(&viewer));
    // Both ends have more to say than sockets hold.
    let long = "x".repeat(1_000_000);
    (0..10).for_each(|_| served.log.keep(&long).expect("is written"));
    let numbers: Vec<_> = (0..10).map(|_| viewer.ask(&long).expect("is taken")).collect();
    let mut news = Vec::new();
    while !(news.iter().filter(|news| matches!(news, News::Answer { .. })).count() == 10
        && news.iter().filter(|news| matches!(news, News::Kept(_))).count() == 110)
    {
        news.extend(until(&viewer, |_| true));
    }
    let answers = news.into_iter().filter_map(|news| match news {
        News::Answer { number, answer: Answer::Given(text) } => {
            Some((number, text.ends_with(&long)))
        }
        _ => None,
    });
    assert!(answers.eq(numbers.into_iter().map(|number| (number, true))));
    connected(&trusting("localhost.pem", "localhost"));
    let why = refusal(&trusting("other.pem", "localhost"));
    assert!(why.contains("--trust FILE"), "{why}");
    // A viewer that does not know what it speaks to is told.
    let why = refusal(&served.writer());
    assert!(why.contains("connect to tls://"), "{why}");
    let said = provoke(served.address(), b"GET / HTTP/1.1\r\n\r\n");
    assert!(said.contains("400") && said.contains("connect to tls://"), "{said}");
    let plain = serve();
    let why =
        refusal(&plain.viewer_with(|options| options.trust = Some(tls_file("localhost.pem"))));
    assert!(why.contains("does not speak TLS"), "{why}");
    // OpenSSL makes authorities when it is told nothing.
    let authority = serve_with(|options| options.certificate = Some(certificate("authority")));
    let why = refusal(&authority.viewer_with(|options| {
        options.trust = Some(tls_file("authority.pem"));
    }));
    assert!(why.contains("basicConstraints=critical,CA:FALSE"), "{why}");
}

#[test]
fn files_that_are_no_certificates_are_refused_with_what_to_do() {
    let (pem, key) = (tls_file("localhost.pem"), tls_file("localhost.key"));
    let start = |certificate: &Path, key: &Path| {
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        let options = ServerOptions {
            certificate: Some(Certificate { certificate, key }),
            ..serve().options
        };
        let log = Arc::new(Log::<String>::new().expect("a log"));
        Server::start(options, log, |_: Asked<String, String>| {})
            .expect_err("is wrong")
            .to_string()
    };
    for (certificate, private, expected) in [
        (
            &key,
            &key,
            "localhost.key: there is nothing of the kind in it; both files are made by `openssl",
        ),
        (&pem, &pem, "localhost.pem: there is nothing of the kind in it"),
        (&pem, &tls_file("authority.key"), "authority.key: "),
        (&pem, &tls_file("missing"), "missing: "),
    ] {
        let error = start(certificate, private);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn nothing_listens_beyond_this_machine_unencrypted_unless_told_to() {
    let start = |listen: &str, exposed, certificate| {
        let options =
            ServerOptions { listen: listen.into(), exposed, certificate, ..serve().options };
        let log = Arc::new(Log::<String>::new().expect("a log"));
        Server::start(options, log, |_: Asked<String, String>| {})
    };
    let error = start("0.0.0.0:0", false, None).expect_err("is exposed").to_string();
    assert!(error.contains("--certificate") && error.contains("ssh -L 7878"), "{error}");
    start("0.0.0.0:0", true, None).expect("is wanted");
    start("0.0.0.0:0", false, Some(certificate("localhost"))).expect("is encrypted");
    let taken = serve();
    let error = start(&taken.options.listen, false, None).expect_err("is taken").to_string();
    assert!(error.contains("choose another"), "{error}");
    // A viewer does not send its token there either.
    let viewer = taken.viewer_with(|options| options.address = "192.0.2.1:7878".into());
    let why = refusal(&viewer);
    assert!(why.contains("192.0.2.1:7878 is reached over the network"), "{why}");
    let options = ClientOptions { address: "tls://localhost".into(), ..taken.client_options() };
    let error = Viewer::connect(options).expect_err("trusts no one").to_string();
    assert!(error.contains("--trust FILE"), "{error}");
}
