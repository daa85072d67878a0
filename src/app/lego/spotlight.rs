//! What stands out: the candidate that is shown, the path that is being trained, what is hovered or
//! selected. Bricks and links take their looks from here.

use super::{Brick, LegoSystems, Outline};
use crate::{
    app::{
        document::{Archive, Document, Focus, TrainingHistory},
        settings::Settings,
        theme,
    },
    engine::{candidate::CandidateId, mask::Mask, template::NodeId},
};
use bevy::{
    ecs::system::SystemParam, prelude::*, render::render_resource::Face, window::RequestRedraw,
};

/// How long the light takes to run once through the network, in seconds.
const PULSE_SECS: f32 = 1.6;

/// How much light something gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Emphasis {
    /// Not part of what is shown.
    Muted,
    /// As everything is when nothing is shown.
    Normal,
    /// A link of the brick that is pointed at or selected; a brick on the path that is being trained.
    Near,
    /// A link of what is shown or trained; the brick that is pointed at.
    Bright,
}

/// Reads what stands out.
#[derive(SystemParam)]
pub(super) struct Spotlight<'w> {
    document: Res<'w, Document>,
    archive: Res<'w, Archive>,
    history: Res<'w, TrainingHistory>,
    focus: Res<'w, Focus>,
}

impl Spotlight<'_> {
    /// Whether anything may stand out that did not before.
    pub(super) fn is_changed(&self) -> bool {
        self.document.is_changed() || self.history.is_changed() || self.focus.is_changed()
    }

    /// The nodes of the candidate that is shown.
    fn shown(&self) -> Option<&Mask> {
        let mask = &self.archive.get(self.focus.shown_candidate()?)?.candidate.mask;
        self.fits(mask).then_some(mask)
    }

    /// The nodes of the path that is being trained.
    fn trained(&self) -> Option<&Mask> {
        self.history.training_path.as_ref().filter(|mask| self.fits(mask))
    }

    /// A mask of another template may be left over for the moment in which this one is opened.
    fn fits(&self, mask: &Mask) -> bool {
        mask.node_count() == self.document.graph().len()
    }

    fn points_at(&self, id: &NodeId) -> bool {
        self.focus.hovered_brick() == Some(id)
    }

    /// Whether the brick of a node is selected.
    pub(super) fn is_selected(&self, id: &NodeId) -> bool {
        self.focus.selected_brick.as_ref() == Some(id)
    }

    /// The light on the brick of a node.
    pub(super) fn on_brick(&self, node: usize) -> Emphasis {
        if self.points_at(self.document.graph().id(node)) {
            return Emphasis::Bright;
        }
        match (self.shown(), self.trained()) {
            (Some(shown), _) if shown.contains(node) => Emphasis::Normal,
            (Some(_), _) => Emphasis::Muted,
            (None, Some(trained)) if trained.contains(node) => Emphasis::Near,
            (None, _) => Emphasis::Normal,
        }
    }

    /// The light on the link between two nodes.
    pub(super) fn on_link(&self, from: usize, to: usize) -> Emphasis {
        let graph = self.document.graph();
        let both = |mask: &Mask| mask.contains(from) && mask.contains(to);
        let touches = |is: &dyn Fn(&NodeId) -> bool| is(graph.id(from)) || is(graph.id(to));
        let near = touches(&|id| self.points_at(id)) || touches(&|id| self.is_selected(id));
        match (self.shown(), self.trained()) {
            (Some(shown), _) if both(shown) => Emphasis::Bright,
            (Some(_), _) => Emphasis::Muted,
            (None, Some(trained)) if both(trained) => Emphasis::Bright,
            (None, _) if near => Emphasis::Near,
            (None, _) => Emphasis::Normal,
        }
    }
}

/// A wave of light that runs through the bright links in the direction of the data: once when another
/// candidate is shown, on and on while a path is being trained.
#[derive(Resource, Default)]
pub(super) struct Pulse {
    elapsed_secs: Option<f32>,
}

impl Pulse {
    /// How far through the network it is: 0 to 1, and a little beyond while it fades.
    pub(super) fn progress(&self) -> Option<f32> {
        self.elapsed_secs.map(|elapsed| elapsed / PULSE_SECS)
    }
}

