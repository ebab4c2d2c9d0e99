//! A shop whose API is known to the last parameter: its true document, and traffic of it in a capture.

use sensor_tests::hostile::{Family, Wire};
use serde_json::{Value, json};

/// What the document must say of the shop: an operation with its parameters, each with place, name and type, the
/// fields of its body and of its answer, each with its path and its type.
pub(crate) struct Operation {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) parameters: &'static [(&'static str, &'static str, &'static str)],
    pub(crate) body: &'static [(&'static str, &'static str)],
    pub(crate) answer: &'static [(&'static str, &'static str)],
}

/// The true document, as a table. Names of parameters of paths are the author's own and not compared.
pub(crate) const TRUE: &[Operation] = &[
    Operation {
        method: "get",
        path: "/api/v1/products",
        parameters: &[
            ("query", "page", "integer"),
            ("query", "category", "string"),
            ("query", "sale", "boolean"),
        ],
        body: &[],
        answer: &[
            ("items", "array"),
            ("items[].id", "integer"),
            ("items[].name", "string"),
            ("items[].price", "number"),
            ("items[].inStock", "boolean"),
            ("items[].tags", "array"),
            ("items[].tags[]", "string"),
            ("next", "string null"),
        ],
    },
    Operation {
        method: "get",
        path: "/api/v1/products/{}",
        parameters: &[("path", "", "integer")],
        body: &[],
        answer: &[("id", "integer"), ("name", "string"), ("price", "number"), ("added", "string date-time")],
    },
    Operation {
        method: "post",
        path: "/api/v1/orders",
        parameters: &[],
        body: &[
            ("productId", "integer"),
            ("quantity", "integer"),
            ("note", "string"),
            ("address", "object"),
            ("address.street", "string"),
            ("address.city", "string"),
        ],
        answer: &[("id", "string uuid"), ("state", "string")],
    },
    Operation {
        method: "get",
        path: "/api/v1/orders/{}",
        parameters: &[("path", "", "string uuid")],
        body: &[],
        answer: &[("id", "string uuid"), ("state", "string"), ("total", "number"), ("placed", "string date")],
    },
    Operation {
        method: "delete",
        path: "/api/v1/orders/{}",
        parameters: &[("path", "", "string uuid")],
        body: &[],
        answer: &[],
    },
    Operation {
        method: "get",
        path: "/api/v1/users/{}/invoices",
        parameters: &[("path", "", "integer"), ("query", "year", "integer"), ("query", "paid", "boolean")],
        body: &[],
        answer: &[
            ("[]", "object"),
            ("[].number", "integer"),
            ("[].email", "string email"),
            ("[].paid", "boolean"),
        ],
    },
    Operation {
        method: "put",
        path: "/api/v1/users/{}",
        parameters: &[("path", "", "integer")],
        body: &[("email", "string email"), ("birthDate", "string date"), ("newsletter", "boolean")],
        answer: &[("ok", "boolean")],
    },
    Operation {
        method: "get",
        path: "/reports/all",
        parameters: &[],
        body: &[],
        answer: &[("[]", "integer")],
    },
    Operation {
        method: "get",
        path: "/actuator/env",
        parameters: &[],
        body: &[],
        answer: &[("profile", "string")],
    },
    Operation {
        method: "get",
        path: "/api/v2/products",
        parameters: &[],
        body: &[],
        answer: &[("count", "integer")],
    },
    Operation {
        method: "post",
        path: "/login",
        parameters: &[],
        body: &[("username", "string"), ("password", "string")],
        answer: &[("ok", "boolean")],
    },
];

/// Secrets that the traffic carries and no report may.
pub(crate) const SECRETS: [&str; 4] = ["kQ8vN2xT7mZ4pL9w", "hunter2-and-more", "anna.schmidt", "Gartenweg"];

/// Exchanges of each operation.
const ROUNDS: u32 = 40;

struct Shop {
    wire: Wire,
    number: u32,
    exchanges: u64,
}

/// The capture, and how many exchanges it has.
pub(crate) fn capture() -> (Vec<u8>, u64) {
    let mut shop = Shop { wire: Wire::new(Family::V4), number: 0, exchanges: 0 };
    for round in 0..ROUNDS {
        shop.public(round);
        shop.private(round);
        shop.faulty(round);
        shop.wire.wait(1_000_000);
    }
    (shop.wire.into_file(), shop.exchanges)
}

fn uuid(round: u32) -> String {
    format!("3f2b8c1e-7d4a-4b6f-9e21-{:012x}", u64::from(round) * 7_919 + 0xab00)
}

impl Shop {
    fn public(&mut self, round: u32) {
        let query = if round.is_multiple_of(2) {
            format!("?page={round}&category=tools")
        } else {
            format!("?page={round}&sale={}", round % 4 == 1)
        };
        let items: Vec<Value> = (0..3_u32)
            .map(|item| {
                let price = f64::from(round * 10 + item) + 0.5;
                json!({ "id": item + 1, "name": "a thing", "price": price, "inStock": item.is_multiple_of(2), "tags": ["new"] })
            })
            .collect();
        let next = if round.is_multiple_of(3) { Value::Null } else { json!("/api/v1/products?page=9") };
        let answer = json!({ "items": items, "next": next });
        self.json("GET", &format!("/api/v1/products{query}"), "", None, (200, Some(&answer)));
        let product =
            json!({ "id": round, "name": "a thing", "price": 1.5, "added": "2026-03-01T10:00:00Z" });
        self.json("GET", &format!("/api/v1/products/{}", round + 100), "", None, (200, Some(&product)));
        self.json("GET", "/api/v2/products", "", None, (200, Some(&json!({ "count": 7 }))));
        // A scanner finds nothing.
        self.json("GET", &format!("/wp-admin/{round}.php"), "", None, (404, None));
    }

