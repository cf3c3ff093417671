//! Every state and every move, against words put together by hand.

use super::*;

const OPCODE: u8 = 0xfd;

/// Positions around each place where a part of a stamp or a counter wraps.
fn origins() -> impl Iterator<Item = Position> {
    [0, 1 << 16, 1 << 30, 1 << 31, 1 << 32, 1 << 47, 1 << 48]
        .into_iter()
        .map(Position::new)
}

fn members() -> impl Iterator<Item = Member> {
    [1, 2, 254].into_iter().filter_map(Member::new)
}

/// A stamp from its parts; the sequence is taken modulo 2^48.
fn word(sequence: Position, owner: u8, opcode: u8) -> u64 {
    sequence.get() << 16 | u64::from(owner) << 8 | u64::from(opcode)
}

/// The position `distance` after `origin`.
fn after(origin: Position, distance: i64) -> Position {
    Position::new(origin.get().wrapping_add_signed(distance))
}

/// What the table of states says of a stamp, told in distances from an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    Free,
    Writing,
    Published,
    Reading,
}

const ROWS: [Row; 4] = [Row::Free, Row::Writing, Row::Published, Row::Reading];

impl Row {
    fn word(self, at: Position) -> u64 {
        match self {
            Self::Free => word(at, 0, FREE),
            Self::Writing => word(at, 3, WRITING),
            Self::Published => word(at.plus(1), 0, OPCODE),
            Self::Reading => word(at.plus(1), 3, OPCODE),
        }
    }
}

/// All rows at all distances within two rings of each origin, for small rings.
fn each_case(mut check: impl FnMut(usize, Position, Row, i64)) {
    for origin in origins() {
        for count in [2_usize, 4] {
            let reach = 2 * count as i64 + 1;
            for row in ROWS {
                for distance in -reach..=reach {
                    check(count, origin, row, distance);
                }
            }
        }
    }
}

#[test]
fn every_word_is_one_state_and_back() {
    for origin in origins() {
        for sequence in [origin.minus(1), origin] {
            for owner in 0..=u8::MAX {
                for opcode in 0..=u8::MAX {
                    let word = word(sequence, owner, opcode);
                    let state = State::of(word);
                    assert_eq!(state.word(), word);
                    let known = match (owner, opcode) {
                        (0, WRITING) | (255, _) | (1.., FREE) => false,
                        (0..=254, _) => true,
                    };
                    assert_eq!(!matches!(state, State::Unknown(_)), known, "{word:#x}");
                }
            }
        }
    }
}

#[test]
fn every_state_is_one_word_and_back() {
    let known = |state: State, expected: u64| {
        assert_eq!(state.word(), expected);
        assert_eq!(State::of(expected), state);
    };
    for origin in origins() {
        for at in [origin.minus(1), origin, origin.plus(1)] {
            known(State::Free(at), word(at, 0, FREE));
            assert_eq!(free(at), word(at, 0, FREE));
            for member in members() {
                known(State::Writing(at, member), word(at, member.get(), WRITING));
                assert_eq!(writing(at, member), word(at, member.get(), WRITING));
            }
            for opcode in (0..=u8::MAX).filter(|opcode| ![FREE, WRITING].contains(opcode)) {
                let next = at.plus(1);
                known(State::Published(at, opcode), word(next, 0, opcode));
                assert_eq!(published(at, opcode), word(next, 0, opcode));
                for member in members() {
                    let expected = word(next, member.get(), opcode);
                    known(State::Reading(at, member, opcode), expected);
                    assert_eq!(reading(at, member, opcode), expected);
                }
            }
            assert_eq!(released(at, 4), word(at.plus(4), 0, FREE));
        }
    }
}

