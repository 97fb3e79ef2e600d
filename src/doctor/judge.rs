//! All facts → all checks, in the order in which a person would look: the board, what hangs on it, what runs on it.

use super::facts::Facts;
use super::{Check, devices, system};

/// One check for each subject, always the same ones in the same order.
pub fn judge(facts: &Facts) -> Vec<Check> {
    let is_real = facts.board.is_real;
    vec![
        system::kernel(&facts.kernel),
        system::board(&facts.board, &facts.config),
        system::config(&facts.config),
        devices::camera(&facts.camera),
        devices::nodes(&facts.nodes, &facts.camera),
        devices::frame_rate(&facts.camera),
        devices::pins(facts.pins.as_ref().filter(|_| is_real)),
        devices::i2c(facts.i2c.as_ref().filter(|_| is_real), facts.board.model.as_deref()),
        devices::screen(&facts.screen, is_real),
        system::models(&facts.models),
        system::self_test(&facts.models),
        system::permissions(&facts.user, is_real),
        system::disks(&facts.disks),
        system::temperature(facts.heat.as_ref()),
        system::supply(facts.power),
        system::service(&facts.service),
        system::clock(facts.clock),
    ]
}
