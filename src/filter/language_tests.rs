//! The language by examples: every form, and every message.

use super::Filter;
use super::Node;
use super::field;
use super::tests::json;
use super::tests::place;
use super::tests::refused;
use crate::metadata::DateTime;
use crate::metadata::Value;

#[test]
fn the_three_doors_give_the_same_filter() {
    let built =
        field("year").ge(1848).and(field("tags").is_in(["gold", "silver"])).and(!field("draft").exists());
    let text = "year >= 1848 and tags in ('gold','silver') and not exists(draft)";
    let operators = r#"{"$and": [{"year": {"$gte": 1848}}, {"tags": {"$in": ["gold", "silver"]}}, {"draft": {"$exists": false}}]}"#;
    assert_eq!(text.parse::<Filter>().unwrap(), built);
    assert_eq!(Filter::from_value(&json(operators)).unwrap(), built);
    assert_eq!(serde_json::from_str::<Filter>(operators).unwrap(), built);
    assert_eq!(built.to_string(), "year >= 1848 and tags in ('gold', 'silver') and not exists(draft)");
}

#[test]
fn every_form_of_the_text_has_its_builder() {
    let place = || place(38.775, -4.848);
    let (x, y, all) = (|| field("x"), || field("y"), Filter::all);
    for (text, built) in [
        ("x = 1", x().eq(1)),
        ("x == -1.5e3", x().eq(-1500.0)),
        ("x != 'a'", x().ne("a")),
        ("x <> \"it's\"", x().ne("it's")),
        ("x<1", x().lt(1)),
        ("x<=-9223372036854775808", x().le(i64::MIN)),
        ("x>9223372036854775807", x().gt(i64::MAX)),
        ("x >= 9223372036854775808.0", x().ge(9_223_372_036_854_775_808.0)),
        ("x between 1 and 2 and y", x().between(1, 2).and(y().eq(true)).regrouped()),
        ("x NOT BETWEEN 1 AND 2", !x().between(1, 2)),
        ("x in ()", x().is_in(Vec::<Value>::new())),
        ("x in (1, 'a', null,)", x().is_in([Value::from(1), "a".into(), Value::Null])),
        ("x in [1, 2]", x().is_in([1, 2])),
        ("x not in (1)", x().not_in([1])),
        ("x contains 'a'", x().contains("a")),
        ("x contains [1]", x().contains(vec![1])),
        ("x contains any (1, 2)", x().contains_any([1, 2])),
        ("x not contains all (1, 2)", !x().contains_all([1, 2])),
        ("x starts with 'On'", x().starts_with("On")),
        ("x not starts with 'On'", !x().starts_with("On")),
        ("x", x().eq(true)),
        ("not x", !x().eq(true)),
        ("Exists(x.y)", field("x.y").exists()),
        ("missing(x)", x().missing()),
        ("x is null", x().eq(Value::Null)),
        ("x is not null", x().ne(Value::Null)),
        ("words(x, 'gold mine')", x().has_words("gold mine")),
        ("within(x, 38.775, -4.848, 500)", x().within_radius(place(), 500.0)),
        ("inside(x, 38.775, -4.848, 38.775, -4.848)", x().within_box(place(), place())),
        (
            "x = [1, [2.5, true], []]",
            x().eq(vec![Value::from(1), vec![Value::from(2.5), true.into()].into(), Value::Array(vec![])]),
        ),
        ("x = point(38.775, -4.848)", x().eq(place())),
        ("x < datetime('1970-01-01T01:00:01+01:00')", x().lt(DateTime::from_unix_micros(1_000_000))),
        ("x < '1970-01-01T01:00:01+01:00'", x().lt("1970-01-01T01:00:01+01:00")),
        ("true", all()),
        ("false", Filter::any_of(vec![])),
        ("x or y and not x", x().eq(true).or(y().eq(true).and(!x().eq(true)))),
        ("(x or y) and x", x().eq(true).or(y().eq(true)).and(x().eq(true))),
        ("`x`", x().eq(true)),
        ("words and `not`.`a``b c`", field("words").eq(true).and(field("not.a`b c").eq(true))),
    ] {
        assert_eq!(text.parse::<Filter>().unwrap_or_else(|error| panic!("{text}: {error}")), built, "{text}");
    }
}

