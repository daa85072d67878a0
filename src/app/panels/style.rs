//! The one egui theme: colours from the app's theme, sizes on a grid of 8 points.

use crate::{
    app::{font, theme},
    engine::ops::Family,
};
use bevy::color::{Alpha, Color, ColorToPacked, Srgba};
use bevy_egui::egui::{
    self, Color32, Context, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Margin,
    Rangef, RichText, Stroke, TextStyle, Theme, Visuals,
    style::{ScrollStyle, Selection, WidgetVisuals},
    vec2,
};
use egui_plot::{Axis, AxisHints, MarkerShape};

/// Points between groups of controls.
pub(super) const GAP: f32 = 8.0;

/// Behind charts and text fields.
const SUNKEN: Color32 = Color32::from_rgb(0x0E, 0x11, 0x16);
/// Controls at rest, under the pointer, pressed.
const CONTROL: [Color32; 3] = [
    Color32::from_rgb(0x25, 0x2C, 0x37),
    Color32::from_rgb(0x30, 0x39, 0x47),
    Color32::from_rgb(0x3B, 0x46, 0x57),
];
/// Separators and outlines.
const LINE: Color32 = Color32::from_rgb(0x2A, 0x31, 0x3C);
/// Behind what is chosen from a list.
const CHOSEN: Color32 = Color32::from_rgb(0x2F, 0x3B, 0x4E);
/// The validation loss, apart from all family colours.
pub(super) const VALIDATION: Color32 = Color32::from_rgb(0x79, 0xC0, 0xFF);
/// Error text, light enough to be read on panels.
pub(super) const ERROR_TEXT: Color32 = Color32::from_rgb(0xFF, 0x8E, 0x92);
/// Text on the accent colour.
pub(super) const ON_ACCENT: Color32 = Color32::from_rgb(0x17, 0x1B, 0x22);
/// The part of a ring or bar that is not filled yet.
pub(super) const TRACK: Color32 = LINE;
/// The lines behind charts.
pub(super) const GRID: Color32 = Color32::from_rgb(0x3A, 0x43, 0x51);
/// The line along a panel's free edges.
pub(super) const EDGE: Color32 = LINE;

/// A colour of the app's theme for egui.
pub(super) fn paint(color: Color) -> Color32 {
    let [r, g, b, a] = Srgba::from(color).to_u8_array();
    Color32::from_rgba_unmultiplied(r, g, b, a)
}

/// Text.
pub(super) fn text() -> Color32 {
    paint(theme::TEXT)
}

/// Secondary text.
pub(super) fn secondary() -> Color32 {
    paint(theme::TEXT_SECONDARY)
}

/// The colour of an operation family.
pub(super) fn family(family: Family) -> Color32 {
    paint(theme::family_color(family))
}

/// The shape that says the same as the family's colour.
pub(super) const fn family_shape(family: Family) -> MarkerShape {
    match family {
        Family::Convolution => MarkerShape::Circle,
        Family::Pooling => MarkerShape::Square,
        Family::Dense => MarkerShape::Diamond,
        Family::Activation => MarkerShape::Right,
        Family::Normalisation => MarkerShape::Down,
        Family::Shape => MarkerShape::Left,
        Family::Merge => MarkerShape::Up,
        Family::Terminal => MarkerShape::Plus,
        Family::Identity => MarkerShape::Cross,
    }
}

/// The background of panels: 94 % opaque to the eye. They are blended in linear light, in which what shines
/// through looks much brighter than its share.
pub(super) fn panel() -> Color32 {
    paint(theme::PANEL.with_alpha(0.985))
}

/// An axis of a chart: small type, and every mark at full strength.
pub(super) fn axis<'a>(axis: Axis, label: &str) -> AxisHints<'a> {
    let spacing = if axis == Axis::X { Rangef::new(28.0, 30.0) } else { Rangef::new(14.0, 16.0) };
    AxisHints::new(axis)
        .label(RichText::new(label).small().color(secondary()))
        .label_spacing(spacing)
        .tick_label_font(FontId::proportional(11.0))
        .tick_label_color(secondary())
}

