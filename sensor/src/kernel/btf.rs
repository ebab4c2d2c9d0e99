//! Finds a field's offset in kernel structures, from the kernel's own type information (BTF;
//! Documentation/bpf/btf.rst).

use std::path::Path;

/// The kernel's own.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";
const MAGIC: u16 = 0xeb9f;
/// Maximum depth of nested anonymous structures.
const MAX_DEPTH: usize = 8;

const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_FUNC: u32 = 12;

/// A field's first bit, counted from the start of its structure, and its width in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BitField {
    pub(super) first: u32,
    /// 0 if the type determines it.
    pub(super) bits: u32,
}

/// Where the running kernel has a field of a structure; none if its BTF does not show it.
pub(super) fn field(structure: &str, name: &str) -> Option<BitField> {
    let bytes = std::fs::read(Path::new(VMLINUX)).ok()?;
    Btf::parse(&bytes)?.field(structure, name)
}

/// Fields of structures and functions, together: reading and parsing takes some ten milliseconds.
pub(super) struct Kernel {
    bytes: Vec<u8>,
}

impl Kernel {
    /// Reads the running kernel's BTF; none if it has none.
    pub(super) fn read() -> Option<Self> {
        Some(Self { bytes: std::fs::read(Path::new(VMLINUX)).ok()? })
    }

    /// Offsets in bytes of fields of a structure.
    pub(super) fn offsets<const N: usize>(&self, structure: &str, names: [&str; N]) -> Option<[i16; N]> {
        let btf = Btf::parse(&self.bytes)?;
        let mut offsets = [0; N];
        for (offset, name) in offsets.iter_mut().zip(names) {
            *offset = i16::try_from(btf.field(structure, name)?.first >> 3).ok()?;
        }
        Some(offsets)
    }

    /// Numbers of functions.
    pub(super) fn functions<const N: usize>(&self, names: [&str; N]) -> Option<[u32; N]> {
        let btf = Btf::parse(&self.bytes)?;
        let mut numbers = [0; N];
        for (number, name) in numbers.iter_mut().zip(names) {
            *number = btf.function(name)?;
        }
        Some(numbers)
    }
}

/// Type information, parsed in place.
struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// Where each type starts; the first is number 1.
    places: Vec<usize>,
}

/// A type's name, kind, number of members and whether they are bit fields.
struct Type {
    name: u32,
    kind: u32,
    members: usize,
    has_bit_fields: bool,
    /// After its header.
    rest: usize,
}

impl<'a> Btf<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let magic = u16::from_ne_bytes(*bytes.first_chunk()?);
        // Bit fields are counted from the other end on big-endian machines, for which there is no build.
        if magic != MAGIC || cfg!(target_endian = "big") {
            return None;
        }
        let header = usize::try_from(word(bytes, 4)?).ok()?;
        let section = |offset: u32, length: u32| {
            let start = header.checked_add(usize::try_from(offset).ok()?)?;
            bytes.get(start..start.checked_add(usize::try_from(length).ok()?)?)
        };
        let types = section(word(bytes, 8)?, word(bytes, 12)?)?;
        let strings = section(word(bytes, 16)?, word(bytes, 20)?)?;
        let mut btf = Self { types, strings, places: Vec::new() };
        let mut place = 0_usize;
        while place < types.len() {
            btf.places.push(place);
            let found = btf.type_at(place)?;
            place = found.rest.checked_add(size_behind(&found)?)?;
        }
        Some(btf)
    }

    fn field(&self, structure: &str, name: &str) -> Option<BitField> {
        self.places.iter().find_map(|place| {
            let found = self.type_at(*place)?;
            let is_it =
                found.kind == KIND_STRUCT && found.members > 0 && self.name(found.name) == Some(structure);
            if is_it { self.member(&found, name, 0, MAX_DEPTH) } else { None }
        })
    }

    /// The number of a function's type.
    fn function(&self, name: &str) -> Option<u32> {
        let is_it = |place: &usize| {
            self.type_at(*place)
                .is_some_and(|found| found.kind == KIND_FUNC && self.name(found.name) == Some(name))
        };
        let position = self.places.iter().position(is_it)?;
        u32::try_from(position).ok()?.checked_add(1)
    }

    /// A member, or one of a nested structure without a name.
    fn member(&self, of: &Type, wanted: &str, base: u32, depth: usize) -> Option<BitField> {
        let depth = depth.checked_sub(1)?;
        (0..of.members).find_map(|index| {
            let at = of.rest.checked_add(index.checked_mul(12)?)?;
            let (name, kind, offset) = (
                word(self.types, at)?,
                word(self.types, at.checked_add(4)?)?,
                word(self.types, at.checked_add(8)?)?,
            );
            let (offset, bits) =
                if of.has_bit_fields { (offset & 0xff_ffff, offset >> 24) } else { (offset, 0) };
            let first = base.checked_add(offset)?;
            if name != 0 {
                return (self.name(name) == Some(wanted)).then_some(BitField { first, bits });
            }
            let inner = self.places.get(usize::try_from(kind).ok()?.checked_sub(1)?)?;
            let inner = self.type_at(*inner)?;
            let has_members = matches!(inner.kind, KIND_STRUCT | KIND_UNION);
            if has_members { self.member(&inner, wanted, first, depth) } else { None }
        })
    }

    fn type_at(&self, place: usize) -> Option<Type> {
        let info = word(self.types, place.checked_add(4)?)?;
        Some(Type {
            name: word(self.types, place)?,
            kind: info >> 24 & 0x1f,
            members: usize::try_from(info & 0xffff).ok()?,
            has_bit_fields: info >> 31 != 0,
            rest: place.checked_add(12)?,
        })
    }

    fn name(&self, offset: u32) -> Option<&str> {
        let name = self.strings.get(usize::try_from(offset).ok()?..)?;
        str::from_utf8(name.split(|byte| *byte == 0).next()?).ok()
    }
}

