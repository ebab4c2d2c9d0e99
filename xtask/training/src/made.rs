//! Legitimate values that programs make: telemetry, filters, addresses, states of pages. Made here, since no corpus that may
//! be used has them.

/// A generator of numbers, the same each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, most: usize) -> usize {
        self.next() as usize % most
    }

    fn of<'w>(&mut self, words: &[&'w str]) -> &'w str {
        words[self.below(words.len())]
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'0' + (self.next() % 10) as u8)).collect()
    }

    fn letters(&mut self, count: usize, alphabet: &[u8]) -> String {
        (0..count).map(|_| char::from(alphabet[self.below(alphabet.len())])).collect()
    }

    fn join(&mut self, count: usize, between: &str, mut part: impl FnMut(&mut Self) -> String) -> String {
        (0..count).map(|_| part(self)).collect::<Vec<_>>().join(between)
    }
}

const WORDS: [&str; 64] = [
    "page", "view", "click", "user", "cart", "price", "brand", "size", "color", "store", "home", "search",
    "event", "product", "category", "session", "order", "status", "value", "index", "select", "table",
    "group", "from", "where", "limit", "top", "like", "in", "and", "or", "not", "window", "document",
    "location", "script", "image", "style", "video", "link", "input", "form", "body", "head", "title",
    "time", "date", "count", "id", "who", "find", "sort", "less", "more", "set", "type", "file", "host",
    "route", "batch", "script", "test", "source", "object",
];

const NAMES: [&str; 12] = [
    "O'Brien",
    "D'Angelo",
    "N'Golo",
    "O'Neill",
    "L'Oréal",
    "McDonald's",
    "Ben & Jerry's",
    "Levi's",
    "Rock 'n' Roll",
    "Dr. Who",
    "Toys \"R\" Us",
    "C&A",
];

const PRINTABLE: &[u8] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'()*+,-./:;<=>?@[]^_`{|}~ ";
const TOKEN: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

type Maker = fn(&mut Random) -> String;

