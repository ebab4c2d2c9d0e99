//! Splits one direction of a connection into frames, however its bytes are segmented.
//!
//! DATA is passed on as it arrives. Any other payload is passed on whole if all of it is in the bytes at hand, which is the
//! usual case, and in parts otherwise. Only a partial header is kept here.

use super::frame::{Frame, HEADER, Kind, PADDED, PREFACE};

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The preface, of which this many bytes were read.
    Preface(u8),
    /// The header of a frame.
    Header,
    /// The length of the padding of DATA.
    PadLength,
    /// DATA.
    Data,
    /// The payload of another frame.
    Payload,
    /// Unknown: the next frame is to be found.
    Lost,
}

/// A direction.
#[derive(Debug)]
pub(super) struct Reader {
    stage: Stage,
    /// A partial header.
    header: [u8; HEADER],
    have: u8,
    /// The current frame.
    frame: Frame,
    /// Remaining bytes of its payload.
    left: u32,
    /// Of these, padding.
    padding: u8,
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// Nothing complete.
    More,
    /// The preface.
    Preface,
    /// Something other than the preface.
    NoPreface,
    /// DATA begins.
    Begins(Frame),
    /// The padding of DATA is longer than the frame.
    TooPadded(Frame),
    /// Content of DATA.
    Data(u32, &'a [u8]),
    /// DATA ends.
    Ends(Frame),
    /// Another frame.
    Frame(Frame, &'a [u8]),
    /// A part of another frame's payload, and whether it is the last.
    Part(Frame, &'a [u8], bool),
    /// The next frame is to be found.
    Lost,
}

/// What was missing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Skipped {
    /// Bytes of a stream's DATA; `certain` if all of `content` was content and not padding.
    Data { frame: Frame, content: u64, certain: bool, ends: bool },
    /// Part of another frame's payload, and whether the payload is over.
    Part(Frame, bool),
    /// The start of the next frame is unknown.
    Lost,
}

impl Reader {
    /// The client's direction, after this many bytes of the preface.
    pub(super) const fn at_preface(read: u8) -> Self {
        Self::at(Stage::Preface(read))
    }

    /// A direction at the start of a frame.
    pub(super) const fn at_frame() -> Self {
        Self::at(Stage::Header)
    }

    /// A direction at an unknown place.
    pub(super) const fn anywhere() -> Self {
        Self::at(Stage::Lost)
    }

    const fn at(stage: Stage) -> Self {
        Self { stage, header: [0; HEADER], have: 0, frame: Frame::EMPTY, left: 0, padding: 0 }
    }

    /// The start of the next frame is no longer known.
    pub(super) fn lose(&mut self) {
        *self = Self::anywhere();
    }

    /// The next byte starts a frame, or continues the preface.
    pub(super) fn begin(&mut self, preface: Option<u8>) {
        *self = preface.map_or(Self::at_frame(), Self::at_preface);
    }

    /// Remaining bytes of the current DATA frame, and its stream.
    pub(super) fn data_left(&self) -> Option<(u32, u64)> {
        (self.stage == Stage::Data).then_some((self.frame.stream, u64::from(self.left)))
    }

    /// Reads the start of `rest`, which is non-empty or follows a step other than [`Step::More`].
    #[inline]
    pub(super) fn step<'a>(&mut self, rest: &mut &'a [u8]) -> Step<'a> {
        match self.stage {
            Stage::Header => self.step_header(rest),
            Stage::Data => self.step_data(rest),
            Stage::PadLength => self.step_padding(rest),
            Stage::Payload => self.step_payload(rest),
            Stage::Preface(read) => self.step_preface(read, rest),
            Stage::Lost => Step::Lost,
        }
    }

