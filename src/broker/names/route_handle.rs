//! The name of a route.

/// Names a route as long as it stays as it is. The default names none.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct RouteHandle {
    pub(crate) at: u32,
    pub(crate) serial: u32,
    pub(crate) epoch: u64,
}

impl RouteHandle {
    /// The place of the route in a table.
    #[inline]
    pub(crate) fn place(self) -> usize {
        self.at as usize
    }
}
