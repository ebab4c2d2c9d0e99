//! Bodies that are looked through for logins.

use super::{Kind, Wire, post, single};

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "json_arrays",
        what: "arrays in one another",
        fill: |wire, number| json(wire, number, &format!("{{\"password\":{}", "[".repeat(16_000))),
    },
    Kind {
        name: "json_objects",
        what: "objects in one another",
        fill: |wire, number| json(wire, number, &format!("{{\"password\":{}", "{\"a\":".repeat(3_200))),
    },
    Kind {
        name: "json_keys",
        what: "600 passwords in one object",
        fill: |wire, number| {
            let keys: String = (0..600).map(|key| format!("\"password{key}\":\"u{key}\",")).collect();
            json(wire, number, &format!("{{{keys}\"a\":1}}"));
        },
    },
    Kind {
        name: "json_short_keys",
        what: "thousands of keys of one letter beside a password",
        fill: |wire, number| {
            json(wire, number, &format!("{{\"password\":\"x\"{}}}", ",\"a\":1".repeat(2_600)))
        },
    },
    Kind {
        name: "json_users",
        what: "the same user again and again",
        fill: |wire, number| {
            json(wire, number, &format!("{{\"password\":\"x\"{}}}", ",\"user\":\"a\"".repeat(1_400)))
        },
    },
    Kind {
        name: "json_passwords",
        what: "the same password again and again",
        fill: |wire, number| json(wire, number, &format!("{{\"a\":1{}}}", ",\"pwd\":\"a\"".repeat(1_600))),
    },
    Kind {
        name: "json_escapes",
        what: "keys that are escaped",
        fill: |wire, number| {
            json(wire, number, &format!("{{\"a\":1{}}}", ",\"\\u0070\\u0077\\u0064\":1".repeat(700)));
        },
    },
    Kind {
        name: "json_numbers",
        what: "long numbers in an array",
        fill: |wire, number| {
            json(wire, number, &format!("{{\"password\":[{}1]}}", "1.7976931348623157e308,".repeat(690)))
        },
    },
    Kind {
        name: "form_keys",
        what: "1,100 passwords in a form",
        fill: |wire, number| {
            let keys: String = (0..1_100).map(|key| format!("password{key}=u&")).collect();
            form(wire, number, &keys);
        },
    },
    Kind {
        name: "form_short_keys",
        what: "names of one letter in a form",
        fill: |wire, number| form(wire, number, &format!("password=x{}", "&a=b".repeat(4_000))),
    },
    Kind {
        name: "form_escapes",
        what: "a form of escapes",
        fill: |wire, number| form(wire, number, &"%70%77%64=%78&".repeat(1_150)),
    },
    Kind {
        name: "multipart_parts",
        what: "240 parts",
        fill: |wire, number| {
            let part = "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nx\r\n";
            multipart(wire, number, "b", &(part.repeat(240) + "--b--"));
        },
    },
    Kind {
        name: "multipart_near",
        what: "what is nearly the boundary everywhere",
        fill: |wire, number| {
            let boundary = "-".repeat(60) + "x";
            let first = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n");
            let near = format!("\r\n{}", "-".repeat(62));
            multipart(wire, number, &boundary, &(first + &near.repeat(240)));
        },
    },
    Kind {
        name: "multipart_heads",
        what: "parts whose heads are nothing but names of parameters",
        fill: |wire, number| {
            let part = format!("--b\r\n{}\r\n\r\npassword\r\n", "name-name;".repeat(24));
            multipart(wire, number, "b", &part.repeat(60));
        },
    },
    Kind {
        name: "xml_call",
        what: "a call with 250 parameters",
        fill: |wire, number| {
            let parameter = "<param><value><string>password</string></value></param>";
            let call =
                format!("<methodCall><methodName>wp.getUsersBlogs</methodName>{}", parameter.repeat(250));
            xml(wire, number, &call);
        },
    },
    Kind {
        name: "xml_tags",
        what: "thousands of tags of one letter beside a password",
        fill: |wire, number| xml(wire, number, &format!("<password>x{}", "<a>b".repeat(4_000))),
    },
    Kind {
        name: "xml_open",
        what: "brackets that stay open",
        fill: |wire, number| xml(wire, number, &format!("<password>{}", "<".repeat(16_000))),
    },
    Kind {
        name: "graphql_aliases",
        what: "380 logins by aliases",
        fill: |wire, number| {
            let calls: String = (0..380)
                .map(|call| format!("a{call}:login(password:\\\"x\\\",email:\\\"e\\\"){{t}} "))
                .collect();
            graphql(wire, number, &format!("mutation{{{calls}}}"));
        },
    },
    Kind {
        name: "graphql_braces",
        what: "braces in one another",
        fill: |wire, number| graphql(wire, number, &("{".repeat(15_000) + "password")),
    },
    Kind {
        name: "graphql_batch",
        what: "a batch of documents",
        fill: |wire, number| {
            let one = "{\"query\":\"mutation{login(password:\\\"x\\\",email:\\\"e\\\"){t}}\"},";
            let request = post("/graphql", JSON, format!("[{}{{}}]", one.repeat(240)).as_bytes());
            single(wire, number, request, 200);
        },
    },
    Kind {
        name: "json_answers",
        what: "logins answered with thousands of keys",
        fill: |wire, number| {
            let mut peer = wire.open(number);
            let answer = format!("{{\"a\":1{}}}", ",\"b\":1".repeat(2_600));
            for _ in 0..4 {
                wire.up(&mut peer, post("/login", JSON, b"{\"user\":\"a\",\"password\":\"b\"}"));
                wire.down(&mut peer, super::response_with(200, JSON, answer.as_bytes()));
            }
            wire.close(&mut peer);
        },
    },
    Kind {
        name: "page_answers",
        what: "logins answered with pages full of signs of refusal",
        fill: |wire, number| {
            let mut peer = wire.open(number);
            let answer = "<invalid login".repeat(1_100);
            for _ in 0..4 {
                wire.up(&mut peer, post("/login", JSON, b"{\"user\":\"a\",\"password\":\"b\"}"));
                wire.down(&mut peer, super::response(200, answer.as_bytes()));
            }
            wire.close(&mut peer);
        },
    },
    Kind {
        name: "redirect_answers",
        what: "logins answered with redirects of 8 KB",
        fill: |wire, number| {
            let mut peer = wire.open(number);
            let location = format!("Location: /{}?{}\r\n", "Log/In/".repeat(700), "Error=1&".repeat(500));
            for _ in 0..4 {
                wire.up(&mut peer, post("/login", JSON, b"{\"user\":\"a\",\"password\":\"b\"}"));
                wire.down(&mut peer, super::response_with(302, &location, b""));
            }
            wire.close(&mut peer);
        },
    },
];

const JSON: &str = "Content-Type: application/json\r\n";

fn json(wire: &mut Wire, number: u32, body: &str) {
    single(wire, number, post("/login", JSON, body.as_bytes()), 200);
}

fn form(wire: &mut Wire, number: u32, body: &str) {
    let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
    single(wire, number, post("/login", kind, body.as_bytes()), 200);
}

fn multipart(wire: &mut Wire, number: u32, boundary: &str, body: &str) {
    let kind = format!("Content-Type: multipart/form-data; boundary={boundary}\r\n");
    single(wire, number, post("/login", &kind, body.as_bytes()), 200);
}

fn xml(wire: &mut Wire, number: u32, body: &str) {
    single(wire, number, post("/xmlrpc.php", "Content-Type: text/xml\r\n", body.as_bytes()), 200);
}

fn graphql(wire: &mut Wire, number: u32, document: &str) {
    single(wire, number, post("/graphql", JSON, format!("{{\"query\":\"{document}\"}}").as_bytes()), 200);
}