    fn step_preface<'a>(&mut self, read: u8, rest: &mut &'a [u8]) -> Step<'a> {
        let wanted = PREFACE.get(usize::from(read)..).unwrap_or_default();
        let here = rest.len().min(wanted.len());
        let (bytes, after) = rest.split_at_checked(here).unwrap_or_default();
        if wanted.get(..here) != Some(bytes) {
            return Step::NoPreface;
        }
        *rest = after;
        let read = read.saturating_add(u8::try_from(here).unwrap_or_default());
        if usize::from(read) < PREFACE.len() {
            self.stage = Stage::Preface(read);
            return Step::More;
        }
        self.stage = Stage::Header;
        Step::Preface
    }

    #[inline]
    fn step_header<'a>(&mut self, rest: &mut &'a [u8]) -> Step<'a> {
        if self.have == 0
            && let Some((header, after)) = rest.split_first_chunk()
        {
            *rest = after;
            return self.begin_frame(*header, rest);
        }
        let have = usize::from(self.have);
        let here = HEADER.saturating_sub(have).min(rest.len());
        let (bytes, after) = rest.split_at_checked(here).unwrap_or_default();
        if let Some(place) = self.header.get_mut(have..have.saturating_add(here)) {
            place.copy_from_slice(bytes);
        }
        *rest = after;
        let have = have.saturating_add(here);
        if have < HEADER {
            self.have = u8::try_from(have).unwrap_or_default();
            return Step::More;
        }
        self.have = 0;
        self.begin_frame(self.header, rest)
    }

    #[inline]
    fn begin_frame<'a>(&mut self, header: [u8; HEADER], rest: &mut &'a [u8]) -> Step<'a> {
        let frame = Frame::parse(header);
        (self.frame, self.left, self.padding) = (frame, frame.length, 0);
        if frame.kind == Kind::Data {
            let is_padded = frame.has(PADDED);
            self.stage = if is_padded { Stage::PadLength } else { Stage::Data };
            if is_padded && frame.length == 0 {
                self.stage = Stage::Data;
                return Step::TooPadded(frame);
            }
            return Step::Begins(frame);
        }
        if let Some((payload, after)) = rest.split_at_checked(frame.length as usize) {
            *rest = after;
            return Step::Frame(frame, payload);
        }
        self.stage = Stage::Payload;
        self.step_payload(rest)
    }

    fn step_padding<'a>(&mut self, rest: &mut &'a [u8]) -> Step<'a> {
        let Some((padding, after)) = rest.split_first() else { return Step::More };
        *rest = after;
        self.left = self.left.saturating_sub(1);
        self.stage = Stage::Data;
        if u32::from(*padding) > self.left {
            // Content and padding cannot be distinguished.
            return Step::TooPadded(self.frame);
        }
        self.padding = *padding;
        Step::Begins(self.frame)
    }

    #[inline]
    fn step_data<'a>(&mut self, rest: &mut &'a [u8]) -> Step<'a> {
        if self.left == 0 {
            self.stage = Stage::Header;
            return Step::Ends(self.frame);
        }
        if rest.is_empty() {
            return Step::More;
        }
        let content = self.left.saturating_sub(u32::from(self.padding));
        let wanted = if content > 0 { content } else { self.left };
        let here = rest.len().min(wanted as usize);
        let (bytes, after) = rest.split_at_checked(here).unwrap_or_default();
        *rest = after;
        self.left = self.left.saturating_sub(u32::try_from(here).unwrap_or(u32::MAX));
        Step::Data(self.frame.stream, if content > 0 { bytes } else { &[] })
    }

    fn step_payload<'a>(&mut self, rest: &mut &'a [u8]) -> Step<'a> {
        let here = rest.len().min(self.left as usize);
        let (bytes, after) = rest.split_at_checked(here).unwrap_or_default();
        *rest = after;
        self.left = self.left.saturating_sub(u32::try_from(here).unwrap_or(u32::MAX));
        let is_last = self.left == 0;
        if is_last {
            self.stage = Stage::Header;
        } else if bytes.is_empty() {
            return Step::More;
        }
        Step::Part(self.frame, bytes, is_last)
    }

    /// Skips missing bytes, at least one; also returns how many.
    pub(super) fn skip(&mut self, length: u64) -> (Skipped, u64) {
        let passed = length.min(u64::from(self.left));
        let passed32 = u32::try_from(passed).unwrap_or(u32::MAX);
        match self.stage {
            Stage::Data | Stage::PadLength if self.left > 0 => {
                let certain = self.stage == Stage::Data;
                let content = self.left.saturating_sub(u32::from(self.padding));
                self.stage = Stage::Data;
                self.left = self.left.saturating_sub(passed32);
                let (content, ends) = (u64::from(content).min(passed), self.left == 0);
                if ends {
                    self.stage = Stage::Header;
                }
                (Skipped::Data { frame: self.frame, content, certain, ends }, passed)
            }
            Stage::Payload if self.left > 0 => {
                self.left = self.left.saturating_sub(passed32);
                let ends = self.left == 0;
                if ends {
                    self.stage = Stage::Header;
                }
                (Skipped::Part(self.frame, ends), passed)
            }
            Stage::Data
            | Stage::PadLength
            | Stage::Payload
            | Stage::Header
            | Stage::Preface(_)
            | Stage::Lost => {
                self.lose();
                (Skipped::Lost, length)
            }
        }
    }
}
