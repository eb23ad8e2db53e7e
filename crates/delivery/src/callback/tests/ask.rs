//! Requests whose answers are read: what is sent, what comes back, and what is refused.

use outhaul_exports::testing::FORBIDDEN_URLS;

use super::*;

fn ask(method: AskMethod, url: String) -> Ask {
    Ask { method, url, headers: Vec::new(), body: None, timeout: Duration::from_secs(20) }
}

fn get(url: String) -> Ask {
    ask(AskMethod::Get, url)
}

async fn refused(caller: &HttpCaller, ask: &Ask) -> String {
    let refusal = caller.ask(ask).await.expect_err(&ask.url);
    assert!(!refusal.internal.contains("hunter2"), "{refusal:?}");
    refusal.public
}

#[tokio::test]
async fn the_answer_is_read_whatever_it_says() {
    let caller = local();
    let answer = "HTTP/1.1 404 Gone\r\nX-One: 1\r\nset-cookie: a\r\nSet-Cookie: b\r\n\
                  Content-Length: 5\r\n\r\nhe\u{e4}y";
    let receiver = Receiver::start(answer.as_bytes().to_vec()).await;
    let headers = [("Authorization", "Bearer hunter2"), ("X-Two", "1"), ("x-two", "2")];
    let asked = Ask {
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        body: Some("{\"a\": 1}".to_owned()),
        ..ask(AskMethod::Put, receiver.url("/x?y=%20"))
    };
    let found = caller.ask(&asked).await.expect("an answer");
    let pairs = [("x-one", "1"), ("set-cookie", "a"), ("set-cookie", "b"), ("content-length", "5")];
    let headers = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    assert_eq!(found, Answer { status: 404, headers, body: "he\u{e4}y".into() });
    let heard = receiver.heard().remove(0);
    assert!(heard.starts_with("PUT /x?y=%20 HTTP/1.1\r\n"), "{heard}");
    assert!(heard.ends_with("\r\n\r\n{\"a\": 1}"), "{heard}");
    for line in ["authorization: Bearer hunter2\r\n", "x-two: 1\r\n", "x-two: 2\r\n"] {
        assert!(heard.contains(line), "{line} in {heard}");
    }
    assert!(!heard.contains("webhook-"), "{heard}");

    for (method, word) in [
        (AskMethod::Get, "GET"),
        (AskMethod::Post, "POST"),
        (AskMethod::Patch, "PATCH"),
        (AskMethod::Delete, "DELETE"),
    ] {
        let receiver = Receiver::start(b"HTTP/1.1 204 Fine\r\n\r\n".to_vec()).await;
        let found = caller.ask(&ask(method, receiver.url("/"))).await.expect(word);
        assert_eq!((found.status, found.body.len()), (204, 0));
        assert!(receiver.heard()[0].starts_with(word), "{word}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let other = Receiver::start(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()).await;
    let moved = format!("HTTP/1.1 307 Moved\r\nLocation: {}\r\n\r\n", other.url("/"));
    let receiver = Receiver::start(moved.into_bytes()).await;
    let found = local().ask(&get(receiver.url("/"))).await.expect("an answer");
    assert_eq!((found.status, &found.headers[0].1), (307, &other.url("/")));
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn bodies_are_bounded_both_ways() {
    let most = limits::SCRIPT_REQUEST_BYTES_MAX;
    let caller = local();
    let head = |length: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let full = [head(most).into_bytes(), vec![b'x'; most]].concat();
    let receiver = Receiver::start(full).await;
    let sent = Ask { body: Some("y".repeat(most)), ..ask(AskMethod::Post, receiver.url("/")) };
    let found = caller.ask(&sent).await.expect("as long as it may be");
    assert_eq!(found.body.len(), most);
    assert!(receiver.heard()[0].ends_with(&"y".repeat(most)));

    let long = Ask { body: Some("y".repeat(most + 1)), ..sent };
    let text = "the body has 524289 bytes; it may have 524288";
    assert_eq!(refused(&caller, &long).await, text);
    assert_eq!(receiver.connections(), 1, "nothing was sent");

    let text = "the answer's body is longer than 524288 bytes";
    let told = Receiver::start([head(most + 1).into_bytes(), vec![b'x'; 9]].concat()).await;
    assert_eq!(refused(&caller, &get(told.url("/"))).await, text);
    let endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let endless = Receiver::repeat(endless, vec![b'x'; 64 << 10], Duration::ZERO).await;
    assert_eq!(refused(&caller, &get(endless.url("/"))).await, text);
    let sent = endless.ended().await;
    println!("{sent} bytes were sent of an answer without an end");
}

#[tokio::test]
async fn heads_and_time_are_bounded() {
    let caller = local();
    let big = format!("HTTP/1.1 200 OK\r\nx-big: {}\r\n\r\n", "x".repeat(40_000));
    let receiver = Receiver::start(big.into_bytes()).await;
    let text = "the answer's headers are longer than 32768 bytes";
    assert_eq!(refused(&caller, &get(receiver.url("/"))).await, text);
    let endless = b"HTTP/1.1 200 OK\r\n".to_vec();
    let endless = Receiver::repeat(endless, b"x-y: z\r\n".to_vec(), Duration::ZERO).await;
    assert_eq!(refused(&caller, &get(endless.url("/?p=hunter2"))).await, UNREACHABLE);

    let quick = |url| Ask { timeout: Duration::from_millis(300), ..get(url) };
    let silent = Receiver::silent().await;
    let text = "there was no whole answer within 0.3 s";
    assert_eq!(refused(&caller, &quick(silent.url("/"))).await, text);
    let head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let drips = Receiver::repeat(head, vec![b'x'], Duration::from_millis(20)).await;
    assert_eq!(refused(&caller, &quick(drips.url("/"))).await, text);
    let broken = Receiver::start(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok".to_vec()).await;
    assert_eq!(refused(&caller, &get(broken.url("/"))).await, UNREACHABLE);
}

#[tokio::test]
async fn headers_that_are_the_connections_are_refused() {
    let receiver = Receiver::start(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()).await;
    let caller = local();
    let with = |name: &str, value: &str| Ask {
        headers: vec![(name.to_owned(), value.to_owned())],
        ..get(receiver.url("/"))
    };
    for name in ["Host", "content-length", "Transfer-Encoding", "Upgrade", "proxy-authorization"] {
        let text = format!("the header {name:?} cannot be set");
        assert_eq!(refused(&caller, &with(name, "1")).await, text);
    }
    for (name, value) in [("", "x"), ("a b", "x"), ("a:b", "x"), ("a", "x\r\nb: y"), ("a", "\0")] {
        let text = refused(&caller, &with(name, value)).await;
        assert!(text.ends_with("that cannot be sent"), "{text}");
    }
    let many = (0..=limits::SCRIPT_HEADERS_MAX).map(|n| (format!("x-{n}"), String::new()));
    let many = Ask { headers: many.collect(), ..get(receiver.url("/")) };
    let text = "a request has at most 100 headers, and 32768 bytes of them";
    assert_eq!(refused(&caller, &many).await, text);
    assert_eq!(refused(&caller, &with("x", &"x".repeat(32_768))).await, text);
    assert_eq!(receiver.connections(), 0);
}

/// Whatever is refused as the URL of a callback is refused here, in the same words.
#[tokio::test]
async fn forbidden_addresses_are_refused_as_they_are_for_callbacks() {
    let forbidden = rules(&[]);
    let caller = HttpCaller::new(settings(forbidden.clone())).expect("good settings");
    let mut refusals = 0;
    for url in FORBIDDEN_URLS {
        let Err(error) = forbidden.check("url", url) else { continue };
        assert_eq!(refused(&caller, &get((*url).to_owned())).await, error.public(), "{url}");
        refusals += 1;
    }
    assert!(refusals > 50, "only {refusals}");
    // A name that leads to this machine, at once or at its second look-up.
    let receiver = Receiver::start(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()).await;
    let url = format!("http://astray.example.com:{}/", receiver.port());
    let (own, mixed) = (addresses(&["127.0.0.1"]), addresses(&["1.1.1.1", "127.0.0.1"]));
    for answers in [own, mixed] {
        let lookup = Arc::new(Fickle { answers: vec![answers], asked: AtomicUsize::new(0) });
        let caller = HttpCaller::with_lookup(settings(rules(&[])), lookup).expect("good settings");
        assert_eq!(refused(&caller, &get(url.clone())).await, UNREACHABLE);
    }
    assert_eq!(receiver.connections(), 0);
    println!("{refusals} URLs refused");
}
