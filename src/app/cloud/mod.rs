//! The candidate cloud: every candidate of the archive as a point whose place says which nodes it keeps
//! and whose colour says how good it is.
//!
//! One entity per candidate, keyed by [`Point`]; all share one mesh and one material, and the GPU reads how
//! each looks from one buffer ([`points`]). Points are picked through an own index ([`index`]), since
//! casting rays at that many meshes would be slow.

pub mod index;
pub mod points;

mod card;
mod draw;
mod frame;
mod keys;
mod legend;
mod overlay;
mod picking;

use super::{
    document::{Archive, CandidateEvaluated, Document, Focus, TemplateOpened, View},
    settings::Settings,
    stage::Stage,
};
use crate::engine::{
    candidate::CandidateId,
    search::{Candidate, Standing},
    study::Placed,
};
use bevy::{
    asset::AssetEventSystems, camera::visibility::VisibilitySystems, prelude::*,
    window::RequestRedraw,
};
use bevy_egui::EguiPostUpdateSet;
use points::{BORN_LONG_AGO, FLIGHT_SECS, PointRecord, Style};

/// Up to this many points carry a [`Name`]. Names of more points would take memory for no use.
const MOST_NAMES: usize = 10_000;

pub(super) fn plugin(app: &mut App) {
    app.add_plugins((draw::plugin, frame::plugin, legend::plugin, card::plugin)).add_plugins(logic);
}

/// Everything that needs no GPU and no egui.
fn logic(app: &mut App) {
    app.init_resource::<Cloud>()
        .init_resource::<Scores>()
        .configure_sets(
            PostUpdate,
            // Panels change the focus while egui runs, and what was changed must be drawn in this frame:
            // there may be no next one.
            CloudSystems
                .after(EguiPostUpdateSet::EndPass)
                .before(TransformSystems::Propagate)
                .before(VisibilitySystems::VisibilityPropagate)
                .before(AssetEventSystems),
        )
        .add_systems(Update, measure_archive.run_if(resource_changed::<Archive>))
        .add_systems(
            PostUpdate,
            (
                clear_points.run_if(on_message::<TemplateOpened>.or_else(archive_was_reset)),
                place_points.run_if(resource_changed::<Archive>),
                land_newborns.run_if(|cloud: Res<Cloud>| cloud.flying_until.is_some()),
                move_points.run_if(resource_changed::<Stage>),
                style_points,
            )
                .chain()
                .in_set(CloudSystems),
        )
        .add_plugins((picking::plugin, keys::plugin));
}

/// Where points get their look, in [`PostUpdate`].
#[derive(SystemSet, Clone, Debug, PartialEq, Eq, Hash)]
struct CloudSystems;

/// A candidate as a point of the cloud.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point(pub CandidateId);

/// The points by candidate id, as they look now.
#[derive(Resource, Debug, Default)]
pub struct Cloud {
    entities: Vec<Entity>,
    records: Vec<PointRecord>,
    /// Of the archive whose candidates they are.
    generation: u64,
    style: Style,
    /// How many of the records have got their look.
    styled: usize,
    /// When the last newborn has landed, and the first record that may be on its way.
    flying_until: Option<f64>,
    first_flying: usize,
}

impl Cloud {
    /// Where the candidate called `id` is, in world space.
    pub fn position(&self, id: CandidateId) -> Option<Vec3> {
        self.records.get(id.index()).map(|record| record.position)
    }

    /// All points, as the shader gets them; the index is the candidate's id.
    pub fn records(&self) -> &[PointRecord] {
        &self.records
    }
}

/// Facts about the whole archive, computed once per change.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq)]
struct Scores {
    /// Candidates, evaluated or not.
    count: usize,
    /// Candidates with an accuracy.
    evaluated: usize,
    /// Those of them whose accuracy is of other weights.
    stale: usize,
    /// Whether some of them cost more than the search is allowed.
    limited: bool,
    /// The lowest and the highest accuracy.
    range: Option<(f64, f64)>,
    /// The candidate with the highest.
    best: Option<CandidateId>,
}

/// Whether the archive was emptied since the points were placed.
fn archive_was_reset(archive: Res<Archive>, cloud: Res<Cloud>) -> bool {
    archive.generation() != cloud.generation
}

fn clear_points(
    mut commands: Commands,
    archive: Res<Archive>,
    mut cloud: ResMut<Cloud>,
    mut focus: ResMut<Focus>,
) {
    let empty = Cloud { generation: archive.generation(), ..Cloud::default() };
    for entity in std::mem::replace(&mut *cloud, empty).entities {
        commands.entity(entity).despawn();
    }
    if focus.hovered_candidate().is_some() {
        focus.hover_candidate(View::Cloud, None);
    }
    if focus.selected_candidate.is_some() {
        focus.selected_candidate = None;
    }
}

fn measure_archive(archive: Res<Archive>, mut scores: ResMut<Scores>) {
    let count = |counts: fn(&Candidate) -> bool| {
        archive.candidates().iter().filter(|candidate| counts(candidate)).count()
    };
    scores.set_if_neq(Scores {
        count: archive.candidates().len(),
        evaluated: count(|candidate| candidate.evaluation.is_some()),
        stale: count(|candidate| candidate.standing == Standing::Stale),
        limited: count(|candidate| candidate.evaluation.is_some() && !candidate.affordable) > 0,
        range: archive.accuracy_range(),
        best: archive.best().map(|best| best.candidate.id),
    });
}