/// Bytes of a type after its header: by kind, a fixed number per member.
fn size_behind(found: &Type) -> Option<usize> {
    let each = |size: usize| found.members.checked_mul(size);
    match found.kind {
        // INT, VAR, DECL_TAG
        1 | 14 | 17 => Some(4),
        // ARRAY
        3 => Some(12),
        // STRUCT, UNION, DATASEC, ENUM64
        4 | 5 | 15 | 19 => each(12),
        // ENUM, FUNC_PROTO
        6 | 13 => each(8),
        // PTR, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC, FLOAT, TYPE_TAG
        2 | 7..=12 | 16 | 18 => Some(0),
        _ => None,
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `struct other { int other; }; struct sk_buff { int len; union { struct { u8 a : 5; u8 ip_summed : 2; } ; }; }`.
    fn made_up() -> Vec<u8> {
        let strings = b"\0other\0sk_buff\0len\0a\0ip_summed\0u8\0";
        let at = |name: &str| {
            let place = strings.windows(name.len()).position(|window| window == name.as_bytes());
            u32::try_from(place.unwrap()).unwrap()
        };
        let (none, int, with_bits) = (0, 1 << 24, 1 << 31);
        let types = [
            vec![at("u8"), int, 1, 8],
            vec![at("other"), KIND_STRUCT << 24 | 1, 4, at("other"), 1, 0],
            vec![
                none,
                KIND_STRUCT << 24 | 2 | with_bits,
                1,
                at("a"),
                1,
                5 << 24,
                at("ip_summed"),
                1,
                2 << 24 | 5,
            ],
            vec![none, KIND_UNION << 24 | 1, 1, none, 3, 0],
            vec![at("sk_buff"), KIND_STRUCT << 24 | 2, 8, at("len"), 1, 0, none, 4, 32],
        ];
        let types: Vec<u8> = types.concat().into_iter().flat_map(u32::to_ne_bytes).collect();
        let mut bytes = MAGIC.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        let lengths = [types.len(), strings.len()].map(|length| u32::try_from(length).unwrap());
        bytes.extend([24, 0, lengths[0], lengths[0], lengths[1]].into_iter().flat_map(u32::to_ne_bytes));
        [bytes, types, strings.to_vec()].concat()
    }

    #[test]
    fn a_bit_field_within_structures_without_a_name_is_found() {
        let bytes = made_up();
        let btf = Btf::parse(&bytes).unwrap();
        assert_eq!(btf.field("sk_buff", "ip_summed"), Some(BitField { first: 37, bits: 2 }));
        assert_eq!(btf.field("sk_buff", "len"), Some(BitField { first: 0, bits: 0 }));
        assert_eq!(btf.field("sk_buff", "other"), None);
        assert_eq!(btf.field("nobody", "len"), None);
    }

    #[test]
    fn damage_finds_nothing_and_does_not_panic() {
        let bytes = made_up();
        for length in 0..bytes.len() {
            if let Some(btf) = Btf::parse(&bytes[..length]) {
                let _found = btf.field("sk_buff", "ip_summed");
            }
        }
        for place in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[place] ^= 0xff;
            if let Some(btf) = Btf::parse(&bytes) {
                let _found = btf.field("sk_buff", "ip_summed");
            }
        }
    }
}
