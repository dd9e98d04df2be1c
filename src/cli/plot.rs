//! [`Plot`]: points of two measures as an SVG, the lower axis linear and ending at 1, the left one logarithmic.

use std::fmt::Write;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 36.0;
const TOP: f64 = 70.0;
const BOTTOM: f64 = 60.0;
/// Most intervals between the ticks of the lower axis.
const INTERVALS: f64 = 8.0;
/// Room that a label needs, across and down.
const LABEL: (f64, f64) = (74.0, 15.0);

/// What is drawn.
pub(super) struct Plot {
    pub(super) title: String,
    pub(super) subtitle: String,
    pub(super) x_label: String,
    pub(super) y_label: String,
    pub(super) points: Vec<Point>,
}

/// One point.
pub(super) struct Point {
    /// A share, 0 to 1.
    pub(super) x: f64,
    /// Over 0.
    pub(super) y: f64,
    pub(super) label: String,
    /// Not joined to the others by the line, and of another colour.
    pub(super) apart: bool,
}

/// Where values lie on the picture.
struct Scale {
    x: (f64, f64),
    /// Logarithms.
    y: (f64, f64),
    step: f64,
}

impl Scale {
    fn of(points: &[Point]) -> Self {
        let least = points.iter().map(|point| point.x).fold(1.0, f64::min).clamp(0.0, 1.0);
        // The lower axis begins at a tick, a little below the least point.
        let spread = (1.0 - least).max(0.01);
        let steps = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2];
        let step = steps.into_iter().find(|step| spread / step <= INTERVALS - 1.0).unwrap_or(0.2);
        let first = ((least / step + 1e-9).floor() * step - step).max(0.0).min(1.0 - step);
        let low = points.iter().map(|point| point.y).fold(f64::INFINITY, f64::min).max(1e-3);
        let high = points.iter().map(|point| point.y).fold(low, f64::max);
        let (low, high) = (low.log10() - 0.1, high.log10() + 0.1);
        // So much of a decade that there are two ticks at least.
        let missing = (0.8 - (high - low)).max(0.0) / 2.0;
        Self { x: (first, 1.0), y: (low - missing, high + missing), step }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (value - self.x.0) / (self.x.1 - self.x.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT
            - BOTTOM
            - (value.max(1e-3).log10() - self.y.0) / (self.y.1 - self.y.0) * (HEIGHT - TOP - BOTTOM)
    }

    /// The values with a line across.
    fn y_ticks(&self) -> Vec<f64> {
        let decades = self.y.0.floor() as i32..=self.y.1.ceil() as i32;
        let ticks = decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(decade)));
        ticks.filter(|tick| (self.y.0..=self.y.1).contains(&tick.log10())).collect()
    }

    fn x_ticks(&self) -> Vec<f64> {
        let count = ((self.x.1 - self.x.0) / self.step).round() as usize;
        (0..=count).map(|at| self.x.0 + at as f64 * self.step).collect()
    }
}