/// The materials of bricks by the light on them, and of the outline.
#[derive(Resource)]
pub(super) struct BrickMaterials {
    muted: Handle<StandardMaterial>,
    normal: Handle<StandardMaterial>,
    near: Handle<StandardMaterial>,
    bright: Handle<StandardMaterial>,
    /// Drawn inside out, around the selected brick.
    pub(super) outline: Handle<StandardMaterial>,
}

impl FromWorld for BrickMaterials {
    fn from_world(world: &mut World) -> Self {
        let unlit = world.resource::<Settings>().low_quality;
        let mut materials = world.resource_mut::<Assets<StandardMaterial>>();
        // The colours are in the meshes: this only makes them darker or lighter.
        let mut brick = |light: f32| {
            materials.add(StandardMaterial {
                base_color: LinearRgba::gray(light).into(),
                perceptual_roughness: 0.42,
                reflectance: 0.4,
                unlit,
                ..default()
            })
        };
        let [muted, normal, near, bright] = [0.24, 1.0, 1.18, 1.32].map(&mut brick);
        let outline = materials.add(StandardMaterial {
            base_color: theme::TEXT,
            unlit: true,
            cull_mode: Some(Face::Front),
            ..default()
        });
        Self { muted, normal, near, bright, outline }
    }
}

impl BrickMaterials {
    /// The material for a brick in this light.
    pub(super) fn brick(&self, emphasis: Emphasis) -> &Handle<StandardMaterial> {
        match emphasis {
            Emphasis::Muted => &self.muted,
            Emphasis::Normal => &self.normal,
            Emphasis::Near => &self.near,
            Emphasis::Bright => &self.bright,
        }
    }
}

pub(super) fn plugin(app: &mut App) {
    app.init_resource::<Pulse>().add_systems(
        Update,
        (light_bricks.run_if(spotlight_changed), run_pulse).in_set(LegoSystems::Show),
    );
}

fn spotlight_changed(spotlight: Spotlight) -> bool {
    spotlight.is_changed()
}

fn light_bricks(
    spotlight: Spotlight,
    document: Res<Document>,
    materials: Res<BrickMaterials>,
    mut bricks: Query<(&Brick, &mut MeshMaterial3d<StandardMaterial>, &Children), Without<Outline>>,
    mut outlines: Query<&mut Visibility, With<Outline>>,
) {
    for (Brick(id), mut material, children) in &mut bricks {
        let Some(node) = document.graph().index_of(id) else { continue };
        let wanted = materials.brick(spotlight.on_brick(node));
        if material.0 != *wanted {
            material.0 = wanted.clone();
        }
        let shown =
            if spotlight.is_selected(id) { Visibility::Inherited } else { Visibility::Hidden };
        let mut outline = outlines.iter_many_mut(children);
        while let Some(mut visibility) = outline.fetch_next() {
            visibility.set_if_neq(shown);
        }
    }
}

/// Lets the light travel on.
pub(super) fn run_pulse(
    time: Res<Time>,
    settings: Res<Settings>,
    focus: Res<Focus>,
    history: Res<TrainingHistory>,
    mut pulse: ResMut<Pulse>,
    mut last_shown: Local<Option<CandidateId>>,
    mut redraw: MessageWriter<RequestRedraw>,
) {
    let shown = focus.shown_candidate();
    let newly_shown = shown.is_some() && shown != *last_shown;
    *last_shown = shown;
    let training = shown.is_none() && history.training_path.is_some();
    let still = settings.reduced_motion || settings.low_quality;
    let next = match pulse.elapsed_secs {
        _ if still => None,
        _ if newly_shown => Some(0.0),
        // Beyond the end, so that the light leaves the network before it begins again.
        Some(elapsed) if elapsed < 1.2 * PULSE_SECS => Some(elapsed + time.delta_secs()),
        _ => training.then_some(0.0),
    };
    if next != pulse.elapsed_secs {
        pulse.elapsed_secs = next;
    }
    if next.is_some() {
        redraw.write(RequestRedraw);
    }
}
