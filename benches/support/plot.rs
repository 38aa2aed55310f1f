//! What a create costs by how many claims there are, as a picture.

use std::path::Path;

use plotters::prelude::*;

/// Draws lines of times in microseconds over numbers of claims.
pub fn draw(file: &Path, lines: &[(&str, Vec<(f64, f64)>)]) {
    let points = || lines.iter().flat_map(|(_, line)| line);
    let most = points().map(|point| point.1).fold(0.0, f64::max) * 1.1;
    let first = points().map(|point| point.0).fold(f64::INFINITY, f64::min);
    let last = points().map(|point| point.0).fold(0.0, f64::max);
    let area = SVGBackend::new(file, (800, 400)).into_drawing_area();
    area.fill(&WHITE).unwrap();
    let mut chart = ChartBuilder::on(&area)
        .margin(16)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d((first..last).log_scale(), 0.0..most)
        .unwrap();
    chart
        .configure_mesh()
        .x_desc("claims in the registry")
        .y_desc("a create over TLS, µs")
        .x_label_formatter(&|claims| format!("{claims:.0}"))
        .draw()
        .unwrap();
    for (number, (name, line)) in lines.iter().enumerate() {
        let color = Palette99::pick(number).to_rgba();
        let line = LineSeries::new(line.iter().copied(), color.stroke_width(2)).point_size(3);
        let series = chart.draw_series(line).unwrap().label(*name);
        series.legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()
        .unwrap();
    area.present().unwrap();
}
