//! Broken templates, and what mends them.

use super::*;
use crate::engine::{
    messages::keep,
    ops::{
        Conv2d, ConvBlock, ConvTranspose2d, Cropping2d, MOST, Merge, MisfitKind, Reshape,
        samples::{dense, dropout, input, max_pool},
    },
    seed,
    template::{
        BlocksPerLayer, Checked, FileError, Fragment, Link, Network, Node, parse, presets, read,
        to_ron,
    },
};
use rand::{RngExt, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

/// A residual branch of two layers and a concatenation of two widths.
fn branches() -> Template {
    let conv = |filters| Op::from(ConvBlock::new(filters, 3));
    let nodes = vec![
        Node::new("in", 0, vec![input([1, 8, 8])]),
        Node::new("stem", 1, vec![conv(4)]),
        Node::new("a", 2, vec![conv(8)]),
        Node::new("b", 3, vec![conv(4)]),
        Node { merge: Merge::Sum, ..Node::new("sum", 4, vec![]) },
        Node::new("c", 5, vec![conv(3)]),
        Node { merge: Merge::Concatenate, ..Node::new("cat", 6, vec![Op::BatchNorm]) },
        Node::new("pool", 7, vec![max_pool(2, 2, 0), Op::Flatten, dropout(0.2)]),
        Node::new("head", 8, vec![dense(3)]),
        Node::new("out", 9, vec![Op::Output]),
    ];
    let links = [
        ("in", "stem"),
        ("stem", "a"),
        ("a", "b"),
        ("b", "sum"),
        ("stem", "sum"),
        ("sum", "c"),
        ("c", "cat"),
        ("sum", "cat"),
        ("cat", "pool"),
        ("pool", "head"),
        ("head", "out"),
    ];
    let network = Network {
        blocks_per_layer: BlocksPerLayer::Any,
        nodes,
        links: links.iter().map(|&(a, b)| Link(a.into(), b.into())).collect(),
    };
    Template::new("branches", network)
}

/// Breaks a template in one of many ways.
fn damage(template: &mut Template, rng: &mut ChaCha8Rng) {
    let network = Arc::make_mut(&mut template.network);
    let any = |rng: &mut ChaCha8Rng| rng.random_range(0..network.nodes.len());
    let place = any(rng);
    let id = network.nodes[place].id.clone();
    let link = network.links.choose(rng).cloned();
    let Some(link) = link else { return };
    let first_op = |network: &mut Network, op: Op| {
        network.nodes[place].ops = std::iter::once(op)
            .chain(network.nodes[place].ops.iter().cloned())
            .collect::<Vec<_>>()
            .into();
    };
    match rng.random_range(0..22) {
        0 => network.links.retain(|other| *other != link),
        1 => network.links.push(link),
        2 => network.links.push(Link(id.clone(), id)),
        3 => network.links.push(Link(id, "nowhere".into())),
        4 => network.links.push(Link(link.1, link.0)),
        5 => network.nodes[place].id = network.nodes[0].id.clone(),
        6 => network.nodes[place].id = " ".into(),
        7 => {
            let nowhere = [f32::NAN, 0.0];
            template.layout_mut().positions.insert(id, nowhere);
        }
        8 => network.nodes[place].layer = network.nodes[0].layer,
        9 => template.layout_mut().set_label(&"nothing".into(), Some("here")),
        10 => {
            network.nodes.remove(place);
        }
        11 => first_op(network, ConvBlock::new(5, 3).into()),
        12 => first_op(network, Op::Flatten),
        13 => first_op(network, max_pool(40, 40, 0)),
        14 => first_op(network, max_pool(2, 1, 7)),
        15 => first_op(network, dense(0)),
        16 => first_op(network, dropout(2.0)),
        17 => first_op(network, Op::Output),
        18 => first_op(network, input([28, 28, 1])),
        19 => first_op(network, ConvBlock { groups: 7, ..ConvBlock::new(9, 3) }.into()),
        20 => first_op(network, ConvBlock::new(MOST + 1, MOST).into()),
        _ => first_op(network, Reshape { shape: vec![7, -1, 5] }.into()),
    }
}

#[test]
fn two_hundred_broken_templates_say_what_is_wrong_and_are_mended() {
    let mut bases = vec![branches()];
    for preset in presets() {
        bases.push(preset.template().expect("is right"));
    }
    let (mut broken, mut mended_ones) = (0, 0);
    for number in 0..260_u64 {
        let mut rng = seed::rng(11, "test/broken", number);
        let mut template = bases[number as usize % bases.len()].clone();
        for _ in 0..=number % 3 {
            damage(&mut template, &mut rng);
        }
        let analysis = template.analysis();
        if analysis.problems.is_empty() {
            continue;
        }
        broken += 1;
        for problem in &analysis.problems {
            assert!(!problem.what.is_empty() && !problem.fix.is_empty(), "{problem:?}");
            for fix in &problem.fixes {
                let made = template.edited(&fix.edits);
                assert!(made.is_ok(), "number {number}: {problem}: {fix:?}: {made:?}");
            }
        }
        let (fixed, done) = mended(&template);
        let left = fixed.analysis().problems;
        let told: Vec<_> = done.iter().map(|(it, fix)| (&it.what, &fix.title)).collect();
        let titles =
            left.first().map(|it| it.fixes.iter().map(|fix| &fix.title).collect::<Vec<_>>());
        assert!(left.is_empty(), "number {number}: {} {titles:?} after {told:#?}", left[0]);
        let checked = Checked::new(fixed).expect("has no problem");
        // It is a file that says the same.
        let text = to_ron(checked.template()).expect("can be written");
        assert_eq!(parse("fixed", &text).expect("is right"), checked);
        mended_ones += 1;
    }
    assert!(broken >= 200 && mended_ones == broken, "{mended_ones} of {broken}");
}

#[test]
fn each_fix_of_a_merge_makes_it_fit() {
    let mut template = branches();
    let b = template.network_mut().node_mut(&"b".into()).expect("is there");
    b.ops = vec![ConvBlock { stride: 2.into(), ..ConvBlock::new(6, 3) }.into()].into();
    let analysis = template.analysis();
    let [problem] = analysis.problems.as_slice() else { panic!("{:?}", analysis.problems) };
    assert_eq!(problem.kind, ProblemKind::Merge);
    assert!(problem.what.contains("6×4×4") && problem.what.contains("4×8×8"), "{problem}");
    // `stem` is projected to what `b` gives, or the other way; or a link goes.
    assert!(problem.fixes.len() >= 2, "{:?}", problem.fixes);
    for fix in &problem.fixes {
        let edited = template.edited(&fix.edits).expect("can be made");
        let after = edited.analysis();
        assert!(!after.problems.iter().any(|it| it.kind == ProblemKind::Merge), "{}", fix.title);
    }
}

#[test]
fn a_hundred_thousand_nodes_are_looked_at_and_told_in_some_lines() {
    let mut template = branches();
    for place in 0..100_000 {
        template.network_mut().nodes.push(Node::new(format!("n{place}"), 3, vec![dense(2)]));
    }
    let analysis = template.analysis();
    assert_eq!(analysis.problems.len(), 100_000);
    let (_, done) = mended(&template);
    assert!(!done.is_empty());
    let text = to_ron(&template).expect("can be written");
    assert_eq!(
        read("large", &text).expect("is read").network.nodes.len(),
        template.network.nodes.len()
    );
    let error = parse("large", &text).expect_err("is wrong").to_string();
    assert!(error.lines().count() < 20 && error.contains("not connected"), "{error}");
}

/// An input of 1×8×8, these operations and an output, in a chain.
fn chain_of(ops: Vec<Op>) -> Template {
    let nodes = vec![
        Node::new("in", 0, vec![input([1, 8, 8])]),
        Node::new("c", 1, ops),
        Node::new("out", 2, vec![Op::Output]),
    ];
    let links = ["in", "c"].into_iter().zip(["c", "out"]);
    let links = links.map(|(from, to)| Link(from.into(), to.into())).collect();
    Template::new("chain", Network { nodes, links, ..Network::default() })
}

#[test]
fn arguments_that_do_not_suit_what_enters_are_told_and_mended() {
    let crop = Cropping2d { cropping: [4, 4, 0, 0] };
    let padded = ConvTranspose2d { output_padding: 2.into(), ..ConvTranspose2d::new(2, 2) };
    let two_sides = Reshape { shape: vec![8, 8] };
    let huge = ConvTranspose2d { stride: 30_000.into(), ..ConvTranspose2d::new(1, 2) };
    let wide = Conv2d::new(20_000, 200);
    for op in [Op::from(crop), padded.into(), two_sides.into(), huge.into(), wide.into()] {
        let template = chain_of(vec![op.clone(), Op::Flatten]);
        let problems = template.analysis().problems;
        let [problem] = problems.as_slice() else { panic!("{op}: {problems:?}") };
        assert!(matches!(problem.kind, ProblemKind::Op { input: Some(_), .. }), "{problem}");
        for fix in &problem.fixes {
            let after = template.edited(&fix.edits).expect("can be made").analysis().problems;
            assert_eq!(after, [], "{op}: {}", fix.title);
        }
        assert!(!problem.fixes.is_empty(), "{problem}");
    }
}

/// The names of all variants, and a function for that of a value. A variant that is left out does not compile.
macro_rules! variants {
    ($kind:ident, $($variant:ident),+ $(,)?) => {{
        let name = |kind: &$kind| match kind {
            $($kind::$variant { .. } => stringify!($variant),)+
        };
        (name, [$(stringify!($variant)),+])
    }};
}

/// Templates that are wrong, each in another way.
fn wrong_templates() -> Vec<(&'static str, Template)> {
    let broken = |change: &dyn Fn(&mut Network)| {
        let mut template = branches();
        change(template.network_mut());
        template
    };
    let without = |id: &'static str| {
        broken(&|network| {
            network.nodes.retain(|node| node.id != id.into());
            network.links.retain(|link| link.0 != id.into() && link.1 != id.into());
        })
    };
    let linked = |from: &'static str, to: &'static str| {
        broken(&|network| network.links.push(Link(from.into(), to.into())))
    };
    let cut = |from: &'static str, to: &'static str| {
        broken(&|network| network.links.retain(|link| *link != Link(from.into(), to.into())))
    };
    let beginning_with = |id: &'static str, op: Op| {
        broken(&|network| {
            let node = network.node_mut(&id.into()).expect("is there");
            node.ops.insert(0, op.clone());
        })
    };
    let laid_out = |id: &'static str, position: [f32; 2]| {
        let mut template = branches();
        template.layout_mut().positions.insert(id.into(), position);
        template
    };
    let conv = |filters| Op::from(ConvBlock::new(filters, 3));
    let groups = ConvBlock { groups: 7, ..ConvBlock::new(9, 3) };
    vec![
        ("a node without an id", broken(&|network| network.nodes[2].id = " ".into())),
        ("two nodes of one id", broken(&|network| network.nodes[3].id = "a".into())),
        ("no input", without("in")),
        ("no output", without("out")),
        ("an output within", beginning_with("c", Op::Output)),
        ("an input within", beginning_with("c", input([1, 8, 8]))),
        ("a link to a name misspelt", linked("a", "sun")),
        ("a link to nothing", linked("a", "q")),
        ("a link to itself", linked("a", "a")),
        ("a link within a layer", broken(&|network| network.nodes[3].layer = 2)),
        ("a link twice", linked("a", "b")),
        ("a circle", linked("c", "a")),
        ("nothing enters", cut("stem", "a")),
        ("nothing follows", cut("a", "b")),
        ("a node apart", broken(&|network| network.nodes.push(Node::new("d", 3, vec![conv(4)])))),
        (
            "channels last",
            broken(&|network| network.nodes[0].ops = vec![input([28, 28, 1])].into()),
        ),
        ("a sum of two shapes", broken(&|network| network.nodes[3].ops = vec![conv(6)].into())),
        ("an argument of 0", beginning_with("head", dense(0))),
        ("a share of 2", beginning_with("head", dropout(2.0))),
        ("an image for a dense one", beginning_with("pool", dense(7))),
        ("a vector for a convolution", beginning_with("head", conv(7))),
        ("a window that is too large", beginning_with("pool", max_pool(40, 40, 0))),
        ("padding that is too wide", beginning_with("pool", max_pool(2, 1, 7))),
        ("groups that do not divide", beginning_with("pool", groups.into())),
        (
            "values that are left over",
            beginning_with("pool", Reshape { shape: vec![7, -1, 5] }.into()),
        ),
        ("too many weights", beginning_with("pool", Conv2d::new(60_000, 100).into())),
        ("a position that is none", laid_out("a", [f32::NAN, 0.0])),
        ("a place for what is no node", laid_out("q", [0.0, 0.0])),
    ]
}