    fn private(&mut self, round: u32) {
        let auth = format!("Authorization: Bearer {}{:04}\r\n", SECRETS[0], round % 8);
        let mut order = json!({
            "productId": round, "quantity": 2, "address": { "street": SECRETS[3], "city": "Berlin" }
        });
        if round.is_multiple_of(2) {
            order.as_object_mut().into_iter().for_each(|order| {
                order.insert("note".to_owned(), json!("ring twice"));
            });
        }
        let made = json!({ "id": uuid(round), "state": "new" });
        self.json("POST", "/api/v1/orders", &auth, Some(&order), (201, Some(&made)));
        let order = json!({ "id": uuid(round), "state": "sent", "total": 3.5, "placed": "2026-03-01" });
        let path = format!("/api/v1/orders/{}", uuid(round));
        self.json("GET", &path, &auth, None, (200, Some(&order)));
        self.json("GET", &path, "", None, (401, None));
        self.json("DELETE", &path, &auth, None, (204, None));
        let mail = format!("{}@example.org", SECRETS[2]);
        let invoices = json!([{ "number": 17 + round, "email": mail, "paid": round.is_multiple_of(2) }]);
        let path = format!("/api/v1/users/{}/invoices?year=2025&paid={}", round + 9, round.is_multiple_of(2));
        self.json("GET", &path, &auth, None, (200, Some(&invoices)));
        let change = json!({ "email": mail, "birthDate": "1980-02-03", "newsletter": true });
        self.json(
            "PUT",
            &format!("/api/v1/users/{}", round + 9),
            &auth,
            Some(&change),
            (200, Some(&json!({ "ok": true }))),
        );
    }

    fn faulty(&mut self, round: u32) {
        // Once in ten rounds the check of credentials is forgotten.
        if round % 10 == 5 {
            let order = json!({ "id": uuid(round), "state": "sent", "total": 3.5, "placed": "2026-03-01" });
            self.json("GET", &format!("/api/v1/orders/{}", uuid(round)), "", None, (200, Some(&order)));
        }
        let all: Vec<u32> = (0..150).collect();
        self.json("GET", "/reports/all", "", None, (200, Some(&json!(all))));
        self.json("GET", "/actuator/env", "", None, (200, Some(&json!({ "profile": "prod" }))));
        let form = format!("username=user{round}&password={}", SECRETS[1]);
        let head =
            format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n", form.len());
        let cookie = "Set-Cookie: session=Zk3vQ9wLm2Xc7Tn5; Path=/\r\nServer: nginx/1.25.3\r\n";
        self.exchange(
            &format!("POST /login HTTP/1.1\r\nHost: shop.example\r\n{head}\r\n{form}"),
            200,
            cookie,
            Some(&json!({ "ok": true })),
        );
        let origin = format!("Origin: https://site{}.example\r\n", round % 5);
        let cors = format!(
            "Access-Control-Allow-Origin: https://site{}.example\r\nAccess-Control-Allow-Credentials: true\r\n",
            round % 5
        );
        let auth = format!("Authorization: Bearer {}{:04}\r\n", SECRETS[0], round % 8);
        self.exchange(
            &format!("GET /api/v1/me HTTP/1.1\r\nHost: shop.example\r\n{origin}{auth}\r\n"),
            200,
            &cors,
            Some(&json!({ "id": 1 })),
        );
        let trace = "Traceback (most recent call last):\n  File \"/srv/shop/app.py\", line 12, in pay\n    charge()\nZeroDivisionError: division by zero\n";
        let request = "GET /pay HTTP/1.1\r\nHost: shop.example\r\n\r\n";
        let answer = format!(
            "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{trace}",
            trace.len()
        );
        self.raw(request, &answer);
    }

    fn json(
        &mut self,
        method: &str,
        target: &str,
        more: &str,
        body: Option<&Value>,
        answer: (u16, Option<&Value>),
    ) {
        let text = body.map(Value::to_string).unwrap_or_default();
        let head = if body.is_some() {
            format!("Content-Type: application/json\r\nContent-Length: {}\r\n", text.len())
        } else {
            String::new()
        };
        let request = format!("{method} {target} HTTP/1.1\r\nHost: shop.example\r\n{more}{head}\r\n{text}");
        self.exchange(&request, answer.0, "", answer.1);
    }

    fn exchange(&mut self, request: &str, status: u16, more: &str, answer: Option<&Value>) {
        let text = answer.map(Value::to_string).unwrap_or_default();
        let kind = if answer.is_some() { "Content-Type: application/json\r\n" } else { "" };
        let length =
            if status == 204 { String::new() } else { format!("Content-Length: {}\r\n", text.len()) };
        self.raw(request, &format!("HTTP/1.1 {status} X\r\n{kind}{more}{length}\r\n{text}"));
    }

    fn raw(&mut self, request: &str, answer: &str) {
        let mut peer = self.wire.open(self.number);
        self.number += 1;
        self.exchanges += 1;
        self.wire.up(&mut peer, request);
        self.wire.down(&mut peer, answer);
        self.wire.close(&mut peer);
    }
}
