//! What is known of a route and a method.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::clients::Clients;
use super::fact::{Fact, Facts, Second, Times};
use super::rows::{Access, Standing};
use super::shape::Shape;

/// Different statuses of a row; others count in the last.
const MAX_STATUSES: usize = 24;
/// Hosts, ports and media types of a row: an API has one or two, and clients may invent more.
const MAX_HOSTS: usize = 8;
const MAX_PORTS: usize = 8;
const MAX_MEDIA: usize = 6;
/// Cookies of a row.
const MAX_COOKIES: usize = 8;
/// Kinds of findings of a row.
const MAX_FOUND: usize = 24;
/// Shapes of all parts of a row: 60 bytes each and a name.
pub(super) const MAX_SHAPES: usize = 256;

/// The shapes of what is sent and answered; by far the largest part of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Shapes {
    /// The parameters of the path, in order.
    pub(super) path: Vec<Shape>,
    /// The query, as an object.
    pub(super) query: Shape,
    /// Bodies of requests in JSON.
    pub(super) json: Shape,
    /// Forms, as an object.
    pub(super) form: Shape,
    /// Answers in JSON with 2xx.
    pub(super) answer: Shape,
    /// Answers in JSON with 4xx and 5xx.
    pub(super) error: Shape,
    /// Requests whose path and query were looked at.
    pub(super) requests: u32,
    /// Requests with a body that was looked at.
    pub(super) bodies: u32,
    /// Shapes that are there.
    pub(super) size: usize,
}

impl Shapes {
    pub(super) fn room(&self) -> usize {
        MAX_SHAPES.saturating_sub(self.size)
    }

    pub(super) fn merge(&mut self, other: &Self) {
        let mut room = self.room();
        for (own, more) in [
            (&mut self.query, &other.query),
            (&mut self.json, &other.json),
            (&mut self.form, &other.form),
            (&mut self.answer, &other.answer),
            (&mut self.error, &other.error),
        ] {
            own.merge(more, &mut room);
        }
        for (place, more) in other.path.iter().enumerate() {
            match self.path.get_mut(place) {
                Some(own) => own.merge(more, &mut room),
                None => self.path.push(more.clone()),
            }
        }
        self.size = MAX_SHAPES.saturating_sub(room);
        self.requests = self.requests.saturating_add(other.requests);
        self.bodies = self.bodies.saturating_add(other.bodies);
    }
}

/// What a media type is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    Request,
    Answer,
    Error,
}

/// A cookie that answers set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cookie {
    pub(super) name: Box<str>,
    /// Bits of [`flaw`](super::heads::flaw), of all times it was set.
    pub(super) flaws: u8,
    pub(super) times: Times,
}

/// What inspection found, by kind and rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) kind: Box<str>,
    pub(super) class: Box<str>,
    pub(super) rule: Box<str>,
    pub(super) is_response: bool,
    pub(super) times: Times,
}

/// A route and a method.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Row {
    pub(super) route: Box<str>,
    pub(super) method: Box<str>,
    pub(super) total: u64,
    pub(super) first: Second,
    pub(super) last: Second,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    /// None stands for no answer.
    pub(super) statuses: Vec<(u16, u32)>,
    pub(super) hosts: Vec<(Box<str>, u32)>,
    pub(super) ports: Vec<(u16, u32)>,
    pub(super) request_media: Vec<(Box<str>, u32)>,
    /// Of answers below 400, and of others.
    pub(super) response_media: Vec<(Box<str>, u32)>,
    pub(super) error_media: Vec<(Box<str>, u32)>,
    pub(super) cookies: Vec<Cookie>,
    pub(super) found: Vec<Found>,
    pub(super) facts: Facts,
    pub(super) clients: Clients,
    /// Hashes of two origins of other sites that were allowed with credentials: two are not a list of friends.
    pub(super) origins: [u32; 2],
    #[serde(with = "super::shared")]
    pub(super) shapes: Arc<Shapes>,
}

impl Row {
    /// Who was answered with success.
    #[inline]
    pub(super) fn access(&self) -> Access {
        match (self.facts.has(Fact::CredentialsOk), self.facts.has(Fact::AnonymousOk)) {
            (true, false) => Access::Required,
            (true, true) => Access::Optional,
            (false, true) => Access::None,
            (false, false) => Access::Unanswered,
        }
    }

    /// How it is counted.
    pub(super) fn standing(&self) -> Standing {
        let lacks = |found: &Found| &*found.kind == "schema" && found.class.starts_with("undocumented");
        Standing { access: self.access(), is_undocumented: self.found.iter().any(lacks) }
    }

    pub(super) fn note_status(&mut self, status: u16) {
        bump(&mut self.statuses, MAX_STATUSES, status);
    }

    pub(super) fn note_port(&mut self, port: u16) {
        bump(&mut self.ports, MAX_PORTS, port);
    }

