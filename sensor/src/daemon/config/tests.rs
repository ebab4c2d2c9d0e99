use std::path::Path;

use super::*;

fn check(text: &str) -> Result<Config, Vec<String>> {
    let mut document = Document::default();
    document.add(Path::new("s.toml"), text).unwrap();
    Config::check(&document).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[test]
fn nothing_is_the_default() {
    assert_eq!(check("").unwrap(), Config::default());
    assert!(Config::default().tuning.newcomers.is_some());
}

#[test]
fn a_configuration_is_read() {
    let config = check(
        "mode = \"enforce\"\ninterfaces = [\"eth0\"]\nallow = [\"10.0.0.0/8\"]\n[limits]\nnewcomers = \"off\"\n\
         [limits.default]\npackets = \"5/s\"\n[limits.\"192.0.2.0/24\"]\nrequests = \"off\"\n\
         [clients]\nmax_tracked = 4096\n[web]\nlisten_address = \"127.0.0.1:1\"\n",
    )
    .unwrap();
    assert_eq!(config.tuning.newcomers, None);
    assert_eq!(config.policy.limits.len(), 2);
    assert_eq!(config.capacities.clients, 4_096);
    assert_eq!(config.policy.allow.len(), 1);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let found = check(
        "mode = \"panic\"\nblock = [\"10.1.2.3/8\", \"x\"]\n[limits.default]\npackets = \"fast\"\nbits = \"5\"\n\
         [limits.\"192.0.2.64/33\"]\n[limits.\"10.0.0.0/8\"]\npackts = 1\n[clients]\nipv4_prefix = 24\n\
         [limits.\"192.0.2.64/26\"]\n[limits]\nnewcomer = \"1/s\"\n[web]\nlisten_address = \"here\"\n",
    );
    // The table `[limits]` after its own sub-tables is not valid TOML 1.0 in every reader; both are told.
    let found = found.unwrap_err().join("\n");
    for expected in [
        "s.toml:1: mode: `panic`: expected `monitor` or `enforce`",
        "s.toml:2: block: `10.1.2.3/8` has bits set",
        "s.toml:2: block: `x` is not an address or prefix",
        "s.toml:4: limits.default.packets: `fast`: not a number",
        "s.toml:5: limits.default.bits: `5`: bits per second below 1k",
        "limits.\"192.0.2.64/33\": scope: expected `default`",
        "packts: unknown key; did you mean `packets`?",
        "limits.\"192.0.2.64/26\": this scope splits clients",
        "limits.newcomer: unknown key; did you mean `newcomers`?",
        "web.listen_address: `here`: expected ADDRESS:PORT",
    ] {
        assert!(found.contains(expected), "{expected}\nnot in\n{found}");
    }
}

#[test]
fn sites_share_what_so_many_clients_have() {
    let tuning = |text| check(text).unwrap().tuning;
    assert_eq!(tuning("").sites(), [0, 256]);
    let both = "[limits]\nipv4_site_times = 16\nipv6_site_times = 0\n";
    assert_eq!(tuning(both).sites(), [16, 0]);
    assert_eq!(tuning("[clients]\nipv6_prefix = 48\n").sites(), [0, 0], "no mistake: it is the default");
    for (text, expected) in [
        (
            "[limits]\nipv4_site_times = 257\n",
            "s.toml:2: limits.ipv4_site_times: expected a whole number from 0 to 256",
        ),
        (
            "[limits]\nipv6_site_times = \"off\"\n",
            "s.toml:2: limits.ipv6_site_times: expected a whole number from 0 to 65536",
        ),
        (
            "[limits]\nipv4_site_times = 16\n[clients]\nipv4_prefix = 24\n",
            "s.toml:2: limits.ipv4_site_times: `clients.ipv4_prefix` makes each client at least a whole /24",
        ),
        (
            "[limits]\nipv6_site_times = 16\n[clients]\nipv6_prefix = 40\n",
            "s.toml:2: limits.ipv6_site_times: `clients.ipv6_prefix` makes each client at least a whole /48",
        ),
    ] {
        assert_eq!(check(text).unwrap_err(), [expected]);
    }
}

#[test]
fn an_interface_has_one_role() {
    let config =
        check("interfaces = [\"eth0\"]\n[http]\ninner_interfaces = [\"lo\", \"docker0\"]\n").unwrap();
    assert_eq!(config.sense.inner_interfaces, ["lo", "docker0"]);
    for (text, expected) in [
        (
            "interfaces = [\"eth0\", \"lo\"]\n[http]\ninner_interfaces = [\"lo\"]\n",
            "s.toml:3: http.inner_interfaces: `lo` is also in `interfaces`",
        ),
        (
            "[http]\ninner_interfaces = [\"lo\", \"lo\"]\n",
            "s.toml:2: http.inner_interfaces: `lo` is listed twice",
        ),
        ("[http]\ninner_interfaces = \"lo\"\n", "s.toml:2: http.inner_interfaces: expected a list"),
        (
            "[http]\ninner_interfaces = [\"*\"]\n",
            "s.toml:2: http.inner_interfaces: expected the beginning of a name before `*`",
        ),
        (
            "[http]\ninner_interfaces = [\"br-*0\"]\n",
            "s.toml:2: http.inner_interfaces: `*` can only be at the end",
        ),
    ] {
        let found = check(text).unwrap_err();
        assert!(found[0].starts_with(expected) && found.len() == 1, "{found:?}");
    }
}

#[test]
fn logins_are_read() {
    let config = check(
        "[login]\nenabled = true\n[login.shop]\nroute = \"/shop/{lang}/enter\"\nuser_field = \"kunde\"\n\
         failure_status = [200, \"4xx\"]\nfailure_text = [\"Nope\"]\nsuccess_redirect = [\"/home\"]\n\
         success_header = [\"X-User\"]\n",
    );
    let login = config.unwrap().sense.pipeline.identity.login;
    let rule = &login.rules[0];
    assert!(rule.route.matches(b"/shop/de/enter") && rule.failure.status[1].contains(404));
    assert_eq!((rule.user_field.as_deref(), rule.failure.text[0].as_str()), (Some("kunde"), "Nope"));
    let found = check(
        "[login]\nenable = true\n[login.a]\nroute = \"login\"\nfailure_status = [700]\nuser_field = \"\"\n\
         [login.b]\nrout = \"/x\"\nsuccess_header = [\"a b\"]\nfailure_text = [\"\"]\n",
    );
    let found = found.unwrap_err().join("\n");
    for expected in [
        "s.toml:2: login.enable: unknown key; did you mean `enabled`?",
        "s.toml:4: login.a.route: `login`: expected a path such as `/login`",
        "s.toml:5: login.a.failure_status: expected a status such as 401",
        "s.toml:6: login.a.user_field: ``: expected a non-empty text",
        "login.b: `route`, the path of the login, is missing",
        "s.toml:8: login.b.rout: unknown key; did you mean `route`?",
        "s.toml:9: login.b.success_header: expected the name of a header",
        "s.toml:10: login.b.failure_text: expected a non-empty text",
    ] {
        assert!(found.contains(expected), "{expected}\nnot in\n{found}");
    }
}