/// Makes a point of every candidate that has none yet.
fn place_points(
    mut commands: Commands,
    archive: Res<Archive>,
    stage: Res<Stage>,
    settings: Res<Settings>,
    time: Res<Time>,
    look: Option<Res<draw::PointLook>>,
    mut cloud: ResMut<Cloud>,
) {
    let first = cloud.records.len();
    let count = archive.candidates().len();
    if count <= first {
        return;
    }
    let (cloud, named) = (&mut *cloud, count <= MOST_NAMES);
    for candidate in archive.placed().skip(first) {
        let id = candidate.candidate.id;
        let record = record_of(candidate, &archive, &stage, &settings, &time);
        let mut point = commands.spawn((
            Point(id),
            Transform::from_translation(record.position),
            Pickable::default(),
        ));
        if named {
            point.insert(Name::new(format!("Candidate {id}")));
        }
        if let Some(look) = &look {
            point.insert(look.bundle(id));
        }
        if record.birth_secs != BORN_LONG_AGO {
            if cloud.flying_until.is_none() {
                cloud.first_flying = cloud.records.len();
            }
            cloud.flying_until = Some(time.elapsed_secs_f64() + f64::from(FLIGHT_SECS));
        }
        cloud.entities.push(point.id());
        cloud.records.push(record);
    }
}

/// Place and flight of a new point; it gets its look later.
fn record_of(
    candidate: Placed<'_>,
    archive: &Archive,
    stage: &Stage,
    settings: &Settings,
    time: &Time,
) -> PointRecord {
    let position = world_from_cloud(candidate.position, stage);
    let parents: Vec<_> = candidate
        .candidate
        .parents
        .iter()
        .filter_map(|&id| archive.get(id))
        .map(|p| Vec3::from(p.position))
        .collect();
    // A run that is opened again comes with its evaluations, and shows itself at once.
    if parents.is_empty() || candidate.candidate.evaluation.is_some() || settings.reduced_motion {
        return PointRecord { position, birth_position: position, ..PointRecord::default() };
    }
    let mean = parents.iter().sum::<Vec3>() / parents.len() as f32;
    PointRecord {
        position,
        birth_position: world_from_cloud(mean.to_array(), stage),
        birth_secs: time.elapsed_secs_wrapped(),
        ..PointRecord::default()
    }
}

/// The place in the world of a cloud coordinate, in which the landmarks' root-mean-square radius is 1.
fn world_from_cloud(position: [f32; 3], stage: &Stage) -> Vec3 {
    stage.cloud_center + Vec3::from(position) * (stage.cloud_radius / 2.0)
}

/// Draws frames while newborns fly, and one more when the last has landed.
fn land_newborns(
    mut cloud: ResMut<Cloud>,
    time: Res<Time>,
    mut redraw: MessageWriter<RequestRedraw>,
) {
    redraw.write(RequestRedraw);
    if cloud.flying_until.is_some_and(|until| time.elapsed_secs_f64() >= until) {
        let first = cloud.first_flying;
        cloud.flying_until = None;
        // The shader's clock starts again every hour, and then no point may fly a second time.
        for record in cloud.records.iter_mut().skip(first) {
            record.birth_secs = BORN_LONG_AGO;
        }
    }
}

/// Keeps the points where the cloud is when the stage gets a new layout.
fn move_points(
    archive: Res<Archive>,
    stage: Res<Stage>,
    mut cloud: ResMut<Cloud>,
    mut transforms: Query<&mut Transform, With<Point>>,
) {
    if cloud.records.is_empty() {
        return;
    }
    let cloud = &mut *cloud;
    for ((candidate, record), &entity) in
        archive.placed().zip(&mut cloud.records).zip(&cloud.entities)
    {
        let position = world_from_cloud(candidate.position, &stage);
        record.birth_position += position - record.position;
        record.position = position;
        if let Ok(mut transform) = transforms.get_mut(entity) {
            transform.translation = position;
        }
    }
}

/// Gives points their look: new ones, those just evaluated, and all when something changed that all
/// depend on.
fn style_points(
    archive: Res<Archive>,
    scores: Res<Scores>,
    stage: Res<Stage>,
    focus: Res<Focus>,
    document: Res<Document>,
    mut evaluated: MessageReader<CandidateEvaluated>,
    mut cloud: ResMut<Cloud>,
) {
    let wanted_brick = focus.hovered_brick().or(focus.selected_brick.as_ref());
    let style = Style::new(
        scores.range,
        wanted_brick.and_then(|id| document.graph().index_of(id)),
        stage.cloud_radius,
        cloud.records.len(),
    )
    .with(archive.template_and_weights());
    let everything = style != cloud.style;
    if !everything && evaluated.is_empty() && cloud.styled == cloud.records.len() {
        return;
    }
    let cloud = &mut *cloud;
    let from = if everything { 0 } else { cloud.styled };
    for (candidate, record) in archive.candidates().iter().zip(&mut cloud.records).skip(from) {
        style.apply(candidate, record);
    }
    for CandidateEvaluated { id } in evaluated.read() {
        if let (Some(candidate), Some(record)) =
            (archive.get(*id), cloud.records.get_mut(id.index()))
        {
            style.apply(candidate.candidate, record);
        }
    }
    (cloud.style, cloud.styled) = (style, cloud.records.len());
}

#[cfg(test)]
mod tests;