    pub(super) fn note_host(&mut self, host: &str) {
        bump_text(&mut self.hosts, MAX_HOSTS, host);
    }

    pub(super) fn note_media(&mut self, place: Media, media: &str) {
        let list = match place {
            Media::Request => &mut self.request_media,
            Media::Answer => &mut self.response_media,
            Media::Error => &mut self.error_media,
        };
        bump_text(list, MAX_MEDIA, media);
    }

    pub(super) fn note_cookie(&mut self, name: &str, flaws: u8, now: Second) {
        let place = self.cookies.iter().position(|cookie| *cookie.name == *name);
        if place.is_none() && self.cookies.len() >= MAX_COOKIES {
            return;
        }
        let place = place.unwrap_or_else(|| {
            self.cookies.push(Cookie { name: name.into(), flaws: 0, times: Times::default() });
            self.cookies.len().saturating_sub(1)
        });
        if let Some(cookie) = self.cookies.get_mut(place) {
            cookie.flaws |= flaws;
            cookie.times.note(now);
        }
    }

    pub(super) fn note_found(
        &mut self,
        (kind, class, rule): (&str, &str, &str),
        is_response: bool,
        now: Second,
    ) {
        let is_same = |found: &Found| {
            (&*found.kind, &*found.class, &*found.rule, found.is_response) == (kind, class, rule, is_response)
        };
        if let Some(found) = self.found.iter_mut().find(|found| is_same(found)) {
            found.times.note(now);
        } else if self.found.len() < MAX_FOUND {
            let mut times = Times::default();
            times.note(now);
            let (kind, class, rule) = (kind.into(), class.into(), rule.into());
            self.found.push(Found { kind, class, rule, is_response, times });
        }
    }

    pub(super) fn note_origin(&mut self, origin: &[u8]) {
        let hash = crc32fast::hash(origin).max(1);
        if let Some(free) = self.origins.iter_mut().find(|known| **known == 0 || **known == hash) {
            *free = hash;
        }
    }

    pub(super) fn status_count(&self, is: impl Fn(u16) -> bool) -> u64 {
        self.statuses
            .iter()
            .filter(|(status, _)| is(*status))
            .fold(0_u64, |sum, (_, count)| sum.saturating_add(u64::from(*count)))
    }

    /// Adds what was seen under another name of the same route.
    pub(super) fn merge(&mut self, other: &Self) {
        self.total = self.total.saturating_add(other.total);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        merge_counts(&mut self.statuses, &other.statuses, MAX_STATUSES);
        merge_counts(&mut self.hosts, &other.hosts, MAX_HOSTS);
        merge_counts(&mut self.ports, &other.ports, MAX_PORTS);
        merge_counts(&mut self.request_media, &other.request_media, MAX_MEDIA);
        merge_counts(&mut self.response_media, &other.response_media, MAX_MEDIA);
        merge_counts(&mut self.error_media, &other.error_media, MAX_MEDIA);
        self.facts.merge(&other.facts);
        self.clients.merge(&other.clients);
        for cookie in &other.cookies {
            if let Some(own) = self.cookies.iter_mut().find(|own| own.name == cookie.name) {
                own.flaws |= cookie.flaws;
                own.times.merge(&cookie.times);
            } else if self.cookies.len() < MAX_COOKIES {
                self.cookies.push(cookie.clone());
            }
        }
        for found in &other.found {
            let is_same = |own: &Found| {
                (&own.kind, &own.class, &own.rule, own.is_response)
                    == (&found.kind, &found.class, &found.rule, found.is_response)
            };
            if let Some(own) = self.found.iter_mut().find(|own| is_same(own)) {
                own.times.merge(&found.times);
            } else if self.found.len() < MAX_FOUND {
                self.found.push(found.clone());
            }
        }
        Arc::make_mut(&mut self.shapes).merge(&other.shapes);
    }
}

fn bump(list: &mut Vec<(u16, u32)>, most: usize, key: u16) {
    if let Some((_, count)) = list.iter_mut().find(|(known, _)| *known == key) {
        *count = count.saturating_add(1);
    } else if list.len() < most {
        list.push((key, 1));
    }
}

fn bump_text(list: &mut Vec<(Box<str>, u32)>, most: usize, key: &str) {
    if let Some((_, count)) = list.iter_mut().find(|(known, _)| **known == *key) {
        *count = count.saturating_add(1);
    } else if list.len() < most {
        list.push((key.into(), 1));
    }
}

fn merge_counts<K: Clone + PartialEq>(list: &mut Vec<(K, u32)>, other: &[(K, u32)], most: usize) {
    for (key, count) in other {
        if let Some((_, own)) = list.iter_mut().find(|(known, _)| known == key) {
            *own = own.saturating_add(*count);
        } else if list.len() < most {
            list.push((key.clone(), *count));
        }
    }
}
