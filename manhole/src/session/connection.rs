//! stub
pub(crate) struct Connection;
pub(crate) struct Running;
impl Connection {
    pub(crate) fn running(&self) -> Running {
        Running
    }
    pub(crate) async fn evicted(&self) {
        std::future::pending().await
    }
}