#[test]
fn each_problem_is_told_in_these_words_with_these_fixes() {
    let (kind, kinds) = variants!(
        ProblemKind,
        NoId,
        SharedId,
        Place,
        NoInput,
        NoOutput,
        SeveralInputs,
        SeveralOutputs,
        LinkToNothing,
        LinkToItself,
        LinkWithinLayer,
        LinkTwice,
        LooseEnd,
        Cycle,
        NotFed,
        LeadsNowhere,
        Apart,
        ChannelsLast,
        Merge,
        Op,
        Position,
        LooksOfNothing,
    );
    let (reason, reasons) = variants!(
        MisfitKind, Argument, NeedsFlat, NeedsImage, NoInput, HasInput, Window, Padding, Groups,
        Values, Size,
    );
    let wrong = wrong_templates().into_iter();
    let mut wrong: Vec<_> = wrong.map(|(case, it)| (case, it.analysis().problems)).collect();
    let loose = r#"(version: 2, name: "loose", nodes: [(id: "a", layer: 0, ops: [Flatten])], links: [],
        heads: ["a"], tails: ["b"])"#;
    match Fragment::read("loose.ron", loose) {
        Err(FileError::Invalid { problems, .. }) => {
            wrong.push(("a loose end", problems.into_iter().map(|(_, problem)| problem).collect()));
        }
        other => panic!("{other:?}"),
    }
    let mut seen = BTreeSet::new();
    let messages = wrong.into_iter().map(|(case, problems)| {
        let mut text = String::new();
        for problem in problems {
            seen.insert(kind(&problem.kind));
            if let ProblemKind::Op { misfit, .. } = &problem.kind {
                seen.insert(reason(misfit));
            }
            text += &format!("{problem}\n");
            problem.fixes.iter().for_each(|fix| text += &format!("  - {}\n", fix.title));
        }
        (case, text)
    });
    keep("Problem", messages.collect::<Vec<_>>());
    assert_eq!(seen, kinds.into_iter().chain(reasons).collect());
}

