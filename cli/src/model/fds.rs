//! Open descriptors against their limit.

use crate::sample;

use super::{Fds, Window, number};

/// The descriptors of `later`; with the same process at the start of the window also their growth.
pub(super) fn fds(
    later: &sample::Process,
    earlier: Option<&sample::Process>,
    window: Option<Window>,
) -> Option<Fds> {
    let fds = later.fds.value()?;
    let nofile = later.nofile.value();
    let before = earlier.and_then(|process| process.fds.value());
    let slope = before.zip(window).map(|(before, window)| {
        let growth = number(fds.open) - number(before.open);
        growth / window.seconds
    });
    Some(Fds {
        open: fds.open,
        soft_limit: nofile.and_then(|limit| limit.soft),
        hard_limit: nofile.and_then(|limit| limit.hard),
        by_kind: fds.by_kind.clone(),
        tcp_connections: fds.tcp_connections,
        slope_per_s: slope,
    })
}

#[cfg(test)]
mod tests {
    use crate::model::{Model, Peaks, testing};
    use crate::sample::{Limit, Reading};

    #[test]
    fn growth_is_per_second_and_signed() {
        let (mut earlier, mut later) = testing::pair(4.0);
        earlier.processes = vec![testing::process(42)];
        later.processes = vec![testing::process(42)];
        earlier.processes[0].fds = Reading::Value(testing::fds(30));
        later.processes[0].fds = Reading::Value(testing::fds(20));
        let model = Model::between(&earlier, &later, &Peaks::default());
        let fds = model.processes[0].fds.as_ref().unwrap();
        assert_eq!((fds.open, fds.slope_per_s), (20, Some(-2.5)));
        assert_eq!((fds.soft_limit, fds.hard_limit), (Some(1024), Some(4096)));
    }

    #[test]
    fn no_growth_without_a_baseline() {
        let (earlier, mut later) = testing::pair(4.0);
        later.processes = vec![testing::process(42)];
        let model = Model::between(&earlier, &later, &Peaks::default());
        assert_eq!(model.processes[0].fds.as_ref().unwrap().slope_per_s, None);
    }

    #[test]
    fn an_unlimited_or_unreadable_limit_is_absent() {
        let mut sample = testing::sample();
        sample.processes = vec![testing::process(1), testing::process(2)];
        sample.processes[0].nofile = Reading::Value(Limit { soft: None, hard: None });
        sample.processes[1].nofile = Reading::unreadable("EACCES");
        let model = Model::at(&sample);
        for process in &model.processes {
            assert_eq!(process.fds.as_ref().unwrap().soft_limit, None);
        }
        assert_eq!(model.processes[0].limits.nofile, Some(Limit { soft: None, hard: None }));
        assert_eq!(model.processes[1].limits.nofile, None);
    }
}
