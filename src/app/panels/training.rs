//! The dialog with the settings of training that are not asked for every day.

use super::{controls::BUSY, dialogs, style, view::View, widgets};
use crate::engine::{
    loss::LossKind,
    named::Named,
    template::Graph,
    training::{OptimizerKind, TrainSettings},
};
use bevy_egui::egui::{ComboBox, Context, DragValue, Grid, Key, Ui};

/// Draws the dialog; `true` when the user closes it.
pub(super) fn ask(context: &Context, view: View<'_>, training: &mut TrainSettings) -> bool {
    let modal = dialogs::modal(context, "training").show(context, |ui| {
        ui.heading("How to train");
        ui.add_space(style::GAP);
        let idle = view.status.running.is_none();
        ui.add_enabled_ui(idle, |ui| {
            Grid::new("training settings")
                .num_columns(2)
                .spacing([2.0 * style::GAP, style::GAP])
                .show(ui, |ui| rows(ui, training, view.document.graph()));
        });
        ui.add_space(style::GAP);
        let note = if !idle {
            format!("Not now: {BUSY}")
        } else if view.is_untrained() || *training == view.status.training {
            "These settings are kept in the run that training begins".to_owned()
        } else {
            "The next training begins another run".to_owned()
        };
        ui.label(widgets::secondary(note));
        ui.add_space(style::GAP);
        ui.horizontal(|ui| {
            let defaults = TrainSettings::default();
            let state =
                if *training == defaults { Err("these are the default settings") } else { Ok(()) };
            let state = if idle { state } else { Err(BUSY) };
            if widgets::button(ui, "Defaults", "Take the default settings", "", state, false)
                .clicked()
            {
                *training = defaults;
            }
            widgets::button(ui, "Close", "Keep these settings", "Escape", Ok(()), false).clicked()
        })
        .inner
    });
    modal.inner || context.input(|input| input.key_pressed(Key::Escape))
}

fn rows(ui: &mut Ui, training: &mut TrainSettings, graph: &Graph) {
    row(ui, "Paths", "Which paths a step trains", |ui| {
        ui.horizontal(|ui| {
            choose(ui, &mut training.policy);
            let chosen = training.policy.of(graph);
            if chosen != training.policy {
                ui.label(widgets::secondary(format!("here {chosen}")));
            }
        });
    });
    row(ui, "Loss", "What training makes small", |ui| choose(ui, &mut training.loss));
    let smooths =
        matches!(training.loss, LossKind::Auto | LossKind::CrossEntropy | LossKind::KlDivergence);
    if !smooths {
        training.label_smoothing = 0.0;
    }
    let tip = "Share of every image's probability that is spread over all classes; for cross entropy and \
               KL divergence";
    row(ui, "Label smoothing", tip, |ui| {
        let value = DragValue::new(&mut training.label_smoothing).range(0.0..=0.9).speed(0.005);
        ui.add_enabled(smooths, value);
    });
    let before = training.optimizer;
    row(ui, "Optimizer", "How weights follow their gradients", |ui| {
        choose(ui, &mut training.optimizer);
    });
    follow(training, before);
    row(ui, "Learning rate", "The highest one, before the schedule", |ui| {
        let speed = 0.02 * training.learning_rate;
        let value = DragValue::new(&mut training.learning_rate).range(1e-6..=10.0).speed(speed);
        ui.add(value.max_decimals(6));
    });
    row(ui, "Schedule", "How the learning rate changes", |ui| choose(ui, &mut training.schedule));
    let tip = "Images per step: 1 is stochastic gradient descent, more is mini-batch, all is gradient descent";
    row(ui, "Batch size", tip, |ui| {
        ui.horizontal(|ui| {
            let mut all = training.batch_size == TrainSettings::ALL_IMAGES;
            if !all {
                ui.add(DragValue::new(&mut training.batch_size).range(1..=65_536).speed(0.2));
            }
            if ui.checkbox(&mut all, "all").changed() {
                let some = TrainSettings::default().batch_size;
                training.batch_size = if all { TrainSettings::ALL_IMAGES } else { some };
            }
        });
    });
    row(ui, "Weight decay", "By how much weights are pulled towards 0", |ui| {
        let mut decay = training.weight_decay();
        let value = DragValue::new(&mut decay).range(0.0..=1.0).speed(1e-4).max_decimals(6);
        if ui.add(value).changed() {
            training.weight_decay = Some(decay);
        }
    });
    row(ui, "Clip gradients", "Shorten longer gradients to this norm; 0 is no limit", |ui| {
        let mut clip = training.clip.unwrap_or(0.0);
        let value = DragValue::new(&mut clip).range(0.0..=1000.0).speed(0.02);
        let value = value.custom_formatter(|clip, _| {
            if clip > 0.0 { format!("{clip:.2}") } else { "no limit".to_owned() }
        });
        if ui.add(value).changed() {
            training.clip = (clip > 0.0).then_some(clip);
        }
    });
    row(ui, "Augment", "Change training images at random, differently in every step", |ui| {
        ui.horizontal(|ui| {
            ui.checkbox(&mut training.augment.crop, "crop")
                .on_hover_text("Move every image by up to an eighth of its side");
            ui.checkbox(&mut training.augment.flip, "flip")
                .on_hover_text("Mirror every second image, left to right");
        });
    });
}

/// Another optimizer brings what is usual for it.
fn follow(training: &mut TrainSettings, before: OptimizerKind) {
    if training.optimizer != before {
        training.learning_rate = training.optimizer.usual_rate();
        training.weight_decay = None;
    }
}

fn row(ui: &mut Ui, name: &str, tip: &str, add: impl FnOnce(&mut Ui)) {
    ui.label(widgets::secondary(name)).on_hover_text(tip);
    ui.scope(add).response.on_hover_text(tip);
    ui.end_row();
}

/// A list of choices.
fn choose<T: Named>(ui: &mut Ui, choice: &mut T) {
    ComboBox::from_id_salt(T::WHAT).width(168.0).selected_text(choice.name()).show_ui(ui, |ui| {
        for &other in T::ALL {
            ui.selectable_value(choice, other, other.name()).on_hover_text(other.about());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::template::presets;
    use bevy_egui::egui::{self, RawInput};

    #[test]
    fn another_optimizer_brings_its_learning_rate() {
        // What a choice from the list does: the row is drawn with one optimizer and left with another.
        let context = Context::default();
        let mut training = TrainSettings { weight_decay: Some(0.5), ..TrainSettings::default() };
        let graph = presets()[0].graph().expect("is sound");
        let draw = |training: &mut TrainSettings| {
            let output = context.run_ui(RawInput::default(), |ui| {
                egui::CentralPanel::default().show(ui, |ui| rows(ui, training, &graph));
            });
            output.drop_without_applying_deltas();
        };
        draw(&mut training);
        assert_eq!(training.weight_decay, Some(0.5), "nothing is chosen, nothing changes");
        let mut chosen = training;
        chosen.optimizer = OptimizerKind::Sgd;
        follow(&mut chosen, training.optimizer);
        assert_eq!((chosen.learning_rate, chosen.weight_decay), (0.1, None));
        draw(&mut chosen);
        assert_eq!(chosen.learning_rate, 0.1);
    }
}