#[test]
fn all_wrong_arguments_of_an_operation_are_told_and_mended() {
    let conv = Conv2d { stride: 0.into(), ..Conv2d::new(0, 0) };
    let template = chain_of(vec![conv.into(), Op::Flatten]);
    assert_eq!(template.analysis().problems.len(), 3);
    assert_eq!(mended(&template).0.analysis().problems, []);
}

#[test]
fn a_missing_end_gets_the_name_that_links_know() {
    for end in ["in", "out"] {
        let mut template = branches();
        let before = template.network.links.len();
        template.network_mut().nodes.retain(|node| node.id != end.into());
        let (fixed, done) = mended(&template);
        assert_eq!(fixed.analysis().problems, [], "{done:?}");
        assert_eq!(fixed.network.links.len(), before, "{done:?}");
        assert!(fixed.node(&end.into()).is_some());
    }
}

#[test]
fn a_stray_end_goes_and_not_the_network_behind_it() {
    for end in [Op::Output, input([1, 8, 8])] {
        let mut template = branches();
        let stem = template.network_mut().node_mut(&"stem".into()).expect("is there");
        stem.ops.insert(0, end);
        let (fixed, done) = mended(&template);
        assert_eq!(fixed.analysis().problems, [], "{done:?}");
        assert_eq!(fixed.network.nodes.len(), branches().network.nodes.len(), "{done:?}");
    }
}

