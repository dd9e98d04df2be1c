//! What may have been meant: names near a misspelt one, and the error of a field that does not exist.

use super::Path;
use super::problem;
use crate::error::Error;

/// Names that one message lists at most.
const MOST_LISTED: usize = 20;

/// Names longer than this are not compared letter by letter.
const MOST_CHARS: usize = 64;

/// The error of a filter on a field that no record has; `known` are those that exist.
pub(crate) fn unknown_field(path: &Path, known: impl Iterator<Item = String>) -> Error {
    let wanted = path.to_string();
    let mut known: Vec<(usize, String)> = known.map(|name| (distance(&wanted, &name), name)).collect();
    known.sort();
    let there = match known.first() {
        None => return problem(format!("there is no field '{wanted}': the records have no fields")),
        Some((far, name)) if *far <= tolerance(&wanted) => format!("did you mean '{name}'? There are"),
        Some(_) => "there are".into(),
    };
    let listed: Vec<&str> = known.iter().take(MOST_LISTED).map(|(_, name)| name.as_str()).collect();
    let more = match known.len().saturating_sub(MOST_LISTED) {
        0 => String::new(),
        more => format!(", ... and {more} more"),
    };
    problem(format!("no record has a field '{wanted}'; {there} {}{more}", listed.join(", ")))
}

/// `; did you mean 'year'?`, where one of `names` is near; else nothing.
pub(super) fn did_you_mean(wanted: &str, names: &[&str]) -> String {
    let nearest = names.iter().map(|name| (distance(wanted, name), name)).min_by_key(|(far, _)| *far);
    match nearest {
        Some((far, name)) if far <= tolerance(wanted) => format!("; did you mean '{name}'?"),
        _ => String::new(),
    }
}

/// How many letters a word may be away from what was meant.
fn tolerance(word: &str) -> usize {
    (word.chars().count() / 3).clamp(1, 3)
}

/// Letters to insert, delete, replace or swap with the next, small and capital ones alike, to make one word of the other.
/// ("Optimal string alignment" distance.)
fn distance(one: &str, other: &str) -> usize {
    let letters =
        |word: &str| word.chars().flat_map(char::to_lowercase).take(MOST_CHARS + 1).collect::<Vec<_>>();
    let (one, other) = (letters(one), letters(other));
    if one.len().max(other.len()) > MOST_CHARS {
        return if one == other { 0 } else { MOST_CHARS };
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, with) in other.iter().enumerate() {
            let replaced = last[j] + usize::from(letter != with);
            let mut fewest = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *letter == other[j - 1] && one[i - 1] == *with {
                fewest = fewest.min(before[j - 1] + 1);
            }
            row.push(fewest);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_letters() {
        for (one, other, letters) in [
            ("", "", 0),
            ("year", "YEAR", 0),
            ("yaer", "year", 1),
            ("$gte2", "$gte", 1),
            ("kitten", "sitting", 3),
            ("", "gold", 4),
        ] {
            assert_eq!(distance(one, other), letters, "{one} {other}");
            assert_eq!(distance(other, one), letters, "{other} {one}");
        }
        let long = "a".repeat(100_000);
        assert_eq!(distance(&long, "a"), MOST_CHARS);
    }

    fn message(path: &str, known: &[String]) -> String {
        unknown_field(&Path::dotted(path), known.iter().cloned()).to_string()
    }

    #[test]
    fn a_field_that_does_not_exist_is_answered_with_those_that_do() {
        let known = ["tags".to_owned(), "title".to_owned(), "year".to_owned()];
        assert_eq!(
            message("yaer", &known),
            "filter: no record has a field 'yaer'; did you mean 'year'? There are year, tags, title"
        );
        assert_eq!(
            message("category", &known),
            "filter: no record has a field 'category'; there are tags, year, title"
        );
        assert_eq!(message("a.b", &[]), "filter: there is no field 'a.b': the records have no fields");
        let many: Vec<String> = (0..32).map(|at| format!("column{at:02}")).collect();
        let text = message("column31x", &many);
        assert!(text.contains("did you mean 'column31'? There are column31, "), "{text}");
        assert!(text.ends_with(", ... and 12 more"), "{text}");
        assert_eq!(text.matches("column").count(), 2 + MOST_LISTED);
    }
}