#[test]
fn producers_move_as_the_table_says() {
    each_case(|count, position, row, distance| {
        let n = count as i64;
        let expected = match (row, distance) {
            (Row::Free, 0) => ForWriting::Claim,
            (Row::Published, d) if d == -n => ForWriting::ClaimIfReleased,
            (Row::Free, d) if d == n => ForWriting::Help,
            (Row::Writing | Row::Published | Row::Reading, 0) => ForWriting::Help,
            _ => ForWriting::Wait,
        };
        let word = row.word(after(position, distance));
        assert_eq!(
            for_writing(word, position, count),
            expected,
            "{row:?} {distance:+} of {position}, N = {count}"
        );
    });
}

#[test]
fn consumers_move_as_the_table_says() {
    each_case(|count, position, row, distance| {
        let n = count as i64;
        let expected = match (row, distance) {
            (Row::Published, 0) => ForReading::Claim(OPCODE),
            (Row::Reading, 0) => ForReading::Help,
            (Row::Free | Row::Writing | Row::Published, d) if d == n => ForReading::Help,
            _ => ForReading::Wait,
        };
        let word = row.word(after(position, distance));
        assert_eq!(
            for_reading(word, position, count),
            expected,
            "{row:?} {distance:+} of {position}, N = {count}"
        );
    });
}

#[test]
fn claimed_is_told_from_the_stamp() {
    each_case(|count, position, row, distance| {
        let n = count as i64;
        let state = State::of(row.word(after(position, distance)));
        let case = format!("{row:?} {distance:+} of {position}, N = {count}");
        let write_claimed = match row {
            Row::Free => distance == n,
            Row::Writing | Row::Published | Row::Reading => distance == 0,
        };
        assert_eq!(
            state.is_write_claimed(position, count),
            write_claimed,
            "{case}"
        );
        let read_claimed = match row {
            Row::Reading => distance == 0,
            Row::Free | Row::Writing | Row::Published => distance == n,
        };
        assert_eq!(
            state.is_read_claimed(position, count),
            read_claimed,
            "{case}"
        );
        let last = match row {
            Row::Free => distance - n,
            Row::Writing | Row::Published | Row::Reading => distance,
        };
        assert_eq!(
            state.last_claimed(count),
            Some(after(position, last)),
            "{case}"
        );
    });
    let unknown = State::of(word(Position::new(5), 0, WRITING));
    assert_eq!(unknown.last_claimed(2), None);
    assert!(!unknown.is_write_claimed(Position::new(5), 2));
    assert!(!unknown.is_read_claimed(Position::new(5), 2));
}

#[test]
fn exclusive_sides_see_what_the_table_says() {
    each_case(|_, position, row, distance| {
        let loaded = visible(row.word(after(position, distance)));
        let is_here = distance == 0;
        assert_eq!(is_free(loaded, position), row == Row::Free && is_here);
        let packet = (row == Row::Published && is_here).then_some(OPCODE);
        assert_eq!(packet_at(loaded, position), packet);
    });
    for opcode in 0..=u8::MAX {
        let position = Position::new((1 << 16) - 1);
        let loaded = visible(word(position.plus(1), 0, opcode));
        let known = opcode != FREE && opcode != WRITING;
        assert_eq!(packet_at(loaded, position), known.then_some(opcode));
    }
}

#[test]
fn one_wrong_bit_claims_nothing() {
    for position in origins() {
        for bit in 0..u64::BITS {
            let flip = 1_u64 << bit;
            let count = 4;
            let word = free(position) ^ flip;
            assert_ne!(
                for_writing(word, position, count),
                ForWriting::Claim,
                "bit {bit}"
            );
            if bit < Visible::BITS {
                assert!(!is_free(visible(word), position), "bit {bit}");
            }
            if bit < u8::BITS {
                // Another opcode is another packet, and as good.
                continue;
            }
            let word = published(position.minus(count), OPCODE) ^ flip;
            let not = ForWriting::ClaimIfReleased;
            assert_ne!(for_writing(word, position, count), not, "bit {bit}");
            let word = published(position, OPCODE) ^ flip;
            let not = ForReading::Claim(OPCODE);
            assert_ne!(for_reading(word, position, count), not, "bit {bit}");
            if bit < Visible::BITS {
                assert_eq!(packet_at(visible(word), position), None, "bit {bit}");
            }
        }
    }
}