#[test]
fn an_end_that_nothing_is_linked_to_goes_and_not_the_classifier() {
    let mut template = branches();
    let network = template.network_mut();
    network.nodes.retain(|node| node.id != "out".into());
    network.links.retain(|link| link.1 != "out".into());
    let head = network.node_mut(&"head".into()).expect("is there");
    head.ops = vec![dense(3), Op::Output].into();
    network.nodes.push(Node::new("spare", 8, vec![Op::Output]));
    let (fixed, done) = mended(&template);
    assert_eq!(fixed.analysis().problems, [], "{done:?}");
    assert_eq!(fixed.network.nodes.len(), template.network.nodes.len() - 1, "{done:?}");
    assert!(fixed.node(&"spare".into()).is_none());
}

#[test]
fn a_misspelt_link_is_corrected_and_no_input_made_of_it() {
    let mut template = branches();
    let network = template.network_mut();
    network.nodes.retain(|node| node.id != "in".into());
    network.links.retain(|link| link.0 != "in".into());
    network.links[0] = Link("sten".into(), "a".into());
    let (fixed, done) = mended(&template);
    assert_eq!(fixed.analysis().problems, [], "{done:?}");
    assert!(fixed.node(&"sten".into()).is_none());
    assert!(fixed.network.links.contains(&Link("stem".into(), "a".into())), "{done:?}");
}

