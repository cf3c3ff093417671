//! Events through `tracing`, where that feature is on; nothing otherwise.

/// Emits an event at a level of `tracing`.
macro_rules! event {
    ($level:ident, $($what:tt)*) => {{
        #[cfg(feature = "tracing")]
        tracing::event!(target: "hqq", tracing::Level::$level, $($what)*);
    }};
}
pub(crate) use event;
