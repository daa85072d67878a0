//! Tours: scripted walks through the program, for live talks, kiosks and tests. A tour uses the program
//! much as a person would: it moves the pointer, clicks and presses keys, and looks at what comes of it. Files,
//! data, amounts and the camera it sets directly.

mod caption;
mod director;
mod hand;
mod jobs;
mod keys;
mod moves;
mod script;
mod shots;
mod sight;
mod state_dump;

// Public for its documentation: it describes the files.
pub use script::{FORMAT_VERSION, Tour, TourError, load, parse};

use bevy::{
    ecs::message::MessageUpdateSystems, picking::PickingSystems, prelude::*, time::TimeSystems,
};
use bevy_egui::{EguiPostUpdateSet, EguiPrimaryContextPass};
use std::path::PathBuf;

/// The tour to run, from the command line.
#[derive(Resource, Clone, Debug, PartialEq, Eq)]
pub struct TourOptions {
    /// The tour file; none, and the program waits for its user.
    pub file: Option<PathBuf>,
    /// The folder that pictures go to.
    pub shots: PathBuf,
    /// Whether the program ends with the tour: code 0, or 1 when a step or a job failed.
    pub exit: bool,
    /// A file to keep writing to what is where on the screen, for tests and scripts that drive the window
    /// from outside.
    pub dump_state: Option<PathBuf>,
}

impl Default for TourOptions {
    fn default() -> Self {
        Self { file: None, shots: PathBuf::from("shots"), exit: false, dump_state: None }
    }
}

pub(super) fn plugin(app: &mut App) {
    app.init_resource::<TourOptions>()
        .init_resource::<hand::HandPosition>()
        .init_resource::<sight::Labels>()
        .init_resource::<shots::Shutter>()
        .init_resource::<caption::Caption>()
        .init_resource::<director::Heard>()
        .init_resource::<director::Rest>()
        .add_systems(Startup, director::open_tour)
        .add_systems(
            First,
            (
                director::listen.run_if(resource_exists::<director::Director>),
                director::watch_rest.run_if(is_observed),
                director::direct.run_if(resource_exists::<director::Director>),
            )
                .chain()
                .after(MessageUpdateSystems)
                .after(TimeSystems)
                .before(PickingSystems::Input),
        )
        .add_systems(
            PostUpdate,
            sight::read_labels
                .run_if(is_observed)
                .after(EguiPostUpdateSet::EndPass)
                .before(EguiPostUpdateSet::ProcessOutput),
        )
        .add_systems(EguiPrimaryContextPass, caption::draw_caption)
        .add_systems(Last, state_dump::write_state.run_if(is_dumped));
}

/// Whether a tour or a script wants to know where things are.
fn is_observed(director: Option<Res<director::Director>>, options: Res<TourOptions>) -> bool {
    director.is_some() || is_dumped(options)
}

fn is_dumped(options: Res<TourOptions>) -> bool {
    options.dump_state.is_some()
}