#[test]
fn a_blank_id_is_given_a_name_with_its_links() {
    let mut template = branches();
    let blank = Edit::Rename { node: "stem".into(), id: "".into() };
    template = template.edited(&[blank]).expect("can be made");
    let (fixed, done) = mended(&template);
    assert_eq!(done.len(), 1, "{done:?}");
    assert_eq!(fixed.network.links.len(), branches().network.links.len());
    assert_eq!(fixed.analysis().problems, []);
}

#[test]
fn another_id_is_proposed_where_half_of_its_letters_are_right() {
    for (wrong, proposed) in [("sten", true), ("xy", false)] {
        let mut template = branches();
        template.network_mut().links.push(Link("a".into(), wrong.into()));
        let problems = template.analysis().problems;
        let titles: Vec<_> = problems[0].fixes.iter().map(|fix| fix.title.as_str()).collect();
        let found = titles.iter().any(|title| title.contains("instead"));
        assert_eq!(found, proposed, "{wrong}: {titles:?}");
    }
}

#[test]
fn a_circle_of_a_hundred_thousand_is_told_in_a_line() {
    let mut template = branches();
    let name = |place: usize| NodeId::new(format!("n{}", place % 100_000));
    let network = template.network_mut();
    for place in 0..100_000 {
        network.nodes.push(Node::new(name(place), 10 + place as u32, vec![dense(2)]));
        network.links.push(Link(name(place), name(place + 1)));
    }
    let analysis = template.analysis();
    let circle = analysis.problems.iter().find(|it| it.kind == ProblemKind::Cycle);
    let circle = circle.expect("is told");
    assert!(circle.to_string().len() < 300, "{circle}");
    assert!(circle.to_string().contains("and 99990 more"), "{circle}");
    assert!(circle.fixes[0].title.contains("`n99999` -> `n0`"), "{:?}", circle.fixes[0]);
}

#[test]
fn fixes_of_later_problems_are_made_when_asked_for() {
    let mut template = branches();
    for _ in 0..40 {
        template.network_mut().links.push(Link("in".into(), "stem".into()));
    }
    let analysis = template.analysis();
    let last = analysis.problems.last().expect("is told");
    assert!(last.fixes.is_empty());
    let fixes = fixes_of(&template, &analysis, last);
    assert!(fixes[0].title.starts_with("delete the link"), "{fixes:?}");
}

#[test]
fn a_hundred_thousand_nodes_of_one_id_get_their_own() {
    let mut template = branches();
    for _ in 0..100_000 {
        template.network_mut().nodes.push(Node::new("twin", 3, vec![dense(2)]));
    }
    // What the second would be called is there already.
    let (second, nodes) =
        (template.network.nodes.len() - 99_999, &mut template.network_mut().nodes);
    nodes[0].id = format!("twin-{second}").into();
    let analysis = template.analysis();
    let shared = analysis.problems.iter().find(|it| it.kind == ProblemKind::SharedId);
    let edited = template.edited(&shared.expect("is told").fixes[0].edits).expect("can be made");
    let ids: HashSet<_> = edited.network.nodes.iter().map(|node| &node.id).collect();
    assert_eq!(ids.len(), edited.network.nodes.len());
    assert!(ids.contains(&NodeId::new(format!("twin-{second}-2"))));
}

