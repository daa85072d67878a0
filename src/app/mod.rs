//! The window: bricks on a plate, the candidate cloud, panels. It never names Burn: jobs do the work on
//! their own thread and report.

pub mod camera;
pub mod cloud;
pub mod document;
pub mod font;
pub mod jobs;
pub mod keyboard;
pub mod lego;
pub mod offscreen;
pub mod pace;
pub mod panels;
pub mod settings;
pub mod stage;
pub mod theme;
pub mod tour;

use bevy::prelude::*;
use document::Document;
use offscreen::{DisplayError, Screen};
use settings::Settings;
use tour::TourOptions;

/// The first contents of the window.
#[derive(Debug)]
pub struct AppOptions {
    /// The template or run.
    pub document: Document,
    /// The first settings of jobs.
    pub settings: Settings,
    /// The scripted walk, if there is one.
    pub tour: TourOptions,
    /// Logical pixels.
    pub size: UVec2,
}

/// Opens the window, or an off-screen picture for a tour where there is no display, and runs until it is
/// closed.
///
/// # Errors
/// When there is nothing to draw on or with.
pub fn run(options: AppOptions) -> Result<AppExit, DisplayError> {
    let AppOptions { document, mut settings, tour, size } = options;
    let Screen { mut app, adapter, software, .. } = offscreen::open(size, tour.file.is_some())?;
    info!("drawing with {adapter}");
    settings.low_quality |= software;
    app.insert_resource(document)
        .insert_resource(settings)
        .insert_resource(tour)
        .add_plugins(AppPlugin);
    Ok(app.run())
}

/// Everything that this program adds to Bevy.
struct AppPlugin;

impl Plugin for AppPlugin {
    fn build(&self, app: &mut App) {
        app.add_plugins((
            document::plugin,
            jobs::plugin,
            pace::plugin,
            stage::plugin,
            camera::plugin,
            lego::plugin,
            cloud::plugin,
            panels::plugin,
            tour::plugin,
        ));
    }
}