impl Filter {
    /// `(a and b) and c` for `a and b and c`.
    fn regrouped(self) -> Self {
        let Node::And(mut members) = self.node else { panic!("it is a conjunction") };
        let last = members.pop().unwrap();
        Node::And(vec![Self::all_of(members), last]).into()
    }
}

#[test]
fn texts_have_the_escapes_of_json_of_python_and_of_sql() {
    for (text, value) in [
        (r"x = 'it''s \'so\' \\ \/'", "it's 'so' \\ /"),
        (r#"x = "say ""yes"" \"no\"""#, "say \"yes\" \"no\""),
        (r"x = '\n\r\t\b\f'", "\n\r\t\u{8}\u{c}"),
        (r"x = '\u00e9\ud83d\udc8e\x41\U0001f48e'", "\u{e9}\u{1f48e}A\u{1f48e}"),
        ("x = 'two\nlines'", "two\nlines"),
    ] {
        assert_eq!(text.parse::<Filter>().unwrap(), field("x").eq(value), "{text}");
    }
}

#[test]
fn every_operator_has_its_builder() {
    let x = || field("x");
    let place = || place(1.0, 2.0);
    for (operators, built) in [
        (r#"{}"#, Filter::all()),
        (r#"{"x": 1}"#, x().eq(1)),
        (r#"{"x": null}"#, x().eq(Value::Null)),
        (r#"{"x": [1]}"#, x().eq(vec![1])),
        (r#"{"x": {"lat": 1, "lon": 2}}"#, x().eq(place())),
        (r#"{"x": {"$eq": 1}}"#, x().eq(1)),
        (r#"{"x": {"$ne": 1}}"#, x().ne(1)),
        (r#"{"x": {"$gt": 1, "$lte": 2}, "y.z": "a"}"#, x().gt(1).and(x().le(2)).and(field("y.z").eq("a"))),
        (r#"{"x": {"$gte": 1}}"#, x().ge(1)),
        (r#"{"x": {"$lt": 1}}"#, x().lt(1)),
        (r#"{"x": {"$in": [1, null]}}"#, x().is_in([Value::from(1), Value::Null])),
        (r#"{"x": {"$nin": [1]}}"#, x().not_in([1])),
        (r#"{"x": {"$exists": true}}"#, x().exists()),
        (r#"{"x": {"$exists": false}}"#, x().missing()),
        (r#"{"x": {"$contains": 1}}"#, x().contains(1)),
        (r#"{"x": {"$contains_any": [1, 2]}}"#, x().contains_any([1, 2])),
        (r#"{"x": {"$contains_all": []}}"#, x().contains_all(Vec::<Value>::new())),
        (r#"{"x": {"$prefix": "a"}}"#, x().starts_with("a")),
        (r#"{"x": {"$text": "a b"}}"#, x().has_words("a b")),
        (
            r#"{"x": {"$geo_radius": {"center": {"lat": 1, "lon": 2}, "meters": 5}}}"#,
            x().within_radius(place(), 5.0),
        ),
        (r#"{"x": {"$geo_radius": {"center": [1, 2.0], "meters": 5.5}}}"#, x().within_radius(place(), 5.5)),
        (
            r#"{"x": {"$geo_box": {"south_west": [1, 2], "north_east": [1, 2]}}}"#,
            x().within_box(place(), place()),
        ),
        (r#"{"x": {"$not": {"$gt": 1}}}"#, !x().gt(1)),
        (r#"{"x": {"$not": {"$gt": 1, "$lt": 5}}}"#, !x().gt(1).and(x().lt(5))),
        (r#"{"$not": {"x": 1}}"#, !x().eq(1)),
        (r#"{"$or": [{"x": 1}, {"x": 2}]}"#, x().eq(1).or(x().eq(2))),
        (r#"{"$or": [{"x": 1}]}"#, x().eq(1)),
        (r#"{"$or": []}"#, Filter::any_of(vec![])),
        (r#"{"$and": []}"#, Filter::all()),
        (r#"{"$and": [{"x": 1}, {"x": 2}]}"#, x().eq(1).and(x().eq(2))),
        (r#"{"lat": 1, "lon": 2}"#, field("lat").eq(1.0).and(field("lon").eq(2.0))),
    ] {
        let read =
            Filter::from_value(&json(operators)).unwrap_or_else(|error| panic!("{operators}: {error}"));
        assert_eq!(read, built, "{operators}");
    }
}

#[test]
fn an_instant_stays_an_instant_among_operators() {
    let instant = Value::DateTime(DateTime::from_unix_micros(5));
    let operators = Value::Map([("x".to_owned(), instant.clone())].into());
    assert_eq!(Filter::from_value(&operators).unwrap(), field("x").eq(instant));
}

#[test]
fn errors_of_a_text_name_the_place_and_what_is_right() {
    for (text, message) in [
        ("", "the text is empty; 'true' passes every record"),
        ("year >=", "at the end: expected a value such as 1848 or 'gold', found the end"),
        (
            "year >= gold",
            "at character 9 (`gold`): expected a value such as 1848 or 'gold', found 'gold'; a text is written in quotes, as 'gold'",
        ),
        (
            "year = None",
            "at character 8 (`None`): expected a value such as 1848 or 'gold', found 'None'; nothing is written null",
        ),
        ("year => 5", "at character 6 (`=> 5`): '=>' is no sign of the language; write '>='"),
        ("a && b", "at character 3 (`&& b`): '&&' is no sign of the language; write 'and'"),
        ("!a", "at character 1 (`!a`): '!' is no sign of the language; write 'not'"),
        (
            "$a = 1",
            "at character 1 (`$a = 1`): '$' is no sign of the language; a name with odd characters stands in `backticks`, a text in 'quotes'",
        ),
        ("a === 1", "at character 3 (`=== 1`): '===' is no sign of the language; did you mean '=='?"),
        (
            "tags on (1)",
            "at character 6 (`on (1)`): expected one of =, !=, <, <=, >, >=, in, not in, between, contains, starts with, is null, found 'on'; did you mean 'in'?",
        ),
        (
            "a like 'x'",
            "at character 3 (`like 'x'`): expected one of =, !=, <, <=, >, >=, in, not in, between, contains, starts with, is null, found 'like'",
        ),
        (
            "a not like 'x'",
            "at character 7 (`like 'x'`): expected 'in', 'between', 'contains' or 'starts with', found 'like'",
        ),
        (
            "5 < year",
            "at character 1 (`5 < year`): expected a condition such as year >= 1848 (a field stands before the value, odd names in `backticks`), found the number 5",
        ),
        (
            "true = a",
            "at character 6 (`= a`): a comparison begins with a field's name, and the value stands behind it",
        ),
        (
            "in = 5",
            "at character 1 (`in = 5`): expected a condition such as year >= 1848 (a field called in is written `in`), found 'in'",
        ),
        ("(a or b", "at the end: expected ')', found the end"),
        ("a) or b", "at character 2 (`) or b`): expected 'and', 'or' or the end, found ')'"),
        ("a > 1 < 5", "at character 7 (`< 5`): expected 'and', 'or' or the end, found '<'"),
        (
            "exist(a)",
            "at character 1 (`exist(a)`): there is no function 'exist', there are exists, missing, words, within, inside; did you mean 'exists'?",
        ),
        (
            "point(1, 2) = a",
            "at character 1 (`point(1, 2) = a`): a comparison begins with a field's name, and the value stands behind it",
        ),
        (
            "a in 5",
            "at character 6 (`5`): expected values in parentheses, such as ('gold', 'silver'), found the number 5",
        ),
        ("a in (1 2)", "at character 9 (`2)`): expected ',' or ')', found the number 2"),
        ("a between 1 or 2", "at character 13 (`or 2`): expected 'and' and the upper bound, found 'or'"),
        ("a starts 'x'", "at character 10 (`'x'`): expected 'with', found a text"),
        ("a starts with 5", "at character 15 (`5`): expected a text in quotes, found the number 5"),
        ("a is 5", "at character 6 (`5`): expected 'null' or 'not null', found the number 5"),
        ("a.", "at the end: expected the name behind the dot, found the end"),
        (
            "`a.b` = 1",
            "at character 1 (``a.b` = 1`): a dot separates names; each has backticks of its own: `a`.`b`",
        ),
        ("`` = 1", "field '': a name is empty; dots separate the names of a path"),
        ("`a = 1", "at character 1 (``a = 1`): the backtick that ends the name is missing"),
        ("a = 'x", "at character 5 (`'x`): the quote ' that ends the text is missing"),
        (
            r"a = '\q'",
            r#"at character 6 (`\q'`): no such escape; there are \\ \' \" \` \/ \b \f \n \r \t \xHH \uHHHH \UHHHHHHHH"#,
        ),
        (
            r"a = '\ud800'",
            r#"at character 6 (`\ud800'`): no such escape; there are \\ \' \" \` \/ \b \f \n \r \t \xHH \uHHHH \UHHHHHHHH"#,
        ),
        (
            "a = 12x",
            "at character 5 (`12x`): a number is written as 12, -0.5 or 1e6; a name of other characters than letters, digits and _, or with a digit at its start, stands in `backticks`",
        ),
        (
            "a = 9223372036854775808",
            "at character 5 (`9223372036854775808`): integers go from -9223372036854775808 to 9223372036854775807; with '.0' at its end it is a float",
        ),
        ("a = 1e999", "at character 5 (`1e999`): floats go to 1.7976931348623157e308"),
        (
            "a = datetime('yesterday')",
            "at character 14 (`'yesterday')`): 'yesterday' is not a date and time: it is not written as '1849-01-31' or '1849-01-31T12:00:00Z'",
        ),
        (
            "within(a, 91, 0, 5)",
            "at character 11 (`91, 0, 5)`): no place is at 91, 0: latitudes go from -90 to 90, longitudes from -180 to 180",
        ),
        ("within(a, 0, 0)", "at character 15 (`)`): expected ',', found ')'"),
        ("within(a, 0, 0, -5)", "field 'a': a radius of -5 meters; it is finite, and at least 0"),
        ("words(a, 5)", "at character 10 (`5)`): expected a text in quotes, found the number 5"),
        (
            "\u{e9}t\u{e9} ~ 'a long text that is cut somewhere'",
            "at character 5 (`~ 'a long text that is c...`): '~' is no sign of the language; a name with odd characters stands in `backticks`, a text in 'quotes'",
        ),
    ] {
        assert_eq!(refused(text.parse()), message, "{text}");
    }
}

#[test]
fn errors_of_operators_name_the_place_and_what_is_right() {
    for (operators, message) in [
        ("5", r#"expected a filter such as {"year": {"$gte": 1848}}, found the integer 5"#),
        (
            r#"{"a": {"$gte2": 5}}"#,
            "at a.$gte2: there is no operator '$gte2' under a field, there are $eq $ne $gt $gte $lt $lte $in $nin $exists $contains $contains_any $contains_all $prefix $text $geo_radius $geo_box $not; did you mean '$gte'?",
        ),
        (
            r#"{"$nor": []}"#,
            "at $nor: there is no operator '$nor' here, there are $and $or $not; did you mean '$or'?",
        ),
        (r#"{"$gt": 5}"#, r#"at $gt: '$gt' stands under a field, as {"year": {"$gt": ..}}"#),
        (r#"{"$and": {"a": 1}}"#, r#"at $and: expected an array of filters, found the map {"a":1}"#),
        (
            r#"{"$or": [{"a": 1}, {"b": {"$in": 5}}]}"#,
            "at $or[1].b.$in: expected an array of values, found the integer 5",
        ),
        (
            r#"{"$not": [1]}"#,
            r#"at $not: expected a filter such as {"year": {"$gte": 1848}}, found the array [1]"#,
        ),
        (
            r#"{"a": {"city": "x"}}"#,
            r#"at a: 'city' is no operator, and nothing equals a map: a value in a map is asked for as "a.city": .."#,
        ),
        (
            r#"{"a": {"$eq": {"city": "x"}}}"#,
            "field 'a': a map compares with nothing; test its values, such as 'a.city'",
        ),
        (r#"{"a": {}}"#, "at a: a map without operators compares with nothing"),
        (r#"{"a": {"$exists": 1}}"#, "at a.$exists: expected true or false, found the integer 1"),
        (
            r#"{"a": {"$not": 5}}"#,
            r#"at a.$not: expected operators such as {"$gt": 1848}, found the integer 5"#,
        ),
        (r#"{"a": {"$prefix": 5}}"#, "at a.$prefix: expected a string, found the integer 5"),
        (r#"{"a": {"$text": ["x"]}}"#, r#"at a.$text: expected a string, found the array ["x"]"#),
        (
            r#"{"a": {"$geo_radius": 5}}"#,
            "at a.$geo_radius: expected a map with 'center' and 'meters', found the integer 5",
        ),
        (
            r#"{"a": {"$geo_radius": {"centre": 5}}}"#,
            "at a.$geo_radius: there is no 'centre' here, there are 'center' and 'meters'; did you mean 'center'?",
        ),
        (r#"{"a": {"$geo_radius": {"center": [0, 0]}}}"#, "at a.$geo_radius: 'meters' is missing"),
        (
            r#"{"a": {"$geo_radius": {"center": [0, 0], "meters": "x"}}}"#,
            r#"at a.$geo_radius.meters: expected a number, found the string "x""#,
        ),
        (
            r#"{"a": {"$geo_radius": {"center": [0, 181], "meters": 5}}}"#,
            "at a.$geo_radius.center: no place is at 0, 181: latitudes go from -90 to 90, longitudes from -180 to 180",
        ),
        (
            r#"{"a": {"$geo_box": {"south_west": "x", "north_east": [0, 0]}}}"#,
            r#"at a.$geo_box.south_west: expected a place such as {"lat": 38.775, "lon": -4.848}, found the string "x""#,
        ),
        (
            r#"{"a": {"$geo_box": {"south_west": [1, 0], "north_east": [0, 0]}}}"#,
            "field 'a': the box goes from latitude 1 in the south to 0 in the north; the south comes first",
        ),
        (
            r#"{"a": {"$lt": [1]}}"#,
            "field 'a': array can't be put in order with '<': arrays are equal or not; 'contains' looks for their elements",
        ),
        (
            r#"{"a": {"$gte": {"lat": 1, "lon": 2}}}"#,
            "field 'a': geo point can't be put in order with '>=': places are equal or not; a radius or a box says where they are",
        ),
        (r#"{"a..b": 1}"#, "field 'a..b': a name is empty; dots separate the names of a path"),
        (r#"{"": 1}"#, "field '': a name is empty; dots separate the names of a path"),
    ] {
        assert_eq!(refused(Filter::from_value(&json(operators))), message, "{operators}");
        assert!(
            serde_json::from_str::<Filter>(operators).unwrap_err().to_string().contains(message),
            "{operators}"
        );
    }
}

#[test]
fn what_builders_let_through_is_found_by_the_check() {
    let center = place(0.0, 0.0);
    for (filter, message) in [
        (field("a").lt(f64::NAN), "field 'a': NaN compares with nothing; numbers are finite"),
        (field("a").is_in([1.0, f64::INFINITY]), "field 'a': inf compares with nothing; numbers are finite"),
        (
            field("a").within_radius(center, f64::NAN),
            "field 'a': a radius of NaN meters; it is finite, and at least 0",
        ),
        (field("$a").exists(), "field '$a': '$' marks operators, and no field begins so"),
        (
            Filter::all().and(!field("a.").exists()),
            "field 'a.': a name is empty; dots separate the names of a path",
        ),
        (
            field("a").contains(Value::Map(Default::default())),
            "field 'a': a map compares with nothing; test its values, such as 'a.name'",
        ),
        (
            field("a").eq((0..64).fold(Value::Null, |inner, _| vec![inner].into())),
            "field 'a': arrays are nested over 64 deep",
        ),
    ] {
        assert_eq!(refused(filter.check().map(|()| filter)), message);
    }
    assert!(field("a").eq((0..63).fold(Value::Null, |inner, _| vec![inner].into())).check().is_ok());
}