#[test]
fn of_several_ends_the_outermost_stays_whichever_end_it_is() {
    for (end, kind, title) in [
        (input([1, 8, 8]), ProblemKind::SeveralInputs, "keep the input of `in` only"),
        (Op::Output, ProblemKind::SeveralOutputs, "keep the output of `out` only"),
    ] {
        let mut template = branches();
        // In one brick with the other end, too.
        for id in ["in", "out"] {
            let block = &mut template.network_mut().node_mut(&id.into()).expect("is there").ops;
            block.insert(block.len(), end.clone());
        }
        let analysis = template.analysis();
        let problem = analysis.problems.iter().find(|it| it.kind == kind).expect("is told");
        assert_eq!(problem.fixes[0].title, title);
        let edited = template.edited(&problem.fixes[0].edits).expect("can be made");
        assert!(!edited.analysis().problems.iter().any(|it| it.kind == kind));
    }
}

#[test]
fn a_smaller_kernel_is_offered_without_dilation_only_where_there_is_one() {
    for (dilation, edits) in [(1, 1), (3, 2)] {
        let mut template = branches();
        let block = ConvBlock { dilation: dilation.into(), ..ConvBlock::new(4, 9) };
        let block = ConvBlock { padding: crate::engine::ops::Padding::Valid, ..block };
        let stem = template.network_mut().node_mut(&"stem".into()).expect("is there");
        stem.ops = vec![block.into()].into();
        let problem = &template.analysis().problems[0];
        let fix = &problem.fixes[0];
        assert!(fix.title.starts_with("set the kernel to 8"), "{problem}: {fix:?}");
        assert_eq!(fix.title.ends_with("without dilation"), dilation > 1, "{fix:?}");
        assert_eq!(fix.edits.len(), edits, "{fix:?}");
        let edited = template.edited(&fix.edits).expect("can be made");
        assert!(edited.analysis().problems.iter().all(|it| it.nodes != problem.nodes));
    }
}

#[test]
fn a_node_with_ten_thousand_links_of_as_many_shapes_gets_its_fixes() {
    let mut network = Network::default();
    network.nodes.push(Node::new("in", 0, vec![input([1, 1, 1]), Op::Flatten]));
    for width in 1..=10_000 {
        let id = crate::engine::template::NodeId::new(format!("n{width}"));
        network.links.push(Link("in".into(), id.clone()));
        network.links.push(Link(id.clone(), "sum".into()));
        network.nodes.push(Node::new(id, 1, vec![dense(width)]));
    }
    network.nodes.push(Node::new("sum", 2, vec![dense(3), Op::Output]));
    let analysis = Template::new("wide", network).analysis();
    let [problem] = analysis.problems.as_slice() else { panic!("{}", analysis.problems.len()) };
    assert!(problem.kind == ProblemKind::Merge && problem.fixes.len() == MOST_CHOICES);
    let titles: HashSet<_> = problem.fixes.iter().map(|fix| &fix.title).collect();
    assert_eq!(titles.len(), problem.fixes.len());
}

#[test]
fn bricks_that_stand_nowhere_beside_one_another_are_placed() {
    let mut template = branches();
    for id in ["pool", "head", "out"] {
        template.layout_mut().positions.insert(id.into(), [f32::NAN, f32::INFINITY]);
    }
    let (mended, done) = mended(&template);
    assert_eq!((mended.analysis().problems, done.len()), (vec![], 3));
}

#[test]
fn a_brick_that_stands_nowhere_keeps_its_label_and_its_group() {
    let mut template = branches();
    let id: NodeId = "b".into();
    template.layout_mut().positions.insert(id.clone(), [f32::INFINITY, 0.0]);
    template.layout_mut().set_label(&id, Some("branch"));
    template.layout_mut().put_into_group("g", std::slice::from_ref(&id));
    template.layout_mut().set_label(&"gone".into(), Some("a"));
    template.layout_mut().set_label(&"gone too".into(), Some("b"));
    let (fixed, done) = mended(&template);
    assert!(fixed.analysis().problems.is_empty() && done.len() <= 3, "{done:?}");
    assert!(fixed.position(&id).iter().all(|studs| studs.is_finite()));
    assert_eq!(fixed.label(&id), Some("branch"));
    assert!(fixed.layout.group_of(&id).is_some());
}