/// Kinds of values, with how to make one.
const KINDS: [(&str, Maker); 19] = [
    ("encoded document", |r| {
        let count = 2 + r.below(12);
        let list = r.join(count, ",", |r| format!("\"{}-{}\":{}", r.of(&WORDS), r.of(&WORDS), r.digits(6)));
        format!("{{{list}").replace('"', "%22")
    }),
    ("numbers", |r| {
        let count = 8 + r.below(60);
        let between = r.of(&[",", ", ", "|", "_", "-", " "]);
        let list = r.join(count, between, |r| {
            let n = 1 + r.below(4);
            r.digits(n)
        });
        format!(
            "{}{list}{}",
            r.of(&["", "(", "[", "-1,2,-94,-100,", "rgb(", "M"]),
            r.of(&["", ")", "]", "%", ";", "z"])
        )
    }),
    ("noise", |r| {
        let length = 20 + r.below(400);
        r.letters(length, PRINTABLE)
    }),
    ("sensor data", |r| {
        let head = r.join(6, ";", |r| {
            let n = 1 + r.below(7);
            r.digits(n)
        });
        let length = 40 + r.below(300);
        format!("2;{head};{}", r.letters(length, PRINTABLE))
    }),
    ("packed numbers", |r| {
        let (between, inner) =
            (r.of(&["#", "|", ";", "$", "!", "~", "^", ",", "&"]), r.of(&["-", ":", "_", ".", "="]));
        let count = 4 + r.below(30);
        r.join(count, between, |r| {
            let n = 1 + r.below(6);
            format!("{}{inner}{}", r.digits(n), r.below(9))
        })
    }),
    ("packed words", |r| {
        let between = r.of(&["|", ";", "~", "::", "^", "||", "&&", ",", " - ", " > ", "/"]);
        let count = 3 + r.below(16);
        r.join(count, between, |r| r.of(&WORDS).to_owned())
    }),
    ("assignments", |r| {
        let (between, equals) = (r.of(&["&", ";", "; ", ",", "|", "\n"]), r.of(&["=", ":", "=="]));
        let count = 2 + r.below(12);
        r.join(count, between, |r| {
            let n = 1 + r.below(8);
            format!("{}{equals}{}", r.of(&WORDS), r.letters(n, TOKEN))
        })
    }),
    ("filter", |r| {
        let count = 2 + r.below(8);
        let between = r.of(&[" AND ", " OR ", " and ", ") OR (", " && ", " || "]);
        let list = r.join(count, between, |r| {
            format!("{}{}{}", r.of(&WORDS), r.of(&[":", ":>", " eq ", ":\"", " = "]), r.digits(3))
        });
        format!("({list})")
    }),
    ("fields", |r| {
        let count = 2 + r.below(12);
        let list = r.join(count, ",", |r| format!("{}{{{},{}}}", r.of(&WORDS), r.of(&WORDS), r.of(&WORDS)));
        format!("{}({list})", r.of(&["fields", "projection", "items", "(", "include"]))
    }),
    ("address", |r| {
        let count = 1 + r.below(6);
        let path = r.join(count, "/", |r| r.of(&WORDS).to_owned());
        let count = 1 + r.below(6);
        let query = r.join(count, "&", |r| format!("{}={}", r.of(&WORDS), r.digits(3)));
        format!(
            "https://www.{}-{}.{}/{path}?{query}#{}",
            r.of(&WORDS),
            r.of(&WORDS),
            r.of(&["com", "de", "co.uk"]),
            r.of(&WORDS)
        )
    }),
    ("program", |r| {
        format!(
            "Mozilla/5.0 ({}; {}) AppleWebKit/{}.{} (KHTML, like Gecko) Chrome/{}.0.{}.{} Safari/{}.36",
            r.of(&[
                "Windows NT 10.0",
                "Macintosh; Intel Mac OS X 10_15_7",
                "X11; Linux x86_64",
                "iPhone; CPU iPhone OS 17_5 like Mac OS X"
            ]),
            r.of(&["Win64; x64", "rv:109.0", "WOW64", "ARM"]),
            r.digits(3),
            r.digits(2),
            r.digits(3),
            r.digits(4),
            r.digits(2),
            r.digits(3)
        )
    }),
    ("name", |r| format!("{} {} {}", r.of(&NAMES), r.of(&["&", "and", "-", "/", "+", "or"]), r.of(&NAMES))),
    ("title", |r| {
        let count = 2 + r.below(8);
        let words = r.join(count, " ", |r| r.of(&WORDS).to_owned());
        format!(
            "{} {words} {} {}{}",
            r.of(&NAMES),
            r.of(&["-", "|", "(2024)", "[HD]", "*NEW*", "100%", "#1"]),
            r.digits(2),
            r.of(&["\"", "'", "\" x 5\"", "%", "€"])
        )
    }),
    ("rule of style", |r| {
        let count = 1 + r.below(5);
        let list = r.join(count, " ", |r| {
            format!("{}: {}px;", r.of(&["width", "margin-top", "left", "font-size"]), r.digits(2))
        });
        format!("#{} > div.{}:nth-child({}) {{ {list} }}", r.of(&WORDS), r.of(&WORDS), r.digits(1))
    }),
    ("selector", |r| {
        let count = 2 + r.below(6);
        r.join(count, " > ", |r| {
            format!(
                "{}#{}.{}[data-{}=\"{}\"]",
                r.of(&["div", "span", "a", "ul", "button"]),
                r.of(&WORDS),
                r.of(&WORDS),
                r.of(&WORDS),
                r.digits(3)
            )
        })
    }),
    ("trace", |r| {
        let count = 1 + r.below(5);
        let list = r.join(count, "\n", |r| {
            format!(
                "    at {}.{} (https://cdn.example.com/{}.js:{}:{})",
                r.of(&["Object", "HTMLElement", "window", "t"]),
                r.of(&WORDS),
                r.of(&WORDS),
                r.digits(2),
                r.digits(5)
            )
        });
        format!("TypeError: Cannot read properties of undefined (reading '{}')\n{list}", r.of(&WORDS))
    }),
    ("date", |r| {
        format!(
            "20{}-0{}-1{}T1{}:{}:00.{}Z{}",
            r.digits(2),
            r.below(9),
            r.below(9),
            r.below(9),
            r.digits(2),
            r.digits(3),
            r.of(&["", " - +02:00", " (CEST)", "/P1D"])
        )
    }),
    ("answer", |r| {
        let count = 3 + r.below(20);
        let words = r.join(count, " ", |r| r.of(&WORDS).to_owned());
        format!(
            "{words}{} {words}, {} {words}: \"{words}\"!",
            r.of(&[".", "?", "...", ";", " -"]),
            r.of(&["I'd", "it's", "don't", "you're"])
        )
    }),
    ("token", |r| {
        let (a, b, c) = (10 + r.below(40), 20 + r.below(200), 20 + r.below(60));
        format!("{}.{}.{}", r.letters(a, TOKEN), r.letters(b, TOKEN), r.letters(c, TOKEN))
    }),
];

/// Values of each kind.
const EACH: usize = 400;

/// The values, with their kinds.
pub(crate) fn values() -> Vec<(&'static str, String)> {
    let mut random = Random(42);
    KINDS
        .iter()
        .flat_map(|(kind, make)| (0..EACH).map(|_| (*kind, make(&mut random))).collect::<Vec<_>>())
        .collect()
}