/// The heavier weight, for headings and what matters most.
pub(super) fn strong_family() -> FontFamily {
    FontFamily::Name("strong".into())
}

/// Text in the heavier weight.
pub(super) fn strong(text: impl Into<String>) -> RichText {
    RichText::new(text).family(strong_family()).color(self::text())
}

/// The app's font in front of egui's own, which know more signs.
fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let mut heavy = fonts.families.get(&FontFamily::Proportional).cloned().unwrap_or_default();
    heavy.insert(0, "strong".to_owned());
    fonts.families.insert(strong_family(), heavy);
    fonts.families.entry(FontFamily::Proportional).or_default().insert(0, font::FAMILY.to_owned());
    fonts.font_data.insert(font::FAMILY.to_owned(), FontData::from_static(font::FONT).into());
    fonts.font_data.insert("strong".to_owned(), FontData::from_static(font::FONT_SEMIBOLD).into());
    fonts
}

/// Gives the context its theme; `still` switches all animation off. The fonts are there from the next
/// pass on, before which [`strong`] must not be used.
pub(super) fn apply(context: &Context, still: bool) {
    context.set_fonts(fonts());
    context.set_theme(Theme::Dark);
    context.all_styles_mut(|style| *style = theme_style(still));
}

fn theme_style(still: bool) -> egui::Style {
    let mut style = egui::Style { visuals: visuals(), ..egui::Style::default() };
    let font = |size| FontId::new(size, FontFamily::Proportional);
    style.text_styles = [
        (TextStyle::Small, font(11.0)),
        (TextStyle::Body, font(13.0)),
        (TextStyle::Button, font(13.0)),
        (TextStyle::Heading, FontId::new(15.0, strong_family())),
        (TextStyle::Monospace, FontId::new(12.0, FontFamily::Monospace)),
    ]
    .into();
    let spacing = &mut style.spacing;
    spacing.item_spacing = vec2(GAP, 4.0);
    spacing.button_padding = vec2(GAP, 4.0);
    spacing.interact_size = vec2(32.0, 24.0);
    spacing.window_margin = Margin::same(16);
    spacing.menu_margin = Margin::same(8);
    spacing.tooltip_width = 320.0;
    spacing.scroll = ScrollStyle::thin();
    style.interaction.selectable_labels = false;
    style.interaction.tooltip_delay = 0.4;
    style.animation_time = if still { 0.0 } else { 0.12 };
    style
}

fn visuals() -> Visuals {
    let (text, secondary) = (text(), secondary());
    let widget = |fill: Color32, outline: Color32, foreground: Color32| WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: Stroke::new(1.0, outline),
        corner_radius: CornerRadius::same(4),
        fg_stroke: Stroke::new(1.0, foreground),
        expansion: 0.0,
    };
    let mut visuals = Visuals::dark();
    visuals.widgets.noninteractive = widget(paint(theme::PANEL), LINE, text);
    visuals.widgets.inactive = widget(CONTROL[0], CONTROL[0], text);
    visuals.widgets.hovered = widget(CONTROL[1], secondary, text);
    visuals.widgets.active = widget(CONTROL[2], text, text);
    visuals.widgets.open = widget(CONTROL[1], secondary, text);
    visuals.selection = Selection { bg_fill: CHOSEN, stroke: Stroke::new(1.0, text) };
    visuals.weak_text_color = Some(secondary);
    visuals.error_fg_color = ERROR_TEXT;
    visuals.extreme_bg_color = SUNKEN;
    visuals.panel_fill = panel();
    visuals.window_fill = paint(theme::PANEL);
    visuals.window_stroke = Stroke::new(1.0, LINE);
    visuals.window_corner_radius = CornerRadius::same(8);
    visuals.menu_corner_radius = CornerRadius::same(4);
    // A blinking cursor would redraw the whole world for as long as a field has the focus.
    visuals.text_cursor.blink = false;
    visuals
}
