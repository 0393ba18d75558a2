//! A picture file for people.

use crate::image::Image;

/// A PNG file of three images as blue, green and red light, from dark sky to bright stars.
///
/// Returns `None` if the images differ in shape or have no pixels.
pub fn colour_png(blue: &Image, green: &Image, red: &Image) -> Option<Vec<u8>> {
    let shape = (red.width, red.height);
    if [blue, green].iter().any(|image| (image.width, image.height) != shape) {
        return None;
    }
    let planes = [red, green, blue].map(|image| {
        let level = image.median().unwrap_or(0.0);
        let spread = image.spread().unwrap_or(1.0).max(1e-3);
        move |i: usize| match image.pixels[i] {
            Some(value) => {
                // An inverse hyperbolic sine keeps faint and bright stars visible together.
                let height = ((value - level) / (2.0 * spread)).max(0.0).asinh() / 5.0;
                (25.0 + 230.0 * height.min(1.0)) as u8
            }
            None => 0,
        }
    });
    let mut pixels = Vec::with_capacity(red.pixels.len() * 3);
    for y in (0..shape.1).rev() {
        for x in 0..shape.0 {
            pixels.extend(planes.iter().map(|plane| plane(y * shape.0 + x)));
        }
    }
    let mut file = Vec::new();
    let (width, height) = (u32::try_from(shape.0).ok()?, u32::try_from(shape.1).ok()?);
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&pixels).ok()?;
    writer.finish().ok()?;
    Some(file)
}