#[test]
fn free_by_counter_is_a_window_of_one_ring() {
    for origin in origins() {
        for count in [2_usize, 4, 1 << 14] {
            let n = count as i64;
            for distance in [
                -n,
                -1,
                0,
                1,
                n - 1,
                n,
                n + 1,
                1 << 30,
                1 << 31,
                (1 << 32) - 1,
            ] {
                let released = after(origin, -distance).low();
                let expected = (0..n).contains(&distance);
                assert_eq!(
                    is_released(origin, released, count),
                    expected,
                    "{origin}, {distance} behind, N = {count}"
                );
            }
        }
    }
}

/// A 32-bit producer that publishes `position` writes the high half, then the low one: into a free slot, or one
/// that a shared producer left which died.
#[test]
fn a_torn_stamp_is_mended_and_a_whole_one_left() {
    const HIGH: u64 = !0xffff_ffff;
    let mut halves = [0; 2];
    for wrap in [1_u64 << 16, 5 << 16, 1 << 32, 1 << 48] {
        for count in [2_usize, 4, 1 << 14] {
            for ahead in 0..2 * count.min(8) {
                let position = Position::new(wrap).plus(ahead).minus(count.min(8));
                let before = position.minus(count);
                let writing = writing(position, Member::FIRST);
                let olds = [
                    (free(position), free(position)),
                    (published(before, OPCODE), free(position)),
                    (reading(before, Member::FIRST, OPCODE), free(position)),
                    (writing, writing),
                ];
                for (old, whole) in olds {
                    let new = published(position, OPCODE);
                    let torn = (new & HIGH) | (old & !HIGH);
                    // Whoever mends it may have 32 bits and die between the halves, too.
                    let half = (whole & HIGH) | (torn & !HIGH);
                    if torn != old && half == old && old != whole {
                        // What it was: no consumer has come past a multiple of 2^30 since, so `released` still says
                        // that it is free.
                        assert!(position.plus(1).get().is_multiple_of(1 << 16));
                        halves[0] += 1;
                    } else if torn != old && half != whole {
                        assert_eq!(half, torn);
                        halves[1] += 1;
                    }
                    // The other slots: published before, and released by counter or by stamp.
                    for near in [before.plus(2), position.plus(count).minus(1)] {
                        let expected = (torn != old).then_some(whole);
                        assert_eq!(mended(torn, near, count), expected);
                        assert_eq!(mended(old, near, count), None);
                        assert_eq!(mended(new, near, count), None);
                    }
                }
            }
        }
    }
    assert!(halves.iter().all(|half| *half > 0), "{halves:?}");
}

#[test]
fn half_a_stamp_shows_that_a_position_was_read_as_the_whole_does() {
    each_case(|count, position, row, distance| {
        let word = row.word(after(position, distance));
        let expected = State::of(word).is_read_claimed(position, count);
        assert_eq!(was_read_claimed(word, position, count), expected);
        let half = word ^ 0xffff_ffff << 32;
        assert_eq!(was_read_claimed(half, position, count), expected);
    });
}

#[test]
fn unexpected_is_what_no_rule_leads_to() {
    each_case(|count, position, row, distance| {
        let n = count as i64;
        let expected = match row {
            Row::Free => [0, n].contains(&distance),
            Row::Writing | Row::Published | Row::Reading => [0, -n].contains(&distance),
        };
        let word = row.word(after(position, distance));
        assert_eq!(
            is_expected(word, position, count),
            expected,
            "{row:?} {distance:+} of {position}, N = {count}"
        );
        // As a 64-bit reader may see it while a 32-bit writer is half-way.
        let half = word ^ 0xffff_ffff << 32;
        assert_eq!(is_expected(half, position, count), expected);
    });
    assert!(!is_expected(
        word(Position::new(7), 0, WRITING),
        Position::new(7),
        4
    ));
}
