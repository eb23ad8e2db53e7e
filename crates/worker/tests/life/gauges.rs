//! A recorder of metrics that remembers gauges and nothing else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

#[derive(Clone, Default)]
pub struct Gauges(Arc<Mutex<HashMap<Key, f64>>>);

impl Gauges {
    /// The gauge of exports of that dialect in that state.
    pub fn exports(&self, dialect: &str, state: &str) -> Option<f64> {
        let labels = [("dialect", dialect.to_owned()), ("state", state.to_owned())];
        let key = Key::from_parts("outhaul_exports", &labels);
        self.0.lock().expect("nobody panicked").get(&key).copied()
    }
}

struct One {
    key: Key,
    all: Gauges,
}

impl One {
    fn change(&self, change: impl FnOnce(&mut f64)) {
        let mut all = self.all.0.lock().expect("nobody panicked");
        change(all.entry(self.key.clone()).or_default());
    }
}

impl GaugeFn for One {
    fn increment(&self, value: f64) {
        self.change(|now| *now += value);
    }
    fn decrement(&self, value: f64) {
        self.change(|now| *now -= value);
    }
    fn set(&self, value: f64) {
        self.change(|now| *now = value);
    }
}

impl Recorder for Gauges {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(One { key: key.clone(), all: self.clone() }))
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
