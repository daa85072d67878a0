// The candidate cloud: each instance is a quad that faces the camera and looks like a small disc or a
// glossy ball. The instance's tag is the candidate's id, a position in `points`. Nothing is blended: an
// edge fades to the colour of the background, which smooths it and sets points apart where they overlap.

#import bevy_pbr::{
    mesh_functions,
    mesh_view_bindings::{view, globals},
}

// As `PointRecord` in points.rs.
struct PointRecord {
    position: vec3<f32>,
    radius: f32,
    birth_position: vec3<f32>,
    birth_secs: f32,
    color: vec3<f32>,
    flags: u32,
}

// As `Highlights` in draw.rs.
struct Highlights {
    hovered: u32,
    selected: u32,
    best: u32,
    forward: f32,
    background: vec3<f32>,
    accent: vec3<f32>,
}

@group(#{MATERIAL_BIND_GROUP}) @binding(0) var<storage, read> points: array<PointRecord>;
@group(#{MATERIAL_BIND_GROUP}) @binding(1) var<storage, read> highlights: Highlights;

// As in points.rs.
const FLIGHT_SECS: f32 = 0.6;
const MIN_RADIUS_PX: f32 = 1.5;
const EVALUATED: u32 = 1u;
const MUTED: u32 = 2u;

// Bits of `VertexOutput.shape`.
const STAR: u32 = 1u;
const RING: u32 = 2u;
const BALL: u32 = 4u;

// How far the end of a newborn's trail is behind it, as a share of the flight.
const TRAIL: f32 = 0.12;
// Where the ring begins, in radii.
const RING_INNER: f32 = 1.3;

struct Vertex {
    @builtin(instance_index) instance_index: u32,
    @location(0) corner: vec3<f32>,
}

struct VertexOutput {
    @builtin(position) position: vec4<f32>,
    // Position on the quad in radii; the ball is the unit disc, a trail lies towards -x.
    @location(0) local: vec2<f32>,
    @location(1) @interpolate(flat) color: vec3<f32>,
    // One pixel, in radii.
    @location(2) @interpolate(flat) pixel: f32,
    // The length of the trail, in radii.
    @location(3) @interpolate(flat) trail: f32,
    @location(4) @interpolate(flat) shape: u32,
}

fn ease_out(t: f32) -> f32 {
    let rest = 1.0 - clamp(t, 0.0, 1.0);
    return 1.0 - rest * rest * rest;
}

// The ring is at least two pixels wide.
fn ring_outer(pixel: f32) -> f32 {
    return RING_INNER + max(0.15, 2.0 * pixel);
}

@vertex
fn vertex(in: Vertex) -> VertexOutput {
    let id = mesh_functions::get_tag(in.instance_index);
    let point = points[id];

    // 1 when the ball has landed, 1 + TRAIL when the end of its trail has, too.
    let age = (globals.time - point.birth_secs) / FLIGHT_SECS * (1.0 + TRAIL);
    let center = mix(point.birth_position, point.position, ease_out(age));
    let behind = mix(point.birth_position, point.position, ease_out(age - TRAIL));

    var radius = point.radius;
    var color = point.color;
    var shape = 0u;
    var min_radius_px = MIN_RADIUS_PX;
    if (point.flags & EVALUATED) != 0u {
        shape |= BALL;
    }
    if id == highlights.best {
        shape |= STAR;
        color = highlights.accent;
        radius *= 2.4;
        min_radius_px = 8.0;
    }
    if (point.flags & MUTED) != 0u {
        // The best is a landmark, which steps back less than others.
        var depth = 0.75;
        if (shape & STAR) != 0u {
            depth = 0.4;
        }
        color = mix(color, highlights.background, depth);
        radius *= 0.8;
    }
    if id == highlights.selected {
        shape |= RING;
        min_radius_px = max(min_radius_px, 5.0);
    }
    if id == highlights.hovered {
        shape |= RING;
        radius *= 1.4;
        min_radius_px = max(min_radius_px, 6.0);
    }
    // The newborn are bright and a little bigger.
    let youth = 1.0 - clamp(age, 0.0, 1.0);
    color = mix(color, vec3(1.0), 0.7 * youth * youth);
    radius *= 1.0 + 0.6 * youth;

    var clip = view.clip_from_world * vec4(center, 1.0);
    let radius_px = radius * view.clip_from_view[1][1] / clip.w * view.viewport.w * 0.5;
    let shown_px = max(radius_px, min_radius_px);
    radius *= shown_px / max(radius_px, 1e-6);
    let pixel = 1.0 / shown_px;

    // The quad lies in the plane of the view, its x axis along the flight.
    let trail_view = (view.view_from_world * vec4(center - behind, 0.0)).xy;
    let trail_length = length(trail_view);
    var axis = vec2(1.0, 0.0);
    var trail = 0.0;
    if trail_length > 1e-5 {
        axis = trail_view / trail_length;
        trail = trail_length / radius;
    }
    var extent = 1.0;
    if (shape & RING) != 0u {
        extent = ring_outer(pixel);
    }
    var local = in.corner.xy * extent;
    if local.x < 0.0 {
        local.x -= trail;
    }
    let offset = vec2(axis.x * local.x - axis.y * local.y, axis.y * local.x + axis.x * local.y) * radius;
    let right = view.world_from_view[0].xyz;
    let up = view.world_from_view[1].xyz;

    var out: VertexOutput;
    out.position = view.clip_from_world * vec4(center + right * offset.x + up * offset.y, 1.0);
    if (shape & (STAR | RING)) != 0u {
        // What stands out must not drown in a dense cloud: it keeps its place and takes a nearer depth.
        let to_camera = view.world_position - center;
        let share = min(highlights.forward / max(length(to_camera), 1e-6), 0.5);
        let nearer = view.clip_from_world * vec4(center + to_camera * share, 1.0);
        out.position.z = nearer.z / nearer.w * out.position.w;
    }
    out.local = local;
    out.color = color;
    out.pixel = pixel;
    out.trail = trail;
    out.shape = shape;
    return out;
}

// The distance from the edge of a star with five tips on the unit circle; negative inside.
fn star_distance(p: vec2<f32>) -> f32 {
    let tip_angle = 1.2566371; // a fifth of a turn
    let turn = atan2(p.x, p.y) / tip_angle;
    let angle = abs(fract(turn + 0.5) - 0.5) * tip_angle;
    let folded = length(p) * vec2(cos(angle), sin(angle));
    let tip = vec2(1.0, 0.0);
    let notch = 0.46 * vec2(0.809017, 0.5877853);
    let edge = normalize(notch - tip);
    return dot(folded - tip, vec2(edge.y, -edge.x));
}

// A ball seen from the front, lit from the upper left.
fn ball(p: vec2<f32>, color: vec3<f32>) -> vec3<f32> {
    let normal = vec3(p, sqrt(max(1.0 - dot(p, p), 0.0)));
    let light = vec3(-0.44, 0.62, 0.65);
    let half_way = vec3(-0.2422, 0.3413, 0.9082);
    let diffuse = max(dot(normal, light), 0.0);
    let gloss = pow(max(dot(normal, half_way), 0.0), 48.0);
    // The low end of the colour scale is almost as dark as the background: a cool rim shows it, too.
    let rim = 1.0 - normal.z;
    return color * (0.45 + 0.62 * diffuse) + vec3(0.3 * gloss) + vec3(0.05, 0.09, 0.16) * rim * rim;
}

@fragment
fn fragment(in: VertexOutput) -> @location(0) vec4<f32> {
    let p = in.local;
    let dist = length(p);
    let soft = min(1.5 * in.pixel, 0.5);
    let background = highlights.background;

    if (in.shape & RING) != 0u && dist > RING_INNER - soft {
        let outer = ring_outer(in.pixel);
        if dist > outer {
            discard;
        }
        let band = smoothstep(RING_INNER - soft, RING_INNER, dist) * (1.0 - smoothstep(outer - soft, outer, dist));
        return vec4(mix(background, vec3(1.0), band), 1.0);
    }
    if (in.shape & STAR) != 0u {
        let edge = star_distance(p);
        if edge > 0.0 {
            discard;
        }
        let lit = in.color * (0.92 + 0.2 * p.y);
        return vec4(mix(background, lit, smoothstep(0.0, soft, -edge)), 1.0);
    }
    if dist > 1.0 {
        // Only a trail is out here: it narrows and fades to its end.
        let along = -p.x / (1.0 + in.trail);
        if in.trail <= 0.0 || along < 0.0 || along > 1.0 || abs(p.y) > 0.6 * (1.0 - along) {
            discard;
        }
        return vec4(mix(in.color, background, 0.5 + 0.5 * along), 1.0);
    }
    // Evaluated or not is said by colour, size and shape: a ball or a flat disc.
    var color = in.color;
    if (in.shape & BALL) != 0u {
        color = ball(p, color);
    }
    return vec4(mix(color, background, smoothstep(1.0 - soft, 1.0, dist)), 1.0);
}