impl Plot {
    /// The picture.
    pub(super) fn svg(&self) -> String {
        let scale = Scale::of(&self.points);
        let mut body = String::new();
        self.draw_axes(&scale, &mut body);
        self.draw_points(&scale, &mut body);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
             font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\" fill=\"#333\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n"
        )
    }

    fn draw_axes(&self, scale: &Scale, body: &mut String) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        text(body, (LEFT, 28.0), "start", "font-size=\"17\" font-weight=\"bold\"", &self.title);
        text(body, (LEFT, 48.0), "start", "fill=\"#666\"", &self.subtitle);
        let digits = if scale.step < 0.01 { 3 } else { 2 };
        for tick in scale.x_ticks() {
            let x = scale.x(tick);
            line(body, (x, TOP), (x, bottom), "#e4e4e4");
            text(body, (x, bottom + 18.0), "middle", "", &format!("{tick:.digits$}"));
        }
        for tick in scale.y_ticks() {
            let y = scale.y(tick);
            line(body, (LEFT, y), (right, y), "#e4e4e4");
            text(body, (LEFT - 8.0, y + 4.0), "end", "", &grouped(tick));
        }
        line(body, (LEFT, bottom), (right, bottom), "#333");
        line(body, (LEFT, TOP), (LEFT, bottom), "#333");
        text(body, ((LEFT + right) / 2.0, HEIGHT - 14.0), "middle", "", &self.x_label);
        let middle = (TOP + bottom) / 2.0;
        text(
            body,
            (20.0, middle),
            "middle",
            &format!("transform=\"rotate(-90 20 {middle:.1})\""),
            &self.y_label,
        );
    }

    fn draw_points(&self, scale: &Scale, body: &mut String) {
        let mut joined: Vec<&Point> = self.points.iter().filter(|point| !point.apart).collect();
        joined.sort_by(|a, b| a.x.total_cmp(&b.x).then(b.y.total_cmp(&a.y)));
        let path: Vec<String> =
            joined.iter().map(|point| format!("{:.1},{:.1}", scale.x(point.x), scale.y(point.y))).collect();
        let path = path.join(" ");
        let _ = writeln!(
            body,
            "<polyline points=\"{path}\" fill=\"none\" stroke=\"#1f6feb\" stroke-width=\"2\"/>"
        );
        let mut labels: Vec<(f64, f64)> = Vec::new();
        for point in self.points.iter().rev() {
            let (x, y) = (scale.x(point.x), scale.y(point.y));
            let colour = if point.apart { "#cf222e" } else { "#1f6feb" };
            let _ = writeln!(body, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>");
            // A label that would lie over another one is left out; the table has all figures.
            let place = label_place(x, y);
            let free =
                labels.iter().all(|(a, b)| (a - place.0).abs() > LABEL.0 || (b - place.1).abs() > LABEL.1);
            if free {
                labels.push(place);
                text(body, place, "end", &format!("fill=\"{colour}\""), &point.label);
            }
        }
    }
}

/// Where the label of a point ends: left below it, and right of it where there is no room.
fn label_place(x: f64, y: f64) -> (f64, f64) {
    let x = if x - LEFT > LABEL.0 { x - 8.0 } else { x + LABEL.0 };
    (x, y + 15.0)
}

fn line(body: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64), colour: &str) {
    let _ = writeln!(
        body,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\"/>"
    );
}

fn text(body: &mut String, (x, y): (f64, f64), anchor: &str, more: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(body, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {more}>{words}</text>");
}

/// A number with commas between groups of three digits.
fn grouped(number: f64) -> String {
    if number < 1.0 {
        return format!("{number}");
    }
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(points: &[(f64, f64)]) -> Plot {
        let points =
            points.iter().map(|(x, y)| Point { x: *x, y: *y, label: format!("<{x}>"), apart: false });
        let words = || "a & b".to_owned();
        Plot {
            title: words(),
            subtitle: words(),
            x_label: words(),
            y_label: words(),
            points: points.collect(),
        }
    }

    #[test]
    fn every_point_lies_inside_the_axes() {
        for points in [
            vec![(1.0, 5.0)],
            vec![(0.3, 10.0), (0.999, 1e6)],
            vec![(0.99, 1000.0), (1.0, 999.0)],
            vec![(0.0, 1.0)],
        ] {
            let scale = Scale::of(&plot(&points).points);
            for (x, y) in points {
                assert!((LEFT..=WIDTH - RIGHT + 0.01).contains(&scale.x(x)), "{x}");
                assert!((TOP..=HEIGHT - BOTTOM).contains(&scale.y(y)), "{y}");
            }
            assert!((2..=10).contains(&scale.x_ticks().len()) && scale.y_ticks().len() >= 2);
        }
    }

    #[test]
    fn words_are_escaped_and_numbers_grouped() {
        let svg = plot(&[(0.9, 12_000.0), (0.99, 3_000.0)]).svg();
        assert!(svg.contains("a &amp; b") && svg.contains("&lt;0.99&gt;") && !svg.contains("NaN"));
        assert!(svg.contains(">10,000<") && svg.contains(">5,000<"));
        assert_eq!(grouped(1_234_567.0), "1,234,567");
    }
}
