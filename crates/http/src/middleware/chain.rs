//! Combines two middlewares into one.

use std::rc::Rc;

use actix_web::dev::{Service, ServiceRequest, Transform};
use futures_util::future::LocalBoxFuture;

/// `inner` wrapped by `outer`.
pub(crate) struct Chain<I, O> {
    inner: Rc<I>,
    outer: Rc<O>,
}

impl<I, O> Chain<I, O> {
    pub(crate) fn new(inner: I, outer: O) -> Self {
        Self { inner: Rc::new(inner), outer: Rc::new(outer) }
    }
}

impl<S, I, O> Transform<S, ServiceRequest> for Chain<I, O>
where
    S: Service<ServiceRequest> + 'static,
    I: Transform<S, ServiceRequest> + 'static,
    O: Transform<I::Transform, ServiceRequest, InitError = I::InitError> + 'static,
{
    type Response = O::Response;
    type Error = O::Error;
    type Transform = O::Transform;
    type InitError = O::InitError;
    type Future = LocalBoxFuture<'static, Result<O::Transform, O::InitError>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let (inner, outer) = (Rc::clone(&self.inner), Rc::clone(&self.outer));
        Box::pin(async move { outer.new_transform(inner.new_transform(service).await?).await })
    }
}
