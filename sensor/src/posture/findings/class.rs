//! The classes of findings, and what to do about each.

macro_rules! classes {
    ($($name:ident: $label:literal, $owasp:literal, $title:literal, $remedy:literal;)*) => {
        /// A class of findings.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(in crate::posture) enum Class {
            $(
                #[doc = $title]
                $name,
            )*
        }

        impl Class {
            /// All of them.
            #[cfg(test)]
            pub(in crate::posture) const ALL: &[Self] = &[$(Self::$name,)*];

            /// A stable slug.
            pub(in crate::posture) const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }

            /// Of the OWASP API Security Top 10.
            pub(in crate::posture) const fn owasp(self) -> &'static str {
                match self {
                    $(Self::$name => $owasp,)*
                }
            }

            /// A short sentence.
            pub(in crate::posture) const fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)*
                }
            }

            /// What to do.
            pub(in crate::posture) const fn remedy(self) -> &'static str {
                match self {
                    $(Self::$name => $remedy,)*
                }
            }
        }
    };
}

classes! {
    Cleartext: "cleartext", "API8:2023", "Requests are answered in clear text",
        "Serve these routes over TLS only; on port 80, redirect to https and nothing else.";
    Credentials: "cleartext-credentials", "API2:2023", "Credentials cross the network in clear text",
        "Serve these routes over TLS only, and replace the credentials that were used: whoever saw them can use them.";
    Redirect: "no-redirect", "API8:2023", "A route that is served over TLS answers in clear text, too",
        "Answer 301 or 308 to https on the clear port, and send Strict-Transport-Security over TLS.";
    WeakTls: "weak-tls", "API8:2023", "Only TLS 1.2 is negotiated",
        "Enable TLS 1.3 on the server or the proxy in front of it; for TLS 1.2, allow suites with ECDHE and AEAD only.";
    Hsts: "no-hsts", "API8:2023", "Browsers are not told to use TLS only",
        "Send Strict-Transport-Security: max-age=31536000 on every answer over TLS (RFC 6797).";
    Unauthenticated: "unauthenticated", "API2:2023", "Routes that are used with credentials answer without them, too",
        "Check credentials before the handler for the whole route, by default; list public routes explicitly.";
    OpenWrites: "unauthenticated-write", "API2:2023", "Changes are accepted without credentials",
        "Require credentials for methods that change something, or document the route as public and limit its rate.";
    Cookies: "cookie-flags", "API8:2023", "Cookies lack flags",
        "Set session cookies with Secure, HttpOnly and SameSite=Lax or Strict, best with the prefix __Host-.";
    CorsCredentials: "cors-credentials", "API8:2023", "Any site's scripts may use a visitor's credentials",
        "Compare Origin with a list of your own sites; never reflect it, and never allow null with credentials.";
    CorsAny: "cors-any", "API8:2023", "Any site's scripts may read answers",
        "Drop Access-Control-Allow-Origin: * where answers are not public.";
    SharedCache: "shared-cache", "API8:2023", "Answers to credentials may be kept by shared caches",
        "Send Cache-Control: private or no-store on answers to requests with credentials.";
    NoRateLimit: "no-rate-limit", "API4:2023", "No limit of rates was ever told or reached",
        "Limit attempts by account and address and answer 429 with Retry-After; `sensor limit suggest` shows limits that fit.";
    NoPages: "no-pagination", "API4:2023", "Long lists are answered at once",
        "Answer lists in pages with a maximum size, enforced by the server.";
    Leaks: "verbose-errors", "API8:2023", "Answers tell of the server's inside",
        "Answer errors with a code and an identifier; write stack traces and queries to the log only.";
    Versions: "server-version", "API8:2023", "Headers name versions of programs",
        "Switch the version off: server_tokens off (nginx), ServerTokens Prod (Apache), expose_php = Off (PHP).";
    Tokens: "token-faults", "API2:2023", "Tokens are forged or unsafe, or misused",
        "Accept listed algorithms only, verify signature, issuer, audience and expiry, and use keys of 256 random bits or more.";
    Keys: "key-exposure", "API8:2023", "Keys or credentials can be read by others",
        "Revoke the keys, take them out of answers and addresses, and send credentials in headers only.";
    LeakedPasswords: "leaked-passwords", "API2:2023", "Accounts log in with passwords that are in the list of leaked ones",
        "Have these accounts choose other passwords, and refuse those of the list when a password is set (NIST SP 800-63B).";
    Data: "data-exposure", "API3:2023", "Answers give away more than clients need",
        "Answer the fields that the client needs, chosen by the server; never hashes of passwords.";
    Management: "management-route", "API9:2023", "Routes for operators or developers are open",
        "Bind them to loopback or a management network, or require credentials.";
    Trace: "trace", "API8:2023", "TRACE is answered",
        "Switch TRACE off: TraceEnable off (Apache); answer 405.";
    Shadow: "undocumented", "API9:2023", "Routes that the OpenAPI document does not describe are answered",
        "Describe them, or take them out of service; `sensor posture --openapi FILE` drafts the description.";
    Schema: "schema", "API8:2023", "Requests that break the OpenAPI document are accepted, or answers break it",
        "Validate requests against the document before the handler, and correct whichever of the two is wrong.";
    Deprecated: "deprecated-in-use", "API9:2023", "Deprecated routes are in use",
        "Tell their clients, name an end (Sunset, RFC 8594), and take them out of service.";
    OldVersion: "old-version", "API9:2023", "An old version of the API is in use beside a newer one",
        "Move clients to the newer version, and patch both for as long as both answer.";
    Unseen: "documented-unseen", "API9:2023", "The document describes routes that nobody uses",
        "Check whether they still exist; what nobody uses should not be served.";
}

#[cfg(test)]
mod tests {
    use super::Class;

    #[test]
    fn the_manual_names_each_class() {
        let manual = include_str!("../../../../docs/posture.md");
        let missing: Vec<&str> = Class::ALL
            .iter()
            .map(|class| class.label())
            .filter(|label| !manual.contains(&format!("`{label}`")))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
