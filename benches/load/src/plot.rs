//! Plots as SVG: bars that compare, lines that show growth. Drawn by hand, because a dozen rectangles and a few axes
//! are less than a library for them.
use std::fmt::Write as _;

/// One colour a broker, told apart also by those who see fewer.
const COLOURS: [&str; 8] = [
    "#0072b2", "#e69f00", "#d55e00", "#009e73", "#56b4e9", "#777777", "#cc79a7", "#000000",
];
const WIDTH: f64 = 860.0;
const FONT: &str = "font-family=\"sans-serif\" font-size=\"12\"";

/// What one broker has in one case: the length of its bar, and what stands beside it.
pub(crate) type Bar = Option<(f64, String)>;

/// Horizontal bars: for each case one a broker.
pub(crate) fn bars(title: &str, brokers: &[String], cases: &[(String, Vec<Bar>)]) -> String {
    const LEFT: f64 = 150.0;
    const ROW: f64 = 15.0;
    const GAP: f64 = 10.0;
    let all = cases.iter().flat_map(|(_, bars)| bars.iter().flatten());
    let most = all.map(|(length, _)| *length).fold(f64::MIN_POSITIVE, f64::max);
    let scale = (WIDTH - LEFT - 150.0) / most;
    let mut body = String::new();
    let mut y = legend(&mut body, title, brokers);
    for (case, bars) in cases {
        let middle = y + bars.len() as f64 * ROW / 2.0 + 4.0;
        text(&mut body, LEFT - 8.0, middle, "end", case);
        for (broker, bar) in bars.iter().enumerate() {
            let (length, label) = bar
                .as_ref()
                .map_or((0.0, "–"), |(length, label)| (*length, label));
            let (colour, width) = (COLOURS[broker % COLOURS.len()], (length * scale).max(1.0));
            let _ = writeln!(
                body,
                r#"<rect x="{LEFT}" y="{y:.1}" width="{width:.1}" height="{:.1}" fill="{colour}"/>"#,
                ROW - 2.0
            );
            text(&mut body, LEFT + width + 5.0, y + ROW - 4.0, "start", label);
            y += ROW;
        }
        y += GAP;
    }
    svg(&body, y)
}

/// A line: a name, and its points by size.
pub(crate) type Line = (String, Vec<(f64, f64)>);

/// Lines over two logarithmic axes.
pub(crate) fn lines(title: &str, [x_label, y_label]: [&str; 2], lines: &[Line]) -> String {
    const LEFT: f64 = 80.0;
    const HEIGHT: f64 = 300.0;
    let points = || lines.iter().flat_map(|(_, points)| points);
    let (x, y) = (
        Axis::over(points().map(|point| point.0)),
        Axis::over(points().map(|point| point.1)),
    );
    let names: Vec<String> = lines.iter().map(|(name, _)| name.clone()).collect();
    let mut body = String::new();
    let top = legend(&mut body, title, &names) + 10.0;
    let (right, bottom) = (WIDTH - 30.0, top + HEIGHT);
    let at = |point: (f64, f64)| {
        (
            LEFT + x.part(point.0) * (right - LEFT),
            bottom - y.part(point.1) * HEIGHT,
        )
    };
    for decade in x.decades() {
        let (px, _) = at((decade, 1.0));
        rule(&mut body, [px, top, px, bottom]);
        text(&mut body, px, bottom + 16.0, "middle", &power(decade));
    }
    for decade in y.decades() {
        let (_, py) = at((1.0, decade));
        rule(&mut body, [LEFT, py, right, py]);
        text(&mut body, LEFT - 6.0, py + 4.0, "end", &power(decade));
    }
    text(
        &mut body,
        f64::midpoint(LEFT, right),
        bottom + 36.0,
        "middle",
        x_label,
    );
    text(&mut body, LEFT, top - 8.0, "start", y_label);
    for (line, (_, points)) in lines.iter().enumerate() {
        let colour = COLOURS[line % COLOURS.len()];
        let mut path = String::new();
        for &point in points {
            let (px, py) = at(point);
            let _ = write!(path, "{px:.1},{py:.1} ");
            let _ = writeln!(
                body,
                r#"<circle cx="{px:.1}" cy="{py:.1}" r="3" fill="{colour}"/>"#
            );
        }
        let path = path.trim_end();
        let _ = writeln!(
            body,
            r#"<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>"#
        );
    }
    svg(&body, bottom + 46.0)
}

/// A logarithmic axis from one power of ten to another.
struct Axis {
    from: f64,
    to: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>) -> Self {
        let logs = values.filter(|&value| value > 0.0).map(f64::log10);
        let (low, high) = logs.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), log| {
            (low.min(log), high.max(log))
        });
        if low > high {
            return Self { from: 0.0, to: 1.0 };
        }
        let from = low.floor();
        Self {
            from,
            to: high.ceil().max(from + 1.0),
        }
    }

    fn part(&self, value: f64) -> f64 {
        (value.max(f64::MIN_POSITIVE).log10() - self.from) / (self.to - self.from)
    }

    fn decades(&self) -> impl Iterator<Item = f64> {
        let from = self.from as i32;
        (from..=self.to as i32).map(|power| 10_f64.powi(power))
    }
}

fn power(value: f64) -> String {
    if value < 1.0 {
        return format!("{value}");
    }
    match crate::figures::short(value).replace(".00", "").as_str() {
        "10.0" => "10".into(),
        other => other.replace(".0 ", " "),
    }
}

/// The title and who is who; answers where the plot begins.
fn legend(body: &mut String, title: &str, names: &[String]) -> f64 {
    let _ = writeln!(
        body,
        r#"<text x="12" y="20" font-weight="bold">{}</text>"#,
        escaped(title)
    );
    let mut x = 12.0;
    for (index, name) in names.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let _ = writeln!(
            body,
            r#"<rect x="{x:.1}" y="31" width="11" height="11" fill="{colour}"/>"#
        );
        text(body, x + 16.0, 41.0, "start", name);
        x += 34.0 + 7.0 * name.chars().count() as f64;
    }
    60.0
}

fn text(body: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let text = escaped(text);
    let _ = writeln!(
        body,
        r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#
    );
}

fn rule(body: &mut String, [x1, y1, x2, y2]: [f64; 4]) {
    let _ = writeln!(
        body,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#dddddd\"/>"
    );
}

fn svg(body: &str, height: f64) -> String {
    // Pages may be dark: the plot brings its own ground.
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height:.0}\" {FONT}>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{body}</svg>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_values_and_what_is_missing_says_so() {
        let brokers = ["a".to_owned(), "b & c".to_owned()];
        let case = ("x".to_owned(), vec![Some((2.0, "two".to_owned())), None]);
        let half = ("y".to_owned(), vec![Some((1.0, "one".to_owned())), None]);
        let svg = bars("t", &brokers, &[case, half]);
        assert!(
            svg.contains("width=\"560.0\"") && svg.contains("width=\"280.0\""),
            "{svg}"
        );
        assert!(svg.contains(">–</text>") && svg.contains("b &amp; c"), "{svg}");
    }

    #[test]
    fn an_axis_spans_whole_decades() {
        let axis = Axis::over([30.0, 4000.0].into_iter());
        assert_eq!((axis.from, axis.to), (1.0, 4.0));
        assert_eq!(axis.part(100.0), 1.0 / 3.0);
        assert_eq!(
            axis.decades().collect::<Vec<_>>(),
            [10.0, 100.0, 1000.0, 10_000.0]
        );
    }
}
