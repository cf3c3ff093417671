//! Lines over axes, as SVG.

use plotters::backend::SVGBackend;
use plotters::chart::ChartBuilder;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::IntoDrawingArea;
use plotters::element::Circle;
use plotters::series::{DashedLineSeries, LineSeries};
use plotters::style::{Color, IntoFont, RGBColor, ShapeStyle};

use crate::error::BenchError;

/// Told apart also by people who see fewer colours.
pub(super) const COLOURS: &[(u8, u8, u8)] = &[
    (0x1f, 0x6f, 0xeb),
    (0xd9, 0x4a, 0x38),
    (0x2a, 0x9d, 0x62),
    (0x8e, 0x5a, 0xc8),
    (0xe0, 0x9f, 0x1f),
    (0x17, 0xa2, 0xb8),
    (0xc2, 0x4d, 0x97),
    (0x6b, 0x72, 0x80),
    (0x7a, 0x9a, 0x01),
    (0x8c, 0x56, 0x4b),
];

const SIZE: (u32, u32) = (760, 420);
const INK: RGBColor = RGBColor(0x37, 0x41, 0x51);
const GRID: RGBColor = RGBColor(0xe5, 0xe7, 0xeb);

/// How values become places on an axis, and places labels.
#[derive(Clone, Copy)]
pub(super) struct Axis {
    pub(super) title: &'static str,
    pub(super) place: fn(f64) -> f64,
    pub(super) label: fn(f64) -> String,
    /// Labels at whole places only.
    pub(super) whole: bool,
    /// A place beside the whole ones that has a label, too; of the axis at the bottom.
    pub(super) also: Option<f64>,
}

/// A line and its name.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// The colour of the line of this index.
pub(super) const fn colour(index: usize) -> (u8, u8, u8) {
    COLOURS[index % COLOURS.len()]
}

/// Whether it is dashed, as another line has the same colour.
pub(super) const fn dashed(index: usize) -> bool {
    index >= COLOURS.len()
}

fn range(places: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = places.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), place| {
        (low.min(place), high.max(place))
    });
    if low < high {
        (low, high)
    } else {
        (low - 0.5, high + 0.5)
    }
}

/// The most labels of the axis at the bottom.
const LABELS: usize = 10;

/// Places with labels, of those from `low` to `high`.
fn keys(axis: Axis, low: f64, high: f64) -> Vec<f64> {
    let within = |place: &f64| (low - 1e-6..=high + 1e-6).contains(place);
    let whole = (low.floor() as i32..=high.ceil() as i32).map(f64::from);
    let whole: Vec<f64> = whole.filter(within).collect();
    let step = whole.len().div_ceil(LABELS).max(1);
    let also = axis.also.into_iter().filter(within);
    also.chain(whole.into_iter().step_by(step)).collect()
}

/// An axis that has its labels at these places.
struct Places {
    range: RangedCoordf64,
    keys: Vec<f64>,
}

impl Ranged for Places {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, limit: (i32, i32)) -> i32 {
        self.range.map(place, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            Vec::new()
        } else {
            self.keys.clone()
        }
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.range.range()
    }
}

/// The lines, drawn.
///
/// # Errors
/// [`BenchError::Plot`].
pub(super) fn draw(lines: &[Line], x: Axis, y: Axis) -> Result<String, BenchError> {
    let mut svg = String::new();
    draw_into(&mut svg, lines, x, y).map_err(|error| BenchError::Plot(error.to_string().into()))?;
    Ok(svg)
}

fn draw_into(
    svg: &mut String,
    lines: &[Line],
    x: Axis,
    y: Axis,
) -> Result<(), Box<dyn std::error::Error>> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let (left, right) = range(points().map(|point| (x.place)(point.0)));
    let (low, high) = range(points().map(|point| (y.place)(point.1)));
    let room = (high - low) * 0.05;
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .margin_right(34)
        .x_label_area_size(54)
        .y_label_area_size(92)
        .build_cartesian_2d(
            Places {
                range: (left..right + (right - left) * 0.01).into(),
                keys: keys(x, left, right),
            },
            low - room..high + room,
        )?;
    let font = ("system-ui, sans-serif", 17).into_font().color(&INK);
    let at_side = |place: &f64| {
        if y.whole && (place - place.round()).abs() > 1e-6 {
            String::new()
        } else {
            (y.label)(*place)
        }
    };
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(plotters::style::TRANSPARENT)
        .axis_style(INK.mix(0.4))
        .label_style(font.clone())
        .axis_desc_style(font)
        .x_desc(x.title)
        .y_desc(y.title)
        .y_labels(8)
        .x_label_formatter(&|place: &f64| (x.label)(*place))
        .y_label_formatter(&at_side)
        .draw()?;
    for (index, line) in lines.iter().enumerate() {
        let (red, green, blue) = colour(index);
        let style: ShapeStyle = RGBColor(red, green, blue).stroke_width(2);
        let places = line
            .points
            .iter()
            .map(|point| ((x.place)(point.0), (y.place)(point.1)));
        if dashed(index) {
            chart.draw_series(DashedLineSeries::new(places.clone(), 7, 5, style))?;
        } else {
            chart.draw_series(LineSeries::new(places.clone(), style))?;
        }
        if line.points.len() < 30 {
            chart.draw_series(places.map(|place| Circle::new(place, 3, style.filled())))?;
        }
    }
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(also: Option<f64>) -> Axis {
        Axis {
            title: "",
            place: |value| value,
            label: |place| place.to_string(),
            whole: true,
            also,
        }
    }

    #[test]
    fn labels_are_at_whole_places_and_at_the_one_beside_them() {
        assert_eq!(keys(axis(None), 3.0, 6.0), [3.0, 4.0, 5.0, 6.0]);
        assert_eq!(keys(axis(None), 3.0, 20.0).len(), 9);
        assert_eq!(keys(axis(Some(0.3)), 0.3, 2.0), [0.3, 1.0, 2.0]);
        assert_eq!(keys(axis(Some(0.3)), 0.5, 1.2), [1.0]);
    }
}
